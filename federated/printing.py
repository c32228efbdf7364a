"""What apps print, kept in files that do not grow without end.

A process writes to a pipe, and a thread here takes what comes to a file. A file that is full is set aside under its
name with ``.1``, in the place of the one before, and the next is begun a second later at the earliest: who prints
without end waits, and takes neither the disk nor the processor of the node.
"""

from __future__ import annotations

import os
import select
import threading
import time
from pathlib import Path
from typing import Final

__all__ = ["PrintedLog"]

_PIECE: Final = 1 << 16
_TURN: Final = 0.2  # seconds between two looks at whether the end was asked for
_PAUSE: Final = 1.0  # seconds that a file lasts at least


class PrintedLog:
    """The reading end of a pipe into a file.

    Parameters
    ----------
    path
        Appended to.
    most_bytes
        Of the file, and of the one that was set aside.

    Attributes
    ----------
    writer
        The descriptor for the process that prints; closed by `begin`.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most = most_bytes
        self._reader, self.writer = os.pipe()
        try:
            self._file = open(path, "ab")
        except BaseException:
            os.close(self._reader)
            os.close(self.writer)
            raise
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._take, name="printed", daemon=True)

    def begin(self) -> None:
        """Read from now on; whoever prints has its end of the pipe."""
        os.close(self.writer)
        self._thread.start()

    def end(self) -> None:
        """Take what is there, and close the file."""
        self._ending.set()
        self._thread.join(5 * _TURN)

    def _take(self) -> None:
        begun = time.monotonic()
        waiting = select.poll()
        waiting.register(self._reader, select.POLLIN)
        try:
            while True:
                if not waiting.poll(_TURN * 1000):
                    if self._ending.is_set():
                        return
                    continue
                piece = os.read(self._reader, min(_PIECE, self._most))
                if not piece:
                    return
                if self._file.tell() + len(piece) > self._most and self._file.tell():
                    self._ending.wait(max(0.0, begun + _PAUSE - time.monotonic()))
                    if self._ending.is_set() and time.monotonic() < begun + _PAUSE:
                        return  # what a process prints without end has no end to wait for
                    self._file.close()
                    os.replace(self._path, f"{self._path}.1")
                    self._file = open(self._path, "ab")
                    begun = time.monotonic()
                self._file.write(piece)
                self._file.flush()
        except OSError:
            pass  # a full disk ends the log, and not the app, which gets an error of its own when it prints
        finally:
            self._file.close()
            os.close(self._reader)
