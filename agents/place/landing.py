"""Agents that come in: sent by somebody, or from a checkpoint of this place's own."""

from __future__ import annotations

import time
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from agents.errors import LandingRefused
from agents.eventlog import EventKind
from agents.handoff import Event, State
from agents.handoff import events as on
from agents.place.admission import Admission
from agents.place.core import PlaceCore
from agents.place.moving import Moving
from agents.place.resident import Resident
from agents.protocol import PlaceReply, Transfer, TransferPending, TransferRefused

__all__ = ["Landing"]

_LEAVING = frozenset({State.FROZEN, State.RECLAIMING})


@dataclass(slots=True, eq=False)
class Landing:
    """Of one place."""

    core: PlaceCore
    admission: Admission
    moving: Moving

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
                    self.moving.local(resident, effect)
            resident.settled.notify_all()
        if admits:
            self.moving.feed(resident, self._admitted(resident, transfer))
        try:
            return answer.result(max(0.1, deadline - time.monotonic()))
        except FutureTimeout:
            return TransferPending(self.moving.asking.trouble)

    def _admitted(self, resident: Resident, transfer: Transfer) -> Event:
        try:
            staged = self.admission.admit(transfer)
        except LandingRefused as error:
            self.core.event(EventKind.REFUSED, transfer.agent, transfer.epoch, why=error.why, source=transfer.source)
            problem = error.reason if error.verdict is None else error.problem  # as it is told before a landing
            resident.refusal = TransferRefused(
                transfer.epoch, error.why, problem, error.remedy, tuple(error.reasons), error.verdict
            )
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
                with self.core.store.step(resident.agent):  # decoding makes objects of the agent's own classes
                    resident.staged = self.admission.reopen(checkpoint)
            except Exception as error:  # also what an agent's own classes raise when they are made
                self.core.failed(error)
                return False
            effects = resident.machine.handle(on.Recovered(epoch))
        self.moving.carry_out(resident, effects)
        return True
