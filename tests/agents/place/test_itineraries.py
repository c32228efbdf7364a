"""Agents that go by a signed itinerary: stops that are down or refuse, deviations, crashes, the hop limit."""

from __future__ import annotations

import pickle
import time

import pytest

from agents import (
    agent,
    alternatives,
    any_order,
    clone,
    done,
    hop,
    loop,
    onward,
    ordered,
    receive,
    sleep,
    spawn,
    visit,
)
from agents.errors import (
    AgentsError,
    AgentStopped,
    ItineraryBlocked,
    MoveFailed,
    MoveRefused,
    NoItinerary,
    UnknownPlace,
)
from agents.itinerary import Course
from agents.place import PlaceOptions
from agents.place import travelling as of_travelling
from agents.protocol import Transfer
from agents.testing.local import LocalPlatform
from mobility.bundle import Birth
from mobility.trust import Passport, TrustList
from mobility.trust.errors import ItineraryInvalid, OffItinerary
from tests.agents.place.conftest import PLACES, until

QUICK = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.03, directory_seconds=1.0, held_seconds=0.1)


@agent
def goes_round(here):
    """Where onward() took it, and what it then knew of its way."""
    been = []
    while True:
        there = yield onward()
        if there is None:
            way = here.way
            turned = way.turned_back
            skipped = [(one.place, one.why) for one in way.skipped]
            return been, here.name, skipped, None if turned is None else (turned.place, turned.why)
        assert there.name == here.name
        been.append(here.name)


@agent
def tells_what_stopped_it(here, patience=None):
    been = []
    try:
        while (yield onward(patience=patience)) is not None:
            been.append(here.name)
    except MoveFailed as error:
        return been, here.name, type(error).__name__, error.why, str(error)
    return been, here.name, None, None, ""


def hops(handle) -> list[str]:
    trail = handle.trail()
    assert trail.verified, trail.problem
    return [link.destination for link in trail]


@pytest.mark.parametrize(
    ("way", "been", "moves"),
    [
        (["oslo", "lima", "baku"], ["oslo", "lima", "baku"], ["oslo", "lima", "baku"]),
        (any_order("lima", "oslo"), ["lima", "oslo"], ["lima", "oslo"]),
        (alternatives("lima", "oslo"), ["lima"], ["lima"]),
        (loop(ordered("oslo", "lima"), 2), ["oslo", "lima"] * 2, ["oslo", "lima"] * 2),
        (ordered("baku", "oslo", loop(alternatives("lima", "oslo"), 2), any_order("baku")), None, None),
        (loop("baku", 3), ["baku"] * 3, []),
        (visit("oslo"), ["oslo"], ["oslo"]),
        (ordered("baku", "baku", "oslo", "oslo"), ["baku", "baku", "oslo", "oslo"], ["oslo"]),
    ],
)
def test_it_goes_where_its_itinerary_leads(platform, way, been, moves):
    """Each stop is given once; where the agent is already, no hop is needed."""
    handle = platform.launch(goes_round, itinerary=way, at="baku")
    found = handle.result(timeout=20)
    if been is None:
        been, moves = ["baku", "oslo", "lima", "lima", "baku"], ["oslo", "lima", "baku"]
    assert found == (been, been[-1], [], None)
    assert hops(handle) == moves


def test_it_is_born_at_its_first_stop_unless_said(platform):
    """No hop to a place that nobody has asked for."""
    handle = platform.launch(goes_round, itinerary=["lima", "oslo"])
    assert handle.result(timeout=20)[0] == ["lima", "oslo"]
    assert hops(handle) == ["oslo"]


@agent
def looks_at_its_way(here):
    seen = []
    while True:
        way = here.way
        seen.append((list(way.left), list(way.next), way.done))
        if (yield onward()) is None:
            return way.itinerary, seen


def test_it_sees_what_is_left_of_its_way(platform):
    """At each stop, and at the end."""
    way = ordered("baku", any_order("oslo", "lima"))
    text, seen = platform.launch(looks_at_its_way, itinerary=way, at="baku").result(timeout=20)
    assert text == "(baku, {oslo, lima})"
    assert seen == [
        (["baku", "oslo", "lima"], ["baku"], False),
        (["oslo", "lima"], ["oslo", "lima"], False),
        (["lima"], ["lima"], False),
        ([], [], True),
    ]


