"""Where tests run in several processes: who is to be alone is, files stay whole, and no notice is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.turns import turn

ROOT = Path(__file__).parents[1]


def test_who_is_alone_waits_for_the_others_and_they_wait_outside(tmp_path: Path) -> None:
    """Also those who come while it still waits, or it would wait for as long as there are others."""
    told: list[str] = []
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with turn(tmp_path, alone=False):
            inside.set()
            assert leave.wait(20)
            told.append("first left")

    def alone() -> None:
        with turn(tmp_path, alone=True):
            told.append("alone came")
            told.append("alone left")

    def late() -> None:
        with turn(tmp_path, alone=False):
            told.append("late came")

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert inside.wait(20)
    with turn(tmp_path, alone=False):
        told.append("beside the first")
    for target in (alone, late):
        threads.append(threading.Thread(target=target))
        threads[-1].start()
        threads[-1].join(0.2)
        assert threads[-1].is_alive()
    leave.set()
    for thread in threads:
        thread.join(20)
    assert told == ["beside the first", "first left", "alone came", "alone left", "late came"]


FILE = """
import os, time
from pathlib import Path
import pytest
from tests.support.notices import say_loudly

FOLDER = Path({folder!r})

def test_beside_another():
    "Ends only if the other file's is at work at the same time."
    (FOLDER / "{name}.here").touch()
    until = time.monotonic() + 60
    while len([*FOLDER.glob("*.here")]) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)

@pytest.mark.alone
@pytest.mark.parametrize("number", range(3))
def test_alone(number):
    (FOLDER / "busy").touch(exist_ok=False)
    time.sleep(0.05)
    (FOLDER / "busy").unlink()

@pytest.mark.parametrize("number", range(20))
def test_not_while_another_is_alone(number):
    assert not (FOLDER / "busy").exists()

def test_says_something():
    say_loudly("{name} could not prove it, in process %d" % os.getpid())
"""


def test_two_processes(tmp_path: Path) -> None:
    """A small run of two files, with the plugin that all tests have."""
    for name in ("one", "two"):
        text = FILE.format(folder=str(tmp_path), name=name)
        (tmp_path / f"test_{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "tests.conftest", "-p", "no:cacheprovider", "-v"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [
            *command,
            f"--basetemp={tmp_path / 'base'}",
            f"--rootdir={ROOT}",
            f"-c{ROOT / 'pyproject.toml'}",
            str(tmp_path),
        ],
        cwd=ROOT,
        env={**inherited, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "50 passed" in done.stdout
    lines = [line for line in done.stdout.splitlines() if "PASSED" in line]
    for name in ("one", "two"):
        by = {line.split("]")[0] for line in lines if f"test_{name}.py" in line}
        assert len(by) == 1, "the tests of a file are those of one process"
        (notice,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name} could not prove it")]
        assert f"process {os.getpid()}" not in notice
