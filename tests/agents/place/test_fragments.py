"""Pull and fragments: units that a place gets itself, and units that become services of a place."""

from __future__ import annotations

import random
import threading

import pytest

from agents import agent, hop
from agents.cell import InlineCell
from agents.errors import (
    DirectoryUnreachable,
    MoveFailed,
    MoveRefused,
    NotAFragment,
    PlaceUnreachable,
    ServiceTaken,
    ServiceUnusable,
    UnknownPlace,
    UnknownService,
    UnknownUnit,
    ValueNotPlain,
)
from agents.paradigms import publish, pull, request
from agents.place import PlaceOptions
from agents.protocol import PullUnit
from agents.testing.local import LocalPlatform
from mobility.bundle import Birth
from mobility.errors import MobilityError
from mobility.trust import Identity
from tests.agents.place.conftest import until

OPTIONS = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.05, directory_seconds=1.0)


def total(here, column, plus=0):
    return here.name, sum(here.resource(column)) + plus


def count(here, column):
    return len(here.resource(column))


def of_the_place(here):
    return "the place's own"


def where(here, *args, **kwargs):
    return here.name, list(args), kwargs


COUNTER = [0]


def counts(here):
    COUNTER[0] += 1
    return COUNTER[0]


@agent
def goes_round(here, places, mark):
    seen = [here.name]
    for place in places:
        here = yield hop(place)
        seen.append(here.name)
    return seen, mark


class Thing:
    def arrive(self, here):
        return None


@pytest.fixture
def platform():
    resources = {"oslo": {"readings": [1, 2, 3]}, "lima": {"readings": [10, 20]}}
    with LocalPlatform(resources=resources, services={"oslo": {"own": of_the_place}}, options=OPTIONS) as platform:
        yield platform
        assert not sum(place._defects for place in platform.running.values())


# -- pull


def test_a_place_gets_a_unit_and_starts_it(platform):
    """With arguments, a name and a passport: signed by the owner, and branched by the place that pulled it."""
    platform.publish(where, "where", at="oslo")
    handle = platform.pull("lima", "where", 1, from_="oslo", called="puller", deep=[2])
    assert handle.result(timeout=10) == ("lima", [1], {"deep": [2]})
    trail = handle.trail()
    assert trail.verified and [(link.origin, link.destination, link.child) for link in trail] == [
        ("lima", "lima", handle.agent)
    ]
    assert platform.get("puller").agent == handle.agent
    assert until(lambda: {"born", "ended"} <= {event.kind for event in handle.logs()})


def test_what_was_pulled_is_an_agent_like_any_other(platform):
    """It hops; its owner is who published it."""
    platform.publish(goes_round, "round", version="2.0", at="baku")
    handle = platform.pull("lima", "round", ["oslo", "baku"], "m", version="2", from_="baku")
    assert handle.result(timeout=10) == (["lima", "oslo", "baku"], "m")
    assert len(handle.trail()) == 3 and handle.trail().verified
    assert handle.status().owner == "tester"


@agent
def pulls(here, place, source):
    """From within an agent; a refusal comes to its yield."""
    handle = yield pull(place, "where", 5, from_=source)
    problems = []
    for wrong in (
        pull(place, "nothing", from_=source),
        pull(place, "where", version="9"),
        pull("nowhere", "where"),
        pull(place, "where", from_="nowhere"),
        pull(place, "where", object(), from_=source),
    ):
        try:
            yield wrong
        except Exception as error:
            problems.append(type(error).__name__)
    return handle.agent, problems