@agent
def has_none(here):
    assert here.way is None
    try:
        yield onward()
    except NoItinerary as error:
        return str(error)


def test_without_an_itinerary(platform):
    """A clear error at the yield."""
    told = platform.launch(has_none, at="oslo").result(timeout=20)
    assert "no-itinerary" in told and "still runs on oslo" in told


# -- stops that fail


@pytest.fixture
def quick():
    with LocalPlatform(PLACES, options=QUICK) as made:
        yield made


def test_a_stop_that_is_down_fails_by_default(quick):
    """The refusal is raised at the yield."""
    quick.kill("oslo")
    found = quick.launch(tells_what_stopped_it, itinerary=["lima", "oslo"], at="baku").result(timeout=30)
    assert found[:4] == (["lima"], "lima", "MoveFailed", "place-unreachable")
    assert "still runs on lima" in found[4]


@pytest.mark.parametrize("unknown", [False, True])
def test_an_alternative_when_a_stop_is_down_or_unknown(quick, unknown):
    """The next best is taken, and what follows then follows that one."""
    first = "rome" if unknown else "oslo"
    if not unknown:
        quick.kill("oslo")
    way = ordered(alternatives(ordered(first, "baku"), ordered("lima", "lima")), "baku")
    handle = quick.launch(goes_round, itinerary=way, at="baku")
    assert handle.result(timeout=30) == (["lima", "lima", "baku"], "baku", [], None)


def test_an_alternative_when_a_stop_refuses():
    """The refusal of the place itself counts as one that is down."""
    with LocalPlatform(PLACES, options=QUICK, trusts={"oslo": TrustList()}) as platform:
        handle = platform.launch(goes_round, itinerary=ordered(alternatives("oslo", "lima"), "baku"), at="baku")
        assert handle.result(timeout=30)[0] == ["lima", "baku"]
        told = platform.launch(tells_what_stopped_it, itinerary=["oslo"], at="baku").result(timeout=30)
        assert told[:4] == ([], "baku", "MoveRefused", "untrusted-signer")
        told = platform.launch(tells_what_stopped_it, itinerary=alternatives("oslo", "oslo"), at="baku")
        assert told.result(timeout=30)[2] == "MoveRefused"


def test_when_all_alternatives_fail_each_says_why(quick):
    """One error with all of them."""
    quick.kill("oslo")
    quick.kill("lima")
    found = quick.launch(tells_what_stopped_it, itinerary=alternatives("oslo", "lima"), at="baku").result(timeout=30)
    assert found[2] == "ItineraryBlocked"
    assert "oslo" in found[4] and "lima" in found[4] and "still runs on baku" in found[4]


def test_any_order_comes_back_to_a_stop_that_was_down(quick):
    """It goes on with the others first."""
    quick.kill("oslo")
    handle = quick.launch(waits_on_its_way, itinerary=any_order("oslo", "lima"), at="baku")
    assert until(lambda: handle.place() == "lima", 10)
    quick.start("oslo")
    handle.send("go")
    assert handle.result(timeout=30) == ["oslo"]
    assert hops(handle) == ["lima", "oslo"]


def test_on_failure_skip(quick):
    """Told with its reason; and the chain without it is accepted everywhere."""
    quick.kill("oslo")
    way = ordered("lima", visit("oslo", on_failure="skip"), visit("rome", on_failure="skip"), "baku")
    handle = quick.launch(goes_round, itinerary=way, at="baku")
    found = handle.result(timeout=30)
    assert found == (["lima", "baku"], "baku", [("oslo", "place-unreachable"), ("rome", "unknown-place")], None)
    assert hops(handle) == ["lima", "baku"]


def test_on_failure_skip_of_all_that_is_left(quick):
    """Nothing is left: it is done."""
    quick.kill("oslo")
    quick.kill("lima")
    way = any_order("oslo", "lima", on_failure="skip")
    found = quick.launch(goes_round, itinerary=way, at="baku").result(timeout=30)
    assert found[0] == [] and [place for place, _ in found[2]] == ["oslo", "lima"]


