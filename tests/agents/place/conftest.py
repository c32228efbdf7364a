"""A platform for each test, which must end without a defect of a place and without a thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from agents.place import PlaceOptions
from agents.testing.local import LocalPlatform

PLACES = ("baku", "oslo", "lima")


def ours() -> list[str]:
    """The threads of platforms."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("sojourn-")]


def until(condition, seconds: float = 10.0):
    """Wait until something holds; what it gave last."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def defects(platform: LocalPlatform) -> list[str]:
    """What places have logged of themselves that should not happen."""
    return [event.data["text"] for event in platform.logs() if "defect" in event.data.get("text", "")]


@pytest.fixture
def platform() -> Iterator[LocalPlatform]:
    resources = {place: {"number": index} for index, place in enumerate(PLACES)}
    with LocalPlatform(
        PLACES, resources=resources, options=PlaceOptions(transfer_seconds=4.0, retry_seconds=0.05)
    ) as platform:
        yield platform
        count = sum(place._defects for place in platform.running.values())
    assert not count, "a place has met a defect: see its standard error above"


@pytest.fixture(autouse=True)
def _switches_as_a_place_does():
    """As the actor of a place does: else a thread waits 5 ms for the interpreter, for each one that computes."""
    import sys

    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(before)
