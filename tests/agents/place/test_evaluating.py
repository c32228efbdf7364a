"""Remote evaluation: code is shipped to a resource, runs there, and its value comes back."""

from __future__ import annotations

import threading
import time

import pytest

from agents import agent, checkpoint, receive, sleep
from agents.errors import ResultNotPlain, UnknownPlace, WaitedTooLong
from agents.paradigms import evaluate
from agents.place import PlaceOptions
from agents.protocol import Transfer
from agents.testing.local import LocalPlatform
from mobility.errors import MobilityError
from tests.agents.place.conftest import until

GATE = threading.Event()


def largest(here, column, *, more=0):
    return here.name, max(here.resource(column)) + more


def fails(here):
    return {}["nothing"]


def odd(here):
    return object()


def slow(here, seconds):
    time.sleep(seconds)
    return here.name


@agent
def naps(here, seconds):
    yield sleep(seconds)
    return here.name


@agent
def until_told(here):
    yield receive()
    return here.name


class Own(Exception):
    """Of the agent's own code."""


def raises_own(here):
    raise Own("mine")


@pytest.fixture
def platform():
    resources = {"oslo": {"readings": [1, 5, 3]}, "lima": {"readings": [7]}}
    options = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.05, usual_steps=2, most_steps=4)
    with LocalPlatform(resources=resources, options=options) as platform:
        yield platform
        assert not sum(place._defects for place in platform.running.values())


@agent
def compares(here, places):
    found = []
    for place in places:
        found.append((yield evaluate(place, largest, "readings", more=1)))
    return here.name, found


@agent
def tries(here, what, place, *args, timeout=20.0):
    try:
        return (yield evaluate(place, what, *args, timeout=timeout)), here.name
    except Exception as error:
        return type(error).__name__, str(error), here.name


@agent
def waits_briefly(here, place):
    try:
        yield evaluate(place, until_told, timeout=0.2)
    except Exception as error:
        return type(error).__name__, str(error), here.name


@agent
def evaluates_an_agent(here, place, seconds):
    value = yield evaluate(place, naps, seconds)
    return value, here.name


@agent
def many(here, place, count):
    total = 0
    for number in range(count):
        total += (yield evaluate(place, largest, "readings", more=number))[1]
    return total


def test_from_outside(platform):
    """With a local function, a closure and keyword arguments; it is logged, and it leaves nothing."""
    extra = 10

    def local(here, column):
        return sum(here.resource(column)) + extra

    assert platform.evaluate("oslo", largest, "readings", more=2) == ("oslo", 7)
    assert platform.evaluate("oslo", local, "readings") == 19
    assert platform.evaluate("lima", naps, 0.05) == "lima"
    assert platform.agents() == [] and not platform.running["oslo"].core.store.agents()
    assert until(lambda: [event.kind for event in platform.logs()].count("born") == 3)


def test_what_goes_wrong(platform):
    """As with an agent that goes nowhere."""
    with pytest.raises(KeyError, match="nothing"):
        platform.evaluate("oslo", fails)
    with pytest.raises(ResultNotPlain):
        platform.evaluate("oslo", odd)
    with pytest.raises(UnknownPlace):
        platform.evaluate("nowhere", fails)
    with pytest.raises(MobilityError, match="lock"):
        platform.evaluate("oslo", largest, threading.Lock())
    with pytest.raises(WaitedTooLong) as caught:
        platform.evaluate("oslo", slow, 0.6, timeout=0.1)
    assert "has not ended, and is on oslo" in str(caught.value)
    (running,) = platform.agents()
    assert running.agent in str(caught.value) and platform.get(running.agent).result(timeout=5) == "oslo"


def test_within_an_agent(platform):
    """A child of it; its passport shows whose."""
    handle = platform.launch(compares, ["oslo", "lima"], at="baku")
    assert handle.result(timeout=10) == ("baku", [("oslo", 6), ("lima", 8)])
    children = [one for one in platform.agents(ended=True) if one.parent == handle.agent]
    assert len(children) == 2
    assert platform.launch(compares, ["oslo", "oslo"], at="oslo").result(timeout=10)[1] == [("oslo", 6), ("oslo", 6)]


@pytest.mark.parametrize(
    ("what", "place", "args", "kind", "says"),
    [
        (fails, "oslo", (), "KeyError", "nothing"),
        (raises_own, "oslo", (), "Own", "mine"),
        (odd, "oslo", (), "ResultNotPlain", "object"),
        (fails, "nowhere", (), "UnknownPlace", "baku"),
        (largest, "oslo", ("nothing",), "ResourceMissing", "readings"),
        (largest, "oslo", (), "TypeError", "column"),
        (3, "oslo", (), "TypeError", "int"),
    ],
)
def test_what_goes_wrong_reaches_the_agent(platform, what, place, args, kind, says):
    """At its yield, and it goes on."""
    name, text, where = platform.launch(tries, what, place, *args, at="baku").result(timeout=10)
    assert (name, where) == (kind, "baku") and says in text


def test_a_dead_place(platform):
    """There is no child, and the agent hears so."""
    platform.kill("oslo")
    name, text, where = platform.launch(tries, largest, "oslo", "readings", at="baku").result(timeout=20)
    assert (name, where) == ("MoveFailed", "baku") and "unharmed" in text


