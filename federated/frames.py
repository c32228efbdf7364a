"""A file of frames that only grows, each chained to the one before; an end that is not whole is cut off.

::

    magic   binding (32 bytes)   check (16)
    kind, number, index, length (21)   check (16)   content   digest (32)        and so on

Rules
-----
1. A frame's *check* is over its head and the digest of the frame before it; its *digest* over those and the content. So
   a length is believed only if it is what was written, and an end that is missing is told from a middle that is wrong.
2. What ``kill -9`` in the middle of a write leaves, a frame that is not whole at the end, is cut off; `FrameFile.torn`
   says how long it was. Anything else that does not fit is refused, and the file is left as it is.
3. A write that fails is taken back.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federated.errors import JournalCorrupt, JournalMismatch, JournalUnusable

__all__ = ["FrameFile", "Stored"]

_HEAD: Final = struct.Struct(">BQIQ")  # kind, number, index, length of the content
_CHECK: Final = 16
_DIGEST: Final = 32
_PIECE: Final = 1 << 20
_MOST_AT_ONCE: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Stored:
    """A frame in the file: its head, and where its content lies.

    Attributes
    ----------
    kind, number, index
        What its writer said of it.
    offset, length
        Of the content, in bytes.
    digest, before
        SHA-256 of `before` and the content.
    """

    kind: int
    number: int
    index: int
    offset: int
    length: int
    digest: bytes
    before: bytes


class FrameFile:
    """The file, for one process at a time, and within that for one thread at a time.

    Parameters
    ----------
    path
        Made if it is not there.
    magic
        With which every file of the kind begins.
    binding
        32 bytes: what it belongs to.

    Attributes
    ----------
    frames
        What was in it when it was opened.
    torn
        Bytes that were cut off its end.
    end
        Where the next frame will be.

    Raises
    ------
    JournalMismatch
        If it has another binding.
    JournalCorrupt, JournalUnusable
    """

    def __init__(self, path: Path, magic: bytes, binding: bytes) -> None:
        self.path = path
        self.torn = 0
        self.end = 0
        self.frames: list[Stored] = []
        self._file = -1
        start = magic + binding
        start += hashlib.sha256(start).digest()[:_CHECK]
        self._chain = hashlib.sha256(start).digest()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._take_over(magic, start)
            except BaseException:
                self.close()
                raise

    def append(self, kind: int, number: int, index: int, content: bytes | memoryview, *, durable: bool) -> Stored:
        """Write a frame; `durable`: and wait for the disk.

        Raises
        ------
        JournalUnusable
            The file is as it was.
        """
        with self._translated():
            before = self._chain + _HEAD.pack(kind, number, index, len(content))
            hashed = hashlib.sha256(before)
            check = hashed.digest()[:_CHECK]
            hashed.update(content)
            digest = hashed.digest()
            end = self.end
            try:
                for part in (before[_DIGEST:] + check, content, digest):
                    end += _write(self._opened(), end, part)
                if durable:
                    os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, self.end)
                raise
            stored = Stored(kind, number, index, self.end + _HEAD.size + _CHECK, len(content), digest, before)
            self.end, self._chain = end, digest
            return stored

    def read(self, stored: Stored) -> bytes:
        """The content of a frame, verified again.

        Raises
        ------
        JournalCorrupt, JournalUnusable
        """
        with self._translated():
            data = _read(self._opened(), stored.offset, stored.length)
        if hashlib.sha256(stored.before + data).digest() != stored.digest:
            raise JournalCorrupt(self.path, f"was altered while it was open, at byte {stored.offset}")
        return data

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _opened(self) -> int:
        if self._file < 0:
            raise JournalUnusable(self.path, "was closed")
        return self._file

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JournalUnusable(self.path, f"cannot be used: {error.strerror or error}") from error

    # -- opening

    def _take_over(self, magic: bytes, start: bytes) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalUnusable(self.path, "is open in another process, or twice in this one") from None
        size = os.fstat(self._file).st_size
        found = _read(self._file, 0, min(size, len(start)))
        self.end = len(start)
        if len(found) < len(start) and start.startswith(found):
            self.torn = len(found)
            os.ftruncate(self._file, 0)
            _write(self._file, 0, start)
            os.fsync(self._file)
            return
        if not found.startswith(magic) or hashlib.sha256(found[:-_CHECK]).digest()[:_CHECK] != found[-_CHECK:]:
            raise JournalCorrupt(self.path, "does not begin as a journal")
        if found != start:
            other = "another app, configuration, seed, data set, or other nodes"
            raise JournalMismatch(self.path, f"belongs to another run: {other}")
        while self.end < size and self._take_frame(size):
            pass
        if self.end < size:
            self.torn = size - self.end
            os.ftruncate(self._file, self.end)

    def _take_frame(self, size: int) -> bool:
        """Verify the next frame; False if it is not whole."""
        start = self.end + _HEAD.size + _CHECK
        if start > size:
            return False
        both = _read(self._file, self.end, _HEAD.size + _CHECK)
        before = self._chain + both[: _HEAD.size]
        hashed = hashlib.sha256(before)
        if hashed.digest()[:_CHECK] != both[_HEAD.size :]:
            raise JournalCorrupt(self.path, f"is damaged at byte {self.end}")
        kind, number, index, length = _HEAD.unpack(both[: _HEAD.size])
        end = start + length + _DIGEST
        if end > size:
            return False
        for at in range(start, start + length, _PIECE):
            hashed.update(_read(self._file, at, min(_PIECE, start + length - at)))
        digest = hashed.digest()
        if _read(self._file, end - _DIGEST, _DIGEST) != digest:
            raise JournalCorrupt(self.path, f"is damaged between the bytes {start} and {end}")
        self.frames.append(Stored(kind, number, index, start, length, digest, before))
        self.end, self._chain = end, digest
        return True


def _read(file: int, start: int, length: int) -> bytes:
    parts = []
    while length:
        part = os.pread(file, min(length, _MOST_AT_ONCE), start)
        if not part:
            raise OSError(None, f"the file ends at byte {start}")
        parts.append(part)
        start += len(part)
        length -= len(part)
    return b"".join(parts)


def _write(file: int, start: int, data: bytes | memoryview) -> int:
    view = memoryview(data).cast("B")
    written = 0
    while written < len(view):
        written += os.pwrite(file, view[written : written + _MOST_AT_ONCE], start + written)
    return written
