"""Messages: taking them in for the agents that are here, and sending what those write.

A message is acknowledged when it is in the journal, and only while its agent runs here under a lease; while it is not
known where the agent belongs, the message waits for a moment, and its sender tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from agents.errors import (
    AgentEnded,
    AgentFrozen,
    AgentsError,
    DirectoryUnreachable,
    PlaceUnreachable,
    StoreFailed,
    UnknownAgent,
    UnknownPlace,
    ValueNotPlain,
    WaitedTooLong,
)
from agents.handoff import Courier, State, Status, carry
from agents.handoff import courier as on
from agents.ids import is_agent_id
from agents.luggage import Luggage
from agents.mailbox import Delivery, Message
from agents.patience import ask_patiently
from agents.place.core import PlaceCore
from agents.place.resident import Resident
from agents.protocol import Deliver, Failure, HeldBack, NotHere, PlaceReply, Taken
from agents.transport import Transport
from mobility.errors import MobilityError
from mobility.plain import NotPlain, encode

__all__ = ["Errand", "Outbox", "Post", "encoded", "resolved"]

_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.5
#: Seconds that one attempt to ask somebody may take.
_ATTEMPT: Final = 5.0


def encoded(value: Any, what: str) -> bytes:
    """A value as bytes of the plain codec.

    Raises
    ------
    ValueNotPlain
    """
    try:
        return encode(value)
    except NotPlain as error:
        raise ValueNotPlain(what, f"{error.path} is of type {error.kind}, and {error.reason}") from error


# -- the sender's side, at a place or outside -------------------------------------------------------------------------


def resolved(transport: Transport, to: str, *, timeout: float) -> str:
    """The id of an agent that is given by its id or its name: messages are counted by id, whatever it is called.

    Raises
    ------
    UnknownAgent, DirectoryUnreachable
    """
    if is_agent_id(to):
        return to
    entry = ask_patiently(transport, "find", to, deadline=time.monotonic() + timeout)
    if entry is None:
        raise UnknownAgent(to)
    agent: str = entry.row.agent
    return agent


@dataclass(slots=True, eq=False)
class Outbox:
    """What one sender has written, for each agent.

    Attributes
    ----------
    sender
        Its id.
    numbers
        By recipient: the number of the next message to it.
    unsent
        By recipient: the number, body, question and answered question of messages of which it is not known whether
        they were delivered. They go before the next one.
    """

    sender: str
    numbers: dict[str, int] = field(default_factory=dict)
    unsent: dict[str, list[list[Any]]] = field(default_factory=dict)

    def write(
        self,
        to: str,
        body: bytes,
        *,
        errand: Errand,
        hint: str | None = None,
        question: str | None = None,
        answers: str | None = None,
    ) -> str | None:
        """Send a message to one agent, after those that are unsent, wherever it moves meanwhile.

        Returns
        -------
        str or None
            Where the agent was, as a hint for the next time.

        Raises
        ------
        UnknownAgent, AgentEnded, AgentFrozen, StoreFailed
            It was not delivered.
        WaitedTooLong
            It is not known whether it was; it goes before the next.
        """
        number = self.numbers.get(to, 0)
        rows = [*self.unsent.pop(to, ()), [number, body, question, answers]]
        self.numbers[to] = number + 1
        try:
            while rows:
                hint = errand.carry(Deliver(to, self.sender, *rows[0]), hint)
                del rows[0]
        except WaitedTooLong:
            self.unsent[to] = rows
            raise
        except (AgentEnded, UnknownAgent):
            raise
        except MobilityError:
            if len(rows) > 1 or not errand.in_doubt:  # the new one never got there, so its number is free
                rows.pop()
                self.numbers[to] = number
            if rows:
                self.unsent[to] = rows
            raise
        return hint


class Errand:
    """Carries messages to one agent, in one caller's time.

    Parameters
    ----------
    timeout
        Seconds for all of them.
    deliver
        How a place is asked, if not by the transport alone.

    Attributes
    ----------
    in_doubt
        Whether the last message may have been delivered, though nobody has said so.
    """

    def __init__(
        self, transport: Transport, *, timeout: float, deliver: Callable[[str, Deliver], PlaceReply] | None = None
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._deliver = deliver
        self.in_doubt = False

    def carry(self, letter: Deliver, hint: str | None) -> str | None:
        """Drive one courier to its end; returns where the agent was."""
        self.in_doubt = False
        courier, effects = carry(Courier(letter.agent), on.Posted(hint))
        pause, looked = _FIRST_PAUSE, False
        while True:
            (effect,) = effects
            event: on.CourierEvent
            match effect:
                case on.Succeed():
                    return courier.place
                case on.Fail():
                    raise self._failure(letter.agent, effect.reason)
                case on.Locate():
                    if effect.again or looked:
                        time.sleep(min(pause, max(0.0, self._left)))
                        pause = min(pause * 2, _LONGEST_PAUSE)
                    looked = True
                    event = self._located(letter.agent)
                case on.Dispatch():
                    event = self._replied(self._ask(effect.place, letter))
            if self._left <= 0 and not isinstance(event, on.Delivered):
                event = on.Overdue()
            courier, effects = carry(courier, event)

    @property
    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _ask(self, place: str, letter: Deliver) -> PlaceReply:
        try:
            if self._deliver is not None:
                return self._deliver(place, letter)
            return self._transport.ask_place(place, letter, timeout=max(0.05, min(_ATTEMPT, self._left)))
        except MobilityError as error:
            return Failure(error)

    def _replied(self, reply: PlaceReply) -> on.CourierEvent:
        match reply:
            case Taken():
                return on.Delivered()
            case NotHere():
                return on.NotThere(reply.hint)
            case HeldBack():
                return on.NoReply()
            case Failure(error=StoreFailed() as error):
                raise error
            case Failure(error=UnknownPlace()) | Failure(error=PlaceUnreachable(unsent=True)):
                return on.NoReply()
            case _:
                self.in_doubt = True
                return on.NoReply()

    def _located(self, to: str) -> on.CourierEvent:
        try:
            seconds = max(0.05, min(_ATTEMPT, self._left))
            place, row = self._transport.ask_directory("locate", to, timeout=seconds)
        except DirectoryUnreachable:
            return on.NoReply()
        if row is None:
            return on.Lost("unknown")
        if row.status is Status.ENDED:
            return on.Lost("ended")
        if row.status is Status.FROZEN:
            return on.Lost("frozen")
        return on.Located(place)

    def _failure(self, to: str, reason: str) -> AgentsError:
        if reason == "timed-out":
            return WaitedTooLong(
                f"the delivery of a message to {to}",
                self._timeout,
                state="Whether it was delivered is not known; it goes before the next message to this agent.",
            )
        kinds: dict[str, AgentsError] = {"ended": AgentEnded(to, "written to"), "frozen": AgentFrozen(to, "written to")}
        return kinds.get(reason) or UnknownAgent(to)


# -- the place's side -------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Post:
    """Of one place.

    Attributes
    ----------
    run
        Steps a resident.
    """

    core: PlaceCore
    run: Callable[[Resident], None]

    def take_in(self, letter: Deliver) -> PlaceReply:
        """Write a message down for an agent that is here; else say where it went."""
        resident = self.core.known(letter.agent)
        if resident is None:
            return NotHere()
        deadline = time.monotonic() + self.core.options.held_seconds
        with resident.lock:
            while resident.machine.visit.holds_mail:
                if not resident.settled.wait(max(0.0, deadline - time.monotonic())):
                    return HeldBack()
            visit = resident.machine.visit
            if visit.state is State.RUNNING:
                return self._written(resident, letter)
        # The sender follows the mark, and asks the directory after two: no thread of this place waits for another one.
        return NotHere(visit.to if visit.state is State.GONE else None)

    def _written(self, resident: Resident, letter: Deliver) -> PlaceReply:
        luggage = resident.luggage
        assert luggage is not None
        message = Message(letter.sender, letter.number, letter.body, letter.question, letter.answers)
        verdict = luggage.mailbox.judge(message)
        if verdict is Delivery.AHEAD:
            return HeldBack()
        if verdict is Delivery.TAKEN:
            self.core.store.note(resident.agent, message)
            luggage.mailbox.deliver(message)
            self.core.schedule(resident, self.run)
        return Taken(self.core.name, repeated=verdict is Delivery.REPEATED)

    # -- sending

    def write(
        self,
        sender: str,
        luggage: Luggage,
        to: str,
        body: bytes,
        *,
        timeout: float,
        question: str | None = None,
        answers: str | None = None,
    ) -> None:
        """Send a message in the name of an agent that is here, after those of which nothing is known.

        Raises
        ------
        UnknownAgent, AgentEnded, AgentFrozen, StoreFailed, WaitedTooLong, DirectoryUnreachable
        """
        agent = resolved(self.core.transport, to, timeout=timeout)
        outbox = Outbox(sender, luggage.numbers, luggage.unsent)
        errand = Errand(self.core.transport, timeout=timeout, deliver=self._deliver)
        outbox.write(agent, body, errand=errand, hint=self._guess(agent), question=question, answers=answers)

    def _guess(self, to: str) -> str | None:
        resident = self.core.known(to)
        if resident is None:
            return None
        visit = resident.machine.visit
        return visit.to if resident.is_away else self.core.name

    def _deliver(self, place: str, letter: Deliver) -> PlaceReply:
        if place == self.core.name:
            return self.take_in(letter)
        return self.core.transport.ask_place(place, letter, timeout=_ATTEMPT)
