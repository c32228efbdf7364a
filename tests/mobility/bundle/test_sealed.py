"""A sealed bundle opens for its recipient, whole, in its own place, and for nobody else."""

from __future__ import annotations

import hashlib
import inspect
import io
from dataclasses import replace

import pytest

from mobility.bundle import Bundle, Manifest, _checks, receive, seal_context, sealed_payload
from mobility.bundle import sealed as sealed_module
from mobility.bundle.chunks import CHUNK
from mobility.bundle.errors import BundleFileError, SealedBundle, SegmentMismatch
from mobility.bundle.payload import Parts, Spool
from mobility.trust.errors import SealBroken, TooLarge, WrongRecipient
from mobility.trust.limits import MIB, Limits
from tests.mobility.bundle.bundles import (
    SMALL,
    SOURCE,
    TO_LIMA,
    TRUST,
    Content,
    check,
    make,
    manifest_of,
    passport_for,
    refused,
)
from tests.mobility.trust.people import BAKU, LIMA, NOW

SEALED = make(seal_to=TO_LIMA)


def joined(bundle: Bundle) -> bytes:
    return b"".join(bundle.payload.pieces())


def resealed(content: Content, claimed: Content, context: bytes | None = None) -> Bundle:
    """A sealed bundle of `content` whose signed manifest describes `claimed`."""
    part, payload = sealed_payload(content.views, TO_LIMA, context or seal_context("surveyor-1", 0, None))
    manifest = manifest_of(claimed, 0, part).to_bytes()
    return Bundle.assemble(passport_for(manifest, code=claimed.code), manifest, payload)


def test_nothing_of_it_is_readable() -> None:
    """Neither the payload nor the manifest shows what is in it, not even to who can guess it."""
    state = b"the answer is 42, as everybody may guess"
    bundle = make(Content(state=state, buffers=(state,), preview=state), seal_to=TO_LIMA)
    data = bundle.to_bytes()
    assert state not in data and SOURCE not in data
    assert hashlib.sha256(state).hexdigest().encode() not in data
    assert bytes(check(bundle, identity=LIMA).state) == state


def test_wrong_recipient() -> None:
    """Told before anything is opened; and without an identity, what would be needed."""
    error = refused(WrongRecipient, lambda: check(SEALED, identity=BAKU))
    assert (error.sealed_to, error.opened_by) == (LIMA.key_id, "baku")
    assert refused(SealedBundle, lambda: check(SEALED)).recipient == LIMA.key_id


def test_the_seal_names_another_recipient_than_the_manifest() -> None:
    """The manifest may not send somebody to open what is sealed to another."""
    manifest = manifest_of(SMALL, 0, replace(SEALED.claims().sealed, recipient=BAKU.key_id)).to_bytes()  # type: ignore[type-var]  # it is sealed
    bundle = replace(SEALED, manifest=manifest, passport=passport_for(manifest))
    refused(WrongRecipient, lambda: check(bundle, identity=BAKU))
    refused(WrongRecipient, lambda: check(bundle, identity=LIMA))


def test_altered_ciphertext() -> None:
    """Found by the signed digest, before the seal is looked at."""
    data = bytearray(joined(SEALED))
    for at in (0, 4, 40, 119, 120, len(data) - 1):
        data[at] ^= 1
        broken = replace(SEALED, payload=Parts((memoryview(bytes(data)),)))
        error = refused(SegmentMismatch, lambda: check(broken, identity=LIMA))
        assert (error.kind, error.chunk) == ("sealed", 0)
        data[at] ^= 1


def test_ciphertext_of_another_size() -> None:
    """More or fewer bytes than are signed, found without reading them."""
    data = joined(SEALED)
    for other in (data + b"x", data[:-1], data + bytes(CHUNK), b""):
        bundle = replace(SEALED, payload=Parts((memoryview(other),)))
        for way in (
            lambda: check(bundle, identity=LIMA),
            lambda: receive(io.BytesIO(bundle.to_bytes()), TRUST, now=NOW, identity=LIMA),
        ):
            error = refused(SegmentMismatch, way)
            assert (error.kind, error.chunk) == ("sealed", None)


