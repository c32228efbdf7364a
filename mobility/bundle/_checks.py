"""The checks of a bundle, one by one; `Bundle.verify` and `receive` put them into their order.

Rules
-----
1. Sizes; signatures of the whole passport; strict forms; signer, audience, time; epoch fence.
2. Then the manifest: its digest is the one in the last link; it is parsed; it agrees with the passport.
3. Then the exact sizes of all segments against the payload; then the digest of each chunk.
4. Nothing is decoded here, and nothing is handed out before all of it is done.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from mobility.bundle._memory import Filling
from mobility.bundle.chunks import INLINE, check_all
from mobility.bundle.errors import CodeAltered, CodeMissing, ManifestMismatch, SealedBundle, SegmentMismatch
from mobility.bundle.manifest import Manifest, SealedPart, SegmentEntry, SegmentKind
from mobility.bundle.sealed import seal_context
from mobility.trust.errors import WrongAudience, WrongRecipient
from mobility.trust.keys import Identity
from mobility.trust.limits import Limits
from mobility.trust.passport import Passport, VerifiedPassport
from mobility.trust.sealing import unseal
from mobility.trust.trustlist import TrustSource

__all__ = [
    "CodeSource",
    "Terms",
    "check_manifest",
    "check_passport",
    "check_segments",
    "check_sizes",
    "known_code",
    "mismatch",
    "open_sealed",
]

#: Code by its SHA-256, as far as it is known here.
CodeSource = Callable[[bytes], bytes | None]
#: A seal's header, and the tag of its last chunk.
_LEAST_SEAL: Final = 120 + 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a bundle is let in; the parameters of `Bundle.verify`."""

    trust: TrustSource
    audience: str | None
    now: float | None
    last_epoch: int | None
    last_record: bytes | None
    next_only: bool
    identity: Identity | None
    codes: CodeSource | None
    limits: Limits


def check_passport(passport: Passport, terms: Terms) -> VerifiedPassport:
    """Signatures, forms, signers, audience, times, fence."""
    verified = passport.verify(
        terms.trust,
        now=time.time() if terms.now is None else terms.now,
        audience=terms.audience,
        last_epoch=terms.last_epoch,
        last_record=terms.last_record,
        next_only=terms.next_only,
        limits=terms.limits,
    )
    if terms.audience is None and verified.place is not None:
        raise WrongAudience(addressed=verified.place, audience=None)
    return verified


def check_manifest(data: bytes, passport: VerifiedPassport, limits: Limits) -> Manifest:
    """That it is the signed one, is of the form, and says what the passport says."""
    limits.check("body_bytes", len(data), "the manifest")
    if hashlib.sha256(data).digest() != passport.manifest:
        raise ManifestMismatch("its SHA-256 is not the one that was signed", field="digest")
    manifest = Manifest.from_bytes(data, limits)
    certificate = passport.birth.certificate
    for field, said, signed in (
        ("agent", manifest.agent, passport.agent),
        ("epoch", manifest.epoch, passport.epoch),
        ("entry_point", manifest.entry_point, passport.entry_point),
    ):
        if said != signed:
            raise ManifestMismatch(f"it names the {field} {said}, and the passport {signed}", field=field)
    if set(manifest.code) != set(certificate.code):
        raise CodeAltered(agent=passport.agent, signed=certificate.code, found=manifest.code)
    return manifest


def check_sizes(manifest: Manifest, omits_code: bool, payload_size: int, terms: Terms) -> None:
    """That the segments, no more and no fewer, fill the payload; and that a seal can be opened here at all."""
    limits = terms.limits
    limits.check("total_bytes", payload_size, "the payload")
    plain = sum(entry.size for entry in manifest.carried(omits_code))
    limits.check("total_bytes", plain, "the segments together")
    sealed = manifest.sealed
    if sealed is None:
        if payload_size != plain:
            raise SegmentMismatch(f"they have {plain} bytes together, and {payload_size} came", kind="payload")
        return
    if payload_size != sealed.size:
        raise SegmentMismatch(f"the ciphertext has {sealed.size} bytes, and {payload_size} came", kind="sealed")
    if plain > sealed.size - _LEAST_SEAL:
        raise SegmentMismatch(f"{plain} bytes are not in {sealed.size} bytes of ciphertext", kind="payload")
    if terms.identity is None:
        raise SealedBundle(sealed.recipient)
    if terms.identity.key_id != sealed.recipient:
        raise WrongRecipient(sealed_to=sealed.recipient, opened_by=terms.identity.name)


