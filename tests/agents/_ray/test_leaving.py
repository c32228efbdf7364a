"""SIGTERM to a place: its agents go on elsewhere within the grace period, or stay on disk; none is lost or doubled."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents import Platform, agent, connect, receive
from agents._ray.cluster import Reached, reach
from agents._ray.leaving import GRACE, grace, heed_sigterm, leave
from agents.errors import MoveRefused
from agents.place import Place
from agents.protocol import Transfer
from agents.testing.local import LocalPlatform
from tests.agents._ray import travellers
from tests.support.ray_cluster import eventually

pytestmark = pytest.mark.timeout(400)


@agent
def adds(here, start):
    total = start
    while (letter := (yield receive())).value is not None:
        total += letter.value
    return here.name, total


# -- a place, without Ray


def test_agents_go_elsewhere_and_the_place_is_open_when_it_comes_back() -> None:
    with LocalPlatform(["baku", "oslo"]) as platform:
        handles = [platform.launch(adds, number, at="baku") for number in range(5)]
        assert eventually(lambda: all(handle.status().state == "waiting" for handle in handles))
        began = time.monotonic()
        leave(platform.running["baku"], 20)
        assert time.monotonic() - began < 20
        assert {handle.place() for handle in handles} == {"oslo"}
        platform.kill("baku")
        platform.start("baku")
        assert not platform.running["baku"].core.draining
        handles[0].move("baku", timeout=20)
        for number, handle in enumerate(handles):
            handle.send(10)
            handle.send(None)
            assert handle.result(timeout=20) == ("baku" if number == 0 else "oslo", number + 10)


@pytest.mark.parametrize(("places", "seconds"), [(["baku"], 20), (["baku", "oslo"], 0)], ids=["alone", "no grace"])
def test_agents_stay_on_disk_where_they_cannot_go(places: list[str], seconds: float) -> None:
    """At once; they are there again when the place is."""
    with LocalPlatform(places) as platform:
        handle = platform.launch(adds, 1, at="baku")
        assert eventually(lambda: handle.status().state == "waiting")
        began = time.monotonic()
        leave(platform.running["baku"], seconds)
        assert time.monotonic() - began < 8
        platform.kill("baku")
        platform.start("baku")
        handle.send(10)
        handle.send(None)
        assert handle.result(timeout=20) == ("baku", 11)


def test_a_place_that_is_killed_before_all_have_left_is_open_when_it_comes_back() -> None:
    """As by SIGKILL, for which ten seconds are left in many a container: only its process was ended."""
    with LocalPlatform(["baku", "oslo"], lease_seconds=2.0) as platform:
        handles = [platform.launch(adds, number, at="baku") for number in range(3)]
        assert eventually(lambda: all(handle.status().state == "waiting" for handle in handles))
        leaves = threading.Event()

        def slow(whom: str, request: Any, deliver: Callable[[], Any]) -> Any:
            if isinstance(request, Transfer):
                leaves.set()
                time.sleep(0.3)
            return deliver()

        platform.net.tamper = slow
        thread = threading.Thread(target=leave, args=(platform.running["baku"], 10))
        thread.start()
        assert leaves.wait(10)
        platform.kill("baku")
        platform.net.tamper = None
        thread.join(30)
        platform.start("baku")
        assert not platform.running["baku"].core.draining
        for number, handle in enumerate(handles):
            handle.send(10)
            handle.send(None)
            assert handle.result(timeout=20)[1] == number + 10


def test_a_place_that_was_closed_by_hand_is_closed_when_it_comes_back() -> None:
    """Its machine is started again, and whoever has emptied it has not said that it stays."""
    with LocalPlatform(["baku", "oslo"]) as platform:
        platform.drain("baku", timeout=10)
        leave(platform.running["baku"], 5)
        platform.kill("baku")
        platform.start("baku")
        assert platform.client.describe_place("baku").about["draining"] is True


def test_nobody_is_let_in_once_the_others_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing takes a moment, as of what other packages have open there: who came then would be caught."""
    with LocalPlatform(["baku", "oslo"]) as platform:
        place = platform.running["baku"]
        close = place.close
        refused: list[str] = []

        def late(*, timeout: float) -> None:
            with pytest.raises(MoveRefused) as caught:
                platform.launch(adds, 1, at="baku")
            refused.append(caught.value.why)
            close(timeout=timeout)

        with monkeypatch.context() as patch:
            patch.setattr(place, "close", late)
            leave(place, 10)
        assert refused == ["place-draining"]


