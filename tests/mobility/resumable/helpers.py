"""Modules written by a test, and processes that begin afresh."""

import importlib
import linecache
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mobility

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT = 60


def identity(function: Any) -> Any:
    """Stands for `resumable` in a native run."""
    return function


def execute(path: Path, source: str, *, name: str = "written", resumable: Callable[[Any], Any] | None = None) -> Any:
    """Write a module and run it, without registering it; `resumable` is the decorator that its text uses."""
    text = textwrap.dedent(source)
    path.write_text(text)
    linecache.checkcache(str(path))
    module = ModuleType(name)
    module.__file__ = str(path)
    module.__dict__["resumable"] = resumable or mobility.resumable
    exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def import_written(folder: Path, name: str, source: str) -> ModuleType:
    """Write a module into a folder that is on the path, and import it."""
    (folder / f"{name}.py").write_text(textwrap.dedent(source))
    importlib.invalidate_caches()
    linecache.checkcache()
    return importlib.import_module(name)


def move(generator: Any) -> Any:
    """Out and in again, as to another process."""
    data = mobility.dumps(generator)
    mobility.discard(generator)
    return mobility.loads(data)


def child(
    script: Path, *arguments: object, path: Path | None = None, stdin: str | None = None, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh process that finds `mobility`, and modules in `path`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTHON"))}
    environment["PYTHONPATH"] = os.pathsep.join(str(p) for p in (ROOT, path) if p is not None)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(
        [python, "-W", "error", str(script), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        cwd=script.parent,
        timeout=TIMEOUT,
    )


def output_of(script: Path, source: str, *arguments: object, path: Path | None = None) -> str:
    """Write a script, run it in a fresh process, and return what it printed; a complaint fails the test."""
    script.write_text(textwrap.dedent(source))
    done = child(script, *arguments, path=path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout
