"""A test that needs the machine to itself, when the tests run in several processes, waits until the others pause.

Every test takes its turn: an ordinary one shares the machine with those of the other processes, one marked ``alone``
has it for itself. The two locks are files, which the system lets go of when a process dies. The first is the door: who
wants to be alone keeps it closed while it waits, so that the others, who come and go, cannot keep it out forever.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["turn"]


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Wait for a turn, and have it.

    Parameters
    ----------
    folder
        Exists, and is the same for all processes that take turns.
    alone
        With no other process's turn beside it.
    """
    with (folder / "door").open("w") as door, (folder / "room").open("w") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        try:
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # Not by closing alone: a child that was forked meanwhile has the same lock open.
            fcntl.flock(room, fcntl.LOCK_UN)
