"""The table: which event is handled how, in which state, and what the state can be afterwards.

It is data: `machine` runs it, the explorer walks it, and the diagram in the documentation is drawn from it. An event
that a state does not list cannot happen there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from agents.handoff import events as on
from agents.handoff import visit as do
from agents.handoff.visit import Consequence, State, Visit

__all__ = ["TABLE", "Transition"]


@dataclass(frozen=True, slots=True)
class Transition:
    """How an event is handled.

    Attributes
    ----------
    handler
        A function of `agents.handoff.visit`.
    targets
        The states in which it can end.
    """

    handler: Callable[[Visit, Any], Consequence]
    targets: frozenset[State]


def _to(handler: Callable[[Visit, Any], Consequence], *targets: State) -> Transition:
    return Transition(handler, frozenset(targets))


S = State
#: Nothing of the agent is here.
_AWAY: Final = (S.ABSENT, S.GONE, S.ENDED)
_DORMANT: Final = (S.ADMITTING, S.STAGED)
_HERE: Final = (S.RUNNING, S.SUSPENDED)
_LEAVING: Final = (S.FROZEN, S.RECLAIMING, S.RELEASING, S.FINISHING)

TABLE: Final[dict[tuple[State, type[Any]], Transition]] = {
    # arriving
    (S.ABSENT, on.Offered): _to(do.offered, S.ADMITTING),
    (S.GONE, on.Offered): _to(do.offered, S.ADMITTING, S.GONE),
    (S.ENDED, on.Offered): _to(do.offered_again, S.ENDED),
    **{(state, on.Offered): _to(do.offered_while_dormant, state) for state in _DORMANT},
    **{(state, on.Offered): _to(do.offered_again, state) for state in (*_HERE, *_LEAVING)},
    (S.ADMITTING, on.Admitted): _to(do.admitted, S.STAGED),
    (S.ADMITTING, on.Declined): _to(do.declined, S.ABSENT, S.GONE),
    (S.ABSENT, on.Recovered): _to(do.recovered, S.STAGED),
    (S.GONE, on.Recovered): _to(do.recovered, S.STAGED),
    (S.STAGED, on.Told): _to(do.told_about_dormant, S.STAGED, S.RUNNING, S.SUSPENDED, S.GONE),
    (S.STAGED, on.Undecided): _to(do.undecided, S.STAGED),
    # leaving
    (S.RUNNING, on.Departs): _to(do.departs, S.FROZEN),
    (S.ABSENT, on.Sends): _to(do.sends, S.FROZEN),
    (S.FROZEN, on.Accepted): _to(do.accepted, S.GONE, S.FROZEN),
    (S.FROZEN, on.Rejected): _to(do.refused, S.RECLAIMING, S.FROZEN),
    (S.FROZEN, on.Silence): _to(do.refused, S.RECLAIMING, S.FROZEN),
    (S.RECLAIMING, on.Told): _to(do.told_about_fence, S.RECLAIMING, S.RUNNING, S.SUSPENDED, S.GONE, S.ENDED),
    (S.RECLAIMING, on.Undecided): _to(do.undecided, S.RECLAIMING),
    (S.RECLAIMING, on.Accepted): _to(do.accepted, S.GONE, S.RECLAIMING),
    (S.RUNNING, on.Releases): _to(do.releases, S.RELEASING),
    (S.RELEASING, on.Told): _to(do.told_about_end, S.RELEASING, S.GONE),
    (S.RELEASING, on.Undecided): _to(do.undecided, S.RELEASING),
    (S.RUNNING, on.Finishes): _to(do.finishes, S.FINISHING),
    (S.FINISHING, on.Told): _to(do.told_about_end, S.FINISHING, S.ENDED, S.GONE),
    (S.FINISHING, on.Undecided): _to(do.undecided, S.FINISHING),
    # the lease
    (S.RUNNING, on.LeaseLost): _to(do.lease_lost, S.SUSPENDED),
    (S.SUSPENDED, on.LeaseHeld): _to(do.lease_held, S.RUNNING, S.GONE),
    (S.SUSPENDED, on.LeaseLost): _to(do.late, S.SUSPENDED),
    (S.RUNNING, on.LeaseHeld): _to(do.late, S.RUNNING),
    **{(state, on.LeaseLost): _to(do.lease_noted, state) for state in (*_AWAY, *_DORMANT, *_LEAVING)},
    **{(state, on.LeaseHeld): _to(do.lease_noted_again, state) for state in (*_AWAY, S.ADMITTING, S.FROZEN)},
    **{(state, on.LeaseHeld): _to(do.lease_too_late, state) for state in (S.STAGED, *_LEAVING) if state != S.FROZEN},
    # answers that come late or twice
    **{(state, on.Told): _to(do.late, state) for state in (*_AWAY, S.ADMITTING, *_HERE, S.FROZEN)},
    **{(state, on.Undecided): _to(do.late, state) for state in (*_AWAY, S.ADMITTING, *_HERE, S.FROZEN)},
    **{
        (state, event): _to(do.late, state)
        for state in (*_AWAY, *_DORMANT, *_HERE, S.RELEASING, S.FINISHING)
        for event in (on.Accepted, on.Rejected, on.Silence)
    },
    (S.RECLAIMING, on.Rejected): _to(do.late, S.RECLAIMING),
    (S.RECLAIMING, on.Silence): _to(do.late, S.RECLAIMING),
}
