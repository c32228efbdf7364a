"""Messages: taking them in for the agents that are here, and sending what those write.

A message is acknowledged when it is in the journal, and only while its agent runs here under a lease; while it is not
known where the agent belongs, the message waits for a moment, and its sender tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from agents.errors import (
    AgentEnded,
    AgentFrozen,
    AgentsError,
    DirectoryUnreachable,
    PlaceUnreachable,
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
from agents.place.core import PlaceCore
from agents.place.resident import Resident
from agents.protocol import Deliver, HeldBack, NotHere, PlaceReply, Taken
from agents.transport import Transport
from mobility.plain import NotPlain, encode

__all__ = ["Post", "dispatch", "encoded", "post"]

_LONGEST_PAUSE = 0.5


def encoded(value: Any, what: str) -> bytes:
    """A value as bytes of the plain codec.

    Raises
    ------
    ValueNotPlain
    """
    try:
        return encode(value)
    except NotPlain as error:
        raise ValueNotPlain(what, str(error)) from error


# -- the sender's side, at a place or outside -------------------------------------------------------------------------


def post(
    transport: Transport,
    to: str,
    letters: list[Deliver],
    *,
    timeout: float,
    hint: str | None = None,
    deliver: Callable[[str, Deliver], PlaceReply] | None = None,
) -> str | None:
    """Send messages to one agent, in order, wherever it moves meanwhile; each is taken off the list once it is there.

    Parameters
    ----------
    deliver
        How a place is asked, if not by the transport alone.

    Returns
    -------
    str or None
        Where the agent was, as a hint for the next time.

    Raises
    ------
    UnknownAgent, AgentEnded, AgentFrozen
        If they can never be delivered.
    WaitedTooLong
        If it is not known whether they were; the rest stays on the list, and goes before the next.
    """
    deadline = time.monotonic() + timeout
    place = hint
    while letters:
        place = dispatch(transport, to, letters[0], deadline=deadline, timeout=timeout, hint=place, deliver=deliver)
        letters.pop(0)
    return place


def dispatch(
    transport: Transport,
    to: str,
    letter: Deliver,
    *,
    deadline: float,
    timeout: float,
    hint: str | None,
    deliver: Callable[[str, Deliver], PlaceReply] | None,
) -> str | None:
    """Drive one courier to its end; see `post`."""

    def ask_place(place: str) -> PlaceReply:
        left = max(0.05, min(5.0, deadline - time.monotonic()))
        message = replace(letter, marks=0)
        return deliver(place, message) if deliver is not None else transport.ask_place(place, message, timeout=left)

    courier, effects = carry(Courier(to), on.Posted(hint))
    pause = 0.005
    found: str | None = None
    while True:
        (effect,) = effects
        event: on.CourierEvent
        match effect:
            case on.Succeed():
                return found or courier.place
            case on.Fail(reason="timed-out"):
                raise WaitedTooLong(
                    f"the delivery of a message to {to}",
                    timeout,
                    state="Whether it was delivered is not known; it goes before the next message to this agent.",
                )
            case on.Fail():
                raise _undeliverable(to, effect.reason)
            case on.Locate():
                if effect.again:
                    time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
                    pause = min(pause * 2, _LONGEST_PAUSE)
                event = _located(transport, to, deadline)
            case on.Deliver():
                try:
                    reply = ask_place(effect.place)
                except (PlaceUnreachable, UnknownPlace):
                    event = on.NoReply()
                else:
                    event = _replied(reply)
                    found = reply.place if isinstance(reply, Taken) else None
        if time.monotonic() >= deadline and not isinstance(event, on.Delivered):
            event = on.Expired()
        courier, effects = carry(courier, event)


def _located(transport: Transport, to: str, deadline: float) -> on.CourierEvent:
    try:
        place, row = transport.ask_directory("locate", to, timeout=max(0.05, min(5.0, deadline - time.monotonic())))
    except DirectoryUnreachable:
        return on.NoReply()
    if row is None:
        return on.Lost("unknown")
    if row.status is Status.ENDED:
        return on.Lost("ended")
    if row.status is Status.FROZEN:
        return on.Lost("frozen")
    return on.Located(place)


def _replied(reply: PlaceReply) -> on.CourierEvent:
    match reply:
        case Taken():
            return on.Delivered()
        case NotHere():
            return on.NotThere(reply.hint)
        case _:
            return on.NoReply()


def _undeliverable(to: str, reason: str) -> AgentsError:
    kinds: dict[str, AgentsError] = {
        "ended": AgentEnded(to, "written to"),
        "frozen": AgentFrozen(to, "written to"),
    }
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
            hint = visit.to if visit.state is State.GONE else None
        if hint is None or letter.marks >= on.MOST_MARKS or hint == self.core.name:
            return NotHere(hint)
        return self._forward(hint, letter)

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

    def _forward(self, hint: str, letter: Deliver) -> PlaceReply:
        try:
            return self.core.transport.ask_place(hint, replace(letter, marks=letter.marks + 1), timeout=5.0)
        except (PlaceUnreachable, UnknownPlace):
            return NotHere()

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
        UnknownAgent, AgentEnded, AgentFrozen, WaitedTooLong
        """
        to = self._id_of(to, timeout)
        number = luggage.numbers.get(to, 0)
        rows = [*luggage.unsent.get(to, ()), [number, body, question, answers]]
        letters = [Deliver(to, sender, *row) for row in rows]
        luggage.numbers[to] = number + 1
        luggage.unsent[to] = rows
        try:
            post(self.core.transport, to, letters, timeout=timeout, hint=self._guess(to), deliver=self._deliver)
        except WaitedTooLong:
            luggage.unsent[to] = rows[len(rows) - len(letters) :]
            raise
        except AgentsError:
            luggage.unsent.pop(to, None)
            raise
        luggage.unsent.pop(to, None)

    def _id_of(self, to: str, timeout: float) -> str:
        """The id of an agent that is given by id or name: messages are counted by id, and a name can pass on."""
        if is_agent_id(to):
            return to
        deadline = time.monotonic() + timeout
        while True:
            try:
                entry = self.core.transport.ask_directory("find", to, timeout=min(5.0, max(0.1, timeout)))
            except DirectoryUnreachable:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_LONGEST_PAUSE)
                continue
            if entry is None:
                raise UnknownAgent(to)
            agent: str = entry.row.agent
            return agent

    def _guess(self, to: str) -> str | None:
        resident = self.core.known(to)
        if resident is None:
            return None
        visit = resident.machine.visit
        return visit.to if visit.state is State.GONE else self.core.name

    def _deliver(self, place: str, letter: Deliver) -> PlaceReply:
        if place == self.core.name:
            return self.take_in(letter)
        return self.core.transport.ask_place(place, letter, timeout=5.0)
