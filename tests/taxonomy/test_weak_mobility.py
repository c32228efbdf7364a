"""Weak mobility, each kind by its name, on a real cluster: code and data move, and execution starts at the entry."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from agents import Platform
from agents.errors import MoveRefused, ServiceTaken, UnknownPlace, UnknownService, UnknownUnit
from tests.support.ray_cluster import eventually, platform_here
from tests.taxonomy import paradigm_units as units

pytestmark = pytest.mark.timeout(180)
READINGS = {"baku": [20.5, 21.5], "oslo": [3.5, 4.5], "lima": [19.0, 20.5]}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_here(
        resources={place: {"readings": values} for place, values in READINGS.items()},
        home=tmp_path_factory.mktemp("home"),
        lease_seconds=3.0,
    ) as made:
        made.publish(units.mean, "mean", version="1.0", at="lima")
        yield made


def pid(platform: Platform, place: str) -> int:
    return int(next(one.about["pid"] for one in platform.places(details=True) if one.name == place))


def killed(platform: Platform, place: str) -> None:
    before = pid(platform, place)
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        row = next((one.about for one in platform.places(details=True) if one.name == place), {})
        return row.get("pid") not in (None, before) and bool(row.get("leased"))

    assert eventually(back, 60)


def test_sender_initiated_ship(platform: Platform) -> None:
    """Push: whoever has the code sends it, with its data, to the place; it starts at its entry."""
    handle = platform.launch(units.mean, "readings", at="oslo")
    assert handle.result(timeout=60)["place"] == "oslo"
    assert len(handle.trail()) == 0, "sent by its owner, and by no place"


def test_receiver_initiated_fetch(platform: Platform) -> None:
    """Pull: the place gets the code from a repository, and starts it; whoever asked for that has no code."""
    handle = platform.pull("oslo", "mean", "readings", 2, from_="lima")
    told = handle.result(timeout=60)
    assert (told["mean"], told["place"], told["pid"]) == (4.0, "oslo", pid(platform, "oslo"))
    trail = handle.trail()
    assert trail.verified and [(link.origin, link.signed_by) for link in trail] == [("oslo", "place:oslo")]
    pulled = platform.launch(units.pulls_there, "baku", "lima", at="lima").result(timeout=60)
    assert platform.get(pulled).result(timeout=60)["place"] == "baku"


def test_target_process(platform: Platform) -> None:
    """Pushed or pulled, it runs in the process of the place."""
    pushed = platform.launch(units.mean, "readings", at="baku").result(timeout=60)
    pulled = platform.pull("baku", "mean", "readings").result(timeout=60)
    assert pushed["pid"] == pulled["pid"] == pid(platform, "baku")


def test_stand_alone_code(platform: Platform) -> None:
    """A unit that runs, ends, and leaves nothing at the place."""
    before = next(one.about for one in platform.places(details=True) if one.name == "oslo")
    platform.launch(units.mean, "readings", at="oslo").result(timeout=60)
    after = next(one.about for one in platform.places(details=True) if one.name == "oslo")
    assert (after["services"], after["agents"]) == (before["services"], before["agents"])


def test_fragment(platform: Platform) -> None:
    """Code only, that becomes part of what runs there: shipped and fetched; it outlives the process of the place."""
    told = platform.install("oslo", units.mean, "mean")
    assert told == {"service": "mean", "place": "oslo", "replaced": False}
    handle = platform.pull("oslo", "mean", from_="lima", fragment="fetched_mean")
    assert handle.result(timeout=60)["service"] == "fetched_mean"
    for name in ("mean", "fetched_mean"):
        found = platform.call("oslo", name, "readings")
        assert (found["mean"], found["pid"]) == (4.0, pid(platform, "oslo"))
    assert platform.launch(units.asks_a_server, "oslo", at="lima").result(timeout=60)[0]["place"] == "oslo"
    with pytest.raises(ServiceTaken, match="replace=True"):
        platform.install("oslo", units.slow_mean, "mean")
    killed(platform, "oslo")
    for name in ("mean", "fetched_mean"):
        assert platform.call("oslo", name, "readings")["pid"] == pid(platform, "oslo")
    platform.remove("oslo", "mean")
    with pytest.raises(UnknownService):
        platform.call("oslo", "mean", "readings")


def test_synchronous(platform: Platform) -> None:
    """Whoever starts it waits for its value."""
    began = time.monotonic()
    assert platform.evaluate("oslo", units.slow_mean, "readings", 0.5)["mean"] == 4.0
    assert time.monotonic() - began >= 0.5


@pytest.mark.alone
def test_asynchronous(platform: Platform) -> None:
    """Whoever starts it gets a handle, and its value when it asks for that; pushed and pulled."""
    platform.publish(units.slow_mean, "slow_mean", at="lima")
    began = time.monotonic()
    handles = [
        platform.launch(units.slow_mean, "readings", 2.0, at="oslo"),
        platform.pull("oslo", "slow_mean", "readings", 2.0, from_="lima"),
    ]
    assert time.monotonic() - began < 2.0 and [handle.status().state for handle in handles] == ["running"] * 2
    assert [handle.result(timeout=60)["mean"] for handle in handles] == [4.0, 4.0]


def test_what_cannot_be_pulled(platform: Platform) -> None:
    """Nothing is born."""
    before = len(platform.agents())
    for kind, call in [
        (UnknownUnit, lambda: platform.pull("oslo", "nothing", from_="lima")),
        (UnknownUnit, lambda: platform.pull("oslo", "mean", version="7")),
        (UnknownPlace, lambda: platform.pull("nowhere", "mean")),
        (UnknownPlace, lambda: platform.pull("oslo", "mean", from_="nowhere")),
    ]:
        with pytest.raises(kind):
            call()
    assert len(platform.agents()) == before


def test_a_name_can_be_given_once(platform: Platform) -> None:
    """As to what is launched."""
    platform.publish(units.slow_mean, "slow_mean", at="lima")
    first = platform.pull("oslo", "slow_mean", "readings", 3.0, called="pulled")
    with pytest.raises(MoveRefused) as caught:
        platform.pull("oslo", "slow_mean", "readings", 3.0, called="pulled")
    assert caught.value.why == "agent-name-taken"
    assert first.result(timeout=60)["mean"] == 4.0
