"""``sojourn key list``: your own keys, and those whom you trust."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from agents.cli.home import HomeFolder, OwnKey
from agents.cli.options import Format, FormatOption, HomeOption, StoreOption
from agents.cli.screen import Screen, moment, write_json

if TYPE_CHECKING:
    from mobility.trust import TrustEntry, TrustList

__all__ = ["key_list"]


def key_list(home: HomeOption = None, store: StoreOption = None, output: FormatOption = Format.TEXT) -> None:
    """List your own keys and the trusted ones, with their roles, validity and revocation."""
    place = HomeFolder.of(home, store)
    trusted = place.store().current()
    own = list(place.own_keys())
    if output is Format.JSON:
        write_json(
            {
                "folder": str(place.folder),
                "store": str(place.trust_folder),
                "version": trusted.version,
                "own": [_own_as_data(key, trusted) for key in own],
                "trusted": [_entry_as_data(entry) for entry in trusted.listed],
            }
        )
        return
    screen = Screen()
    screen.line(f"Your keys, in {place.keys}", "bold")
    if own:
        screen.table(
            ["name", "role", "key", "trusted here"],
            [
                (key.name, key.problem, "", "")
                if key.public is None
                else (
                    key.name,
                    key.public.role,
                    key.public.key_id[:16],
                    _trusted(key.public.key_id, trusted),
                )
                for key in own
            ],
        )
    else:
        screen.line("none; make one with: sojourn key new NAME")
    screen.line()
    screen.line(f"Trusted keys, in {place.trust_folder}, version {trusted.version}", "bold")
    if trusted.entries:
        screen.table(
            ["name", "roles", "key", "valid until", "revoked"],
            [
                (entry.name, ", ".join(entry.roles), entry.key_id[:16], _until(entry), _revoked(entry))
                for entry in sorted(trusted.listed, key=lambda entry: (entry.name.lower(), entry.key_id))
            ],
        )
    else:
        screen.line("none; trust one with: sojourn key trust FILE.pub")


def _own_as_data(key: OwnKey, trusted: TrustList) -> dict[str, Any]:
    public = key.public
    return {
        "name": key.name,
        "role": public.role.value if public else None,
        "key_id": public.key_id if public else None,
        "path": str(key.path),
        "problem": key.problem or None,
        "trusted": public is not None and _trusted(public.key_id, trusted) == "yes",
    }


def _trusted(key_id: str, trusted: TrustList) -> str:
    entry = trusted.entries.get(key_id)
    return "no" if entry is None else "yes" if entry.revoked_from is None else "revoked"


def _entry_as_data(entry: TrustEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "roles": [role.value for role in entry.roles],
        "key_id": entry.key_id,
        "not_before": entry.not_before,
        "not_after": entry.not_after,
        "revoked_from": entry.revoked_from,
    }


def _until(entry: TrustEntry) -> str:
    unlimited = next(field.default for field in fields(entry) if field.name == "not_after")
    until = "always" if entry.not_after == unlimited else moment(entry.not_after)
    return until if entry.not_before == 0 else f"{until}, from {moment(entry.not_before)}"


def _revoked(entry: TrustEntry) -> str:
    if entry.revoked_from is None:
        return ""
    return "wholly" if entry.revoked_from == 0 else f"from epoch {entry.revoked_from}"
