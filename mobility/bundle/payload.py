"""The segments as they travel: one behind the other, in memory or in a temporary file, and never joined to be sent."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Final, Protocol

from mobility.bundle.chunks import CHUNK
from mobility.bundle.errors import SealedBundle

__all__ = ["SPOOLED", "Parts", "Payload", "OpenedPayload", "Spool"]

#: Ciphertext of more bytes goes to a temporary file.
SPOOLED: Final = 64 << 20


class Payload(Protocol):
    """The bytes of a payload."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def pieces(self) -> Iterator[memoryview]:
        """All bytes in order, as they lie; each call begins anew."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """Memory in one or more pieces.

    Attributes
    ----------
    views
        One-dimensional, of bytes.
    owned
        Whether the bundle has the memory to itself, so that an agent that is made from it may have it. Else nobody
        writes to it through these views.
    """

    views: tuple[memoryview, ...]
    owned: bool = False
    size: int = field(init=False)

    def __post_init__(self) -> None:
        if not self.owned:
            object.__setattr__(self, "views", tuple(view.toreadonly() for view in self.views))
        object.__setattr__(self, "size", sum(map(len, self.views)))

    def pieces(self) -> Iterator[memoryview]:
        return iter(self.views)

    def split(self, sizes: list[int]) -> list[memoryview]:
        """The first bytes cut into pieces of these sizes; copied only where a piece lies across two parts."""
        result, number, start = [], 0, 0
        for size in sizes:
            while number < len(self.views) and start == len(self.views[number]) and size:
                number, start = number + 1, 0
            if not size:
                result.append(memoryview(b""))
            elif start + size <= len(self.views[number]):
                result.append(self.views[number][start : start + size])
                start += size
            else:
                joined = bytearray()
                while len(joined) < size:
                    taken = self.views[number][start : start + size - len(joined)]
                    joined += taken
                    start += len(taken)
                    if len(joined) < size:
                        number, start = number + 1, 0
                result.append(memoryview(joined))
        return result


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Spool:
    """Ciphertext in a temporary file, or in memory while it is small; readable by several threads in turn.

    The file is closed, and with that deleted, when the bundle goes.
    """

    file: SpooledTemporaryFile[bytes] = field(repr=False)
    size: int
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, self.file.close)

    def pieces(self) -> Iterator[memoryview]:
        for start in range(0, self.size, CHUNK):
            with self.lock:
                self.file.seek(start)
                data = self.file.read(CHUNK)
            yield memoryview(data)


@dataclass(frozen=True, slots=True)
class OpenedPayload:
    """A sealed payload that was opened while it came in: the ciphertext was not kept."""

    recipient: str
    size: int

    def pieces(self) -> Iterator[memoryview]:
        raise SealedBundle(
            self.recipient,
            problem="its ciphertext was not kept when it was received",
            remedy="To pass it on, keep its bytes as they come, or pack it anew.",
        )
