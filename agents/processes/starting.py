"""The processes themselves: started clean, and ended with the process that started them, however that ends.

Linux ends a process with its parent if it asks for that, and means by the parent the *thread* that started it. So one
thread starts them all, which ends only with the process. Elsewhere, the process looks now and then.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from agents.errors import CellFailed

__all__ = ["Child", "start_child"]

_PATIENCE: Final = 10.0  # seconds for the system to start a process
_BOOT: Final = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]); "
    "from agents.processes.child import serve_place; serve_place(int(sys.argv[1]), int(sys.argv[3]))"
)
#: What it may know of this process's environment; neither tokens nor what an engine leaves there.
_KNOWN: Final = (
    *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES"),
)


class Child:
    """A process of an agent.

    Attributes
    ----------
    connection
        To it.
    """

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self.connection = connection
        self._process = process
        self._ended = threading.Event()
        self._watchers: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._wait, name=f"cell-{process.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _wait(self) -> None:
        self._process.wait()
        self._ended.set()
        with self._lock:
            watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher()

    def watch(self, ended: Callable[[], None]) -> None:
        """Call that when it has ended; at once if it has."""
        with self._lock:
            if not self._ended.is_set():
                self._watchers.append(ended)
                return
        ended()

    def kill(self) -> None:
        """End it; it cannot object."""
        _kill(self._process)

    def end(self) -> None:
        """End it, and the connection to it, which nobody uses any more."""
        _kill(self._process)
        self.connection.close()

    def how_it_ended(self, seconds: float = 2.0) -> str:
        """In words: by which signal, or with which status. One that still runs is ended."""
        if not self._ended.wait(seconds):
            self.kill()
            self._ended.wait(seconds)
            return "did not listen to its place any more, and was ended"
        status = self._process.returncode
        if status >= 0:
            return f"has ended itself, with the status {status}"
        with suppress(ValueError):
            return f"was ended by the signal {signal.Signals(-status).name}"
        return f"was ended by the signal {-status}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        process.kill()


def start_child() -> Child:
    """Start a process.

    Raises
    ------
    CellFailed
        The system does not let this process start one.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise CellFailed(f"on {sys.platform} no agent has a process of its own")
    started: Future[Child] = Future()
    _starter.tasks.put(started)
    try:
        return started.result(_PATIENCE)
    except TimeoutError:
        raise CellFailed(f"it was not started within {_PATIENCE:g} s") from None
    except OSError as error:
        raise CellFailed(f"the system does not start it: {error}") from error


class _Starter:
    """The thread that starts them; begun when it is first needed, and anew in a process that was forked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._tasks: queue.SimpleQueue[Future[Child]] = queue.SimpleQueue()

    @property
    def tasks(self) -> queue.SimpleQueue[Future[Child]]:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._tasks = queue.SimpleQueue()
                threading.Thread(target=self._work, args=(self._tasks,), name="cell-starter", daemon=True).start()
            return self._tasks

    def _work(self, tasks: queue.SimpleQueue[Future[Child]]) -> None:
        while True:
            future = tasks.get()
            try:
                child = _start()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(child)


_starter = _Starter()


def _start() -> Child:
    ours, theirs = socket.socketpair()
    try:
        environment = {name: value for name, value in os.environ.items() if name in _KNOWN or name.startswith("LC_")}
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, str(theirs.fileno()), json.dumps(sys.path), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=environment,
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Child(process, ours)