def test_within_an_agent(platform):
    """As from outside."""
    platform.publish(where, "where", at="oslo")
    pulled, problems = platform.launch(pulls, "lima", "oslo", at="baku").result(timeout=20)
    assert platform.get(pulled).result(timeout=10) == ("lima", [5], {})
    assert problems == ["UnknownUnit", "UnknownUnit", "UnknownPlace", "UnknownPlace", "ValueNotPlain"]


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({"name": "nothing"}, UnknownUnit),
        ({"name": "where", "version": "7"}, UnknownUnit),
        ({"digest": "ab" * 32}, UnknownUnit),
        ({"name": "where", "args": (object(),)}, ValueNotPlain),
        ({"name": "where", "at": "nowhere"}, UnknownPlace),
        ({"name": "where", "from_": "nowhere"}, UnknownPlace),
        ({"name": "where", "called": "client-x"}, ValueError),
        ({"name": "where", "fragment": "a b"}, ValueError),
    ],
)
def test_what_cannot_be_pulled(platform, wanted, kind):
    """Nothing is born, and the place is as it was."""
    platform.publish(where, "where", at="oslo")
    wanted = {"from_": "oslo", **wanted}
    place, name, args = wanted.pop("at", "lima"), wanted.pop("name", None), wanted.pop("args", ())
    with pytest.raises(kind):
        platform.pull(place, name, *args, **wanted)
    assert platform.agents(ended=False) == []


def test_the_receiver_decides(platform):
    """A place that trusts nobody of those does not start it, whoever asks; and a dead repository is named."""
    platform.publish(where, "where", at="oslo")
    platform.running["lima"].trust.owners = ()
    platform.running["lima"].trust._seen = None
    with pytest.raises(MobilityError) as caught:
        platform.pull("lima", "where", from_="oslo")
    assert caught.value.slug == "untrusted-signer"
    platform.kill("oslo")
    with pytest.raises(PlaceUnreachable, match="oslo"):
        platform.pull("baku", "where", from_="oslo")
    assert platform.agents() == []


def test_a_name_that_is_taken(platform):
    """As with launch."""
    platform.publish(goes_round, "round", at="oslo")
    platform.publish(waits, "waits", at="oslo")
    first = platform.pull("lima", "waits", called="puller", from_="oslo")
    with pytest.raises(MoveRefused) as caught:
        platform.pull("lima", "round", [], 1, called="puller", from_="oslo")
    assert caught.value.why == "agent-name-taken"
    first.stop()


@agent
def waits(here):
    from agents import receive

    yield receive()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("victim", ["oslo", "lima", "directory"])
def test_a_party_killed_while_a_unit_is_pulled(platform, victim, when):
    """There is one agent or none, and the error says which."""
    platform.publish(goes_round, "round", at="oslo")
    struck = threading.Event()

    def kill():
        if victim == "directory":
            platform.kill_directory()
        else:
            platform.kill(victim)

    def kills(whom, asked, deliver):
        counts = asked[0] == "submit" if whom == "directory" else isinstance(asked, PullUnit)
        if not counts or struck.is_set() or (victim == "directory") != (whom == "directory"):
            return deliver()
        platform.net.tamper = None
        answer = deliver() if when == "after" else None
        kill()
        struck.set()
        return answer if when == "after" else deliver()

    platform.net.tamper = kills
    revival = threading.Timer(
        0.5,
        lambda: struck.wait(5) and (platform.start_directory() if victim == "directory" else platform.start(victim)),
    )
    revival.start()
    try:
        handle = platform.pull("lima", "round", ["baku"], 4, from_="oslo", timeout=15)
    except (MoveFailed, PlaceUnreachable, DirectoryUnreachable):
        revival.join(10)
        assert platform.agents() == [], "and none is born later"
    else:
        revival.join(10)
        assert until(lambda: platform.agents() == [])
        assert handle.result(timeout=15) == (["lima", "baku"], 4)
    born = [event.agent for event in platform.logs() if event.kind == "born"]
    assert len(set(born)) <= 1


# -- fragments