def test_ciphertext_of_another_bundle() -> None:
    """Agent, epoch and history are part of the seal: a place that signs the same ciphertext again gets nowhere."""
    part = SEALED.claims().sealed
    assert part is not None
    moved = manifest_of(SMALL, 1, part).to_bytes()
    bundle = replace(SEALED, manifest=moved, passport=passport_for(moved, ["lima"]))
    refused(SealBroken, lambda: check(bundle, audience="lima", identity=LIMA))
    for context in (
        seal_context("surveyor-2", 0, None),
        seal_context("surveyor-1", 1, None),
        seal_context("surveyor-1", 0, b"1" * 32),
    ):
        refused(SealBroken, lambda: check(resealed(SMALL, SMALL, context), identity=LIMA))
    assert check(resealed(SMALL, SMALL), identity=LIMA)


def test_contexts_differ() -> None:
    """No two of agent, epoch and history run into each other."""
    contexts = {
        seal_context(agent, epoch, previous)
        for agent in ("a", "ab", "b")
        for epoch in (0, 1, 256, 25185)
        for previous in (None, b"1" * 32, b"b" * 32)
    }
    assert len(contexts) == 36


@pytest.mark.parametrize(
    "content",
    [
        replace(SMALL, state=SMALL.state + b"x"),
        replace(SMALL, state=SMALL.state[:-1]),
        replace(SMALL, buffers=SMALL.buffers[:-1], preview=b"x"),
        replace(SMALL, preview=SMALL.preview + b"x"),  # type: ignore[operator]  # it has one
        replace(SMALL, preview=None),
        replace(SMALL, luggage=b"x"),
        replace(SMALL, code=(SOURCE, SOURCE)),
    ],
)
def test_more_or_less_was_sealed_than_the_manifest_says(content: Content) -> None:
    """Sizes are exact also where there is no digest."""
    with pytest.raises(SegmentMismatch):
        check(resealed(content, SMALL), identity=LIMA)


def test_less_was_sealed_than_fits_into_the_ciphertext() -> None:
    """Sealed in small chunks, the ciphertext has room for more than is in it: what is missing is noticed at the end."""
    context = seal_context("surveyor-1", 0, None)
    part, payload = sealed_payload(SMALL.views, TO_LIMA, context, Limits(chunk_bytes=16))
    for extra in (0, 1, 16):
        entries = list(SMALL.entries(sealed=True))
        entries[-1] = replace(entries[-1], size=entries[-1].size + extra)
        manifest = manifest_of(SMALL, 0, part, segments=tuple(entries)).to_bytes()
        bundle = Bundle.assemble(passport_for(manifest), manifest, payload)
        if not extra:
            assert check(bundle, identity=LIMA).preview == SMALL.preview
        else:
            error = refused(SegmentMismatch, lambda: check(bundle, identity=LIMA))
            assert f"{extra} bytes are missing" in str(error)


def test_other_code_was_sealed() -> None:
    """Its digest is signed by the owner, in the open."""
    other = replace(SMALL, code=(b"x" * len(SOURCE),))
    error = refused(SegmentMismatch, lambda: check(resealed(other, SMALL), identity=LIMA))
    assert (error.kind, error.index, error.chunk) == ("code", 0, 0)


