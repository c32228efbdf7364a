"""What an agent may yield: each effect as frozen data, made by the function of its name.

An agent yields an effect, and the expression ``yield ...`` has the value that is named below, or raises. What an effect
sends to somebody else is plain data. A bare ``yield`` is a point at which the platform may move the agent.

================  =====================================================  ===========================================
effect            does                                                   value of the ``yield``
================  =====================================================  ===========================================
`hop`             goes to a place                                        the present place (`Here`)
`onward`          goes to the next stop of the itinerary                 the present place; None when it is done
`clone`           puts a second agent into the same state at a place     a `Clone`, in both
`spawn`           starts another agent of the same code                  a handle of it
`receive`         waits for a message                                    a `Received`; None after the timeout
`send`            sends a message, exactly once                          None
`reply`           answers a question                                     None
`ask`             asks an agent and waits for its answer                 the answer
`gather`          waits for the ends of agents                           their results, in order
`sleep`           waits                                                  None
`checkpoint`      writes the present state down                          None
`call`            runs a function that blocks, beside the place's loop   what it returns
`done`            ends the agent with a result                           (it goes on no more)
================  =====================================================  ===========================================

`agents.paradigms` has the effects with which an agent uses other places without going there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from agents.classes import is_class_agent

__all__ = [
    "Ask",
    "Call",
    "TakeCheckpoint",
    "Clone",
    "CloneTo",
    "Conclude",
    "Effect",
    "Failures",
    "Gather",
    "Hop",
    "Onward",
    "Received",
    "Receive",
    "Reply",
    "Send",
    "Sleep",
    "Spawn",
    "ask",
    "call",
    "checked_seconds",
    "checkpoint",
    "clone",
    "done",
    "gather",
    "hop",
    "onward",
    "place_name",
    "receive",
    "recipient_of",
    "reply",
    "send",
    "sleep",
    "spawn",
]


@dataclass(frozen=True, slots=True)
class Hop:
    """See `hop`."""

    place: str


@dataclass(frozen=True, slots=True)
class Onward:
    """See `onward`."""

    patience: float | None = None


@dataclass(frozen=True, slots=True)
class CloneTo:
    """See `clone`."""

    place: str | None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Spawn:
    """See `spawn`."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    at: str | None = None
    name: str | None = None
    process: bool | None = None


@dataclass(frozen=True, slots=True)
class Receive:
    """See `receive`."""

    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """See `send`."""

    to: str
    value: Any
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """See `reply`."""

    to: str
    question: str
    value: Any
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Ask:
    """See `ask`."""

    to: str
    value: Any
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Sleep:
    """See `sleep`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class TakeCheckpoint:
    """See `checkpoint`."""


@dataclass(frozen=True, slots=True)
class Call:
    """See `call`."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


#: What a failure of one that is gathered does: it is raised, or stands in its place in the list.
Failures: TypeAlias = Literal["raise", "collect"]


@dataclass(frozen=True, slots=True)
class Gather:
    """See `gather`."""

    agents: tuple[str, ...]
    first: int | None = None
    timeout: float = 60.0
    failures: Failures = "raise"


@dataclass(frozen=True, slots=True)
class Conclude:
    """See `done`."""

    value: Any = None


Effect: TypeAlias = (
    Hop | Onward | CloneTo | Spawn | Receive | Send | Reply | Ask | Sleep | TakeCheckpoint | Call | Gather | Conclude
)


