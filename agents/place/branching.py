"""Children: clones, which begin in the state of their parent, and spawned agents, which begin at their entry.

A child is packed as the parent's passport with a branch in it, signed by this place; the owner's signature on the code
covers it. It is born when the directory has granted its first epoch, and until then it is nowhere.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from agents import effects as does
from agents import standing as at
from agents.errors import MoveFailed
from agents.eventlog import EventKind
from agents.handoff import NEVER
from agents.luggage import Luggage
from agents.place.core import PlaceCore
from agents.place.landing import Landing
from agents.place.moving import Moving
from agents.place.resident import Resident
from agents.protocol import PlaceReply, Transfer, TransferAccepted, TransferRefused
from agents.sending import capturing, refused_move, send_new
from agents.terms import LaunchTerms
from mobility.bundle import Branch, Bundle, pack

__all__ = ["Branching"]


@dataclass(slots=True, eq=False)
class Branching:
    """Of one place."""

    core: PlaceCore
    moving: Moving
    landing: Landing

    def clone(self, resident: Resident, to: str, name: str | None, standing: at.Standing | None = None) -> str:
        """Set a second agent into the state of a resident; returns the child's id.

        Parameters
        ----------
        standing
            How the clone is to stand; unless given, it gets a `Clone` from its ``yield``, as the original does.

        Raises
        ------
        MoveRefused, MoveFailed
            There is no clone.
        """
        started, began = time.time(), time.perf_counter()
        plan = None if to == self.core.name else self.moving.binding.plan(resident, to, clone=True)
        with resident.lock:
            cell, parent, passport = resident.parts()
            child = self._take_id(resident)
            if cell.weak:
                standing = at.Fresh()
            # What lies in the mailbox was written to the original, and is read by it alone.
            luggage = Luggage(
                name or child,
                NEVER,
                standing=standing if standing is not None else at.Cloned(True, resident.agent),
                visited=list(parent.visited),
                terms=parent.terms,
                way=parent.way,
                start=parent.start,
            )
            with capturing(to, self.core.name), resident.captured(cell):
                luggage.bindings = plan.records if plan is not None else self.moving.binding.kept(resident)
                bundle = cell.pack(
                    by=self.core.identity,
                    passport=passport,
                    origin=self.core.name,
                    to=to,
                    luggage=luggage.to_bytes(),
                    branch=Branch(child=child),
                )
        self._send(resident, child, to, bundle, started, began)
        self.core.event(EventKind.CLONED, resident.agent, resident.machine.visit.epoch, child=child, to=to)
        return child

    def spawn(self, resident: Resident, effect: does.Spawn, to: str) -> str:
        """Start another agent of the same code; returns the child's id.

        Raises
        ------
        MoveRefused, MoveFailed
            There is no child.
        """
        started, began = time.time(), time.perf_counter()
        with resident.lock:
            _, parent, passport = resident.parts()
            child = self._take_id(resident)
            process = parent.terms.process if effect.process is None else effect.process
            luggage = Luggage(effect.name or child, NEVER, at.Fresh(), terms=LaunchTerms(process=process))
            with capturing(to, self.core.name):
                bundle = pack(
                    effect.function,
                    by=self.core.identity,
                    args=effect.args,
                    kwargs=effect.kwargs,
                    passport=passport,
                    origin=self.core.name,
                    to=to,
                    luggage=luggage.to_bytes(),
                    branch=Branch(child=child),
                    preview=False,
                )
        self._send(resident, child, to, bundle, started, began)
        self.core.event(EventKind.SPAWNED, resident.agent, resident.machine.visit.epoch, child=child, to=to)
        return child

    def next_id(self, resident: Resident) -> str:
        """The id of the next child, which tells whose it is; of the same number, after a restore, another one."""
        assert resident.luggage is not None
        return f"{resident.agent}.{resident.machine.visit.stay}-{resident.luggage.children + 1}"

    def _take_id(self, resident: Resident) -> str:
        child = self.next_id(resident)
        assert resident.luggage is not None
        resident.luggage.children += 1
        return child

    def _send(self, resident: Resident, child: str, to: str, bundle: Bundle, started: float, began: float) -> None:
        outbound = self.moving.outbound(bundle, to, started, began)
        self.moving.check(outbound, to)
        request = Transfer(child, NEVER, outbound.bundle, self.core.name, started)
        if to == self.core.name:
            reply: PlaceReply = self.landing.receive(request)
            if isinstance(reply, TransferAccepted):
                return
            if isinstance(reply, TransferRefused):
                raise refused_move(reply, to, self.core.name)
            raise MoveFailed(
                to,
                f"{child} lies dormant on {to}, and the directory does not answer; it may be born later",
                why="undecided",
                here=self.core.name,
                remedy=f"Ask later whether {child} lives, before you try again.",
            )
        send_new(
            self.core.transport,
            request,
            to=to,
            record=outbound.record,
            by=self.core.holder,
            send=self.moving.send,
            here=self.core.name,
            timeout=self.core.options.transfer_seconds,
        )