def test_on_failure_wait_until_the_place_is_back(quick):
    """Without a thread; then it goes on as if nothing had been."""
    quick.kill("oslo")
    handle = quick.launch(goes_round, itinerary=ordered(visit("oslo", on_failure="wait"), "lima"), at="baku")
    assert until(lambda: handle.status().state == "waiting", 10)
    quick.start("oslo")
    assert handle.result(timeout=30)[:2] == (["oslo", "lima"], "lima")


@pytest.mark.parametrize("by", ["term", "effect", "both"])
def test_on_failure_wait_no_longer_than_its_patience(quick, by):
    """The agent's own word counts before the owner's default."""
    quick.kill("oslo")
    patience = {"term": 1, "effect": None, "both": 500}[by]
    own = None if by == "term" else 0.8
    way = visit("oslo", on_failure="wait", patience=patience)
    began = time.monotonic()
    found = quick.launch(tells_what_stopped_it, own, itinerary=way, at="baku").result(timeout=30)
    assert 0.7 < time.monotonic() - began < 10
    assert found[2] == "ItineraryBlocked" and "after" in found[4]


def test_who_waits_can_be_stopped_and_looked_at(quick):
    """As one that sleeps."""
    quick.kill("oslo")
    handle = quick.launch(goes_round, itinerary=visit("oslo", on_failure="wait"), at="baku")
    assert until(lambda: handle.status().state == "waiting", 10)
    assert handle.state()["standing"] == "travels"
    handle.stop()
    with pytest.raises(AgentStopped):
        handle.result(timeout=10)


def test_who_waits_can_be_moved_along_its_way(quick):
    """By somebody outside, to another stop that may come next: its onward() gives that."""
    quick.kill("oslo")
    way = ordered(any_order(visit("oslo", on_failure="wait"), visit("lima", on_failure="wait")))
    quick.kill("lima")
    handle = quick.launch(goes_round, itinerary=way, at="baku")
    assert until(lambda: handle.status().state == "waiting", 10)
    with pytest.raises(MoveFailed):
        handle.move("lima")
    assert handle.status().state == "waiting"
    quick.start("lima")
    quick.start("oslo")
    assert sorted(handle.result(timeout=30)[0]) == ["lima", "oslo"]


def test_moving_who_waits_is_its_next_stop(quick, monkeypatch):
    """The place is back, and somebody sends it there before it tries again."""
    monkeypatch.setattr(of_travelling, "_PAUSE", 60.0)
    quick.kill("oslo")
    handle = quick.launch(goes_round, itinerary=ordered("lima", visit("oslo", on_failure="wait"), "lima"), at="baku")
    assert until(lambda: handle.place() == "lima" and handle.status().state == "waiting", 10)
    quick.start("oslo")
    handle.move("oslo")
    assert handle.result(timeout=30) == (["lima", "oslo", "lima"], "lima", [], None)
    assert hops(handle) == ["lima", "oslo", "lima"]


@pytest.mark.parametrize(
    "way",
    [
        {"left": [b"junk"], "hops": 1, "skipped": [], "homeward": None, "over": None},
        {"left": [], "hops": "many", "skipped": [], "homeward": None, "over": None},
        {"left": [None]},
        7,
    ],
)
def test_a_way_that_cannot_be_read(platform, way):
    """What travels beside an agent is not believed blindly: an error at the yield."""
    handle = platform.launch(waits_then_tells_its_error, itinerary=["oslo", "lima"], at="baku")
    assert until(lambda: handle.place() == "oslo" and handle.status().state == "waiting", 10)
    platform.running["oslo"].core.known(handle.agent).luggage.way = way
    handle.send("go")
    assert handle.result(timeout=20) == ("luggage-invalid", "oslo")


def test_a_way_that_lies(platform):
    """It leads nowhere where the owner has not allowed it to lead."""
    handle = platform.launch(waits_then_tells_its_error, itinerary=["oslo", "lima"], at="baku")
    assert until(lambda: handle.place() == "oslo" and handle.status().state == "waiting", 10)
    lie = Course((ordered("baku"),), hops=1).to_plain()
    platform.running["oslo"].core.known(handle.agent).luggage.way = lie
    handle.send("go")
    assert handle.result(timeout=20) == ("off-itinerary", "oslo")


