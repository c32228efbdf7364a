"""A cluster of our own, seen from the program that wants it: the process that holds it, and what is asked of that."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from agents._ray._cluster_errors import ClusterCloseFailed, ClusterStartFailed, ClusterUnreachable, NodeUnknown

__all__ = ["DetachedCluster", "OwnCluster", "start_detached", "sweep"]

_TAIL: Final = 12  # lines of the log in an error
_FORCED: Final = 5.0  # seconds of a deadline kept back for killing


def _command(places: Sequence[str], *more: str) -> list[str]:
    return [sys.executable, "-m", "agents._ray.cluster", "--places", ",".join(places), *more]


def _surroundings() -> dict[str, str]:
    """The process must find this package, whatever the working directory of the program is."""
    root = str(Path(__file__).resolve().parents[2])
    path = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(path))}


class OwnCluster:
    """A cluster that ends with this program: by `close`, or when the program ends in whatever way.

    Attributes
    ----------
    address
        ``host:port`` of its head.
    folder
        Where Ray keeps its sockets and logs; removed at the end.
    """

    def __init__(self, places: Sequence[str], *, timeout: float, started: Callable[[str], None] | None = None) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._number = 0
        self._closed = False
        # A short private folder: a socket's path below it has at most 107 bytes.
        self.folder = tempfile.mkdtemp(prefix="sj-", dir="/tmp" if Path("/tmp").is_dir() else None)
        # A session of its own: Ctrl-C in a terminal is for the program, which then closes in good order.
        self._process = subprocess.Popen(
            _command(places, "--folder", self.folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=_surroundings(),
            start_new_session=True,
        )
        threading.Thread(target=self._listen, name="sojourn cluster", daemon=True).start()
        self.address = ""
        deadline = time.monotonic() + timeout
        try:
            while not self.address:
                message = self._next(deadline)
                if "ready" in message:
                    self.address = str(message["ready"]["address"])
                elif started is not None:
                    started(str(message["started"]["place"]))
        except BaseException:
            self.close(2 * _FORCED)
            raise

    @property
    def pid(self) -> int:
        """Of the process that holds the cluster."""
        return self._process.pid

    def add_node(self, place: str, options: Mapping[str, Any], timeout: float) -> str:
        """Start another node; its id."""
        return str(self._ask({"do": "add", "place": place, "options": dict(options)}, place, timeout)["node_id"])

    def remove_node(self, place: str, timeout: float) -> None:
        """End the newest node of that place, and all its processes."""
        self._ask({"do": "remove", "place": place}, place, timeout)

    def node_processes(self, place: str, timeout: float) -> dict[str, tuple[int, ...]]:
        """Process ids by kind: ``raylet``, ``workers``, on the head ``gcs_server``, and others."""
        told = self._ask({"do": "processes", "place": place}, place, timeout)
        return {kind: tuple(pids) for kind, pids in told.items()}

    def close(self, timeout: float) -> None:
        """End the cluster and every process of it.

        Raises
        ------
        ClusterCloseFailed
            If something is left at the deadline, even after it was killed.
        """
        if self._closed:
            return
        self._closed = True
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()  # the sign to end
        try:
            self._process.wait(max(0.0, timeout - _FORCED))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_FORCED)
        left = sweep(self.folder)
        self._log.close()
        if left:
            raise ClusterCloseFailed("they did not end even when they were killed", pids=left)

    def _ask(self, request: Mapping[str, Any], place: str, timeout: float) -> Any:
        deadline = time.monotonic() + timeout
        with self._turn:
            self._number += 1
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps({**request, "number": self._number}).encode() + b"\n")
                self._process.stdin.flush()
            except (OSError, ValueError) as error:
                raise self._ended() from error
            answer = self._next(deadline)
            while answer["number"] != self._number:  # the late answer to a request that was given up
                answer = self._next(deadline)
        if "unknown" in answer:
            raise NodeUnknown(place, str(answer["unknown"]), answer["known"])
        if "error" in answer:
            raise ClusterStartFailed(
                str(answer["error"]), log=self._tail(), state="The other nodes of the cluster go on."
            )
        return answer["ok"]

    def _next(self, deadline: float) -> dict[str, Any]:
        try:
            message = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            state = "The cluster goes on, and may still do what was asked." if self.address else None
            problem = "there was no answer before the deadline"
            raise ClusterStartFailed(problem, log=self._tail(), state=state) from None
        if message is None:
            self._answers.put(None)  # for the next who asks
            if self.address:
                raise self._ended()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_FORCED)
            problem = f"the process that holds them ended with code {self._process.returncode}"
            raise ClusterStartFailed(problem, log=self._tail())
        return message

    def _ended(self) -> ClusterUnreachable:
        return ClusterUnreachable(
            self.address,
            "the process that held it has ended",
            state="The cluster has ended with it.",
            remedy="Connect again to start another.",
        )

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def _tail(self) -> list[str]:
        if self._log.closed:
            return []
        self._log.seek(0)
        return self._log.read().decode(errors="replace").splitlines()[-_TAIL:]


def sweep(folder: str) -> list[int]:
    """Kill what is left of the cluster of this folder, and remove the folder; which processes are left even so."""
    import shutil

    from agents._ray._runner import belongs, end

    left = end(belongs(folder), 0.0)
    shutil.rmtree(folder, ignore_errors=True)
    return [process.pid for process in left]


class DetachedCluster:
    """What the file of a held cluster says.

    Attributes
    ----------
    address, pid, places, folder
        Of the cluster; of the process that holds it, and ends it on SIGTERM; names; Ray's folder.
    auth
        Its ``RAY_AUTH_MODE``: whoever joins needs the same.
    started
        Unix time.
    """

    __slots__ = ("address", "auth", "folder", "pid", "places", "started")

    def __init__(
        self, *, address: str, pid: int, places: tuple[str, ...], folder: str, auth: str, started: float
    ) -> None:
        self.address = address
        self.pid = pid
        self.places = places
        self.folder = folder
        self.auth = auth
        self.started = started

    @classmethod
    def read(cls, file: Path) -> DetachedCluster | None:
        """None if there is no such file: no cluster is held, or it is not ready."""
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(
            address=told["address"],
            pid=told["pid"],
            places=tuple(told["places"]),
            folder=told["folder"],
            auth=told["auth"],
            started=told["started"],
        )


def start_detached(places: Sequence[str], file: Path, log: Path, *, timeout: float) -> DetachedCluster:
    """Start a cluster that goes on when this program has ended, until its process gets SIGTERM.

    Parameters
    ----------
    file
        Written by the holding process once every node runs, and removed by it at its end.
    log
        Where that process writes what it has to say.
    timeout
        Seconds.

    Raises
    ------
    ClusterStartFailed
        If it is not ready in time; it was ended again.
    """
    deadline = time.monotonic() + timeout
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(places, "--hold", str(file), "--detached"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            env=_surroundings(),
            start_new_session=True,
        )
    problem = "they were not ready before the deadline"
    try:
        while time.monotonic() < deadline:
            held = DetachedCluster.read(file)
            if held is not None and held.pid == process.pid:
                process.returncode = 0  # it is not ours to wait for: no warning when this object goes
                return held
            if process.poll() is not None:
                problem = f"the process that holds them ended with code {process.returncode}"
                break
            time.sleep(0.05)
    except BaseException:
        _end(process)
        raise
    _end(process)
    raise ClusterStartFailed(problem, log=log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
