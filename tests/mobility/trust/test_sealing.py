"""A sealed stream opens whole, for one recipient, and not at all otherwise."""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.trust import sealing
from mobility.trust.errors import SealBroken, TooLarge, TrustError, WrongRecipient
from mobility.trust.keys import Role
from mobility.trust.limits import MIB, Limits
from mobility.trust.sealing import seal, unseal
from tests.mobility.trust.people import BAKU, LIMA, NOW, refused, trusted

TO_LIMA = trusted().lookup(LIMA.key_id, Role.PLACE, NOW, 0)
SMALL = Limits(chunk_bytes=16)
HEADER = 120


def opened(sealed: Iterable[bytes], by: object = LIMA, **options: object) -> bytes:
    return b"".join(unseal(sealed, by, **{"limits": SMALL, **options}))  # type: ignore[arg-type]


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=100), st.lists(st.integers(0, 40)), st.lists(st.integers(0, 150)))
def test_round_trip_however_it_is_cut(content: bytes, before: list[int], after: list[int]) -> None:
    """The form depends on the content alone, not on how it comes."""
    sealed = list(seal(cut(content, before), TO_LIMA, limits=SMALL))
    assert [len(piece) for piece in sealed[1:-1]] == [32] * (len(sealed) - 2)
    assert len(sealed[0]) == HEADER
    assert sum(map(len, sealed[1:])) == len(content) + 16 * max(1, -(-len(content) // 16))
    assert opened(cut(b"".join(sealed), after)) == content


CONTENT = bytes(range(80))  # five whole chunks
SEALED = list(seal([CONTENT], TO_LIMA, limits=SMALL))


def test_wrong_recipient() -> None:
    """Named in the error; and a changed name does not open it either."""
    error = refused(WrongRecipient, lambda: opened(SEALED, BAKU))
    assert error.sealed_to == LIMA.key_id and error.opened_by == "baku"
    renamed = SEALED[0][:4] + bytes.fromhex(BAKU.key_id) + SEALED[0][36:]
    refused(SealBroken, lambda: opened([renamed, *SEALED[1:]], BAKU))


def test_the_recipient_is_authenticated() -> None:
    """Not only compared: a header made for another key id does not unwrap, also with the right private key."""
    other = sealing._FIXED.pack(b"SJS1", bytes.fromhex(BAKU.key_id), 16)
    fixed, wrapped = SEALED[0][:40], SEALED[0][40:]
    assert sealing._SUITE.decrypt(wrapped, LIMA.sealing_private, info=sealing._info(fixed, b""))
    with pytest.raises(Exception):
        sealing._SUITE.decrypt(wrapped, LIMA.sealing_private, info=sealing._info(other, b""))


def test_chunks_reordered() -> None:
    """Any two exchanged."""
    for a in range(1, 6):
        for b in range(a + 1, 6):
            pieces = list(SEALED)
            pieces[a], pieces[b] = pieces[b], pieces[a]
            refused(SealBroken, lambda: opened(pieces))


def test_chunks_dropped() -> None:
    """Any of them: the last one too, for the one before it does not say that it is the last."""
    for a in range(1, 6):
        refused(SealBroken, lambda: opened(SEALED[:a] + SEALED[a + 1 :]))
    for end in range(1, 6):
        refused(SealBroken, lambda: opened(SEALED[:end]))


def test_chunks_doubled() -> None:
    """Any of them, and anything after the last."""
    for a in range(1, 6):
        refused(SealBroken, lambda: opened(SEALED[: a + 1] + SEALED[a:]))
    refused(SealBroken, lambda: opened([*SEALED, bytes(32)]))


def test_chunks_of_another_stream() -> None:
    """Every stream has a key of its own."""
    other = list(seal([CONTENT], TO_LIMA, limits=SMALL))
    for a in range(6):
        refused(SealBroken, lambda: opened([*SEALED[:a], other[a], *SEALED[a + 1 :]]))


def test_cut_at_every_byte() -> None:
    """No part of a stream passes for the whole."""
    whole = b"".join(SEALED)
    for end in range(len(whole)):
        refused(SealBroken, lambda: opened([whole[:end]]))


def test_flip_every_bit() -> None:
    """Header and chunks."""
    whole = b"".join(SEALED)
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TrustError) as caught:
            opened([bytes(flipped)])
        expected = WrongRecipient if 4 <= bit // 8 < 36 else (SealBroken, TooLarge) if bit // 8 < 40 else SealBroken
        assert isinstance(caught.value, expected)


def test_context() -> None:
    """What the content belongs to is authenticated."""
    sealed = list(seal([b"x"], TO_LIMA, context=b"agent 1", limits=SMALL))
    assert opened(sealed, context=b"agent 1") == b"x"
    for context in (b"", b"agent 2"):
        refused(SealBroken, lambda: opened(sealed, context=context))


def test_nonce_reuse_is_impossible_by_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    """No caller can give a key or a nonce, and none is used twice: not within a stream, not over streams."""
    assert [*inspect.signature(seal).parameters] == ["content", "recipient", "context", "limits"]
    used: list[tuple[bytes, bytes]] = []

    class Recording:
        generate_key = staticmethod(sealing.AESGCM.generate_key)

        def __init__(self, key: bytes) -> None:
            self.key = key

        def encrypt(self, nonce: bytes, data: bytes, associated: None) -> bytes:
            used.append((self.key, nonce))
            return bytes(len(data) + 16)

    monkeypatch.setattr(sealing, "AESGCM", Recording)
    for _ in range(20):
        for content in ([], [b""], [CONTENT], [CONTENT, b"x"]):
            list(seal(content, TO_LIMA, limits=SMALL))
    assert len(used) == 20 * (1 + 1 + 5 + 6) == len(set(used))
    assert len({key for key, _ in used}) == 80


def test_the_counter_does_not_wrap() -> None:
    """It would use a nonce twice."""
    assert sealing._nonce(2**32 - 1, False) == bytes(7) + b"\xff" * 4 + b"\0"
    assert sealing._nonce(0, True) != sealing._nonce(1, False) != sealing._nonce(0, False)
    with pytest.raises(OverflowError):
        sealing._nonce(2**32, True)


def test_chunks_are_handed_out_only_if_authentic() -> None:
    """What comes before the damage is right; nothing comes after it."""
    damaged = [*SEALED[:3], bytes(32), *SEALED[4:]]
    out = []
    with pytest.raises(SealBroken):
        for piece in unseal(damaged, LIMA, limits=SMALL):
            out.append(piece)
    assert out == [CONTENT[:16], CONTENT[16:32]]


def test_a_buffer_that_the_caller_uses_again() -> None:
    """A reader that fills the same buffer each time must not change a chunk that waits."""
    buffer = bytearray(16)

    def read() -> Iterator[memoryview]:
        for start in range(0, 80, 16):
            buffer[:] = CONTENT[start : start + 16]
            yield memoryview(buffer)

    assert opened(seal(read(), TO_LIMA, limits=SMALL)) == CONTENT


def test_limits() -> None:
    """Of one chunk, and of the content, on both sides."""
    large = Limits(chunk_bytes=17)
    sealed = list(seal([CONTENT], TO_LIMA, limits=large))
    assert refused(TooLarge, lambda: opened(sealed)).field == "chunk_bytes"
    few = Limits(chunk_bytes=16, total_bytes=79)
    assert refused(TooLarge, lambda: list(seal([CONTENT], TO_LIMA, limits=few))).field == "total_bytes"
    assert refused(TooLarge, lambda: opened(SEALED, limits=few)).field == "total_bytes"
    assert opened(SEALED, limits=Limits(chunk_bytes=16, total_bytes=80)) == CONTENT


def test_content_is_never_held_twice() -> None:
    """64 MiB go through both directions in the room of a few chunks."""
    chunk = bytes(MIB)
    tracemalloc.start()
    try:
        limits = Limits(chunk_bytes=MIB)
        total = sum(map(len, unseal(seal((chunk for _ in range(64)), TO_LIMA, limits=limits), LIMA, limits=limits)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 64 * MIB
    assert peak < 8 * MIB
