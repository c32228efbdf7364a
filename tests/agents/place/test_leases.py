"""A lease that is lost while an agent computes, hops, ends or calls: nothing leaves, is lost or done twice."""

from __future__ import annotations

import time

import pytest

from agents import agent, call, hop, receive, send, sleep
from agents.errors import MoveFailed
from agents.handoff import State
from agents.place import PlaceOptions
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, until

QUICK = PlaceOptions(transfer_seconds=2.0, retry_seconds=0.03, directory_seconds=0.5)
LEASE = 0.4


@agent
def computes_then(here, seconds, what, whom):
    import time

    yield
    time.sleep(seconds)  # the lease is lost in this step
    if what == "hops":
        here = yield hop("oslo")
    elif what == "sends":
        yield send(whom, "from " + here.name)
    elif what == "raises":
        raise LookupError("after the lease was lost")
    elif what == "calls":
        yield call(time.sleep, 0.1)
    elif what == "yields":
        yield
    return here.name


def lose_lease_in_a_step(platform, handle):
    """Until its place has lost its lease, while the agent computes."""
    resident = platform.running["baku"].core.resident(handle.agent)
    assert until(lambda: resident.in_step)
    platform.kill_directory()
    assert until(lambda: resident.machine.state is State.SUSPENDED, 3)
    assert resident.in_step, "the test is too slow here: it wants to lose the lease in the step"
    return resident


@pytest.mark.parametrize("what", ["hops", "sends", "raises", "calls", "yields", "returns"])
def test_what_it_yields_without_a_lease_is_done_when_there_is_one_again(what):
    """Once, and with its value; its end and its exception are not lost either."""
    with LocalPlatform(PLACES, lease_seconds=LEASE, options=QUICK) as platform:
        other = platform.launch(hears, at="lima")
        handle = platform.launch(computes_then, 0.8, what, other.agent, at="baku")
        resident = lose_lease_in_a_step(platform, handle)
        assert until(lambda: not resident.in_step, 3)
        time.sleep(0.1)
        assert resident.machine.state is State.SUSPENDED
        platform.start_directory()
        if what == "raises":
            with pytest.raises(LookupError, match="after the lease"):
                handle.result(timeout=10)
        else:
            assert handle.result(timeout=10) == ("oslo" if what == "hops" else "baku")
        if what == "sends":
            assert other.result(timeout=10) == ["from baku", None]
        assert not sum(place._defects for place in platform.running.values())


@agent
def hears(here):
    first = yield receive()
    second = yield receive(0.3)
    return [first.value, second]


@pytest.mark.parametrize("what", ["hops", "calls", "returns"])
@pytest.mark.parametrize("early", [True, False])
def test_one_that_was_given_away_while_it_computed_does_nothing_more(what, early):
    """The directory says that somebody else has it: neither its effect nor its end leaves the place."""
    with LocalPlatform(PLACES, lease_seconds=LEASE, options=QUICK) as platform:
        handle = platform.launch(computes_then, 1.0, what, None, at="baku")
        resident = lose_lease_in_a_step(platform, handle)
        if not early:
            assert until(lambda: not resident.in_step, 3)

        def given_away(whom, request, deliver):
            answer = deliver()
            return {} if whom == "directory" and request[0] == "holdings" else answer

        platform.net.tamper = given_away
        platform.start_directory()
        assert until(lambda: resident.machine.state is State.GONE, 5)
        assert until(lambda: not resident.in_step and not resident.scheduled, 5)
        time.sleep(0.1)
        assert resident.cell is None and resident.unperformed is None and resident.ended is None
        _, row = platform.net.ask_directory("locate", handle.agent, timeout=5)
        assert row.holder.place == "baku" and row.status == "held" and row.epoch == 0, "nothing was asked in its name"
        assert not sum(place._defects for place in platform.running.values())


def test_a_lease_lost_again_and_again():
    """Agents that hop while the directory comes and goes: each arrives, and is one."""
    with LocalPlatform(PLACES, lease_seconds=0.4, options=QUICK) as platform:
        handles = [platform.launch(tours, 6, at=PLACES[number % 3]) for number in range(6)]
        for _ in range(5):
            time.sleep(0.1)
            platform.kill_directory()
            time.sleep(0.5)
            platform.start_directory()
        assert [handle.result(timeout=20) for handle in handles] == [6] * 6
        assert not sum(place._defects for place in platform.running.values())


@agent
def tours(here, hops):
    done = 0
    while done < hops:
        try:
            here = yield hop({"baku": "oslo", "oslo": "lima", "lima": "baku"}[here.name])
            done += 1
        except MoveFailed:
            pass
        yield sleep(0.1)
    return done


def test_what_is_granted_while_the_lease_comes_back_is_not_lost():
    """It is not among what the directory said was held, and is asked for once more."""
    with LocalPlatform(PLACES, lease_seconds=LEASE, options=QUICK) as platform:
        handle = platform.launch(tours, 0, at="baku")
        handle.result(timeout=10)
        waiting = platform.launch(hears, at="lima")
        resident = platform.running["lima"].core.resident(waiting.agent)
        platform.kill_directory()
        assert until(lambda: resident.machine.state is State.SUSPENDED, 3)
        granted = []

        def late(whom, request, deliver):
            answer = deliver()
            if whom == "directory" and request[0] == "holdings" and request[1][0] == "lima" and not granted:
                granted.append(1)
                return {}  # as if it had been granted only after the question
            return answer

        real = platform.running["lima"]._lease._halted
        calls = []

        def halted():
            calls.append(1)
            return {} if len(calls) == 1 else real()  # and was not halted yet when it was asked

        platform.running["lima"]._lease.__class__._halted, kept = (
            lambda lease: halted() if lease.core.name == "lima" else kept(lease),
            platform.running["lima"]._lease.__class__._halted,
        )
        try:
            platform.start_directory()
            assert until(lambda: resident.machine.state is State.RUNNING, 5)
        finally:
            platform.running["lima"]._lease.__class__._halted = kept
        waiting.send("still here")
        assert waiting.result(timeout=10) == ["still here", None]
