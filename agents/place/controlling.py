"""What somebody outside wants of an agent: noted at once, and done at its next suspension."""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents import standing as at
from agents.errors import AgentsError, Busy, WaitedTooLong
from agents.eventlog import EventKind
from agents.handoff import State
from agents.handoff import events as on
from agents.luggage import Luggage
from agents.place.branching import Branching
from agents.place.core import PlaceCore
from agents.place.forcing import Forcing
from agents.place.moving import Moving
from agents.place.outcomes import failed, stopped
from agents.place.resident import BrokenOff, Ended, PendingControl, Resident
from agents.protocol import Control, Done, Failure, HeldBack, NotHere, PlaceReply, Verb
from mobility.errors import MobilityError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Controlling"]

_DONE = {
    Verb.MOVE: "moved",
    Verb.CLONE: "cloned",
    Verb.FREEZE: "frozen",
    Verb.STOP: "stopped",
    Verb.STATE: "looked at",
    Verb.JUDGE: "judged",
}


@dataclass(slots=True, eq=False)
class Controlling:
    """Of one place.

    Attributes
    ----------
    run
        Steps a resident.
    """

    core: PlaceCore
    moving: Moving
    branching: Branching
    forcing: Forcing
    run: Callable[[Resident], None]

    def wish(self, control: Control) -> PlaceReply:
        """Note what is wanted, and wait until it is done; if that takes too long, it is withdrawn.

        To stop by force is done at once.
        """
        resident = self.core.known(control.agent)
        if resident is None:
            return self._frozen_before(control.agent) if control.verb is Verb.FREEZE else NotHere()
        pending = PendingControl(control.verb, control.argument)
        captured = resident.capturing is not None
        if control.force and not resident.reach(control.seconds):
            return Failure(Busy(control.agent, _DONE[control.verb], control.seconds))
        with resident.lock:
            if control.force:
                captured = captured or resident.cut is not None
                self.forcing.wait_for(resident, control)
                if captured and self.forcing.has_ended(resident, control):  # its capture was broken off, and so it
                    return Done(None)
            visit = resident.machine.visit
            if visit.state in (State.GONE, State.ENDED, State.ABSENT):
                if control.verb is Verb.FREEZE and visit.state is State.GONE and visit.to is None:
                    return self._frozen_before(control.agent)
                return NotHere(visit.to)
            if not visit.runs:
                return HeldBack()
            begun = self.forcing.begin(resident) if control.force else None
            busy = resident.in_step or resident.calling
            if not control.force:
                resident.wants(pending)
        if control.force:  # else it is leaving: to be asked again
            return HeldBack() if begun is None else self.forcing.see_through(resident, begun, control)
        if busy:
            self.core.event(EventKind.ASKED, control.agent, visit.epoch, verb=str(control.verb), to=control.argument)
        self.core.schedule(resident, self.run)
        try:
            return pending.answer.result(control.seconds)
        except FutureTimeout:
            with resident.lock:
                under_way = resident.controls is None or pending not in resident.controls
                computing = resident.in_step or resident.calling
            if under_way and not computing:
                return Failure(_under_way(control))
            pending.answer.cancel()
            return Failure(Busy(control.agent, _DONE[control.verb], control.seconds))

    def _frozen_before(self, agent: str) -> PlaceReply:
        """Of an agent that was frozen here, the bundle is kept: who has asked may not have got it."""
        kept = self.core.store.load(agent)
        return NotHere() if kept is None else Done(kept.bundle)

    def can(self, resident: Resident, control: PendingControl) -> bool:
        """Whether it can be done where the agent stands now; else after its next step."""
        luggage, cell = resident.luggage, resident.cell
        if control.verb in (Verb.STATE, Verb.STOP):
            return True
        if luggage is None or cell is None:
            return False
        weak = cell.weak and not isinstance(luggage.standing, at.Raises)  # what it was to be given is dropped
        return weak or at.can_travel(luggage.standing)

    def carry_out(self, resident: Resident, control: PendingControl) -> None:
        """Do it; whoever wanted it is told."""
        if resident.luggage is None:  # it was given away just now
            control.settle(NotHere())
            return
        try:
            self._do(resident, control)
        except BrokenOff:
            control.settle(HeldBack())  # whoever wanted it asks again, and hears that it has ended
        except MobilityError as error:
            control.settle(Failure(error))
        except BaseException as error:  # a defect of the platform: the agent is not to hear of it
            self.core.failed(error)
            control.settle(Failure(AgentsError(f"{control.verb} of {resident.agent} broke off: {error!r}")))

    def _do(self, resident: Resident, control: PendingControl) -> None:
        with resident.lock:
            _, luggage, _ = resident.parts()
        match control.verb:
            case Verb.MOVE:
                self._move(resident, luggage, self._known(control.argument), control)
            case Verb.CLONE:
                place = self._known(control.argument)
                control.settle(Done(self.branching.clone(resident, place, None, luggage.standing)))
            case Verb.FREEZE:
                self._freeze(resident, control)
            case Verb.STOP:
                self._stop(resident, control)
            case Verb.STATE:
                control.settle(Done(self._look(resident)))
            case Verb.JUDGE:
                control.settle(Done(self._judged(resident, luggage, self._known(control.argument))))

    def _move(self, resident: Resident, luggage: Luggage, place: str, control: PendingControl) -> None:
        if place == self.core.name:
            control.settle(Done({"to": place, "bytes": 0, "freeze_ms": 0.0, "ms": 0.0}))
        elif not self.moving.depart(resident, place, luggage.standing, control):
            control.settle(HeldBack())

    def _judged(self, resident: Resident, luggage: Luggage, place: str) -> dict[str, Any]:
        """What a place would say if the agent went there as it stands."""
        with resident.lock:
            wanted = self.moving.capture(resident, place, luggage.standing).wanted
        assert wanted is not None
        return self.moving.verdict(place, wanted).as_data()

    def _known(self, place: str | None) -> str:
        self.core.check_place(place or "")
        return place or ""

    def _freeze(self, resident: Resident, control: PendingControl) -> None:
        self.moving.binding.check_settled(resident.agent)
        plan = self.moving.binding.plan(resident, None)
        with resident.lock:
            if not resident.machine.visit.runs:
                control.settle(HeldBack())
                return
            _, luggage, _ = resident.parts()
            outbound = self.moving.capture(resident, None, luggage.standing, control, plan)
            self.core.store.save(resident.agent, resident.machine.visit.stay, outbound.bundle)
            resident.outbound = outbound
        self.moving.feed(resident, on.Releases())

    def _stop(self, resident: Resident, control: PendingControl) -> None:
        with resident.lock:
            cell, luggage = resident.cell, resident.luggage
            if cell is None or luggage is None or not resident.machine.visit.runs or resident.ended is not None:
                control.settle(HeldBack())
                return
            resident.in_step = True
        raised = cell.close()
        places = luggage.visited
        with resident.lock:
            resident.in_step = False
            resident.breaking = None
            if resident.cell is not cell or resident.ended is not None:
                control.settle(NotHere())  # the lease was lost meanwhile and somebody else has it; or ended by force
                if resident.cell is not cell:
                    cell.leave()
                return
            if raised is not None:
                resident.ended = Ended(failed(raised, places), EventKind.FAILED, stopped=True)
            else:
                resident.ended = Ended(stopped(self.core.name, places), EventKind.ENDED, stopped=True)
        self.moving.finish(resident)
        control.settle(Done(None))

    def _look(self, resident: Resident) -> dict[str, Any]:
        with resident.lock:
            cell, luggage, _ = resident.parts()
            with resident.captured(cell):
                look = cell.look()
        return {
            "place": self.core.name,
            "standing": type(luggage.standing).__name__.lower(),
            "function": look.function,
            "file": look.file,
            "line": look.line,
            "text": look.text,
            "variables": [list(variable) for variable in look.variables],
            "mail": len(luggage.mailbox.waiting),
            "visited": list(luggage.visited),
        }


def _under_way(control: Control) -> WaitedTooLong:
    what = f"the end of this ({control.verb} of {control.agent})"
    state = "It is under way, and cannot be withdrawn: the agent goes on where it leads, or, if it fails, where it was."
    remedy = f"See what became of it with: sojourn logs {control.agent}"
    return WaitedTooLong(what, control.seconds, state=state, remedy=remedy)
