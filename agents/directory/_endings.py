"""Asking of many agents at once which of them have come to an end, or are not to come to one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

__all__ = ["Ending", "EndingKind", "endings"]

#: sqlite takes so many parameters in one statement on every version.
_CHUNK: Final = 500


class EndingKind(StrEnum):
    """Why nothing is to be waited for."""

    ENDED = "ended"
    FROZEN = "frozen"
    UNKNOWN = "unknown"
    #: It is held by a place that has had no lease for long. It may come back.
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Ending:
    """What the directory says of an agent for which somebody waits.

    Attributes
    ----------
    at
        Time of day of the end, in seconds; 0 if it has not ended.
    size
        Bytes of the outcome; None if none is kept.
    outcome
        The outcome, if it is no larger than was asked for.
    place
        Of one that is abandoned: where it is held.
    """

    agent: str
    kind: EndingKind
    at: float = 0.0
    size: int | None = None
    outcome: bytes | None = field(default=None, repr=False)
    place: str | None = None


def endings(db: sqlite3.Connection, agents: Sequence[str], at_most: int) -> list[Ending]:
    """Of these agents, those that have ended, are frozen, or were never born; without those that go on."""
    found: dict[str, Ending] = {}
    seen: set[str] = set()
    for chunk in _chunks(agents):
        marks = ",".join("?" * len(chunk))
        rows = db.execute(
            "SELECT agents.agent, status, since, ended_at, length(outcome),"
            " CASE WHEN length(outcome) <= ? THEN outcome END"
            f" FROM agents LEFT JOIN outcomes USING (agent) WHERE agents.agent IN ({marks})",
            (at_most, *chunk),
        )
        for agent, status, since, ended_at, size, outcome in rows:
            if since < 0:  # fenced before it was ever born
                continue
            seen.add(agent)
            if status == "ended":
                kept = None if outcome is None else bytes(outcome)
                found[agent] = Ending(agent, EndingKind.ENDED, ended_at or 0.0, size, kept)
            elif status == "frozen":
                found[agent] = Ending(agent, EndingKind.FROZEN)
    return [
        found[agent] if agent in found else Ending(agent, EndingKind.UNKNOWN)
        for agent in dict.fromkeys(agents)
        if agent in found or agent not in seen
    ]


def _chunks(agents: Iterable[str]) -> Iterator[tuple[str, ...]]:
    distinct = tuple(dict.fromkeys(agents))
    for first in range(0, len(distinct), _CHUNK):
        yield distinct[first : first + _CHUNK]
