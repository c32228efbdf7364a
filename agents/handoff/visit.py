"""An agent at a place, from its arrival to its departure: a pure state machine.

Rules
-----
1. What came in is dormant until the directory has granted it. Nothing of it runs before, and nothing of it is lost
   after: it is on disk first.
2. From its capture on, an agent that leaves does not run here, until the directory has granted that it may again.
3. A move that was refused, or of which nothing is known, is fenced: only when its epoch cannot be taken any more does
   the agent go on here. If it was taken in time, this copy is discarded.
4. An answer that the directory owes is asked for again until it comes: outcomes are never guessed.
5. Without a lease nothing runs and nothing leaves. What was granted meanwhile waits for it; and if the lease was lost
   while the answer was due, until the directory was asked, under the new lease, whether the agent is still held here.
6. Answers that come late or twice change nothing; an event that cannot happen raises, and changes nothing either.
7. What only somebody claims (the epoch of an offer) is forgotten when the directory has denied it.
8. Mail is held back while it is open where it belongs; whenever that is settled, `PassOn` says so.

The table in `agents.handoff.table` says which of the functions below handles which event in which state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from agents.handoff.events import (
    Accepted,
    Activate,
    Admit,
    AskDirectory,
    Await,
    Declined,
    Departs,
    Discard,
    Drop,
    Halt,
    HandoffEffect,
    LeaseHeld,
    Offered,
    PassOn,
    Proceed,
    Recovered,
    Rejected,
    ReplyAccepted,
    ReplyRefused,
    Resume,
    Sends,
    Ship,
    Silence,
    Told,
    Undecided,
)
from agents.handoff.ledger import NEVER, Answer, Denial, Denied, Granted, RequestKind, Row, Status

__all__ = ["Consequence", "State", "Visit"]


class State(StrEnum):
    """Of an agent at a place."""

    #: Never seen, or nothing is left of it.
    ABSENT = "absent"
    #: A bundle is being verified, decoded and written.
    ADMITTING = "admitting"
    #: Dormant; the directory was asked.
    STAGED = "staged"
    #: It is here: it computes, waits or sleeps.
    RUNNING = "running"
    #: It is here, and the place has no lease.
    SUSPENDED = "suspended"
    #: Captured, and sent; the outcome is open.
    FROZEN = "frozen"
    #: The move failed, or nobody knows; the directory was asked to fence it.
    RECLAIMING = "reclaiming"
    #: Captured into a file; the directory was asked to let go of it.
    RELEASING = "releasing"
    #: It has ended; the directory was told.
    FINISHING = "finishing"
    #: It was here and has left.
    GONE = "gone"
    #: It has ended here.
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Visit:
    """What the machine knows.

    Attributes
    ----------
    epoch
        Of the directory's row, as this place knows it; while the agent is dormant, the one under which it was sent.
    stay
        The epoch at which it became this place's; `NEVER` before.
    leased
        Whether the place has a lease, and has had it ever since the open question was asked.
    asking
        What the directory was asked and has not answered.
    to
        Whereto it is on its way, or has gone; None if that is not known.
    reason
        Why a move is being taken back.
    """

    agent: str
    state: State = State.ABSENT
    epoch: int = NEVER
    stay: int = NEVER
    leased: bool = True
    asking: RequestKind | None = None
    to: str | None = None
    reason: str = ""

    @property
    def runs(self) -> bool:
        """Whether this copy may run: of all copies of an agent, at most one at any time."""
        return self.state is State.RUNNING

    @property
    def holds_mail(self) -> bool:
        """Whether messages must wait, because it is not known yet where they belong."""
        return self.state in _UNDECIDED


_UNDECIDED = frozenset(
    {
        State.ADMITTING,
        State.STAGED,
        State.SUSPENDED,
        State.FROZEN,
        State.RECLAIMING,
        State.RELEASING,
        State.FINISHING,
    }
)

Consequence: TypeAlias = tuple[Visit, tuple[HandoffEffect, ...]]

#: The asker may ask again: nothing was decided about the agent. Not so if its holder still has a lease: that can last,
#: and what lies dormant grows old meanwhile.
_ASK_AGAIN = frozenset({Denial.NO_LEASE})


# -- arriving ---------------------------------------------------------------------------------------------------------


def offered(visit: Visit, event: Offered) -> Consequence:
    """Let a bundle be looked at, unless it is from before what is known here."""
    if event.epoch < visit.epoch:
        return offered_again(visit, event)
    return replace(visit, state=State.ADMITTING, epoch=event.epoch), (Admit(event.epoch),)


def offered_again(visit: Visit, event: Offered) -> Consequence:
    """A bundle for which there is no room: the one by which the agent came, an older one, or a second one."""
    if event.epoch + 1 == visit.stay:
        return visit, (ReplyAccepted(event.epoch),)
    reason = Denial.STALE_EPOCH.value if event.epoch < visit.epoch else "busy"
    if visit.state is State.ENDED:
        reason = Denial.ENDED.value
    return visit, (ReplyRefused(event.epoch, reason),)


def offered_while_dormant(visit: Visit, event: Offered) -> Consequence:
    """The same bundle again is answered together with the first; another one is not for now."""
    return (visit, ()) if event.epoch == visit.epoch else offered_again(visit, event)


def admitted(visit: Visit, event: object) -> Consequence:
    """Dormant and on disk: ask for it."""
    return _asks(replace(visit, state=State.STAGED), RequestKind.TAKE)


def declined(visit: Visit, event: Declined) -> Consequence:
    """Not let in."""
    return _as_before(visit), (ReplyRefused(visit.epoch, event.reason), PassOn(visit.to))


def recovered(visit: Visit, event: Recovered) -> Consequence:
    """A checkpoint lies dormant: ask for its agent."""
    return _asks(replace(visit, state=State.STAGED, epoch=event.epoch), RequestKind.RESTORE)


def told_about_dormant(visit: Visit, event: Told) -> Consequence:
    """The directory's answer about what is dormant."""
    answer = _current(visit, event.answer)
    match answer:
        case None:
            return visit, ()
        case Granted():
            return _is_here(visit, answer)
        case Denied():
            if answer.reason in _ASK_AGAIN:
                return visit, (AskDirectory(answer.kind, visit.epoch, again=True),)
            effects: tuple[HandoffEffect, ...] = (Drop(answer.row),)
            if answer.kind is RequestKind.TAKE:
                effects = (Drop(answer.row), ReplyRefused(visit.epoch, answer.reason.value))
            return _left(visit, answer.row, effects)


