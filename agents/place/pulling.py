"""Pulling: a place gets a unit from a repository and starts it itself (weak mobility that the receiver initiates).

The unit goes on as a branch of the publication's passport, signed by this place, and lands as any agent does: it is
verified once more, written down, and born when the directory has granted it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from agents.cell import Landed
from agents.errors import AgentsError
from agents.fetching import Units
from agents.handoff import NEVER, Holder
from agents.here import Here, Surroundings
from agents.luggage import Luggage, write_start
from agents.place.core import PlaceCore
from agents.place.landing import Landing
from agents.place.serving import arguments_from
from agents.protocol import Failure, PlaceReply, PullUnit, Transfer, TransferRefused
from agents.sending import capturing, send_new
from agents.standing import Fresh
from agents.terms import TERMS, LaunchTerms
from agents.transport import Transport
from agents.units import VerifiedUnit
from mobility.bundle import Branch, Bundle, pack
from mobility.errors import MobilityError
from mobility.plain import decode

__all__ = ["Pulling", "have_pulled"]


@dataclass(slots=True, eq=False)
class Pulling:
    """Of one place."""

    core: PlaceCore
    surroundings: Surroundings
    units: Units
    landing: Landing

    def pull(self, request: PullUnit) -> PlaceReply:
        """Get the unit, and take it in.

        Raises
        ------
        UnknownUnit, PlaceUnreachable, MoveFailed, mobility.errors.MobilityError
            Nothing is born here.
        """
        unit, _ = self.units.get(
            request.source or None, request.name, request.version, request.digest, timeout=request.seconds
        )
        args, kwargs = arguments_from(request.arguments)
        terms: LaunchTerms = decode(request.terms, registry=TERMS)
        luggage = Luggage(request.called or request.agent, NEVER, Fresh(), terms=terms)
        whose: dict[str, Any] = {
            "by": self.core.identity,
            "passport": unit.verified.passport,
            "origin": self.core.name,
            "to": self.core.name,
            "luggage": luggage.to_bytes(),
            "branch": Branch(child=request.agent),
        }
        with capturing(self.core.name, unit.name):
            if terms.process:
                bundle = self._packed_apart(unit, terms, request.agent, write_start(unit.name, args, kwargs), whose)
            else:
                bundle = pack(unit.load(), args=args, kwargs=kwargs, preview=False, needs=terms.needs, **whose)
        self.core.store.save_code(unit.verified.manifest.code[0], unit.verified.code[0])
        data = bundle.without_code().to_bytes()
        return self.landing.receive(Transfer(request.agent, NEVER, data, self.core.name, request.started))

    def _packed_apart(
        self, unit: VerifiedUnit, terms: LaunchTerms, agent: str, start: bytes, whose: dict[str, Any]
    ) -> Bundle:
        """The same where it is to run in a process of its own: then it is loaded nowhere else, for this neither."""
        cell = self.core.cell_kind(unit.verified, Here(self.surroundings, agent), terms, Landed())
        try:
            return cell.pack(preview=False, anew=start, **whose)
        finally:
            cell.leave()


def have_pulled(
    transport: Transport, request: PullUnit, *, to: str, by: Holder, here: str | None, timeout: float
) -> None:
    """Ask a place to pull a unit, and see it born there; if it is not, make sure that it will not be later.

    Parameters
    ----------
    here
        The place of the agent that asks, for errors; None: somebody outside.

    Raises
    ------
    MoveRefused, MoveFailed, UnknownUnit, UnknownPlace, mobility.errors.MobilityError
        It was not born; or, with ``why="undecided"``, nobody knows.
    """
    problem: list[MobilityError] = []

    def send(place: str, transfer: Transfer) -> PlaceReply:
        try:
            # It may have to wait for the repository, and lands then.
            reply = transport.ask_place(place, request, timeout=request.seconds + timeout)
        except AgentsError as error:
            return TransferRefused(transfer.epoch, error.slug, error.reason, error.remedy)
        if isinstance(reply, Failure):  # it knows best why
            problem.append(reply.error)
            return TransferRefused(transfer.epoch, reply.error.slug, str(reply.error))
        return reply

    # What is to be fenced, should nobody answer, is the id: which link it would have had is not known here.
    stand_in = Transfer(request.agent, NEVER, b"", here, request.started)
    record = secrets.token_bytes(32)
    try:
        send_new(transport, stand_in, to=to, record=record, by=by, send=send, here=here, timeout=timeout)
    except MobilityError as error:
        if problem:
            raise problem[0] from error
        raise
