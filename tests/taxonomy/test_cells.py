"""Weak mobility by class agents, where code runs, and control out of band: each cell by its name, on a real cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents import Platform
from agents.errors import AgentEnded, AgentStopped, CellDied
from tests.support.ray_cluster import eventually, platform_here
from tests.taxonomy import cell_agents as units

pytestmark = pytest.mark.timeout(180)
PLACES = ("baku", "oslo", "lima")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home: Path = tmp_path_factory.mktemp("home")
    sites = {place: {"site": f"site of {place}"} for place in PLACES}
    with platform_here(resources=sites, home=home, lease_seconds=5.0) as made:
        yield made


def pids(platform: Platform) -> dict[str, int]:
    return {place.name: int(place.about["pid"]) for place in platform.places(details=True)}


def begins(handle: Any) -> None:
    assert eventually(lambda: any(event.data.get("text") == "begins" for event in handle.logs()), 10)


# -- weak mobility -----------------------------------------------------------------------------------------------------


def test_class_agent_pushed_by_launch(platform: Platform) -> None:
    """As an object whose attributes travel, and as a class that is made at the place."""
    for unit in ((units.Surveyor([]),), (units.Surveyor, [])):
        found = platform.launch(*unit, at="oslo").result(timeout=60)
        assert found == [("oslo", "site of oslo", pids(platform)["oslo"])]


def test_class_agent_pushed_by_hop(platform: Platform) -> None:
    """Execution starts again at the entry of each place."""
    handle = platform.launch(units.Surveyor(["oslo", "lima"]), at="baku")
    at = pids(platform)
    assert handle.result(timeout=60) == [(place, f"site of {place}", at[place]) for place in PLACES]
    assert handle.trail().verified and len(handle.trail()) == 2


def test_class_agent_moved_and_cloned_by_somebody_else(platform: Platform) -> None:
    """What it waited for is dropped; its attributes and its mail are not."""
    handle = platform.launch(units.Waits, at="baku")
    handle.send(1)
    assert eventually(lambda: ["got", "list", "[1]"] in handle.state(timeout=10)["variables"], 10)
    handle.move("oslo", timeout=20)
    twin = handle.clone("lima", timeout=20)
    for one in (handle, twin):
        one.send("end")
    begun, got = handle.result(timeout=60)
    assert [name for name, _ in begun] == ["baku", "oslo"] and got == [1]
    begun, got = twin.result(timeout=60)
    assert [name for name, _ in begun] == ["baku", "oslo", "lima"] and got == [1]


# -- in the target's process, or in a separate one ---------------------------------------------------------------------


def test_strong_in_the_process_of_the_place(platform: Platform) -> None:
    found = platform.launch(units.walks, ["oslo", "lima"], at="baku").result(timeout=60)
    at = pids(platform)
    assert found == [(place, f"site of {place}", at[place]) for place in PLACES]


def test_strong_in_a_separate_process(platform: Platform) -> None:
    found = platform.launch(units.walks, ["oslo", "lima"], at="baku", process=True).result(timeout=90)
    assert [(place, site) for place, site, _ in found] == [(place, f"site of {place}") for place in PLACES]
    theirs = {pid for _, _, pid in found}
    assert len(theirs) == 3 and not theirs & set(pids(platform).values())
    assert eventually(lambda: not any(psutil.pid_exists(pid) for pid in theirs), 10), "each ended with the visit"


def test_weak_in_the_process_of_the_place(platform: Platform) -> None:
    found = platform.launch(units.Surveyor(["lima"]), at="oslo", process=False).result(timeout=60)
    assert [pid for _, _, pid in found] == [pids(platform)["oslo"], pids(platform)["lima"]]


def test_weak_in_a_separate_process(platform: Platform) -> None:
    found = platform.launch(units.Surveyor(["lima"]), at="oslo", process=True).result(timeout=90)
    theirs = {pid for _, _, pid in found}
    assert len(theirs) == 2 and not theirs & set(pids(platform).values())


def test_evaluation_in_a_separate_process(platform: Platform) -> None:
    """From outside, and by an agent; what it raises is the agent's own exception, also where no place knows that."""
    place, site, pid = platform.evaluate("oslo", units.looks, process=True)
    assert (place, site) == ("oslo", "site of oslo") and pid not in pids(platform).values()
    assert platform.evaluate("oslo", units.looks, process=False)[2] == pids(platform)["oslo"]
    for process in (False, True):
        handle = platform.launch(units.evaluates, "lima", at="baku", process=process)
        (place, _, theirs), caught, unit, mine = handle.result(timeout=90)
        assert place == "lima" and caught == ["evaluate", "gather"] and unit == [4, mine]
        assert (theirs in pids(platform).values(), mine in pids(platform).values()) == (not process, not process)


