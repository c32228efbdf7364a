"""One message on its way to an agent that may move meanwhile: the sender's part of the protocol, as a pure machine.

Rules
-----
1. The message is sent to where the agent was last heard of; a place that no longer has it names the next one. After two
   such marks the directory is asked, so that a chain of marks never grows long.
2. A message is delivered when the place that has the agent has written it down. Until then it is sent again: it carries
   its sender's number, and a second copy is recognised by the agent's mailbox.
3. Every wait has a deadline. When it has passed, the message may still have been delivered; it keeps its number, so
   that the next message to the same agent can be preceded by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

from agents.handoff.machine import IllegalEvent

__all__ = [
    "COURIER_TABLE",
    "MOST_MARKS",
    "Courier",
    "CourierEffect",
    "CourierEvent",
    "CourierState",
    "Dispatch",
    "Delivered",
    "Overdue",
    "Fail",
    "Locate",
    "Located",
    "Lost",
    "NoReply",
    "NotThere",
    "Posted",
    "Succeed",
    "carry",
]

#: So many forwarding marks are followed before the directory is asked.
MOST_MARKS: Final = 2


class CourierState(StrEnum):
    """Of a message."""

    #: Not begun.
    NEW = "new"
    #: The directory was asked where the agent is.
    LOOKING = "looking"
    #: A place was asked to take the message.
    SENDING = "sending"
    #: Written down where the agent is.
    DELIVERED = "delivered"
    #: It cannot be delivered, or nobody knows.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Courier:
    """What the machine knows.

    Attributes
    ----------
    place
        Where it is being sent.
    marks
        How many forwarding marks were followed since the directory was asked.
    """

    agent: str
    state: CourierState = CourierState.NEW
    place: str | None = None
    marks: int = 0


# -- events


@dataclass(frozen=True, slots=True)
class Posted:
    """Begin; `hint` is where the agent was last heard of."""

    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """The directory says where it is; None: on its way back, or waiting for its place; ask again."""

    place: str | None


@dataclass(frozen=True, slots=True)
class Lost:
    """The directory says that the message can never be delivered."""

    reason: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The place has written it down."""


@dataclass(frozen=True, slots=True)
class NotThere:
    """The agent is not at that place; `hint` is where it went, if the place knows."""

    hint: str | None = None


@dataclass(frozen=True, slots=True)
class NoReply:
    """Neither yes nor no came in time; from the place, or from the directory."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """The sender's deadline has passed."""


CourierEvent: TypeAlias = Posted | Located | Lost | Delivered | NotThere | NoReply | Overdue


# -- effects


@dataclass(frozen=True, slots=True)
class Locate:
    """Ask the directory; `again`: not at once."""

    again: bool = False


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Send it to that place."""

    place: str


@dataclass(frozen=True, slots=True)
class Succeed:
    """Tell the sender that it was delivered."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Tell the sender that it was not, or perhaps not."""

    reason: str


CourierEffect: TypeAlias = Locate | Dispatch | Succeed | Fail
_Outcome: TypeAlias = tuple[Courier, tuple[CourierEffect, ...]]

C = CourierState


def _posted(courier: Courier, event: Posted) -> _Outcome:
    return _send(courier, event.hint) if event.hint is not None else _look(courier, again=False)


def _located(courier: Courier, event: Located) -> _Outcome:
    if event.place is None:
        return _look(courier, again=True)
    return _send(replace(courier, marks=0), event.place)


def _not_there(courier: Courier, event: NotThere) -> _Outcome:
    if event.hint is None or event.hint == courier.place or courier.marks >= MOST_MARKS:
        return _look(courier, again=courier.marks > 0)
    return _send(replace(courier, marks=courier.marks + 1), event.hint)


def _no_reply(courier: Courier, event: NoReply) -> _Outcome:
    return _look(courier, again=True)


def _delivered(courier: Courier, event: Delivered) -> _Outcome:
    return replace(courier, state=C.DELIVERED), (Succeed(),)


def _lost(courier: Courier, event: Lost) -> _Outcome:
    return replace(courier, state=C.FAILED), (Fail(event.reason),)


def _expired(courier: Courier, event: Overdue) -> _Outcome:
    return replace(courier, state=C.FAILED), (Fail("timed-out"),)


def _late(courier: Courier, event: object) -> _Outcome:
    return courier, ()


def _send(courier: Courier, place: str) -> _Outcome:
    return replace(courier, state=C.SENDING, place=place), (Dispatch(place),)


def _look(courier: Courier, *, again: bool) -> _Outcome:
    return replace(courier, state=C.LOOKING, marks=0), (Locate(again),)


_DONE: Final = (C.DELIVERED, C.FAILED)

#: Which event is handled how, in which state, and what the state can be afterwards.
COURIER_TABLE: Final[
    dict[tuple[CourierState, type[Any]], tuple[Callable[[Courier, Any], _Outcome], frozenset[CourierState]]]
] = {
    (C.NEW, Posted): (_posted, frozenset({C.SENDING, C.LOOKING})),
    (C.LOOKING, Located): (_located, frozenset({C.SENDING, C.LOOKING})),
    (C.LOOKING, Lost): (_lost, frozenset({C.FAILED})),
    (C.LOOKING, NoReply): (_no_reply, frozenset({C.LOOKING})),
    (C.SENDING, Delivered): (_delivered, frozenset({C.DELIVERED})),
    (C.SENDING, NotThere): (_not_there, frozenset({C.SENDING, C.LOOKING})),
    (C.SENDING, NoReply): (_no_reply, frozenset({C.LOOKING})),
    (C.LOOKING, Overdue): (_expired, frozenset({C.FAILED})),
    (C.SENDING, Overdue): (_expired, frozenset({C.FAILED})),
    # a message that was sent twice is answered twice
    (C.LOOKING, Delivered): (_delivered, frozenset({C.DELIVERED})),
    (C.LOOKING, NotThere): (_late, frozenset({C.LOOKING})),
    (C.SENDING, Located): (_late, frozenset({C.SENDING})),
    (C.SENDING, Lost): (_late, frozenset({C.SENDING})),
    **{
        (state, event): (_late, frozenset({state}))
        for state in _DONE
        for event in (Located, Lost, Delivered, NotThere, NoReply, Overdue)
    },
}


def carry(courier: Courier, event: CourierEvent) -> _Outcome:
    """What becomes of a message by an event, and what is to be done.

    Raises
    ------
    IllegalEvent
        If it cannot happen now.
    """
    found = COURIER_TABLE.get((courier.state, type(event)))
    if found is None:
        raise IllegalEvent(courier.agent, courier.state.value, event, ())
    handler, targets = found
    after, effects = handler(courier, event)
    assert after.state in targets, f"{courier.state} + {event} led to {after.state}, which the table denies"
    return after, effects