def known_code(manifest: Manifest, omits_code: bool, terms: Terms) -> tuple[bytes, ...]:
    """The code that was left out, from what is known here; which is checked as if it had come from anywhere."""
    if not omits_code:
        return ()
    found: list[bytes] = []
    missing: list[bytes] = []
    for entry in manifest.segments:
        if entry.kind is SegmentKind.CODE:
            source = terms.codes(entry.chunks[0]) if terms.codes is not None else None
            if source is None:
                missing.append(entry.chunks[0])
                continue
            source = bytes(source)
            digest = hashlib.sha256(source).digest()
            if len(source) != entry.size or digest != entry.chunks[0]:
                raise CodeAltered(
                    agent=manifest.agent,
                    signed=[entry.chunks[0]],
                    found=[digest],
                    remedy="It was kept on this machine: empty the store of code, and find out who can write to it.",
                )
            found.append(source)
    if missing:
        raise CodeMissing(missing)
    return tuple(found)


def check_segments(entries: Sequence[SegmentEntry], views: Sequence[memoryview]) -> None:
    """The digest of each chunk of an open bundle, in parallel."""
    wrong = check_all(views, [entry.chunks for entry in entries])
    if wrong is not None:
        raise mismatch(entries, *wrong)


def _check_code(entries: Sequence[SegmentEntry], views: Sequence[memoryview]) -> None:
    """The digests of what came out of a seal, as far as they are signed: of the code."""
    for number, (entry, view) in enumerate(zip(entries, views, strict=True)):
        if entry.chunks and hashlib.sha256(view).digest() != entry.chunks[0]:
            raise mismatch(entries, number, 0)


def mismatch(entries: Sequence[SegmentEntry], number: int, chunk: int) -> SegmentMismatch:
    """The error for a chunk of the segment of that number."""
    kind = entries[number].kind
    index = sum(entry.kind is kind for entry in entries[:number])
    return SegmentMismatch("its SHA-256 is another", kind=kind.value, index=index, chunk=chunk)


def checked_ciphertext(chunks: Iterable[memoryview], sealed: SealedPart) -> Generator[memoryview, None, None]:
    """The chunks of a ciphertext, each after its digest was found right; a thread checks while the next one comes."""

    def check(chunk: memoryview, number: int) -> None:
        if hashlib.sha256(chunk).digest() != sealed.chunks[number]:
            raise SegmentMismatch("its SHA-256 is another", kind="sealed", chunk=number)

    if sealed.size <= INLINE:
        for number, chunk in enumerate(chunks):
            check(chunk, number)
            yield chunk
        return
    with ThreadPoolExecutor(1, thread_name_prefix="sojourn-digests") as pool:
        before: tuple[memoryview, Future[None]] | None = None
        for number, chunk in enumerate(chunks):
            checking = pool.submit(check, chunk, number)
            if before is not None:
                before[1].result()
                yield before[0]
            before = chunk, checking
        if before is not None:
            before[1].result()
            yield before[0]


def open_sealed(
    chunks: Iterable[memoryview],
    sealed: SealedPart,
    entries: Sequence[SegmentEntry],
    passport: VerifiedPassport,
    terms: Terms,
) -> list[memoryview]:
    """The segments within a seal, in memory of their own; the ciphertext is checked as it comes, in chunks."""
    if terms.identity is None:
        raise SealedBundle(sealed.recipient)
    previous = passport.hops[-1].previous if passport.hops else None
    context = seal_context(passport.agent, passport.epoch, previous)
    filling = Filling([entry.size for entry in entries])
    with closing(checked_ciphertext(chunks, sealed)) as ciphertext:
        for piece in unseal(ciphertext, terms.identity, context=context, limits=terms.limits):
            filling.take(piece)
    views = filling.finished()
    _check_code(entries, views)
    return views
