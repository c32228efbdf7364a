"""A place is emptied: nobody comes in, all who can leave do, none is lost or doubled, and it survives being killed."""

from __future__ import annotations

import threading
import time

import pytest

from agents import agent, clone, hop, receive, sleep, spawn
from agents.draining import Drained
from agents.errors import MoveRefused, NoOtherPlace, UnknownPlace
from agents.place import PlaceOptions
from agents.place.draining import Draining
from agents.protocol import Done, Drain, Transfer
from agents.testing.local import LocalPlatform
from mobility.bundle import Birth
from tests.agents.place.conftest import PLACES, until

QUICK = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.03, directory_seconds=1.0, held_seconds=0.1)


@agent
def counts(here, most):
    """Counts with a pause at each number; tells the number and the places at which it counted."""
    seen = []
    for number in range(most):
        if not seen or seen[-1] != here.name:
            seen.append(here.name)
        yield sleep(0.01)
    return most, seen


@agent
def waits(here):
    message = yield receive()
    return here.name, message.value


@agent
def computes(here, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    yield
    yield receive()


@agent
def goes(here, place):
    try:
        here = yield hop(place)
    except MoveRefused as error:
        return error.why, here.name, str(error)
    return here.name


@agent
def has_children(here):
    yield receive()
    child = yield spawn(waits, at=here.name)
    twin = yield clone()
    if twin.is_clone:
        return (yield receive())
    return child.agent, twin.other.agent, here.name


def test_all_leave_for_the_places_with_the_fewest_agents_and_go_on(platform):
    """Whether they sleep, wait or compute; each ends once, with the right result."""
    crowd = [platform.launch(waits, at="lima") for _ in range(4)]
    counting = [platform.launch(counts, 150, at="baku") for _ in range(5)]
    waiting = [platform.launch(waits, at="baku") for _ in range(5)]
    report = platform.drain("baku", timeout=20)
    assert len(report.moved) == 10 and not report.stayed
    there = [one.to for one in report.agents]
    assert there.count("oslo") == 7 and there.count("lima") == 3  # seven each, with the four that were there
    assert platform.client.describe_place("baku").about["agents"] == 0
    for handle in counting:
        assert handle.result(timeout=20)[0] == 150
    for number, handle in enumerate([*waiting, *crowd]):
        handle.send(number)
        assert handle.result(timeout=20)[1] == number
    assert str(report).splitlines()[0].startswith("baku: 10 of 10 agents have left")


def test_nobody_is_let_in_until_it_is_opened_again(platform):
    """Not by a launch, a hop, a move, or from a file; the refusal says what to do."""
    frozen = platform.launch(waits, at="oslo").freeze()
    platform.drain("baku", timeout=10)
    assert platform.client.describe_place("baku").about["draining"] is True
    with pytest.raises(MoveRefused, match=r"place-draining.*sojourn reopen baku") as caught:
        platform.launch(waits, at="baku")
    assert caught.value.why == "place-draining"
    why, where, text = platform.launch(goes, "baku", at="oslo").result(timeout=10)
    assert (why, where) == ("place-draining", "oslo") and "unharmed" in text
    moving = platform.launch(waits, at="oslo")
    with pytest.raises(MoveRefused, match="place-draining"):
        moving.move("baku")
    with pytest.raises(MoveRefused, match="place-draining"):
        platform.thaw(frozen, at="baku")
    assert {platform.launch(waits).place() for _ in range(20)} == {"lima", "oslo"}
    platform.reopen("baku")
    assert platform.launch(waits, at="baku").place() == "baku"
    assert platform.thaw(frozen, at="baku").place() == "baku"


def test_a_file_is_thawed_elsewhere_if_its_place_is_drained(platform):
    """Where nobody says where, it goes on at its last place, unless that lets nobody in."""
    frozen = platform.launch(waits, at="baku").freeze()
    platform.drain("baku", timeout=10)
    assert platform.thaw(frozen).place() in ("lima", "oslo")


def test_children_that_are_born_meanwhile_leave_too(platform):
    """The place's own agents may have children there, while it lets nobody else in; nothing of them stays."""
    handle = platform.launch(has_children, at="baku")
    platform.running["baku"].core.draining = True  # as between the first moment of a drain and the agent's turn
    handle.send("now")
    child, twin, where = handle.result(timeout=10)
    assert {platform.get(one).place() for one in (child, twin)} == {where} == {"baku"}
    report = platform.drain("baku", timeout=20)
    assert {one.agent for one in report.moved} == {child, twin} and not report.stayed
    assert platform.client.describe_place("baku").about["agents"] == 0
    assert platform.get(child).place() != "baku" and platform.get(twin).place() != "baku"


def test_who_computes_longer_than_there_is_time_stays_and_goes_on(platform):
    """The report says so; a later drain moves it."""
    busy = platform.launch(computes, 2.0, at="baku")
    time.sleep(0.1)
    report = platform.drain("baku", timeout=0.6)
    (left,) = report.stayed
    assert (left.agent, left.why) == (busy.agent, "agent-busy") and "computes" in left.problem
    assert "stays" in str(report)
    later = platform.drain("baku", timeout=20)
    assert [one.agent for one in later.moved] == [busy.agent]


def test_who_is_admitted_nowhere_stays_with_the_reasons_of_all():
    """Its birth certificate allows this place alone."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        bound = platform.launch(waits, at="baku", birth=Birth(places=("baku",)))
        free = platform.launch(waits, at="baku")
        report = platform.drain("baku", timeout=15)
        (left,) = report.stayed
        assert left.agent == bound.agent and left.why == "refused-by-all" and set(left.refused) == {"oslo", "lima"}
        assert [one.agent for one in report.moved] == [free.agent]
        bound.send(3)
        assert bound.result(timeout=10) == ("baku", 3)


def test_only_the_places_that_are_named(platform):
    handles = [platform.launch(waits, at="baku") for _ in range(4)]
    report = platform.drain("baku", "lima", timeout=10)
    assert {one.to for one in report.agents} == {"lima"} == {handle.place() for handle in handles}


def test_what_cannot_be_drained():
    """An unknown place, one for which there is no other, and one that is to go to itself; nothing has begun then."""
    with LocalPlatform(["baku"], options=QUICK) as platform:
        handle = platform.launch(waits, at="baku")
        with pytest.raises(UnknownPlace, match="nowhere"):
            platform.drain("nowhere")
        with pytest.raises(NoOtherPlace, match="sojourn freeze"):
            platform.drain("baku")
        with pytest.raises(NoOtherPlace):
            platform.drain("baku", ["baku"])
        with pytest.raises(UnknownPlace):
            platform.drain("baku", ["elsewhere"])
        with pytest.raises(ValueError, match="timeout"):
            platform.drain("baku", timeout=-1)
        assert platform.launch(waits, at="baku").place() == "baku"
        handle.send(1)
        assert handle.result(timeout=10) == ("baku", 1)


def test_twice_at_once_is_as_once(platform):
    """Both end, and no agent is moved twice."""
    handles = [platform.launch(counts, 300, at="baku") for _ in range(8)]
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(platform.drain("baku", timeout=20))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert sorted(len(report.agents) for report in reports) == [0, 8]
    assert all(len(handle.trail()) == 1 for handle in handles)
    assert all(len(handle.result(timeout=30)[1]) == 2 for handle in handles)


def test_agents_that_arrive_at_that_moment_leave_again(platform):
    """Whoever was let in before is moved; whoever was not is where it was."""
    handles = [platform.launch(counts, 100, at="oslo") for _ in range(12)]

    def move(handle):
        try:
            handle.move("baku", timeout=20)
        except MoveRefused as error:
            assert error.why == "place-draining"

    threads = [threading.Thread(target=move, args=(handle,)) for handle in handles]
    for thread in threads:
        thread.start()
    report = platform.drain("baku", "lima", timeout=20)
    for thread in threads:
        thread.join(30)
    assert not report.stayed
    assert platform.client.describe_place("baku").about["agents"] == 0
    assert {handle.result(timeout=20)[0] for handle in handles} == {100}


def test_a_place_that_is_killed_meanwhile_goes_on_with_it_when_it_is_back():
    """It is closed as before, and its agents leave without anybody asking again."""
    with LocalPlatform(PLACES, options=QUICK, lease_seconds=2.0) as platform:
        handles = [platform.launch(waits, at="baku") for _ in range(6)]
        stopped = threading.Event()

        def tamper(whom, request, deliver):
            if isinstance(request, Transfer):
                stopped.set()
                time.sleep(0.2)
            return deliver()

        platform.net.tamper = tamper
        asking = threading.Thread(target=lambda: _ignored(lambda: platform.drain("baku", timeout=30)))
        asking.start()
        assert stopped.wait(10)
        platform.kill("baku")
        platform.net.tamper = None
        asking.join(30)
        platform.start("baku")
        assert platform.client.describe_place("baku").about["draining"] is True
        assert until(lambda: all(handle.place() in ("oslo", "lima") for handle in handles), 20)
        for number, handle in enumerate(handles):
            handle.send(number)
            assert handle.result(timeout=20)[1] == number


def test_a_place_whose_node_has_gone_is_open_on_another_one():
    """It was closed for the sake of that node: a pod that is started again has the same folder, and another node."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        place = platform.running["baku"]
        place.core.about["node"] = "4f19"
        assert isinstance(place.serve(Drain((), 5.0, "4f19")), Done)
        again = Draining(place.core, place.controlling.wish)
        for node, closed in (("4f19", True), ("83ab", False), ("4f19", False)):  # once open, it stays open
            place.core.about["node"], place.core.draining = node, False
            again.load()
            assert place.core.draining is closed


@pytest.mark.parametrize("first", ["by hand", "by its node"])
def test_a_place_that_was_closed_by_hand_too_is_closed_on_any_node(platform, first):
    """Whichever came first."""
    place = platform.running["baku"]
    place.core.about["node"] = "4f19"
    for node in ("", "4f19") if first == "by hand" else ("4f19", ""):
        assert isinstance(place.serve(Drain((), 5.0, node)), Done)
    platform.kill("baku")
    assert platform.start("baku").core.draining


def test_a_place_that_is_back_before_all_others_goes_on_when_they_are():
    """As when a whole cluster is started again; that it has to wait is no defect."""
    with LocalPlatform(["baku", "oslo"], options=QUICK, lease_seconds=2.0) as platform:
        handle = platform.launch(waits, at="baku")
        platform.kill("oslo")
        asking = threading.Thread(target=lambda: _ignored(lambda: platform.drain("baku", timeout=30)))
        asking.start()
        assert until(lambda: platform.running["baku"].core.draining)
        platform.kill("baku")
        asking.join(30)
        known = platform.net._servers.pop("oslo")  # nobody knows of it yet
        place = platform.start("baku")
        time.sleep(0.3)
        assert place.core.draining and place._defects == 0 and handle.place() == "baku"
        platform.net._servers["oslo"] = known
        platform.start("oslo")
        assert until(lambda: handle.place() == "oslo", 20)
        assert place._defects == 0


def test_an_agent_whose_move_breaks_off_is_not_said_to_have_left():
    """By a defect of the platform: it stays, the report says so, and the place has told of the defect."""
    with LocalPlatform(["baku", "oslo"], options=QUICK) as platform:
        handle = platform.launch(waits, at="baku")
        place = platform.running["baku"]

        def broken(control):
            raise RuntimeError("a defect")

        done = Draining(place.core, broken).drain(Drain((), 2.0))
        (left,) = Drained.of("baku", done.value, 0.0).stayed
        assert left.agent == handle.agent and "a defect" in left.problem
        assert place._defects == 1


def test_a_destination_that_dies_meanwhile_is_passed_by():
    """Each agent is at one place in the end, and none is lost."""
    with LocalPlatform(PLACES, options=QUICK, lease_seconds=2.0) as platform:
        handles = [platform.launch(waits, at="baku") for _ in range(8)]
        seen = []
        killing = threading.Thread(target=platform.kill, args=("lima",))

        def tamper(whom, request, deliver):
            if isinstance(request, Transfer) and whom == "lima":
                seen.append(request.agent)
                if len(seen) == 2:
                    killing.start()
            return deliver()

        platform.net.tamper = tamper
        report = platform.drain("baku", timeout=25)
        platform.net.tamper = None
        killing.join(20)
        assert not report.stayed
        platform.start("lima")
        for number, handle in enumerate(handles):
            handle.send(number)
            assert handle.result(timeout=20)[1] == number


def _ignored(work):
    try:
        work()
    except Exception:  # the place was killed: whoever asked hears that, and that is not looked at here
        pass
