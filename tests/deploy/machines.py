"""Two machines of two owners, and a shell on each: for pages whose commands are to be typed on both.

They are two hosts of `tests.multihost`, with a home folder and a disk for ``/var/lib`` of their own. There is no `scp`
between them and no `sudo` in them, so two small programs stand for these: one copies from home to home, one runs what
it is given.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.multihost.hosts import Hosts, two_hosts

__all__ = ["MACHINES", "Answer", "Machines", "Step", "steps", "two_machines"]

#: Name of each machine, the host that it is, and how large its disk is: unlike, so that each is told of by itself.
MACHINES: Mapping[str, tuple[str, str]] = {"oslo": ("a", "2g"), "lima": ("b", "1g")}
_SCP = """\
#!/bin/sh
# scp [-p] FILE MACHINE:PATH
[ "$1" = "-p" ] && shift
their=home
exec cp -p "$1" "{folder}/${{2%%:*}}/$their/${{2#*:}}"
"""
_SUDO = '#!/bin/sh\nexec "$@"\n'


@dataclass(frozen=True)
class Step:
    """A command of a page, and what the page says that it prints."""

    machine: str
    command: str
    shown: str


@dataclass(frozen=True)
class Answer:
    """What a shell printed, and with which code the command ended."""

    code: int
    printed: str


def steps(page: str) -> list[Step]:
    """The commands of a page, in their order: lines that begin with ``oslo$`` in blocks of a console."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        parts = re.findall(r"^(\w+)\$ (.*)\n((?:(?!\w+\$ ).*\n)*)", block, re.MULTILINE)
        assert "".join(f"{machine}$ {command}\n{shown}" for machine, command, shown in parts) == block, block
        found += [Step(*part) for part in parts]
    return found


@dataclass
class Machines:
    """Both of them, with a shell that reads what `type` gives it."""

    folder: Path
    _shells: dict[str, IO[str]] = field(default_factory=dict)
    _typed: int = 0

    def home(self, machine: str) -> Path:
        """The home folder."""
        return self.folder / machine / "home"

    def type(self, machine: str, command: str, timeout: float = 300.0) -> Answer:
        """Run a command in the shell of a machine; the shell's variables and folder stay."""
        self._typed += 1
        end = f"--- end of {self._typed}:"
        output = self.folder / machine / "output"
        begin = output.stat().st_size
        self._shells[machine].write(f"{command}\ncode=$?; echo; echo '{end}' $code\n")
        self._shells[machine].flush()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            printed, found, code = output.read_bytes()[begin:].decode(errors="replace").partition(f"\n{end} ")
            if found and code.endswith("\n"):
                return Answer(int(code), printed.replace(str(self.home(machine)), "~"))
            time.sleep(0.05)
        raise AssertionError(f"{machine}$ {command}\nhas not ended after {timeout:g} s; printed so far:\n{printed}")

    def start(self, hosts: Hosts) -> None:
        """Give each its disk, its home, and a shell."""
        programs = self.folder / "programs"
        programs.mkdir(parents=True)
        for name, text in (("scp", _SCP.format(folder=shlex.quote(str(self.folder)))), ("sudo", _SUDO)):
            (programs / name).write_text(text, encoding="utf-8")
            (programs / name).chmod(0o755)
        for machine, (host, disk) in MACHINES.items():
            self.home(machine).mkdir(parents=True)
            typed = self.folder / machine / "typed"
            os.mkfifo(typed)
            quoted = shlex.quote(str(typed))
            script = "\n".join(
                [
                    f"mount -t tmpfs -o size={disk} disk /var/lib",
                    f"hostname {machine}",
                    f"cd {shlex.quote(str(self.home(machine)))}",
                    "unset RAY_AUTH_MODE SOJOURN_HOME SOJOURN_PLACE_FILE XDG_CONFIG_HOME",
                    f"set +e; exec bash < {quoted}",
                ]
            )
            path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
            user = subprocess.run(["id", "-un"], capture_output=True, text=True, timeout=20, check=True).stdout.strip()
            with (self.folder / machine / "output").open("wb") as output:
                hosts.start(
                    *(host, script, output),
                    **{"HOME": str(self.home(machine)), "PATH": path, "USER": user, "COLUMNS": "120", "NO_COLOR": "1"},
                    RAY_raylet_start_wait_time_s="60",  # a machine that runs tests may be slow
                )
            self._shells[machine] = _opened(typed)

    def close(self) -> None:
        """Let the shells end."""
        for shell in self._shells.values():
            shell.close()


def _opened(typed: Path) -> IO[str]:
    """The writing end; a plain open would wait without end for a shell that has not come up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return os.fdopen(os.open(typed, os.O_WRONLY | os.O_NONBLOCK), "w", encoding="utf-8")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextmanager
def two_machines(folder: Path) -> Iterator[Machines]:
    """Make them; they and all that runs on them are gone afterwards."""
    with two_hosts() as hosts:
        machines = Machines(folder)
        machines.start(hosts)
        try:
            yield machines
        finally:
            machines.close()
