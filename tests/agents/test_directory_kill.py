"""`kill -9` at any moment: what was answered is on disk, what was not is there as a whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("way", "least"),
    [
        pytest.param("statements", 60, id="before-each-statement"),
        pytest.param("instructions", 50, id="in-the-middle-of-statements"),
        pytest.param("outside", 40, id="at-random"),
        pytest.param("torn", 80, id="in-the-middle-of-writing-the-log"),
    ],
)
def test_no_answer_is_lost_and_no_change_is_halved(way: str, least: int) -> None:
    """`directory_under_fire` says how it is judged; it must also have been killed often enough to mean something."""
    command = [sys.executable, "-W", "error", "-m", "tests.agents.directory_under_fire", way]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= least
