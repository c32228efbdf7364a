"""A resource that moves is never lost and never there twice, whatever is killed at whichever moment."""

from __future__ import annotations

import random
import threading
import time

import pytest

from agents import agent, hop, receive, sleep
from agents.errors import AgentsError, MoveFailed, PlaceUnreachable, ResourceMissing, StoreFailed
from agents.handoff import Fence, Granted, Take
from agents.handoff.ledger import Holder, Row, Status
from agents.place.holdings import came_about
from agents.protocol import Transfer
from agents.resources import Resource
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, until
from tests.agents.place.test_crashes import QUICK, KillsAt, revive

ID = "baku/parcel"


def offered():
    return {"baku": {"parcel": Resource([1, 2, 3], attachment="unattached", type="parcel"), "number": 1}}


def holders(platform, resource=ID):
    """The places at which it can be used."""
    running = list(platform.running.items())  # which others change meanwhile
    return sorted(name for name, place in running if place.binding.holdings.has(resource))


def check_exactly_one(platform, at=None, content=(1, 2, 3)):
    """Now, and after all places were started again."""
    for again in (False, True):
        if again:
            for name in PLACES:
                platform.kill(name)
                platform.start(name)
        assert until(lambda: len(holders(platform)) == 1, 15), holders(platform)
        (holder,) = holders(platform)
        assert at in (None, holder)
        assert platform.running[holder].resource("x", ID) == list(content)
        for name in PLACES:
            if name != holder:
                with pytest.raises(ResourceMissing):
                    platform.running[name].resource("x", "parcel")


@agent
def carries(here, to):
    """Takes it along at "go", however often that fails; tells at "end" how it has it."""
    bound = here.bind("parcel")
    while (message := (yield receive())).value != "end":
        while here.name != to:
            try:
                here = yield hop(to)
            except MoveFailed:
                yield sleep(0.02)
    return here.name, bound.how, bound.value


