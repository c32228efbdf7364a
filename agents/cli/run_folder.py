"""What ``sojourn up`` leaves in the home folder, so that every other command finds what it has started.

::

    run/cluster.json    where the cluster is; written and removed by the process that holds it
    run/platform.json   what `up` decided: where the state is kept, and for whom
    run/cluster.log     what that process had to say
    run/lock            held by an `up` or `down` that is at work
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from agents._ray._own import DetachedCluster

__all__ = ["RunFolder"]

_TURN: Final = 5.0  # seconds that an `up` or `down` waits for another one


class RunFolder:
    """Of a home folder.

    Attributes
    ----------
    folder
        Need not exist.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home.absolute() / "run"
        self.cluster_file = self.folder / "cluster.json"
        self.platform_file = self.folder / "platform.json"
        self.log_file = self.folder / "cluster.log"

    def held(self) -> DetachedCluster | None:
        """The cluster that was started and has not ended."""
        told = self.left()
        return told if told is not None and self.lives(told.pid) else None

    def left(self) -> DetachedCluster | None:
        """The cluster of the file, whether or not it lives: one that was killed leaves the file.

        Raises
        ------
        FileUnusable
        """
        from agents._ray._own import DetachedCluster
        from agents.cli.errors import FileUnusable

        try:
            return DetachedCluster.read(self.cluster_file)
        except (ValueError, KeyError, TypeError) as error:
            raise FileUnusable(self.cluster_file, f"it is not as sojourn up writes it ({error})") from None

    def lives(self, pid: int) -> bool:
        """Whether the process holds this folder's cluster: a process id is given to others in time."""
        import psutil

        try:
            process = psutil.Process(pid)
            return str(self.cluster_file) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.AccessDenied:
            return True
        except psutil.Error:
            return False

    def decided(self) -> dict[str, Any]:
        """What `decide` wrote; empty if it did not."""
        try:
            told = json.loads(self.platform_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def decide(self, told: Mapping[str, Any]) -> None:
        """Write down what `up` decided."""
        partial = self.platform_file.with_name(f"{self.platform_file.name}.{os.getpid()}")
        partial.write_text(json.dumps(dict(told)) + "\n", encoding="utf-8")
        partial.replace(self.platform_file)

    def clear(self) -> list[int]:
        """Remove what a cluster has left: its files, and processes, if its holder was killed; which do not end."""
        told = self.left()
        pids: list[int] = []
        if told is not None:
            from agents._ray._own import sweep

            pids = sweep(told.folder)
        for file in (self.cluster_file, self.platform_file):
            file.unlink(missing_ok=True)
        return pids

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Only one `up` or `down` at a time.

        Raises
        ------
        UpUnderWay
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + _TURN
            while not _locked(descriptor):
                if time.monotonic() > deadline:
                    from agents.cli.platform_errors import UpUnderWay

                    raise UpUnderWay(self.folder)
                time.sleep(0.05)
            yield
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    with suppress(OSError):
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
