"""Everything that happened, in one log that only grows.

Rules
-----
1. Numbers are dense and increasing: they begin at 1, and a reader who has read up to n misses nothing before n.
2. What is written stays: triggers in the file refuse to change, delete or replace it, whoever tries.
3. An event has an id of its own. One that is appended again after an answer was lost is kept once.
4. The log has a file of its own, so that a full log does not keep the directory from deciding.

Not handled: proof. Whoever owns the file can replace it as a whole; what is signed is in the passports.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Condition
from types import TracebackType
from typing import Any, ClassVar, Final

from agents.directory.database import Database, Faults, Tables
from mobility.errors import MobilityError

__all__ = [
    "LONGEST_WAIT",
    "EventKind",
    "EventLog",
    "EventLogDiskFull",
    "EventLogError",
    "EventLogInUse",
    "EventLogNewer",
    "EventLogUnusable",
    "LogEvent",
]

#: A thread waits no longer than so many seconds at once, whatever it was asked for.
LONGEST_WAIT: Final = 60.0


class EventKind(StrEnum):
    """What happened."""

    BORN = "born"
    LAUNCHED = "launched"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    #: The destination did not let it in.
    REFUSED = "refused"
    MOVE_FAILED = "move-failed"
    CLONED = "cloned"
    SPAWNED = "spawned"
    #: Somebody wants something of an agent that computes; it is noted, and done at its next suspension.
    ASKED = "asked"
    #: It took a message out of its mailbox.
    RECEIVED = "received"
    SENT = "sent"
    CHECKPOINTED = "checkpointed"
    #: It came back from a checkpoint.
    RESTORED = "restored"
    #: It is halted, because its place has no lease.
    SUSPENDED = "suspended"
    PROCEEDED = "proceeded"
    #: It went into a file.
    FROZEN = "frozen"
    THAWED = "thawed"
    ENDED = "ended"
    FAILED = "failed"
    #: Neither its place nor a checkpoint has survived.
    LOST = "lost"
    #: A line that the agent has printed or logged.
    SAID = "said"
    PLACE_JOINED = "place-joined"
    PLACE_LEFT = "place-left"
    #: It lets nobody in, and its agents move to other places.
    PLACE_DRAINING = "place-draining"
    PLACE_REOPENED = "place-reopened"
    LEASE_LOST = "lease-lost"
    LEASE_HELD = "lease-held"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Something that happened.

    Attributes
    ----------
    id
        By which it is recognised when it is appended again: the place, its writer, and the writer's own count.
    time
        Time of day at the place, in seconds. The order in the log is that of `number`, not of `time`.
    place, agent
        Where, and to whom; None if it happened to none.
    epoch
        Of the agent then.
    data
        What else is to be said; as JSON can hold it.
    number
        In the log, from 1 on; None before it is there.
    """

    id: str
    time: float
    place: str | None
    agent: str | None
    kind: EventKind
    epoch: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    number: int | None = None


# -- errors -----------------------------------------------------------------------------------------------------------


class EventLogError(MobilityError):
    """Base of what the log raises: `EventLogDiskFull`, and `EventLogUnusable` with `EventLogInUse`, `EventLogNewer`.

    Attributes
    ----------
    path
        Of the file.
    problem
        Why.
    """

    slug = "event-log"
    what: ClassVar[str] = "cannot be used"
    remedy: ClassVar[str] = "See to that file and its folder, then open the log again."

    def __init__(self, path: object, problem: str, *, state: str | None = None) -> None:
        now = state or "None of these events was written; agents and the directory go on."
        super().__init__(f"the event log {path} {self.what}: {problem} ({self.slug}). {now} {self.remedy}")
        self.path = str(path)
        self.problem = problem


class EventLogDiskFull(EventLogError):
    """There is no room."""

    slug = "event-log-disk-full"
    what = "has no room on its disk"
    remedy = "Make room on that disk, and append them again."


class EventLogUnusable(EventLogError):
    """The system or sqlite refused, or the log was closed."""

    slug = "event-log-unusable"


class EventLogInUse(EventLogUnusable):
    """Another process has it open."""

    slug = "event-log-in-use"
    remedy = "Ask the process that has it open, or stop that first."


class EventLogNewer(EventLogUnusable):
    """A later version has written it."""

    slug = "event-log-newer"
    remedy = "Open it with the version that has written it."


_FAULTS: Final = Faults(EventLogDiskFull, EventLogUnusable, EventLogInUse, EventLogNewer)

