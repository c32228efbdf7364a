"""A process that holds a local Ray cluster, and ends every process of it when it ends itself.

The nodes live under a process of their own, for three reasons. Ray reads its settings when it is imported, and the
program that wants a cluster may have imported it already. Linux kills a node when the *thread* that started it ends,
so that thread must outlive the cluster. And a program that is killed cannot clean up, while this one then notices.

Spoken on stdin and stdout, one JSON object a line: ``{"do": "add", "place": ..., "options": {...}, "number": 1}``, and
likewise ``"remove"`` and ``"processes"``; answered by ``{"ok": ...}``, ``{"unknown": ...}`` or ``{"error": ...}``, with
the number of the request. Before that, one ``{"started": {...}}`` for each node and then ``{"ready": {...}}``. It ends
when stdin is closed, when its parent is gone, or on SIGTERM; a detached one on SIGTERM only.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import psutil

__all__ = ["belongs", "environment", "hold"]

#: Ray's defaults notice a dead node after 14 s; these after about 1.1 s. The first two keep a message of up to a few
#: megabytes out of the object store: 1 MB then takes 3.4 ms instead of 7.2 ms.
SYSTEM_CONFIG: Final[Mapping[str, int]] = {
    "max_direct_call_object_size": 4 << 20,
    "task_rpc_inlined_bytes_limit": 64 << 20,
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 3,
}
_OBJECT_STORE: Final = 200 << 20  # bytes
_PATIENCE: Final = 1.5  # seconds for processes to end by themselves
_TICK: Final = 0.5  # seconds
_SET_CHILD_SUBREAPER: Final = 36  # <sys/prctl.h>


def environment(folder: str) -> dict[str, str]:
    """What Ray must find in the environment before it is imported."""
    given = {"RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0", "RAY_memory_monitor_refresh_ms": "0"}
    # On SIGTERM Ray would wait for half a minute until a node's work is done elsewhere, and here is no elsewhere.
    given["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = "0"
    # Nor is there for the agents of a place, where all processes of a machine are ended at once.
    given["SOJOURN_GRACE"] = os.environ.get("SOJOURN_GRACE", "0")
    # Ray's workers give way to everything else by default; an agent that somebody waits for is no background job.
    given["RAY_worker_niceness"] = "0"
    # Nodes of one machine that listen to its own programs need no token; whoever asks for tokens gets them.
    return {**given, "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled")}


def belongs(folder: str) -> list[psutil.Process]:
    """The processes of the cluster that has this private folder; what they started too, as it inherits the setting."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("RAY_TMPDIR") == folder:
                found.append(process)
    return found


