"""Who owns which agent at which epoch: the directory's part of the protocol, as pure decisions on one row.

Rules
-----
1. A row changes only by compare-and-swap on (agent, epoch), and each change makes the epoch one higher. So of all
   requests that name the same epoch, one is granted.
2. A request says who asks: a place and its *writer*, a name that each process of a place makes for itself. Two
   processes that both believe to be a place are two writers.
3. Whoever takes, finishes or releases an agent must hold a lease. Whoever restores one from a checkpoint must show that
   its holder has none any more.
4. A fence makes an epoch unusable, so that what is still on its way under it can no longer be taken. It also burns
   the passport's link under which it was sent: nobody can bring the same bundle in under a later epoch.
5. What is taken must continue the passport's link that the row knows; what is thawed must end with it.
6. A checkpoint of an earlier stay is of no use: it must be at least as young as the present stay (`since`). A place
   that restores what it held itself goes on with the same stay, and so with the same checkpoint; another place begins
   a new one, and what the former holder has on disk is of no use from then on.
7. A place that restores what another one held must have read the checkpoint after that one's lease had run out, and the
   lease must not have been given again since: a holder that has it back writes down messages that are not in the copy.
8. A request that was granted and comes again is granted again, and changes nothing.

Not handled: time. Who holds a lease is known to `agents.directory`, which asks this module. Nor who carries a bundle:
whether it is offered under the epoch under which it was sent, the place that admits it has to see (see `Take`). Nor
whose checkpoint it is: who adopts an agent must read the one that its holder has written, since another place can have
let in the same file, and have died before it was granted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

__all__ = [
    "NEVER",
    "Answer",
    "Denial",
    "Denied",
    "Fence",
    "Finish",
    "Granted",
    "Holder",
    "RequestKind",
    "Release",
    "Request",
    "Restore",
    "Row",
    "Status",
    "Take",
    "decide",
    "is_rubbish",
]

#: The epoch of an agent that was never heard of; being born is the swap from here to 0.
NEVER: Final = -1
#: So many links that were fenced are remembered; the fences of one stay, as a rule none.
_BURNED: Final = 16


class Status(StrEnum):
    """Of an agent."""

    #: A place holds it.
    HELD = "held"
    #: It is in a file, and nowhere else.
    FROZEN = "frozen"
    #: It has ended, or was never born and never will be.
    ENDED = "ended"


class RequestKind(StrEnum):
    """What a request is for."""

    TAKE = "take"
    RESTORE = "restore"
    FENCE = "fence"
    RELEASE = "release"
    FINISH = "finish"


class Denial(StrEnum):
    """Why a request was denied."""

    #: The row is at another epoch: something else came first.
    STALE_EPOCH = "stale-epoch"
    #: The epoch is right, and the asker is not the holder.
    NOT_HOLDER = "not-holder"
    #: The asker's lease has run out; it may renew it and ask again.
    NO_LEASE = "no-lease"
    #: The holder still has a lease, so nobody else may restore the agent; read the checkpoint anew when it has not.
    STILL_HELD = "still-held"
    #: It does not continue the passport's link that is known, or that link was fenced.
    BROKEN_CHAIN = "broken-chain"
    #: The checkpoint is of an earlier stay, or was read before the holder's last lease.
    OLD_CHECKPOINT = "old-checkpoint"
    #: The agent has ended.
    ENDED = "ended"
    #: No such agent.
    UNKNOWN = "unknown-agent"


@dataclass(frozen=True, slots=True)
class Holder:
    """A place, and which process of it."""

    place: str
    writer: str


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one agent.

    Attributes
    ----------
    epoch
        From 0 on; one higher at each change.
    holder
        Who has it; of an ended agent, who had it last; None if it is frozen or was never born.
    since
        The epoch at which the holder got it: the present stay.
    record
        SHA-256 of the passport's last link.
    burned
        Links that must not be used any more, the oldest first.
    """

    agent: str
    epoch: int
    status: Status
    holder: Holder | None
    since: int
    record: bytes
    burned: tuple[bytes, ...] = ()