def test_a_deadline(platform):
    """The agent goes on, and so does the child, which can be asked for."""
    began = time.monotonic()
    handle = platform.launch(waits_briefly, "oslo", at="baku")
    name, text, _ = handle.result(timeout=30)
    assert time.monotonic() - began < 15, "it was not waited for by the usual deadline"
    assert name == "WaitedTooLong" and "goes on on oslo" in text
    (child,) = platform.agents()
    assert child.agent in text
    platform.get(child.agent).send("done")
    assert platform.get(child.agent).result(timeout=30) == "oslo"


def test_no_look_is_the_last_one(platform, monkeypatch):
    """Also if the time for the next one has come before it is set, as on a host that is busy."""
    from agents.place import requesting

    monkeypatch.setattr(requesting, "_FIRST_LOOK", 0.0)
    monkeypatch.setattr(requesting, "_LAST_LOOK", 0.0)
    assert platform.launch(evaluates_an_agent, "oslo", 0.3, at="baku").result(timeout=20) == ("oslo", "baku")


@pytest.mark.alone
def test_who_waits_holds_no_thread(platform):
    """Many more wait than there are threads that step; another one is stepped meanwhile."""
    handles = [platform.launch(evaluates_an_agent, "oslo", 1.5, at="baku") for _ in range(30)]
    assert until(lambda: len(platform.agents()) == 60)
    began = time.monotonic()
    assert platform.launch(compares, ["lima"], at="baku").result(timeout=10)
    assert time.monotonic() - began < 1.4
    assert {handle.status().state for handle in handles} <= {"waiting", "ended", "running"}
    assert [handle.result(timeout=20) for handle in handles] == [("oslo", "baku")] * 30


def test_moved_frozen_and_thawed_while_it_waits(platform):
    """It goes on waiting wherever it is."""
    handle = platform.launch(evaluates_an_agent, "oslo", 1.0, at="baku")
    assert until(lambda: handle.status().state == "waiting")
    handle.move("lima")
    assert handle.place() == "lima"
    bundle = handle.freeze()
    platform.thaw(bundle, at="baku")
    assert handle.result(timeout=10) == ("oslo", "baku")


def test_what_is_wanted_of_one_that_waits_is_done(platform):
    """However seldom it looks after its child by then, and also while it just looks."""
    handle = platform.launch(evaluates_an_agent, "oslo", 8.0, at="baku")
    assert until(lambda: handle.status().state == "waiting")
    for _ in range(40):
        assert handle.state(timeout=5)["standing"] == "evaluates"
        time.sleep(0.02)
    handle.stop(timeout=5)


def test_the_child_is_stopped(platform):
    """Whoever waits for it hears that."""
    handle = platform.launch(tries, naps, "oslo", 30, at="baku")
    assert until(lambda: any(one.parent == handle.agent for one in platform.agents()))
    (child,) = [one for one in platform.agents() if one.parent == handle.agent]
    platform.get(child.agent).stop()
    assert handle.result(timeout=10)[0] == "AgentStopped"


def test_the_child_is_frozen(platform):
    """As above."""
    handle = platform.launch(tries, naps, "oslo", 30, at="baku")
    assert until(lambda: any(one.parent == handle.agent for one in platform.agents()))
    (child,) = [one for one in platform.agents() if one.parent == handle.agent]
    platform.get(child.agent).freeze()
    assert handle.result(timeout=10)[0] == "AgentFrozen"


@agent
def writes_and_evaluates(here, place, seconds):
    """After the checkpoint it evaluates; done again after a crash, as any step."""
    yield checkpoint()
    return (yield evaluate(place, naps, seconds)), here.name


@pytest.mark.parametrize("victim", ["baku", "oslo", "directory"])
def test_killed_while_one_waits(platform, victim):
    """The place of the agent, that of the child, the directory: started again, the value comes."""
    handle = platform.launch(writes_and_evaluates, "oslo", 0.7, at="baku")
    assert until(lambda: handle.status().state == "waiting")
    if victim == "directory":
        platform.kill_directory()
        time.sleep(0.2)
        platform.start_directory()
    else:
        platform.kill(victim)
        platform.start(victim)
    assert handle.result(timeout=20) == ("oslo", "baku")


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_place_killed_while_the_child_comes(platform, when):
    """There is a value, or a refusal at the yield; never two children that go on."""
    struck = threading.Event()

    def kills(whom, request, deliver):
        if not isinstance(request, Transfer) or whom != "oslo" or struck.is_set():
            return deliver()
        answer = deliver() if when == "after" else None
        platform.kill("oslo")
        struck.set()
        return answer if when == "after" else deliver()

    platform.net.tamper = kills
    handle = platform.launch(tries, largest, "oslo", "readings", at="baku")
    assert struck.wait(10)
    platform.net.tamper = None
    platform.start("oslo")
    told = handle.result(timeout=30)
    assert told == (("oslo", 5), "baku") or told[0] == "MoveFailed"
    assert platform.agents() == []


def test_one_after_the_other(platform):
    """Quick ones are not slowed down by the way in which they are waited for."""
    began = time.monotonic()
    assert platform.launch(many, "oslo", 30, at="baku").result(timeout=60) == sum(range(30)) + 30 * 5
    assert time.monotonic() - began < 15
