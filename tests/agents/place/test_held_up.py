"""What is held up: a turn has a deadline, a held lock stops no other, a file goes back to where it was."""

from __future__ import annotations

import time

import pytest

from agents import agent, fetch, ordered, receive
from agents.errors import WaitedTooLong
from agents.place import requesting
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, until


@agent
def fetches(here):
    began = time.monotonic()
    try:
        yield fetch("nothing", from_="oslo", timeout=0.5)
    except WaitedTooLong:
        return time.monotonic() - began


def test_a_turn_that_does_not_come_has_a_deadline(monkeypatch):
    monkeypatch.setattr(requesting, "_THREADS", 1)
    with LocalPlatform(PLACES) as platform:
        busy = platform.running["baku"]._requesting
        busy.beside(lambda: time.sleep(4), lambda: None, seconds=10)
        took = platform.launch(fetches, at="baku").result(timeout=10)
        assert took is not None and 0.4 < took < 3


@agent
def waits(here):
    yield receive()
    return here.name


def test_a_lease_that_runs_out_while_a_lock_is_held_stops_no_other():
    """As by a capture that comes to no end: the thread of the lease goes on to the next agent."""
    with LocalPlatform(PLACES, lease_seconds=1.0) as platform:
        stuck, other = platform.launch(waits, at="baku"), platform.launch(waits, at="baku")
        assert until(lambda: other.status().state == "waiting")
        with platform.running["baku"].core.known(stuck.agent).lock:
            platform.kill_directory()
            time.sleep(2.0)
            platform.start_directory()
            assert until(lambda: platform.running["baku"].core.leased)
            other.send("go", timeout=15)
            assert other.result(timeout=15) == "baku"
        stuck.send("go", timeout=15)
        assert stuck.result(timeout=15) == "baku"


def test_thawed_without_a_place_it_goes_on_where_it_was():
    with LocalPlatform(PLACES) as platform:
        for _ in range(6):
            handle = platform.launch(waits, itinerary=ordered("oslo", "lima"))
            assert until(lambda: handle.status().state == "waiting")
            assert platform.thaw(handle.freeze()).place() == "oslo"
            handle.stop()


def endless(here):
    while True:
        pass


def test_a_fragment_in_a_process_ends_with_its_deadline():
    import psutil

    with LocalPlatform(["oslo"]) as platform:
        platform.install("oslo", endless, "endless", process=True)
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        with pytest.raises(WaitedTooLong):
            platform.call("oslo", "endless", timeout=1)

        def left():
            return [c for c in psutil.Process().children(recursive=True) if c.pid not in before and c.is_running()]

        assert until(lambda: not [c for c in left() if c.status() != psutil.STATUS_ZOMBIE], 8)