def test_code_that_becomes_part_of_what_runs_at_a_place(platform):
    """Pushed and pulled; called from outside and by agents; it is told among the services."""
    assert platform.install("lima", total, "total") == {"service": "total", "place": "lima", "replaced": False}
    assert platform.call("lima", "total", "readings", plus=1) == ("lima", 31)
    platform.publish(count, "count", at="baku")
    handle = platform.pull("oslo", "count", from_="baku", fragment="counted")
    assert handle.result(timeout=10) == {"service": "counted", "place": "oslo", "replaced": False}
    assert platform.call("oslo", "counted", "readings") == 3
    told = platform.launch(total, "readings", at="lima", fragment="fixed").result(timeout=10)
    assert told["service"] == "fixed" and platform.call("lima", "fixed", 5) == ("lima", 35)
    about = {place.name: place.about["services"] for place in platform.places(details=True)}
    assert about == {"baku": [], "lima": ["fixed", "total"], "oslo": ["counted", "own"]}
    assert platform.launch(calls, "oslo", "counted", "readings", at="lima").result(timeout=10) == 3


@agent
def calls(here, place, service, *args):
    return (yield request(place, service, *args))


@agent
def spreads(here, places):
    """An agent publishes code of its own, and has places take it in as a fragment."""
    yield publish(count, "count", "1.0")
    done = []
    for place in places:
        handle = yield pull(place, "count", from_=here.name, fragment="count")
        done.append((place, handle.result(timeout=10)["service"], (yield request(place, "count", "readings"))))
    return done


def test_an_agent_spreads_a_fragment(platform):
    """Of its own code, without going there."""
    found = platform.launch(spreads, ["oslo", "lima"], at="baku").result(timeout=20)
    assert found == [("oslo", "count", 3), ("lima", "count", 2)]


def test_a_fragment_keeps_what_it_changes(platform):
    """As a part of its place does, and apart from another fragment of the same code."""
    platform.install("oslo", counts, "a")
    platform.install("oslo", counts, "b")
    assert [platform.call("oslo", name) for name in "aabaab"] == [1, 2, 1, 3, 4, 2]


def test_a_collision_is_refused(platform):
    """With a service of the place, whatever is asked; with a fragment, unless its owner replaces it."""
    platform.install("oslo", total, "total")
    for name, replace, says in (("own", True, "cannot be replaced"), ("total", False, "replace=True")):
        with pytest.raises(ServiceTaken, match="goes on as it was") as caught:
            platform.install("oslo", count, name, replace=replace)
        assert says in str(caught.value)
    assert platform.call("oslo", "own") == "the place's own"
    assert platform.call("oslo", "total", "readings") == ("oslo", 6)
    assert platform.install("oslo", count, "total", replace=True)["replaced"] is True
    assert platform.call("oslo", "total", "readings") == 3
    handle = platform.launch(count, at="oslo", fragment="total")
    with pytest.raises(ServiceTaken):
        handle.result(timeout=10)
    assert handle.status().state == "ended"


def test_another_owner_does_not_replace(platform):
    """Though the place trusts both."""
    other = Identity.generate("other", "owner")
    platform.running["oslo"].trust.owners = (platform.owner.public, other.public)
    platform.running["oslo"].trust._seen = None
    platform.install("oslo", total, "total")
    with pytest.raises(ServiceTaken, match="owner:tester"):
        platform.install("oslo", count, "total", replace=True, owner=other)
    assert platform.call("oslo", "total", "readings") == ("oslo", 6)
    assert platform.install("oslo", count, "others", owner=other)["service"] == "others"


def test_what_was_published_does_not_replace_what_is_something_else(platform):
    """Whoever may pull could otherwise have any published unit take the place of any fragment of its owner."""
    platform.publish(total, "total", at="lima")
    platform.publish(count, "count", at="lima")
    platform.install("oslo", total, "total")
    with pytest.raises(ServiceTaken):
        platform.pull("oslo", "count", fragment="total", replace=True).result(timeout=10)
    assert platform.call("oslo", "total", "readings") == ("oslo", 6)
    told = platform.pull("oslo", "total", fragment="total", replace=True).result(timeout=10)
    assert told["replaced"], "a unit replaces an earlier one of itself"