def end(processes: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """Ask, then kill; which are left.

    Parameters
    ----------
    patience
        Seconds until they are killed.
    """
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    _, left = psutil.wait_procs(processes, patience)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    _, left = psutil.wait_procs(left, 5.0)
    return [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


class _Nodes:
    """The cluster, and the place of each of its nodes."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=False)
        self.nodes: list[tuple[str, Any]] = []  # the head first

    def add(self, place: str, options: Mapping[str, Any]) -> dict[str, Any]:
        settings: dict[str, Any] = {"num_cpus": 2, "object_store_memory": _OBJECT_STORE, **options}
        settings["labels"] = {**settings.get("labels", {}), **({"place": place} if place else {})}
        if not self.nodes:
            settings |= {"include_dashboard": False, "no_monitor": True, "_system_config": dict(SYSTEM_CONFIG)}
        node = self.cluster.add_node(include_log_monitor=False, **settings)
        _heed_signals()  # Ray has put its own in their place
        self.nodes.append((place, node))
        return {"place": place, "node_id": node.node_id}

    def find(self, place: str) -> tuple[int, Any]:
        """The newest of that place."""
        for index in reversed(range(len(self.nodes))):
            if self.nodes[index][0] == place:
                return index, self.nodes[index][1]
        raise LookupError("there is none of that name")

    def remove(self, place: str) -> None:
        index, node = self.find(place)
        if index == 0:
            raise LookupError("it is the head, without which the cluster would end")
        workers = _below(node)
        self.cluster.remove_node(node)
        del self.nodes[index]
        end(workers, _PATIENCE)  # they end when their raylet is gone; this waits for it

    def processes(self, place: str) -> dict[str, list[int]]:
        _, node = self.find(place)
        found = {kind: [info.process.pid for info in infos] for kind, infos in node.all_processes.items()}
        return {**found, "workers": [process.pid for process in _below(node)]}

    def reap(self) -> None:
        """Take notice of processes that have ended, so that none stays as a zombie."""
        started = [info for _, node in self.nodes for infos in node.all_processes.values() for info in infos]
        known = {info.process.pid: info.process for info in started}
        for child in psutil.Process().children():
            with suppress(psutil.Error, ChildProcessError):
                if child.pid in known:
                    known[child.pid].poll()
                elif child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)


def _below(node: Any) -> list[psutil.Process]:
    found = []
    for info in node.all_processes.get("raylet", []):
        with suppress(psutil.Error):
            found += psutil.Process(info.process.pid).children(recursive=True)
    return found


def _heed_signals() -> None:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _stop)


def _stop(number: int, frame: object) -> NoReturn:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)  # a second one must not break off the cleaning up
    raise SystemExit(0)


@contextmanager
def _everything_ends(folder: str) -> Iterator[None]:
    """Adopt what a dead node leaves behind, and leave nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        for patience in (_PATIENCE, 0.0):  # the second time, what was being started during the first
            ours = {process.pid: process for process in [*psutil.Process().children(recursive=True), *belongs(folder)]}
            end(list(ours.values()), patience)
        shutil.rmtree(folder, ignore_errors=True)


def hold(places: Sequence[str], file: Path | None, *, detached: bool, folder: str | None = None) -> None:
    """Start the cluster, say so, and hold it until it is time to end.

    Parameters
    ----------
    file
        Where to write what `ready` says, once every node runs; taken away at the end.
    detached
        Whether stdin and the end of the parent mean nothing.
    folder
        Private, and short: a socket's path below it has at most 107 bytes.
    """
    parent = os.getppid()
    folder = folder or tempfile.mkdtemp(prefix="sj-", dir="/tmp" if Path("/tmp").is_dir() else None)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what Ray prints must not come between the answers
    _heed_signals()
    os.environ.update(environment(folder))
    os.environ.pop("RAY_ADDRESS", None)
    try:
        with _everything_ends(folder):
            nodes = _start(places, answers)
            ready = {
                "address": nodes.cluster.address,
                "pid": os.getpid(),
                "places": list(places),
                "folder": folder,
                "auth": os.environ["RAY_AUTH_MODE"],
                "started": time.time(),
            }
            if file is not None:
                partial = file.with_name(f"{file.name}.{os.getpid()}")
                partial.write_text(json.dumps(ready) + "\n", encoding="utf-8")
                partial.replace(file)
            _tell(answers, {"ready": ready})
            _serve(nodes, answers, None if detached else parent)
    finally:
        if file is not None:
            file.unlink(missing_ok=True)


def _start(places: Sequence[str], answers: Any) -> _Nodes:
    import ray  # noqa: F401 - after the environment
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled

    before = os.umask(0o077)  # whoever reads the token runs code on every node
    try:
        ensure_token_if_auth_enabled(None, create_token_if_missing=True)
    finally:
        os.umask(before)
    nodes = _Nodes()
    for place in places:
        _tell(answers, {"started": nodes.add(place, {})})
    return nodes


def _tell(answers: Any, message: Mapping[str, Any]) -> None:
    # Nobody may be listening any more: the end of stdin says so, and not a broken pipe.
    with suppress(BrokenPipeError, ValueError):
        answers.write(json.dumps(message) + "\n")
        answers.flush()


def _serve(nodes: _Nodes, answers: Any, parent: int | None) -> None:
    if parent is None:
        while True:
            time.sleep(_TICK)
            nodes.reap()
    buffer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        while os.getppid() == parent:
            if selector.select(_TICK):
                data = os.read(0, 65536)
                if not data:
                    return
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    request = json.loads(line)
                    _tell(answers, {**_answer(nodes, request), "number": request["number"]})
            nodes.reap()


def _answer(nodes: _Nodes, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        match request["do"]:
            case "add":
                return {"ok": nodes.add(request["place"], request["options"])}
            case "remove":
                nodes.remove(request["place"])
                return {"ok": None}
            case "processes":
                return {"ok": nodes.processes(request["place"])}
            case other:
                return {"error": f"unknown request {other!r}", "known": []}
    except LookupError as error:
        return {"unknown": str(error.args[0]), "known": [place for place, _ in nodes.nodes]}
    except Exception as error:  # told to whoever asked
        return {"error": f"{type(error).__name__}: {error}"}
