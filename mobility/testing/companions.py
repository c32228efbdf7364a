"""Environments of this machine's other Python versions, each with this distribution installed.

``python -m mobility.testing.companions FOLDER REQUIREMENT...`` makes one under FOLDER for each CPython of another minor
version that it finds; on a machine with a single version there is nothing to do. What moves between versions is tried
in them, by the tests and by the demonstration.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from mobility.testing.interpreters import Interpreter, found

__all__ = ["companions", "prepare"]

#: Minor versions for which this distribution is tested.
TESTED = ((3, 11), (3, 12), (3, 13))
_PATIENCE = 600.0  # seconds
_MARK = "ready"


def companions(folder: Path | None = None) -> tuple[Interpreter, ...]:
    """The prepared interpreters of other minor versions, oldest first.

    Parameters
    ----------
    folder
        Where they were made; ``companions`` in this process's own environment unless given.
    """
    place = folder if folder is not None else Path(sys.prefix, "companions")
    ready = []
    for minor in TESTED:
        home = place / f"{minor[0]}.{minor[1]}"
        if minor != sys.version_info[:2] and (home / _MARK).exists():
            version = tuple(map(int, (home / _MARK).read_text(encoding="utf-8").split()))
            ready.append(Interpreter((version[0], version[1], version[2]), str(_python(home))))
    return tuple(ready)


def prepare(folder: Path, requirements: list[str]) -> list[Interpreter]:
    """Make or renew the environments.

    Raises
    ------
    subprocess.SubprocessError
        If one cannot be made; it is taken away, so that the next call begins anew.
    """
    made = []
    for interpreter in found():
        if interpreter.minor == sys.version_info[:2] or interpreter.minor not in TESTED:
            continue
        home = folder / f"{interpreter.minor[0]}.{interpreter.minor[1]}"
        (home / _MARK).unlink(missing_ok=True)
        environment = interpreter.environment()
        del environment["PYTHONPATH"]
        try:
            for command in _commands(interpreter, home, requirements):
                subprocess.run(command, env=environment, check=True, timeout=_PATIENCE)
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        (home / _MARK).write_text(" ".join(map(str, interpreter.version)), encoding="utf-8")
        made.append(interpreter)
    return made


def _commands(interpreter: Interpreter, home: Path, requirements: list[str]) -> list[list[str]]:
    uv = shutil.which("uv")
    if uv is not None:
        create = [uv, "venv", "--quiet", "--allow-existing", "--python", interpreter.path, str(home)]
        return [create, [uv, "pip", "install", "--quiet", "--python", str(_python(home)), *requirements]]
    install = [str(_python(home)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    return [[interpreter.path, "-m", "venv", str(home)], install]


def _python(home: Path) -> Path:
    return home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def main(arguments: list[str] | None = None) -> None:
    """Make them, and say which."""
    parser = argparse.ArgumentParser(prog="python -m mobility.testing.companions", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("requirements", nargs="*", help="what pip installs in each, with its options after --")
    given = parser.parse_args(arguments)
    for interpreter in prepare(given.folder, given.requirements):
        print(f"    {given.folder}/{interpreter.minor[0]}.{interpreter.minor[1]}: {interpreter}")


if __name__ == "__main__":
    main()
