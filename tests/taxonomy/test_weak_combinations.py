"""Weak mobility along all its axes at once, on a real cluster: each of the 32 combinations by its words.

Who initiates it (the sender pushes, the receiver pulls), in which process it runs, what the code becomes there, whether
whoever wants it waits, and when it begins.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agents import Handle, Platform
from agents.errors import UnknownService
from tests.support.ray_cluster import eventually, platform_here
from tests.taxonomy import combination_units as units

pytestmark = pytest.mark.timeout(180)
PLACES = ("baku", "oslo", "lima")
AXES = (
    ("pushed", "pulled"),
    ("in-process", "separate"),
    ("stand-alone", "fragment"),
    ("synchronous", "asynchronous"),
    ("immediate", "deferred"),
)
COMBINATIONS = list(itertools.product(*AXES))
#: Seconds after which what is deferred to a time begins, and after which a condition is made true for whoever waits.
LATER = 1.0


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: a gate is open when its file is there."""
    return tmp_path_factory.mktemp("gates")


@pytest.fixture(scope="module")
def platform(gates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    resources = {"*": {"readings": [1, 2, 3], "gate": partial(os.path.exists, str(gates / "open"))}}
    with platform_here(resources=resources, home=tmp_path_factory.mktemp("home"), lease_seconds=5.0) as made:
        made.publish(units.Measures, "measures", at="lima")
        made.publish(units.measure, "measure", at="lima")
        yield made


def place_of(platform: Platform) -> dict[str, Any]:
    return next(dict(one.about) for one in platform.places(details=True) if one.name == "oslo")


def started(platform: Platform, pushed: bool, service: str | None, waits: bool, seconds: float, **terms: Any) -> Any:
    """Start the unit on oslo: the result for whoever waits, else a handle."""
    if service is None:
        given = ("readings", seconds)
        if not pushed:
            handle = platform.pull("oslo", "measures", *given, from_="lima", **terms)
            return handle.result(timeout=60) if waits else handle
        if waits:
            return platform.evaluate("oslo", units.Measures, *given, timeout=60, **terms)
        return platform.launch(units.Measures, *given, at="oslo", **terms)
    if not pushed:
        handle = platform.pull("oslo", "measure", from_="lima", fragment=service, **terms)
        return handle.result(timeout=60) if waits else handle
    if waits:
        return platform.install("oslo", units.measure, service, **terms)
    return platform.launch(units.measure, at="oslo", fragment=service, **terms)


def begins(platform: Platform, agent: str) -> float:
    """When a fragment became a service, as the place has noted."""
    said: list[float] = []

    def noted() -> bool:
        said[:] = [event.time for event in platform.get(agent).logs() if "is the service" in event.data.get("text", "")]
        return bool(said)

    assert eventually(noted, 10)
    return said[0]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=["-".join(words) for words in COMBINATIONS])
def test_weak_mobility(platform: Platform, gates: Path, combination: tuple[str, ...]) -> None:
    initiated, where, kind, waiting, start = combination
    waits, pushed = waiting == "synchronous", initiated == "pushed"
    service = "-".join(combination) if kind == "fragment" else None
    terms: dict[str, Any] = {"process": where == "separate"}
    gate = gates / "open"
    gate.unlink(missing_ok=True)
    earliest = time.time()
    opener: threading.Timer | None = None
    if start == "deferred" and pushed == waits:  # at a time
        earliest = terms["start_at"] = time.time() + LATER
    elif start == "deferred":  # when a condition holds
        terms["start_when"] = "gate"
        if waits:
            earliest += LATER
            opener = threading.Timer(LATER, gate.touch)
            opener.start()
    before = place_of(platform)
    known = {one.agent for one in platform.agents(ended=True)}

    called = time.time()
    # The asynchronous and immediate one takes its time, so that it is seen to run while its handle is there.
    given = started(platform, pushed, service, waits, 1.5 if not waits and start == "immediate" else 0.0, **terms)

    if waits:
        result = given
        assert time.time() >= earliest
        (agent,) = {one.agent for one in platform.agents(ended=True)} - known
        handle = platform.get(agent)
    else:
        assert isinstance(given, Handle)
        handle = given
        if start == "deferred":
            status = handle.status()
            assert status.state == "waiting" or time.time() >= earliest > called
            if "start_when" in terms:
                time.sleep(0.2)
                assert handle.status().state == "waiting"
                earliest = time.time()
                gate.touch()
        elif service is None:
            assert handle.status().state == "running"
        result = handle.result(timeout=60)
    if opener is not None:
        opener.join()
    began = result["began"] if service is None else begins(platform, handle.agent)
    assert earliest <= began < earliest + 20

    links = [(link.origin, link.signed_by) for link in handle.trail()]
    assert handle.trail().verified and links == ([] if pushed else [("oslo", "place:oslo")])

    after = place_of(platform)
    if service is not None:
        assert result == {"service": service, "place": "oslo", "replaced": False}
        assert set(after["services"]) - set(before["services"]) == {service}
        result = platform.call("oslo", service, "readings")
        platform.remove("oslo", service)
        with pytest.raises(UnknownService):
            platform.call("oslo", service, "readings")
    else:
        assert after["services"] == before["services"]
    assert (result["sum"], result["place"]) == (6, "oslo")
    assert (result["pid"] == after["pid"]) is (where == "in-process")


def test_all_combinations_are_there() -> None:
    assert len({*COMBINATIONS}) == 32
