"""Strong mobility: migration and remote cloning, each proactive and reactive; and a tree of clones that is gathered."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import Platform
from agents.errors import AgentsError
from tests.support.ray_cluster import eventually, platform_here
from tests.taxonomy import strong_agents as units

pytestmark = pytest.mark.timeout(180)
PLACES = ("baku", "oslo", "lima")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home: Path = tmp_path_factory.mktemp("home")
    resources = {place: {"site": f"site of {place}"} for place in PLACES}
    with platform_here(resources=resources, home=home, lease_seconds=3.0) as made:
        yield made


def waits_in(handle, state: str) -> bool:
    return bool(eventually(lambda: handle.status().state == state, 20))


def test_migration_proactive(platform: Platform) -> None:
    """The agent asks: it is suspended, moved, and resumed at its line; the old place no longer has it."""
    handle = platform.launch(units.counts_aloud, ["oslo", "lima"], at="baku")
    assert handle.result(timeout=60) == {
        "baku": "site of baku",
        "oslo": [0, "site of oslo"],
        "lima": [1, "site of lima"],
    }
    trail = handle.trail()
    assert trail.verified and len(trail) == 2
    for place in PLACES:
        rows = platform.client.describe_place(place, agents=True).agents
        assert handle.agent not in [row["agent"] for row in rows]


@pytest.mark.parametrize("what", ["computes", "waits", "sleeps"])
def test_migration_reactive_by_an_operator(platform: Platform, what: str) -> None:
    """Somebody else decides, whatever the agent is just doing; it goes on with that, and lasts no longer."""
    began = time.time()
    handle = platform.launch(units.does, what, 2.0, at="baku")
    waits_in(handle, {"computes": "running", "waits": "waiting", "sleeps": "sleeping"}[what])
    report = handle.move("lima")
    assert report["to"] == "lima" and handle.place() == "lima"
    if what == "waits":
        handle.send("it is read at the other place")
    where, site, steps, got = handle.result(timeout=60)
    assert (where, site) == ("lima", "site of lima") and time.time() - began < 20
    assert got == ("it is read at the other place" if what == "waits" else None)
    assert steps > 10 or what != "computes"
    assert handle.trail().verified and len(handle.trail()) == 1


def test_migration_reactive_while_it_gathers(platform: Platform) -> None:
    """It goes on waiting for the ends of others where it comes to be."""
    children = [platform.launch(units.echoes, 30.0, at=place) for place in PLACES]
    handle = platform.launch(units.follows, children, at="baku")
    assert waits_in(handle, "waiting") and handle.status().waits_for == "3 agents to end"
    handle.move("oslo")
    for number, child in enumerate(children):
        child.send(number)
    assert handle.result(timeout=60) == ("oslo", [("baku", 0), ("oslo", 1), ("lima", 2)])


def test_remote_cloning_proactive(platform: Platform) -> None:
    """The original stays; the clone is set into the same state. Each has its own id, its own mailbox, its own place's
    resources; each has a handle of the other; the clone's passport continues its parent's, and verifies."""
    handle = platform.launch(units.meets_its_clone, "lima", at="oslo")
    handle.send("a letter")
    name, agent, site, local, answer, letters = handle.result(timeout=60)
    assert (name, agent, site) == ("oslo", handle.agent, "site of oslo") and local == [1, 2, 3, "original"]
    child = answer[0]
    assert child != agent and list(answer[1:]) == ["lima", "site of lima", [1, 2, 3, "clone"]]
    assert {value for _, value in letters} == {"a letter", "from the clone"}
    assert (child, "from the clone") in [tuple(letter) for letter in letters]
    clone = platform.get(child)
    kind, me, parent, (what, grandchild, its_parent) = clone.result(timeout=60)
    assert (kind, me, parent) == ("clone", child, agent)
    assert (what, its_parent) == ("clone of the clone", child) and grandchild not in (child, agent)
    assert clone.status().parent == agent and platform.get(grandchild).status().parent == child
    for one, lineage in ((handle, 1), (clone, 2), (platform.get(grandchild), 3)):
        assert one.trail().verified
        passport = platform.client.find(one.agent).passport
        assert passport is not None and one.agent.count(".") == lineage - 1


@pytest.mark.parametrize("what", ["computes", "waits", "sleeps"])
def test_remote_cloning_reactive(platform: Platform, what: str) -> None:
    """Somebody else decides: both go on with what the original was doing, each at its place."""
    handle = platform.launch(units.does, what, 2.5, at="baku")
    waits_in(handle, {"computes": "running", "waits": "waiting", "sleeps": "sleeping"}[what])
    other = handle.clone("oslo")
    assert other.status().parent == handle.agent and other.agent != handle.agent
    assert other.place() == "oslo" and handle.place() == "baku"
    if what == "waits":
        handle.send("to the original")
    where, site, steps, got = handle.result(timeout=60)
    assert (where, site, got) == ("baku", "site of baku", "to the original" if what == "waits" else None)
    its_place, its_site, its_steps, its_got = other.result(timeout=60)
    assert (its_place, its_site, its_got) == ("oslo", "site of oslo", None)
    assert (steps > 10 and its_steps > 10) or what != "computes"
    assert other.trail().verified


def leaves(levels: int, breadth: int) -> list[list[int]]:
    found: list[list[int]] = [[]]
    for _ in range(levels):
        found = [[*part, number] for part in found for number in range(breadth)]
    return sorted(found)


def family(platform: Platform, root: str) -> dict[str, str | None]:
    """All that descend from an agent, and itself: whose child each is."""
    return {
        row.agent: row.parent
        for row in platform.agents(ended=True)
        if row.agent == root or row.agent.startswith(f"{root}.")
    }


def test_tree_of_clones_gathered(platform: Platform) -> None:
    """Depth 3 on three nodes: each clone clones further, searches its part, and gathers its own children."""
    handle = platform.launch(units.searches, list(PLACES), 3, 3, at="baku")
    found = handle.result(timeout=120)
    assert [row[0] for row in found] == leaves(3, 3)
    assert {row[1] for row in found} == set(PLACES), "they have searched on all nodes"
    assert all(row[2] == f"site of {row[1]}" for row in found)
    everyone = family(platform, handle.agent)
    assert len(everyone) == 1 + 3 + 9 + 27
    for agent, parent in everyone.items():
        assert parent == (agent.rpartition(".")[0] if agent != handle.agent else None)
    assert all(platform.get(agent).trail().verified for agent in list(everyone)[:5])


def test_tree_of_clones_gathered_by_one_that_moves(platform: Platform) -> None:
    """The first, and then all; from another place than where they were made; and once more from outside."""
    handle = platform.launch(units.branches, list(PLACES), "lima", at="oslo")
    where, quickest, everyone = handle.result(timeout=60)
    assert where == "lima" and list(quickest[0]) == [0, "baku", "site of baku"] and quickest[1:] == [None, None]
    assert [list(row) for row in everyone] == [[n, place, f"site of {place}"] for n, place in enumerate(PLACES)]
    children = sorted(agent for agent in family(platform, handle.agent) if agent != handle.agent)
    assert platform.gather(children, timeout=30) == everyone


@pytest.mark.parametrize("victim", ["baku", "oslo"])
def test_tree_of_clones_gathered_though_a_place_is_killed(platform: Platform, victim: str) -> None:
    """With ``kill -9``, while all of them are at work: nothing is lost, nothing is made twice."""
    handle = platform.launch(units.searches, list(PLACES), 2, 4, 6.0, at="baku")

    def grown() -> bool:
        rows = [row for row in platform.agents() if row.agent.startswith(handle.agent)]
        return len(rows) == 1 + 4 + 16 and all(row.state in ("sleeping", "waiting") for row in rows)

    assert eventually(grown, 60)
    pid = platform.client.describe_place(victim).about["pid"]
    os.kill(pid, signal.SIGKILL)
    found = handle.result(timeout=120)
    assert [row[0] for row in found] == leaves(2, 4)
    assert len(family(platform, handle.agent)) == 1 + 4 + 16
    assert platform.client.describe_place(victim).about["pid"] != pid


def test_tree_of_clones_gathered_though_places_are_killed_while_it_grows(platform: Platform) -> None:
    """At any moment: each part is in the result exactly once, and each clone was made once."""
    handle = platform.launch(units.searches, list(PLACES), 3, 2, 1.0, at="lima")
    done = threading.Event()

    def kill() -> None:
        for victim in ("lima", "oslo", "baku"):
            if done.wait(0.4):
                return
            try:
                os.kill(platform.client.describe_place(victim, timeout=5.0).about["pid"], signal.SIGKILL)
            except AgentsError:
                continue  # it is just coming back from the last one

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = handle.result(timeout=150)
    finally:
        done.set()
        killer.join()
    assert [row[0] for row in found] == leaves(3, 2)
    assert len(family(platform, handle.agent)) == 1 + 2 + 4 + 8
