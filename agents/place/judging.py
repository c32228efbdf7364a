"""The verdict of a place: for those who ask before they send, and at each landing before the directory is asked.

Both are the same function of the same facts: what the host tells, with what is declared of the place in its stead. An
agent that comes back from this place's own disk is judged without what changes from moment to moment: it has nowhere
else to go.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

from agents.cell import Landed
from agents.declared import DeclaredEnvironment
from agents.luggage import Luggage
from agents.protocol import Judged, Judges, TransferRefused
from agents.standing import Fresh
from agents.verdicts import refusal_by, wanted_of
from mobility.bundle import VerifiedBundle, verdict_on
from mobility.environment import Environment, Mobility, Needs, verdict

__all__ = ["Judging"]


@dataclass(slots=True, eq=False)
class Judging:
    """Of one place."""

    place: str
    declared: DeclaredEnvironment

    def environment(self, needs: Needs) -> Environment:
        """What the place offers now, as far as it matters for these needs."""
        changing = needs.memory is not None or needs.accelerators
        host = Environment.here(memory=needs.memory is not None) if changing else _lasting()
        return self.declared.applied(host, needs)

    def facts(self) -> dict[str, Any]:
        """What the place tells of itself, as JSON can hold it: nothing that changes while it runs."""
        known = self.declared.applied(Environment.here(), Needs())
        return {
            "python": known.python,
            "implementation": known.implementation,
            "processor": known.processor,
            "system": known.operating_system,
            "memory": known.memory_total,
            "accelerators": [
                {"kind": one.kind, "count": one.count, "memory": one.memory} for one in known.accelerators
            ],
            **dict(self.declared.labels),
        }

    def answer(self, request: Judges) -> Judged:
        """The verdict for somebody who has not sent anything yet."""
        environment = self.environment(request.needs)
        decided = verdict(request.needs, environment, state=request.state, syntax=request.syntax)
        older = _minor(request.python) > _minor(environment.python)
        return Judged(decided, wants_syntax=older and request.syntax is None)

    def landing(
        self, verified: VerifiedBundle, luggage: Luggage, epoch: int, *, restored: bool = False
    ) -> Landed | TransferRefused:
        """The verdict on what has come in: how its cell is to make it, or why it is not let in.

        Parameters
        ----------
        luggage
            Stands at its entry afterwards if it starts anew.
        """
        needs = _lasting_needs(verified.manifest.needs) if restored else verified.manifest.needs
        wanted = wanted_of(verified.manifest)
        decided = verdict_on(verified, self.environment(needs), needs=needs)
        if wanted.lets_in(decided):
            return Landed(decided)
        if luggage.terms.accepts == "either" and luggage.start is not None:
            # Without its state it is bound only by what was declared for it, and by the packages of its code.
            asked = luggage.terms.needs
            rest = replace(needs, python_minor=asked.python_minor, processors=asked.processors)
            anew = verdict_on(verified, self.environment(rest), needs=rest, state=False)
            if anew.kind is not Mobility.REFUSE:
                luggage.standing = Fresh()
                return Landed(anew, luggage.start)
        return refusal_by(decided, self.place, epoch, state=wanted.state)


def _lasting_needs(needs: Needs) -> Needs:
    return replace(needs, memory=None, accelerators=())


@functools.cache
def _lasting() -> Environment:
    """What does not change while a process runs; packages are looked up when they are asked for."""
    return Environment.here(memory=False, accelerators=())


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
