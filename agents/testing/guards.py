"""Each single guard of the protocol, and how to take it away: what the simulation finds then shows what it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from agents.handoff import Row, State, Status, Transition, Visit, ledger, visit
from agents.handoff import events as on
from agents.handoff import table as protocol
from agents.handoff.ledger import NEVER, Answer, Fence, Finish, Release, Request, Restore, Take
from agents.handoff.visit import Consequence
from agents.mailbox import Delivery, Mailbox, Message
from agents.testing import _process as process
from agents.testing._registry import Registry
from agents.testing._rules import RULES
from agents.testing.histories import run_histories
from agents.testing.invariants import Violation

__all__ = ["GUARDS", "Found", "Guard", "hunt"]

Patch = Callable[[], Any]
_Decided = tuple[Row | None, Answer]
#: What a guard is taken out of: `decide`, or that with another guard taken out.
_Decide = Callable[..., _Decided]


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard.

    Attributes
    ----------
    where
        Who keeps it: the directory, the machine, the driver, or the mailbox.
    what
        The rule, in a sentence.
    without
        A context in which it does not hold.
    behind
        Of a second line of defence, the name of the guard before it: both are taken away, and only what is not found
        without the first one alone counts.
    """

    name: str
    where: str
    what: str
    without: Patch
    behind: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What the simulation found without a guard; no violation if it found nothing in that many histories."""

    guard: Guard
    histories: int
    violation: Violation | None


def hunt(guard: Guard, *, first: int = 0, most: int = 20_000) -> Found:
    """Run histories without a guard until an invariant breaks.

    Raises
    ------
    Violation
        If it breaks with all guards in place too.
    """
    before = next((other for other in GUARDS if other.name == guard.behind), None)
    done = 0
    while done < most:
        with ExitStack() as without:
            without.enter_context(guard.without())
            if before is not None:
                without.enter_context(before.without())
            summary = run_histories(first + done, most - done)
        done += summary.histories
        if not summary.violations:
            break
        (violation,) = summary.violations
        done = violation.seed - first + 1
        if run_histories(violation.seed, 1).violations:
            raise violation  # whatever guards there are
        if before is None or _is_clean(before, violation.seed):
            return Found(guard, done, violation)
    return Found(guard, done, None)


def _is_clean(guard: Guard, seed: int) -> bool:
    with guard.without():
        return not run_histories(seed, 1).violations


# -- how a guard is taken away


@contextmanager
def _set(where: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(where, name)
    setattr(where, name, value)
    try:
        yield
    finally:
        setattr(where, name, before)


def _rule(name: str) -> Patch:
    return lambda: _set(RULES, name, not getattr(RULES, name))


def _deciding(change: Callable[[Callable[..., _Decided], Row | None, Request, Any, Any], _Decided]) -> Patch:
    """Decide otherwise, unless the request is a repetition."""
    honest = ledger.decide

    def decide(row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
        if row is not None and ledger._is_repeated(row, request):
            return honest(row, request, has_lease, lease)
        return change(honest, row, request, has_lease, lease)

    return lambda: _set(ledger, "decide", decide)


def _handling(
    *pairs: tuple[State, type[Any]], by: Callable[[Visit, Any], Consequence], to: State | None = None
) -> Patch:
    """Handle some events otherwise."""

    def patch() -> Any:
        table: Mapping[Any, Transition] = protocol.TABLE
        changed = {
            pair: Transition(by, table[pair].targets | ({to} if to is not None else frozenset())) for pair in pairs
        }
        return _set(protocol, "TABLE", {**table, **changed})

    return patch


# -- the directory's


def _any_epoch(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    known = row.epoch if row is not None else NEVER
    after, answer = decide(row, replace(request, epoch=known), has_lease, lease)
    return after, replace(answer, asked=request.epoch)


def _any_holder(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    if row is not None and row.holder is not None and isinstance(request, Fence | Release | Finish):
        request = replace(request, by=row.holder)
    return decide(row, request, has_lease, lease)


def _same_writer(row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    if row is not None and row.holder is not None and row.holder.place == request.by.place:
        holder = replace(row, holder=request.by)
        after, answer = _honest(holder, request, has_lease, lease)
        return (row if after is holder else after), answer
    return _honest(row, request, has_lease, lease)


_honest: Final = ledger.decide


def _without_asker_lease(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    return decide(row, request, lambda holder: holder == request.by or has_lease(holder), lease)


def _without_holder_lease(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    return decide(row, request, lambda holder: holder == request.by and has_lease(holder), lease)


def _any_number(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    if isinstance(request, Restore) and row is not None and row.holder is not None:
        request = replace(request, lease=lease(row.holder))
    return decide(row, request, has_lease, lease)


def _any_stay(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    if isinstance(request, Restore) and row is not None:
        request = replace(request, stay=max(request.stay, row.since))
    return decide(row, request, has_lease, lease)


def _any_link(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    if isinstance(request, Take) and row is not None:
        if row.status is Status.HELD:
            request = replace(request, previous=row.record)
        elif row.status is Status.FROZEN:
            row = replace(row, record=request.record)
    return decide(row, request, has_lease, lease)


def _any_link_restored(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    if isinstance(request, Restore) and row is not None:
        request, row = replace(request, previous=row.record), replace(row, burned=())
    return decide(row, request, has_lease, lease)


def _unburned(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    if isinstance(request, Take) and row is not None:
        row = replace(row, burned=())
    return decide(row, request, has_lease, lease)


def _new_stay(decide: _Decide, row: Row | None, request: Request, has_lease: Any, lease: Any) -> _Decided:
    after, answer = decide(row, request, has_lease, lease)
    if isinstance(request, Restore) and after is not row and after is not None:
        after = replace(after, since=after.epoch)
    return after, answer


def _forgotten_leases(registry: Registry) -> None:
    registry.alive = True
    registry.until = {}
    registry.world.dirty = True


# -- the machine's


def _runs_at_once(before: Visit, event: object) -> Consequence:
    return replace(before, state=State.RUNNING), (on.Activate(),)


def _resumes_at_once(before: Visit, event: on.Rejected | on.Silence) -> Consequence:
    if before.stay == NEVER or event.epoch != before.epoch:
        return visit.refused(before, event)
    return replace(before, state=State.RUNNING, to=None), (on.Resume(event.reason),)


def _keeps(before: Visit, event: on.Accepted) -> Consequence:
    after, effects = visit.accepted(before, event)
    return after, tuple(effect for effect in effects if not isinstance(effect, on.Discard))


def _never_asks_again(before: Visit, event: object) -> Consequence:
    return before, ()


def _starts_without_lease(before: Visit, event: on.Told) -> Consequence:
    return visit.told_about_dormant(replace(before, leased=True), event)


def _trusts_late_grants(before: Visit, event: on.LeaseHeld) -> Consequence:
    return visit.lease_noted_again(before, event)


def _goes_on(before: Visit, event: on.LeaseHeld) -> Consequence:
    return visit.lease_held(before, on.LeaseHeld(True))


# -- the mailbox's

_judge: Final = Mailbox.judge


def _taking(verdict: Delivery) -> Callable[[Mailbox, Message], Delivery]:
    def judge(mailbox: Mailbox, message: Message) -> Delivery:
        found = _judge(mailbox, message)
        return Delivery.TAKEN if found is verdict else found

    return judge


def _always(row: Row | None, place: str, stay: int) -> bool:
    return True


_S = State
#: In the order in which a message meets them.
GUARDS: Final[tuple[Guard, ...]] = (
    Guard("epoch", "directory", "A request names the epoch of the row.", _deciding(_any_epoch)),
    Guard("holder", "directory", "Only the holder fences, releases or finishes.", _deciding(_any_holder)),
    Guard(
        "writer",
        "directory",
        "Two processes of one place are two holders.",
        lambda: _set(ledger, "decide", _same_writer),
    ),
    Guard("asker-lease", "directory", "Who takes or ends an agent has a lease.", _deciding(_without_asker_lease)),
    Guard("holder-lease", "directory", "Who has a lease is not robbed.", _deciding(_without_holder_lease)),
    Guard("lease-number", "directory", "No lease was given since the checkpoint was read.", _deciding(_any_number)),
    Guard("holders-disk", "driver", "An agent is adopted from its holder's own disk.", _rule("holders_disk")),
    Guard(
        "old-checkpoint",
        "directory",
        "A checkpoint is of the present stay.",
        _deciding(_any_stay),
        behind="holders-disk",
    ),
    Guard("same-stay", "directory", "Who restores what it held goes on with the same stay.", _deciding(_new_stay)),
    Guard("chain", "directory", "What is taken continues the passport that is known.", _deciding(_any_link)),
    Guard(
        "chain-restored", "directory", "So does what is restored.", _deciding(_any_link_restored), behind="holders-disk"
    ),
    Guard("burning", "directory", "What was fenced is not taken under a later epoch.", _deciding(_unburned)),
    Guard(
        "repetition",
        "directory",
        "A request that was granted is granted again.",
        lambda: _set(ledger, "_is_repeated", lambda row, request: False),
    ),
    Guard(
        "patient-restart",
        "directory",
        "After its restart all leases are as if just given.",
        lambda: _set(Registry, "restart", _forgotten_leases),
    ),
    Guard("counted-starts", "directory", "A late registration ends no lease.", _rule("starts_are_counted")),
    Guard("death-shown", "driver", "A lease ends early only for a process that is dead.", _rule("death_is_shown")),
    Guard(
        "dormant",
        "machine",
        "Nothing runs before it is granted.",
        _handling((_S.ADMITTING, on.Admitted), by=_runs_at_once, to=_S.RUNNING),
    ),
    Guard(
        "fence",
        "machine",
        "A failed move is fenced before the agent goes on.",
        _handling((_S.FROZEN, on.Rejected), (_S.FROZEN, on.Silence), by=_resumes_at_once, to=_S.RUNNING),
    ),
    Guard(
        "discard",
        "machine",
        "What was accepted elsewhere is discarded here.",
        _handling((_S.FROZEN, on.Accepted), (_S.RECLAIMING, on.Accepted), by=_keeps),
    ),
    Guard(
        "answer-identity",
        "machine",
        "Only an answer to the open question counts.",
        lambda: _set(visit, "_current", lambda before, answer: answer),
    ),
    Guard(
        "asking-again",
        "machine",
        "What the directory owes is asked for again.",
        _handling(
            *((state, on.Undecided) for state in (_S.STAGED, _S.RECLAIMING, _S.RELEASING, _S.FINISHING)),
            by=_never_asks_again,
        ),
    ),
    Guard(
        "grant-waits",
        "machine",
        "What is granted without a lease waits for one.",
        _handling((_S.STAGED, on.Told), by=_starts_without_lease),
    ),
    Guard(
        "grant-of-this-lease",
        "machine",
        "What was asked under a lease that was lost is confirmed.",
        _handling((_S.STAGED, on.LeaseHeld), (_S.RECLAIMING, on.LeaseHeld), by=_trusts_late_grants),
    ),
    Guard(
        "still-held",
        "machine",
        "After a lost lease, only what is still held goes on.",
        _handling((_S.SUSPENDED, on.LeaseHeld), by=_goes_on),
    ),
    Guard("lease-lost", "driver", "Without a lease nothing runs.", _rule("lease_runs_out")),
    Guard("lease-from-asking", "driver", "A lease counts from when it was asked for.", _rule("lease_from_asking")),
    Guard("fresh-holdings", "driver", "What is held was asked after the suspension.", _rule("late_holdings")),
    Guard("late-grants", "driver", "A grant that comes late is not forgotten.", _rule("late_grants_recovered")),
    Guard("disk-first", "driver", "What comes in is on disk before it is asked for.", _rule("disk_before_admitted")),
    Guard("occupied", "driver", "Nothing comes in over what is on disk.", _rule("occupied_is_declined")),
    Guard(
        "rubbish",
        "driver",
        "A checkpoint is deleted only if it is of no use.",
        lambda: _set(process, "is_rubbish", _always),
    ),
    Guard("signed-epoch", "driver", "A bundle comes in only under its own epoch.", _rule("epoch_is_signed")),
    Guard("journal", "driver", "A message is written down before it is acknowledged.", _rule("journal_before_answer")),
    Guard("held-mail", "driver", "Mail waits while an agent is leaving.", _rule("held_mail")),
    Guard(
        "deduplication",
        "mailbox",
        "A message that comes twice is taken once.",
        lambda: _set(Mailbox, "judge", _taking(Delivery.REPEATED)),
    ),
    Guard(
        "order",
        "mailbox",
        "A message waits for the one before it.",
        lambda: _set(Mailbox, "judge", _taking(Delivery.AHEAD)),
    ),
)
