"""A bounded pool of threads that step agents, so that one that computes for long keeps no other waiting.

A few threads do while steps are short: more would only contend for the interpreter. When all of them are busy with
steps that have lasted `PATIENCE` seconds, another thread joins, up to the bound; one that has found nothing to do for a
while ends. Waiting agents are entries in a heap, and cost no thread.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["StepPool", "Timers"]

#: Seconds after which a step counts as long.
PATIENCE: Final = 0.02
#: Seconds after which a thread beyond the usual number ends if there is nothing to do.
_IDLE: Final = 5.0


class StepPool:
    """Runs what it is given, each once, in the order in which it came.

    Parameters
    ----------
    usual, most
        How many threads there are at least and at most.
    failed
        Called with the exception of a task that raised: a defect, which must not end the thread.
    """

    def __init__(
        self, *, usual: int = 4, most: int = 64, failed: Callable[[BaseException], None], name: str = "sojourn-step"
    ) -> None:
        self._usual = usual
        self._most = max(most, usual)
        self._failed = failed
        self._name = name
        self._tasks: deque[Callable[[], None]] = deque()
        self._condition = threading.Condition()
        self._busy: dict[int, float] = {}
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._closed = False
        self._serial = itertools.count()
        self._watcher: threading.Thread | None = None

    @property
    def threads(self) -> int:
        """How many there are now."""
        return len(self._threads)

    @property
    def waiting(self) -> int:
        """How many tasks no thread has begun."""
        return len(self._tasks)

    def submit(self, task: Callable[[], None]) -> None:
        """Have it run soon."""
        with self._condition:
            if self._closed:
                return
            self._tasks.append(task)
            if len(self._tasks) <= self._idle:  # one that was notified and has not woken yet counts as idle
                self._condition.notify()
            elif len(self._threads) < self._usual:
                self._start()
            elif self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name=f"{self._name}-watch", daemon=True)
                self._watcher.start()

    def close(self, timeout: float = 5.0) -> bool:
        """Begin nothing more; whether all threads have ended in time."""
        with self._condition:
            self._closed = True
            self._tasks.clear()
            self._condition.notify_all()
            threads = [*self._threads, *(() if self._watcher is None else (self._watcher,))]
        deadline = time.monotonic() + timeout
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads if thread is not threading.current_thread())

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}-{next(self._serial)}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _work(self) -> None:
        me = threading.get_ident()
        while True:
            with self._condition:
                self._busy.pop(me, None)
                while not self._tasks:
                    if self._closed:
                        self._threads.discard(threading.current_thread())
                        return
                    self._idle += 1
                    found = self._condition.wait(_IDLE)
                    self._idle -= 1
                    if not found and not self._tasks and len(self._threads) > self._usual:
                        self._threads.discard(threading.current_thread())
                        return
                task = self._tasks.popleft()
                self._busy[me] = time.monotonic()
            try:
                task()
            except BaseException as error:
                self._failed(error)

    def _watch(self) -> None:
        """While tasks wait: see whether all threads are busy with something long."""
        while True:
            time.sleep(PATIENCE)
            with self._condition:
                if self._closed or not self._tasks:
                    self._watcher = None  # the next one that finds no thread starts another
                    return
                long_ago = time.monotonic() - PATIENCE
                stuck = all(since < long_ago for since in self._busy.values())
                if stuck and len(self._tasks) > self._idle and len(self._threads) < self._most:
                    self._start()


class Timers:
    """Calls functions at their time, on one thread; they are to be short."""

    def __init__(self, *, failed: Callable[[BaseException], None], name: str = "sojourn-timers") -> None:
        self._failed = failed
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._condition = threading.Condition()
        self._serial = itertools.count()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def after(self, seconds: float, task: Callable[[], None]) -> None:
        """Call `task` in that many seconds."""
        with self._condition:
            if self._closed:
                return
            entry = (time.monotonic() + max(0.0, seconds), next(self._serial), task)
            heapq.heappush(self._heap, entry)
            if self._heap[0] is entry:
                self._condition.notify()

    def close(self, timeout: float = 5.0) -> None:
        """Call nothing more."""
        with self._condition:
            self._closed = True
            self._heap.clear()
            self._condition.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._closed and (not self._heap or self._heap[0][0] > time.monotonic()):
                    wait = None if not self._heap else self._heap[0][0] - time.monotonic()
                    self._condition.wait(None if wait is None else min(max(wait, 0.0), threading.TIMEOUT_MAX))
                if self._closed:
                    return
                _, _, task = heapq.heappop(self._heap)
            try:
                task()
            except BaseException as error:
                self._failed(error)
