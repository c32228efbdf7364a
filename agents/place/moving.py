"""The driver of the handoff: carries out what the machine of an agent says, and tells it how that went.

What is only a change here (activate, discard, resume) is done under the resident's lock, together with the machine's
own change, so that nobody sees the one without the other. What asks somebody else is done without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, replace

from agents.directory import Info, NameTaken
from agents.errors import (
    AgentsError,
    DirectoryUnreachable,
    LandingRefused,
    MoveFailed,
    StoreFailed,
)
from agents.eventlog import EventKind
from agents.handoff import (
    NEVER,
    Answer,
    Denial,
    Denied,
    Event,
    Fence,
    Finish,
    Kind,
    Release,
    Request,
    Restore,
    Row,
    State,
    Take,
    is_rubbish,
)
from agents.handoff import events as on
from agents.place.admission import Admission
from agents.place.core import PlaceCore
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
from agents.standing import Raises, Standing
from mobility.bundle import Bundle
from mobility.errors import MobilityError
from mobility.trust import VerifiedPassport

__all__ = ["Moving", "record_of"]

_MIB = 1 << 20
_LEAVING = frozenset({State.FROZEN, State.RECLAIMING})


def record_of(passport: VerifiedPassport) -> tuple[bytes, bytes | None]:
    """The digest of a passport's last link, and of the one before it."""
    return passport.digest, passport.hops[-1].previous if passport.hops else None