@agent
def waits_then_tells_its_error(here):
    yield onward()
    yield receive()
    try:
        yield onward()
    except AgentsError as error:
        return getattr(error, "why", error.slug), here.name


def test_who_waits_survives_a_crash_of_its_place(quick):
    """It comes back from its checkpoint and waits again."""
    quick.kill("oslo")
    handle = quick.launch(goes_round, itinerary=ordered("lima", visit("oslo", on_failure="wait")), at="baku")
    assert until(lambda: handle.place() == "lima" and handle.status().state == "waiting", 10)
    quick.kill("lima")
    quick.start("lima")
    assert until(lambda: handle.status().state == "waiting", 10)
    quick.start("oslo")
    assert handle.result(timeout=30)[:2] == (["lima", "oslo"], "oslo")


def test_on_failure_home(quick):
    """It is over there, and the agent knows why."""
    quick.kill("oslo")
    way = ordered("lima", visit("oslo", on_failure="home"), "lima")
    handle = quick.launch(goes_round, itinerary=way, at="baku")
    assert handle.result(timeout=30) == (["lima"], "baku", [], ("oslo", "place-unreachable"))
    assert hops(handle) == ["lima", "baku"]


def test_on_failure_home_when_it_is_at_home(quick):
    """No hop is needed."""
    quick.kill("oslo")
    handle = quick.launch(goes_round, itinerary=ordered("oslo", "lima", on_failure="home"), at="baku")
    assert handle.result(timeout=30) == ([], "baku", [], ("oslo", "place-unreachable"))
    assert hops(handle) == []


def test_on_failure_home_and_home_is_down_too(quick):
    """It hears of both, and is where it was."""
    quick.kill("oslo")
    way = ordered("lima", visit("oslo", on_failure="home"))
    handle = quick.launch(waits_then_tells, itinerary=way, at="baku")
    assert until(lambda: handle.place() == "lima", 10)
    quick.kill("baku")
    handle.send("go")
    found = handle.result(timeout=30)
    assert found[0] == "lima" and "baku" in found[1] and "oslo" in found[1]
    assert found[2] is None


def test_a_failed_way_home_is_forgotten(quick):
    """When home is the next stop later on, it is a stop like any other."""
    quick.kill("oslo")
    way = ordered("lima", alternatives(visit("oslo", on_failure="home"), "baku"), "lima")
    handle = quick.launch(tries_again, itinerary=way, at="baku")
    assert until(lambda: handle.place() == "lima", 10)
    quick.kill("baku")
    handle.send("go")
    assert until(lambda: any(event.data.get("text") == "blocked" for event in quick.logs()), 20)
    quick.start("baku")
    handle.send("go")
    assert handle.result(timeout=30) == (["lima", "baku", "lima"], None)


@agent
def tries_again(here):
    yield onward()
    been = [here.name]
    yield receive()
    while True:
        try:
            if (yield onward()) is None:
                return been, here.way.turned_back
            been.append(here.name)
        except MoveFailed:
            here.log("blocked")
            yield receive()


def test_a_clone_knows_what_was_skipped(quick):
    """And does not try it again."""
    way = ordered(visit("rome", on_failure="skip"), "oslo", "lima")
    handle = quick.launch(clones_after_a_skip, itinerary=way, at="baku")
    twin = handle.result(timeout=30)
    assert quick.get(twin).result(timeout=30) == (["lima"], [("rome", "unknown-place")])


@agent
def clones_after_a_skip(here):
    yield onward()
    made = yield clone()
    been = []
    while (yield onward()) is not None:
        been.append(here.name)
    return (been, [(one.place, one.why) for one in here.way.skipped]) if made.is_clone else made.other.agent


@agent
def waits_then_tells(here):
    yield onward()
    yield receive()
    try:
        yield onward()
    except ItineraryBlocked as error:
        return here.name, str(error), here.way.turned_back


# -- deviations


@agent
def strays(here, to):
    yield onward()
    try:
        yield hop(to)
    except MoveRefused as error:
        why = error.why, str(error), here.name
    rest = []
    while (yield onward()) is not None:
        rest.append(here.name)
    return why, rest


