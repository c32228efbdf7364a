"""Running a command: in this process for speed, in another one for truth, and on a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from agents.cli.app import app
from mobility.testing import Interpreter

ROOT = Path(__file__).resolve().parents[3]
#: Nothing that a file says may steer a terminal: of the control characters only these two may come out.
HARMLESS = {"\n", "\t"}
#: Every warning is an error.
STRICT = ("-W", "error")


def invoke(*arguments: object, env: Mapping[str, str | None] | None = None, **options: Any) -> Result:
    """A command in this process; its error, if it is none of the exit codes, is raised here."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env=usual(env), **options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def usual(env: Mapping[str, str | None] | None) -> dict[str, str | None]:
    return {"SOJOURN_PASSPHRASE": None, "SOJOURN_DEBUG": None, "COLUMNS": "200", **(env or {})}


def data(result: Result) -> Any:
    """The one JSON line of a command that is done."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def failure(result: Result, code: int, slug: str) -> Any:
    """The JSON error of a command that failed with exactly this code and slug."""
    assert result.exit_code == code, result.output
    error = json.loads(result.stderr.splitlines()[-1])
    assert (error["error"], error["exit_code"]) == (slug, code), error
    assert error["message"]
    return error


def environment(**variables: str) -> dict[str, str]:
    return {**Interpreter(sys.version_info[:3], sys.executable).environment(ROOT), **variables}


def sojourn(
    *arguments: object, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, where every warning is an error."""
    command = [sys.executable, *STRICT, "-m", "agents.cli", *map(str, arguments)]
    settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "timeout": 120, **options}
    return subprocess.run(command, env=environment(**(env or {})), capture_output=True, text=True, **settings)


def on_terminal(
    *arguments: object, typed: Iterator[str] | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """A command whose stdin, stdout and stderr are a terminal: its exit code and all that it showed.

    Each time it has been silent for a while, the next of `typed` is typed.
    """
    import pty
    import select

    master, slave = pty.openpty()
    variables = environment(**{"TERM": "xterm-256color", "COLUMNS": "160", "LINES": "50", **(env or {})})
    process = subprocess.Popen(
        [sys.executable, "-m", "agents.cli", *map(str, arguments)],
        stdin=slave, stdout=slave, stderr=slave, env=variables, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    shown, deadline = b"", time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            readable, _, _ = select.select([master], [], [], 0.5)
            if readable:
                try:
                    piece = os.read(master, 65536)
                except OSError:  # the other end is closed
                    break
                if not piece:
                    break
                shown += piece
            elif typed is not None and shown and (line := next(typed, None)) is not None:
                os.write(master, line.encode() + b"\n")
        return process.wait(timeout=10), shown.decode("utf-8", "replace").replace("\r\n", "\n")
    finally:
        process.kill()
        process.wait()
        os.close(master)


def controls(text: str) -> set[str]:
    """The characters that a terminal would not simply show."""
    return {character for character in text if not character.isprintable()} - HARMLESS
