"""Files that are whole or not there, and a lock between processes."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["locked", "read_capped", "write_atomically", "write_pieces_atomically"]


def write_atomically(path: Path, data: bytes, *, mode: int, replace: bool = True) -> None:
    """Write a file so that a crash leaves the old one or the new one.

    Raises
    ------
    FileExistsError
        If there is a file already and `replace` is false.
    """
    write_pieces_atomically(path, [data], mode=mode, replace=replace)


def write_pieces_atomically(
    path: Path, pieces: Iterable[bytes | memoryview], *, mode: int, replace: bool = True
) -> None:
    """The same with content that comes piece by piece, and is never joined."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), mode)
    try:
        with open(descriptor, "wb") as file:
            if sys.platform != "win32":
                os.fchmod(descriptor, mode)  # whatever the umask
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(descriptor)
        if replace:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)  # fails if there is one, also if it came just now
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_capped(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """At most `most` + 1 bytes of a file, and what the system says of that same file."""
    with open(path, "rb") as file:
        return file.read(most + 1), os.fstat(file.fileno())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` against other processes; a process that dies lets go."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