@dataclass(slots=True, eq=False)
class Moving:
    """Of one place.

    Attributes
    ----------
    run
        Steps a resident.
    """

    core: PlaceCore
    admission: Admission
    run: Callable[[Resident], None]

    # -- feeding the machine

    def feed(self, resident: Resident, event: Event) -> None:
        """Tell a resident's machine what happened, and do what it says, and so on until nothing is left to do."""
        with resident.lock:
            effects = resident.machine.handle(event)
            remote = tuple(effect for effect in effects if not self._local(resident, effect))
            resident.settled.notify_all()
        self._carry_out(resident, remote)

    def _carry_out(self, resident: Resident, effects: Iterable[on.Effect]) -> None:
        for effect in effects:
            for event in self._remote(resident, effect):
                self.feed(resident, event)

    def _local(self, resident: Resident, effect: on.Effect) -> bool:
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

    def _remote(self, resident: Resident, effect: on.Effect) -> tuple[Event, ...]:
        """Do what asks somebody; what came of it."""
        match effect:
            case on.Admit():
                raise AssertionError("a transfer is admitted by whoever brought it")
            case on.AskDirectory(again=True):
                self.core.soon(lambda: self._ask_again(resident, effect), after=self.core.options.retry_seconds)
                return ()
            case on.AskDirectory():
                return (self._ask(resident, effect),)
            case on.Transfer():
                return (self._transfer(resident, effect),)
            case _:
                raise AssertionError(f"nobody carries out {effect}")

    # -- what is local

    def _activate(self, resident: Resident) -> None:
        staged, resident.staged = resident.staged, None
        assert staged is not None
        resident.cell, resident.here = staged.cell, staged.here
        resident.luggage, resident.passport = staged.luggage, staged.passport
        if not staged.luggage.visited or staged.luggage.visited[-1] != self.core.name:
            staged.luggage.visited.append(self.core.name)
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
        error = self._failure(outbound, reason)
        self.core.event(EventKind.MOVE_FAILED, resident.agent, resident.machine.visit.epoch, to=outbound.to, why=reason)
        if outbound.control is not None:
            outbound.control.settle(Failure(error))
        else:
            resident.luggage.standing = Raises(error)
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
        if cell is not None and ended is None and not resident.in_step:  # else whoever steps it leaves it
            try:
                cell.leave()
            except MobilityError as error:
                self.core.failed(error)
        while (waiting := resident.next_control()) is not None:
            waiting.settle(NotHere(visit.to))  # whoever wanted it asks the directory
        if ended is not None and visit.state is State.ENDED:
            name = luggage.name if luggage is not None else None
            self.core.event(ended.kind, resident.agent, visit.epoch, name=name, stopped=ended.stopped)
        left = outbound is not None and visit.state is State.GONE and not outbound.denied
        if outbound is not None and not left and outbound.control is not None:
            outbound.control.settle(NotHere(visit.to))
        if outbound is not None and left:
            told = {"to": outbound.to, "bytes": len(outbound.bundle), "freeze_ms": round(outbound.freeze_ms, 3)}
            told["ms"] = round((time.time() - outbound.started) * 1000, 3)
            told["name"] = luggage.name if luggage is not None else None
            kind = EventKind.DEPARTED if outbound.to is not None else EventKind.FROZEN
            self.core.event(kind, resident.agent, visit.epoch, **told)
            if outbound.control is not None:
                outbound.control.settle(Done(outbound.bundle if outbound.to is None else told))
        keep = outbound is not None and left and outbound.to is None
        resident.let_go()
        if not keep:  # of a frozen agent the place keeps the bundle until it is thawed somewhere
            self._forget(resident, up_to=visit.stay)

    def _forget(self, resident: Resident, up_to: int) -> None:
        try:
            self.core.store.drop(resident.agent, up_to=up_to)
        except StoreFailed as error:  # left over; it is of an earlier stay, and so of no use to anybody
            self.core.failed(error)

    # -- what asks somebody

    def _ask(self, resident: Resident, effect: on.AskDirectory) -> Event:
        return self._submit(resident, effect, *self._request(resident, effect))

    def _submit(
        self, resident: Resident, effect: on.AskDirectory, request: Request, papers: dict[str, object]
    ) -> Event:
        outbound = resident.outbound
        try:
            answer: Answer = self.core.transport.ask_directory(
                "submit", request, timeout=self.core.options.directory_seconds, **papers
            )
        except DirectoryUnreachable:
            return on.Undecided(effect.kind, effect.epoch)
        except MobilityError as error:
            # It has said no before it looked at the ledger, as for a name that is taken; or its disk is full.
            if isinstance(error, NameTaken):
                return self._not_born(resident, effect, error)
            self.core.failed(error)
            return on.Undecided(effect.kind, effect.epoch)
        if isinstance(answer, Denied) and outbound is not None:
            outbound.denied = effect.kind is Kind.RELEASE
        return on.Told(answer)

    def _not_born(self, resident: Resident, effect: on.AskDirectory, error: NameTaken) -> Event:
        """Refuse it with the directory's own words; whoever sent it makes sure that it is not born later."""
        resident.refusal = TransferRefused(effect.epoch, error.slug, error.reason, error.remedy)
        self._forget(resident, up_to=effect.epoch + 1)
        return on.Told(Denied(resident.agent, effect.kind, effect.epoch, Denial.ENDED, None))

    def _ask_again(self, resident: Resident, effect: on.AskDirectory) -> None:
        with resident.lock:
            visit = resident.machine.visit
            if (visit.asking, visit.epoch) != (effect.kind, effect.epoch):
                return  # settled in the meantime
            request = self._request(resident, effect)
        self.feed(resident, self._submit(resident, effect, *request))

    def _request(self, resident: Resident, effect: on.AskDirectory) -> tuple[Request, dict[str, object]]:
        with resident.lock:
            agent, by = resident.agent, self.core.holder
            staged, outbound = resident.staged, resident.outbound
            match effect.kind:
                case Kind.TAKE | Kind.RESTORE:
                    assert staged is not None
                    record, previous = record_of(staged.passport)
                    papers: dict[str, object] = {"passport": staged.passport.passport.to_bytes()}
                    if effect.kind is Kind.RESTORE:
                        # A checkpoint as it came in must be the very link that the directory knows.
                        previous = previous if staged.own else None
                        return Restore(agent, effect.epoch, by, staged.stay, record, previous), papers
                    if effect.epoch == NEVER:
                        name = staged.luggage.name if staged.luggage.name != agent else None
                        owner = staged.passport.owner.name
                        papers["info"] = Info(name, owner, staged.passport.parent, staged.entry_point, time.time())
                    return Take(agent, effect.epoch, by, record, previous), papers
                case Kind.FENCE:
                    assert outbound is not None
                    return Fence(agent, effect.epoch, by, outbound.record), {}
                case Kind.RELEASE:
                    assert outbound is not None
                    return Release(agent, effect.epoch, by, outbound.record), {"passport": outbound.passport}
                case Kind.FINISH:
                    assert resident.ended is not None
                    return Finish(agent, effect.epoch, by), {"outcome": resident.ended.outcome}

    def _transfer(self, resident: Resident, effect: on.Transfer) -> Event:
        outbound = resident.outbound
        assert outbound is not None
        request = Transfer(resident.agent, effect.epoch, outbound.bundle, self.core.name, outbound.started)
        reply = self.send(effect.to, request)
        match reply:
            case TransferAccepted():
                return on.Accepted(effect.epoch)
            case TransferRefused():
                outbound.refusal = reply
                return on.Refused(effect.epoch, reply.why)
            case Failure():
                return on.Silence(effect.epoch, str(reply.error))
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

    # -- arriving

    def receive(self, transfer: Transfer) -> PlaceReply:
        """Take an agent in, if it may come in and the directory agrees."""
        deadline = time.monotonic() + self.core.options.transfer_seconds / 2
        with self.core.held(transfer.agent) as resident:
            # It may come back before the place to which it went has told that it was there.
            while resident.machine.state in _LEAVING and transfer.epoch > resident.machine.visit.epoch:
                if not resident.settled.wait(max(0.0, deadline - time.monotonic())):
                    break
            came = (transfer.epoch, transfer.started, transfer.source)
            if transfer.source is None and resident.came is not None and resident.came[0] == transfer.epoch:
                if resident.came != came:  # not the same one again, which is answered as the first was
                    return TransferRefused(transfer.epoch, "thawed-before", "somebody else has just thawed it there")
            answer = resident.wait_for(transfer.epoch)
            effects = resident.machine.handle(on.Offered(transfer.epoch))
            admits = any(isinstance(effect, on.Admit) for effect in effects)
            if admits:
                resident.came = came
            for effect in effects:
                if not isinstance(effect, on.Admit):
                    self._local(resident, effect)
            resident.settled.notify_all()
        if admits:
            self.feed(resident, self._admitted(resident, transfer))
        try:
            return answer.result(max(0.1, deadline - time.monotonic()))
        except FutureTimeout:
            return TransferPending()

    def _admitted(self, resident: Resident, transfer: Transfer) -> Event:
        try:
            staged = self.admission.admit(transfer)
        except LandingRefused as error:
            self.core.event(EventKind.REFUSED, transfer.agent, transfer.epoch, why=error.why, source=transfer.source)
            resident.refusal = TransferRefused(transfer.epoch, error.why, error.reason, error.remedy)
            return on.Declined(error.why)
        except BaseException as error:
            self.core.failed(error)
            return on.Declined("landing-failed")
        resident.staged = staged
        return on.Admitted()

    def recover(self, resident: Resident, epoch: int) -> bool:
        """Take an agent back from its checkpoint; whether there is one that can be used."""
        with resident.lock:  # also while it is decoded: nothing else of it may come in meanwhile
            if resident.machine.state not in (State.ABSENT, State.GONE) or resident.forgotten:
                return True
            checkpoint = self.core.store.load(resident.agent)
            if checkpoint is None:
                return False
            try:
                resident.staged = self.admission.reopen(checkpoint)
            except Exception as error:  # also what an agent's own classes raise when they are made
                self.core.failed(error)
                return False
            effects = resident.machine.handle(on.Recovered(epoch))
        self._carry_out(resident, effects)
        return True

    # -- leaving

    def capture(
        self, resident: Resident, to: str | None, standing: Standing, control: PendingControl | None = None
    ) -> Outbound:
        """Pack a resident, whose lock is held, for a place or a file; it stays as it is.

        Raises
        ------
        MoveFailed
        """
        cell, luggage, passport = resident.cell, resident.luggage, resident.passport
        assert cell is not None and luggage is not None and passport is not None
        started, began = time.time(), time.perf_counter()
        kept = to is None or to == self.core.name
        epoch = None if kept else resident.machine.visit.epoch
        with capturing(to, self.core.name):
            bundle = cell.pack(
                by=self.core.identity,
                passport=passport,
                origin=self.core.name,
                to=to,
                luggage=replace(luggage, epoch=epoch, standing=standing).to_bytes(),
                preview=to is None,
            )
        return self.outbound(bundle, to, started, began, control)

    def outbound(
        self, bundle: Bundle, to: str | None, started: float, began: float, control: PendingControl | None = None
    ) -> Outbound:
        """What is to be sent of a bundle: to a place, without the code."""
        data = (bundle if to is None else bundle.without_code()).to_bytes()
        freeze_ms = (time.perf_counter() - began) * 1000
        link = (bundle.passport.hops or (bundle.passport.birth,))[-1]
        return Outbound(data, link.digest, bundle.passport.to_bytes(), to, started, freeze_ms, control)

    def finish(self, resident: Resident) -> None:
        """Tell the directory that a resident has ended; without a lease, later."""
        with resident.lock:
            if not resident.machine.visit.runs:
                return
            effects = resident.machine.handle(on.Finishes())
        self._carry_out(resident, effects)

    def depart(self, resident: Resident, to: str, standing: Standing, control: PendingControl | None = None) -> bool:
        """Send a resident to a place; on failure it goes on here, and whoever wanted it is told why.

        Parameters
        ----------
        standing
            How it is to stand there.
        control
            Who wanted it, if not the agent itself.

        Returns
        -------
        bool
            False if the lease was lost just now, so that nothing can leave.

        Raises
        ------
        MoveFailed
            It cannot be captured; it is as it was.
        """
        with resident.lock:
            if not resident.machine.visit.runs:
                return False
            resident.outbound = self.capture(resident, to, standing, control)
            effects = resident.machine.handle(on.Departs(to))
            resident.settled.notify_all()
        self._carry_out(resident, effects)
        return True
