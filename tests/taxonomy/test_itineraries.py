"""Itineraries on a real cluster: orders, alternatives, loops, nesting; signed; what a stop that fails leads to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agents import Platform, alternatives, any_order, loop, ordered, visit
from agents.errors import AgentEnded, AgentExpired, MoveRefused, UnknownPlace
from mobility.bundle import Birth
from mobility.trust import Passport
from mobility.trust.errors import ItineraryInvalid
from tests.support.ray_cluster import eventually, platform_here
from tests.taxonomy import travellers_by_itinerary as travellers

pytestmark = pytest.mark.timeout(180)
#: The last one trusts no owner.
PLACES = ("baku", "oslo", "lima", "wary")
READINGS: dict[str, Any] = {place: {"reading": number} for number, place in enumerate(PLACES)}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home, nobody = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("nobody")
    with platform_here(PLACES, resources=READINGS, home=home, trusts={"wary": nobody}, lease_seconds=3.0) as made:
        yield made


def moves(handle: Any) -> list[str | None]:
    """Where it hopped, by its passport, which every place has held against the itinerary."""
    trail = handle.trail()
    assert trail.verified, trail.problem
    return [link.destination for link in trail]


def kill(platform: Platform, place: str) -> None:
    """As ``kill -9``; Ray starts it again."""
    about = {one.name: one.about for one in platform.places(details=True)}
    os.kill(int(about[place]["pid"]), signal.SIGKILL)


def toured(platform: Platform, way: Any, *args: Any, at: str | None = "baku") -> tuple[dict[str, Any], Any]:
    handle = platform.launch(travellers.tours, *args, itinerary=way, at=at)
    return handle.result(timeout=90), handle


def names(found: dict[str, Any]) -> list[str]:
    return [place for place, reading in found["seen"] if reading == READINGS[place]["reading"]]


def test_itinerary_ordered(platform: Platform) -> None:
    """One stop after the other, at each the resource of that place."""
    found, handle = toured(platform, ["oslo", "lima", "baku"])
    assert names(found) == moves(handle) == ["oslo", "lima", "baku"]
    assert found["left"] == [] and found["stopped"] is None


def test_itinerary_any_order(platform: Platform) -> None:
    """Each of them once; by itself an agent takes them as they are given, and any other order is a walk, too."""
    found, handle = toured(platform, any_order("oslo", "lima"))
    assert names(found) == moves(handle) == ["oslo", "lima"]
    other = platform.launch(travellers.waits_at_each_stop, itinerary=any_order("oslo", "lima"), at="baku")
    assert eventually(lambda: other.place() == "oslo")
    other.move("lima")
    other.send("go")
    assert other.result(timeout=60) == ["oslo"] and moves(other) == ["oslo", "lima"]


def test_itinerary_alternatives_when_a_stop_is_unknown(platform: Platform) -> None:
    """The next best is taken."""
    found, handle = toured(platform, ordered(alternatives("rome", "lima"), "oslo"))
    assert names(found) == moves(handle) == ["lima", "oslo"]


def test_itinerary_alternatives_when_a_stop_refuses(platform: Platform) -> None:
    """A place that does not trust the owner counts as one that is down; alone, its refusal is raised."""
    found, handle = toured(platform, ordered(alternatives("wary", "lima"), "oslo"))
    assert names(found) == moves(handle) == ["lima", "oslo"]
    found, handle = toured(platform, ["lima", "wary"])
    assert names(found) == moves(handle) == ["lima"] and found["stopped"] == ["move-refused", "untrusted-signer"]


def test_itinerary_alternatives_when_a_stop_is_down(platform: Platform) -> None:
    """Its process was killed just now: it goes elsewhere at once, or there when it is back; never to both."""
    handle = platform.launch(travellers.waits_at_each_stop, itinerary=ordered("oslo", alternatives("lima", "baku")))
    assert eventually(lambda: handle.status().state == "waiting")
    kill(platform, "lima")
    handle.send("go")
    assert eventually(lambda: handle.place() != "oslo", 60)
    handle.send("go")
    been = handle.result(timeout=60)
    assert been == ["oslo", *moves(handle)] and been[1:] in (["lima"], ["baku"])
    assert eventually(lambda: all("pid" in place.about for place in platform.places(details=True)), 60)


def test_itinerary_loop(platform: Platform) -> None:
    """So many times, and no more."""
    found, handle = toured(platform, loop(ordered("oslo", "lima"), 2))
    assert names(found) == moves(handle) == ["oslo", "lima", "oslo", "lima"]


def test_itinerary_nested(platform: Platform) -> None:
    """Terms within terms; a stop where the agent is needs no hop."""
    way = ordered("baku", loop(any_order("oslo", alternatives("rome", "lima")), 2), "baku")
    found, handle = toured(platform, way)
    assert names(found) == ["baku", "oslo", "lima", "oslo", "lima", "baku"]
    assert moves(handle) == ["oslo", "lima", "oslo", "lima", "baku"]


def test_itinerary_signed_by_the_owner(platform: Platform) -> None:
    """It is in the certificate that only the owner's key signs."""
    handle = platform.launch(travellers.waits_at_each_stop, itinerary=["oslo"], at="baku")
    assert eventually(lambda: handle.place() == "oslo")
    entry = platform.client.find(handle.agent)
    verified = Passport.from_bytes(entry.passport or b"").verify(platform.client.trust, now=time.time(), audience=None)
    assert str(verified.birth.certificate.itinerary) == "(oslo)"
    assert verified.owner.name == handle.trail().owner.removeprefix("owner:")
    handle.send("go")
    assert handle.result(timeout=60) == ["oslo"]


