"""Digests do not depend on how the work is shared out."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.bundle import chunks
from mobility.bundle.chunks import (
    CHUNK,
    check_all,
    chunk_count,
    digest_of,
    digests,
    digests_of_all,
    rechunked,
    workers_of,
)


def plain(data: bytes, size: int) -> tuple[bytes, ...]:
    """The definition."""
    return tuple(hashlib.sha256(data[start : start + size]).digest() for start in range(0, len(data) or 1, size))


def test_the_chunk_of_version_1() -> None:
    """Everything else would be another format."""
    assert CHUNK == 8 * 1024 * 1024
    assert [chunk_count(size) for size in (0, 1, CHUNK, CHUNK + 1, 2 * CHUNK)] == [1, 1, 1, 2, 2]


def test_at_the_borders() -> None:
    """One byte less, and one more; an empty segment has one empty chunk."""
    data = bytes(range(251)) * (2 * CHUNK // 251 + 2)
    for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1):
        expected = plain(data[:size], CHUNK)
        assert digests(data[:size]) == expected and len(expected) == chunk_count(size)
        assert digests_of_all([b"x", data[:size]], workers=2)[1] == expected


def test_digest_of_a_segment() -> None:
    """Of one chunk its own, so that code has the digest that everybody computes; else that of the digests."""
    one, two = hashlib.sha256(b"1").digest(), hashlib.sha256(b"2").digest()
    assert digest_of([one]) == one
    assert digest_of([one, two]) == hashlib.sha256(one + two).digest() != digest_of([two, one])


@settings(max_examples=100, deadline=None)
@given(data=st.lists(st.binary(max_size=30), max_size=12), workers=st.integers(1, 4))
def test_in_parallel_as_alone(data: list[bytes], workers: int) -> None:
    """Every segment and chunk gets its own digest, whoever computed it."""
    with pytest.MonkeyPatch.context() as patch:
        _small(patch)
        expected = [plain(one, 4) for one in data]
        assert digests_of_all(data, workers) == expected
        assert check_all(data, expected, workers) is None


def _small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chunks, "CHUNK", 4)
    patch.setattr(chunks, "workers_of", lambda size, workers=None: workers or 3)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=30), min_size=1, max_size=8), st.integers(1, 4), st.data())
def test_a_wrong_chunk_is_found(data: list[bytes], workers: int, choice: st.DataObject) -> None:
    """Wherever it is, and whichever thread meets it."""
    with pytest.MonkeyPatch.context() as patch:
        _small(patch)
        expected = [list(plain(one, 4)) for one in data]
        segment = choice.draw(st.integers(0, len(data) - 1))
        chunk = choice.draw(st.integers(0, len(expected[segment]) - 1))
        expected[segment][chunk] = bytes(32)
        assert check_all(data, expected, workers) == (segment, chunk)


def test_nothing_is_begun_after_a_wrong_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad bundle costs one chunk for each thread, not all of it."""
    _small(monkeypatch)
    seen: list[bytes] = []

    class Counting:
        @staticmethod
        def sha256(data: Any) -> Any:
            seen.append(bytes(data))
            return hashlib.sha256(data)

    monkeypatch.setattr(chunks, "hashlib", Counting)
    data = [bytes(4000)]
    for workers in (1, 3):
        seen.clear()
        assert check_all(data, [[b""] * 1000], workers) is not None
        assert len(seen) <= 2 * workers


def test_threads_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chunks that wait for each other are computed at the same time; and no thread stays behind."""
    monkeypatch.setattr(chunks, "CHUNK", 4)
    monkeypatch.setattr(chunks, "workers_of", lambda size, workers=None: 2)
    before = threading.active_count()
    meeting = threading.Barrier(2, timeout=20)

    class Meeting:
        @staticmethod
        def sha256(data: Any) -> Any:
            meeting.wait()
            return hashlib.sha256(data)

    monkeypatch.setattr(chunks, "hashlib", Meeting)
    assert digests_of_all([b"12345678"]) == [plain(b"12345678", 4)]
    assert threading.active_count() == before


def test_few_bytes_need_no_threads() -> None:
    """Starting one costs more than it saves."""
    assert workers_of(chunks.INLINE) == 1 and workers_of(10 * CHUNK, 7) == 7 and workers_of(chunks.INLINE + 1, 64) == 2


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=15), max_size=8))
def test_cut_anew(pieces: list[bytes]) -> None:
    """The same bytes, all chunks whole but the last."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK", 4)
        found = [bytes(chunk) for chunk in rechunked(map(memoryview, pieces))]
        joined = b"".join(pieces)
        assert found == [joined[start : start + 4] for start in range(0, len(joined), 4)]
