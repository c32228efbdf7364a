"""The event log: it only grows, has no gaps, keeps each event once, and can be waited for."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import eventlog
from agents.directory import Directory
from agents.eventlog import (
    EventKind,
    EventLog,
    EventLogDiskFull,
    EventLogInUse,
    EventLogNewer,
    EventLogUnusable,
    LogEvent,
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog(tmp_path) as log:
        yield log


def event(number: int, **fields: Any) -> LogEvent:
    usual = {"time": 5.0 + number, "place": "oslo", "agent": "a1", "kind": EventKind.SAID, "epoch": 3}
    return LogEvent(id=f"oslo/w/{number}", **{**usual, **fields})


def numbers(events: list[LogEvent]) -> list[int | None]:
    return [event.number for event in events]


def test_what_is_read_is_what_was_appended(log: EventLog) -> None:
    data = {"line": "ünï \udc80 \x00", "bytes": 231, "ms": 0.25, "more": [None, True, {"a": []}]}
    appended = [
        event(0, data=data),
        event(1, kind=EventKind.PLACE_JOINED, agent=None, epoch=None),
        event(2, place=None),
    ]
    assert log.append(appended) == 3
    read = log.read()
    assert numbers(read) == [1, 2, 3]
    assert [LogEvent(e.id, e.time, e.place, e.agent, e.kind, e.epoch, e.data) for e in read] == appended
    assert all(type(e.kind) is EventKind for e in read)
    assert pickle.loads(pickle.dumps(read)) == read


def test_every_kind_has_its_word(log: EventLog) -> None:
    """The words are in files and on screens: they stay."""
    assert {kind.value for kind in EventKind} == set(
        "asked born launched departed arrived refused move-failed cloned spawned received sent checkpointed restored "
        "suspended proceeded frozen thawed ended failed lost said place-joined place-left "
        "place-draining place-reopened lease-lost lease-held".split()
    )
    log.append([event(number, kind=kind) for number, kind in enumerate(EventKind)])
    assert [e.kind for e in log.read()] == list(EventKind)


@given(batches=st.lists(st.lists(st.integers(0, 12), max_size=6), max_size=12))
@settings(max_examples=60, deadline=None)
def test_each_event_is_kept_once_and_numbers_have_no_gaps(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]]
) -> None:
    """Batches come again, in part and in other company, also with one event twice."""
    folder = tmp_path_factory.mktemp("log")
    expected: list[str] = []
    for batch in batches:
        with EventLog(folder) as log:  # numbers go on over a restart
            last = log.append([event(number) for number in batch])
            expected += [id_ for id_ in dict.fromkeys(f"oslo/w/{number}" for number in batch) if id_ not in expected]
            assert last == log.last == len(expected)
    with EventLog(folder) as log:
        read = log.read()
    assert [e.id for e in read] == expected
    assert numbers(read) == list(range(1, len(expected) + 1))


def test_many_threads_append_without_gaps(log: EventLog) -> None:
    """Each appends its own events twice over, in small batches."""

    def appends(thread: int) -> None:
        for number in range(0, 40, 4):
            for _ in range(2):
                own = range(number, number + 4)
                log.append([LogEvent(f"{thread}/{n}", 0.0, None, None, EventKind.SENT) for n in own])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(appends, range(8), timeout=60))
    read = log.read(limit=1000)
    assert numbers(read) == list(range(1, 321))
    for thread in range(8):
        own = [e.id for e in read if e.id.startswith(f"{thread}/")]
        assert own == [f"{thread}/{number}" for number in range(40)], "in its own order"


def test_reading_goes_on_where_it_ended(log: EventLog) -> None:
    log.append([event(number) for number in range(10)])
    assert numbers(log.read(limit=4)) == [1, 2, 3, 4]
    assert numbers(log.read(4, limit=4)) == [5, 6, 7, 8]
    assert numbers(log.read(8, limit=4)) == [9, 10]
    assert log.read(10) == []
    assert log.read(limit=0) == []
    assert log.read(limit=-1) == [], "sqlite would take it for no limit"


def test_reading_by_agent_kind_and_place(log: EventLog) -> None:
    for number in range(24):
        agent, place = ("a1", "a2")[number % 2], ("oslo", "baku", None)[number % 3]
        kind = (EventKind.SENT, EventKind.SAID, EventKind.ENDED, EventKind.BORN)[number % 4]
        log.append([event(number, agent=agent, place=place, kind=kind)])
    everything = log.read()
    for agent in (None, "a1", "a2", "a3"):
        for place in (None, "oslo", "lima"):
            for kinds in (None, [EventKind.SENT], [EventKind.SENT, EventKind.SAID, EventKind.BORN], []):
                fitting = [
                    e
                    for e in everything
                    if (agent is None or e.agent == agent)
                    and (place is None or e.place == place)
                    and (kinds is None or e.kind in kinds)
                ]
                assert log.read(agent=agent, kinds=kinds, place=place) == fitting
                assert log.read(7, agent=agent, kinds=kinds, place=place) == [e for e in fitting if (e.number or 0) > 7]
                assert log.tail(3, agent=agent, kinds=kinds, place=place) == fitting[-3:]
    assert log.tail(0) == []


# -- it only grows


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = NULL",
        "UPDATE events SET number = number + 100 WHERE number = 3",
        "DELETE FROM events",
        "DELETE FROM events WHERE number = 3",
        "INSERT OR REPLACE INTO events (number, id, time, kind) VALUES (3, 'x', 0, 'said')",
        "INSERT OR REPLACE INTO events (number, id, time, kind) VALUES (4, 'oslo/w/1', 0, 'said')",
        "REPLACE INTO events (number, id, time, kind) VALUES (2, 'oslo/w/1', 0, 'said')",
        "INSERT INTO events (number, id, time, kind) VALUES (9, 'x', 0, 'said')",
        "INSERT INTO events (number, id, time, kind) VALUES (0, 'x', 0, 'said')",
        "INSERT INTO events (number, id, time, kind) VALUES (2, 'oslo/w/9', 0, 'said') "
        "ON CONFLICT (number) DO UPDATE SET id = 'x'",
    ],
)
def test_nobody_changes_what_was_written(log: EventLog, tmp_path: Path, statement: str) -> None:
    """Neither by the log's own connection nor by one from outside that knows the file."""
    log.append([event(number) for number in range(3)])
    before = log.read()
    with pytest.raises(sqlite3.IntegrityError, match="event log"), log._database.change() as db:
        db.execute(statement)
    outside = sqlite3.connect(tmp_path / "events.sqlite", isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="event log"):
        outside.execute(statement)
    outside.close()
    assert log.read() == before