@pytest.mark.parametrize("victim", ["baku", "oslo", "directory"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(4))
def test_a_party_of_the_move_killed_at_each_of_its_requests(number, when, victim):
    """Started again, the resource is where the agent is, and nowhere else; also when all are started again."""
    with LocalPlatform(PLACES, options=QUICK, resources=offered()) as platform:
        handle = platform.launch(carries, "oslo", at="baku")
        killer = platform.net.tamper = KillsAt(platform, number, when, victim)
        handle.client._hints[handle.agent] = "baku"
        handle.send("go", timeout=20)
        if killer.struck.wait(1.0):
            time.sleep(0.1)
            assert len(holders(platform)) <= 1
            revive(platform, victim)
        platform.net.tamper = None
        assert until(lambda: handle.place() == "oslo", 15)
        handle.send("end", timeout=20)
        assert handle.result(timeout=20) == ("oslo", "local", [1, 2, 3])
        check_exactly_one(platform, at="oslo")


@agent
def takes_once(here, to):
    """One attempt."""
    bound = here.bind("parcel")
    yield receive()
    try:
        here = yield hop(to)
    except MoveFailed as error:
        return here.name, bound.how, error.why
    return here.name, bound.how, "moved"


@pytest.mark.parametrize("granted_first", [False, True])
def test_the_source_dies_while_its_agent_is_on_the_way(granted_first):
    """It comes back and does not know. Where the directory had granted the move, the resource is gone; where not, the
    agent is restored, and the resource is here."""
    with LocalPlatform(PLACES, options=QUICK, resources=offered()) as platform:
        handle = platform.launch(takes_once, "oslo", at="baku")
        struck, released = threading.Event(), threading.Event()

        def strikes(whom, request, deliver):
            if whom != "directory" or request[0] != "submit" or not isinstance(request[1][0], Take):
                return deliver()
            if struck.is_set():
                return deliver()
            answer = deliver() if granted_first else None
            platform.kill("baku")
            struck.set()
            released.wait(10)
            return deliver() if answer is None else answer

        platform.net.tamper = strikes
        handle.send("go")
        assert struck.wait(10)
        kept = {each.resource: each for each in _kept_by(platform, "baku")}
        assert kept[ID].record is not None, "it is written down as leaving before it is sent"
        platform.start("baku")
        if granted_first:
            assert until(lambda: platform.running["baku"].binding.holdings.whereto(ID) == "oslo", 10)
        else:
            assert until(lambda: not platform.running["baku"].binding.holdings.is_leaving(ID), 10)
        released.set()
        platform.net.tamper = None
        if granted_first:
            assert handle.result(timeout=20) == ("oslo", "local", "moved")
            check_exactly_one(platform, at="oslo")
        else:  # restored, it has read the message again; oslo may still have had its first bundle in hand
            name, how, _ = handle.result(timeout=20)
            assert how == "local"
            check_exactly_one(platform, at=name)


def _kept_by(platform, name):
    """What a place that is dead has on disk."""
    import sqlite3

    from agents.checkpoints import KeptResource

    database = sqlite3.connect(platform.folder / "places" / name / "checkpoints.sqlite")
    try:
        return [KeptResource(*row) for row in database.execute("SELECT resource, record, content FROM resources")]
    finally:
        database.close()


def test_the_destination_dies_between_the_grant_and_the_arrival():
    """The agent is its own by then: when it comes back, it brings the resource in."""
    with LocalPlatform(PLACES, options=QUICK, resources=offered()) as platform:
        handle = platform.launch(takes_once, "oslo", at="baku")
        struck = threading.Event()

        def strikes(whom, request, deliver):
            answer = deliver()
            if whom == "directory" and request[0] == "submit" and isinstance(answer, Granted):
                if isinstance(request[1][0], Take) and not struck.is_set():
                    platform.kill("oslo")
                    struck.set()
            return answer

        platform.net.tamper = strikes
        handle.send("go")
        assert struck.wait(10)
        time.sleep(0.3)
        assert holders(platform) == []
        platform.net.tamper = None
        assert _kept_by(platform, "oslo") == []
        platform.start("oslo")
        assert handle.result(timeout=20) == ("oslo", "local", "moved")
        check_exactly_one(platform, at="oslo")


def test_the_answer_is_lost_and_the_directory_says_it():
    """The destination has it, the source has heard nothing."""
    with LocalPlatform(PLACES, options=QUICK, resources=offered()) as platform:
        handle = platform.launch(takes_once, "oslo", at="baku")

        def loses(whom, request, deliver):
            answer = deliver()
            if isinstance(request, Transfer):
                raise PlaceUnreachable(whom, "the answer was lost")
            return answer

        platform.net.tamper = loses
        handle.send("go")
        assert until(lambda: holders(platform) == ["oslo"], 15)
        platform.net.tamper = None
        assert handle.result(timeout=20) == ("oslo", "local", "moved")
        assert until(lambda: platform.running["baku"].binding.holdings.whereto(ID) == "oslo", 10)
        check_exactly_one(platform, at="oslo")


def test_the_request_is_lost_and_the_move_is_fenced():
    with LocalPlatform(PLACES, options=QUICK, resources=offered()) as platform:
        handle = platform.launch(takes_once, "oslo", at="baku")

        def loses(whom, request, deliver):
            if isinstance(request, Transfer):
                time.sleep(0.1)
                raise PlaceUnreachable(whom, "the answer was lost")
            return deliver()

        platform.net.tamper = loses
        handle.send("go")
        name, how, _ = handle.result(timeout=20)
        assert (name, how) == ("baku", "local")
        check_exactly_one(platform, at="baku")


@pytest.mark.parametrize("fails", ["leave", "settle", "install"])
def test_a_disk_that_is_full_for_a_moment(fails, monkeypatch, capfd):
    """When it cannot be written down that it leaves, it stays; afterwards it is written down as soon as can be."""
    with LocalPlatform(PLACES, options=QUICK, resources=offered()) as platform:
        handle = platform.launch(takes_once, "oslo", at="baku")
        place = platform.running["oslo" if fails == "install" else "baku"]
        keep, calls = type(place.core.store).keep_resources, []

        def full(store, kept):
            calls.append(store.place)
            mine = [each for each in calls if each == place.name]
            if store is place.core.store and len(mine) == (2 if fails == "settle" else 1):
                raise StoreFailed(place.name, "full")
            return keep(store, kept)

        monkeypatch.setattr(type(place.core.store), "keep_resources", full)
        handle.send("go")
        if fails == "leave":
            with pytest.raises(StoreFailed):
                handle.result(timeout=20)
            assert holders(platform) == ["baku"]
        else:
            assert handle.result(timeout=20) == ("oslo", "local", "moved")
        assert until(lambda: not platform.running["baku"].binding.holdings.open_departures(), 10)
        check_exactly_one(platform, at="baku" if fails == "leave" else "oslo")
    capfd.readouterr()


@agent
def comes_back(here, to):
    """There and back, so that its old place had it twice."""
    bound = here.bind("parcel")
    home = here.name
    yield receive()
    here = yield hop(to)
    bound.append(4)
    here = yield hop(home)
    yield receive()
    return here.name, bound.how, bound.value


def test_there_and_back():
    """What came back is the one that was changed, and not the one that the place was started with."""
    with LocalPlatform(PLACES, options=QUICK, resources=offered()) as platform:
        handle = platform.launch(comes_back, "oslo", at="baku")
        handle.send("go")
        assert until(lambda: holders(platform) == ["baku"] and len(platform.running["baku"].resource("x", ID)) == 4)
        platform.kill("baku")
        platform.start("baku")
        handle.send("end")
        assert handle.result(timeout=20) == ("baku", "local", [1, 2, 3, 4])
        check_exactly_one(platform, at="baku", content=(1, 2, 3, 4))


@agent
def brings(here, to):
    bound = here.bind("parcel")
    here = yield hop(to)
    while (yield receive()).value != "end":
        pass
    return bound.how


@agent
def fetches(here, to):
    bound = here.bind(ID)
    here = yield hop(to)
    return bound.how


def test_an_old_checkpoint_does_not_bring_it_in_again():
    """Its agent came in with it; another one took it further; then the place is killed."""
    with LocalPlatform(PLACES, options=QUICK, resources=offered()) as platform:
        first = platform.launch(brings, "oslo", at="baku")
        assert until(lambda: holders(platform) == ["oslo"], 10)
        assert platform.launch(fetches, "lima", at="oslo").result(timeout=20) == "local"
        assert holders(platform) == ["lima"]
        for _ in range(2):
            platform.kill("oslo")
            platform.start("oslo")
            assert until(lambda: first.place() == "oslo", 10)
            assert holders(platform) == ["lima"]
        first.send("end", timeout=20)
        assert first.result(timeout=20) == "gone"
        check_exactly_one(platform, at="lima")


@agent
def hunts(here, seed, rounds):
    """Looks for the parcel, takes it along to somewhere, lets go of it, and so on."""
    rng = random.Random(seed)
    taken = 0
    for _ in range(rounds):
        bound = None
        try:
            bound = here.bind(ID)
        except AgentsError:
            pass
        to = rng.choice([name for name in ("baku", "oslo", "lima") if name != here.name])
        mine = bound is not None and bound.how == "local"
        try:
            if bound is not None and bound.how == "reference":
                bound.release()
                to = bound_place(here, to)
            here = yield hop(to)
            taken += mine
        except AgentsError:
            yield sleep(0.01)
        if bound is not None:
            try:
                bound.release()
            except AgentsError:
                pass
    return taken


def bound_place(here, to):
    """Where it is, else anywhere."""
    try:
        probe = here.bind(ID)
        place = probe.place
        probe.release()
    except AgentsError:
        return to
    return place if place != here.name else to


@pytest.mark.parametrize("seed", range(3))
def test_hunters_and_killers(seed):
    """Several agents take it from each other while places are killed at random: at no time is it at two of them, and
    in the end it is there."""
    rng = random.Random(seed)
    with LocalPlatform(PLACES, options=QUICK, resources=offered()) as platform:
        hunters = [platform.launch(hunts, seed * 10 + n, 25, at=PLACES[n % 3]) for n in range(4)]
        stop = threading.Event()
        twice = []

        def watch():
            # One look at all places is not atomic: what is at two of them stays so at the next look.
            while not stop.wait(0.002):
                found = holders(platform)
                if len(found) > 1 and all(found == holders(platform) for _ in range(20)):
                    twice.append(found)

        watcher = threading.Thread(target=watch, name="watcher")
        watcher.start()
        try:
            for _ in range(4):
                time.sleep(rng.uniform(0.1, 0.6))
                victim = rng.choice(PLACES)
                platform.kill(victim)
                time.sleep(rng.uniform(0.0, 0.3))
                platform.start(victim)
            results = [hunter.result(timeout=90) for hunter in hunters]
        finally:
            stop.set()
            watcher.join(10)
        assert not twice
        assert sum(results) >= 1, "it was moved at all"
        check_exactly_one(platform)


# -- what the directory says ------------------------------------------------------------------------------------------


def row(epoch, since, status=Status.HELD):
    return Row("a", epoch, status, Holder("oslo", "w"), since, b"r")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, None),
        (row(5, 3), None),  # still under way
        (row(6, 6), True),  # taken
        (row(9, 8), True),  # taken, and more
        (row(6, 3), False),  # fenced
        (row(8, 3), False),  # restored at the same place, again and again
        (row(7, 3, Status.ENDED), False),  # ended where it was
        (row(7, 6, Status.ENDED), True),  # ended there
        (row(7, 3, Status.FROZEN), False),
    ],
)
def test_what_the_directory_says_of_a_move(told, expected):
    """Of one that began at epoch 5."""
    assert came_about(told, 5) is expected


def test_it_is_what_the_ledger_does():
    """Against the ledger itself: a take begins a new stay, a fence does not."""
    from agents.handoff.ledger import decide

    start = row(5, 3)
    taken, _ = decide(start, Take("a", 5, Holder("lima", "x"), b"s", b"r"), lambda holder: True)
    fenced, _ = decide(start, Fence("a", 5, Holder("oslo", "w"), b"s"), lambda holder: True)
    assert (came_about(taken, 5), came_about(fenced, 5)) == (True, False)
