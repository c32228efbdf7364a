"""The interpreter's own suites hold for resumable functions, without a move and with one after every step."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mobility.testing.interpreters import Interpreter, found
from tests.interpreter.expected import DIFFERENCES, UNDECORATED
from tests.interpreter.moving import MODES
from tests.interpreter.run import MISSING, report
from tests.interpreter.suites import SUITES

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds; a run takes a few

CURRENT = [interpreter for interpreter in found() if interpreter.current]
OTHERS = [interpreter for interpreter in found() if not interpreter.current]

AT_LEAST = {
    # suite: tests and doctest examples, functions made resumable, moves by reference, pickled moves
    "test_generators": (200, 140, 10_000, 1_000),
    "test_yield_from": (30, 50, 120, 100),
    "test_contextlib": (80, 20, 35, 35),
    "test_generator_stop": (2, 2, 0, 0),
}
"""A run that did next to nothing must not count as a success. No generator of the last suite comes to a yield."""


def run(interpreter: Interpreter, suite: str, mode: str) -> dict[str, Any]:
    """Run `suite` in a process of its own, as the suites change what belongs to the whole process."""
    finished = subprocess.run(
        [interpreter.path, "-m", "tests.interpreter.run", "--mode", mode, suite, "--json"],
        cwd=ROOT,
        env=interpreter.environment(ROOT),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if finished.returncode == MISSING:
        pytest.skip(f"THE INTERPRETER'S OWN SUITES DID NOT RUN: {finished.stderr.strip()}")
    assert finished.stdout, f"{interpreter} ended with {finished.returncode}:\n{finished.stderr}"
    record: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return record


def check(record: dict[str, Any]) -> None:
    assert record["good"], report(record)
    tests, functions, *moves = AT_LEAST[record["suite"]]
    assert record["passed"] >= tests, report(record)
    assert record["functions"] >= functions, report(record)
    assert record["moves"] >= {"still": 0, "reference": moves[0], "pickled": moves[1]}[record["mode"]], report(record)
    assert sum(record["moves_refused"].values()) <= record["moves"] / 100, report(record)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suite", SUITES)
def test_suite_ends_as_on_native_functions(suite: str, mode: str) -> None:
    """Protects: a resumable function cannot be told from a native one, whether it moves or not."""
    (interpreter,) = CURRENT
    check(run(interpreter, suite, mode))


@pytest.mark.skipif(not OTHERS, reason="ONLY ONE PYTHON FOUND: the suites of other versions did not run")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("interpreter", OTHERS, ids=str)
def test_suite_ends_as_on_native_functions_elsewhere(interpreter: Interpreter, suite: str, mode: str) -> None:
    """Protects: the same on every other version of Python that this machine has."""
    check(run(interpreter, suite, mode))


def test_every_expected_difference_has_a_place_and_a_reason() -> None:
    """Protects: the list of differences stays an account, not a dustbin: no empty reason, no line said twice."""
    places = [(d.suite, d.test, mode, python) for d in DIFFERENCES for mode in d.modes for python in d.pythons]
    assert len(places) == len(set(places))
    assert {d.suite for d in DIFFERENCES} <= set(SUITES)
    assert {mode for d in DIFFERENCES for mode in d.modes} <= set(MODES)
    assert all(len(reason.split()) > 3 for reason in [*(d.reason for d in DIFFERENCES), *UNDECORATED.values()])
