"""Threads that wait until something has come for each of some keys."""

from __future__ import annotations

import threading
from collections.abc import Iterable

__all__ = ["Gate"]


class Gate:
    """A condition that knows what each waiting thread still misses, so that nobody asks the database upon each arrival.

    Parameters
    ----------
    lock
        Which is held whenever a method is called.
    """

    __slots__ = ("_condition", "_missing")

    def __init__(self, lock: threading.RLock) -> None:
        self._condition = threading.Condition(lock)
        self._missing: list[set[str]] = []

    def wait(self, keys: Iterable[str], timeout: float) -> bool:
        """Let go of the lock until all have come; False if the time is over before."""
        missing = set(keys)
        self._missing.append(missing)
        try:
            return self._condition.wait_for(lambda: not missing, timeout)
        finally:
            self._missing = [other for other in self._missing if other is not missing]

    def arrived(self, key: str) -> None:
        """Tell all that wait for it."""
        for missing in self._missing:
            missing.discard(key)
        self._condition.notify_all()
