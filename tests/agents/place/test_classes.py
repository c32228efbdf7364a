"""Class agents: what travels is their attributes; `arrive` starts anew wherever they come to."""

from __future__ import annotations

import time

import pytest

from agents import agent, checkpoint, clone, done, hop, receive, sleep, spawn
from agents.errors import BadArrival, NotAnAgent
from mobility.bundle import Birth
from tests.agents.place.conftest import until


@agent
class Surveyor:
    """Goes to each place, and keeps what it reads."""

    def __init__(self, places, factor=1):
        self.left = list(places)
        self.found = []
        self.factor = factor

    def arrive(self, here):
        self.found.append((here.name, here.resource("number") * self.factor))
        if not self.left:
            return done(self.found)
        return hop(self.left.pop(0))


@pytest.mark.parametrize("way", ["object", "class"])
def test_goes_round_and_starts_anew_at_each_place(platform, way):
    if way == "object":
        handle = platform.launch(Surveyor(["oslo", "lima"], 10), at="baku")
    else:
        handle = platform.launch(Surveyor, ["oslo", "lima"], factor=10, at="baku")
    assert handle.result(timeout=15) == [("baku", 0), ("oslo", 10), ("lima", 20)]
    assert handle.trail().verified and len(handle.trail()) == 2


def said(handle):
    """Which lines it has logged where, in order."""
    lines = [event for event in handle.logs() if event.kind == "said"]
    return [(event.place, event.data["text"]) for event in sorted(lines, key=lambda event: event.time)]


class Slotted:
    """Neither decorated nor with a dictionary; ends without a word."""

    __slots__ = ("count",)

    def __init__(self):
        self.count = 0

    def arrive(self, here):
        self.count += 1
        here.log(f"count {self.count} on {here.name}")
        return hop("oslo") if here.name == "baku" else None


def test_slots_and_ending_with_nothing(platform):
    handle = platform.launch(Slotted, at="baku")
    assert handle.result(timeout=15) is None
    assert until(lambda: len(said(handle)) == 2)
    assert said(handle) == [("baku", "count 1 on baku"), ("oslo", "count 2 on oslo")]


class Tries:
    """Goes to places that there are not, and asks what to do; `log` is what it has met."""

    def __init__(self, targets, holds=None):
        self.targets = list(targets)
        self.holds = holds
        self.log = []

    def arrive(self, here):
        self.log.append(here.name)
        return hop(self.targets.pop(0)) if self.targets else done(self.log)

    def refused(self, here, error):
        self.log.append(type(error).__name__)
        self.holds = None
        return self.arrive(here)


def test_a_failed_hop_is_told_to_refused(platform):
    handle = platform.launch(Tries(["nowhere", "oslo"]), at="baku")
    assert handle.result(timeout=15) == ["baku", "UnknownPlace", "baku", "oslo"]


def test_a_refused_hop_is_told_to_refused(platform):
    handle = platform.launch(Tries(["lima", "oslo"]), at="baku", birth=Birth(places=("baku", "oslo"), hop_limit=9))
    assert handle.result(timeout=15) == ["baku", "MoveRefused", "baku", "oslo"]


class Locks(Tries):
    def arrive(self, here):
        import threading

        if here.name == "baku" and not self.log:
            self.holds = threading.Lock()
        return super().arrive(here)


def test_attributes_that_cannot_travel(platform):
    """The agent is unharmed, and is told; it drops them, and goes."""
    handle = platform.launch(Locks(["oslo", "oslo"]), at="baku")
    assert handle.result(timeout=15) == ["baku", "MoveFailed", "baku", "oslo"]


class NoRefused:
    def arrive(self, here):
        return hop("nowhere")


def test_without_refused_it_ends_with_the_refusal(platform):
    handle = platform.launch(NoRefused(), at="baku")
    with pytest.raises(Exception, match="there is no place 'nowhere'"):
        handle.result(timeout=15)


class Returns:
    def __init__(self, what):
        self.what = what

    def arrive(self, here):
        return self.what if self.what != "sleep" else sleep(1)


