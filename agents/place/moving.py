"""The driver of the handoff: carries out what the machine of an agent says, and tells it how that went.

What is only a change here (activate, discard, resume) is done under the resident's lock, together with the machine's
own change, so that nobody sees the one without the other. What asks somebody else is done without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from agents.cell import Cell, Mortal
from agents.errors import AgentsError, MoveFailed, MoveRefused, StoreFailed
from agents.eventlog import EventKind
from agents.handoff import NEVER, Event, Row, State, is_rubbish
from agents.handoff import events as on
from agents.place.asking import Asking
from agents.place.binding import Binding, BindingPlan
from agents.place.core import PlaceCore
from agents.place.outcomes import failure_of
from agents.place.resident import Outbound, PendingControl, Resident
from agents.protocol import (
    Done,
    Failure,
    NotHere,
    PlaceReply,
    Transfer,
    TransferAccepted,
    TransferPending,
    TransferRefused,
)
from agents.sending import capturing, refused_move
from agents.standing import Fresh, Raises, Standing
from agents.verdicts import Verdicts, Wanted, refusal_by, wanted_of
from mobility.bundle import Bundle
from mobility.environment import Verdict
from mobility.errors import MobilityError

__all__ = ["Moving"]

_MIB = 1 << 20


class _TurnedDown(Exception):
    """A place to which an agent cannot go, as it is now; another one may take it."""

    def __init__(self, error: MoveFailed) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True, eq=False)
class Moving:
    """Of one place.

    Attributes
    ----------
    run
        Steps a resident.
    activated
        Told of each agent that begins to run here.
    binding
        Sees to the resources to which agents are bound.
    """

    core: PlaceCore
    asking: Asking
    run: Callable[[Resident], None]
    activated: Callable[[Resident], None]
    verdicts: Verdicts
    binding: Binding

    # -- feeding the machine

    def feed(self, resident: Resident, event: Event) -> None:
        """Tell a resident's machine what happened, and do what it says, and so on until nothing is left to do."""
        with resident.lock:
            effects = resident.machine.handle(event)
            remote = tuple(effect for effect in effects if not self.local(resident, effect))
            resident.settled.notify_all()
        self.carry_out(resident, remote)

    def carry_out(self, resident: Resident, effects: Iterable[on.HandoffEffect]) -> None:
        """Do what asks somebody, and tell the machine what came of it."""
        for effect in effects:
            for event in self._remote(resident, effect):
                self.feed(resident, event)

    def local(self, resident: Resident, effect: on.HandoffEffect) -> bool:
        """Do what concerns only this place; whether it was such an effect."""
        match effect:
            case on.Activate() | on.Await():
                self._activate(resident)
            case on.Drop():
                self._drop(resident, effect.row)
            case on.ReplyAccepted():
                resident.answer(effect.epoch, TransferAccepted(effect.epoch))
            case on.ReplyRefused():
                refusal = resident.refusal or TransferRefused(effect.epoch, effect.reason)
                resident.refusal = None
                if resident.came is not None and resident.came[0] == effect.epoch:
                    resident.came = None
                resident.answer(effect.epoch, refusal)
            case on.Resume():
                self._resume(resident, effect.reason)
            case on.Halt():
                self.core.event(EventKind.SUSPENDED, resident.agent, resident.machine.visit.epoch)
            case on.Proceed():
                self.core.event(EventKind.PROCEEDED, resident.agent, resident.machine.visit.epoch)
                self.core.schedule(resident, self.run)
            case on.Discard():
                self._discard(resident)
            case on.PassOn():
                pass  # whoever waits has been notified, and looks again
            case _:
                return False
        return True

    def _remote(self, resident: Resident, effect: on.HandoffEffect) -> tuple[Event, ...]:
        """Do what asks somebody; what came of it."""
        match effect:
            case on.Admit():
                raise AssertionError("a transfer is admitted by whoever brought it")
            case on.AskDirectory(again=True):
                self.core.soon(lambda: self._ask_again(resident, effect), after=self.core.options.retry_seconds)
                return ()
            case on.AskDirectory():
                return (self.asking.submit(resident, effect, *self.asking.request(resident, effect)),)
            case on.Ship():
                return (self._transfer(resident, effect),)
            case _:
                raise AssertionError(f"nobody carries out {effect}")

    # -- what is local

    def _activate(self, resident: Resident) -> None:
        staged, resident.staged = resident.staged, None
        assert staged is not None
        resident.cell, resident.here = staged.cell, staged.here
        if isinstance(staged.cell, Mortal):
            staged.cell.watch(lambda cell, error: self._died(resident, cell, error))
        resident.luggage, resident.passport = staged.luggage, staged.passport
        if not staged.luggage.visited or staged.luggage.visited[-1] != self.core.name:
            staged.luggage.visited.append(self.core.name)
        self.binding.arrived(resident, staged)
        visit = resident.machine.visit
        if staged.restored:
            kind = EventKind.RESTORED
        elif staged.passport.parent is not None and staged.passport.hops[-1].child is not None:
            kind = EventKind.BORN
        else:
            kind = EventKind.ARRIVED if staged.passport.hops else EventKind.BORN
        self.core.event(
            kind,
            resident.agent,
            visit.epoch,
            name=staged.luggage.name,
            source=staged.source,
            bytes=staged.size,
            verify_ms=round(staged.verify_ms, 3),
            thaw_ms=round(staged.thaw_ms, 3),
            total_ms=round((time.time() - staged.started) * 1000, 3),
        )
        self.activated(resident)
        self.core.schedule(resident, self.run)

    def _died(self, resident: Resident, cell: Cell, error: AgentsError) -> None:
        """The process of an agent has ended while it waited: it is told at its next step, which is now."""
        with resident.lock:
            if resident.cell is not cell or resident.luggage is None or resident.ended is not None:
                return
            if not resident.in_step and not resident.calling:  # else that finds out
                resident.luggage.standing = Raises(error)
                resident.unperformed = None
        self.core.schedule(resident, self.run)

    def _drop(self, resident: Resident, row: Row | None) -> None:
        staged, resident.staged = resident.staged, None
        if staged is not None:
            staged.cell.leave()
        try:
            stay = self.core.store.stay(resident.agent)
            if stay is not None and is_rubbish(row, self.core.name, stay):
                self.core.store.drop(resident.agent, up_to=stay)
        except StoreFailed as error:
            self.core.failed(error)

    def _resume(self, resident: Resident, reason: str) -> None:
        outbound, resident.outbound = resident.outbound, None
        if outbound is None or resident.luggage is None:
            return
        self.binding.undo(outbound.plan, resident.agent)
        error = self._failure(outbound, reason)
        self.core.event(EventKind.MOVE_FAILED, resident.agent, resident.machine.visit.epoch, to=outbound.to, why=reason)
        if outbound.control is not None:
            outbound.control.settle(Failure(error))
        else:
            resident.luggage.standing = outbound.failed(error)
        self.core.schedule(resident, self.run)

    def _failure(self, outbound: Outbound, reason: str) -> MoveFailed:
        if outbound.refusal is not None:
            return refused_move(outbound.refusal, outbound.to, self.core.name)
        return MoveFailed(
            outbound.to,
            f"the move to {outbound.to} did not come about: {reason}",
            why="silence",
            here=self.core.name,
        )

    def _discard(self, resident: Resident) -> None:
        visit = resident.machine.visit
        cell, outbound, luggage, ended = resident.cell, resident.outbound, resident.luggage, resident.ended
        closed = ended is not None and not ended.forced and not isinstance(cell, Mortal)
        if cell is not None and not closed and not resident.in_step:  # else whoever steps it leaves it
            try:
                cell.leave()
            except MobilityError as error:
                self.core.failed(error)
        while (waiting := resident.next_control()) is not None:
            waiting.settle(NotHere(visit.to))  # whoever wanted it asks the directory
        if ended is not None and visit.state is State.ENDED:
            name = luggage.name if luggage is not None else None
            why = failure_of(ended.outcome)
            self.core.event(ended.kind, resident.agent, visit.epoch, name=name, stopped=ended.stopped, why=why)
        left = outbound is not None and visit.state is State.GONE and not outbound.denied
        if outbound is not None and not left and outbound.control is not None:
            outbound.control.settle(NotHere(visit.to))
        if outbound is not None and left:
            told = {"to": outbound.to, "bytes": len(outbound.bundle), "freeze_ms": round(outbound.freeze_ms, 3)}
            told["ms"] = round((time.time() - outbound.started) * 1000, 3)
            told["name"] = luggage.name if luggage is not None else None
            if outbound.anew:
                told["mobility"] = "weak"
            kind = EventKind.DEPARTED if outbound.to is not None else EventKind.FROZEN
            self.core.event(kind, resident.agent, visit.epoch, **told)
            if outbound.control is not None:
                outbound.control.settle(Done(outbound.bundle if outbound.to is None else told))
        keep = outbound is not None and left and outbound.to is None
        resident.let_go()
        if outbound is not None:
            self.binding.left(outbound.plan, resident.agent, certain=outbound.accepted)
        # Of a frozen agent the place keeps the bundle until it is thawed somewhere.
        if not keep and self.binding.is_saved():
            self.core.forget(resident.agent, up_to=visit.stay)

    # -- what asks somebody

    def _ask_again(self, resident: Resident, effect: on.AskDirectory) -> None:
        with resident.lock:
            visit = resident.machine.visit
            if (visit.asking, visit.epoch) != (effect.kind, effect.epoch):
                return  # settled in the meantime
            request = self.asking.request(resident, effect)
        self.feed(resident, self.asking.submit(resident, effect, *request))

    def _transfer(self, resident: Resident, effect: on.Ship) -> Event:
        outbound = resident.outbound
        assert outbound is not None
        request = Transfer(resident.agent, effect.epoch, outbound.bundle, self.core.name, outbound.started)
        reply = self.send(effect.to, request)
        match reply:
            case TransferAccepted():
                outbound.accepted = True
                return on.Accepted(effect.epoch)
            case TransferRefused():
                outbound.refusal = reply
                self.verdicts.forget(effect.to)  # it has judged otherwise than before
                return on.Rejected(effect.epoch, reply.why)
            case Failure():
                return on.Silence(effect.epoch, str(reply.error))
            case TransferPending(reason=reason) if reason:
                return on.Silence(effect.epoch, reason)
            case _:
                return on.Silence(effect.epoch, "it did not answer in time")

    def send(self, to: str, request: Transfer) -> PlaceReply:
        """Send a bundle; whatever goes wrong on the way is silence."""
        seconds = self.core.options.transfer_seconds + len(request.bundle) / _MIB / 10
        try:
            return self.core.transport.ask_place(to, request, timeout=seconds)
        except AgentsError as error:
            return TransferRefused(request.epoch, error.slug, error.reason, error.remedy)
        except MobilityError as error:
            return TransferRefused(request.epoch, error.slug, str(error), "")

    # -- leaving

    def capture(
        self,
        resident: Resident,
        to: str | None,
        standing: Standing,
        control: PendingControl | None = None,
        plan: BindingPlan | None = None,
        *,
        anew: bool | None = None,
    ) -> Outbound:
        """Pack a resident, whose lock is held, for a place or a file; it stays as it is.

        Parameters
        ----------
        plan
            What becomes of its bindings, if it leaves.
        anew
            Whether it is to start at its entry there; None: if it accepts nothing else, and does not stay here.

        Raises
        ------
        MoveFailed
        """
        cell, luggage, passport = resident.parts()
        started, began = time.time(), time.perf_counter()
        kept = to is None or to == self.core.name
        epoch = None if kept else resident.machine.visit.epoch
        if anew is None:
            anew = luggage.terms.accepts == "weak" and to != self.core.name
        anew = anew and luggage.start is not None
        standing = Fresh() if anew or cell.weak else standing
        with capturing(to, self.core.name), resident.captured(cell):
            bindings = plan.records if plan is not None else self.binding.kept(resident)
            bundle = cell.pack(
                by=self.core.identity,
                passport=passport,
                origin=self.core.name,
                to=to,
                luggage=replace(luggage, epoch=epoch, standing=standing, bindings=bindings).to_bytes(),
                preview=to is None,
                anew=luggage.start if anew else None,
            )
        outbound = self.outbound(bundle, to, started, began, control)
        outbound.anew = anew
        outbound.plan = plan
        return outbound

    def outbound(
        self, bundle: Bundle, to: str | None, started: float, began: float, control: PendingControl | None = None
    ) -> Outbound:
        """What is to be sent of a bundle: to a place, without the code."""
        manifest = bundle.claims() if to is not None else None
        data = (bundle if manifest is None else bundle.without_code(manifest)).to_bytes()
        freeze_ms = (time.perf_counter() - began) * 1000
        link = (bundle.passport.hops or (bundle.passport.birth,))[-1]
        wanted = wanted_of(manifest) if manifest is not None else None
        return Outbound(data, link.digest, bundle.passport.to_bytes(), to, started, freeze_ms, control, wanted=wanted)

    def finish(self, resident: Resident) -> None:
        """Tell the directory that a resident has ended; without a lease, later."""
        self.binding.keep_changes(resident)
        with resident.lock:
            if not resident.machine.visit.runs:
                return
            effects = resident.machine.handle(on.Finishes())
        self.carry_out(resident, effects)

    def depart(
        self,
        resident: Resident,
        to: str,
        standing: Standing,
        control: PendingControl | None = None,
        failed: Callable[[MoveFailed], Standing] = Raises,
    ) -> bool:
        """Send a resident to a place; on failure it goes on here, and whoever wanted it is told why.

        Parameters
        ----------
        standing
            How it is to stand there.
        control
            Who wanted it, if not the agent itself.
        failed
            How the agent is to stand here if it wanted that itself and it does not come about. If the place says so
            before anything is sent, it stands so already when this returns; unless given, that is raised.

        Returns
        -------
        bool
            False if the lease was lost just now, so that nothing can leave.

        Raises
        ------
        MoveFailed, StoreFailed
            It cannot be captured; or, if somebody else wanted it, the place would not let it in, or it cannot go there
            with a binding that it has. It is as it was, and nothing was sent.
        """
        self.binding.check_settled(resident.agent)
        try:
            effects = self._cleared(resident, to, standing, control, failed)
        except _TurnedDown as turned:
            with resident.lock:
                if control is not None or resident.luggage is None:
                    raise turned.error from turned.error.__cause__
                resident.luggage.standing = failed(turned.error)
            return True
        if effects is None:
            return False
        self.carry_out(resident, effects)
        return True

    def _cleared(
        self,
        resident: Resident,
        to: str,
        standing: Standing,
        control: PendingControl | None,
        failed: Callable[[MoveFailed], Standing],
    ) -> tuple[on.HandoffEffect, ...] | None:
        """See to all that has to be clear before it is sent; then it does not run any more. None: it is not here.

        Raises
        ------
        MoveFailed, StoreFailed
            It cannot be captured.
        _TurnedDown
            It cannot go to this place.
        """
        anew: bool | None = None
        approved: Wanted | None = None
        while True:
            luggage = resident.luggage
            if luggage is None:
                return None
            drops = anew or (luggage.terms.accepts == "weak" and luggage.start is not None)
            # A function that starts at its entry has lost its hold of what it was bound to. To plan may ask the
            # destination, so that no lock is held; what goes along is reserved from there on.
            plan = BindingPlan() if drops else self._planned(resident, to)
            try:
                with resident.lock:
                    if not resident.machine.visit.runs or resident.luggage is not luggage:
                        self.binding.undo(plan, resident.agent)
                        return None
                    # Captured again where the place had to be asked: a message may have come in meanwhile.
                    outbound = self.capture(resident, to, standing, control, plan, anew=anew)
                    outbound.failed = failed
                    wanted = outbound.wanted
                    assert wanted is not None
                    if wanted == approved or self.verdicts.known(to, wanted) is not None:
                        self.binding.write(plan, resident.agent, resident.machine.visit.epoch, to)
                        resident.outbound = outbound
                        effects = resident.machine.handle(on.Departs(to))
                        resident.settled.notify_all()
                        return effects
                decided = self._judged(to, wanted)
            except BaseException:
                self.binding.undo(plan, resident.agent)
                raise
            self.binding.undo(plan, resident.agent)  # while it was reserved, others could not use it
            if wanted.lets_in(decided):
                approved = wanted
            elif luggage.terms.accepts == "either" and luggage.start is not None and not outbound.anew:
                anew = True
            else:
                raise _TurnedDown(self._refused(resident, to, decided, wanted))

    def _planned(self, resident: Resident, to: str) -> BindingPlan:
        try:
            return self.binding.plan(resident, to)
        except MoveFailed as error:
            if isinstance(error, MoveRefused) or error.why in ("place-unreachable", "binding-refused"):
                raise _TurnedDown(error) from error
            raise  # it would fail everywhere

    def _judged(self, to: str, wanted: Wanted) -> Verdict:
        try:
            return self.verdict(to, wanted)
        except MoveFailed as error:
            raise _TurnedDown(error) from error

    def verdict(self, to: str, wanted: Wanted) -> Verdict:
        """What a place says of what is to be sent there.

        Raises
        ------
        MoveFailed
            It does not say anything.
        """
        seconds = self.core.options.transfer_seconds / 2
        try:
            return self.verdicts.ask(to, wanted, lambda: self.core.store.code(wanted.code), timeout=seconds)
        except AgentsError as error:
            silent = TransferRefused(NEVER, error.slug, error.reason, error.remedy)
            raise refused_move(silent, to, self.core.name) from None

    def check(self, bundle: Outbound, to: str) -> None:
        """That a place would let in what was captured; nothing was sent yet.

        Raises
        ------
        MoveRefused, MoveFailed
        """
        wanted = bundle.wanted
        assert wanted is not None
        if to == self.core.name or self.verdicts.known(to, wanted) is not None:
            return
        decided = self.verdict(to, wanted)
        if not wanted.lets_in(decided):
            raise refused_move(refusal_by(decided, to, NEVER, state=wanted.state), to, self.core.name)

    def _refused(self, resident: Resident, to: str, decided: Verdict, wanted: Wanted) -> MoveFailed:
        refusal = refusal_by(decided, to, resident.machine.visit.epoch, state=wanted.state)
        codes = [reason.code.value for reason in decided.reasons]
        told = {"to": to, "why": refusal.why, "verdict": refusal.verdict, "reasons": codes}
        self.core.event(EventKind.MOVE_FAILED, resident.agent, resident.machine.visit.epoch, **told)
        return refused_move(refusal, to, self.core.name)
