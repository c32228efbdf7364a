"""Places and their processes in the tables: reading and writing, inside a transaction of the caller."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from agents.directory.errors import PlaceKeyChanged
from agents.directory.records import Member
from agents.handoff.ledger import Holder

__all__ = ["Writer", "end", "end_others", "joins", "leaves", "mark", "members", "version", "writers"]


@dataclass(frozen=True, slots=True)
class Writer:
    """A process that is or was a place; `current` if nobody came after it."""

    holder: Holder
    current: bool
    over: bool
    lapsed: bool


def writers(db: sqlite3.Connection) -> list[Writer]:
    """All that ever were."""
    found = db.execute(
        "SELECT w.place, w.writer, p.writer = w.writer, w.over, w.lapsed FROM writers w JOIN places p USING (place)"
    )
    return [Writer(Holder(place, writer), bool(c), bool(o), bool(lapsed)) for place, writer, c, o, lapsed in found]


def members(db: sqlite3.Connection, leased: Callable[[Holder], bool]) -> tuple[Member, ...]:
    """All places, by name."""
    found = db.execute('SELECT place, writer, key, about, joined, "left" FROM places ORDER BY place')
    return tuple(
        Member(place, writer, bytes(key), json.loads(about), joined, left, leased(Holder(place, writer)))
        for place, writer, key, about, joined, left in found
    )


def version(db: sqlite3.Connection) -> int:
    """Of the members."""
    (value,) = db.execute("SELECT value FROM counters WHERE name = 'members'").fetchone()
    return int(value)


def _changed(db: sqlite3.Connection) -> None:
    db.execute("UPDATE counters SET value = value + 1 WHERE name = 'members'")


def joins(db: sqlite3.Connection, holder: Holder, key: bytes, about: str, joined: float, *, replace_key: bool) -> None:
    """Make it the place; asking for what is so changes nothing.

    Raises
    ------
    PlaceKeyChanged
    """
    found = db.execute("SELECT writer, key, about FROM places WHERE place = ?", (holder.place,)).fetchone()
    if found is not None and bytes(found[1]) != key and not replace_key:
        raise PlaceKeyChanged(holder.place, known=bytes(found[1]), offered=key)
    if found is not None and (found[0], bytes(found[1]), found[2]) == (holder.writer, key, about):
        return
    db.execute(
        "INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?, NULL)", (holder.place, holder.writer, key, about, joined)
    )
    db.execute("INSERT OR IGNORE INTO writers (place, writer) VALUES (?, ?)", (holder.place, holder.writer))
    _changed(db)


def leaves(db: sqlite3.Connection, holder: Holder, left: float) -> None:
    """It is over; if it was the place, the place has left."""
    end(db, holder)
    gone = db.execute(
        'UPDATE places SET "left" = ? WHERE place = ? AND writer = ? AND "left" IS NULL',
        (left, holder.place, holder.writer),
    )
    if gone.rowcount:
        _changed(db)


def end(db: sqlite3.Connection, holder: Holder) -> None:
    """It has no lease, and will get none."""
    db.execute("UPDATE writers SET over = 1 WHERE place = ? AND writer = ?", (holder.place, holder.writer))


def end_others(db: sqlite3.Connection, holder: Holder) -> None:
    """All former processes of the place are dead."""
    db.execute("UPDATE writers SET over = 1 WHERE place = ? AND writer <> ?", (holder.place, holder.writer))


def mark(db: sqlite3.Connection, holder: Holder, *, lapsed: bool) -> None:
    """Whether it must look what it still holds."""
    db.execute(
        "UPDATE writers SET lapsed = ? WHERE place = ? AND writer = ? AND lapsed <> ?",
        (lapsed, holder.place, holder.writer, lapsed),
    )
