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
from agents.place.branching import Branching
from agents.place.core import PlaceCore
from agents.place.moving import Moving
from agents.place.outcomes import failed, stopped
from agents.place.resident import Ended, PendingControl, Resident
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
    run: Callable[[Resident], None]

    def wish(self, control: Control) -> PlaceReply:
        """Note what is wanted, and wait until it is done; if that takes too long, it is withdrawn."""
        resident = self.core.known(control.agent)
        if resident is None:
            return self._frozen_before(control.agent) if control.verb is Verb.FREEZE else NotHere()
        pending = PendingControl(control.verb, control.argument)
        with resident.lock:
            visit = resident.machine.visit
            if visit.state in (State.GONE, State.ENDED, State.ABSENT):
                if control.verb is Verb.FREEZE and visit.state is State.GONE and visit.to is None:
                    return self._frozen_before(control.agent)
                return NotHere(visit.to)
            if not visit.runs:
                return HeldBack()
            resident.wants(pending)
        self.core.schedule(resident, self.run)
        try:
            return pending.answer.result(control.seconds)
        except FutureTimeout:
            with resident.lock:
                begun = resident.controls is None or pending not in resident.controls
                computing = resident.in_step or resident.calling
            if begun and not computing:
                return Failure(_under_way(control))
            pending.answer.cancel()
            return Failure(Busy(control.agent, _DONE[control.verb], control.seconds))

    def _frozen_before(self, agent: str) -> PlaceReply:
        """Of an agent that was frozen here, the bundle is kept: who has asked may not have got it."""
        kept = self.core.store.load(agent)
        return NotHere() if kept is None else Done(kept.bundle)

    def can(self, resident: Resident, control: PendingControl) -> bool:
        """Whether it can be done where the agent stands now; else after its next step."""
        luggage = resident.luggage
        if control.verb in (Verb.STATE, Verb.STOP):
            return True
        return luggage is not None and at.can_travel(luggage.standing)

    def carry_out(self, resident: Resident, control: PendingControl) -> None:
        """Do it; whoever wanted it is told."""
        if resident.luggage is None:  # it was given away just now
            control.settle(NotHere())
            return
        try:
            match control.verb:
                case Verb.MOVE:
                    self._move(resident, self._known(control.argument), control)
                case Verb.CLONE:
                    place = self._known(control.argument)
                    assert resident.luggage is not None
                    child = self.branching.clone(resident, place, None, resident.luggage.standing)
                    control.settle(Done(child))
                case Verb.FREEZE:
                    self._freeze(resident, control)
                case Verb.STOP:
                    self._stop(resident, control)
                case Verb.STATE:
                    control.settle(Done(self._look(resident)))
                case Verb.JUDGE:
                    control.settle(Done(self._judged(resident, self._known(control.argument))))
        except MobilityError as error:
            control.settle(Failure(error))
        except BaseException as error:  # a defect of the platform: the agent is not to hear of it
            self.core.failed(error)
            control.settle(Failure(AgentsError(f"{control.verb} of {resident.agent} broke off: {error!r}")))

    def _move(self, resident: Resident, place: str, control: PendingControl) -> None:
        assert resident.luggage is not None
        if place == self.core.name:
            control.settle(Done({"to": place, "bytes": 0, "freeze_ms": 0.0, "ms": 0.0}))
        elif not self.moving.depart(resident, place, resident.luggage.standing, control):
            control.settle(HeldBack())

    def _judged(self, resident: Resident, place: str) -> dict[str, Any]:
        """What a place would say if the agent went there as it stands."""
        with resident.lock:
            assert resident.luggage is not None
            wanted = self.moving.capture(resident, place, resident.luggage.standing).wanted
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
            assert resident.luggage is not None
            outbound = self.moving.capture(resident, None, resident.luggage.standing, control, plan)
            self.core.store.save(resident.agent, resident.machine.visit.stay, outbound.bundle)
            resident.outbound = outbound
        self.moving.feed(resident, on.Releases())

    def _stop(self, resident: Resident, control: PendingControl) -> None:
        with resident.lock:
            cell, luggage = resident.cell, resident.luggage
            if cell is None or luggage is None or not resident.machine.visit.runs:
                control.settle(HeldBack())
                return
            resident.in_step = True
        raised = cell.close()
        places = luggage.visited
        with resident.lock:
            resident.in_step = False
            if resident.cell is not cell:  # the lease was lost meanwhile, and somebody else has it
                control.settle(NotHere())
                return
            if raised is not None:
                resident.ended = Ended(failed(raised, places), EventKind.FAILED, stopped=True)
            else:
                resident.ended = Ended(stopped(self.core.name, places), EventKind.ENDED, stopped=True)
        self.moving.finish(resident)
        control.settle(Done(None))

    def _look(self, resident: Resident) -> dict[str, Any]:
        assert resident.cell is not None and resident.luggage is not None
        look = resident.cell.look()
        return {
            "place": self.core.name,
            "standing": type(resident.luggage.standing).__name__.lower(),
            "function": look.function,
            "file": look.file,
            "line": look.line,
            "text": look.text,
            "variables": [list(variable) for variable in look.variables],
            "mail": len(resident.luggage.mailbox.waiting),
            "visited": list(resident.luggage.visited),
        }


def _under_way(control: Control) -> WaitedTooLong:
    what = f"the end of this ({control.verb} of {control.agent})"
    state = "It is under way, and cannot be withdrawn: the agent goes on where it leads, or, if it fails, where it was."
    remedy = f"See what became of it with: sojourn logs {control.agent}"
    return WaitedTooLong(what, control.seconds, state=state, remedy=remedy)
