"""``sojourn key revoke``: refuse what a key signs, from an epoch on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.home import HomeFolder
from agents.cli.options import Format, FormatOption, HomeOption, StoreOption
from agents.cli.screen import Screen, write_json

if TYPE_CHECKING:
    from mobility.trust import TrustList

__all__ = ["key_revoke"]

#: Fewer digits of a key id than this can be a mistake for a name.
_LEAST_DIGITS = 8


def key_revoke(
    key: Annotated[
        str, typer.Argument(metavar="ID_OR_NAME", help="Its name, or its id from 8 digits on.", show_default=False)
    ],
    from_epoch: Annotated[
        int, typer.Option("--from-epoch", metavar="N", min=0, help="The first epoch that is refused; 0: everything.")
    ] = 0,
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Revoke a trusted key. It can be revoked from an earlier epoch later, and never be trusted again."""
    place = HomeFolder.of(home, store)
    trusted = place.store()
    entry = trusted.revoke(_find(trusted.current(), key), from_epoch)
    version = trusted.version
    if output is Format.JSON:
        write_json(
            {
                "name": entry.name,
                "key_id": entry.key_id,
                "revoked_from": entry.revoked_from,
                "store": str(place.trust_folder),
                "store_version": version,
            }
        )
        return
    screen = Screen()
    screen.line(f"Revoked: {entry.name}  {entry.key_id}")
    screen.pairs(
        [
            ("refused", "everything" if entry.revoked_from == 0 else f"from epoch {entry.revoked_from} on"),
            ("in", f"{place.trust_folder}, version {version}"),
        ]
    )


def _find(trusted: TrustList, given: str) -> str:
    """The id of the one key that is meant: a whole id first, then a name or the beginning of an id."""
    from mobility.trust.errors import UnknownKey

    wanted = given.lower()
    if wanted in trusted.entries:  # a whole id, whatever else may be called so
        return wanted
    named = [entry for entry in trusted.listed if entry.name.lower() == wanted]
    found = [entry.key_id for entry in named if entry.revoked_from is None] or [entry.key_id for entry in named]
    if len(given) >= _LEAST_DIGITS:
        found += [key_id for key_id in trusted.entries if key_id.startswith(wanted) and key_id not in found]
    if not found:
        raise UnknownKey(given)
    if len(found) > 1:
        from agents.cli.errors import AmbiguousKey

        raise AmbiguousKey(given, found)
    return found[0]
