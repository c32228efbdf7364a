"""Threads that are used again: to start one takes about as long as a short message."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

__all__ = ["Workers"]

_RESTING: Final = 5.0  # seconds after which a thread that has nothing to do ends

_Task = Callable[[], object]


class Workers:
    """As many threads as there is work for at the same time; nothing waits for a thread to be free.

    Tasks see to their own exceptions. The threads end by themselves, and hold up no exit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[SimpleQueue[_Task]] = []

    def do(self, task: _Task) -> None:
        """Begin a task in a thread of its own, and return."""
        with self._lock:
            if self._free:
                # Whose stack is still warm.
                self._free.pop().put(task)
                return
        threading.Thread(target=self._work, args=(task,), daemon=True).start()

    def _work(self, task: _Task) -> None:
        inbox: SimpleQueue[_Task] = SimpleQueue()
        while True:
            task()
            with self._lock:
                self._free.append(inbox)
            try:
                task = inbox.get(timeout=_RESTING)
            except Empty:
                with self._lock:
                    if inbox in self._free:
                        self._free.remove(inbox)
                        return
                task = inbox.get()  # it came in that very moment
