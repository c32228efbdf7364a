"""Many threads at once: of all who ask for one epoch, one gets it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.directory import AgentNameTaken, Directory, Info
from agents.handoff.ledger import NEVER, Answer, Finish, Granted, Holder, Take

THREADS = 12
HOLDERS = [Holder(f"p{number}", "w") for number in range(THREADS)]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory(tmp_path, lease_seconds=600.0) as directory:
        for holder in HOLDERS:
            directory.register(holder.place, holder.writer, b"key", False, {})
        yield directory


def link(number: int) -> bytes:
    return number.to_bytes(32, "big")


def all_at_once(action: Callable[[int], object]) -> list[object]:
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> object:
        barrier.wait(30)
        return action(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS), timeout=120))


def test_one_epoch_is_granted_once(directory: Directory) -> None:
    """Race after race for the same agent, each for the next epoch."""
    directory.submit(Take("a", NEVER, HOLDERS[0], link(0)))
    for epoch in range(30):

        def race(number: int, epoch: int = epoch) -> object:
            own = link((epoch + 1) * 100 + number)
            row = directory.locate("a")[1]
            assert row is not None
            return directory.submit(Take("a", epoch, HOLDERS[number], own, record))

        row = directory.locate("a")[1]
        assert row is not None
        record = row.record
        answers = all_at_once(race)
        granted = [number for number, answer in enumerate(answers) if isinstance(answer, Granted)]
        assert len(granted) == 1
        row = directory.locate("a")[1]
        assert row is not None
        assert (row.epoch, row.holder) == (epoch + 1, HOLDERS[granted[0]])


def test_one_birth_one_name_one_end(directory: Directory) -> None:
    def birth(number: int) -> object:
        try:
            about = Info("ada", "me", None, "x:y", 1.0)
            return directory.submit(Take(f"aaaaaaaa{number:02}", NEVER, HOLDERS[number], link(number)), info=about)
        except AgentNameTaken as error:
            return error

    answers = all_at_once(birth)
    assert sum(isinstance(answer, Granted) for answer in answers) == 1
    assert sum(isinstance(answer, AgentNameTaken) for answer in answers) == THREADS - 1
    (entry,) = directory.entries()
    assert entry.row.holder is not None
    holder = entry.row.holder

    def end(number: int) -> object:
        return directory.submit(Finish(entry.row.agent, 0, holder), outcome=b"%d" % number)

    waiting = ThreadPoolExecutor(1)
    ended = waiting.submit(directory.wait_ended, [entry.row.agent], 60)
    answers = all_at_once(end)
    assert all(isinstance(answer, Granted) for answer in answers), "the same request again is granted again"
    assert ended.result(60) is True
    waiting.shutdown()
    outcome = directory.outcome(entry.row.agent)
    all_at_once(end)
    assert directory.outcome(entry.row.agent) == outcome


def test_changes_of_all_kinds_take_turns(directory: Directory) -> None:
    """One connection has one transaction at a time."""

    def changes(number: int) -> None:
        for turn in range(30):
            directory.set_setting(f"{number}", f"{turn}")
            assert directory.setting(f"{number}") == f"{turn}"
            assert directory.put_reply(f"{number}-{turn}", b"reply")
            directory.tidy()

    all_at_once(changes)
    assert [directory.setting(f"{number}") for number in range(THREADS)] == ["29"] * THREADS


def test_an_agent_is_never_seen_between_two_states(directory: Directory) -> None:
    """What a reader sees is some committed row: epochs only grow, and row and description come together."""
    stop = threading.Event()
    seen: list[int] = []

    def watch() -> None:
        last = NEVER
        while not stop.is_set():
            entry = directory.find("a")
            if entry is not None:
                assert entry.info is not None
                assert entry.passport == b"%d" % entry.row.epoch
                assert entry.row.epoch >= last
                last = entry.row.epoch
        seen.append(last)

    with ThreadPoolExecutor(3) as pool:
        watchers = [pool.submit(watch) for _ in range(3)]
        try:
            for number in range(200):
                about = Info(None, "me", None, "x:y", 1.0) if number == 0 else None
                request = Take("a", number - 1, HOLDERS[number % 2], link(number + 1), link(number))
                answer: Answer = directory.submit(request, info=about, passport=b"%d" % number)
                assert isinstance(answer, Granted)
        finally:
            stop.set()
        for watcher in watchers:
            watcher.result(60)
    assert len(seen) == 3
