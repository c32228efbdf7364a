"""Processes of our own in which apps run: started clean, asked with a deadline, ended by their group.

A child gets none of this process's environment but what a Python program needs, no file but its end of a socket pair,
and a session of its own, so that what it starts ends with it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from federated.apperrors import ChildFailed, ChildTooSlow, RecordsRefused
from federated.channels import Channel, ChannelClosed, FrameTooLarge
from mobility.plain import PlainInvalid

__all__ = ["AppChild"]

#: Of the environment only this goes along: others hold tokens of clusters and clouds.
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_ROOT: Final = str(Path(__file__).resolve().parent.parent)
_STARTING: Final = 60.0  # seconds for an interpreter to import Flower and what the app needs
_GRACE: Final = 0.5


class AppChild:
    """A process that runs a module of ours, and answers.

    Parameters
    ----------
    module
        Run as ``python -m``, with the number of its socket as argument.
    log
        Where what it prints goes; nowhere, if None.
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
        }
        if settings["PYTHONPATH"] != _ROOT:
            settings["PYTHONPATH"] = os.pathsep.join((_ROOT, settings["PYTHONPATH"]))
        try:
            output = open(log, "ab") if log is not None else None
            try:
                self.process = subprocess.Popen(
                    # -P: a module of the app must not take the place of one of ours before it is started.
                    [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=output or subprocess.DEVNULL,
                    stderr=output or subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=settings,
                    cwd=folder,
                    start_new_session=True,
                )
            finally:
                if output is not None:
                    output.close()
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
            If it has ended.
        """
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
            raise RecordsRefused(f"the answer has {error.size} bytes, and {limit} are allowed") from None
        except PlainInvalid as error:
            self.kill()
            raise RecordsRefused(f"the answer is no plain data: {error.reason}") from None
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
        self.channel.close()
