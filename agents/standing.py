"""Where an agent stands between two steps: what its ``yield`` is to give, or what it waits for.

It travels beside the agent, as plain data: on arrival the agent gets its value, or waits on. Times are those of the
clock (Unix time), so that a sleep ends when it would have ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = [
    "Arrives",
    "Asks",
    "Branches",
    "Cloned",
    "Evaluates",
    "Fresh",
    "Gathers",
    "GetsUnit",
    "Gives",
    "Raises",
    "Receives",
    "Sleeps",
    "Spawned",
    "Standing",
    "Travels",
    "can_travel",
    "standing_from_plain",
    "standing_to_plain",
]


@dataclass(frozen=True, slots=True)
class Fresh:
    """It has not begun."""


@dataclass(frozen=True, slots=True)
class Arrives:
    """Its ``yield`` gives the present place."""


@dataclass(frozen=True, slots=True)
class Gives:
    """Its ``yield`` gives a value; `travels` if that is plain data."""

    value: Any = None
    travels: bool = True


@dataclass(frozen=True, slots=True)
class Raises:
    """Its ``yield`` raises; it does not move before that."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Cloned:
    """Its ``yield`` gives a `Clone`."""

    is_clone: bool
    other: str


@dataclass(frozen=True, slots=True)
class Spawned:
    """Its ``yield`` gives a handle of an agent."""

    agent: str


@dataclass(frozen=True, slots=True)
class Receives:
    """It waits for a message; until a time, or for ever."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Sleeps:
    """It sleeps."""

    until: float


@dataclass(frozen=True, slots=True)
class Asks:
    """It waits for the answer to a question."""

    question: str
    asked: str
    seconds: float
    until: float


@dataclass(frozen=True, slots=True)
class Gathers:
    """It waits for the ends of agents, by their ids; their results are fetched when it goes on, and do not travel."""

    agents: list[str]
    first: int | None
    collects: bool
    seconds: float
    until: float


@dataclass(frozen=True, slots=True)
class Evaluates:
    """It waits for the end of a child, and gets what that returns, or raises what it raises."""

    child: str
    place: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class GetsUnit:
    """Its ``yield`` gives a unit of the repository of a place; it travels by its name, never as code."""

    name: str
    version: str
    digest: str
    source: str


@dataclass(frozen=True, slots=True)
class Travels:
    """It is on its way to the next stop of its itinerary, or waits until one lets it in.

    Attributes
    ----------
    place
        From where it goes on.
    patience
        For how many seconds it waits; None: as the itinerary says.
    tried
        Of each stop that has failed in this round: its name, the slug of the cause, what happened, what to do, and
        "refused" if the place has said so itself.
    until
        When the patience is over; None: it has not begun to wait.
    again
        When the next round begins.
    pause
        Seconds to the one after it.
    """

    place: str
    patience: float | None
    tried: list[list[str]]
    until: float | None
    again: float
    pause: float


@dataclass(frozen=True, slots=True)
class Branches:
    """It was just making a clone when this was written down; whether that was born has to be asked."""

    child: str
    place: str
    name: str | None


Standing: TypeAlias = (
    Fresh
    | Arrives
    | Gives
    | Raises
    | Cloned
    | Spawned
    | Receives
    | Sleeps
    | Asks
    | Gathers
    | Evaluates
    | GetsUnit
    | Travels
    | Branches
)

_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (
        *(Fresh, Arrives, Gives, Cloned, Spawned, Receives, Sleeps),
        *(Asks, Gathers, Evaluates, GetsUnit, Travels, Branches),
    )
}


def can_travel(standing: Standing) -> bool:
    """Whether it can be written as plain data."""
    return not isinstance(standing, Raises) and not (isinstance(standing, Gives) and not standing.travels)


def standing_to_plain(standing: Standing) -> list[Any]:
    """As plain data."""
    kind = type(standing)
    fields = kind.__dataclass_fields__
    return [kind.__name__.lower(), *(getattr(standing, name) for name in fields if name != "travels")]


def standing_from_plain(data: list[Any]) -> Standing:
    """From what `standing_to_plain` gave.

    Raises
    ------
    ValueError
    """
    name, *values = data
    if name not in _KINDS:
        raise ValueError(f"an agent cannot stand as {name!r}")
    made: Standing = _KINDS[name](*values)
    return made
