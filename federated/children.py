"""Processes of our own in which apps run: started clean, asked with a deadline, ended by their group.

A child gets none of this process's environment but what a Python program needs, no file but its end of a socket pair,
and a session of its own, so that what it starts ends with it. A mark in its environment finds what has left that
session; who starts a program without the mark, outside the session, hides it from us.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import agents
import federated
import mobility
from federated.apperrors import ChildFailed, ChildTooSlow, RecordsRefused
from federated.channels import Channel, ChannelClosed, FrameTooLarge
from federated.printing import PrintedLog
from federated.verdicts import Rule
from mobility.plain import PlainInvalid

__all__ = ["AppChild"]

#: Of the environment only this goes along: others hold tokens of clusters and clouds.
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
#: Where our packages are: in one folder as a rule, each in its own when a job has brought them along to a cluster.
_ROOT: Final = os.pathsep.join(
    dict.fromkeys(str(Path(path).resolve().parent) for ours in (federated, agents, mobility) for path in ours.__path__)
)
_STARTING: Final = 60.0  # seconds for an interpreter to import Flower and what the app needs
_GRACE: Final = 0.5
_MARK: Final = "SOJOURN_CHILD"
_SEARCHES: Final = 5  # for what a child has left running: while we look, it may start more


class AppChild:
    """A process that runs a module of ours, and answers.

    Parameters
    ----------
    module
        Run as ``python -m``, with the number of its socket as argument.
    log
        Where what it prints goes; nowhere, if None.
    log_bytes
        Of that file, and of the one that is set aside when it is full.
    environment
        What it gets beside the usual.
    most_bytes
        Of one answer.
    memory_bytes
        Of its address space; no limit, if None.
    folder
        Its working folder; this process's, if None.
    """

    def __init__(
        self,
        module: str,
        *,
        log: Path | None = None,
        log_bytes: int = 16 << 20,
        environment: Mapping[str, str] | None = None,
        most_bytes: int = 1 << 30,
        memory_bytes: int | None = None,
        folder: Path | None = None,
    ) -> None:
        ours, theirs = socket.socketpair()
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        settings = {
            **kept,
            "PYTHONPATH": _ROOT,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "FLWR_TELEMETRY_ENABLED": "0",
            "SOJOURN_MEMORY_BYTES": str(memory_bytes or 0),
            **(environment or {}),
            _MARK: secrets.token_hex(16),
        }
        self._mark = settings[_MARK]
        if settings["PYTHONPATH"] != _ROOT:
            settings["PYTHONPATH"] = os.pathsep.join((_ROOT, settings["PYTHONPATH"]))
        self._printed: PrintedLog | None = None
        self._searched = False
        try:
            self._printed = PrintedLog(log, log_bytes) if log is not None else None
            output = subprocess.DEVNULL if self._printed is None else self._printed.writer
            try:
                self.process = subprocess.Popen(
                    # -P: a module of the app must not take the place of one of ours before it is started.
                    [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                    env=settings,
                    cwd=folder,
                    start_new_session=True,
                )
            finally:
                if self._printed is not None:
                    self._printed.begin()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.channel = Channel(ours, most_bytes)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def start(self, greeting: Any, *, seconds: float = _STARTING) -> Any:
        """Tell it what it is for; its first answer."""
        return self.ask(greeting, seconds=seconds)

    def ask(self, request: Any, *, seconds: float) -> Any:
        """Send a request and wait for its answer; whatever goes wrong ends the process.

        Raises
        ------
        ChildTooSlow
            If there is no answer within so many seconds.
        RecordsRefused
            If the answer is too large, or no plain data.
        ChildFailed
            If it has ended, or has said something before it was asked: that would be taken for the answer.
        """
        if self.channel.unread:
            self.kill()
            raise ChildFailed("the app's process has said something unasked, and was ended")
        deadline = time.monotonic() + seconds
        try:
            self.channel.send(request, deadline=deadline)
            return self.channel.receive(deadline=deadline)[0]
        except TimeoutError:
            self.kill()
            raise ChildTooSlow(f"the app's process gave no answer within {seconds:.3g} s, and was ended") from None
        except FrameTooLarge as error:
            self.kill()
            limit = self.channel.limits.total_bytes
            raise RecordsRefused(
                f"the answer has {error.size} bytes, and {limit} are allowed", rules=[Rule.BYTES]
            ) from None
        except PlainInvalid as error:
            self.kill()
            raise RecordsRefused(f"the answer is no plain data: {error.reason}", rules=[Rule.KIND]) from None
        except ChannelClosed:
            raise self.failure() from None
        except BaseException:
            self.kill()
            raise

    def failure(self) -> ChildFailed:
        """Why it has ended; it is ended for certain afterwards."""
        try:
            code: int | None = self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            code = None
        self.kill()
        if code is None:
            how = "has closed its connection"
        elif code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        else:
            how = f"has ended with code {code}"
        return ChildFailed(f"the app's process {how}")

    def kill(self) -> None:
        """End it, and what it started; may be called again."""
        try:
            # The group's number is the child's, and is not given away again before the child is waited for.
            if self.process.returncode is None:
                os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()
        if not self._searched:
            self._end_survivors()
        self.channel.close()
        if self._printed is not None:
            self._printed.end()

    def _end_survivors(self) -> None:
        """End what has the mark of this child: daemons, and what was left by a child that has ended by itself."""
        self._searched = True
        mark = f"{_MARK}={self._mark}".encode()
        for _ in range(_SEARCHES):
            found = [pid for pid in _processes() if mark in _environment(pid)]
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            if not found:
                return


def _processes() -> list[int]:
    """All of this machine, if it says."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _environment(pid: int) -> list[bytes]:
    """Of a process when its program was started; empty, if it has ended or is somebody else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
