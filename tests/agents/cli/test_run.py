"""``sojourn run``: what comes out, where it goes, and how each way to end is told apart."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mobility.environment import Needs
from mobility.trust import TrustStore
from tests.agents.cli import units
from tests.agents.cli.conftest import LIMA, STRANGER, World, flipped
from tests.agents.cli.running import STRICT, controls, environment, failure, invoke, sojourn

SURVEYOR = """
from mobility import resumable

def measure(place):
    if not place:
        raise LookupError("no such place")
    return len(place)

@resumable
def survey(places):
    measured = {}
    for place in places:
        yield place
        measured[place] = measure(place)
    return measured
"""


def lines(world: World, path: Path, *options: object) -> list[Any]:
    """The JSON lines of a unit that was finished."""
    result = invoke("run", path, "--home", world.home, "--format", "json", *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


# -- what comes out


def test_a_generator_goes_on_where_it_was(world: World) -> None:
    """The values of before are not yielded again; what it returns comes last."""
    path = world.suspended(units.counting, [1, 2, 3], steps=2)
    assert lines(world, path) == [{"yielded": 12}, {"result": {"total": 12, "stops": 3}}]
    text = invoke("run", path, "--home", world.home)
    assert (text.exit_code, text.stdout, text.stderr) == (0, "12\n{'total': 12, 'stops': 3}\n", "")


def test_one_that_has_travelled_is_finished_at_its_address(world: World) -> None:
    """As the place to which it was sent."""
    path = world.travelled(units.counting, [1, 2, 3])
    assert lines(world, path, "--as", "lima")[-1] == {"result": {"total": 12, "stops": 3}}
    failure(invoke("run", path, "--home", world.home, "--format", "json"), 3, "wrong-audience")


@pytest.mark.parametrize(
    ("unit", "options", "expected"),
    [
        (units.multiply, {"args": (2,)}, [{"result": 6}]),
        (units.multiply, {"args": (2,), "kwargs": {"other": 5}}, [{"result": 10}]),
        (units.stepping, {"args": (2,)}, [{"yielded": 0}, {"yielded": 1}, {"result": "stepped"}]),
        (units.Runner, {"args": (7,)}, None),
        (units.Runner(7), {}, [{"result": "ran with 7"}]),
        (units.Caller(), {}, [{"result": ["called"]}]),
        (units.counting([1]), {}, [{"yielded": 2}, {"result": {"total": 2, "stops": 1}}]),
    ],
    ids=["function", "with keywords", "generator function", "class", "run method", "callable", "not begun"],
)
def test_every_kind_of_unit(unit: Any, options: dict[str, Any], expected: Any, world: World) -> None:
    """A function is called, a generator iterated, an object called or run."""
    found = lines(world, world.pack(unit, **options))
    if expected is None:
        (made,) = found
        assert made["result"]["type"].endswith("Runner")
    else:
        assert found == expected


@pytest.mark.parametrize("unit", [units.Visitor(), units.Still()], ids=["arrive", "neither"])
def test_objects_that_need_a_place(unit: Any, world: World) -> None:
    """An agent with `arrive` cannot arrive in a command, even if it could be called as well."""
    error = failure(invoke("run", world.pack(unit), "--home", world.home, "--format", "json"), 1, "not-runnable")
    assert "place" in error["message"]


def test_values_as_json(world: World) -> None:
    """What JSON has is itself; anything else says what it is, and the line stays JSON."""
    numpy = pytest.importorskip("numpy")
    values: list[Any] = [
        None, True, -3, 2**70, 2.5, "a\x1b\u202e", [1, (2, "x")], {"k": {"n": None}},
        float("nan"), float("inf"), {1: 2}, b"\x1b", {1, 2}, 1j, 10**2000,
        numpy.float64(1.5), numpy.arange(4).reshape(2, 2), numpy.array([1.0, float("nan")]),
        numpy.datetime64("2020-01-01"),
    ]  # fmt: skip
    cycle: list[Any] = []
    cycle.append(cycle)
    found = [line.get("yielded") for line in lines(world, world.suspended(units.odd, [0, *values, cycle]))][:-1]
    assert found[:8] == [None, True, -3, 2**70, 2.5, "a\x1b\u202e", [1, [2, "x"]], {"k": {"n": None}}]
    assert [item["type"] for item in found[8:15]] == ["float", "float", "dict", "bytes", "set", "complex", "int"]
    assert found[15:17] == [1.5, [[0, 1], [2, 3]]]
    assert found[17] == [1.0, {"type": "float", "repr": "nan"}]
    assert found[18]["type"] == "numpy.datetime64"
    assert json.dumps(found[19]).count("[") >= 60, "a cycle is followed so far and no further"


def test_values_as_text_do_not_steer_the_terminal(world: World) -> None:
    """Their representation is the agent's own."""
    path = world.suspended(units.odd, [0, "a\x1b]0;x\x07", units.Loud()])
    page = invoke("run", path, "--home", world.home)
    assert page.exit_code == 0 and controls(page.output) == set()
    assert page.stdout.splitlines()[1] == "\\x1b]0;owned\\x07"
    failed = invoke("run", world.suspended(units.odd, [0, units.Shy()]), "--home", world.home)
    assert failed.exit_code == 1 and "(agent-failed)" in failed.stderr and controls(failed.output) == set()


