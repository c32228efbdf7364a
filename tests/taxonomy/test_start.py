"""When a unit begins: immediately, or deferred until a time or until something at the place is true."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agents import Platform
from agents.errors import MoveRefused
from tests.support.ray_cluster import eventually, platform_here
from tests.taxonomy import strong_agents as units

pytestmark = pytest.mark.timeout(180)
PLACES = ("baku", "oslo", "lima")


@pytest.fixture(scope="module")
def signal_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signals") / "go"


@pytest.fixture(scope="module")
def platform(signal_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home: Path = tmp_path_factory.mktemp("home")
    resources = {
        "*": {"site": "here", "gate": []},
        "baku": {"go": partial(os.path.exists, str(signal_file))},
        "oslo": {"go": False},
    }
    with platform_here(resources=resources, home=home, lease_seconds=3.0) as made:
        yield made


def test_start_immediate(platform: Platform) -> None:
    """It begins where it is born, at once."""
    before = time.time()
    where, began, _ = platform.launch(units.begins, at="oslo").result(timeout=30)
    assert where == "oslo" and before - 1 <= began <= before + 20


def test_start_deferred_at_a_time(platform: Platform) -> None:
    """It lies at its place, takes in messages, and begins then."""
    start = time.time() + 2.5
    handle = platform.launch(units.begins, at="oslo", start_at=start)
    handle.send("early")
    status = handle.status()
    assert (status.state, status.place) == ("waiting", "oslo") and "its start at" in str(status.waits_for)
    where, began, told = handle.result(timeout=30)
    assert (where, told) == ("oslo", "early") and start <= began < start + 5


def test_start_deferred_until_a_condition(platform: Platform, signal_file: Path) -> None:
    """A function that is asked at a sane pace."""
    handle = platform.launch(units.begins, at="baku", start_when="go")
    time.sleep(1.0)
    status = handle.status()
    assert (status.state, status.waits_for) == ("waiting", "'go' to be true")
    signal_file.touch()
    try:
        touched = time.time()
        where, began, _ = handle.result(timeout=30)
        assert where == "baku" and touched - 0.1 <= began < touched + 5
    finally:
        signal_file.unlink()


def test_start_deferred_until_another_agent_makes_it_true(platform: Platform) -> None:
    """The condition is data of the place, and an agent changes it."""
    handle = platform.launch(units.begins, at="lima", start_when="gate")
    assert handle.status().state == "waiting"
    opened = platform.launch(units.opens, "gate", at="lima").result(timeout=30)
    where, began, _ = handle.result(timeout=30)
    assert where == "lima" and opened - 0.1 <= began < opened + 5


def test_start_deferred_and_moved(platform: Platform, signal_file: Path) -> None:
    """The condition is that of the place where it is then; a place that has none refuses it, and it is unharmed."""
    handle = platform.launch(units.begins, at="oslo", start_when="go")
    with pytest.raises(MoveRefused, match="no such resource") as raised:
        handle.move("lima")
    assert raised.value.why == "resource-missing" and handle.place() == "oslo"
    with pytest.raises(MoveRefused, match="no such resource"):
        platform.launch(units.begins, at="lima", start_when="go")
    handle.move("baku")
    assert handle.status().state == "waiting"
    signal_file.touch()
    try:
        assert handle.result(timeout=30)[0] == "baku"
    finally:
        signal_file.unlink()


def test_start_deferred_and_the_place_is_killed(platform: Platform) -> None:
    """It waits on when the place is back, for its time as for its condition; nothing is lost."""
    start = time.time() + 6.0
    timed = platform.launch(units.begins, at="oslo", start_at=start)
    bound = platform.launch(units.begins, at="oslo", start_when="gate")
    bound.send("early")
    pid = platform.client.describe_place("oslo").about["pid"]
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: bound.status().state == "waiting", 60)
    assert platform.client.describe_place("oslo").about["pid"] != pid
    platform.launch(units.opens, "gate", at="oslo").result(timeout=60)
    assert bound.result(timeout=60)[2] == "early"
    assert timed.result(timeout=60)[1] >= start
