"""Watching an agent from a terminal: where it is, drawn anew at each move; one line at the end where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TextIO

from agents.eventlog import EventKind, LogEvent

__all__ = ["Journey", "show_journey"]

_COMES = (EventKind.BORN, EventKind.ARRIVED, EventKind.RESTORED)
_ENDS = (EventKind.ENDED, EventKind.FAILED, EventKind.FROZEN)


@dataclass(slots=True)
class Journey:
    """Where an agent was, as far as the log has told.

    Attributes
    ----------
    stays
        By the directory's epoch: at which place, and how long it took to get there, in milliseconds. Places write to
        the log each for itself, so that the epoch tells the order.
    end
        How it ended: ``"ended"``, ``"failed"``, ``"frozen"``; empty before.
    """

    name: str
    stays: dict[int, tuple[str, float]] = field(default_factory=dict)
    end: str = ""

    def note(self, event: LogEvent) -> bool:
        """Take an event in; whether it changed anything."""
        if event.kind in _COMES and event.place is not None and event.epoch is not None:
            took = float(event.data.get("total_ms", 0.0)) if event.kind is EventKind.ARRIVED else 0.0
            self.stays[event.epoch] = (event.place, took)
            return True
        if event.kind in _ENDS:
            self.end = event.kind.value
            return True
        return False

    @property
    def places(self) -> list[str]:
        """Where it was, in order."""
        found: list[str] = []
        for _, (place, _) in sorted(self.stays.items()):
            if not found or found[-1] != place:
                found.append(place)
        return found

    def __str__(self) -> str:
        way = self.places
        count = max(0, len(way) - 1)
        shown = way if len(way) <= 8 else [*way[:3], "...", *way[-4:]]
        took = sum(milliseconds for _, milliseconds in self.stays.values())
        hops = f"{count} hop{'s' if count != 1 else ''}"
        return f"{self.name}  {' -> '.join(shown)}   {hops}   {took:.0f} ms   {self.end}".rstrip()


def show_journey(events: Iterable[LogEvent], name: str, file: TextIO | None = None) -> Journey:
    """Show a journey while its events come in; returns it at the end."""
    out = sys.stderr if file is None else file
    live = out.isatty()
    journey = Journey(name)
    drawn = 0.0
    for event in events:
        if journey.note(event) and live and (journey.end or time.monotonic() - drawn > 0.05):
            drawn = time.monotonic()
            print(f"\r\x1b[2K{journey}", end="", file=out, flush=True)
    print(f"\r\x1b[2K{journey}" if live else str(journey), file=out, flush=True)
    return journey