def _is_here(visit: Visit, answer: Granted) -> Consequence:
    state = State.RUNNING if visit.leased else State.SUSPENDED
    here = replace(visit, state=state, epoch=answer.epoch, stay=answer.epoch, asking=None, to=None)
    start: HandoffEffect = Activate() if visit.leased else Await()
    effects: tuple[HandoffEffect, ...] = (
        (start, ReplyAccepted(answer.asked)) if answer.kind is RequestKind.TAKE else (start,)
    )
    return here, (*effects, PassOn(None)) if visit.leased else effects


# -- leaving ----------------------------------------------------------------------------------------------------------


def departs(visit: Visit, event: Departs) -> Consequence:
    """Send it; from here on it does not run."""
    return replace(visit, state=State.FROZEN, to=event.to), (Ship(event.to, visit.epoch),)


def sends(visit: Visit, event: Sends) -> Consequence:
    """Send an agent that was never here."""
    sent = replace(visit, state=State.FROZEN, to=event.to, epoch=event.epoch)
    return sent, (Ship(event.to, event.epoch),)


def accepted(visit: Visit, event: Accepted) -> Consequence:
    """The destination has it."""
    if event.epoch != visit.epoch:
        return visit, ()
    gone = replace(visit, state=State.GONE, epoch=visit.epoch + 1, asking=None, reason="")
    return gone, (Discard(), PassOn(visit.to))


def refused(visit: Visit, event: Rejected | Silence) -> Consequence:
    """It was not taken, or nobody knows: see to it that it cannot be taken any more."""
    if event.epoch != visit.epoch:
        return visit, ()
    return _asks(replace(visit, state=State.RECLAIMING, reason=event.reason), RequestKind.FENCE)


def told_about_fence(visit: Visit, event: Told) -> Consequence:
    """The directory's answer to a fence: the agent is ours again, or it was taken in time."""
    answer = _current(visit, event.answer)
    match answer:
        case None:
            return visit, ()
        case Granted():
            if visit.stay == NEVER:  # it was only sent from here, and now is nowhere
                ended = replace(visit, state=State.ENDED, epoch=answer.epoch, asking=None, to=None)
                return ended, (Resume(visit.reason), PassOn(None))
            state = State.RUNNING if visit.leased else State.SUSPENDED
            back = replace(visit, state=state, epoch=answer.epoch, asking=None, to=None, reason="")
            return back, (Resume(visit.reason), PassOn(None)) if visit.leased else (Halt(), Resume(visit.reason))
        case Denied():
            if answer.reason in _ASK_AGAIN:
                return visit, (AskDirectory(answer.kind, visit.epoch, again=True),)
            return _left(visit, answer.row, (Discard(),))


