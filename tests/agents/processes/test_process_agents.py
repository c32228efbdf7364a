"""Agents in processes of their own, at real places: what they can do, and what becomes of them when these die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from agents import agent, ask, call, checkpoint, clone, done, hop, receive, reply, send, sleep, spawn
from agents.cell import Raised, Yielded, cell_for
from agents.errors import AgentEnded, AgentFailed, AgentStopped, CellDied, MoveRefused, ResultNotPlain, ValueNotPlain
from agents.place import PlaceOptions
from agents.processes import starting
from agents.processes.cell import ProcessCell
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, until

pytestmark = pytest.mark.timeout(120)


class Counter:
    """A resource that is no plain data."""

    def __init__(self):
        self.value = 0
        self.unit = "steps"

    def add(self, n):
        self.value += n
        return self.value

    def pid(self):
        return os.getpid()

    def fails(self):
        raise LookupError("of the counter's own")

    def itself(self):
        return self

    def __len__(self):
        return self.value

    def _secret(self):
        return "secret"


@pytest.fixture
def platform():
    resources = {place: {"number": index, "counter": Counter()} for index, place in enumerate(PLACES)}
    resources["baku"]["double"] = lambda n: 2 * n
    options = PlaceOptions(transfer_seconds=8.0, retry_seconds=0.05)
    with LocalPlatform(PLACES, resources=resources, options=options) as platform:
        yield platform
        count = sum(place._defects for place in platform.running.values())
    assert not count, "a place has met a defect: see its standard error above"
    assert until(lambda: not children()), "no process is left"


def children():
    """The processes of agents that this one has started."""
    found = []
    for one in psutil.Process().children():
        try:
            if "agents.processes.child" in " ".join(one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue
    return found


def raised(handle):
    """By what it ended."""
    with pytest.raises(Exception) as caught:
        handle.result(timeout=20)
    return caught.value


@agent
def tells(here, places):
    import os

    seen = [(here.name, os.getpid(), here.resource("number"))]
    for place in places:
        here = yield hop(place)
        seen.append((here.name, os.getpid(), here.resource("number")))
    return seen


def test_it_has_a_process_of_its_own_at_each_place(platform):
    seen = platform.launch(tells, ["oslo", "lima"], at="baku", process=True).result(timeout=30)
    assert [(name, number) for name, _, number in seen] == [("baku", 0), ("oslo", 1), ("lima", 2)]
    assert len({pid for _, pid, _ in seen} | {os.getpid()}) == 4


@agent
def does_all(here, other):
    import threading

    me = here.agent
    found = {}
    found["call"] = yield call(lambda n: n + 1, 4)
    found["kept"] = type((yield call(lambda: object()))).__name__
    try:
        yield call(lambda: 1 / 0)
    except ZeroDivisionError as error:
        found["raised"] = str(error)
    yield send(other, ["hello", 1])
    found["asked"] = yield ask(other, "?")
    found["nobody"] = (yield receive(0.05)) is None
    yield sleep(0.02)
    yield checkpoint()
    yield
    try:
        yield send(other, object())
    except Exception as error:
        found["unplain"] = type(error).__name__
    try:
        yield hop("nowhere")
    except Exception as error:
        found["nowhere"] = type(error).__name__
    try:
        yield object()
    except Exception as error:
        found["no effect"] = str(error).partition(",")[0]
    two = yield clone("oslo")
    if two.is_clone:
        return ("clone of", two.other.agent == me, here.name)
    child = yield spawn(adds, 4, at="lima")
    try:
        yield spawn(adds, threading.Lock(), at="lima")
    except Exception as error:
        found["unpackable"] = type(error).__name__
    return found, two.other.agent, child.agent


@agent
def adds(here, n):
    import os

    yield
    return n + 1, os.getpid()


@agent
def answers(here):
    got = (yield receive(20)).value
    question = yield receive(20)
    yield reply(question, got)


def test_all_effects(platform):
    other = platform.launch(answers, at="lima")
    handle = platform.launch(does_all, other.agent, at="baku", process=True)
    found, twin, child = handle.result(timeout=40)
    assert found == {
        "call": 5,
        "kept": "object",
        "raised": "division by zero",
        "asked": ["hello", 1],
        "nobody": True,
        "unplain": ValueNotPlain.__name__,
        "nowhere": "UnknownPlace",
        "no effect": "the agent yielded a builtins.object",
        "unpackable": "NotPackable",
    }
    assert platform.get(twin).result(timeout=20) == ("clone of", True, "oslo")
    value, pid = platform.get(child).result(timeout=20)
    assert value == 5 and pid != os.getpid(), "a child runs on its parent's terms"


@agent
def resources(here):
    counter = here.resource("counter")
    here.log("a line")
    found = [counter.add(2), counter.add(3), len(counter), counter.unit, counter.itself().value, repr(counter)]
    found.append(counter.pid())
    found.append((here.resource("double")(21), sorted(here.resources), "python" in here.labels, here.name))
    for forbidden in (lambda: counter._secret(), lambda: counter.add(object()), lambda: counter.fails()):
        try:
            forbidden()
        except Exception as error:
            found.append(type(error).__name__)
    for name in ("close", "die", "core", "trust", "_run"):
        try:
            getattr(here._surroundings, name)
        except AttributeError:
            found.append(name)
    try:
        here = yield hop("oslo")
    except Exception as error:
        found.append(str(error))
    counter = None
    here = yield hop("oslo")
    return found


def test_resources_are_copied_or_called_at_the_place(platform):
    handle = platform.launch(resources, at="baku", process=True)
    found = handle.result(timeout=30)
    assert found[:7] == [2, 5, 5, "steps", 5, "<Counter of the place>", os.getpid()]
    assert found[7] == (42, ["counter", "double", "number"], True, "baku")
    assert found[8:11] == ["AttributeError", "ValueNotPlain", "LookupError"]
    assert found[11:16] == ["close", "die", "core", "trust", "_run"]
    assert "counter" in found[16] and "belongs to its place" in found[16]
    assert until(lambda: any(event.data.get("text") == "a line" for event in handle.logs()))


def test_a_process_that_lies_gets_no_more_of_the_place(platform):
    """Whatever it asks for by itself: only what a place shows to agents, and only in its own name."""
    from agents.processes.far import Exhibits

    closed = []

    class Seen:
        name = "baku"

        def resource(self, agent, name):
            return agent, name

        def close(self):
            closed.append(True)

    from mobility.plain import decode, encode

    exhibits = Exhibits(Seen(), "me")
    how, value = exhibits.answer("surroundings", "resource", encode([["somebody else", "x"], {}]))
    assert (how, decode(value)) == ("plain", ("me", "x"))
    for what, which in (
        ("surroundings", "close"),
        ("surroundings", "__class__"),
        ("attribute", "0:_lock"),
        ("operator", "0:__reduce__"),
        ("attribute", "7:x"),
        ("attribute", "x"),
    ):
        assert exhibits.answer(what, which, encode([[], {}]))[0] == "error"
    assert exhibits.answer("surroundings", "resource", b"nonsense")[0] == "error"
    assert not closed


def test_what_belongs_to_the_places_process_is_refused_at_the_yield():
    """No effect gives such a value today; one that does must not break the place."""
    from tests.conformance import cell as suite

    verified = suite.CellSuite().verified(
        suite.pack(suite.handles, by=suite.OWNER, birth=suite.Birth(hop_limit=1), luggage=b"")
    )
    cell = cell_for(verified, suite.Here(suite.Place("baku"), verified.passport.agent), suite.LaunchTerms(process=True))
    assert isinstance(cell, ProcessCell)
    try:
        assert cell.advance() == Yielded("ready")
        outcome = cell.advance(threading.Lock())
        assert isinstance(outcome, Raised) and isinstance(outcome.error, ValueNotPlain)
        with pytest.raises(CellDied):
            os.kill(cell.pid, signal.SIGKILL)
            cell.look()
        assert isinstance(cell.advance(), Raised)
    finally:
        cell.leave()


@agent
def has_a_handle(here, other):
    child = yield spawn(adds, 1)
    yield send(other, child.agent)
    try:
        child.result(timeout=1)
    except Exception as error:
        return type(error).__name__


def test_handles_name_agents_and_cannot_ask(platform):
    """The process has no connection to the platform."""
    other = platform.launch(answers, at="lima")
    handle = platform.launch(has_a_handle, other.agent, at="baku", process=True)
    assert handle.result(timeout=20) == "NotConnected"
    assert platform.get(other.ask("?")).result(timeout=20)[0] == 2


@agent
def calls_for_ever(here):
    import time

    here.log("begins")
    yield call(time.sleep, 60)


@agent
def never_closes(here):
    try:
        here.log("begins")
        yield sleep(60)
    finally:
        while True:
            pass


def test_force_in_a_call_and_in_a_finally_block(platform):
    for unit in (calls_for_ever, never_closes):
        handle = platform.launch(unit, at="baku", process=True)
        assert until(lambda handle=handle: any(event.data.get("text") == "begins" for event in handle.logs()))
        with ThreadPoolExecutor(1) as pool:
            if unit is never_closes:
                pool.submit(lambda handle=handle: handle.stop(timeout=10))
                time.sleep(0.3)
            handle.stop(timeout=5, force=True)
        with pytest.raises(AgentStopped):
            handle.result(timeout=5)


@agent
class Surveyor:
    """Weak, and in a process."""

    def __init__(self, places):
        import os

        self.left = list(places)
        self.found = []
        self.made = os.getpid()

    def arrive(self, here):
        import os

        self.found.append((here.name, os.getpid()))
        return hop(self.left.pop(0)) if self.left else done((self.made, self.found))

    def refused(self, here, error):
        self.found.append(type(error).__name__)
        return self.arrive(here)


@pytest.mark.parametrize("way", ["class", "object"])
def test_class_agents(platform, way):
    if way == "class":
        handle = platform.launch(Surveyor, ["oslo", "nowhere", "lima"], at="baku", process=True)
    else:
        handle = platform.launch(Surveyor(["oslo", "nowhere", "lima"]), at="baku", process=True)
    made, found = handle.result(timeout=30)
    names = [one if isinstance(one, str) else one[0] for one in found]
    assert names == ["baku", "oslo", "UnknownPlace", "oslo", "lima"]
    pids = {one[1] for one in found if not isinstance(one, str)}
    assert len(pids) == 3 and os.getpid() not in pids
    assert (made == found[0][1]) if way == "class" else (made == os.getpid())


@agent
def large(here, count):
    import numpy as np

    data = np.arange(count, dtype=np.float64)
    here = yield hop("oslo")
    data[0] = 7.0
    here = yield hop("lima")
    return float(data.sum() - data[0]), float(data[0]), here.name


def test_large_buffers_go_there_and_back(platform):
    count = 2_000_000
    total, first, name = platform.launch(large, count, at="baku", process=True).result(timeout=60)
    assert (total, first, name) == (count * (count - 1) / 2, 7.0, "lima")


class Own(Exception):
    def __init__(self, what, more):
        super().__init__(what)
        self.more = more


@agent
def ends(here, how):
    yield
    if how == "raises":
        raise Own("mine", [1])
    if how == "builtin":
        raise LookupError("gone")
    if how == "exits":
        raise SystemExit(3)
    return object()


def test_how_it_ends(platform):
    def end(how):
        return raised(platform.launch(ends, how, at="baku", process=True))

    mine = end("raises")
    assert isinstance(mine, Own) and (str(mine), mine.more) == ("mine", [1])
    assert 'raise Own("mine", [1])' in str(mine.__cause__) and "processes/child.py" not in str(mine.__cause__)
    assert isinstance(end("builtin"), LookupError)
    assert isinstance(end("exits"), AgentFailed)
    assert isinstance(end("nothing that is plain"), ResultNotPlain)


# -- death -------------------------------------------------------------------------------------------------------------


@agent
def dies(here, how):
    import ctypes
    import os
    import time

    def die():
        if how == "exit":
            os._exit(7)
        elif how == "kill":
            os.kill(os.getpid(), 9)
        elif how == "fault":
            ctypes.string_at(0)
        elif how == "closes":
            os.closerange(3, 65536)  # it has the number that it had in the place's process
            time.sleep(30)

    if how == "in a call":
        yield call(os._exit, 5)
    yield
    die()
    yield sleep(30)


HOW = {
    "exit": "has ended itself, with the status 7",
    "kill": "was ended by the signal SIGKILL",
    "fault": "was ended by the signal SIGSEGV",
    "in a call": "has ended itself, with the status 5",
    "closes": "did not listen to its place any more",
}


@pytest.mark.parametrize("how", HOW)
def test_death_ends_that_agent_alone(platform, how):
    other = platform.launch(answers, at="baku", process=True)
    handle = platform.launch(dies, how, at="baku", process=True)
    error = raised(handle)
    assert isinstance(error, CellDied) and HOW[how] in str(error) and handle.agent in str(error)
    assert "its place and the other agents there go on" in str(error)
    other.send(5)
    assert other.ask("?") == 5


@agent
def waits(here):
    import os

    here.log(f"pid {os.getpid()}")
    message = yield receive(60)
    return message.value, os.getpid()


def pid_of(handle):
    def told():
        texts = [event.data["text"] for event in handle.logs() if event.kind == "said"]
        return int(texts[-1].split()[1]) if texts else None

    return until(told)


def test_death_while_it_waits_is_noticed_at_once(platform):
    handle = platform.launch(waits, at="baku", process=True)
    os.kill(pid_of(handle), signal.SIGKILL)
    began = time.monotonic()
    assert isinstance(raised(handle), CellDied)
    assert time.monotonic() - began < 5


@agent
def stubborn(here):
    import os

    here.log(f"pid {os.getpid()}")
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
    yield


def test_force_kills_what_handles_everything(platform):
    """Also what no exception could end."""
    handle = platform.launch(stubborn, at="baku", process=True)
    pid = pid_of(handle)
    handle.stop(timeout=5, force=True)
    with pytest.raises(AgentStopped):
        handle.result(timeout=5)
    with pytest.raises(AgentEnded):
        handle.stop(timeout=5, force=True)
    assert until(lambda: not psutil.pid_exists(pid), 5)


def test_stop_move_state_clone_freeze(platform, tmp_path):
    handle = platform.launch(waits, at="baku", process=True)
    first = pid_of(handle)
    state = handle.state(timeout=10)
    assert state["function"] == "waits" and "receive(60)" in state["text"] and state["variables"]
    handle.move("oslo", timeout=20)
    assert until(lambda: not psutil.pid_exists(first), 5), "what has left is gone"
    twin = handle.clone("lima", timeout=20)
    twin.send("twin")
    assert twin.result(timeout=20)[0] == "twin"
    handle.freeze(tmp_path / "a.sojourn", timeout=20)
    again = platform.thaw(tmp_path / "a.sojourn", at="lima")
    again.send("thawed")
    value, pid = again.result(timeout=20)
    assert value == "thawed" and pid not in (first, os.getpid())
    other = platform.launch(waits, at="baku", process=True)
    pid_of(other)
    other.stop(timeout=10)
    with pytest.raises(AgentStopped):
        other.result(timeout=5)


def test_a_killed_place_takes_it_back_into_a_new_process(platform):
    handle = platform.launch(waits, at="baku", process=True)
    first = pid_of(handle)
    platform.kill("baku")
    assert until(lambda: not psutil.pid_exists(first), 5)
    platform.start("baku")
    handle.send("again")
    value, pid = handle.result(timeout=20)
    assert value == "again" and pid not in (first, os.getpid())


def test_no_process_no_landing(platform, monkeypatch):
    """The agent goes elsewhere, or is not born; a place without processes is as good as before for others."""

    def nothing(*args, **kwargs):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(starting.subprocess, "Popen", nothing)
    with pytest.raises(MoveRefused, match="the system does not start it: .*Resource temporarily unavailable") as caught:
        platform.launch(tells, [], at="baku", process=True)
    assert caught.value.why == "cell-failed"
    assert platform.launch(tells, [], at="baku").result(timeout=10)


def test_what_cannot_be_decoded_is_refused_before_it_is_born(platform):
    class Evil:
        def __reduce__(self):
            return int, ("x",)

    with pytest.raises(MoveRefused):
        platform.launch(tells, Evil(), at="baku", process=True)
    assert until(lambda: not children())


PROGRAM = """
import sys, time
from agents.testing.local import LocalPlatform
from tests.agents.processes.test_process_agents import stubborn, pid_of
platform = LocalPlatform(["baku"])
handle = platform.launch(stubborn, at="baku", process=True)
print(pid_of(handle), flush=True)
time.sleep(60)
"""


def test_no_orphan_is_left_when_the_place_is_killed(tmp_path):
    """It computes, and hears nothing: the system ends it."""
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, cwd=root, text=True) as process:
        try:
            assert process.stdout is not None
            pid = int(process.stdout.readline())
            assert psutil.pid_exists(pid)
        finally:
            process.kill()
    assert until(lambda: not psutil.pid_exists(pid), 5)


def test_the_process_knows_no_secret(platform, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.setenv("MY_TOKEN", "secret")

    @agent
    def looks(here):
        import os
        import sys

        return sorted(os.environ), "ray" in sys.modules
        yield

    names, ray = platform.launch(looks, at="baku", process=True).result(timeout=20)
    assert not {"RAY_AUTH_TOKEN", "MY_TOKEN"} & set(names) and not ray


class HandsOut:
    """What nobody elsewhere is to get hold of."""

    def rows(self):
        yield 1

    def module(self):
        import os

        return os

    def leaves(self):
        raise SystemExit(3)


@agent
def reaches_inward(here):
    seen = []
    thing = here.resource("thing")
    rows = thing.rows()
    for inward in (lambda: rows.gi_frame, lambda: rows.__class__, thing.module, thing.leaves):
        try:
            seen.append(str(inward()))
        except BaseException as error:
            seen.append(type(error).__name__)
    yield
    return seen


def test_no_way_leads_into_the_place_by_what_it_hands_out():
    """A generator's frame has the place's builtins; and a resource that would leave leaves no agent waiting."""
    with LocalPlatform(["oslo"], resources={"oslo": {"thing": HandsOut()}}) as platform:
        seen = platform.launch(reaches_inward, at="oslo", process=True).result(timeout=30)
        assert seen[0] == "AttributeError" and "of the place" not in seen[1] and seen[2] == "AttributeError"
        assert seen[3] == "SystemExit"
