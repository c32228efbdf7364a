"""``stop(force=True)``: an agent ends whatever it does, and nothing that it does afterwards counts."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from agents import agent, ask, call, hop, receive, send, sleep
from agents.errors import AgentEnded, AgentStopped, Busy
from agents.place.resident import BrokenOff
from agents.protocol import Control, Failure, Verb
from agents.standing import Fresh
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import until


@agent
def does(here, what, other):
    import time

    def loop():
        while True:
            pass

    try:
        if what == "computes":
            loop()
        elif what == "waits for C":
            time.sleep(1.5)
            yield send(other, "too late")
        elif what == "calls":
            yield call(loop)
        elif what == "sleeps":
            yield sleep(60)
        elif what == "receives":
            yield receive(60)
        elif what == "asks":
            yield ask(other, "?", timeout=60)
        elif what == "yields":
            while True:
                yield
        elif what == "handles":
            for _ in range(3):
                try:
                    loop()
                except BaseException:
                    pass
            loop()
    finally:
        here.log("finally")


@agent
def keeps(here):
    got = []
    while (message := (yield receive(60))) is not None and message.value != "end":
        got.append(message.value)
    return got


@agent
def adds(here, n):
    yield
    return n + 1


WHAT = ["computes", "waits for C", "calls", "sleeps", "receives", "asks", "yields", "handles"]


@pytest.mark.alone
@pytest.mark.parametrize("what", WHAT)
def test_whatever_it_does(platform, what):
    other = platform.launch(keeps, at="lima")
    handle = platform.launch(does, what, other.agent, at="baku")
    time.sleep(0.2)
    began = time.monotonic()
    handle.stop(timeout=5, force=True)
    assert time.monotonic() - began < 1
    with pytest.raises(AgentStopped, match="stopped on baku"):
        handle.result(timeout=5)
    with pytest.raises(AgentEnded):
        handle.stop(timeout=5, force=True)
    assert platform.launch(adds, 1, at="baku").result(timeout=10) == 2, "the place goes on"
    if what == "waits for C":
        time.sleep(1.6)
    place = platform.running["baku"]
    assert until(lambda: not place.core._residents[handle.agent].in_step, 5), "its thread is free again"
    other.send("end")
    assert [value for value in other.result(timeout=10) if value != "?"] == []
    if what in ("sleeps", "receives", "asks"):
        assert not any(event.data.get("text") == "finally" for event in handle.logs())
    ended = until(lambda: [event for event in handle.logs() if event.kind == "ended"])
    assert len(ended) == 1 and ended[0].data["stopped"]


def test_others_go_on_while_one_is_broken_off(platform):
    """Forty loops are ended; what shares their threads is not hit."""
    loops = [platform.launch(does, "computes", None, at="baku") for _ in range(10)]
    time.sleep(0.2)
    with ThreadPoolExecutor(8) as pool:
        sums = [pool.submit(lambda n=n: platform.launch(adds, n, at="baku").result(timeout=30)) for n in range(40)]
        for handle in loops:
            handle.stop(timeout=10, force=True)
        assert [one.result() for one in sums] == [n + 1 for n in range(40)]
    for handle in loops:
        with pytest.raises(AgentStopped):
            handle.result(timeout=5)


@agent
def computes_for(here, seconds):
    import time

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "whole"


def test_a_step_that_ends_at_the_same_moment(platform):
    """It has either its result, or was stopped; never both, never neither."""
    ends = {"whole": 0, "stopped": 0}
    for number in range(20):
        handle = platform.launch(computes_for, 0.2, at="baku")
        time.sleep(0.05 + number * 0.01)
        refused = None
        try:
            handle.stop(timeout=5, force=True)
        except AgentEnded as error:
            refused = error
        try:
            result = handle.result(timeout=5)
        except AgentStopped:
            result = "stopped"
        assert (result == "whole") == (refused is not None)
        ends[result] += 1
    assert all(ends.values())


def test_twice_at_once(platform):
    for _ in range(10):
        handle = platform.launch(does, "computes", None, at="baku")
        time.sleep(0.02)

        def stop(handle=handle):
            try:
                handle.stop(timeout=5, force=True)
            except AgentEnded:
                return "ended"
            return "stopped"

        with ThreadPoolExecutor(3) as pool:
            ends = sorted(pool.map(lambda _, stop=stop: stop(), range(3)))
        assert ends == ["ended", "ended", "stopped"]


def test_after_a_stop_that_waits(platform):
    """The polite one hears that it has ended."""
    handle = platform.launch(does, "computes", None, at="baku")
    time.sleep(0.1)
    with ThreadPoolExecutor(1) as pool:
        polite = pool.submit(lambda: handle.stop(timeout=20))
        time.sleep(0.2)
        handle.stop(timeout=5, force=True)
        with pytest.raises(AgentEnded):
            polite.result()


@agent
def never_closes(here):
    try:
        yield sleep(60)
    finally:
        while True:
            pass


def test_while_its_finally_block_keeps_a_polite_stop_waiting(platform):
    handle = platform.launch(never_closes, at="baku")
    time.sleep(0.1)
    with ThreadPoolExecutor(1) as pool:
        polite = pool.submit(lambda: handle.stop(timeout=20))
        time.sleep(0.2)
        handle.stop(timeout=5, force=True)
        with pytest.raises(AgentEnded):
            polite.result()
    place = platform.running["baku"]
    assert until(lambda: not place.core._residents[handle.agent].in_step, 5)


@agent
def wanders(here):
    names = ["baku", "oslo", "lima"]
    count = 0
    while True:
        count += 1
        yield sleep(0.005)
        here = yield hop(names[count % 3])


def test_while_it_moves(platform):
    """It is followed until it is caught between two moves."""
    for number in range(5):
        handle = platform.launch(wanders, at="baku")
        time.sleep(0.05 + 0.003 * number)
        handle.stop(timeout=10, force=True)
        with pytest.raises(AgentStopped):
            handle.result(timeout=5)


def test_it_does_not_come_back_after_a_crash(platform):
    handle = platform.launch(does, "computes", None, at="baku")
    time.sleep(0.1)
    handle.stop(timeout=5, force=True)
    platform.kill("baku")
    platform.start("baku")
    with pytest.raises(AgentStopped):
        handle.result(timeout=5)
    assert handle.status().state == "ended"


def test_without_a_lease_nobody_can_end_it(platform):
    handle = platform.launch(does, "sleeps", None, at="baku")
    time.sleep(0.1)
    place = platform.running["baku"]
    from agents.handoff import events as on

    resident = place.core._residents[handle.agent]
    place.moving.feed(resident, on.LeaseLost())
    with pytest.raises(Busy):
        handle.stop(timeout=0.5, force=True)
    place.moving.feed(resident, on.LeaseHeld(True))
    handle.stop(timeout=5, force=True)
    with pytest.raises(AgentStopped):
        handle.result(timeout=5)


@agent
def busy(here, seconds):
    import time

    time.sleep(seconds)
    yield
    return here.name


@pytest.mark.alone
def test_a_wish_for_a_busy_agent_is_noted_at_once_and_done_at_its_next_yield(platform):
    handle = platform.launch(busy, 1.0, at="baku")
    time.sleep(0.2)
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        moved = pool.submit(lambda: handle.move("oslo", timeout=10))
        assert until(lambda: any(event.kind == "asked" for event in handle.logs()), 0.6)
        assert time.monotonic() - began < 0.6
        assert moved.result()["to"] == "oslo"
    asked = [event for event in handle.logs() if event.kind == "asked"]
    assert asked[0].data == {"verb": "move", "to": "oslo"}
    assert handle.result(timeout=5) == "oslo"


def test_no_thread_is_left():
    """The ones that were broken off have ended with their platforms."""
    assert until(lambda: not [one for one in threading.enumerate() if one.name.startswith("sojourn-step")], 5)


class Never:
    """A class agent that computes for ever."""

    def arrive(self, here):
        while True:
            pass


def test_class_agents_too(platform):
    handle = platform.launch(Never, at="baku")
    time.sleep(0.1)
    handle.stop(timeout=5, force=True)
    with pytest.raises(AgentStopped):
        handle.result(timeout=5)
    place = platform.running["baku"]
    assert until(lambda: not place.core._residents[handle.agent].in_step, 5)


def test_while_the_directory_is_away(platform):
    """It does nothing any more, and has ended once the directory is back."""
    handle = platform.launch(does, "sleeps", None, at="baku")
    time.sleep(0.1)
    place = platform.running["baku"]
    resident = place.core._residents[handle.agent]
    platform.kill_directory()
    reply = place.serve(Control(handle.agent, Verb.STOP, None, 0.5, True))
    assert isinstance(reply, Failure) and "told as soon as it answers" in str(reply.error)
    assert not resident.machine.visit.runs
    steps = resident.steps
    place._performing._step(resident, None, None)  # by a thread that was just about to
    assert resident.steps == steps
    with resident.lock, pytest.raises(BrokenOff):
        place.moving.capture(resident, "oslo", Fresh())
    platform.start_directory()
    with pytest.raises(AgentStopped):
        handle.result(timeout=15)


def ordinary():
    """A generator that cannot travel, nor be left."""
    try:
        yield sleep(60)
    finally:
        time.sleep(0.5)


@agent
def delegates(here):
    yield from ordinary()


class Ordinary:
    def arrive(self, here):
        yield from ordinary()


@pytest.mark.alone
@pytest.mark.parametrize("unit", [delegates, Ordinary])
def test_what_cannot_be_left_is_closed_aside(platform, unit):
    """The place does not wait for it, and has met no defect."""
    handle = platform.launch(unit, at="baku")
    assert until(lambda: handle.state(timeout=10)["standing"] == "sleeps")
    began = time.monotonic()
    handle.stop(timeout=5, force=True)
    assert time.monotonic() - began < 0.45
    with pytest.raises(AgentStopped):
        handle.result(timeout=5)


@agent
def ends_soon(here):
    import time

    time.sleep(0.8)
    return "whole"


def test_what_its_last_step_returns_does_not_count(platform):
    """Also where the directory hears of its end only after that."""
    handle = platform.launch(ends_soon, at="baku")
    time.sleep(0.2)
    place = platform.running["baku"]
    resident = place.core._residents[handle.agent]
    platform.kill_directory()
    assert isinstance(place.serve(Control(handle.agent, Verb.STOP, None, 0.1, True)), Failure)
    assert until(lambda: not resident.in_step, 5)
    platform.start_directory()
    with pytest.raises(AgentStopped):
        handle.result(timeout=15)


@agent
def clones(here):
    """Always about to be cloned, captured or to send: the place has it in hand nearly all the time."""
    from agents import checkpoint

    while True:
        yield checkpoint()


def test_while_the_place_does_what_it_yielded(platform):
    for number in range(15):
        handle = platform.launch(clones, at="baku")
        time.sleep(0.05 + number * 0.0007)
        handle.stop(timeout=5, force=True)
        with pytest.raises(AgentStopped):
            handle.result(timeout=5)
        store = platform.running["baku"].core.store
        assert until(lambda: store.load(handle.agent) is None, 5), "nothing of it stays on disk"


class NeverDone:
    """Of which nobody ever gets the state."""

    def __getstate__(self):
        while True:
            pass


@agent
def carries_what_is_never_done(here, itself):
    kept = NeverDone()
    if itself:
        yield hop("oslo")
    yield receive()
    return kept


@pytest.mark.parametrize("process", [False, True])
@pytest.mark.parametrize("by", ["itself", "a move", "a freeze"])
def test_a_capture_that_comes_to_no_end(platform, by, process):
    """The agent's own classes say how they are pickled: it is ended all the same, and its place goes on."""
    handle = platform.launch(carries_what_is_never_done, by == "itself", at="baku", process=process)
    if by != "itself":
        assert until(lambda: handle.status().state == "waiting")
        with ThreadPoolExecutor(1) as beside:
            moving = beside.submit(*((handle.move, "oslo") if by == "a move" else (handle.freeze,)))
            time.sleep(0.5)
            began = time.monotonic()
            handle.stop(timeout=10, force=True)
            assert time.monotonic() - began < 6
            with pytest.raises(Exception):
                moving.result(timeout=40)
    else:
        resident = platform.running["baku"].core.known(handle.agent)
        assert until(lambda: resident.capturing is not None)
        handle.stop(timeout=20, force=True)
    with pytest.raises(AgentStopped):
        handle.result(timeout=5)
    assert platform.launch(keeps, at="baku").agent, "the place goes on"


def test_a_place_closes_though_a_capture_comes_to_no_end():
    with LocalPlatform(["baku", "oslo"]) as platform:
        platform.launch(carries_what_is_never_done, True, at="baku")
        time.sleep(0.5)
        began = time.monotonic()
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("process", [False, True])
@pytest.mark.parametrize("by", ["itself", "a move"])
def test_whoever_breaks_a_capture_off_is_slower_than_the_agent(platform, by, process):
    """What was broken off is ended as stopped, though its step goes on before the stop is noted; here it never is."""
    handle = platform.launch(carries_what_is_never_done, by == "itself", at="baku", process=process)
    resident = platform.running["baku"].core.known(handle.agent)
    with ThreadPoolExecutor(1) as beside:
        if by == "a move":
            assert until(lambda: handle.status().state == "waiting")
            moving = beside.submit(handle.move, "oslo")
        assert until(lambda: resident.capturing is not None)
        assert resident.reach(20)  # and no more
        with pytest.raises(AgentStopped):
            handle.result(timeout=10)
        if by == "a move":
            with pytest.raises(Exception):
                moving.result(timeout=40)