def test_a_hop_off_the_itinerary_is_refused_at_the_yield(platform):
    """With what would be allowed; then it goes on as it should."""
    handle = platform.launch(strays, "baku", itinerary=["oslo", "lima", "baku"], at="baku")
    (why, text, where), rest = handle.result(timeout=20)
    assert (why, where, rest) == ("off-itinerary", "oslo", ["lima", "baku"])
    assert "its owner allows lima there" in text and "still runs on oslo" in text
    assert hops(handle) == ["oslo", "lima", "baku"]


@agent
def goes_by_itself(here):
    been = []
    here = yield hop("oslo")
    while (yield onward()) is not None:
        been.append(here.name)
        if here.way.next == ("lima", "baku"):
            here = yield hop("baku")
    return been


def test_it_may_go_by_itself_as_long_as_it_stays_on_its_way(platform):
    """onward() goes on from there."""
    handle = platform.launch(goes_by_itself, itinerary=ordered("oslo", "lima", any_order("lima", "baku")), at="baku")
    assert handle.result(timeout=20) == ["lima", "lima"]
    assert hops(handle) == ["oslo", "lima", "baku", "lima"]


@agent
def waits_on_its_way(here):
    yield onward()
    yield receive()
    been = []
    while (yield onward()) is not None:
        been.append(here.name)
    return been


@agent
def walks_by_itself(here):
    been = []
    while not here.way.done:
        here = yield hop(here.way.next[0])
        been.append(here.name)
    return been


@agent
class WalksByItself:
    def __init__(self):
        self.been = []

    def arrive(self, here):
        if self.been or here.way.left != ("oslo", "oslo", "lima", "lima"):
            self.been.append(here.name)
        return done(self.been) if here.way.done else hop(here.way.next[0])


@agent
class GoesOn:
    def __init__(self):
        self.been = []

    def arrive(self, here):
        if not here.way.done:
            self.been.append(here.name)
            return onward()
        return done([*self.been, here.name])


@agent
class GoesOnUntilDone:
    def __init__(self):
        self.been = []

    def arrive(self, here):
        self.been.append(here.name)
        return done(self.been) if here.way.done else onward()


@pytest.mark.parametrize("failure", ["skip", "home"])
def test_a_class_agent_hears_that_nothing_follows(quick, failure):
    """What it has gathered is not lost where the rest is skipped, or where it is at home already."""
    quick.kill("lima")
    way = ordered("oslo", visit("lima", on_failure=failure))
    assert quick.launch(GoesOnUntilDone(), itinerary=way, at="oslo").result(timeout=20)[-1] == "oslo"


@agent
class GoesOnForEver:
    def arrive(self, here):
        return onward()


@pytest.mark.parametrize("process", [False, True])
def test_a_hop_to_where_it_is_counts_as_its_next_stop(platform, process):
    """Else an agent that goes by `here.way.next` would hop to its own place for ever, and no hop limit would end it."""
    way = ordered("oslo", "oslo", "lima", "lima")
    handle = platform.launch(walks_by_itself, itinerary=way, process=process)
    assert handle.result(timeout=20) == ["oslo", "oslo", "lima", "lima"]
    assert platform.launch(WalksByItself(), itinerary=way, process=process).result(timeout=20)[-2:] == ["lima", "lima"]


@pytest.mark.parametrize("process", [False, True])
def test_a_class_agent_goes_on_by_its_itinerary(platform, process):
    """To return `onward()` is to arrive at the next stop; where nothing follows it has ended."""
    way = ordered("oslo", "lima", "lima", "baku")
    handle = platform.launch(GoesOn(), itinerary=way, at="baku", process=process)
    assert handle.result(timeout=20) == ["baku", "oslo", "lima", "lima", "baku"]
    handle = platform.launch(GoesOnForEver(), itinerary=way, at="baku", process=process)
    assert handle.result(timeout=20) is None and len(handle.trail()) == 3


