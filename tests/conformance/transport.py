"""What a `Transport` promises: delivers once or raises, keeps deadlines, says what was not sent, and carries errors."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from agents.directory import NotRegistered
from agents.errors import DirectoryUnreachable, PlaceUnreachable, UnknownPlace
from agents.protocol import Description, FetchCode, Fetched, HeldBack, LooksAt, NotHere

__all__ = ["TransportSuite"]


class TransportSuite:
    """Derive from it, and give the fixture `network`.

    It has `transport`; `serve(place, server)`, which makes a place answer by a function; `kill(place)`, after which it
    does not answer; `kill_directory()` and `start_directory()`.
    """

    def test_asks_and_answers(self, network):
        network.serve("oslo", lambda request: Fetched(b"x" * len(request.digest)))
        assert network.transport.ask_place("oslo", FetchCode(b"12345"), timeout=5) == Fetched(b"xxxxx")

    @pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
    def test_bytes_of_any_size(self, network, size):
        data = bytes(size)
        network.serve("oslo", lambda request: Fetched(request.digest))
        assert network.transport.ask_place("oslo", FetchCode(data), timeout=20).data == data

    def test_places_are_known_by_name(self, network):
        network.serve("oslo", lambda request: NotHere())
        network.serve("lima", lambda request: NotHere())
        assert {"oslo", "lima"} <= set(network.transport.places())
        assert network.transport.knows("oslo") and not network.transport.knows("atlantis")

    def test_unknown_place(self, network):
        with pytest.raises(UnknownPlace, match="no place 'atlantis'"):
            network.transport.ask_place("atlantis", LooksAt(), timeout=5)

    def test_a_dead_place_is_noticed_before_the_deadline(self, network):
        network.serve("oslo", lambda request: NotHere())
        network.transport.ask_place("oslo", LooksAt(), timeout=5)
        network.kill("oslo")
        began = time.monotonic()
        with pytest.raises(PlaceUnreachable, match="oslo does not answer"):
            network.transport.ask_place("oslo", LooksAt(), timeout=30)
        assert time.monotonic() - began < 25

    def test_a_deadline_is_kept(self, network):
        gate = threading.Event()

        def slow(request):
            gate.wait(10)
            return NotHere()

        network.serve("oslo", slow)
        began = time.monotonic()
        with pytest.raises(PlaceUnreachable) as raised:
            network.transport.ask_place("oslo", LooksAt(), timeout=0.3)
        gate.set()
        assert time.monotonic() - began < 5
        assert not raised.value.unsent, "it may have been delivered"

    def test_each_request_is_delivered_at_most_once(self, network):
        seen = []
        lock = threading.Lock()

        def count(request):
            with lock:
                seen.append(request.digest)
            return Fetched(request.digest)

        network.serve("oslo", count)
        wanted = [str(number).encode() for number in range(100)]
        with ThreadPoolExecutor(8) as pool:
            ask = network.transport.ask_place
            answers = list(pool.map(lambda one: ask("oslo", FetchCode(one), timeout=20).data, wanted))
        assert answers == wanted and sorted(seen) == sorted(wanted)

    def test_a_place_that_is_asked_can_ask_meanwhile(self, network):
        def asks_lima(request):
            return network.transport.ask_place("lima", request, timeout=5)

        network.serve("oslo", asks_lima)
        network.serve("lima", lambda request: HeldBack())
        assert network.transport.ask_place("oslo", LooksAt(), timeout=10) == HeldBack()

    def test_slow_requests_do_not_block_others(self, network):
        gate = threading.Event()
        network.serve("oslo", lambda request: (gate.wait(10), NotHere())[1])
        network.serve("lima", lambda request: Description("lima", {}))
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(network.transport.ask_place, "oslo", LooksAt(), timeout=15) for _ in range(4)]
            assert network.transport.ask_place("lima", LooksAt(), timeout=5).place == "lima"
            gate.set()
            assert all(answer.result(10) == NotHere() for answer in waiting)

    def test_the_directory_answers_and_its_errors_come_as_they_are(self, network):
        assert network.transport.ask_directory("locate", "nobody", timeout=10) == (None, None)
        with pytest.raises(NotRegistered, match="not known to this directory") as raised:
            network.transport.ask_directory("renew", "nowhere", "nobody", timeout=10)
        assert raised.value.slug == "not-registered" and raised.value.remedy

    def test_a_directory_that_is_gone_and_comes_back(self, network):
        network.transport.ask_directory("set_setting", "a", "1", timeout=10)
        network.kill_directory()
        began = time.monotonic()
        with pytest.raises(DirectoryUnreachable, match="does not answer"):
            network.transport.ask_directory("setting", "a", timeout=2)
        assert time.monotonic() - began < 20
        network.start_directory()
        deadline = time.monotonic() + 20
        while True:
            try:
                assert network.transport.ask_directory("setting", "a", timeout=5) == "1"
                return
            except DirectoryUnreachable:
                assert time.monotonic() < deadline
                time.sleep(0.1)
