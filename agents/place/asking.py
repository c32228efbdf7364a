"""What a place asks the directory about an agent, and what its machine is told of the answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from agents.directory import AgentNameTaken, Info
from agents.errors import DirectoryUnreachable
from agents.handoff import (
    NEVER,
    Answer,
    Denial,
    Denied,
    Event,
    Fence,
    Finish,
    Release,
    Request,
    RequestKind,
    Restore,
    Take,
)
from agents.handoff import events as on
from agents.place.core import PlaceCore
from agents.place.resident import Resident
from agents.protocol import TransferRefused
from mobility.errors import MobilityError
from mobility.trust import VerifiedPassport

__all__ = ["Asking", "record_of"]


def record_of(passport: VerifiedPassport) -> tuple[bytes, bytes | None]:
    """The digest of a passport's last link, and of the one before it."""
    return passport.digest, passport.hops[-1].previous if passport.hops else None


@dataclass(slots=True, eq=False)
class Asking:
    """Of one place.

    Attributes
    ----------
    trouble
        Why the directory has not decided what it was asked last, as when its disk is full; empty if it has.
    """

    core: PlaceCore
    trouble: str = field(default="", init=False)

    def submit(self, resident: Resident, effect: on.AskDirectory, request: Request, papers: dict[str, object]) -> Event:
        """Submit it; what the machine is to be told."""
        outbound = resident.outbound
        try:
            answer: Answer = self.core.transport.ask_directory(
                "submit", request, timeout=self.core.options.directory_seconds, **papers
            )
        except DirectoryUnreachable:
            return on.Undecided(effect.kind, effect.epoch)
        except MobilityError as error:
            # It has said no before it looked at the ledger, as for a name that is taken; or its disk is full.
            if isinstance(error, AgentNameTaken):
                return self._not_born(resident, effect, error)
            if not self.trouble:  # told once, however often it is asked again
                self.core.failed(error)
            self.trouble = getattr(error, "reason", str(error))
            return on.Undecided(effect.kind, effect.epoch)
        self.trouble = ""
        if isinstance(answer, Denied) and outbound is not None:
            outbound.denied = effect.kind is RequestKind.RELEASE
        return on.Told(answer)

    def _not_born(self, resident: Resident, effect: on.AskDirectory, error: AgentNameTaken) -> Event:
        """Refuse it with the directory's own words; whoever sent it makes sure that it is not born later."""
        resident.refusal = TransferRefused(effect.epoch, error.slug, error.reason, error.remedy)
        self.core.forget(resident.agent, up_to=effect.epoch + 1)
        return on.Told(Denied(resident.agent, effect.kind, effect.epoch, Denial.ENDED, None))

    def request(self, resident: Resident, effect: on.AskDirectory) -> tuple[Request, dict[str, object]]:
        """What is to be submitted, and the papers that belong to it."""
        with resident.lock:
            agent, by = resident.agent, self.core.holder
            staged, outbound = resident.staged, resident.outbound
            match effect.kind:
                case RequestKind.TAKE | RequestKind.RESTORE:
                    assert staged is not None
                    record, previous = record_of(staged.passport)
                    papers: dict[str, object] = {"passport": staged.passport.passport.to_bytes()}
                    if effect.kind is RequestKind.RESTORE:
                        # A checkpoint as it came in must be the very link that the directory knows.
                        previous = previous if staged.own else None
                        return Restore(agent, effect.epoch, by, staged.stay, record, previous), papers
                    if effect.epoch == NEVER:
                        name = staged.luggage.name if staged.luggage.name != agent else None
                        owner = staged.passport.owner.name
                        papers["info"] = Info(name, owner, staged.passport.parent, staged.entry_point, time.time())
                    return Take(agent, effect.epoch, by, record, previous), papers
                case RequestKind.FENCE:
                    assert outbound is not None
                    return Fence(agent, effect.epoch, by, outbound.record), {}
                case RequestKind.RELEASE:
                    assert outbound is not None
                    return Release(agent, effect.epoch, by, outbound.record), {"passport": outbound.passport}
                case RequestKind.FINISH:
                    assert resident.ended is not None
                    return Finish(agent, effect.epoch, by), {"outcome": resident.ended.outcome}