_SCHEMA: Final = Tables(
    application=0x536A4576,  # SjEv
    version=1,
    statements=(
        """CREATE TABLE events (
            number INTEGER PRIMARY KEY NOT NULL,
            id TEXT NOT NULL UNIQUE,
            time REAL NOT NULL,
            place TEXT,
            agent TEXT,
            kind TEXT NOT NULL,
            epoch INTEGER,
            data TEXT
        )""",
        "CREATE INDEX by_agent ON events (agent, number)",
        """CREATE TRIGGER no_change BEFORE UPDATE ON events
            BEGIN SELECT RAISE(ABORT, 'the event log only grows: nothing in it is changed'); END""",
        """CREATE TRIGGER no_deletion BEFORE DELETE ON events
            BEGIN SELECT RAISE(ABORT, 'the event log only grows: nothing in it is deleted'); END""",
        # INSERT OR REPLACE deletes without asking the trigger above, unless the connection wishes otherwise.
        """CREATE TRIGGER no_replacement BEFORE INSERT ON events
            WHEN EXISTS (SELECT 1 FROM events WHERE id = NEW.id OR number = NEW.number)
            BEGIN SELECT RAISE(ABORT, 'the event log only grows: nothing in it is replaced'); END""",
        """CREATE TRIGGER no_gap BEFORE INSERT ON events
            WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM events)
            BEGIN SELECT RAISE(ABORT, 'the event log has no gaps'); END""",
    ),
)
_COLUMNS: Final = "id, time, place, agent, kind, epoch, data, number"


# -- the log ----------------------------------------------------------------------------------------------------------


class EventLog:
    """The log, for many threads of one process.

    Parameters
    ----------
    folder
        Where its file is, ``events.sqlite``; made if need be. One log at a time can have it open.

    Raises
    ------
    EventLogInUse, EventLogNewer, EventLogUnusable, EventLogDiskFull
    """

    def __init__(self, folder: str | Path) -> None:
        self._database = Database(Path(folder) / "events.sqlite", _SCHEMA, _FAULTS)
        self._grown = Condition(self._database.lock)
        try:
            with self._database.look() as db:
                (self._last,) = db.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()
        except BaseException:
            self._database.close()
            raise

    @property
    def last(self) -> int:
        """The number of the last event; 0 if there is none."""
        with self._database.lock:
            return int(self._last)

    def append(self, events: Sequence[LogEvent]) -> int:
        """Write events, all or none; those that are there already are left out.

        Returns
        -------
        int
            The number of the log's last event.

        Raises
        ------
        TypeError, ValueError
            If an event's data is not what JSON can hold.
        EventLogDiskFull, EventLogUnusable
        """
        rows = [_to_row(event) for event in events]
        with self._database.lock:
            with self._database.change() as db:
                last = self._last
                for row in rows:
                    if db.execute("SELECT 1 FROM events WHERE id = ?", row[:1]).fetchone() is None:
                        last += 1
                        db.execute(f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, last))
            if last != self._last:
                self._last = last
                self._grown.notify_all()
            return int(last)

    def read(
        self,
        after: int = 0,
        agent: str | None = None,
        kinds: Iterable[EventKind] | None = None,
        place: str | None = None,
        limit: int = 1000,
    ) -> list[LogEvent]:
        """The oldest events after number `after`, at most `limit`, of this agent, these kinds and this place."""
        return self._select("number", after, agent, kinds, place, limit)

    def tail(
        self,
        count: int,
        agent: str | None = None,
        kinds: Iterable[EventKind] | None = None,
        place: str | None = None,
    ) -> list[LogEvent]:
        """The youngest `count` events of this agent, these kinds and this place, in order."""
        return self._select("number DESC", 0, agent, kinds, place, count)[::-1]

    def wait(self, after: int, timeout: float) -> int:
        """Wait until there are events after number `after`, for `timeout` seconds, and at most `LONGEST_WAIT`.

        Returns
        -------
        int
            The number of the log's last event: not above `after` if none came.
        """
        with self._database.lock:
            self._grown.wait_for(lambda: self._last > after, min(timeout, LONGEST_WAIT))
            return int(self._last)

    def close(self) -> None:
        """Close the file; whoever asks then gets `EventLogUnusable`."""
        self._database.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _select(
        self,
        order: str,
        after: int,
        agent: str | None,
        kinds: Iterable[EventKind] | None,
        place: str | None,
        limit: int,
    ) -> list[LogEvent]:
        conditions = ["number > ?"]
        values: list[Any] = [after]
        for column, wanted in (("agent", agent), ("place", place)):
            if wanted is not None:
                conditions.append(f"{column} = ?")
                values.append(wanted)
        if kinds is not None:
            names = [kind.value for kind in kinds]
            conditions.append(f"kind IN ({', '.join('?' * len(names))})")
            values += names
        query = f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT ?"
        with self._database.look() as db:
            return [_from_row(row) for row in db.execute(query, (*values, max(0, limit)))]


def _to_row(event: LogEvent) -> tuple[Any, ...]:
    data = None if not event.data else json.dumps(dict(event.data), allow_nan=False)
    kind = EventKind(event.kind).value
    return event.id, event.time, event.place, event.agent, kind, event.epoch, data


def _from_row(row: tuple[Any, ...]) -> LogEvent:
    event_id, moment, place, agent, kind, epoch, data, number = row
    told = {} if data is None else json.loads(data)
    return LogEvent(event_id, moment, place, agent, EventKind(kind), epoch, told, number)