# -- requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Take:
    """The agent is dormant with me, on disk: let it be mine. Also how one is born (from `NEVER`) or thawed.

    `epoch` is the one under which the bundle was sent. Who carries it may lie about that, or be late: sign it with the
    bundle, and let nothing in that is offered under another one. Without this, a bundle whose sender crashed before it
    could fence it can be brought in again later.

    Attributes
    ----------
    record, previous
        The last link of its passport, and the one before it; None if the bundle is of its birth, or of a file.
    """

    agent: str
    epoch: int
    by: Holder
    record: bytes
    previous: bytes | None = None
    kind = RequestKind.TAKE


@dataclass(frozen=True, slots=True)
class Restore:
    """I have a checkpoint of it, and its holder is gone.

    Attributes
    ----------
    stay
        The epoch from which the checkpoint is.
    record, previous
        The last link of its passport; and the one before it, if the last one was made for a checkpoint during the stay.
        None for a checkpoint as it came in: else a copy that was never granted could pass for one.
    lease
        If another place held it: the number of that one's last lease, as it was when it had run out and before the
        checkpoint was read.
    """

    agent: str
    epoch: int
    by: Holder
    stay: int
    record: bytes
    previous: bytes | None = None
    lease: int = 0
    kind = RequestKind.RESTORE


@dataclass(frozen=True, slots=True)
class Fence:
    """Nothing that I have sent under this epoch may be taken any more; `burned` is the last link of what was sent."""

    agent: str
    epoch: int
    by: Holder
    burned: bytes
    kind = RequestKind.FENCE


@dataclass(frozen=True, slots=True)
class Release:
    """It is in a file now, whose passport ends with `record`."""

    agent: str
    epoch: int
    by: Holder
    record: bytes
    kind = RequestKind.RELEASE


@dataclass(frozen=True, slots=True)
class Finish:
    """It has ended with me."""

    agent: str
    epoch: int
    by: Holder
    kind = RequestKind.FINISH


Request: TypeAlias = Take | Restore | Fence | Release | Finish


# -- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Granted:
    """It is so; `epoch` is the one now."""

    agent: str
    kind: RequestKind
    asked: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Denied:
    """It is not so, and why; `row` is what holds instead."""

    agent: str
    kind: RequestKind
    asked: int
    reason: Denial
    row: Row | None


Answer: TypeAlias = Granted | Denied


def _unnumbered(holder: Holder) -> int:
    return 0


def decide(
    row: Row | None,
    request: Request,
    has_lease: Callable[[Holder], bool],
    lease: Callable[[Holder], int] = _unnumbered,
) -> tuple[Row | None, Answer]:
    """What becomes of a row, and what is answered. Nothing else may change a row.

    Parameters
    ----------
    row
        None if the agent was never heard of.
    has_lease
        Whether a holder's lease still runs.
    lease
        The number of a holder's last lease: one higher each time when one is given to a holder that had none, and for
        all when the directory starts again. Only who lets other places adopt agents has to count.

    Returns
    -------
    tuple
        The row as it is to be (the same object if it does not change), and the answer.
    """
    if row is not None and _is_repeated(row, request):
        return row, Granted(request.agent, request.kind, request.epoch, row.epoch)
    reason = _objection(row, request, has_lease, lease)
    if reason is not None:
        return row, Denied(request.agent, request.kind, request.epoch, reason, row)
    changed = _changed(row, request)
    return changed, Granted(request.agent, request.kind, request.epoch, changed.epoch)


def _is_repeated(row: Row, request: Request) -> bool:
    """Whether the last change of the row was this very request."""
    if row.epoch != request.epoch + 1:
        return False
    match request:
        case Take() | Restore():
            return row.status is Status.HELD and row.holder == request.by and row.record == request.record
        case Fence():
            if row.status is Status.FROZEN and row.record == request.burned:
                return True
            return bool(row.burned) and row.burned[-1] == request.burned
        case Release():
            return row.status is Status.FROZEN and row.record == request.record
        case Finish():
            return row.status is Status.ENDED and row.holder == request.by


