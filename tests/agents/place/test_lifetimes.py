"""Agents whose lifetime is over: ended where they are, whatever they do, with their ``finally`` blocks run."""

from __future__ import annotations

import pickle
import threading
import time

import pytest

from agents import agent, call, checkpoint, clone, hop, onward, receive, sleep, visit
from agents.errors import AgentEnded, AgentExpired, MoveFailed
from agents.place import PlaceOptions, expiring
from agents.testing.local import LocalPlatform
from mobility.bundle import Birth
from tests.agents.place.conftest import PLACES, until

SHORT = Birth(lifetime=1)
QUICK = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.03, directory_seconds=1.0, held_seconds=0.1)


@agent
def lives(here, doing):
    try:
        if doing == "sleeps":
            yield sleep(3600)
        elif doing == "receives":
            yield receive()
        elif doing == "travels":
            yield onward()
        elif doing == "calls":
            yield call(time.sleep, 2.5)
        elif doing == "computes":
            until_then = time.time() + 2.5
            while time.time() < until_then:
                pass
            yield hop("oslo")
        else:
            while True:
                yield
    finally:
        here.log(f"the end of one that {doing}")


def said(platform: LocalPlatform, text: str) -> bool:
    return any(event.data.get("text") == text for event in platform.logs())


@pytest.mark.parametrize("doing", ["sleeps", "receives", "travels", "calls", "computes", "yields"])
def test_it_ends_at_its_next_suspension(platform, doing):
    """In good time, with its finally blocks run; its result says why."""
    way = visit("rome", on_failure="wait") if doing == "travels" else None
    began = time.time()
    handle = platform.launch(lives, doing, at="baku", birth=SHORT, itinerary=way, name="short")
    with pytest.raises(AgentExpired) as caught:
        handle.result(timeout=10)
    assert 1 <= time.time() - began < 5
    error = caught.value
    assert error.agent == handle.agent and error.place == "baku" and error.problem == ""
    assert "agent-expired" in str(error) and "lifetime" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert until(lambda: said(platform, f"the end of one that {doing}"))
    with pytest.raises(AgentEnded):
        handle.send(1)
    assert handle.status().state == "ended" and platform.agents() == []


def test_it_expires_on_its_way_and_its_clone_with_it(platform):
    """The certificate is that of all children."""
    handle = platform.launch(wanders_off, at="baku", birth=Birth(lifetime=2))
    with pytest.raises(AgentExpired) as caught:
        handle.result(timeout=10)
    assert caught.value.place == "lima"
    (child,) = [row for row in platform.agents(ended=True) if row.parent == handle.agent]
    with pytest.raises(AgentExpired) as caught:
        platform.get(child.agent).result(timeout=10)
    assert caught.value.place == "oslo"


@agent
def wanders_off(here):
    yield clone("oslo")
    if here.name == "baku":
        yield hop("lima")
    yield receive()


def test_what_its_end_raises_is_told(platform):
    """And it has expired all the same."""
    handle = platform.launch(fails_at_its_end, at="baku", birth=SHORT)
    with pytest.raises(AgentExpired) as caught:
        handle.result(timeout=10)
    assert caught.value.problem == "while it ended, it raised ZeroDivisionError: of no use"


@agent
def fails_at_its_end(here):
    try:
        yield receive()
    finally:
        raise ZeroDivisionError("of no use")


@agent
def never_yields(here, how):
    here.log(f"begins {here.agent}")
    if how == "a call":
        yield call(loop_for_ever)
    elif how == "a loop":
        loop_for_ever()
    try:
        yield receive()
    finally:
        loop_for_ever()


def loop_for_ever():
    while True:
        pass


@pytest.mark.parametrize("process", [False, True])
@pytest.mark.parametrize("how", ["a loop", "a call", "its end"])
def test_one_that_comes_to_no_yield_is_broken_off(platform, how, process, monkeypatch):
    """A loop, a function that is called, a finally block, in the place's process or in one of its own."""
    monkeypatch.setattr(expiring, "_GRACE", 0.5)
    place = platform.running["baku"]
    # On a host that is busy a process may come up when the time is over already: then there is nothing to break off.
    for lifetime in (1, 4, 16):
        handle = platform.launch(never_yields, how, at="baku", birth=Birth(lifetime=lifetime), process=process)
        with pytest.raises(AgentExpired) as caught:
            handle.result(timeout=lifetime + 15)
        if said(platform, f"begins {handle.agent}"):
            break
    caught.match("broken off")
    assert until(lambda: all(resident.breaking is None for resident in place.core.residents()))


def test_one_that_has_time_left_is_left_alone(platform):
    """Also if it is short of it."""
    handle = platform.launch(naps, at="baku", birth=Birth(lifetime=30))
    assert handle.result(timeout=10) == "oslo"


@agent
def naps(here):
    yield sleep(0.2)
    here = yield hop("oslo")
    yield sleep(0.2)
    return here.name


def test_a_place_that_comes_back_ends_it():
    """It was down when the time was over: the agent ends then, and is not lost."""
    with LocalPlatform(PLACES, options=QUICK, lease_seconds=2.0) as platform:
        handle = platform.launch(writes_down, at="baku", birth=SHORT)
        assert until(lambda: said(platform, "written"))
        platform.kill("baku")
        time.sleep(2.2)
        platform.start("baku")
        with pytest.raises(AgentExpired):
            handle.result(timeout=15)
        assert until(lambda: said(platform, "at the end"))


@agent
def writes_down(here):
    try:
        yield checkpoint()
        here.log("written")
        yield receive()
    finally:
        here.log("at the end")


def test_a_place_that_comes_back_long_after_ends_it(monkeypatch):
    """Also when no place would let it in any more, whatever the clocks."""
    with LocalPlatform(PLACES, options=QUICK, lease_seconds=2.0) as platform:
        handle = platform.launch(writes_down, at="baku", birth=Birth(lifetime=30))
        assert until(lambda: said(platform, "written"))
        platform.kill("baku")
        real, late = time.time, threading.Event()
        monkeypatch.setattr(time, "time", lambda: real() + (600 if late.is_set() else 0))
        late.set()
        platform.start("baku")
        with pytest.raises(AgentExpired):
            handle.result(timeout=15)
        assert until(lambda: said(platform, "at the end"))


def test_no_place_takes_in_what_has_expired(monkeypatch, platform):
    """Refused by the destination, and ended where it is."""
    handle = platform.launch(tries_late, at="baku", birth=SHORT)
    with pytest.raises(AgentExpired) as caught:
        handle.result(timeout=10)
    assert caught.value.place == "baku"
    assert not [event for event in platform.logs() if event.kind == "arrived"]


@agent
def tries_late(here):
    yield sleep(0)
    until_then = time.time() + 2.5
    while time.time() < until_then:
        pass
    try:
        yield hop("oslo")
    except MoveFailed:
        yield receive()
