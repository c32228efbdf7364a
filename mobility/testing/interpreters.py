"""The Python interpreters of this machine, for checking that what was frozen on one resumes on another.

Looked at, in this order: the interpreter that runs this; ``python3.11`` and up on the path, then ``python3`` and
``python``; and whatever pyenv has installed, active or not. A name on the path proves nothing (a version manager puts
stubs there for versions that are switched off), so each candidate is started and asked what it is.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Interpreter", "found"]

OLDEST = (3, 11)
# Minor versions that may be on the path under their own name; the later ones cost one failed look-up each.
_MINORS = range(OLDEST[1], 21)
_PATIENCE = 30.0  # seconds
# What would tie a child process to this process's installation, or to a run of coverage.
_BINDING = frozenset({"COVERAGE_PROCESS_START", "PYTHONHOME", "PYTHONINSPECT", "PYTHONSTARTUP", "VIRTUAL_ENV"})
_QUESTION = """
import json, sys
print(json.dumps([sys.implementation.name, sys.version_info[:], sys.executable]))
"""


@dataclass(frozen=True, slots=True, order=True)
class Interpreter:
    """One CPython that can be started.

    Attributes
    ----------
    version
        Major, minor and micro version.
    path
        The executable, as the interpreter itself names it.
    """

    version: tuple[int, int, int]
    path: str

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor version: what decides whether bytecode and frames look alike."""
        return self.version[:2]

    @property
    def current(self) -> bool:
        """Whether it is of the minor version that runs this."""
        return self.minor == sys.version_info[:2]

    def __str__(self) -> str:
        return "Python " + ".".join(map(str, self.version))

    def environment(self, *paths: str | os.PathLike[str]) -> dict[str, str]:
        """The environment to start it in: this process's own, importing from ``paths``.

        The interpreters other than the current one have nothing installed: what they are to import must lie under
        ``paths`` and need only the standard library. No bytecode is written beside the sources.
        """
        environment = {name: value for name, value in os.environ.items() if name not in _BINDING}
        environment["PYTHONPATH"] = os.pathsep.join(os.fspath(path) for path in paths)
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        # Two processes that talk through text must not depend on what the terminal happens to speak.
        environment["PYTHONUTF8"] = "1"
        return environment


@functools.cache
def found() -> tuple[Interpreter, ...]:
    """The interpreters found, one for each minor version from 3.11 on, oldest first.

    Where two are of the same minor version, the one that runs this goes before the path, and the path before pyenv.
    Pre-releases and other implementations than CPython are left out. The search starts a few processes; its result
    is kept.

    Returns
    -------
    tuple of Interpreter
        One alone proves nothing about moving between versions: a program that finds no other should say so loudly.
    """
    minors: dict[tuple[int, int], Interpreter] = {}
    asked: set[str] = set()
    for candidate in _candidates(os.environ):
        if candidate in asked:
            continue
        asked.add(candidate)
        interpreter = _ask(candidate)
        if interpreter is not None:
            minors.setdefault(interpreter.minor, interpreter)
    return tuple(sorted(minors.values()))


def _candidates(environment: Mapping[str, str]) -> Iterator[str]:
    if sys.executable:  # empty in a program that embeds Python
        yield sys.executable
    for name in [*(f"python3.{minor}" for minor in _MINORS), "python3", "python"]:
        path = shutil.which(name, path=environment.get("PATH"))
        if path is not None:
            yield path
    for root in _pyenv_roots(environment):
        yield from (str(path) for path in _installed(root))


def _pyenv_roots(environment: Mapping[str, str]) -> Sequence[Path]:
    given = environment.get("PYENV_ROOT")
    if given:
        return [Path(given)]
    try:
        return [Path.home() / ".pyenv"]
    except RuntimeError:  # a user without a home directory
        return []


def _installed(root: Path) -> list[Path]:
    """The executables under pyenv's ``root``, newest version first, so that it stands for its minor version."""
    folders = [(version, path) for path in (root / "versions").glob("3.*") if (version := _numbers(path.name))]
    return [path / "bin" / "python" for version, path in sorted(folders, reverse=True) if version >= OLDEST]


def _numbers(name: str) -> tuple[int, ...]:
    """``3.12.1`` as numbers; nothing for names that are no plain version (pre-releases, virtual environments)."""
    parts = name.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


def _ask(path: str) -> Interpreter | None:
    """Start the executable and let it say what it is; nothing if it does not run, or is not what we look for."""
    try:
        answer = subprocess.run(
            [path, "-I", "-S", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=True,
        )
        implementation, version, executable = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    major, minor, micro, level, _ = version
    if implementation != "cpython" or level != "final" or (major, minor) < OLDEST:
        return None
    return Interpreter((major, minor, micro), executable or path)
