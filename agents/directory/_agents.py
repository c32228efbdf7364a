"""The ledger's rows and the agents' papers in the tables: reading and writing, inside a transaction of the caller."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from agents.directory.errors import AgentNameTaken
from agents.directory.records import Entry, Info
from agents.handoff.ledger import Holder, Row, Status

__all__ = [
    "drop_papers",
    "any_held_elsewhere",
    "entries",
    "find",
    "has_ended",
    "held",
    "held_elsewhere",
    "holders",
    "keep_passport",
    "keep_outcome",
    "outcome",
    "read",
    "write",
]

_ROW: Final = "agent, epoch, status, place, writer, since, record, burned"
_ENTRY: Final = f"{_ROW}, ended_at, name, owner, parent, entry_point, born"
_ID_PREFIX: Final = re.compile("[0-9a-f]{6,}")


def _row(values: tuple[Any, ...]) -> Row:
    agent, epoch, status, place, writer, since, record, burned = values
    holder = None if place is None else Holder(place, writer)
    return Row(agent, epoch, Status(status), holder, since, record, _split(burned))


def _split(burned: bytes) -> tuple[bytes, ...]:
    # Links are digests, but nothing here depends on their length: each is preceded by it.
    found, at = [], 0
    while at < len(burned):
        size = int.from_bytes(burned[at : at + 2], "big")
        found.append(burned[at + 2 : at + 2 + size])
        at += 2 + size
    return tuple(found)


def _joined(burned: tuple[bytes, ...]) -> bytes:
    return b"".join(len(link).to_bytes(2, "big") + link for link in burned)


def read(db: sqlite3.Connection, agent: str) -> Row | None:
    """Its row."""
    values = db.execute(f"SELECT {_ROW} FROM agents WHERE agent = ?", (agent,)).fetchone()
    return None if values is None else _row(values)


def write(db: sqlite3.Connection, row: Row, info: Info | None, ended_at: float | None) -> None:
    """A row as it is now; `info` if it is a new one.

    Raises
    ------
    AgentNameTaken
    """
    place, writer = (None, None) if row.holder is None else (row.holder.place, row.holder.writer)
    state = (row.epoch, row.status.value, place, writer, row.since, row.record, _joined(row.burned), ended_at)
    changed = db.execute(
        "UPDATE agents SET epoch = ?, status = ?, place = ?, writer = ?, since = ?, record = ?, burned = ?,"
        " ended_at = ? WHERE agent = ?",
        (*state, row.agent),
    )
    if changed.rowcount:
        return
    born: tuple[Any, ...] = (None,) * 5
    if info is not None:
        _check_name(db, info.name)
        born = (info.name, info.owner, info.parent, info.entry_point, info.born)
    db.execute(
        "INSERT INTO agents (epoch, status, place, writer, since, record, burned, ended_at, agent,"
        " name, owner, parent, entry_point, born) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*state, row.agent, *born),
    )


def _check_name(db: sqlite3.Connection, name: str | None) -> None:
    taken = db.execute("SELECT agent FROM agents WHERE name = ? AND status <> 'ended'", (name,)).fetchone()
    if name is not None and taken is not None:
        raise AgentNameTaken(name, taken[0])


# -- papers


def keep_passport(db: sqlite3.Connection, agent: str, passport: bytes) -> None:
    """The latest replaces the one before."""
    db.execute("INSERT OR REPLACE INTO passports VALUES (?, ?)", (agent, passport))


def keep_outcome(db: sqlite3.Connection, agent: str, outcome: bytes) -> None:
    """An agent has one, and ends once: a second one is a defect, and raises."""
    db.execute("INSERT INTO outcomes VALUES (?, ?)", (agent, outcome))


def outcome(db: sqlite3.Connection, agent: str) -> bytes | None:
    """With what it ended, if that was told and is still kept."""
    found = db.execute("SELECT outcome FROM outcomes WHERE agent = ?", (agent,)).fetchone()
    return None if found is None else bytes(found[0])


def drop_papers(db: sqlite3.Connection, ended_before: float) -> int:
    """Drop outcomes and passports of agents that ended before that time of day; how many were dropped."""
    old = "(SELECT agent FROM agents WHERE ended_at < ?)"
    return sum(
        db.execute(f"DELETE FROM {table} WHERE agent IN {old}", (ended_before,)).rowcount
        for table in ("outcomes", "passports")
    )


# -- looking up


def find(db: sqlite3.Connection, wanted: str) -> Entry | None:
    """By id; by name, the living one first, else the one that ended last; by the beginning of an id."""
    for condition, values in _ways(wanted):
        found = db.execute(f"SELECT {_ENTRY} FROM agents WHERE {condition} LIMIT 2", values).fetchall()
        if len(found) == 1:
            kept = db.execute("SELECT passport FROM passports WHERE agent = ?", (found[0][0],)).fetchone()
            return _entry(found[0], None if kept is None else bytes(kept[0]))
    return None


def _ways(wanted: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "agent = ?", (wanted,)
    yield "name = ? AND status <> 'ended'", (wanted,)
    last = "SELECT rowid FROM agents WHERE name = ? ORDER BY ended_at DESC, rowid DESC LIMIT 1"
    yield f"rowid = ({last})", (wanted,)
    if _ID_PREFIX.fullmatch(wanted):
        yield "agent >= ? AND agent < ?", (wanted, wanted + "g")  # after the last hexadecimal digit


def entries(db: sqlite3.Connection, limit: int, include_ended: bool) -> list[Entry]:
    """The youngest first, without passports; what was fenced before it was ever born is none."""
    # Those that ended are many more: without the index each look at the living would go through all of them.
    which = "WHERE since >= 0" if include_ended else "INDEXED BY living WHERE since >= 0 AND status <> 'ended'"
    found = db.execute(f"SELECT {_ENTRY} FROM agents {which} ORDER BY rowid DESC LIMIT ?", (limit,))
    return [_entry(values, None) for values in found]


def _entry(values: tuple[Any, ...], passport: bytes | None) -> Entry:
    *row, ended_at, name, owner, parent, entry_point, born = values
    info = None if owner is None else Info(name, owner, parent, entry_point, born)
    return Entry(_row(tuple(row)), info, passport, ended_at)


def has_ended(db: sqlite3.Connection, agent: str) -> bool:
    """Whether it has ended."""
    return db.execute("SELECT 1 FROM agents WHERE agent = ? AND status = 'ended'", (agent,)).fetchone() is not None


# -- by holder


def held(db: sqlite3.Connection, holder: Holder) -> list[Row]:
    """What it holds."""
    return _held(db, "place = ? AND writer = ?", holder.place, holder.writer)


def held_elsewhere(db: sqlite3.Connection, holder: Holder) -> list[Row]:
    """What other writers of its place hold."""
    return _held(db, "place = ? AND writer <> ?", holder.place, holder.writer)


def any_held_elsewhere(db: sqlite3.Connection, holder: Holder) -> bool:
    """Whether they hold anything."""
    found = db.execute(
        "SELECT 1 FROM agents WHERE status = 'held' AND place = ? AND writer <> ? LIMIT 1",
        (holder.place, holder.writer),
    )
    return found.fetchone() is not None


def _held(db: sqlite3.Connection, condition: str, *values: str) -> list[Row]:
    found = db.execute(f"SELECT {_ROW} FROM agents WHERE status = 'held' AND {condition} ORDER BY rowid", values)
    return [_row(row) for row in found]


def holders(db: sqlite3.Connection) -> list[Holder]:
    """Who holds anything."""
    return [Holder(*pair) for pair in db.execute("SELECT DISTINCT place, writer FROM agents WHERE status = 'held'")]
