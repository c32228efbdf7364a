"""Places of different Python versions in one platform: the verdict, and agents that go on, start anew or stay."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import agent, hop, receive
from agents.errors import MoveRefused
from agents.testing.local import LocalPlatform
from mobility.environment import Mobility
from mobility.testing import Interpreter
from mobility.testing.companions import companions
from tests.agents.place.conftest import until
from tests.support.foreign_place import foreign_place

OTHERS = companions()
pytestmark = [
    pytest.mark.skipif(not OTHERS, reason="no other Python version has been prepared on this machine"),
    pytest.mark.timeout(120),
]
HERE = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture(params=OTHERS, ids=str)
def other(request: pytest.FixtureRequest) -> Interpreter:
    found: Interpreter = request.param
    return found


@pytest.fixture
def platform(other: Interpreter) -> Iterator[LocalPlatform]:
    """Baku is of this Python, oslo of the other one."""
    with LocalPlatform(["baku"]) as platform, foreign_place(platform, "oslo", str(other.path)):
        yield platform


@agent
def commutes(here, times):
    """Its line, a handler, a `with` and a delegate go back and forth."""
    seen = []
    with open("/etc/hosts") as file:
        first = file.readline()
        for number in range(times):
            try:
                raise KeyError(number)
            except KeyError as kept:
                here = yield hop(("oslo", "baku")[number % 2])
                seen.append((number, str(kept), ".".join(here.labels["python"].split(".")[:2])))
        return seen, bool(first + file.readline())


@agent
def holds_bytecode(here, mark):
    began = ".".join(here.labels["python"].split(".")[:2])
    made = compile("number + 1", "<made>", "eval")
    while True:
        message = yield receive()
        if message.value == "end":
            return began, here.name, mark, eval(made, {"number": 1})
        try:
            here = yield hop(message.value)
        except MoveRefused as error:
            mark = [error.verdict, [reason["code"] for reason in error.reasons]]


def test_strong_between_the_versions(platform: LocalPlatform, other: Interpreter) -> None:
    minor = ".".join(map(str, other.minor))
    handle = platform.launch(commutes, 4, at="baku")
    seen, read = handle.result(timeout=60)
    assert seen == [(number, str(number), (minor, HERE)[number % 2]) for number in range(4)] and read
    assert handle.trail().verified and len(handle.trail()) == 4


def test_bytecode_by_value_stays(platform: LocalPlatform, other: Interpreter) -> None:
    handle = platform.launch(holds_bytecode, "kept", at="baku")
    assert until(lambda: handle.status().steps == 1)
    decided = platform.verdict(handle, "oslo")
    assert decided.kind is Mobility.WEAK and [reason.code for reason in decided.reasons] == ["python-minor"]
    handle.send("oslo")
    handle.send("end")
    assert handle.result(timeout=60) == (HERE, "baku", ["weak", ["python-minor"]], 2)


def test_bytecode_by_value_starts_anew(platform: LocalPlatform, other: Interpreter) -> None:
    """There it compiles its own; and so again, on its way back."""
    handle = platform.launch(holds_bytecode, "kept", at="baku", mobility="either")
    assert until(lambda: handle.status().steps == 1)  # before its first step it holds nothing
    assert handle.move("oslo")["mobility"] == "weak"
    assert until(lambda: handle.status().steps >= 1)
    assert handle.move("baku")["mobility"] == "weak"
    assert handle.move("oslo")["mobility"] == "weak"
    handle.send("end")
    assert handle.result(timeout=60) == (".".join(map(str, other.minor)), "oslo", "kept", 2)


def test_an_older_place_runs_what_it_can_compile(platform: LocalPlatform, other: Interpreter) -> None:
    """What the newer Python has packed is not refused for that alone: the syntax of its code is looked at."""
    handle = platform.launch(commutes, 3, at="oslo")
    assert handle.result(timeout=60)[0][1][1:] == ("1", HERE)


NEWER = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.support.foreign_place import Relay
from agents import Platform, agent, hop
from agents.client import Client
from agents.errors import MoveRefused
from mobility.trust import Identity

@agent
def newer(here):
    mark = f"{here.name + ":" + "there"}"  # the quotes are those of 3.12
    try:
        here = yield hop("baku")
    except MoveRefused as error:
        return mark, here.name, error.verdict, [reason["code"] for reason in error.reasons], error.reasons[0]["needed"]
    return mark, here.name, None, [], None

if __name__ == "__main__":
    relay = Relay(("127.0.0.1", int(sys.argv[2])))
    with Platform(Client(relay, owner=Identity.load(Path(sys.argv[3])))) as platform:
        told = [platform.launch(newer, at="oslo", mobility=mode).result(timeout=30) for mode in ("strong", "either")]
        decided = platform.verdict(newer, "baku")
        print(json.dumps([told, str(decided.kind)]))
"""


def test_code_of_a_newer_python_is_refused(other: Interpreter, tmp_path: Path) -> None:
    """With the syntax as the reason; it cannot start anew there, either."""
    if other.minor < (3, 12) or sys.version_info >= (3, 12):
        pytest.skip("this Python compiles what the other one does")
    script, key = tmp_path / "newer.py", tmp_path / "owner.key"
    script.write_text(NEWER)
    with LocalPlatform(["baku"]) as platform, foreign_place(platform, "oslo", str(other.path)) as address:
        platform.owner.save(key)
        root = str(Path(__file__).parents[2])
        done = subprocess.run(
            [other.path, str(script), root, str(address[1]), str(key)], capture_output=True, text=True, timeout=90
        )
    assert done.returncode == 0, done.stderr[-3000:]
    told, decided = json.loads(done.stdout)
    assert told == [["oslo:there", "oslo", "refuse", ["python-syntax"], "Python 3.12"]] * 2
    assert decided == "refuse"
