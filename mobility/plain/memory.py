"""Where the bytes of large values lie: in the message itself, or in the buffers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mobility.plain.wire import Reader

__all__ = ["Memory"]


class Memory:
    """Hands out the message's memory in its order; each size is held against the limits and what is there."""

    def __init__(self, reader: Reader, buffers: Sequence[Any]) -> None:
        self.reader = reader
        self.buffers = [memoryview(buffer) for buffer in buffers]
        self.used = 0

    def total(self) -> int:
        """Bytes of all buffers."""
        return sum([view.nbytes for view in self.buffers])

    def head(self, field: str) -> tuple[int, int]:
        """The size that follows, and whether it is apart; `field` is the limit to hold it against."""
        reader = self.reader
        start = reader.position
        head = reader.varint()
        reader.limited(field, head >> 1, "it is too long", start)
        return head >> 1, head & 1

    def take(self, size: int, apart: int) -> memoryview:
        """So many bytes of the message, or the next buffer, as they are; an error names the node's place."""
        reader = self.reader
        if not apart:
            return reader.view[reader.span(size, "memory")]
        number = self.used
        if number == len(self.buffers):
            raise reader.invalid(f"it wants more than the {number} buffers that were given", reader.at)
        view = self.buffers[number]
        self.used = number + 1
        if view.nbytes != size or not view.c_contiguous:
            raise reader.invalid(f"buffer {number} has {view.nbytes} bytes, and {size} are described", reader.at)
        if view.ndim == 1 and view.format == "B":
            return view
        return view.cast("B") if view.nbytes else memoryview(b"")

    def view(self, field: str) -> memoryview:
        """Size and bytes."""
        return self.take(*self.head(field))

    def whole(self, field: str) -> bytes:
        """The same as a bytes object: the given one, if it is nothing else."""
        view = self.view(field)
        given = view.obj
        return given if type(given) is bytes and len(given) == view.nbytes else bytes(view)

    def finish(self) -> None:
        """Refuse buffers that nothing has used."""
        if self.used != len(self.buffers):
            raise self.reader.invalid(f"{len(self.buffers)} buffers were given, and it uses {self.used}")