def _objection(
    row: Row | None, request: Request, has_lease: Callable[[Holder], bool], lease: Callable[[Holder], int]
) -> Denial | None:
    epoch = row.epoch if row is not None else NEVER
    if epoch != request.epoch:
        if row is None:
            return Denial.UNKNOWN
        return Denial.ENDED if row.status is Status.ENDED else Denial.STALE_EPOCH
    if row is not None and row.status is Status.ENDED:
        return Denial.ENDED
    if row is None and not isinstance(request, Take | Fence):
        return Denial.UNKNOWN
    if isinstance(request, Fence):
        if row is not None and row.status is Status.HELD and row.holder != request.by:
            return Denial.NOT_HOLDER
        if row is not None and row.status is Status.FROZEN and row.record != request.burned:
            return Denial.BROKEN_CHAIN  # whoever asks has sent another file
        return None
    if not has_lease(request.by):
        return Denial.NO_LEASE
    if row is None:
        return None
    match request:
        case Take():
            follows = request.record if row.status is Status.FROZEN else request.previous
            if follows != row.record or request.record in row.burned:
                return Denial.BROKEN_CHAIN
        case Restore():
            if row.holder is None:
                return Denial.NOT_HOLDER
            if row.holder != request.by and has_lease(row.holder):
                return Denial.STILL_HELD
            if row.holder.place != request.by.place and request.lease != lease(row.holder):
                return Denial.OLD_CHECKPOINT
            if request.stay < row.since:
                return Denial.OLD_CHECKPOINT
            if row.record not in (request.record, request.previous) or request.record in row.burned:
                return Denial.BROKEN_CHAIN
        case Release() | Finish():
            if row.holder != request.by:
                return Denial.NOT_HOLDER
    return None


def _changed(row: Row | None, request: Request) -> Row:
    epoch = request.epoch + 1
    match request:
        case Take():
            return Row(request.agent, epoch, Status.HELD, request.by, epoch, request.record)
        case Restore():
            assert row is not None and row.holder is not None
            since = row.since if row.holder.place == request.by.place else epoch
            # What was burned stays so as long as it would continue the same link.
            burned = row.burned if row.record == request.record else ()
            return Row(request.agent, epoch, Status.HELD, request.by, since, request.record, burned)
        case Fence():
            if row is None:
                return Row(request.agent, epoch, Status.ENDED, None, NEVER, request.burned, (request.burned,))
            if row.status is Status.FROZEN and row.record == request.burned:  # what is in the file is to be thawed yet
                return replace(row, epoch=epoch)
            return replace(row, epoch=epoch, burned=(*row.burned, request.burned)[-_BURNED:])
        case Release():
            assert row is not None
            return replace(row, epoch=epoch, status=Status.FROZEN, holder=None, record=request.record, burned=())
        case Finish():
            assert row is not None
            return replace(row, epoch=epoch, status=Status.ENDED)


def is_rubbish(row: Row | None, place: str, stay: int) -> bool:
    """Whether a checkpoint on a place's disk can be deleted, because the agent can never be restored from it again.

    Parameters
    ----------
    row
        What the directory says of the agent; None if it knows nothing.
    place
        Whose disk it is.
    stay
        Of the checkpoint: of one that came in and was not granted yet, the epoch that the grant would have. The row
        must have been read after the checkpoint was written.
    """
    epoch = row.epoch if row is not None else NEVER
    if row is not None and row.status is Status.ENDED:
        return True
    if epoch == stay - 1:
        return False  # it can still be granted
    mine = row is not None and row.status is Status.HELD and row.holder is not None and row.holder.place == place
    return not (mine and row is not None and row.since <= stay)
