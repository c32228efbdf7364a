"""Ending an agent at once, whatever it does: ``stop(force=True)``.

The directory is told first of all, and from then on nothing that the agent yields, returns or raises counts. What of it
computes is broken off, as far as that can be done; until then it goes on for nobody.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from agents.cell import Cell
from agents.errors import WaitedTooLong
from agents.eventlog import EventKind
from agents.handoff import State
from agents.handoff import events as on
from agents.place.core import PlaceCore
from agents.place.moving import Moving
from agents.place.outcomes import stopped
from agents.place.resident import Ended, Resident
from agents.protocol import Control, Done, Failure, NotHere, PlaceReply

__all__ = ["Begun", "Forcing"]

#: Seconds until a step that has not ended is broken off once more, at first and at most: its code may have handled it.
_AGAIN: Final = 0.1
_SELDOM: Final = 5.0
#: Seconds for which an agent is waited for that is arriving or leaving.
_PASSING: Final = 1.0
_BETWEEN: Final = frozenset({State.ADMITTING, State.STAGED, State.FROZEN, State.RECLAIMING})


@dataclass(frozen=True, slots=True)
class Begun:
    """What is to be done once the resident's lock is free again.

    Attributes
    ----------
    computing
        Whose step, or whose function, runs at this moment.
    """

    effects: tuple[on.HandoffEffect, ...]
    computing: Cell | None


@dataclass(slots=True, eq=False)
class Forcing:
    """Of one place."""

    core: PlaceCore
    moving: Moving

    def wait_for(self, resident: Resident, control: Control) -> None:
        """While a resident, whose lock is held, is arriving or leaving: see where it ends up, to catch it there."""
        deadline = time.monotonic() + min(control.seconds, _PASSING)
        while resident.machine.state in _BETWEEN and resident.settled.wait(max(0.0, deadline - time.monotonic())):
            pass

    def has_ended(self, resident: Resident, control: Control) -> bool:
        """Whether a resident, whose lock is held, has ended; one that is just ending is waited for."""
        deadline = time.monotonic() + control.seconds
        while resident.machine.state is State.FINISHING and resident.settled.wait(deadline - time.monotonic()):
            pass
        return resident.machine.state is State.ENDED

    def begin(self, resident: Resident, ended: Ended | None = None) -> Begun | None:
        """End a resident, whose lock is held; None if it is leaving, or ends by itself at this moment.

        Parameters
        ----------
        ended
            With what; None: somebody has stopped it.
        """
        cell, luggage = resident.cell, resident.luggage
        if not resident.machine.visit.runs or cell is None or luggage is None or resident.ended is not None:
            return None
        outcome = stopped(self.core.name, luggage.visited)
        resident.ended = ended or Ended(outcome, EventKind.ENDED, stopped=True, forced=True)
        resident.unperformed = None
        if resident.in_step or resident.calling:
            resident.breaking = cell
        effects = resident.machine.handle(on.Finishes())
        resident.settled.notify_all()
        return Begun(effects, cell if resident.breaking is not None else None)

    def ends_cut(self, resident: Resident) -> bool:
        """End a resident, whose lock is not held, if its capture was broken off; whether that was so."""
        with resident.lock:
            if resident.cut is None or resident.cut is not resident.cell or resident.ended is not None:
                return False
            begun = self.begin(resident)
        if begun is not None:
            self.carry_out(resident, begun)
        return True

    def see_through(self, resident: Resident, begun: Begun, control: Control) -> PlaceReply:
        """Tell the directory, and break off what computes; that it has ended is answered once the directory knows."""
        deadline = time.monotonic() + control.seconds
        self.carry_out(resident, begun)
        with resident.lock:
            while resident.machine.state is State.FINISHING:
                if not resident.settled.wait(max(0.0, deadline - time.monotonic())):
                    state = "It does nothing any more; the directory is told as soon as it answers."
                    return Failure(WaitedTooLong(f"the end of {control.agent}", control.seconds, state=state))
            visit = resident.machine.visit
            return Done(None) if visit.state is State.ENDED else NotHere(visit.to)

    def carry_out(self, resident: Resident, begun: Begun) -> None:
        """Tell the directory, and break off what computes."""
        if begun.computing is not None:
            self._break_off(resident, begun.computing, _AGAIN)
        self.moving.carry_out(resident, begun.effects)

    def _break_off(self, resident: Resident, cell: Cell, pause: float) -> None:
        cell.break_off()

        def again() -> None:
            if resident.breaking is cell:
                self._break_off(resident, cell, min(pause * 2, _SELDOM))

        self.core.timers.after(pause, again)