def test_grace_without_an_end() -> None:
    """It is as long as it takes."""
    with LocalPlatform(["baku", "oslo"]) as platform:
        handle = platform.launch(adds, 1, at="baku")
        leave(platform.running["baku"], float("inf"))
        assert handle.place() == "oslo"


def test_a_second_signal_begins_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ray stop` and a service manager may both send one; the process ends when its place has left, with code 1."""
    begun, ended, go_on = [], [], threading.Event()

    def leaves(place: Place, seconds: float) -> None:
        begun.append((place, seconds))
        go_on.wait(10)

    monkeypatch.setenv(GRACE, "3")
    monkeypatch.setattr("agents._ray.leaving.leave", leaves)
    monkeypatch.setattr("agents._ray.leaving.os._exit", ended.append)
    before = signal.getsignal(signal.SIGTERM)
    with LocalPlatform(["baku"]) as platform:
        try:
            assert heed_sigterm(platform.running["baku"])
            for _ in range(2):
                signal.raise_signal(signal.SIGTERM)
                assert eventually(lambda: bool(begun))
            time.sleep(0.1)
            assert begun == [(platform.running["baku"], 3.0)] and not ended
            go_on.set()
            assert eventually(lambda: ended == [1])
        finally:
            go_on.set()
            signal.signal(signal.SIGTERM, before)


def test_the_grace_period(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(GRACE, raising=False)
    usual = grace()
    for text, seconds in (("3.5", 3.5), ("0", 0.0), ("-1", 0.0), ("soon", usual)):
        monkeypatch.setenv(GRACE, text)
        assert grace() == seconds
    assert "is no number of seconds" in capsys.readouterr().err


# -- real processes


@pytest.fixture(scope="module")
def cluster() -> Iterator[Reached]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(GRACE, "20")
        reached = reach("local", places=("baku", "oslo"))
    with reached:
        yield reached


@pytest.fixture(scope="module")
def platform(cluster: Reached, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home: Path = tmp_path_factory.mktemp("home")
    with connect(home=home, lease_seconds=3.0, progress=lambda line: None, timeout=120) as made:
        yield made


def test_sigterm_of_a_places_process(platform: Platform) -> None:
    """In the middle of their loops they go on elsewhere; Ray starts the place again, and it lets agents in."""
    handles = [platform.launch(travellers.ticks, at="oslo") for _ in range(4)]
    asked = platform.launch(travellers.answers, at="oslo")
    pid = platform.client.describe_place("oslo").about["pid"]
    os.kill(pid, signal.SIGTERM)
    assert eventually(lambda: all(handle.place() in ("baku", None) for handle in [*handles, asked]), 40)
    for handle in handles:
        handle.send("end", timeout=60)
        (first, before), (second, after) = handle.result(timeout=60)
        assert (first, second) == ("oslo", "baku") and before > 0 < after and handle.trail().verified

    def again() -> bool:
        told = {place.name: place.about for place in platform.places(details=True)}
        return told.get("oslo", {}).get("pid", pid) != pid

    assert eventually(again, 60)
    assert asked.move("oslo", timeout=60)["to"] == "oslo" and asked.ask(21, timeout=60)[0] == 42
    asked.send("end")
    asked.result(timeout=60)


def test_only_the_first_thread_can_have_signals_heeded() -> None:
    answers: list[bool] = []
    with LocalPlatform(["baku"]) as platform:
        thread = threading.Thread(target=lambda: answers.append(heed_sigterm(platform.running["baku"])))
        thread.start()
        thread.join()
    assert answers == [False]
