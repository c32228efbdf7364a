"""``sojourn verify``: the whole verification of a bundle file, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.cli.home import HomeFolder, existing_file
from agents.cli.options import (
    AsOption,
    AtLeastOption,
    BundleArgument,
    Format,
    FormatOption,
    HomeOption,
    IdentityOption,
    PassphraseFileOption,
    StoreOption,
)
from agents.cli.screen import Screen, amount, count, moment, write_json

if TYPE_CHECKING:
    from mobility.bundle import VerifiedBundle
    from mobility.trust import Identity, TrustList, VerifiedPassport

__all__ = ["verify_file"]

#: The groups of checks, in the order in which they are made.
_GROUPS = ("form", "signatures and chain", "address and epoch", "contents")


def verify_file(
    file: BundleArgument,
    audience: AsOption = None,
    at_least: AtLeastOption = None,
    identity: IdentityOption = None,
    passphrase_file: PassphraseFileOption = None,
    home: HomeOption = None,
    store: StoreOption = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Verify a bundle: form, signatures, chain, address, epoch, and the digest of every byte. Exit code 3 if refused.

    A sealed bundle needs --identity: what is sealed can be checked only by opening it.
    """
    from mobility.bundle.errors import BundleFileError
    from mobility.errors import MobilityError

    place = HomeFolder.of(home, store)
    key = place.identity(identity, passphrase_file) if identity is not None else None
    path = existing_file(file)
    trusted = place.store(place=audience).current()
    checked = _Checked()
    refusal: MobilityError | None = None
    try:
        checked.run(path, trusted, audience, at_least, key)
    except MobilityError as error:
        if isinstance(error, BundleFileError):
            raise
        refusal = error
    checks: list[dict[str, Any]] = [
        {"check": check, "passed": True, "detail": detail} for check, detail in checked.rows
    ]
    if refusal is not None:
        failed, *others = _GROUPS[_GROUPS.index(checked.group) :]
        checks.append({"check": failed, "passed": False, "detail": refusal.slug})
        checks += [{"check": check, "passed": None, "detail": "not looked at"} for check in others]
    if output is Format.JSON:
        write_json({"file": str(file), "verified": refusal is None, "agent": checked.agent, "checks": checks})
    else:
        _show(Screen(), str(file), checks)
    if refusal is not None:
        raise refusal


class _Checked:
    """The checks that were made so far; `group` is the one that is being made."""

    def __init__(self) -> None:
        self.group = _GROUPS[0]
        self.rows: list[tuple[str, str]] = []
        self.agent: str | None = None

    def run(
        self, path: Path, trusted: TrustList, audience: str | None, at_least: int | None, identity: Identity | None
    ) -> None:
        """Make them, one group after the other; the error of the first that fails ends it."""
        from mobility.bundle import Bundle
        from mobility.trust.errors import WrongAudience

        now, last_epoch = time.time(), at_least - 1 if at_least else None
        bundle = Bundle.read(path)
        self.rows.append(("form", f"a bundle of version 1, {amount(bundle.size)}"))

        self.group = _GROUPS[1]
        passport = bundle.passport.verify(trusted, now=now, audience=None)
        self.agent = passport.agent
        self.rows += _signatures(passport)

        self.group = _GROUPS[2]
        if audience is None and passport.place is not None:
            raise WrongAudience(addressed=passport.place, audience=None)
        bundle.passport.verify(trusted, now=now, audience=audience, last_epoch=last_epoch)
        self.rows += [("address", f"to {passport.place or 'whoever has it'}"), ("epoch", _epoch(passport, at_least))]

        self.group = _GROUPS[3]
        verified = bundle.verify(trusted, audience=audience, now=now, last_epoch=last_epoch, identity=identity)
        self.rows += _contents(verified)


def _signatures(passport: VerifiedPassport) -> list[tuple[str, str]]:
    certificate = passport.birth.certificate
    stops = [certificate.home or "anywhere", *(hop.destination or "anybody" for hop in passport.hops)]
    return [
        ("signatures", f"{1 + len(passport.hops)}, each by a key that you trust"),
        ("owner", f"{passport.owner.name} (key {passport.owner.key_id[:16]}), until {moment(certificate.not_after)}"),
        ("sender", f"{passport.sender} (key {passport.sender.key_id[:16]})"),
        ("chain", f"{len(passport.hops)} of at most {certificate.hop_limit} hops: {' -> '.join(stops)}"),
    ]


def _epoch(passport: VerifiedPassport, at_least: int | None) -> str:
    return f"{passport.epoch}" if at_least is None else f"{passport.epoch}, and at least {at_least} was asked for"


def _contents(verified: VerifiedBundle) -> list[tuple[str, str]]:
    manifest = verified.manifest
    rows = [
        ("manifest", f"SHA-256 {verified.digest.hex()[:16]}, as the last link names it"),
        ("code", f"{count(len(manifest.code), 'segment')}, as the owner signed"),
        ("segments", f"{len(manifest.segments)}, {amount(sum(entry.size for entry in manifest.segments))} together"),
    ]
    if manifest.sealed is not None:
        rows.append(("seal", f"to key {manifest.sealed.recipient[:16]}, whole and opened"))
    else:
        chunks = sum(len(entry.chunks) for entry in manifest.segments)
        rows.append(("digests", f"of {count(chunks, 'chunk')}, all right"))
    return rows


def _show(screen: Screen, file: str, checks: list[dict[str, Any]]) -> None:
    marks = {True: ("ok", ""), False: ("REFUSED", "bold red"), None: ("-", "")}
    width = max(len(check["check"]) for check in checks)
    for check in checks:
        mark, style = marks[check["passed"]]
        screen.line(f"{mark:8}{check['check'].ljust(width)}  {check['detail']}", style)
    if checks[-1]["passed"]:
        screen.line(f"{file} is verified: nothing of it was decoded.", "green")
