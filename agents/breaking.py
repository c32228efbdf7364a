"""Ending a computation from outside its thread, between two of its bytecodes.

CPython can raise an exception in another thread (``PyThreadState_SetAsyncExc``), at one of the next bytecodes that it
runs, whatever these are. So that it hits what is to be broken off and nothing else:

1. It is sent only while the thread is within `Breakable.run`, and `run` returns only when none is under way to it.
2. It is not sent while the thread is within `shielded`: what an agent asks of its place runs the place's own code,
   which must not be cut off with a lock in its hands. It comes at the end of that.
3. All that `run` does on its own can be interrupted, and is begun again then.

Each side first says what it is about to do and then looks at what the other has said; the interpreter's lock sees to it
that at least one of them finds out. A lock of our own would not do: the exception may come just after it was acquired.

A function of C that does not return is not broken off; the exception comes when it has returned.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

__all__ = ["Breakable", "Broken", "Shielded"]

_T = TypeVar("_T")
_PAUSE: Final = 0.0002  # seconds


class Broken(BaseException):
    """What is raised in a step that is broken off. No `Exception`: nothing of the agent is to handle it."""


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Have that raised in a thread soon; None: what is not yet raised is not to be."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind) if kind else None)


class Breakable:
    """What one agent computes, on one thread at a time."""

    __slots__ = ("_armed", "_owed", "_sender", "_sending", "_shields", "_thread", "broken")

    def __init__(self) -> None:
        self._armed = False  # within `run`
        self._shields = 0  # within so many `shielded`
        self._sending = False
        self._owed = False  # it was to come within `shielded`
        self._thread = 0
        self._sender = threading.Lock()  # never taken by the thread that computes
        self.broken = False

    def run(self, work: Callable[[], _T]) -> _T | None:
        """What `work` returns; None if it was broken off before it could, or before it began."""
        begun, result = False, None
        while True:
            try:
                if not begun:
                    begun = True
                    outer, _running.breakable = _running.breakable, self
                    self._thread = threading.get_ident()
                    self._armed = True
                    if not self.broken:
                        result = work()
                self._armed = False
                while self._sending:
                    time.sleep(_PAUSE)
                if self.broken:
                    _raise_in(self._thread, None)
                _running.breakable = outer
                return result
            except Broken:
                self._shields = 0

    def break_off(self) -> None:
        """Have `run` return soon; if it is to begin only later, it does nothing."""
        with self._sender:
            self.broken = True
            self._sending = True
            try:
                if self._armed and not self._shields:
                    _raise_in(self._thread, Broken)
                elif self._armed:
                    self._owed = True
            finally:
                self._sending = False

    def shielded(self, work: Callable[[], _T]) -> _T:
        """Do something of the place's own within `run`, without being broken off in the middle of it."""
        if threading.get_ident() != self._thread:
            return work()
        before = self._shields
        try:
            self._shields = before + 1
            while self._sending:
                time.sleep(_PAUSE)
            if self.broken:
                _raise_in(self._thread, None)  # it has not come yet, and is to come at the end
                self._owed = True
            return work()
        finally:
            self._shields = before
            if self._owed and not before:
                raise Broken


class _Running(threading.local):
    breakable: Breakable | None = None


_running = _Running()


class Shielded:
    """Something of the place's own, as an agent uses it: each call of a method is `Breakable.shielded`."""

    __slots__ = ("_shielded",)

    def __init__(self, inner: Any) -> None:
        self._shielded = inner

    def __getattr__(self, name: str) -> Any:
        found = _whole(lambda: getattr(self._shielded, name))
        if not callable(found):
            return found

        @functools.wraps(found)
        def whole(*args: Any, **kwargs: Any) -> Any:
            return _whole(lambda: found(*args, **kwargs))

        return whole


def _whole(work: Callable[[], _T]) -> _T:
    breakable = _running.breakable
    return work() if breakable is None else breakable.shielded(work)