def test_an_id_is_unique_even_without_the_triggers(log: EventLog) -> None:
    log.append([event(0)])
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), log._database.change() as db:
        db.execute("DROP TRIGGER no_replacement")
        db.execute("INSERT INTO events (number, id, time, kind) VALUES (2, 'oslo/w/0', 0, 'said')")
    with pytest.raises(sqlite3.IntegrityError, match="event log"), log._database.change() as db:
        db.execute("INSERT INTO events (number, id, time, kind) VALUES (2, 'oslo/w/0', 0, 'said')")


def test_a_batch_is_written_as_a_whole_or_not_at_all(log: EventLog) -> None:
    log.append([event(0)])
    broken = LogEvent("x", 1.0, None, None, EventKind.SAID, epoch=1 << 70)
    with pytest.raises(OverflowError):
        log.append([event(1), broken])
    for data in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises((TypeError, ValueError)):
            log.append([event(1), event(2, data=data)])
    assert log.last == 1
    assert log.append([event(1)]) == 2
    assert [e.id for e in log.read()] == ["oslo/w/0", "oslo/w/1"]


# -- waiting


def test_waiting_ends_with_the_next_event(log: EventLog) -> None:
    log.append([event(0)])
    assert log.wait(0, 0) == 1
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(log.wait(1, 30)), daemon=True)
    waiting.start()
    waiting.join(0.1)
    log.append([event(0)])  # a repetition is no event
    waiting.join(0.1)
    assert waiting.is_alive()
    log.append([event(1)])
    waiting.join(10)
    assert answers == [2]


def test_every_wait_is_bounded(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "LONGEST_WAIT", 0.05)
    assert log.wait(0, 1e9) == 0
    assert log.wait(0, -3) == 0


# -- the file


def test_a_full_log_is_said_and_goes_on_when_there_is_room_and_the_directory_is_not_hindered(tmp_path: Path) -> None:
    with EventLog(tmp_path) as log, Directory(tmp_path) as directory:
        with log._database.look() as db:
            db.execute("PRAGMA max_page_count = 60")
        number = 0
        with pytest.raises(EventLogDiskFull) as caught:
            while number < 2000:
                log.append([event(number, data={"line": "x" * 2000}), event(number + 1)])
                number += 2
        assert number > 10
        error = pickle.loads(pickle.dumps(caught.value))
        assert "None of these events was written" in str(error)
        assert log.last == number
        assert numbers(log.read(limit=3000)) == list(range(1, number + 1))
        directory.register("oslo", "w", b"key", False, {})
        with log._database.look() as db:
            db.execute("PRAGMA max_page_count = 100000")
        assert log.append([event(number), event(number + 1)]) == number + 2


def test_it_has_one_writer(log: EventLog, tmp_path: Path) -> None:
    with pytest.raises(EventLogInUse):
        EventLog(tmp_path)
    assert log.append([event(0)]) == 1


def test_files_of_other_kinds_and_later_versions_are_refused(tmp_path: Path) -> None:
    EventLog(tmp_path / "newer").close()
    file = sqlite3.connect(tmp_path / "newer" / "events.sqlite")
    file.execute("PRAGMA user_version = 2")
    file.close()
    with pytest.raises(EventLogNewer):
        EventLog(tmp_path / "newer")
    Directory(tmp_path / "other").close()
    os.rename(tmp_path / "other" / "directory.sqlite", tmp_path / "other" / "events.sqlite")
    with pytest.raises(EventLogUnusable, match="another kind"):
        EventLog(tmp_path / "other")


def test_a_closed_log_says_so(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.close()
    with pytest.raises(EventLogUnusable, match="was closed"):
        log.append([event(0)])
    with pytest.raises(EventLogUnusable, match="was closed"):
        log.read()


APPENDS = """
import sys
from agents.eventlog import EventKind, EventLog, LogEvent
log = EventLog(sys.argv[1])
number = log.last
while True:
    batch = [LogEvent(f"w/{number + n}", 1.0, None, None, EventKind.SAID, data={"n": "x" * 500}) for n in range(3)]
    number = log.append(batch)
    print(number, flush=True)
"""


def test_what_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    """Killed at some moment, started again, killed again; batches are whole, numbers go on."""
    root = Path(__file__).parents[2]
    told = 0
    for turn in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDS, str(tmp_path)], cwd=root, text=True, stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(20 + 7 * turn)]
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.readlines()
        assert child.returncode == -signal.SIGKILL
        told = max(told, *(int(line) for line in lines if line.endswith("\n")))
        with EventLog(tmp_path) as log:
            assert log.last >= told
            assert log.last % 3 == 0
            read = log.read(limit=100_000)
            assert numbers(read) == list(range(1, log.last + 1))
            assert [e.id for e in read] == [f"w/{number}" for number in range(log.last)]