def releases(visit: Visit, event: object) -> Consequence:
    """It is in a file: let go of it."""
    return _asks(replace(visit, state=State.RELEASING), RequestKind.RELEASE)


def finishes(visit: Visit, event: object) -> Consequence:
    """It has ended."""
    return _asks(replace(visit, state=State.FINISHING), RequestKind.FINISH)


def told_about_end(visit: Visit, event: Told) -> Consequence:
    """The directory's answer to a release or an end."""
    answer = _current(visit, event.answer)
    match answer:
        case None:
            return visit, ()
        case Granted():
            state = State.ENDED if answer.kind is RequestKind.FINISH else State.GONE
            return replace(visit, state=state, epoch=answer.epoch, asking=None, to=None), (Discard(), PassOn(None))
        case Denied():
            if answer.reason in _ASK_AGAIN:
                return visit, (AskDirectory(answer.kind, visit.epoch, again=True),)
            return _left(visit, answer.row, (Discard(),))


# -- whatever the state -----------------------------------------------------------------------------------------------


def undecided(visit: Visit, event: Undecided) -> Consequence:
    """Ask again: the request may have taken effect, and asking twice does no harm."""
    if (event.kind, event.asked) != (visit.asking, visit.epoch):
        return visit, ()
    return visit, (AskDirectory(event.kind, visit.epoch, again=True),)


def late(visit: Visit, event: object) -> Consequence:
    """An answer to a question that was settled in the meantime."""
    return visit, ()


def lease_lost(visit: Visit, event: object) -> Consequence:
    """Nothing runs until it is back."""
    return replace(visit, state=State.SUSPENDED, leased=False), (Halt(),)


def lease_noted(visit: Visit, event: object) -> Consequence:
    """What is under way goes on; its answer may have to wait for the lease."""
    return replace(visit, leased=False), ()


def lease_too_late(visit: Visit, event: LeaseHeld) -> Consequence:
    """The directory may have granted what was asked before the lease ran out, and have given the agent away since. So
    what is granted now waits, suspended, until the directory was asked what is held."""
    return visit, ()


def lease_held(visit: Visit, event: LeaseHeld) -> Consequence:
    """Go on, if the agent is still here."""
    if event.held:
        return replace(visit, state=State.RUNNING, leased=True), (Proceed(), PassOn(None))
    return replace(visit, state=State.GONE, leased=True, to=None), (Discard(), PassOn(None))


def lease_noted_again(visit: Visit, event: LeaseHeld) -> Consequence:
    """Nothing was asked: the answer to what will be asked is of this lease."""
    return replace(visit, leased=True), ()


# -- helpers ----------------------------------------------------------------------------------------------------------


def _asks(visit: Visit, kind: RequestKind) -> Consequence:
    return replace(visit, asking=kind), (AskDirectory(kind, visit.epoch),)


def _current(visit: Visit, answer: Answer) -> Answer | None:
    """The answer, if it is to the question that is open."""
    return answer if (answer.kind, answer.asked) == (visit.asking, visit.epoch) else None


def _as_before(visit: Visit) -> Visit:
    """It is not here; whereto it had gone before is still known. The epoch that was offered is forgotten: anybody can
    offer something under a very high one, and what is due would be stale ever after."""
    if visit.stay == NEVER and visit.to is None:
        return Visit(visit.agent, leased=visit.leased)
    return replace(visit, state=State.GONE, epoch=visit.stay, asking=None)


def _left(visit: Visit, row: Row | None, effects: tuple[HandoffEffect, ...]) -> Consequence:
    """It is somewhere else, or has ended, as the row says."""
    to = row.holder.place if row is not None and row.status is Status.HELD and row.holder is not None else None
    epoch = row.epoch if row is not None else visit.stay  # not `visit.epoch`, which can be what somebody claimed
    gone = replace(visit, state=State.GONE, epoch=epoch, asking=None, to=to, reason="")
    return gone, (*effects, PassOn(to))