def test_a_move_from_outside_off_the_itinerary_is_refused(platform):
    """The agent is unharmed and goes on; one along the itinerary is a stop."""
    handle = platform.launch(waits_on_its_way, itinerary=["oslo", "lima", "oslo", "baku"], at="baku")
    assert until(lambda: handle.place() == "oslo", 10)
    with pytest.raises(MoveRefused) as caught:
        handle.move("baku")
    assert caught.value.why == "off-itinerary" and "still runs on oslo" in str(caught.value)
    with pytest.raises(MoveRefused):
        handle.clone("baku")
    assert handle.place() == "oslo"
    handle.move("lima")
    handle.send("go")
    assert handle.result(timeout=20) == ["oslo", "baku"]


@agent
def has_children(here):
    yield onward()
    twin = yield clone("lima")
    rest = []
    if not twin.is_clone:
        kid = yield spawn(goes_round, at="lima")
        try:
            yield spawn(goes_round, at="baku")
        except MoveRefused as error:
            rest.append(error.why)
    while (yield onward()) is not None:
        rest.append(here.name)
    return rest if twin.is_clone else (rest, twin.other.agent, kid.agent)


def test_children_go_on_with_the_way_of_their_parent(platform):
    """From where they branched off: the chain as a whole is one walk."""
    handle = platform.launch(has_children, itinerary=["oslo", "lima", "baku"], at="baku")
    rest, twin, kid = handle.result(timeout=20)
    assert rest == ["off-itinerary", "lima", "baku"]
    assert platform.get(twin).result(timeout=20) == ["baku"]
    assert platform.get(kid).result(timeout=20)[0] == ["baku"]


@pytest.mark.parametrize("where", ["oslo", "lima"])
def test_it_is_thawed_where_it_was_or_at_its_next_stop(platform, where):
    """Nowhere else; and goes on with what is left."""
    handle = platform.launch(waits_on_its_way, itinerary=["oslo", "lima", "oslo"], at="baku")
    assert until(lambda: handle.place() == "oslo", 10)
    bundle = handle.freeze()
    with pytest.raises(MoveRefused) as caught:
        platform.thaw(bundle, at="baku")
    assert caught.value.why == "off-itinerary"
    again = platform.thaw(bundle, at=where)
    again.send("go")
    assert again.result(timeout=20) == (["lima", "oslo"] if where == "oslo" else ["oslo"])
    assert again.trail().verified


def test_a_passport_that_deviates_is_told_as_such(platform, monkeypatch):
    """Places that do not look at the itinerary have signed a hop off it: the trail says so, and who looks refuses."""
    from mobility.trust import passport as of_passports

    handle = platform.launch(waits_on_its_way, itinerary=["oslo", "lima"], at="baku")
    assert until(lambda: handle.place() == "oslo", 10)
    with monkeypatch.context() as patch:
        patch.setattr(of_passports, "check_way", lambda certificate, hops, audience=None: None)
        handle.move("baku")
    trail = handle.trail()
    assert not trail.verified and "off-itinerary" in trail.problem and "off-itinerary" in str(trail)
    with pytest.raises(MoveRefused) as refused:
        handle.move("lima")
    assert refused.value.why == "off-itinerary"
    passport = Passport.from_bytes(platform.client.find(handle.agent).passport)
    with pytest.raises(OffItinerary) as caught:
        passport.verify(platform.client.trust, now=time.time(), audience=None)
    assert (caught.value.place, tuple(caught.value.allowed)) == ("baku", ("lima",))
    handle.stop()


# -- limits, bad input


@agent
def hops_on(here, places):
    for place in places:
        try:
            here = yield hop(place)
        except MoveRefused as error:
            return here.name, error.why, str(error)


def test_the_hop_limit_at_the_yield(platform):
    """How many, and what to do."""
    birth = Birth(hop_limit=2)
    found = platform.launch(hops_on, ["oslo", "lima", "baku"], at="baku", birth=birth).result(timeout=20)
    assert found[:2] == ("lima", "hop-limit")
    assert "its owner allows 2" in found[2] and "still runs on lima" in found[2] and "higher hop limit" in found[2]


def test_the_hop_limit_on_the_way(platform):
    """Where it was not to be known at the launch: the agent itself has used one up."""
    way = loop(any_order("oslo", "lima"), 2)
    handle = platform.launch(uses_up, itinerary=way, at="baku", birth=Birth(hop_limit=3))
    assert handle.result(timeout=20) == (["oslo", "lima"], "hop-limit", "oslo")