# -- what comes back --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the agent sees it.

    Attributes
    ----------
    sender
        Id of the agent that sent it; of somebody outside, ``client-`` and a random number.
    value
        Plain data.
    question
        Set if the sender waits for an answer: answer with ``yield reply(message, value)``.
    """

    sender: str
    value: Any
    question: str | None = None


@dataclass(frozen=True, slots=True)
class Clone:
    """What a `clone` gives, to the original and to the clone.

    Attributes
    ----------
    is_clone
        Which of the two this is.
    other
        A handle of the other one.
    """

    is_clone: bool
    other: Any


# -- making them ------------------------------------------------------------------------------------------------------


def place_name(place: Any) -> str:
    """The name of a place that is given by name, as one of `Platform.places`, or as a `Here`."""
    name = place if isinstance(place, str) else getattr(place, "name", None)
    if not isinstance(name, str) or not name:
        raise TypeError(f"a place is given by its name, not by a {type(place).__qualname__}")
    return name


def recipient_of(to: Any) -> str:
    """The id or name of an agent that is given as such, as a handle, or as a message from it."""
    for attribute in ("agent", "sender"):
        found = to if isinstance(to, str) else getattr(to, attribute, None)
        if isinstance(found, str) and found:
            return found
    raise TypeError(f"a recipient is an agent's name, id or handle, not a {type(to).__qualname__}")


#: Every wait has an end: also of those for whom that is far away.
_LONGEST: Final = 30 * 365 * 24 * 60 * 60


def checked_seconds(value: float, what: str) -> float:
    """A time to wait.

    Raises
    ------
    ValueError
        If it is no number, negative, or longer than anybody waits.
    """
    if type(value) not in (int, float) or math.isnan(value) or value < 0:
        raise ValueError(f"{what} is a number of seconds from 0 on, not {value!r}")
    if value > _LONGEST:
        raise ValueError(f"{what} is at most {_LONGEST:,} seconds, which are 30 years, not {value!r}")
    return float(value)


def hop(place: Any) -> Hop:
    """Go to a place and go on there, at this very line.

    Raises
    ------
    MoveRefused, MoveFailed
        At the ``yield``, if that did not come about; the agent is where it was.
    """
    return Hop(place_name(place))


def onward(*, patience: float | None = None) -> Onward:
    """Go to the next stop of the itinerary that the owner has signed, and go on there, at this very line.

    Gives the present place; or None when nothing is left of the itinerary, or when the agent has gone home because a
    stop failed (`here.way.turned_back` then says why).

    Parameters
    ----------
    patience
        Seconds for which a stop is waited for that is to be waited for; None: as the itinerary says, else 600.

    Raises
    ------
    NoItinerary, MoveRefused, MoveFailed, ItineraryBlocked
        At the ``yield``; the agent is where it was, and may try again.
    """
    return Onward(None if patience is None else checked_seconds(patience, "patience"))


def clone(place: Any = None, *, name: str | None = None) -> CloneTo:
    """Put a second agent into the same execution state, at a place; None: here.

    Both go on at this line, each with a `Clone`. What was in the mailbox stays with the original, whose state is
    written down as by `checkpoint`: whatever dies meanwhile, the clone is made once.

    Raises
    ------
    MoveRefused, MoveFailed
        At the ``yield`` of the original.
    """
    return CloneTo(None if place is None else place_name(place), name)


def spawn(function: Any, *args: Any, at: Any = None, name: str | None = None, **kwargs: Any) -> Spawn:
    """Start another agent, a function of the code that this agent brought along; its `here` is added. Or a class agent,
    as a class with arguments or as an object, which is copied.

    Parameters
    ----------
    at
        At which place; None: here.

    Raises
    ------
    MoveRefused, MoveFailed
        At the ``yield``.
    """
    if not callable(function) and not is_class_agent(type(function)):
        raise TypeError(f"a function is spawned, not a {type(function).__qualname__}")
    return Spawn(function, args, kwargs, None if at is None else place_name(at), name)


def receive(timeout: float | None = None) -> Receive:
    """Wait for the next message; None is what comes after `timeout` seconds without one."""
    return Receive(None if timeout is None else checked_seconds(timeout, "timeout"))


def send(to: Any, value: Any, *, timeout: float = 60.0) -> Send:
    """Send plain data to an agent; it is there, written down, when the ``yield`` comes back.

    Raises
    ------
    ValueNotPlain, UnknownAgent, AgentEnded, WaitedTooLong
        At the ``yield``.
    """
    return Send(recipient_of(to), value, checked_seconds(timeout, "timeout"))


def reply(message: Received, value: Any, *, timeout: float = 60.0) -> Reply:
    """Answer a message whose sender asked.

    Raises
    ------
    ValueError
        If nobody waits for an answer to it.
    """
    if message.question is None:
        raise ValueError("the message is no question: answer with send(message.sender, value)")
    return Reply(message.sender, message.question, value, checked_seconds(timeout, "timeout"))


def ask(to: Any, value: Any, *, timeout: float = 60.0) -> Ask:
    """Ask an agent, and wait for its answer.

    Raises
    ------
    ValueNotPlain, UnknownAgent, AgentEnded, WaitedTooLong
        At the ``yield``.
    """
    return Ask(recipient_of(to), value, checked_seconds(timeout, "timeout"))


def gather(
    handles: Iterable[Any], *, first: int | None = None, timeout: float = 60.0, failures: Failures = "raise"
) -> Gather:
    """Wait for the ends of agents, as of clones that search; gives a list of their results, in the order given.

    Waiting costs no thread, and the agent can be moved, frozen and stopped meanwhile: it goes on waiting where it is.
    Its state is written down as by `checkpoint` when it begins to wait, so that a crash of its place does not put off
    its deadline.

    Parameters
    ----------
    handles
        Agents: handles, ids or names.
    first
        So many results are enough: the list has those that came first, and None for each other. A failure counts only
        when so many have failed that `first` cannot be reached.
    timeout
        Seconds.
    failures
        ``"raise"``: the first failure is raised, at once; the others go on. ``"collect"``: exceptions stand in the
        list, and all are waited for.

    Raises
    ------
    Exception
        At the ``yield``: what one of them raised; a note has its id and where it had been.
    AgentFailed, AgentStopped, AgentFrozen, AgentLost, UnknownAgent, AgentEnded
        The same, for one that has no result.
    WaitedTooLong
        Those that have ended keep their results: gather again.
    """
    if isinstance(handles, str) or not isinstance(handles, Iterable):
        raise TypeError(f"several agents are gathered, as in gather([one, other]), not a {type(handles).__qualname__}")
    agents = tuple(recipient_of(handle) for handle in handles)
    if first is not None and (type(first) is not int or not 1 <= first <= len(agents)):
        raise ValueError(f"first is a number from 1 to {len(agents)}, of those that are gathered, not {first!r}")
    if failures not in ("raise", "collect"):
        raise ValueError(f"failures are 'raise' or 'collect', not {failures!r}")
    return Gather(agents, first, checked_seconds(timeout, "timeout"), failures)


def sleep(seconds: float) -> Sleep:
    """Wait; a sleeping agent costs memory and no thread, and can be moved."""
    return Sleep(checked_seconds(seconds, "the time to sleep"))


def checkpoint() -> TakeCheckpoint:
    """Write the present state to the place's disk: from here the agent goes on if the place dies."""
    return TakeCheckpoint()


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Call:
    """Run a function that blocks; other agents go on, and this one can be moved when it is done."""
    if not callable(function):
        raise TypeError(f"a function is called, not a {type(function).__qualname__}")
    return Call(function, args, kwargs)


def done(value: Any = None) -> Conclude:
    """End with a result: what the ``arrive`` of a class agent returns; to yield it is the same as to return."""
    return Conclude(value)
