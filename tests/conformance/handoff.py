"""What a platform promises of handoffs, whatever carries it: moves, clones, files, messages, and places that die.

Written against `Platform` and `Handle` alone, so that the same tests run within one process and over Ray.
"""

from __future__ import annotations

import time

import pytest

from agents import agent, ask, checkpoint, clone, hop, receive, reply, send, sleep, spawn
from agents.errors import AgentEnded, AgentFrozen, AgentsError, MoveFailed, UnknownAgent, UnknownPlace

__all__ = ["HandoffSuite"]

#: Seconds for anything; generous, since a cluster may be slow to notice that somebody has died.
LONG = 60.0


def eventually(condition, seconds: float = LONG):
    """Wait until it holds; what it gave last."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = condition()
        except AgentsError:
            found = None
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


class Broken(Exception):
    """An agent's own exception."""


@agent
def tours(here, places):
    seen = [here.name]
    for place in places:
        here = yield hop(place)
        seen.append(here.name)
    return seen


@agent
def collects(here, to):
    """Collects what it is told; "go" sends it to a place, however often that fails; "end" ends it."""
    got = []
    while True:
        message = yield receive()
        if message.question is not None:
            yield reply(message, [message.value, here.name])
        elif message.value == "end":
            return got, here.name
        elif message.value == "go":
            while here.name != to:
                try:
                    here = yield hop(to)
                except MoveFailed:
                    yield sleep(0.1)
        elif message.value == "checkpoint":
            yield checkpoint()
        else:
            got.append(message.value)


@agent
def fails(here, place):
    here = yield hop(place)
    raise Broken("on purpose", here.name)  # the author's line


@agent
def parts(here, place):
    made = yield clone(place)
    if made.is_clone:
        yield send(made.other, here.name)
        return "clone"
    message = yield receive(LONG)
    child = yield spawn(tours, [place], at=place)
    assert child.agent != here.agent
    return message.value, message.sender == made.other.agent, child.agent


@agent
def tries(here, effect):
    try:
        yield effect
    except AgentsError as error:
        return error.slug, str(error), here.name


