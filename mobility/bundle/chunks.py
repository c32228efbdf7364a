"""Digests of segments, chunk by chunk and in parallel.

A segment is cut into chunks of 8 MiB; an empty one has one empty chunk. `hashlib` lets other threads run while it works
on a chunk, so threads are enough. They live for one call: a pool that stays would be copied by ``fork`` without its
threads.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

__all__ = [
    "CHUNK",
    "INLINE",
    "check_all",
    "chunk_count",
    "cut",
    "digest_of",
    "digests",
    "digests_of_all",
    "rechunked",
    "workers_of",
]

Buffer: TypeAlias = bytes | bytearray | memoryview
_Task: TypeAlias = tuple[int, int, memoryview]

#: Fixed by format version 1.
CHUNK: Final = 8 << 20
#: Up to so many bytes, starting threads takes longer than hashing.
INLINE: Final = 1 << 20


def chunk_count(size: int) -> int:
    """How many chunks a segment of `size` bytes has."""
    return max(1, -(-size // CHUNK))


def cut(view: memoryview) -> Iterator[memoryview]:
    """The chunks of a segment."""
    if len(view) <= CHUNK:
        yield view
        return
    for start in range(0, len(view), CHUNK):
        yield view[start : start + CHUNK]


def rechunked(pieces: Iterable[memoryview]) -> Iterator[memoryview]:
    """The same bytes in chunks, however they come; copied only where a chunk lies across two pieces."""
    partial = bytearray()
    held = memoryview(b"")
    for piece in pieces:
        if held:
            partial += held
            held = memoryview(b"")
        while partial and piece:
            taken = piece[: CHUNK - len(partial)]
            partial += taken
            piece = piece[len(taken) :]
            if len(partial) == CHUNK:
                yield memoryview(partial)
                partial = bytearray()
        while len(piece) >= CHUNK:
            yield piece[:CHUNK]
            piece = piece[CHUNK:]
        held = piece
    if partial or held:
        yield memoryview(partial) if partial else held


def digest_of(chunks: Sequence[bytes]) -> bytes:
    """The digest of a segment: of its only chunk, else SHA-256 over the digests of its chunks, one after the other."""
    return chunks[0] if len(chunks) == 1 else hashlib.sha256(b"".join(chunks)).digest()


def digests(view: Buffer) -> tuple[bytes, ...]:
    """SHA-256 of each chunk of one segment, in this thread."""
    return tuple(hashlib.sha256(chunk).digest() for chunk in cut(memoryview(view)))


def digests_of_all(views: Sequence[Buffer], workers: int | None = None) -> list[tuple[bytes, ...]]:
    """SHA-256 of each chunk of each segment.

    Parameters
    ----------
    views
        One-dimensional buffers of bytes.
    workers
        Threads at most; as many as there are processors for this process, if None.
    """
    flat = [memoryview(view) for view in views]
    result = [[b""] * chunk_count(len(view)) for view in flat]

    def work(segment: int, number: int, chunk: memoryview) -> bool:
        result[segment][number] = hashlib.sha256(chunk).digest()
        return True

    _in_parallel(_tasks(flat), work, sum(map(len, flat)), workers)
    return [tuple(found) for found in result]


def check_all(
    views: Sequence[Buffer], expected: Sequence[Sequence[bytes]], workers: int | None = None
) -> tuple[int, int] | None:
    """The first segment and chunk with another digest than expected; None if there is none.

    After a chunk that is wrong no further one is begun. `expected` has a digest for each chunk.
    """
    flat = [memoryview(view) for view in views]
    wrong: list[tuple[int, int]] = []

    def work(segment: int, number: int, chunk: memoryview) -> bool:
        if hashlib.sha256(chunk).digest() == expected[segment][number]:
            return True
        wrong.append((segment, number))
        return False

    _in_parallel(_tasks(flat), work, sum(map(len, flat)), workers)
    return min(wrong, default=None)


def workers_of(size: int, workers: int | None = None) -> int:
    """How many threads are worth it for so many bytes."""
    if size <= INLINE:
        return 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(available if workers is None else workers, -(-size // INLINE)))


def _tasks(views: Sequence[memoryview]) -> Iterator[_Task]:
    for segment, view in enumerate(views):
        for number, chunk in enumerate(cut(view)):
            yield segment, number, chunk


def _in_parallel(
    tasks: Iterator[_Task], work: Callable[[int, int, memoryview], bool], size: int, workers: int | None
) -> None:
    """Do all tasks until one fails; this thread takes its part."""
    threads = workers_of(size, workers)
    if threads == 1:
        for task in tasks:
            if not work(*task):
                return
        return
    waiting = deque(tasks)  # popleft is atomic, unlike a generator's next

    def drain() -> None:
        while True:
            try:
                task = waiting.popleft()
            except IndexError:
                return
            if not work(*task):
                waiting.clear()

    with ThreadPoolExecutor(threads - 1, thread_name_prefix="sojourn-digests") as pool:
        others = [pool.submit(drain) for _ in range(threads - 1)]
        drain()
        for other in others:
            other.result()
