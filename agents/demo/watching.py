"""The moves of an agent as they happen, from the event log, in the order in which the agent made them.

Each place writes its part of the log in batches, so that what happened later elsewhere may stand there earlier: a move
is told when both places have told of it, and all moves before it have been.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from agents.errors import AgentsError, WaitedTooLong
from agents.eventlog import EventKind, LogEvent
from agents.handle import Handle
from mobility.trust import Passport

__all__ = ["Move", "Said", "watch"]

_ENDS = frozenset({EventKind.ENDED, EventKind.FAILED})


@dataclass(frozen=True, slots=True)
class Move:
    """One hop.

    Attributes
    ----------
    number
        From 1 on.
    size
        Bytes that were sent.
    passport
        Bytes of them that are the passport, which grows by one signature with every hop.
    ms
        From the beginning of the capture until it was taken in, in milliseconds.
    """

    number: int
    origin: str
    destination: str
    size: int
    passport: int
    ms: float

    @property
    def carried(self) -> int:
        """Bytes of the agent itself: state, and what its place keeps for it."""
        return self.size - self.passport


@dataclass(frozen=True, slots=True)
class Said:
    """A line that the agent logged."""

    place: str
    text: str


def watch(handle: Handle, seconds: float) -> Iterator[Move | Said]:
    """Moves and lines, until the agent has ended and all is told.

    Raises
    ------
    WaitedTooLong
        If that has not come about in so many seconds.
    """
    client, deadline = handle.client, time.monotonic() + seconds
    left: dict[int, LogEvent] = {}
    came: dict[int, LogEvent] = {}
    said: list[LogEvent] = []
    following, last, seen, grown = 1, -1, 0, 0
    while True:
        events = client.events(agent=handle.agent, after=seen)
        for event in events:
            seen = event.number or seen
            if event.kind is EventKind.DEPARTED:
                left[event.epoch or 0] = event
            elif event.kind is EventKind.ARRIVED:
                came[event.epoch or 0] = event
            elif event.kind is EventKind.SAID:
                said.append(event)
            elif event.kind in _ENDS:
                last = len(_passport(handle).hops)
        while following in left and following in came:
            arrival = came.pop(following)
            left.pop(following)  # the place that it left has told all that happened there before
            yield from _lines(said, until=arrival.time)
            yield _move(handle, arrival)
            following += 1
        if last >= 0 and following > last:
            yield from _lines(said, until=float("inf"))
            return
        if (wait := min(deadline - time.monotonic(), 2.0)) <= 0:
            raise WaitedTooLong(f"the end of {handle.name}", seconds, state="It goes on.")
        if not events:  # the log grows by what others do, too
            grown = client.transport.ask_directory("wait_events", max(seen, grown), wait, timeout=wait + 10.0)


def _lines(said: list[LogEvent], until: float) -> Iterator[Said]:
    said.sort(key=lambda event: event.time)
    while said and said[0].time <= until:
        event = said.pop(0)
        yield Said(event.place or "", str(event.data.get("text", "")))


def _move(handle: Handle, arrival: LogEvent) -> Move:
    number = arrival.epoch or 0
    passport = _passport(handle)
    then = Passport(passport.birth, passport.hops[:number])  # the directory may know of later hops already
    return Move(
        number,
        str(arrival.data["source"]),
        arrival.place or "",
        int(arrival.data["bytes"]),
        len(then.to_bytes()),
        float(arrival.data["total_ms"]),
    )


def _passport(handle: Handle) -> Passport:
    kept = handle.client.find(handle.agent).passport
    if kept is None:
        raise AgentsError(
            f"the directory keeps no passport of {handle.name}", state="The agent goes on.", remedy="Try again."
        )
    return Passport.from_bytes(kept)
