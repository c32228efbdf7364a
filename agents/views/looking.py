"""A look at a whole platform that takes no longer than it may: who does not answer in time is shown as such.

Places are asked all at once, each by a thread that nobody waits for after the deadline. So that a transport that hangs
for longer than it was allowed does not hang whoever looks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from agents.client import Client
from agents.errors import WaitedTooLong
from agents.eventlog import EventKind, LogEvent
from agents.platform import PlaceInfo
from agents.status import AgentStatus, combined
from mobility.errors import MobilityError

__all__ = ["GLANCE", "Overview", "all_within", "look_at", "within"]

#: Seconds that a representation may take.
GLANCE: Final = 3.0
#: Places that are asked, and agents that are listed.
_MOST: Final = 256
_MOVES: Final = 400

_T = TypeVar("_T")


def all_within(seconds: float, calls: Sequence[Callable[[], _T]]) -> list[_T | Exception]:
    """Call all of these at the same time; what each returned or raised, or `WaitedTooLong` where that took longer."""
    deadline = time.monotonic() + seconds
    came: list[_T | Exception] = [WaitedTooLong("an answer", seconds, state="Nothing was changed.")] * len(calls)

    def run(number: int) -> None:
        try:
            came[number] = calls[number]()
        except Exception as error:
            came[number] = error

    threads = [
        threading.Thread(target=run, args=(number,), name=f"sojourn-look-{number}", daemon=True)
        for number in range(len(calls))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(came)


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """What a call returns, or raises.

    Raises
    ------
    WaitedTooLong
        If it takes longer; it may go on, for nobody.
    """
    (came,) = all_within(seconds, [call])
    if isinstance(came, Exception):
        raise came
    return came


@dataclass(frozen=True, slots=True)
class Overview:
    """What was seen of a platform.

    Attributes
    ----------
    time
        Unix time, here.
    places
        By name. One that did not answer has the reason as ``about["problem"]``.
    agents
        The youngest first; also those that have ended, if they were asked for.
    moves
        The latest arrivals in the log.
    problems
        What could not be seen, and why.
    """

    time: float
    places: tuple[PlaceInfo, ...]
    agents: tuple[AgentStatus, ...]
    moves: tuple[LogEvent, ...] = ()
    problems: tuple[str, ...] = field(default=())


def look_at(client: Client, *, ended: bool = False, seconds: float = GLANCE) -> Overview:
    """Overview at places, agents and the latest moves.

    Parameters
    ----------
    ended
        Whether to list agents that have ended.
    seconds
        That it may take, as a whole.

    Raises
    ------
    WaitedTooLong
        If not even the names of the places were to be had.
    """
    began = time.monotonic()
    problems: list[str] = []
    names = sorted(within(seconds, client.transport.places))
    if len(names) > _MOST:
        problems.append(f"{len(names) - _MOST} places were not looked at")
    left = max(0.1, seconds - (time.monotonic() - began))
    asked: list[Callable[[], Any]] = [_describing(client, name, left) for name in names[:_MOST]]
    asked.append(lambda: client.entries(ended=ended, limit=_MOST, timeout=left))
    asked.append(lambda: client.events(kinds=(EventKind.ARRIVED,), last=_MOVES))
    *told, entries, moves = all_within(left, asked)
    rows: dict[str, dict[str, Any]] = {}
    answered: set[str] = set()
    places: list[PlaceInfo] = []
    for name, description in zip(names, told, strict=False):
        if isinstance(description, Exception):
            places.append(PlaceInfo(name, {"problem": _why(description)}))
            continue
        answered.add(name)
        places.append(PlaceInfo(name, description.about))
        rows |= {row["agent"]: dict(row) for row in description.agents}
    agents: list[AgentStatus] = []
    for entry in _or_none(entries, "agents", problems):
        holder = entry.row.holder
        known = holder is not None and holder.place in answered
        agents.append(combined(entry, rows.get(entry.row.agent, {}) if known else None))
    arrivals = tuple(_or_none(moves, "moves", problems))
    return Overview(time.time(), tuple(places), tuple(agents), arrivals, tuple(problems))


def _describing(client: Client, name: str, seconds: float) -> Callable[[], Any]:
    return lambda: client.describe_place(name, agents=True, timeout=seconds)


def _or_none(came: Any, what: str, problems: list[str]) -> Iterable[Any]:
    if isinstance(came, Exception):
        problems.append(f"the {what} could not be seen: {_why(came)}")
        return ()
    found: Iterable[Any] = came
    return found


def _why(error: Exception) -> str:
    return error.slug if isinstance(error, MobilityError) else type(error).__name__