@pytest.mark.parametrize(("unit", "says"), [(goes_round, "yields"), (Thing, "type")])
def test_what_is_no_fragment(platform, unit, says):
    """An agent and a class; the unit ends with the error, and nothing is offered."""
    with pytest.raises(NotAFragment, match=says):
        platform.launch(unit, at="oslo", fragment="x").result(timeout=10)
    assert platform.places(details=True)[2].about["services"] == ["own"]


def test_a_name_that_no_service_has(platform):
    """Also where nobody has looked before."""
    with pytest.raises(ValueError, match="cannot be called"):
        platform.install("oslo", count, "a b")
    with pytest.raises(ValueError, match="cannot be called"):
        platform.launch(count, at="oslo", fragment="a b").result(timeout=10)


def test_removed(platform):
    """By name; the place's own services stay. Installed again, it is a new one."""
    platform.install("oslo", total, "total")
    platform.remove("oslo", "total")
    with pytest.raises(UnknownService):
        platform.call("oslo", "total", "readings")
    with pytest.raises(UnknownService):
        platform.remove("oslo", "total")
    with pytest.raises(ServiceTaken):
        platform.remove("oslo", "own")
    assert platform.call("oslo", "own") == "the place's own"
    platform.kill("oslo")
    platform.start("oslo")
    with pytest.raises(UnknownService):
        platform.call("oslo", "total", "readings")
    assert platform.install("oslo", count, "total") == {"service": "total", "place": "oslo", "replaced": False}


def test_installed_again_after_kill(platform):
    """With its arguments, pushed and pulled; the code is on the disk of the place."""
    platform.launch(total, "readings", at="oslo", fragment="total").result(timeout=10)
    platform.publish(count, "count", at="lima")
    platform.pull("oslo", "count", from_="lima", fragment="count").result(timeout=10)
    for _ in range(3):
        platform.kill("oslo")
        platform.start("oslo")
        assert platform.call("oslo", "total", plus=1) == ("oslo", 7)
        assert platform.call("oslo", "count", "readings") == 3
    with pytest.raises(ServiceTaken):
        platform.install("oslo", count, "total")


