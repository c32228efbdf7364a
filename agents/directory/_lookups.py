"""The directory's part that is asked about agents, and that keeps replies and settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from agents.directory import _agents
from agents.directory._endings import Ending, endings
from agents.directory._gate import Gate
from agents.directory.database import Database
from agents.directory.records import Entry
from agents.handoff.ledger import Row, Status

__all__ = ["LONGEST_WAIT", "Lookups"]

#: A thread of the directory waits no longer than so many seconds at once, whatever it was asked for.
LONGEST_WAIT: Final = 60.0


class Lookups:
    """Agents, replies and settings; see `Directory`."""

    def __init__(self, database: Database, now: Callable[[], float], keep_seconds: float, reply_seconds: float) -> None:
        self._database = database
        self._now = now
        self._keep_seconds = keep_seconds
        self._reply_seconds = reply_seconds
        self._ends = Gate(database.lock)
        self._replies = Gate(database.lock)

    # -- agents

    def find(self, agent_or_name: str) -> Entry | None:
        """An agent by its id, its name, or the beginning of its id (6 hexadecimal digits or more, if only one fits).

        A name means the agent that has it; if none has, the one that ended last of those that had.
        """
        with self._database.look() as db:
            return _agents.find(db, agent_or_name)

    def entries(self, limit: int = 1000, include_ended: bool = False) -> list[Entry]:
        """At most so many agents, the youngest first; without their passports."""
        with self._database.look() as db:
            return _agents.entries(db, limit, include_ended)

    def locate(self, agent: str) -> tuple[str | None, Row | None]:
        """The place that holds the agent, if any does, and its row."""
        with self._database.look() as db:
            row = _agents.read(db, agent)
        if row is None or row.status is not Status.HELD or row.holder is None:
            return None, row
        return row.holder.place, row

    def outcome(self, agent: str) -> bytes | None:
        """With what it ended; None before, and when it was dropped long after."""
        with self._database.look() as db:
            return _agents.outcome(db, agent)

    def endings(self, agents: Sequence[str], at_most: int) -> list[Ending]:
        """Of these agents, those that have ended (with their outcomes, up to a size), are frozen, or are unknown."""
        with self._database.look() as db:
            return endings(db, agents, at_most)

    def wait_ended(self, agents: Sequence[str], timeout: float) -> bool:
        """Wait until all have ended, for `timeout` seconds, and at most `LONGEST_WAIT`; False if some have not."""
        with self._database.lock:
            with self._database.look() as db:
                running = [agent for agent in agents if not _agents.has_ended(db, agent)]
            return self._ends.wait(running, min(timeout, LONGEST_WAIT))

    # -- replies to questions from outside

    def put_reply(self, question: str, reply: bytes) -> bool:
        """Keep a reply for whoever asked; False if there is one already, which stays."""
        with self._database.lock:
            with self._database.change() as db:
                moment = self._now()
                db.execute("DELETE FROM replies WHERE expires <= ?", (moment,))
                kept = db.execute(
                    "INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", (question, reply, moment + self._reply_seconds)
                )
                first = kept.rowcount == 1
            self._replies.arrived(question)
            return first

    def take_reply(self, question: str, timeout: float) -> bytes | None:
        """Wait for a reply, for `timeout` seconds, and at most `LONGEST_WAIT`; None if none came.

        It stays until it expires: an asker to whom it did not get through may ask again.
        """
        with self._database.lock:
            reply = self._reply(question)
            if reply is None and self._replies.wait([question], min(timeout, LONGEST_WAIT)):
                reply = self._reply(question)
            return reply

    def _reply(self, question: str) -> bytes | None:
        with self._database.look() as db:
            found = db.execute(
                "SELECT reply FROM replies WHERE question = ? AND expires > ?", (question, self._now())
            ).fetchone()
        return None if found is None else bytes(found[0])

    # -- settings and housekeeping

    def setting(self, name: str) -> str | None:
        """What was set under that name."""
        with self._database.look() as db:
            found = db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_setting(self, name: str, value: str) -> None:
        """Set it."""
        with self._database.change() as db:
            db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def tidy(self) -> int:
        """Drop what is kept for a time only and has had it: outcomes, passports, replies. How many were dropped."""
        with self._database.change() as db:
            moment = self._now()
            papers = _agents.drop_papers(db, moment - self._keep_seconds)
            return papers + db.execute("DELETE FROM replies WHERE expires <= ?", (moment,)).rowcount