def test_more_declared_than_the_ciphertext_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten gigabytes in the manifest of a small seal: refused before anything is opened, or any memory is taken."""
    part = SEALED.claims().sealed
    claimed = list(SMALL.entries(sealed=True))

    def never(*arguments: object, **options: object) -> object:
        raise AssertionError("opened")

    monkeypatch.setattr(_checks, "unseal", never)
    for size in (10 << 30, claimed[1].size + 1):
        entries = (claimed[0], replace(claimed[1], size=size), *claimed[2:])
        manifest = manifest_of(SMALL, 0, part, segments=entries).to_bytes()
        bundle = replace(SEALED, manifest=manifest, passport=passport_for(manifest))
        error = refused(SegmentMismatch, lambda: check(bundle, identity=LIMA))
        assert error.kind == "payload" and "of ciphertext" in str(error)
    with pytest.raises(AssertionError, match="opened"):
        check(SEALED, identity=LIMA)


def test_two_seals_of_one_content_share_nothing() -> None:
    """Fresh keys each time, and no way to ask for others."""
    one, two = (joined(make(seal_to=TO_LIMA)) for _ in range(2))
    assert one[:40] == two[:40]  # the form, the recipient and the size of chunks
    blocks = {one[start : start + 8] for start in range(40, len(one) - 8)}
    assert not any(two[start : start + 8] in blocks for start in range(40, len(two) - 8))
    assert list(inspect.signature(sealed_payload).parameters) == ["segments", "recipient", "context", "limits"]


def test_large_ciphertext_goes_to_a_file_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several chunks, across segments, and more than once."""
    monkeypatch.setattr(sealed_module, "SPOOLED", MIB)
    state = bytes(range(256)) * (9 * MIB // 256)
    content = Content(state=state, buffers=(b"", state[: 8 * MIB], b"end"))
    bundle = make(content, ["lima"], seal_to=TO_LIMA)
    assert isinstance(bundle.payload, Spool) and bundle.payload.file._rolled  # type: ignore[attr-defined]  # the stubs hide it
    part = bundle.claims().sealed
    assert part is not None and len(part.chunks) == 3 and part.size == 17 * MIB + len(SOURCE) + 3 + 120 + 3 * 16
    ciphertext = joined(bundle)
    assert part.chunks[1] == hashlib.sha256(ciphertext[CHUNK : 2 * CHUNK]).digest()
    for one in (bundle, Bundle.from_bytes(bundle.to_bytes()), bundle):
        verified = check(one, audience="lima", identity=LIMA)
        assert verified.state == state and [len(view) for view in verified.buffers] == [0, 8 * MIB, 3]
        assert verified.buffers[1] == state[: 8 * MIB] and not verified.writable_buffers()[1].readonly
    order = (1, 0, 2)
    mixed = Parts(tuple(memoryview(ciphertext)[at * CHUNK : (at + 1) * CHUNK] for at in order))
    error = refused(SegmentMismatch, lambda: check(replace(bundle, payload=mixed), audience="lima", identity=LIMA))
    assert (error.kind, error.chunk) == ("sealed", 0)


def test_limits() -> None:
    """Of the content, of the ciphertext, and of a chunk in it."""
    context = seal_context("surveyor-1", 0, None)
    refused(TooLarge, lambda: sealed_payload([b"12345"], TO_LIMA, context, Limits(total_bytes=4)))
    refused(TooLarge, lambda: sealed_payload([b"12345"], TO_LIMA, context, Limits(total_bytes=140)))
    plain, ciphertext = sum(map(len, SMALL.views)), SEALED.payload.size
    for most in (plain, ciphertext - 1):
        limits = Limits(total_bytes=most)
        assert refused(TooLarge, lambda: check(SEALED, identity=LIMA, limits=limits)).field == "total_bytes"
    assert check(SEALED, identity=LIMA, limits=Limits(total_bytes=ciphertext))
    part, _ = sealed_payload([b"12345"], TO_LIMA, context, Limits(total_bytes=141))
    assert part.size == 141
    assert refused(TooLarge, lambda: check(SEALED, identity=LIMA, limits=Limits(chunk_bytes=50))).field == "chunk_bytes"


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the tree, and the temporary file is gone."""

    class Full:
        closed = False

        def __init__(self, size: int) -> None:
            pass

        def write(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            Full.closed = True

    monkeypatch.setattr(sealed_module, "SpooledTemporaryFile", Full)
    error = refused(BundleFileError, lambda: sealed_payload([b"x"], TO_LIMA, b""))
    assert "No space left" in str(error) and Full.closed


def test_without_its_code() -> None:
    """Left out before sealing; the flag alone takes nothing away."""
    bundle = make(seal_to=TO_LIMA, omits_code=True)
    assert check(bundle, identity=LIMA, codes=lambda digest: SOURCE).code == (SOURCE,)
    refused(SegmentMismatch, lambda: check(replace(bundle, omits_code=False), identity=LIMA))
    refused(SegmentMismatch, lambda: check(replace(SEALED, omits_code=True), identity=LIMA, codes=lambda _: SOURCE))


def test_the_manifest_says_so() -> None:
    """What `sojourn inspect` shows without a key: sizes, the recipient, and the digest of the code."""
    manifest = Manifest.from_bytes(SEALED.manifest)
    assert manifest.sealed is not None and manifest.sealed.recipient == LIMA.key_id
    assert [entry.size for entry in manifest.segments] == [len(view) for view in SMALL.views]
    assert manifest.code == (hashlib.sha256(SOURCE).digest(),)