def test_fragment_in_a_separate_process(platform: Platform) -> None:
    """Each call of it has a process of its own; beside it, one in the process of the place."""
    platform.install("oslo", units.looks, "looks_apart", process=True)
    platform.install("oslo", units.looks, "looks_here")
    seen = [platform.call("oslo", "looks_apart") for _ in range(2)]
    theirs = {pid for _, _, pid in seen}
    assert [row[:2] for row in seen] == [("oslo", "site of oslo")] * 2
    assert not theirs & set(pids(platform).values())
    assert platform.call("oslo", "looks_here")[2] == pids(platform)["oslo"]
    assert eventually(lambda: not any(psutil.pid_exists(pid) for pid in theirs), 10)
    platform.install("oslo", units.raises_own, "raises_apart", process=True)
    with pytest.raises(units.Own, match="mine"):
        platform.call("oslo", "raises_apart")
    for name in ("looks_apart", "looks_here", "raises_apart"):
        platform.remove("oslo", name)


def test_isolation_of_a_failing_component(platform: Platform) -> None:
    """A process that is killed takes its agent with it, and neither the place nor anybody else there."""
    before = pids(platform)
    other = platform.launch(units.Waits, at="oslo", process=True)
    with pytest.raises(CellDied, match="was ended by the signal SIGKILL"):
        platform.launch(units.crashes, at="oslo", process=True).result(timeout=60)
    assert pids(platform) == before
    other.send("end")
    assert other.result(timeout=60)[1] == []


# -- control of a server that is busy ----------------------------------------------------------------------------------


def test_stop_move_and_state_of_a_busy_agent_are_noted_at_once(platform: Platform) -> None:
    """And carried out at its next suspension."""
    handle = platform.launch(units.long_step, 3.0, at="baku")
    begins(handle)
    with ThreadPoolExecutor(2) as pool:
        state = pool.submit(lambda: handle.state(timeout=20))
        moved = pool.submit(lambda: handle.move("oslo", timeout=20))
        asked = lambda: {event.data["verb"] for event in handle.logs() if event.kind == "asked"}
        assert eventually(lambda: asked() == {"state", "move"}, 2.0)
        assert not state.done() and not moved.done()
        assert state.result()["place"] == "baku" and moved.result()["to"] == "oslo"
    stopped = platform.launch(units.long_step, 2.0, at="lima")
    begins(stopped)
    stopped.stop(timeout=20)
    with pytest.raises(AgentStopped):
        stopped.result(timeout=20)


@pytest.mark.alone
@pytest.mark.parametrize("process", [False, True])
@pytest.mark.parametrize("name", ["loops", "loops_in_c"])
def test_stop_by_force(platform: Platform, name: str, process: bool) -> None:
    """It does not wait for a suspension; the place goes on."""
    arguments = [4.0] if name == "loops_in_c" else []
    handle = platform.launch(getattr(units, name), *arguments, at="lima", process=process)
    begins(handle)
    began = time.monotonic()
    handle.stop(timeout=10, force=True)
    assert time.monotonic() - began < 2.5
    with pytest.raises(AgentStopped):
        handle.result(timeout=10)
    with pytest.raises(AgentEnded):
        handle.stop(timeout=10, force=True)
    assert platform.launch(units.where, at="lima").result(timeout=30) == ("lima", pids(platform)["lima"])
    if name == "loops_in_c":
        time.sleep(4.0)
        assert not any(event.data.get("text") == "went on" for event in handle.logs())