@agent
def uses_up(here):
    been = []
    yield clone(here)
    here = yield hop("oslo")
    been.append(here.name)
    try:
        while (yield onward()) is not None:
            been.append(here.name)
            yield hop("oslo")
    except MoveRefused as error:
        return been[:2], error.why, here.name


@pytest.mark.parametrize(
    ("way", "more", "kind", "text"),
    [
        (["oslo", "rome"], {}, UnknownPlace, "rome"),
        (alternatives("rome", "naples"), {}, UnknownPlace, "rome"),
        (ordered("oslo", "lima", "baku"), {"birth": Birth(hop_limit=2), "at": "baku"}, ItineraryInvalid, "3 hops"),
        (["oslo"], {"birth": Birth(places=("oslo",))}, ItineraryInvalid, "either"),
        (["oslo"], {"birth": Birth(itinerary=visit("lima"))}, ItineraryInvalid, "differ"),
        ([], {}, ItineraryInvalid, "no parts"),
        ([7], {}, ItineraryInvalid, "int"),
        (["oslo"], {"at": "rome"}, UnknownPlace, "rome"),
        (None, {"birth": Birth(itinerary=visit("rome"))}, UnknownPlace, "rome"),
    ],
)
def test_an_itinerary_that_cannot_be_met_is_refused_at_launch(platform, way, more, kind, text):
    """Nothing is born."""
    with pytest.raises(kind) as caught:
        platform.launch(goes_round, itinerary=way, **more)
    assert text in str(caught.value)
    assert platform.agents(ended=True) == []


def test_what_may_be_met_later_is_launched(platform):
    """A stop that may be skipped or waited for need not be there yet."""
    way = ordered(visit("rome", on_failure="skip"), alternatives("naples", "oslo"))
    assert platform.launch(goes_round, itinerary=way, at="baku").result(timeout=20)[0] == ["oslo"]


def test_errors_survive_pickle():
    """With what they carry."""
    error = ItineraryBlocked([["oslo", "place-unreachable", "it is down"]], "baku", 3.0)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.tried == error.tried and again.waited == 3.0
    assert str(pickle.loads(pickle.dumps(NoItinerary("a", "baku")))) == str(NoItinerary("a", "baku"))


# -- crashes


@agent
def wanders(here):
    been = []
    while True:
        try:
            there = yield onward(patience=20.0)
        except MoveFailed:
            yield sleep(0.02)
            continue
        if there is None:
            return been, [one.place for one in here.way.skipped]
        been.append(here.name)


class KillsAt:
    """Kills a place at the n-th transfer or request of the directory, before or after it is delivered."""

    def __init__(self, platform, number, when, victim):
        self.platform, self.number, self.when, self.victim, self.seen = platform, number, when, victim, 0
        self.struck = False

    def __call__(self, whom, request, deliver):
        counts = isinstance(request, Transfer) or (whom == "directory" and request[0] == "submit")
        mine = counts and self.seen == self.number
        self.seen += counts
        if mine and self.when == "before":
            self.strike()
        answer = deliver()
        if mine and self.when == "after":
            self.strike()
        return answer

    def strike(self):
        self.platform.kill(self.victim)
        self.struck = True  # its disk is free


@pytest.mark.parametrize("victim", ["baku", "oslo"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(2, 7))
def test_a_place_killed_at_each_moment_of_the_way(number, when, victim):
    """Each stop is visited once by what the agent remembers, and its chain is a walk of the itinerary."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        way = ordered("oslo", any_order("lima", "baku"), on_failure="wait")
        killer = platform.net.tamper = KillsAt(platform, number, when, victim)
        handle = platform.launch(wanders, itinerary=way, at="baku")
        if until(lambda: killer.struck, 2.0):
            time.sleep(0.1)
            platform.net.tamper = None
            platform.start(victim)
        platform.net.tamper = None
        been, skipped = handle.result(timeout=40)
        assert been[0] == "oslo" and sorted(been[1:]) == ["baku", "lima"] and skipped == []
        assert hops(handle) == been