@pytest.mark.parametrize("what", [5, "text", "sleep", ["lima"]])
def test_arrive_that_returns_nonsense(platform, what):
    with pytest.raises(BadArrival, match="Returns.arrive returned a .* neither where to go nor that the agent is done"):
        platform.launch(Returns(what), at="baku").result(timeout=15)


class NoArrive:
    pass


class Static:
    @staticmethod
    def arrive(here):
        return None


class TooFew:
    def arrive(self):
        return None


class TooMany:
    def arrive(self, here, more):
        return None


class Asynchronous:
    async def arrive(self, here):
        return None


class NoMethod:
    arrive = 5


class BadRefused:
    def arrive(self, here):
        return None

    def refused(self, error):
        return None


@pytest.mark.parametrize("kind", [NoArrive, Static, TooFew, TooMany, Asynchronous, NoMethod, BadRefused])
def test_classes_that_cannot_be_agents(platform, kind):
    """Refused before anything is sent, and by the decorator where the class is written."""
    with pytest.raises(TypeError, match=kind.__name__):
        agent(kind)
    with pytest.raises(NotAnAgent, match="cannot be launched"):
        platform.launch(kind, at="baku")
    with pytest.raises(NotAnAgent, match="cannot be launched"):
        platform.launch(kind(), at="baku")
    assert platform.agents(ended=True) == []


def test_other_arguments_may_have_defaults():
    class Fine:
        def arrive(self, place, *more, key=None):
            return None

    assert agent(Fine) is Fine


class Fails:
    def __init__(self, where):
        self.where = where
        if where == "made":
            raise LookupError("made")

    def arrive(self, here):
        raise LookupError("arrived")


@pytest.mark.parametrize(("where", "unit"), [("made", (Fails, "made")), ("arrived", (Fails, "there"))])
def test_exceptions_end_it(platform, where, unit):
    with pytest.raises(LookupError, match=where) as caught:
        platform.launch(*unit, at="baku").result(timeout=15)
    assert "raise LookupError" in str(caught.value.__cause__) and "agents/body.py" not in str(caught.value.__cause__)


# -- arrive as a generator ---------------------------------------------------------------------------------------------


@agent
class Waits:
    """Notes how often it was entered, and waits for a message."""

    def __init__(self):
        self.entered = []
        self.got = []

    def arrive(self, here):
        self.entered.append(here.name)
        before = len(self.got)
        while True:
            message = yield receive(30)
            if message is None:
                return done("nobody wrote")
            if message.value == "end":
                return done((self.entered, self.got, before))
            if message.value == "save":
                yield checkpoint()
            elif message.value == "yield done":
                yield done("yielded")
            elif message.value == "here":
                yield hop(here)
            else:
                self.got.append(message.value)


def waiting(handle):
    return until(lambda: handle.state(timeout=10)["standing"] == "receives")


def test_effects_of_a_generator(platform):
    handle = platform.launch(Waits, at="baku")
    for value in (1, 2, "end"):
        handle.send(value)
    assert handle.result(timeout=15) == (["baku"], [1, 2], 0)
    other = platform.launch(Waits, at="baku")
    other.send("yield done")
    assert other.result(timeout=15) == "yielded"


def test_a_hop_to_where_it_is_enters_it_again(platform):
    handle = platform.launch(Waits, at="baku")
    handle.send("here")
    handle.send("end")
    assert handle.result(timeout=15) == (["baku", "baku"], [], 0)


def test_moved_by_somebody_else_while_it_waits(platform):
    """It starts anew there, with its attributes and its mail."""
    handle = platform.launch(Waits, at="baku")
    handle.send(1)
    assert waiting(handle)
    handle.move("oslo", timeout=10)
    handle.send("end")
    assert handle.result(timeout=15) == (["baku", "oslo"], [1], 1)


def test_a_clone_begins_anew_with_the_attributes(platform):
    handle = platform.launch(Waits, at="baku")
    handle.send(1)
    assert waiting(handle)
    other = handle.clone("lima", timeout=10)
    for one in (handle, other):
        one.send("end")
    assert handle.result(timeout=15) == (["baku"], [1], 0)
    assert other.result(timeout=15) == (["baku", "lima"], [1], 1)


