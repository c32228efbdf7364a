"""The processes in which a node runs apps: one for each app and dataset, for all runs, one message at a time."""

from __future__ import annotations

import builtins
import logging
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from federated.app import VerifiedApp
from federated.apperrors import ChildFailed
from federated.children import AppChild
from federated.dataset import Dataset

__all__ = ["AppProcess", "AppProcesses", "blamed"]

_MODULE: Final = "federated._flower.clientapp"
_LOG: Final = logging.getLogger(__name__)
_MOST_NAME: Final = 200  # characters of the name of an exception
_MOST_TEXT: Final = 2000  # and of its text
_GRACE: Final = 1.0  # seconds for whoever holds the lock to notice that the process is gone
_STATE_BYTES: Final = 64 << 20  # of the context, which comes with a reply


class AppProcess:
    """The process of one app on one dataset; it is started when it is needed, and again after it has ended.

    Attributes
    ----------
    lock
        Held by whoever starts or asks it.
    """

    def __init__(self, node: str, scratch: Path, logs: Path) -> None:
        self.lock = threading.Lock()
        self._node = node
        self._scratch = scratch
        self._logs = logs
        self._child: AppChild | None = None
        self._folder: Path | None = None

    def started(self, app: VerifiedApp, dataset: Dataset) -> AppChild:
        """The process, with the app loaded; the lock has to be held.

        Raises
        ------
        ChildFailed
            If the app cannot be loaded.
        """
        if self._child is not None and self._child.alive:
            return self._child
        self._stop()
        # Anew each time: what ran before could have written there.
        folder = Path(tempfile.mkdtemp(prefix="app-", dir=self._scratch))
        self._folder = folder
        app.unpack(folder / "app")
        self._child = child = AppChild(
            _MODULE,
            log=self._logs / f"{app.digest[:16]}.log",
            environment=dataset.environment,
            most_bytes=dataset.reply_bytes + _STATE_BYTES,
            memory_bytes=dataset.memory_bytes,
            folder=folder,
        )
        config = app.bundle.config
        answer = child.start(
            {"folder": str(folder / "app"), "reference": config.clientapp, "files": list(app.bundle.files)}
        )
        if type(answer) is not dict or "ready" not in answer:
            self._stop()
            raise ChildFailed(blamed(answer, dataset, self._node, "loading it"))
        return child

    def interrupt(self) -> None:
        """End it, also if it is at work: who waits for it is told that it is gone."""
        child = self._child
        if child is not None:
            child.kill()
        if self.lock.acquire(timeout=_GRACE):
            try:
                self._stop()
            finally:
                self.lock.release()

    def _stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


class AppProcesses:
    """All of a node.

    Parameters
    ----------
    logs
        The folder for what apps print; if None, it is thrown away with the node.
    """

    def __init__(self, node: str, logs: Path | None) -> None:
        self._node = node
        self._scratch = Path(tempfile.mkdtemp(prefix="sojourn-node-"))
        self._logs = logs or self._scratch
        self._all: dict[tuple[str, str], AppProcess] = {}
        self._lock = threading.Lock()
        self._closed = False

    def of(self, dataset: str, digest: str) -> AppProcess:
        """The place for the process of an app on a dataset.

        Raises
        ------
        ChildFailed
            If the node is closed.
        """
        with self._lock:
            if self._closed:
                raise ChildFailed(f"{self._node} is closed")
            made = AppProcess(self._node, self._scratch, self._logs)
            return self._all.setdefault((dataset, digest), made)

    def close(self) -> None:
        """End all."""
        with self._lock:
            self._closed = True
            everything = list(self._all.values())
        for one in everything:
            one.interrupt()
        shutil.rmtree(self._scratch, ignore_errors=True)


def blamed(answer: Any, dataset: Dataset, node: str, doing: str) -> str:
    """What the server is told of an exception; its text may hold data, and so may a name that the app gave it."""
    # The process is the app's: what it says may be of any form and length.
    kind = str(answer.get("kind", ""))[:_MOST_NAME] if type(answer) is dict else ""
    text = str(answer.get("text", ""))[:_MOST_TEXT] if type(answer) is dict else ""
    _LOG.warning("%s: %s raised %s: %s", node, doing, kind, text)
    if dataset.tell:
        return f"{doing} raised {kind}: {text}"
    if kind == "ModuleNotFoundError":
        return f"{doing} raised {kind}: a module that it needs is missing here"
    known = kind if isinstance(getattr(builtins, kind, None), type) else "an exception of its own"
    return f"{doing} raised {known}; its text stays at {node}"