def test_what_the_agent_prints_does_not_mix_with_json(world: World) -> None:
    """It goes to stderr there, and to stdout for people."""
    path = world.pack(units.printing("hello there"))
    result = invoke("run", path, "--home", world.home, "--format", "json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [{"yielded": "hello there"}, {"result": None}]
    assert result.stderr == "hello there\n"
    assert invoke("run", path, "--home", world.home).stdout == "hello there\n'hello there'\n"


# -- how it can end


def test_an_exception_of_the_agent(world: World) -> None:
    """Its own traceback with the lines that came with it, none of ours, and 1."""
    path = world.suspended(units.failing, 7)
    page = invoke("run", path, "--home", world.home)
    assert page.exit_code == 1
    assert 'raise ValueError(f"no\\x1b[31m way at {depth}")' in page.stderr, "the line as it was shipped"
    assert "ValueError: no\\x1b[31m way at 7" in page.stderr and "(agent-failed)" in page.stderr
    assert "finishing.py" not in page.stderr and controls(page.stderr) == set()
    error = failure(invoke("run", path, "--home", world.home, "--format", "json"), 1, "agent-failed")
    assert error["kind"] == "ValueError" and "raise ValueError" in error["trace"]


@pytest.mark.parametrize("code", [0, 3, None, "text"])
def test_an_agent_does_not_choose_the_exit_code(code: Any, world: World) -> None:
    """Else it could look finished, or refused."""
    failure(
        invoke("run", world.suspended(units.leaving, code), "--home", world.home, "--format", "json"), 1, "agent-failed"
    )


def test_the_timeout_is_looked_at_between_steps(world: World, tmp_path: Path) -> None:
    """And the agent's `finally` is run, here and now."""
    log = tmp_path / "log"
    path = world.suspended(units.slow, 1000, str(log))
    log.unlink(missing_ok=True)
    result = invoke("run", path, "--home", world.home, "--format", "json", "--timeout", "0.3")
    error = failure(result, 5, "timed-out")
    assert 1 <= error["steps"] == len(result.stdout.splitlines()) <= 6
    assert "closed" in log.read_text(encoding="utf-8")
    failure(invoke("run", path, "--home", world.home, "--format", "json", "--timeout", "0"), 5, "timed-out")


def test_the_agent_is_closed_before_anything_is_said(world: World) -> None:
    """What its `finally` prints is part of the run: it comes before the error, and not among the data."""
    path = world.suspended(units.tidying)
    result = invoke("run", path, "--home", world.home, "--format", "json", "--timeout", "0.05")
    failure(result, 5, "timed-out")
    assert result.stderr.splitlines()[0] == "tidied up"
    assert {line for line in result.stdout.splitlines()} == {'{"yielded": "step"}'}


def test_time_enough(world: World) -> None:
    """A timeout that is not reached changes nothing."""
    assert len(lines(world, world.suspended(units.counting, [1, 2]), "--timeout", "60")) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c(world: World, tmp_path: Path) -> None:
    """A sentence, 1, and the agent's `finally` has run."""
    log = tmp_path / "log"
    path = world.suspended(units.slow, 1000, str(log))
    log.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, *STRICT, "-m", "agents.cli", "run", str(path), "--home", str(world.home)],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.02)  # now it is within the agent
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.startswith("Interrupted.") and "Traceback" not in errors
    assert log.read_text(encoding="utf-8") == "closed\n"