class HandoffSuite:
    """Derive from it, and give the fixture `platform`: a `Platform` with three places or more.

    Its `kill(place)` ends a place as ``kill -9`` would, and `start(place)` brings it back with what it had on disk.
    """

    @pytest.fixture
    def places(self, platform):
        return [place.name for place in platform.places()]

    def test_a_tour(self, platform, places):
        route = [*places[1:], places[0], places[0], places[-1]]
        handle = platform.launch(tours, route, at=places[0])
        assert handle.result(timeout=LONG) == [places[0], *route]
        trail = handle.trail()
        assert trail.verified, trail.problem
        assert [link.destination for link in trail] == [*places[1:], places[0], places[-1]]
        assert handle.status().state == "ended"

    def test_a_hop_that_cannot_be(self, platform, places):
        slug, text, where = platform.launch(tries, hop("atlantis"), at=places[0]).result(timeout=LONG)
        assert slug == "unknown-place" and where == places[0] and f"still runs on {where}" in text
        with pytest.raises(UnknownPlace):
            platform.launch(tours, [], at="atlantis")
        with pytest.raises(UnknownAgent):
            platform.get("nobody at all")

    def test_clone_and_spawn(self, platform, places):
        handle = platform.launch(parts, places[1], at=places[0])
        where, by_clone, child = handle.result(timeout=LONG)
        assert (where, by_clone) == (places[1], True)
        assert platform.get(child).result(timeout=LONG) == [places[1], places[1]]
        born = [row for row in platform.agents(ended=True) if row.parent == handle.agent]
        assert len(born) == 2

    def test_its_own_exception(self, platform, places):
        with pytest.raises(Broken) as raised:
            platform.launch(fails, places[1], at=places[0]).result(timeout=LONG)
        assert raised.value.args == ("on purpose", places[1])
        assert "# the author's line" in str(raised.value.__cause__)
        assert f"{places[0]} -> {places[1]}" in raised.value.__notes__[-1]

    def test_messages_questions_and_moves_from_outside(self, platform, places):
        handle = platform.launch(collects, places[-1], at=places[0], name="collector")
        for number in range(12):
            platform.get("collector").send(number)
            if number % 3 == 2:
                handle.move(places[(number // 3 + 1) % len(places)], timeout=LONG)
        assert handle.ask("where", timeout=LONG) == ["where", places[4 % len(places)]]
        handle.send("go")
        assert eventually(lambda: handle.place() == places[-1])
        handle.send("end")
        assert handle.result(timeout=LONG) == (list(range(12)), places[-1])
        with pytest.raises(AgentEnded):
            handle.send("late")

    def test_freeze_and_thaw_once(self, platform, places, tmp_path):
        handle = platform.launch(collects, places[0], at=places[0])
        handle.send(1)
        handle.freeze(tmp_path / "a.sojourn", timeout=LONG)
        assert handle.status().state == "frozen"
        with pytest.raises(AgentFrozen):
            handle.send(2)
        again = platform.thaw(tmp_path / "a.sojourn", at=places[1])
        with pytest.raises(AgentsError):
            platform.thaw(tmp_path / "a.sojourn", at=places[2])
        again.send(3)
        again.send("end")
        assert again.result(timeout=LONG) == ([1, 3], places[1])

    def test_a_place_that_dies_and_comes_back(self, platform, places):
        """What was acknowledged is there; the agent goes on from its arrival or its checkpoint."""
        handle = platform.launch(collects, places[1], at=places[0])
        handle.send("go")
        assert eventually(lambda: handle.place() == places[1])
        for number in range(5):
            handle.send(number)
        handle.send("checkpoint")
        handle.send(5)
        platform.kill(places[1])
        platform.start(places[1])
        handle.send(6, timeout=LONG)
        handle.send("end", timeout=LONG)
        assert handle.result(timeout=LONG) == ([0, 1, 2, 3, 4, 5, 6], places[1])

    def test_a_destination_that_is_dead(self, platform, places):
        """The agent goes on where it was, and goes when the place is back; which may be before its move is given up."""
        handle = platform.launch(collects, places[2], at=places[0])
        handle.ask("ready?", timeout=LONG)
        platform.kill(places[2])
        where = places[0]
        try:
            handle.move(places[2], timeout=LONG)
        except AgentsError:
            pass
        else:
            assert getattr(platform, "revives", False), "it has moved to a place that is dead"
            where = places[2]
        assert handle.ask("where", timeout=LONG) == ["where", where]
        platform.start(places[2])
        handle.send("go")
        assert eventually(lambda: handle.place() == places[2])
        handle.send("end", timeout=LONG)
        assert handle.result(timeout=LONG) == ([], places[2])

    def test_a_source_that_dies_as_they_leave(self, platform, places):
        """Of many that are just leaving, each is somewhere, once."""
        handles = [platform.launch(collects, places[1], at=places[0]) for _ in range(12)]
        for handle in handles:
            handle.send("first")
        for handle in handles:
            handle.send("go")
        platform.kill(places[0])
        platform.start(places[0])
        for handle in handles:
            handle.send("last", timeout=LONG)
            handle.send("end", timeout=LONG)
        for handle in handles:
            assert handle.result(timeout=LONG) == (["first", "last"], places[1])

    def test_asks_between_agents(self, platform, places):
        other = platform.launch(collects, places[1], at=places[1])
        told = platform.launch(asks_around, other.agent, places, at=places[0]).result(timeout=LONG)
        assert told == [[place, places[1]] for place in places]
        other.send("end")
        other.result(timeout=LONG)


@agent
def asks_around(here, whom, places):
    told = []
    for place in places:
        here = yield hop(place)
        told.append((yield ask(whom, here.name, timeout=LONG)))
    return told