def test_verified_again_after_a_restart(platform):
    """Whose owner is trusted no more there, or that somebody has changed on the disk, is not run."""
    platform.install("oslo", count, "count")
    store = platform.running["oslo"].core.store
    kept = store.kept("fragments", "count")
    platform.kill("oslo")
    platform.start("oslo")
    platform.running["oslo"].trust.owners = ()
    platform.running["oslo"].trust._seen = None
    with pytest.raises(MobilityError) as caught:
        platform.call("oslo", "count", "readings")
    assert "trusted" in str(caught.value)
    platform.kill("oslo")
    platform.start("oslo")
    assert platform.call("oslo", "count", "readings") == 3, "with the owners with which it is started"
    from mobility.plain import decode, encode

    told = decode(kept)
    data = bytearray(told["bundle"])
    data[len(data) // 2] ^= 1
    platform.running["oslo"].core.store.keep("fragments", "count", encode({**told, "bundle": bytes(data)}))
    platform.kill("oslo")
    platform.start("oslo")
    with pytest.raises(MobilityError):
        platform.call("oslo", "count", "readings")


def test_a_fragment_ends_with_its_certificate(platform, monkeypatch):
    """Though nobody has started the place anew since."""
    handle = platform.launch(count, at="oslo", fragment="count", birth=Birth(lifetime=60))
    assert handle.result(timeout=10) and platform.call("oslo", "count", "readings") == 3
    from agents.place import fragments

    class Later:
        @staticmethod
        def time():
            import time

            return time.time() + 10_000

    monkeypatch.setattr(fragments, "time", Later)
    with pytest.raises(ServiceUnusable, match="expired"):
        platform.call("oslo", "count", "readings")


class KillsAtStore:
    """Kills a place when it keeps or has kept a fragment, or when the directory is told of the end."""

    def __init__(self, platform, moment):
        self.platform, self.moment = platform, moment
        self.struck = threading.Event()
        place = platform.running["oslo"]
        keep, finish = place.core.store.keep, place.moving.finish

        def keeps(room, key, data):
            if room == "fragments" and moment == "before it is written":
                self.strike()
            keep(room, key, data)
            if room == "fragments" and moment == "after it is written":
                self.strike()

        def finishes(resident):
            if moment == "before its end is told":
                self.strike()
            finish(resident)
            if moment == "after its end is told":
                self.strike()

        place.core.store.keep = keeps
        place._performing.moving = _Moving(place.moving, finishes)

    def strike(self):
        self.platform.kill("oslo")
        self.struck.set()


class _Moving:
    def __init__(self, moving, finish):
        self._moving, self.finish = moving, finish

    def __getattr__(self, name):
        return getattr(self._moving, name)


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(
    "moment", ["before it is written", "after it is written", "before its end is told", "after its end is told"]
)
def test_a_place_killed_while_a_fragment_is_installed(platform, moment, replace, capsys):
    """Started again, it has the fragment once, and its agent has ended with that."""
    if replace:
        platform.install("oslo", count, "total")
    killer = KillsAtStore(platform, moment)
    handle = platform.launch(total, at="oslo", fragment="total", replace=replace)
    assert killer.struck.wait(10)
    platform.start("oslo")
    assert handle.result(timeout=10) == {"service": "total", "place": "oslo", "replaced": replace}
    assert platform.call("oslo", "total", "readings") == ("oslo", 6)
    assert until(lambda: not platform.running["oslo"].core.store.agents(), 5), "nothing of the agent is left"
    capsys.readouterr()


def test_many_want_one_name(platform):
    """One gets it, and each other one is told so."""
    handles = [platform.launch(count, at="oslo", fragment="count") for _ in range(12)]
    ends = []
    for handle in handles:
        try:
            ends.append(handle.result(timeout=20)["service"])
        except ServiceTaken:
            ends.append(None)
    assert ends.count("count") == 1 and ends.count(None) == 11


def test_calls_go_on_while_it_is_replaced(platform):
    """Each call is of one version or the other, and none is lost."""
    platform.install("oslo", where, "f")
    seen, over = [], threading.Event()

    def call():
        while not over.is_set():
            seen.append(platform.call("oslo", "f", "readings"))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    dice = random.Random(3)
    for _ in range(8):
        platform.install("oslo", dice.choice([where, count]), "f", replace=True)
    over.set()
    for thread in threads:
        thread.join(10)
    assert seen and all(value in (3, ("oslo", ["readings"], {})) for value in seen)


# -- in a cell of its own


class CountingCell(InlineCell):
    """Of a kind that the place chooses: what a process of its own would be."""

    made: list[bool] = []

    def __init__(self, verified, here, terms, landed):
        type(self).made.append(terms.process)
        super().__init__(verified, here, terms, landed)


def test_with_process_each_call_runs_in_a_cell(platform):
    """Of the kind that the place has, on the terms of the fragment; what it raises comes back as well."""
    platform.running["oslo"].core.cell_kind = CountingCell
    CountingCell.made.clear()
    platform.install("oslo", total, "total", process=True)
    before = len(CountingCell.made)
    assert platform.call("oslo", "total", "readings", plus=2) == ("oslo", 8)
    assert CountingCell.made[before:] == [True]
    with pytest.raises(Exception, match="has no resource"):
        platform.call("oslo", "total", "nothing")
    platform.kill("oslo")
    platform.start("oslo")
    platform.running["oslo"].core.cell_kind = CountingCell
    assert platform.call("oslo", "total", "readings") == ("oslo", 6)
