"""Which agents were being stepped when a process died: a few hundred bytes that outlive ``kill -9``.

An agent can end its place's process: by `os._exit`, a fault in an extension, more memory than there is. The place comes
back with it, and would die again, for ever. So each step is noted in memory that is mapped from a file, which costs two
short copies and no call of the system; the next process reads who was in a step.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["BlackBox"]

_SLOTS: Final = 256
_WIDTH: Final = 128
_EMPTY: Final = bytes(_WIDTH)


class BlackBox:
    """Of one place's process.

    Parameters
    ----------
    path
        Made if it is not there; read, and then begun anew.

    Attributes
    ----------
    interrupted
        The agents that were in a step when the process before ended.
    """

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(file, _SLOTS * _WIDTH)
            self._memory = mmap.mmap(file, _SLOTS * _WIDTH)
        finally:
            os.close(file)
        found = (self._memory[start : start + _WIDTH] for start in range(0, _SLOTS * _WIDTH, _WIDTH))
        self.interrupted = tuple(slot.rstrip(b"\0").decode(errors="replace") for slot in found if slot != _EMPTY)
        self._memory[:] = bytes(_SLOTS * _WIDTH)
        self._free = list(range(_SLOTS))
        self._own = threading.local()
        self._lock = threading.Lock()

    @contextmanager
    def step(self, agent: str) -> Iterator[None]:
        """While an agent is stepped; ids that are too long are not noted."""
        name = agent.encode()
        slot = self._slot()
        if slot is None or len(name) > _WIDTH:
            yield
            return
        start = slot * _WIDTH
        self._memory[start : start + len(name)] = name
        try:
            yield
        finally:
            self._memory[start : start + len(name)] = _EMPTY[: len(name)]

    def _slot(self) -> int | None:
        """A place of its own for each thread; none if there are more threads than places."""
        found: int | None = getattr(self._own, "slot", None)
        if found is None:
            with self._lock:
                found = self._free.pop() if self._free else None
            self._own.slot = found
            self._own.back = _Back(self, found)
        return found

    def give_back(self, slot: int) -> None:
        """A thread has ended."""
        with self._lock:
            self._free.append(slot)


class _Back:
    """Gives a slot back when the thread that has it ends, and its variables with it."""

    def __init__(self, box: BlackBox, slot: int | None) -> None:
        self._box = box
        self._slot = slot

    def __del__(self) -> None:
        if self._slot is not None:
            self._box.give_back(self._slot)