def test_itinerary_deviation_refused(platform: Platform) -> None:
    """At the agent's yield, and for a move from outside; it goes on as it should."""
    handle = platform.launch(travellers.strays, "baku", itinerary=["oslo", "lima"], at="baku")
    (why, where, text), rest = handle.result(timeout=60)
    assert (why, where, rest) == ("off-itinerary", "oslo", ["lima"]) and "allows lima there" in text
    assert moves(handle) == ["oslo", "lima"]
    other = platform.launch(travellers.waits_at_each_stop, itinerary=["oslo", "lima"], at="baku")
    assert eventually(lambda: other.place() == "oslo")
    with pytest.raises(MoveRefused) as caught:
        other.move("baku")
    assert caught.value.why == "off-itinerary" and other.place() == "oslo"
    other.move("lima")
    other.send("go")
    assert other.result(timeout=60) == ["oslo"]


def test_itinerary_of_a_clone(platform: Platform) -> None:
    """It goes on with the way of its parent."""
    handle = platform.launch(travellers.clones_on_its_way, itinerary=["oslo", "lima", "baku"], at="baku")
    rest, twin = handle.result(timeout=60)
    assert rest == ["lima", "baku"]
    assert platform.get(twin).result(timeout=60) == ["baku"]


def test_itinerary_on_failure_fail(platform: Platform) -> None:
    """The default: at the yield."""
    found, _ = toured(platform, ordered("oslo", visit("rome", on_failure="wait"), "lima"), 0.5)
    assert names(found) == ["oslo"] and found["stopped"] == ["itinerary-blocked", "unknown-place"]
    with pytest.raises(UnknownPlace):
        platform.launch(travellers.tours, itinerary=["oslo", "rome"])


def test_itinerary_on_failure_skip(platform: Platform) -> None:
    """And says so."""
    found, handle = toured(platform, ordered("oslo", visit("rome", on_failure="skip"), "lima"))
    assert names(found) == moves(handle) == ["oslo", "lima"]
    assert found["skipped"] == [["rome", "unknown-place"]]


def test_itinerary_on_failure_home(platform: Platform) -> None:
    """It is over there."""
    found, handle = toured(platform, ordered("oslo", visit("rome", on_failure="home"), "lima"))
    assert names(found) == ["oslo"] and moves(handle) == ["oslo", "baku"]
    assert (found["ends"], found["turned back"], found["left"]) == ("baku", "rome", [])


def test_itinerary_on_failure_wait_until_the_stop_is_back(platform: Platform) -> None:
    """Its process was killed just now; the agent goes there when it is back."""
    way = ordered("oslo", visit("lima", on_failure="wait", patience=60), "baku")
    handle = platform.launch(travellers.waits_at_each_stop, itinerary=way)
    assert eventually(lambda: handle.status().state == "waiting")
    kill(platform, "lima")
    for place in ("oslo", "lima", "baku"):
        assert eventually(lambda place=place: handle.place() == place, 60)
        handle.send("go")
    assert handle.result(timeout=60) == ["oslo", "lima", "baku"] and moves(handle) == ["lima", "baku"]
    assert eventually(lambda: all("pid" in place.about for place in platform.places(details=True)), 60)


def test_itinerary_on_failure_wait_while_its_own_place_is_killed(platform: Platform) -> None:
    """It waits on when its place is back, until it is moved along its way or its patience is over."""
    way = ordered("oslo", visit("rome", on_failure="wait", patience=8))
    handle = platform.launch(travellers.tours, itinerary=way, at="baku")
    assert eventually(lambda: handle.place() == "oslo" and handle.status().state == "waiting")
    kill(platform, "oslo")
    assert eventually(lambda: handle.status().state == "waiting", 60)
    found = handle.result(timeout=90)
    assert names(found) == ["oslo"] and found["stopped"] == ["itinerary-blocked", "unknown-place"]


def test_itinerary_hop_limit(platform: Platform) -> None:
    """At the yield; one that needs more than it has is not launched."""
    handle = platform.launch(travellers.hops_without_end, at="baku", birth=Birth(hop_limit=3))
    assert handle.result(timeout=60) == (3, "hop-limit", "oslo")
    with pytest.raises(ItineraryInvalid):
        platform.launch(travellers.tours, itinerary=["oslo", "lima"], at="baku", birth=Birth(hop_limit=1))


def test_itinerary_time_to_live(platform: Platform) -> None:
    """Its place ends it in good time, and its finally blocks run."""
    handle = platform.launch(travellers.waits_for_mail, at="lima", birth=Birth(lifetime=1))
    with pytest.raises(AgentExpired) as caught:
        handle.result(timeout=30)
    assert caught.value.place == "lima"
    with pytest.raises(AgentEnded):
        handle.send("too late")
    assert eventually(lambda: any("in order" in event.data.get("text", "") for event in handle.logs()))
