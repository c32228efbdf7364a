"""Memory for segments that are received: private to this process, and used only as far as bytes have arrived."""

from __future__ import annotations

import mmap
import pickle
import sys
from collections.abc import Sequence
from typing import Final

from mobility.bundle.errors import NoMemory, SegmentMismatch

__all__ = ["Filling", "allocate", "flat"]

#: From here on, pages come from the system one by one as they are written to; a `bytearray` is filled with zeros at
#: once, and so takes all that somebody has only declared.
_MAPPED: Final = 1 << 20


def allocate(size: int) -> memoryview:
    """Writable memory of `size` bytes.

    Raises
    ------
    NoMemory
    """
    try:
        if size < _MAPPED:
            return memoryview(bytearray(size))
        if sys.platform == "win32":
            return memoryview(mmap.mmap(-1, size))
        # Private, so that a forked process does not write into this one's agent.
        return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    except (MemoryError, OSError, OverflowError):
        raise NoMemory(size) from None


def flat(buffer: object) -> memoryview:
    """The bytes of anything that has them in one piece, read-only and not copied.

    Raises
    ------
    BufferError
        If they are not in one piece.
    """
    # `PickleBuffer.raw` takes Fortran order and empty arrays as well, where `memoryview.cast` refuses.
    return pickle.PickleBuffer(buffer).raw().toreadonly()  # type: ignore[arg-type]  # the stubs know no wider type


class Filling:
    """Segments that are filled one after the other; each gets its memory when its first byte has come."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes
        self._filled: list[memoryview] = []
        self._space = memoryview(b"")

    def take(self, piece: bytes | memoryview) -> None:
        """Put in the next bytes.

        Raises
        ------
        SegmentMismatch
            If there is no room for them.
        NoMemory
        """
        view = memoryview(piece)
        while view:
            if not self._space:
                if len(self._filled) == len(self._sizes):
                    raise SegmentMismatch(f"{len(view)} bytes or more follow the last one", kind="payload")
                self._space = allocate(self._sizes[len(self._filled)])
                self._filled.append(self._space)
                continue
            taken = min(len(view), len(self._space))
            self._space[:taken] = view[:taken]
            self._space, view = self._space[taken:], view[taken:]

    def finished(self) -> list[memoryview]:
        """The segments.

        Raises
        ------
        SegmentMismatch
            If they are not full.
        """
        missing = len(self._space) + sum(self._sizes[len(self._filled) :])
        if missing:
            raise SegmentMismatch(f"{missing} bytes are missing at the end", kind="payload")
        return self._filled + [allocate(0) for _ in self._sizes[len(self._filled) :]]
