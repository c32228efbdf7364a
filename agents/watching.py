"""Watching an agent: where it is, drawn anew at each move, in a terminal or a notebook; one line where nobody looks.

What a notebook shows is one output, which is replaced at each move and is saved as it was last. Whoever interrupts it
sees the last state, and the interruption goes on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

from agents.eventlog import EventKind, LogEvent
from mobility.display.elements import legible

if TYPE_CHECKING:
    from mobility.display.picture import Picture

__all__ = ["Journey", "show_journey"]

_COMES = (EventKind.BORN, EventKind.ARRIVED, EventKind.RESTORED)
#: Events that are kept to be drawn.
_MOST = 10_000
_ENDS = (EventKind.ENDED, EventKind.FAILED, EventKind.FROZEN)


@dataclass(slots=True)
class Journey:
    """Where an agent was, as far as the log has told.

    Attributes
    ----------
    stays
        By the directory's epoch: at which place, and how long it took to get there, in milliseconds. Places write to
        the log each for itself, so that the epoch tells the order.
    events
        What was told, to be drawn.
    end
        How it ended: ``"ended"``, ``"failed"``, ``"frozen"``; empty before.
    shown_by
        The number of the notebook's cell that has its picture already; None if no cell has.
    """

    name: str
    stays: dict[int, tuple[str, float]] = field(default_factory=dict)
    end: str = ""
    events: list[LogEvent] = field(default_factory=list, repr=False)
    shown_by: int | None = field(default=None, repr=False, compare=False)

    def note(self, event: LogEvent) -> bool:
        """Take an event in; whether it changed anything."""
        if len(self.events) < _MOST:
            self.events.append(event)
        if event.kind in _COMES and event.place is not None and event.epoch is not None:
            told = event.data.get("total_ms") if event.kind is EventKind.ARRIVED else None
            self.stays[event.epoch] = (event.place, float(told) if isinstance(told, (int, float)) else 0.0)
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

    def picture(self) -> Picture:
        """The timeline of what was seen."""
        from agents.views.timeline import timeline

        return timeline(self.name, self.events, note=self.end or "under way")

    def _ipython_display_(self) -> None:
        """As the value of the cell that watched it, nothing: that has the picture. Elsewhere, the picture."""
        if self.shown_by is None or self.shown_by != _cell_number():
            import_module("IPython.display").display(self.picture())

    def __str__(self) -> str:
        way = self.places
        count = max(0, len(way) - 1)
        shown = way if len(way) <= 8 else [*way[:3], "...", *way[-4:]]
        took = sum(milliseconds for _, milliseconds in self.stays.values())
        hops = f"{count} hop{'s' if count != 1 else ''}"
        return legible(f"{self.name}  {' -> '.join(shown)}   {hops}   {took:.0f} ms   {self.end}".rstrip())


def show_journey(events: Iterable[LogEvent], name: str, file: TextIO | None = None) -> Journey:
    """Show a journey while its events come in; returns it at the end.

    Parameters
    ----------
    file
        Where to write lines; None: an output of the notebook, if this runs in one, else stderr.
    """
    show = _in_notebook(name) if file is None else None
    out = sys.stderr if file is None else file
    live = show is not None or out.isatty()
    draw = show if show is not None else lambda journey: print(f"\r\x1b[2K{journey}", end="", file=out, flush=True)
    every = 0.05 if show is None else 0.25
    journey = Journey(name)
    drawn = 0.0
    try:
        for event in events:
            if journey.note(event) and live and (journey.end or time.monotonic() - drawn > every):
                drawn = time.monotonic()
                draw(journey)
    finally:
        if show is not None:
            show(journey)
            journey.shown_by = _cell_number()
        else:
            print(f"\r\x1b[2K{journey}" if live else str(journey), file=out, flush=True)
    return journey


def _notebook() -> Any:
    """The notebook's shell that runs this; None if there is none."""
    python = sys.modules.get("IPython")
    shell = python.get_ipython() if python is not None else None
    return shell if hasattr(shell, "kernel") else None


def _cell_number() -> int | None:
    """Of the notebook's cell that runs; None if this is none."""
    return getattr(_notebook(), "execution_count", None)


def _in_notebook(name: str) -> Callable[[Journey], None] | None:
    """What shows a journey in one output of a notebook; None if this is none."""
    if _notebook() is None:
        return None
    display: Any = import_module("IPython.display").display
    handle = display(Journey(name).picture(), display_id=True)
    return lambda journey: handle.update(journey.picture())
