"""Bundles and passports, to look at: what they say, and how much of that is proven.

What was not verified is marked as claimed: it stands there, and anybody can have written it. Nothing of the unit's
state is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from mobility.bundle.manifest import Manifest, SegmentKind
from mobility.bundle.preview import read_preview
from mobility.display.elements import Element, element
from mobility.display.sheet import (
    Sign,
    badge,
    card,
    details,
    fact_table,
    mono,
    muted,
    paragraph,
    rows_of_table,
    section,
    size_text,
    when_text,
)
from mobility.errors import MobilityError
from mobility.trust._naming import LAST_MOMENT
from mobility.trust.envelope import Envelope
from mobility.trust.errors import TrustError
from mobility.trust.records import BRANCH_RECORD_TYPE
from mobility.trust.strict import load_strict

if TYPE_CHECKING:
    from mobility.bundle.bundle import Bundle
    from mobility.bundle.verified import VerifiedBundle
    from mobility.trust.passport import Passport, VerifiedPassport
    from mobility.trust.trustlist import TrustList

__all__ = [
    "bundle_card",
    "passport_card",
    "trust_card",
    "variable_table",
    "verified_bundle_card",
    "verified_passport_card",
]

_CLAIMED: Final = badge(Sign.OPEN, "claimed, not verified")
_VERIFIED: Final = badge(Sign.GOOD, "verified")
#: Links of a passport that are shown, beside its birth.
_MOST_HOPS: Final = 199
_CHAIN: Final = ("#", "from", "to", "time", "signed by", "")


def variable_table(rows: Sequence[Sequence[str]]) -> Element:
    """Variables: name, type and short text of each."""
    if not rows:
        return paragraph(muted("no variables"))
    return rows_of_table(
        ("name", "type", "value"), [(mono(name), muted(kind), mono(text)) for name, kind, text in rows]
    )


# -- bundles ----------------------------------------------------------------------------------------------------------


def bundle_card(bundle: Bundle) -> Element:
    """A bundle as it travels."""
    manifest = bundle.claims()
    last = (bundle.passport.hops or (bundle.passport.birth,))[-1]
    preview: Any = None
    for view in bundle.claimed(SegmentKind.PREVIEW):
        preview = view
    return _bundle(
        bundle, manifest, mono(_hint(last)), preview, _CLAIMED, section("Passport", _claims(bundle.passport))
    )


def verified_bundle_card(found: VerifiedBundle) -> Element:
    """A bundle that was verified."""
    signer = element("bdi", f"{found.passport.sender} (key {found.passport.sender.key_id[:16]})")
    chain = section("Passport", _chain(found.passport))
    return _bundle(found.bundle, found.manifest, signer, found.preview, _VERIFIED, chain)


def _bundle(
    bundle: Bundle, manifest: Manifest, signer: Element, preview: Any, mark: Element, passport: Element
) -> Element:
    sealed = manifest.sealed
    rows: list[tuple[str, Element | str]] = [
        ("agent", f"{manifest.agent}, epoch {manifest.epoch}"),
        ("unit", mono(f"{manifest.unit} {manifest.entry_point}")),
        ("size", size_text(bundle.size)),
        ("signed by", signer),
        ("packed by", f"{manifest.implementation} {manifest.python}, state in {', '.join(manifest.encodings) or '-'}"),
    ]
    if sealed is not None:
        rows.append(("sealed to", mono(sealed.recipient[:16])))
    if bundle.omits_code:
        rows.append(("code", "left out, for a place that has it"))
    return card(
        "bundle",
        manifest.entry_point.rpartition(":")[2] or manifest.agent,
        fact_table(rows),
        _suspended(manifest, preview),
        section("Segments", _segments(manifest)),
        passport,
        mark=mark,
    )


def _suspended(manifest: Manifest, preview: Any) -> Element | None:
    where = manifest.suspension
    if where is None:
        return None
    line = mono(f"{where.line}  {where.text}")
    parts = [paragraph(line)]
    if preview is not None:
        try:
            told = read_preview(preview)
            parts.append(variable_table([list(row.values()) for row in told["variables"]]))
            for delegate in told["delegates"]:
                parts.append(paragraph("in ", mono(delegate["function"]), f", line {delegate['line']}"))
                parts.append(variable_table([list(row.values()) for row in delegate["variables"]]))
        except MobilityError as error:
            parts.append(paragraph(badge(Sign.BAD, f"its variables cannot be shown: {error.slug}")))
    return section(f"Suspended in {where.function}, {where.file}", *parts)


def _segments(manifest: Manifest) -> Element:
    rows = [
        (entry.kind.value, size_text(entry.size), mono(entry.digest.hex()[:16] if entry.digest else "sealed"))
        for entry in manifest.segments
    ]
    return rows_of_table(("segment", "size", "SHA-256"), rows, most=24)


# -- trust ------------------------------------------------------------------------------------------------------------


def trust_card(trusted: TrustList, name: object) -> Element:
    """Whose signatures count, as what, and from when on not any more."""
    rows = []
    for entry in sorted(trusted.listed, key=lambda entry: (entry.roles, entry.name, entry.key_id)):
        period = when_text(entry.not_before) if entry.not_before else ""
        if entry.not_after < LAST_MOMENT:
            period += f" until {when_text(entry.not_after)}"
        if entry.revoked_from is None:
            mark = badge(Sign.GOOD, "trusted")
        else:
            what = f"revoked from epoch {entry.revoked_from} on" if entry.revoked_from else "revoked"
            mark = badge(Sign.BAD, what)
        rows.append((entry.name, ", ".join(entry.roles), mono(entry.key_id[:16]), period.strip() or "always", mark))
    table = rows_of_table(("name", "signs as", "key", "valid", ""), rows)
    return card(
        "trusted keys", name, table if rows else paragraph(muted("nobody")), muted(f"version {trusted.version}")
    )


# -- passports --------------------------------------------------------------------------------------------------------


def passport_card(passport: Passport) -> Element:
    """A passport as it travels."""
    told = _body(passport.birth)
    return card("passport", told.get("agent", "?"), _facts(told), _claims(passport), mark=_CLAIMED)


def verified_passport_card(found: VerifiedPassport) -> Element:
    """A passport of which every link was checked."""
    certificate = found.birth.certificate
    rows: list[tuple[str, Element | str]] = [
        ("owner", f"{found.owner} (key {found.owner.key_id[:16]})"),
        ("runs", mono(found.entry_point)),
        ("valid", f"{when_text(certificate.not_before)} until {when_text(certificate.not_after)}"),
        ("is now at", found.place or "no place in particular"),
        ("hops", f"{found.epoch} of at most {certificate.hop_limit}"),
        ("last link", mono(found.digest.hex())),
    ]
    if len(found.lineage) > 1:
        rows.insert(1, ("branched off", " > ".join(found.lineage)))
    return card("passport", found.agent, fact_table(rows), _chain(found), mark=_VERIFIED)


def _facts(told: dict[str, Any]) -> Element:
    period = f"{_moment(told.get('not_before'))} until {_moment(told.get('not_after'))}"
    return fact_table(
        [
            ("owner's key", mono(_text(told.get("owner"))[:16])),
            ("runs", mono(_text(told.get("entry_point")))),
            ("valid", period),
            ("born at", _text(told.get("home"))),
        ]
    )


def _chain(found: VerifiedPassport) -> Element:
    certificate = found.birth.certificate
    rows: list[tuple[Element | str, ...]] = [
        ("0", "", certificate.home or "anywhere", "birth", str(found.owner), _VERIFIED),
    ]
    for hop, sender in zip(found.hops, found.senders, strict=True):
        what = f" (branch {hop.child})" if hop.child is not None else ""
        to = (hop.destination or "a file") + what
        rows.append((str(hop.epoch), hop.origin, to, when_text(hop.time), str(sender), _VERIFIED))
    return rows_of_table(_CHAIN, rows)


def _claims(passport: Passport) -> Element:
    """Of each link what it says, and the key that it names."""
    home = _body(passport.birth).get("home")
    rows: list[tuple[Element | str, ...]] = [
        ("0", "", _text(home), "birth", mono(_hint(passport.birth)), badge(Sign.OPEN, "claimed"))
    ]
    for number, hop in enumerate(passport.hops[:_MOST_HOPS], 1):
        told = _body(hop)
        to = "a file" if told.get("to", "") is None else _text(told.get("to"))
        if hop.payload_type == BRANCH_RECORD_TYPE:
            to += f" (branch {_text(told.get('child'))})"
        row = (str(number), _text(told.get("from")), to, _moment(told.get("time")), mono(_hint(hop)))
        rows.append((*row, badge(Sign.OPEN, "claimed")))
    table = rows_of_table(_CHAIN, rows)
    how = paragraph(muted("Nobody has checked it here: verify(trust) does, and gives one with marks."))
    links = 1 + len(passport.hops)
    more = paragraph(muted(f"The last {links - len(rows)} links are left out.")) if links > len(rows) else ""
    return element("div", table, how) if links <= 12 else details(f"{links} links", table, element("div", more), how)


def _body(envelope: Envelope) -> dict[str, Any]:
    try:
        told = load_strict(envelope.body)
    except TrustError:
        return {}
    return told if isinstance(told, dict) else {}


def _hint(envelope: Envelope) -> str:
    return next((signature.key_id[:16] for signature in envelope.signatures), "") or "no key named"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "?"


def _moment(value: Any) -> str:
    return when_text(value) if type(value) is int else "?"
