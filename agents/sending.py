"""Sending an agent that does not run where it is sent from: a new one, a child, or one from a file.

The machine of `agents.handoff` decides; here it is driven to its end. If nobody knows whether the agent has arrived,
the directory is asked to make sure that it cannot any more, and says if it has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from agents.cell import describe
from agents.errors import AgentsError, DirectoryUnreachable, MoveFailed, MoveRefused
from agents.handoff import NEVER, Event, Fence, Holder, Machine, State
from agents.handoff import events as on
from agents.protocol import PlaceReply, Transfer, TransferAccepted, TransferPending, TransferRefused
from agents.transport import Transport
from mobility.errors import MobilityError
from mobility.trust.errors import HopLimitReached, OffItinerary

__all__ = ["IN_FILE", "capturing", "refused_move", "send_new", "send_thawed"]

_PAUSE = 0.2
_SILENCE = "it did not answer in time"


def send_new(
    transport: Transport,
    request: Transfer,
    *,
    to: str,
    record: bytes,
    by: Holder,
    send: Callable[[str, Transfer], PlaceReply],
    here: str | None,
    timeout: float,
) -> None:
    """Send an agent to a place, and see it arrive; if it does not, make sure that it will not later.

    Parameters
    ----------
    to
        The place.
    record
        Digest of the last link of its passport.
    by
        Who asks the directory.
    send
        Sends a transfer; answers `TransferRefused` for whatever goes wrong on the way.
    here
        The place of its parent, for errors; None: somebody outside sends it.
    timeout
        Seconds for the directory to say what became of it, if the place does not.

    Raises
    ------
    MoveRefused, MoveFailed
        It is not there, and will not be; or, with ``why="undecided"``, nobody knows.
    """
    place = to
    machine = Machine(request.agent)
    refusal: TransferRefused | None = None
    silence = _SILENCE
    deadline: float | None = None
    effects = machine.handle(on.Sends(place, request.epoch))
    while True:
        event: Event | None = None
        for effect in effects:
            match effect:
                case on.Ship():
                    reply = send(place, request)
                    if isinstance(reply, TransferRefused):
                        refusal = reply
                    elif isinstance(reply, TransferPending) and reply.reason:
                        silence = reply.reason
                    event = _heard(request, reply)
                case on.AskDirectory():
                    deadline = time.monotonic() + timeout if deadline is None else deadline
                    if effect.again:
                        time.sleep(_PAUSE)
                    if time.monotonic() > deadline:
                        raise _undecided(request.agent, place, here, silence)
                    event = _fenced(transport, Fence(request.agent, effect.epoch, by, record), effect)
                case _:
                    pass
        if event is None:
            break
        effects = machine.handle(event)
    if machine.state is State.GONE:
        return
    raise _failure(request.agent, refusal, place, here, silence)


def _heard(request: Transfer, reply: PlaceReply) -> Event:
    match reply:
        case TransferAccepted():
            return on.Accepted(request.epoch)
        case TransferRefused():
            return on.Rejected(request.epoch, reply.why)
        case _:
            return on.Silence(request.epoch, _SILENCE)


def _fenced(transport: Transport, fence: Fence, effect: on.AskDirectory) -> Event:
    try:
        return on.Told(transport.ask_directory("submit", fence, timeout=5.0))
    except DirectoryUnreachable:
        return on.Undecided(effect.kind, effect.epoch)


def send_thawed(
    transport: Transport, request: Transfer, *, to: str, send: Callable[[str, Transfer], PlaceReply], timeout: float
) -> None:
    """Send an agent from a file to a place, and see it arrive.

    Nothing is fenced: of all that come from the same file, the directory grants one, whenever that is.

    Raises
    ------
    MoveRefused, MoveFailed
        It lies in its file; with ``why="undecided"``, it may go on later.
    """
    deadline = time.monotonic() + timeout
    reply = send(to, request)
    if isinstance(reply, TransferAccepted):
        return
    if isinstance(reply, TransferRefused) and reply.why != "place-unreachable":
        raise refused_move(reply, to, None, state=IN_FILE)
    while True:
        try:
            place, row = transport.ask_directory("locate", request.agent, timeout=5.0)
        except DirectoryUnreachable:
            row = None
        if row is not None and row.epoch > request.epoch:
            if row.epoch > request.epoch + 1 or place == to:
                return
            problem = f"it was thawed from another copy of its file, and is on {place}"
            raise MoveRefused(to, problem, why="thawed-before", here=place, remedy="See where: sojourn ps")
        if isinstance(reply, TransferRefused):  # it was never sent
            raise refused_move(reply, to, None, state=IN_FILE)
        if time.monotonic() > deadline:
            raise _undecided(request.agent, to, None, getattr(reply, "reason", "") or _SILENCE)
        time.sleep(_PAUSE)


#: How things stand of an agent that was to be thawed.
IN_FILE: Final = "The agent is unharmed, and lies in its file."


def _undecided(agent: str, place: str, here: str | None, silence: str) -> AgentsError:
    return MoveFailed(
        place,
        f"{place} did not take {agent} ({silence}), and the directory does not say whether it will",
        why="undecided",
        here=here,
        remedy=f"Ask later whether {agent} lives, before you try again.",
        state="Whether it was born is not known." if here is None else None,
    )


def _failure(agent: str, refusal: TransferRefused | None, place: str, here: str | None, silence: str) -> AgentsError:
    refusal = refusal or TransferRefused(NEVER, "place-unreachable", f"{place} did not take {agent}: {silence}")
    return refused_move(refusal, place, here, state="No agent was born." if here is None else None)


#: What to do about what the directory says; to try again with the same bundle is of no use.
_OLD: Final = "It has moved or was frozen again since: use the newest file, or look for it with: sojourn ps"
_REMEDIES: Final = {"broken-chain": _OLD, "stale-epoch": _OLD, "ended": "It has ended: launch it anew."}


def refused_move(refusal: TransferRefused, to: str | None, here: str | None, *, state: str | None = None) -> MoveFailed:
    """What the one who wanted a move gets to see of a refusal."""
    kind = MoveFailed if refusal.why in ("place-unreachable", "unknown-place") else MoveRefused
    problem = refusal.problem or f"{to} refused the agent"
    remedy = refusal.remedy or _REMEDIES.get(refusal.why, "Try again, or go elsewhere.")
    return kind(
        to,
        problem,
        why=refusal.why,
        here=here,
        remedy=remedy,
        state=state,
        reasons=refusal.reasons,
        verdict=refusal.verdict,
    )


@contextmanager
def capturing(to: str | None, here: str) -> Iterator[None]:
    """Whatever an agent's state raises when it is captured, as the reason for which it stays where it is."""
    try:
        yield
    except (OffItinerary, HopLimitReached) as error:  # no place would let it in
        raise MoveRefused(
            to, f"it may not leave for {to or 'a file'}: {error.reason}", why=error.slug, here=here, remedy=error.remedy
        ) from error
    except MobilityError as error:
        problem, remedy = _told(error)
        raise MoveFailed(to, _capture(to, problem), why=error.slug, here=here, remedy=remedy) from error
    except Exception as error:  # of the agent's own classes
        kind, text = describe(error)
        raise MoveFailed(to, _capture(to, f"{kind}: {text}"), why="capture-failed", here=here, remedy=_LEAVE) from error


def _told(error: MobilityError) -> tuple[str, str]:
    """What happened and what to do; how things stand is told anew."""
    remedy: str = getattr(error, "remedy", "") or _LEAVE
    problem: str = error.reason if hasattr(error, "state") and hasattr(error, "reason") else str(error)
    return problem.removesuffix(remedy).rstrip(" ."), remedy


_LEAVE = "Drop or replace what cannot travel, then try again."


def _capture(to: str | None, problem: str) -> str:
    return f"its state cannot be captured for {to or 'a file'}: {problem}"
