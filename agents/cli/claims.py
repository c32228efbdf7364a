"""What a bundle says about itself, and how much of that is proven: data for ``sojourn inspect``.

Rules
-----
1. Nothing of the unit's state is decoded, and nothing that the bundle brings is imported or called.
2. Every statement has a mark. ``verified``: a key that is trusted here has signed it. ``claimed``: it stands in the
   file, and anybody can have written it. ``altered``: it is not what was signed.
3. A signature can be checked only with a key that is known here: bundles carry no keys.

The preview of the variables is what the sender tells of them; a signature proves who tells it, not that it is so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mobility.bundle import Bundle, Manifest
from mobility.bundle.chunks import digest_of, digests_of_all
from mobility.bundle.errors import BundleError, CodeMissing, SealedBundle, SegmentMismatch
from mobility.bundle.payload import Parts
from mobility.errors import MobilityError
from mobility.trust import DEFAULT_LIMITS, Envelope, Limits, Role, TrustError, TrustList, VerifiedPassport
from mobility.trust.certificate import certificate_type, verify_by_known
from mobility.trust.records import BRANCH_RECORD_TYPE, HOP_RECORD_TYPE
from mobility.trust.strict import Json, load_strict

if TYPE_CHECKING:
    from mobility.bundle.manifest import SegmentEntry

__all__ = ["ALTERED", "CLAIMED", "VERIFIED", "Claims", "examine"]

VERIFIED: Final = "verified"
CLAIMED: Final = "claimed"
ALTERED: Final = "altered"

_Fields = Mapping[str, tuple[str, Callable[[Any], bool]]]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) is int


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


#: What is shown of a certificate: the name in the body, the name in the report, and what it must be.
_CERTIFICATE: Final[_Fields] = {
    "agent": ("agent", _is_text),
    "owner": ("owner", _is_text),
    "entry_point": ("entry_point", _is_text),
    "code": ("code", _are_texts),
    "arguments": ("arguments", _is_text),
    "home": ("home", _is_text),
    "places": ("places", _are_texts),
    "in_order": ("in_order", lambda value: type(value) is bool),
    "itinerary": ("itinerary", lambda value: isinstance(value, dict)),
    "capabilities": ("capabilities", _are_texts),
    "not_before": ("not_before", _is_number),
    "not_after": ("not_after", _is_number),
    "hop_limit": ("hop_limit", _is_number),
}
_HOP: Final[_Fields] = {
    "agent": ("agent", _is_text),
    "epoch": ("epoch", _is_number),
    "from": ("from", _is_text),
    "to": ("to", _is_text),
    "time": ("time", _is_number),
    "previous": ("previous", _is_text),
    "manifest": ("manifest", _is_text),
    "child": ("child", _is_text),
}


@dataclass(frozen=True, slots=True)
class Claims:
    """A bundle, seen from outside.

    Attributes
    ----------
    chain_error, manifest_error, contents_error
        Why the chain, the manifest, or the bytes of the segments are not what was signed; None if they are, or if that
        was not to be found out.
    certificate
        What the birth certificate says.
    links
        The chain of hops, the birth first: what each says, who signed it, and whether it holds.
    manifest
        What is in the bundle, if that can be read.
    checks
        For each segment ``verified``, ``claimed``, ``altered``, ``sealed`` or ``absent``.
    segments
        The bytes of those that are readable here.
    """

    chain_error: MobilityError | None
    manifest_error: MobilityError | None
    contents_error: MobilityError | None
    certificate: dict[str, Any]
    links: tuple[dict[str, Any], ...]
    manifest: Manifest | None
    checks: tuple[str, ...]
    segments: tuple[memoryview | None, ...]

    @property
    def error(self) -> MobilityError | None:
        """The first reason not to believe it."""
        return self.chain_error or self.manifest_error or self.contents_error

    @property
    def chain_mark(self) -> str:
        return CLAIMED if self.chain_error else VERIFIED

    @property
    def manifest_mark(self) -> str:
        return CLAIMED if self.chain_error or self.manifest_error else VERIFIED


def examine(bundle: Bundle, trusted: TrustList, *, now: float, limits: Limits = DEFAULT_LIMITS) -> Claims:
    """Read what a bundle says, and check what can be checked with the keys that are trusted here."""
    chain_error: MobilityError | None = None
    manifest_error: MobilityError | None = None
    contents_error: MobilityError | None = None
    passport: VerifiedPassport | None = None
    manifest: Manifest | None = None
    try:
        passport = bundle.passport.verify(trusted, now=now, audience=None, limits=limits)
    except TrustError as error:
        chain_error = error
    try:
        manifest = bundle.claims(limits)
    except TrustError as error:
        manifest_error = error
    whole = False
    if passport is not None and manifest is not None:
        try:
            bundle.verify(trusted, audience=passport.place, now=now, limits=limits)
            whole = True
        except (SealedBundle, CodeMissing):
            pass  # met only after the manifest was found to be the signed one; what can be seen is looked at below
        except SegmentMismatch as error:
            contents_error = error
        except (TrustError, BundleError) as error:
            manifest_error = error
    segments: tuple[memoryview | None, ...] = ()
    checks: tuple[str, ...] = ()
    if manifest is not None:
        segments = _segments(bundle, manifest)
        proven = passport is not None and manifest_error is None
        checks = (VERIFIED,) * len(segments) if whole else _checked(bundle, manifest, segments, proven)
        if contents_error is None and ALTERED in checks:
            kind = "sealed" if manifest.sealed else manifest.segments[checks.index(ALTERED)].kind.value
            contents_error = SegmentMismatch("its SHA-256 is another", kind=kind)
    return Claims(
        chain_error,
        manifest_error,
        contents_error,
        _read(bundle.passport.birth, _CERTIFICATE, limits),
        _links(bundle, trusted, now, limits),
        manifest,
        checks,
        segments,
    )


# -- the chain --------------------------------------------------------------------------------------------------------


def _read(envelope: Envelope, fields: _Fields, limits: Limits) -> dict[str, Any]:
    """The known fields of a signed body, each None if it is missing or of another type."""
    try:
        body: Json = load_strict(envelope.body, limits)
    except TrustError:
        body = None
    given = body if isinstance(body, dict) else {}
    return {shown: given[name] if is_right(given.get(name)) else None for name, (shown, is_right) in fields.items()}


def _links(bundle: Bundle, trusted: TrustList, now: float, limits: Limits) -> tuple[dict[str, Any], ...]:
    passport = bundle.passport
    birth = _read(passport.birth, _CERTIFICATE, limits)
    signed = _signature(
        passport.birth, certificate_type(passport.birth), Role.OWNER, now, len(passport.hops), trusted, limits
    )
    if signed["signature"] == VERIFIED and signed["key_id"] != birth["owner"]:
        signed["signature"] = "bad-signature"
    links = [
        {"epoch": 0, "what": "birth", "from": None, "to": birth["home"], "time": None, **signed, "continues": True}
    ]
    previous, agent = passport.birth.digest, birth["agent"]
    for number, envelope in enumerate(passport.hops[: limits.hops], 1):
        hop = _read(envelope, _HOP, limits)
        time = now if hop["time"] is None else hop["time"]
        branches = envelope.payload_type == BRANCH_RECORD_TYPE
        kind = BRANCH_RECORD_TYPE if branches else HOP_RECORD_TYPE
        signed = _signature(envelope, kind, Role.PLACE, time, number, trusted, limits)
        if signed["signature"] == VERIFIED and signed["name"] != hop["from"]:
            signed["signature"] = "broken-chain"
        links.append(
            {
                "epoch": hop["epoch"],
                "what": f"branch to {hop['child'] or '?'}" if branches else "hop",
                "from": hop["from"],
                "to": hop["to"],
                "time": hop["time"],
                **signed,
                "continues": hop["previous"] == previous.hex() and hop["epoch"] == number and hop["agent"] == agent,
            }
        )
        if branches:
            agent = hop["child"]
        previous = envelope.digest
    return tuple(links)


def _signature(
    envelope: Envelope, kind: str, role: Role, time: float, epoch: int, trusted: TrustList, limits: Limits
) -> dict[str, Any]:
    """Who signed a link, and ``verified`` or the slug of what is wrong with that."""
    hint = next((signature.key_id for signature in envelope.signatures), "")
    try:
        (signer,) = verify_by_known(envelope, trusted, kind, limits).signers
        entry = trusted.find(signer.key_id)
        signed = {"key_id": signer.key_id, "name": entry.name, "signature": VERIFIED}
    except TrustError as error:
        return {"key_id": hint or None, "name": None, "signature": error.slug}
    try:
        trusted.lookup(signer.key_id, role, time, epoch, limits=limits)
    except TrustError as error:
        signed["signature"] = error.slug
    return signed


# -- the segments -----------------------------------------------------------------------------------------------------


def _segments(bundle: Bundle, manifest: Manifest) -> tuple[memoryview | None, ...]:
    """The bytes of each segment; None where they are sealed, left out, or not all there."""
    if manifest.sealed is not None:
        return (None,) * len(manifest.segments)
    carried = manifest.carried(bundle.omits_code)
    if sum(entry.size for entry in carried) != bundle.payload.size:
        return (None,) * len(manifest.segments)
    views = Parts(tuple(bundle.payload.pieces())).split([entry.size for entry in carried])
    return (None,) * (len(manifest.segments) - len(carried)) + tuple(
        views
    )  # what is missing is code, which comes first


def _checked(
    bundle: Bundle, manifest: Manifest, segments: Sequence[memoryview | None], proven: bool
) -> tuple[str, ...]:
    if manifest.sealed is not None:
        mark = "sealed" if _ciphertext_digests(bundle) == manifest.sealed.chunks else ALTERED
        return (mark,) * len(segments)
    present = [view for view in segments if view is not None]
    found = iter(digests_of_all(present))
    return tuple(
        "absent" if view is None else _mark(entry, next(found), proven)
        for entry, view in zip(manifest.segments, segments, strict=True)
    )


def _ciphertext_digests(bundle: Bundle) -> tuple[bytes, ...]:
    whole = Parts(tuple(bundle.payload.pieces())).split([bundle.payload.size])
    return digests_of_all(whole)[0]


def _mark(entry: SegmentEntry, found: tuple[bytes, ...], proven: bool) -> str:
    if entry.chunks and digest_of(found) != entry.digest:
        return ALTERED
    return VERIFIED if proven else CLAIMED