@pytest.mark.parametrize("make", [units.slow, units.chatty], ids=["we write", "the agent prints"])
def test_a_reader_that_goes_away(make: Any, world: World, tmp_path: Path) -> None:
    """As in ``sojourn run a.sojourn | head -1``: the agent stops, and nobody complains."""
    log = tmp_path / "log"
    path = world.suspended(make, 1000, str(log))
    log.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, *STRICT, "-m", "agents.cli", "run", str(path), "--home", str(world.home)],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert process.wait(timeout=30) == 1
        assert process.stderr.read() == ""
    assert log.read_text(encoding="utf-8") == "closed\n"


# -- what is not run


def test_what_is_refused_is_not_decoded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a stranger's bundle nor an altered one reaches the decoder."""

    def noticed(*_: Any, **__: Any) -> Any:
        raise AssertionError("the state was decoded")

    strange = world.suspended(units.counting, [1], by=STRANGER)
    broken = flipped(world.suspended(units.counting, [1], name="b.sojourn"), 1)
    for name in ("loads", "load", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, noticed)
    failure(invoke("run", strange, "--home", world.home, "--format", "json"), 3, "untrusted-signer")
    failure(invoke("run", broken, "--home", world.home, "--format", "json"), 3, "segment-mismatch")


def test_a_host_that_does_not_fit(world: World) -> None:
    """The verdict comes with its reasons, before anything is decoded."""
    path = world.suspended(units.counting, [1], needs=Needs(processors=("pdp-11",)))
    error = failure(invoke("run", path, "--home", world.home, "--format", "json"), 3, "environment-refused")
    assert error["verdict"]["kind"] == "refuse" and "pdp-11" in error["message"]


def test_a_sealed_bundle(world: World) -> None:
    """Opened with the key to which it is sealed."""
    recipient = TrustStore(world.home / "trust").lookup(LIMA.key_id, "place", 2_000_000_000, 0)
    path = world.suspended(units.counting, [1], seal_to=recipient)
    assert lines(world, path, "--identity", "lima") == [{"result": {"total": 2, "stops": 1}}]
    failure(invoke("run", path, "--home", world.home, "--format", "json"), 3, "sealed-bundle")


def test_as_a_program_in_an_empty_folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that never saw the agent's module finishes it, and its traceback still shows the module's lines."""
    module = f"surveyor_{os.getpid()}"
    work, empty = tmp_path / "work", tmp_path / "empty"
    work.mkdir()
    empty.mkdir()
    (work / f"{module}.py").write_text(SURVEYOR, encoding="utf-8")
    monkeypatch.syspath_prepend(work)
    surveyor = importlib.import_module(module)
    try:
        path = world.suspended(surveyor.survey, ["baku", "oslo"])
        failing = world.suspended(surveyor.survey, ["baku", ""], name="b.sojourn")
    finally:
        del sys.modules[module]
    answer = sojourn("run", path, "--home", world.home, cwd=empty)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == "'oslo'\n{'baku': 4, 'oslo': 4}\n"
    answer = sojourn("run", failing, "--home", world.home, cwd=empty)
    assert answer.returncode == 1 and "measured[place] = measure(place)" in answer.stderr
    assert 'raise LookupError("no such place")' in answer.stderr
    assert os.listdir(empty) == []


def test_the_timeout_as_a_program(world: World, tmp_path: Path) -> None:
    """The exit code reaches the shell."""
    path = world.suspended(units.slow, 1000, str(tmp_path / "log"))
    assert sojourn("run", path, "--home", world.home, "--timeout", "0.2").returncode == 5