def test_freeze_and_thaw(platform, tmp_path):
    handle = platform.launch(Waits, at="baku")
    handle.send(1)
    assert waiting(handle)
    handle.freeze(tmp_path / "a.sojourn", timeout=10)
    again = platform.thaw(tmp_path / "a.sojourn", at="lima")
    again.send("end")
    assert again.result(timeout=15) == (["baku", "lima"], [1], 1)


def test_killed_place_restores_the_attributes_of_the_checkpoint(platform):
    handle = platform.launch(Waits, at="baku")
    for value in (1, "save"):
        handle.send(value)
    assert until(lambda: any(event.kind == "checkpointed" for event in handle.logs()))
    platform.kill("baku")
    platform.start("baku")
    handle.send("end")
    entered, got, _ = handle.result(timeout=20)
    assert entered == ["baku", "baku"] and got == [1]


def test_state_shows_attributes_and_line(platform):
    handle = platform.launch(Waits, at="baku")
    handle.send(7)
    assert waiting(handle)
    state = handle.state(timeout=10)
    assert state["function"] == "Waits.arrive" and ["got", "list", "[7]"] in state["variables"]
    handle.stop(timeout=10)


@agent
class Sleeper:
    """Sleeps at baku; elsewhere it is done at once."""

    def __init__(self):
        self.began = None

    def arrive(self, here):
        import time

        self.began = self.began or time.time()
        if here.name == "baku":
            yield sleep(60)
        return done(here.name)


def test_moved_while_it_sleeps(platform):
    """The rest of its sleep is execution state, and is dropped."""
    handle = platform.launch(Sleeper, at="baku")
    time.sleep(0.1)
    handle.move("oslo", timeout=10)
    assert handle.result(timeout=15) == "oslo"


@agent
class Parent:
    def __init__(self):
        self.role = "parent"

    def arrive(self, here):
        if self.role != "parent":
            return done((self.role, here.name))
        self.role = "clone"
        other = (yield clone("oslo")).other
        self.role = "parent"
        third = yield spawn(Surveyor, ["lima"], at="oslo")
        fourth = yield spawn(Surveyor(["baku"]), at="lima")
        return done([other.agent, third.agent, fourth.agent])


def test_clones_and_spawns_from_within(platform):
    first, second, third = (platform.get(name) for name in platform.launch(Parent, at="baku").result(timeout=20))
    assert first.result(timeout=15) == ("clone", "oslo")
    assert second.result(timeout=15) == [("oslo", 1), ("lima", 2)]
    assert third.result(timeout=15) == [("lima", 2), ("baku", 0)]


@agent
class Tidy:
    """Its finally block counts how often it ran, and where."""

    def arrive(self, here):
        try:
            yield hop("oslo") if here.name == "baku" else sleep(60)
        finally:
            here.log("finally")


def test_what_leaves_runs_no_finally_block(platform):
    """Where its class is an agent by the decorator: then `arrive` is one that can be left in the middle."""
    handle = platform.launch(Tidy, at="baku")
    assert until(lambda: handle.status().place == "oslo")
    handle.move("lima", timeout=10)
    assert until(lambda: handle.state(timeout=10)["standing"] == "sleeps")
    handle.stop(timeout=10)
    assert until(lambda: said(handle))
    assert said(handle) == [("lima", "finally")]


@agent
def ends_by_done(here):
    try:
        yield done(here.name)
    finally:
        here.log("closed")


def test_a_function_agent_may_yield_done_too(platform):
    handle = platform.launch(ends_by_done, at="lima")
    assert handle.result(timeout=15) == "lima"
    assert until(lambda: said(handle) == [("lima", "closed")])


@agent
def waits(here):
    yield receive(30)
    return here.name


@pytest.mark.parametrize("unit", [Waits, waits])
def test_many_others_have_come_and_gone_before_it_leaves(platform, unit):
    """Its code stays in the process as long as it is there, though what it was launched as is gone."""
    handle = platform.launch(unit, at="baku")
    assert waiting(handle)
    for _ in range(300):
        platform.launch(Returns(None), at="baku").result(timeout=15)
    handle.move("oslo", timeout=10)
    handle.send("end")
    result = handle.result(timeout=15)
    assert result == "oslo" or result[0] == ["baku", "oslo"]
