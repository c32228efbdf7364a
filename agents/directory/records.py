"""What the directory says, besides the ledger's answers: frozen records that pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.handoff.ledger import Row

__all__ = ["Entry", "Info", "Member", "Registration", "Renewed"]


@dataclass(frozen=True, slots=True)
class Member:
    """A place.

    Attributes
    ----------
    writer
        The process that is the place now, or was the last to be it.
    key
        By which what the place signs is verified.
    about
        What the place says of itself; as JSON can hold it.
    joined, left
        Times of day, in seconds; `left` is None unless it said goodbye.
    leased
        Whether its lease runs.
    """

    place: str
    writer: str
    key: bytes
    about: Mapping[str, Any]
    joined: float
    left: float | None
    leased: bool


@dataclass(frozen=True, slots=True)
class Registration:
    """The answer to a place that registers.

    Attributes
    ----------
    lease_seconds
        The lease's length. The place must count it from before it asked, the directory counts it from the arrival: so
        the place always believes in it a little shorter than the directory does.
    members_version
        It grows whenever the members change.
    """

    lease_seconds: float
    members: tuple[Member, ...]
    members_version: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """The answer to a place that renews its lease.

    Attributes
    ----------
    expired
        The lease had run out before. The place must ask for its holdings before anything goes on; until it has, this
        is said again.
    orphans
        Whether agents are held by this place under another writer.
    stop
        This process is not the place any more, and has got no lease.
    """

    expired: bool
    members_version: int
    orphans: bool
    stop: bool


@dataclass(frozen=True, slots=True)
class Info:
    """What is known of an agent from its birth on.

    Attributes
    ----------
    name
        Unique among the agents that have not ended; None: it is called by its id.
    owner
        Who has launched it.
    parent
        The id of the agent of which it is a child or a clone.
    entry_point
        With what it began.
    born
        Time of day, in seconds.
    """

    name: str | None
    owner: str
    parent: str | None
    entry_point: str
    born: float


@dataclass(frozen=True, slots=True)
class Entry:
    """What the directory knows of an agent.

    Attributes
    ----------
    info
        None if its birth was never announced with any.
    passport
        The latest that came with a request; None if none did, if it was dropped long after the end, and in lists.
    ended_at
        Time of day, in seconds.
    """

    row: Row
    info: Info | None
    passport: bytes | None
    ended_at: float | None
