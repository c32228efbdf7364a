"""What somebody outside the places can do: launch, find, write to, move and wait for agents.

Every wait has a deadline, also those of which the caller says nothing.
"""

from __future__ import annotations

import functools
import secrets
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from agents.classes import check_class, is_class_agent
from agents.directory import Entry
from agents.effects import Gather, checked_seconds
from agents.errors import (
    AgentEnded,
    AgentFrozen,
    AgentLost,
    AgentsError,
    AgentThawed,
    Busy,
    MoveRefused,
    NotAnAgent,
    PlaceUnreachable,
    UnknownAgent,
    UnknownPlace,
    WaitedTooLong,
)
from agents.eventlog import EventKind, LogEvent
from agents.fetching import Units
from agents.gathering import gathered
from agents.handoff import NEVER, Holder, Status
from agents.ids import check_agent_name, new_agent_id
from agents.luggage import Luggage
from agents.patience import ask_patiently
from agents.place.outcomes import read_outcome
from agents.place.posting import Errand, Outbox, encoded
from agents.place.trusting import MemberTrust
from agents.protocol import (
    Control,
    Description,
    Done,
    Failure,
    HeldBack,
    LooksAt,
    NotHere,
    PlaceReply,
    Transfer,
    TransferRefused,
    Verb,
)
from agents.sending import IN_FILE, refused_move, send_new, send_thawed
from agents.standing import Fresh
from agents.terms import LaunchTerms
from agents.transport import Transport
from agents.verdicts import Verdicts, may_start_anew, start_of, wanted_of_unit
from mobility.bundle import Birth, Bundle, pack
from mobility.bundle.manifest import SegmentKind
from mobility.environment import Needs, Verdict
from mobility.errors import MobilityError
from mobility.plain import decode
from mobility.trust import Identity, TrustList, TrustSource

__all__ = ["Client"]

#: Seconds that a call of the directory or a place may take, where the caller says nothing else.
CALL: Final = 10.0
#: Seconds for an answer beyond what the directory was asked to wait.
_MOMENT: Final = 2.0
#: Seconds for which an agent must have been missed, after its place's lease was over for long, to be called lost.
_MISSED: Final = 10.0
_MIB: Final = 1 << 20


class Client:
    """A connection to a platform.

    Parameters
    ----------
    transport
        To the places and the directory.
    owner
        With whose key agents are launched; None where none are, as at a place.
    trust
        By which passports are verified.
    """

    def __init__(
        self, transport: Transport, *, owner: Identity | None = None, trust: TrustSource | None = None
    ) -> None:
        self.transport = transport
        self.owner = owner
        self.trust = trust
        self.sender = f"client-{secrets.token_hex(8)}"
        self.verdicts = Verdicts(transport)
        self._lock = threading.Lock()
        self._outbox = Outbox(self.sender)
        self._writing: dict[str, threading.Lock] = {}
        self._hints: dict[str, str | None] = {}
        self._questions = 0
        #: What this process has fetched from repositories.
        self.units = Units(transport, lambda: self.trust or TrustList(), meet=self._meet)

    def _meet(self) -> bool:
        """Look whether places have joined since the last look; whether that brought any news."""
        return isinstance(self.trust, MemberTrust) and self.trust.look(self.transport, timeout=CALL)

    def _ask(self, method: str, *args: Any, deadline: float, at_most: float) -> Any:
        return ask_patiently(self.transport, method, *args, deadline=deadline, at_most=at_most)

    def _wait(self, method: str, *args: Any, seconds: float, deadline: float) -> Any:
        """Call what waits for so many seconds itself, and then needs a moment to answer."""
        most, least = seconds + CALL, seconds + _MOMENT
        return ask_patiently(self.transport, method, *args, seconds, deadline=deadline, at_most=most, at_least=least)

    def _look(self, method: str, *args: Any, timeout: float) -> Any:
        """Call what changes nothing; while the directory is started again, that is waited for."""
        deadline = time.monotonic() + timeout
        return ask_patiently(self.transport, method, *args, deadline=deadline, at_most=timeout)

    # -- finding

    def find(self, agent: str, *, timeout: float = CALL) -> Entry:
        """What the directory knows of an agent, by id, name or the beginning of its id.

        Raises
        ------
        UnknownAgent, DirectoryUnreachable
        """
        entry: Entry | None = self._look("find", agent, timeout=timeout)
        if entry is None:
            raise UnknownAgent(agent)
        return entry

    def entries(self, *, ended: bool = False, limit: int = 1000, timeout: float = CALL) -> list[Entry]:
        """All agents, the youngest first."""
        found: list[Entry] = self._look("entries", limit, ended, timeout=timeout)
        return found

    def describe_place(self, place: str, *, agents: bool = False, timeout: float = CALL) -> Description:
        """What a place tells of itself.

        Raises
        ------
        UnknownPlace, PlaceUnreachable
        """
        reply = self.transport.ask_place(place, LooksAt(agents), timeout=timeout)
        if isinstance(reply, Description):
            return reply
        raise reply.error if isinstance(reply, Failure) else PlaceUnreachable(place, "it does not describe itself")

    def place_of(self, agent: str, *, timeout: float = CALL) -> str | None:
        """Where an agent is; None if it has ended or is frozen."""
        place, row = self._look("locate", agent, timeout=timeout)
        if row is None:
            raise UnknownAgent(agent)
        return str(place) if place is not None else None

    # -- launching

    def launch(
        self,
        function: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        at: str | None = None,
        name: str | None = None,
        owner: Identity | None = None,
        birth: Birth | None = None,
        terms: LaunchTerms | None = None,
        timeout: float = 60.0,
    ) -> str:
        """Start an agent at a place; returns its id.

        Raises
        ------
        NotAnAgent, UnknownPlace, MoveRefused, MoveFailed, mobility.errors.MobilityError
            It was not born.
        """
        _check_agent(function)
        if name is not None:
            check_agent_name(name)
        signer = owner or self.owner
        if signer is None:
            raise ValueError("an agent needs an owner: connect with one, or pass owner=")
        born = birth or Birth(hop_limit=256)
        agreed = terms or LaunchTerms()
        start = None if agreed.accepts == "strong" else start_of(function, args, kwargs)

        def send(place: str) -> str:
            agent = new_agent_id()
            luggage = Luggage(name or agent, NEVER, Fresh(), terms=agreed, start=start)
            started = time.time()
            bundle = pack(
                function,
                by=signer,
                args=args,
                kwargs=kwargs,
                birth=replace(born, agent=agent, home=place),
                luggage=luggage.to_bytes(),
                needs=luggage.terms.needs,
            )
            self._check_verdict(place, bundle, NEVER, "No agent was born.", timeout)
            send_new(
                self.transport,
                Transfer(agent, NEVER, bundle.to_bytes(), None, started),
                to=place,
                record=bundle.passport.birth.digest,
                by=Holder("outside", self.sender),
                send=self._sender(timeout),
                here=None,
                timeout=timeout,
            )
            return agent

        return send(self._chosen(at)) if at is not None else self._anywhere(send)

    def thaw(self, bundle: Bundle, *, at: str | None = None, timeout: float = 60.0) -> str:
        """Let a frozen agent go on at a place; returns its id.

        Raises
        ------
        AgentEnded
            If it was thawed before, or has ended.
        UnknownPlace, MoveRefused, MoveFailed
            It lies in its file as before.
        """
        agent = bundle.claims().agent
        _, row = self._look("locate", agent, timeout=CALL)
        if row is not None and row.status is not Status.FROZEN:
            if row.status is Status.ENDED:
                raise AgentEnded(agent, "thawed again")
            raise AgentThawed(agent, row.holder.place if row.holder is not None else None)
        epoch = row.epoch if row is not None else NEVER

        def send(place: str) -> str:
            if not may_start_anew(bundle):  # else the place decides, when it has verified it
                self._check_verdict(place, bundle, epoch, IN_FILE, timeout)
            request = Transfer(agent, epoch, bundle.to_bytes(), None, time.time())
            send_thawed(self.transport, request, to=place, send=self._sender(timeout), timeout=timeout)
            self.log(EventKind.THAWED, agent, to=place)
            return agent

        if at is not None:
            return send(self._chosen(at))
        return self._anywhere(send, self._where_frozen(bundle))

    def _check_verdict(self, place: str, bundle: Bundle, epoch: int, state: str, timeout: float) -> None:
        """That a place would let a bundle in, before it is sent; one that does not answer is heard of when it is sent.

        Raises
        ------
        MoveRefused
        """
        try:
            refusal = self.verdicts.check(place, bundle, timeout=timeout, epoch=epoch)
        except AgentsError:
            return
        if refusal is not None:
            raise refused_move(refusal, place, None, state=state)

    def verdict(self, unit: Any, place: str, *, needs: Needs | None = None, timeout: float = 30.0) -> Verdict:
        """What a place could do for a unit of this process; nothing is sent.

        Raises
        ------
        UnknownPlace, PlaceUnreachable, mobility.errors.MobilityError
        """
        wanted, code = wanted_of_unit(unit, needs)
        return self.verdicts.ask(self._chosen(place), wanted, lambda: code, timeout=timeout)

    def _where_frozen(self, bundle: Bundle) -> str | None:
        """The place where it was, if this platform has it: there it can go on, by its itinerary and else."""
        try:
            told = bundle.claimed(SegmentKind.LUGGAGE)
            visited = Luggage.from_bytes(told[0]).visited if told else []
        except MobilityError:  # whoever verifies it says what is wrong
            return None
        return visited[-1] if visited and self.transport.knows(visited[-1]) else None

    def _sender(self, timeout: float) -> Callable[[str, Transfer], PlaceReply]:
        def send(to: str, transfer: Transfer) -> PlaceReply:
            seconds = timeout + len(transfer.bundle) / _MIB / 10
            try:
                return self.transport.ask_place(to, transfer, timeout=seconds)
            except AgentsError as error:
                return TransferRefused(transfer.epoch, error.slug, error.reason, error.remedy)

        return send

    def _chosen(self, at: str | None, but: frozenset[str] = frozenset()) -> str:
        """The place that was named; else any, but for these as long as there are others."""
        if at is not None and self.transport.knows(at):
            return at
        known = self.transport.places()
        if at is not None or not known:
            raise UnknownPlace(at or "", known, state="No agent was sent.")
        left = [place for place in known if place not in but] or list(known)
        return left[secrets.randbelow(len(left))]

    def _anywhere(self, send: Callable[[str], str], first: str | None = None) -> str:
        """Send an agent to any place that is not just being emptied, or to this one if it is not."""
        closed: frozenset[str] = frozenset()
        while True:
            place = self._chosen(first if not closed else None, closed)
            try:
                return send(place)
            except MoveRefused as error:
                if error.why != "place-draining" or place in closed:
                    raise
                closed |= {place}

    # -- waiting

    def result(self, agent: str, *, timeout: float) -> Any:
        """What an agent returns, once it has ended.

        Raises
        ------
        WaitedTooLong, AgentLost, AgentFrozen, AgentStopped
        Exception
            What it raised.
        """
        deadline = time.monotonic() + checked_seconds(timeout, "timeout")
        wait = 0.0  # of one that is frozen or has ended, nothing is to be waited for
        missed: float | None = None  # since when its place has no lease, and is not seen to have it
        while True:
            row, outcome, gone = self._wait("fate", agent, seconds=wait, deadline=deadline)
            if row is None:
                raise UnknownAgent(agent)
            if row.status is Status.ENDED:
                if outcome is None:
                    raise AgentEnded(agent, "asked for a result, which is kept no more")
                return read_outcome(agent, outcome)
            if row.status is Status.FROZEN:
                raise AgentFrozen(agent, "waited for")
            if not gone or self.has_agent(row.holder.place, agent):
                missed = None
            elif missed is None:
                missed = time.monotonic()
            elif time.monotonic() - missed > _MISSED:
                raise AgentLost(agent, row.holder.place)
            left = deadline - time.monotonic()
            wait = max(0.0, min(left, 2.0))
            if left <= 0:
                where = row.holder.place if row.holder is not None else "its place"
                raise WaitedTooLong(
                    f"the result of {agent}",
                    timeout,
                    state=f"It has not ended, and is on {where}.",
                    remedy="Wait longer, or see what it does: its handle's status(), or sojourn ps.",
                )

    def gather(self, wish: Gather) -> list[Any]:
        """Wait for the ends of several agents; see `agents.effects.gather`."""
        return gathered(self, wish)

    def has_agent(self, place: str, agent: str) -> bool:
        """Whether a place answers and has an agent, whatever the directory says of its lease."""
        try:
            told = self.describe_place(place, agents=True, timeout=3.0)
        except AgentsError:
            return False
        return any(row["agent"] == agent for row in told.agents)

    # -- steering

    def control(
        self, agent: str, verb: Verb, argument: str | None = None, *, force: bool = False, timeout: float = 30.0
    ) -> Any:
        """Have something done to an agent at its next suspension, wherever it is.

        Parameters
        ----------
        force
            To stop it at once, whatever it does.

        Raises
        ------
        UnknownAgent, AgentEnded, AgentFrozen, Busy, PlaceUnreachable, mobility.errors.MobilityError
        """
        deadline = time.monotonic() + checked_seconds(timeout, "timeout")
        pause = 0.01
        while True:
            left = max(0.05, deadline - time.monotonic())
            place, row = self._ask("locate", agent, deadline=deadline, at_most=CALL)
            if verb is Verb.FREEZE and row is not None and row.status is Status.FROZEN:
                return self._frozen_before(agent, row.record, left)
            place = self._where(agent, verb, place, row)
            reply = self.transport.ask_place(place, Control(agent, verb, argument, left, force), timeout=left + 5.0)
            match reply:
                case Done():
                    return reply.value
                case Failure():
                    raise reply.error
                case NotHere() | HeldBack() if time.monotonic() < deadline:
                    time.sleep(min(pause, left))
                    pause = min(pause * 2, 0.25)
                case _:
                    raise Busy(agent, f"asked ({verb})", timeout)

    def _frozen_before(self, agent: str, record: bytes, seconds: float) -> bytes:
        """The bundle of an agent that was frozen, from the place that keeps it: who froze it may not have got it."""
        for place in self.transport.places():
            try:
                reply = self.transport.ask_place(place, Control(agent, Verb.FREEZE, None, 0.0), timeout=seconds)
            except AgentsError:
                continue
            if isinstance(reply, Done) and _last_link(Bundle.from_bytes(reply.value)) == record:
                return bytes(reply.value)
        raise AgentFrozen(agent, "asked to freeze")

    def _where(self, agent: str, verb: Verb, place: Any, row: Any) -> str:
        if row is None:
            raise UnknownAgent(agent)
        if row.status is Status.ENDED:
            raise AgentEnded(agent, f"asked to {verb}")
        if row.status is Status.FROZEN:
            raise AgentFrozen(agent, f"asked to {verb}")
        return str(place)

    # -- messages

    def send(self, agent: str, value: Any, *, timeout: float = 60.0, question: str | None = None) -> None:
        """Send plain data to an agent: exactly once, and after what was sent before.

        Raises
        ------
        ValueNotPlain, UnknownAgent, AgentEnded, AgentFrozen, WaitedTooLong
        """
        body = encoded(value, "the message")
        deadline = time.monotonic() + checked_seconds(timeout, "timeout")
        with self._lock:
            writing = self._writing.setdefault(agent, threading.Lock())
        if not writing.acquire(timeout=timeout):
            raise WaitedTooLong(f"the turn to write to {agent}", timeout, state="The message was not sent.")
        try:
            errand = Errand(self.transport, timeout=max(0.0, deadline - time.monotonic()))
            hint = self._outbox.write(agent, body, errand=errand, hint=self._hints.get(agent), question=question)
            self._hints[agent] = hint
        finally:
            writing.release()

    def ask(self, agent: str, value: Any, *, timeout: float = 60.0) -> Any:
        """Ask an agent, and wait for its answer.

        Raises
        ------
        As `send`; `WaitedTooLong` if no answer comes.
        """
        deadline = time.monotonic() + checked_seconds(timeout, "timeout")
        with self._lock:
            self._questions += 1
            question = f"{self.sender}?{self._questions}"
        self.send(agent, value, timeout=timeout, question=question)
        while True:
            left = deadline - time.monotonic()
            wait = max(0.0, min(left, 5.0))
            reply = self._wait("take_reply", question, seconds=wait, deadline=deadline)
            if reply is not None:
                return decode(reply)
            if left <= 0:
                raise WaitedTooLong(f"the answer of {agent}", timeout, state="The question was delivered.")

    # -- the log

    def log(self, kind: EventKind, agent: str | None, **data: Any) -> None:
        """Write to the event log in the name of this client."""
        event = LogEvent(
            id=f"{self.sender}:{secrets.token_hex(6)}",
            time=time.time(),
            place=None,
            agent=agent,
            kind=kind,
            epoch=None,
            data=data,
        )
        self.transport.ask_directory("log", [event], timeout=CALL)

    def events(
        self,
        *,
        agent: str | None = None,
        kinds: Iterable[EventKind] | None = None,
        after: int = 0,
        last: int | None = None,
        limit: int = 1000,
    ) -> list[LogEvent]:
        """What happened, in order: after a number, or the last ones."""
        wanted = {"agent": agent, "kinds": None if kinds is None else list(kinds)}
        found: list[LogEvent]
        if last is not None:
            found = self.transport.ask_directory("last_events", last, timeout=CALL, **wanted)
        else:
            found = self.transport.ask_directory("events", timeout=CALL, after=after, limit=limit, **wanted)
        return found

    def follow(self, *, agent: str | None = None, after: int = 0, seconds: float) -> Iterator[LogEvent]:
        """Events as they come, for so many seconds."""
        deadline = time.monotonic() + seconds
        seen = after
        while True:
            found = self.events(agent=agent, after=after)
            for event in found:
                after = event.number or after
                yield event
            left = deadline - time.monotonic()
            if left <= 0:
                return
            if not found:
                wait = min(left, 2.0)
                grown = self.transport.ask_directory("wait_events", seen, wait, timeout=wait + CALL)
                seen = max(seen, grown)

    def close(self) -> None:
        """Let go of the connection."""
        self.transport.close()


def _check_agent(unit: Any) -> None:
    """That a place can run it: a function, a class with `arrive`, or an object of one."""
    kind = unit if isinstance(unit, type) else type(unit)
    if isinstance(unit, type) or is_class_agent(kind):
        try:
            check_class(kind)
        except TypeError as error:
            raise NotAnAgent(str(error)) from None
    elif not isinstance(unit, _FUNCTIONS):
        raise NotAnAgent(f"a {kind.__qualname__}")


#: What `mobility.bundle.pack` takes with arguments.
_FUNCTIONS: Final = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)


def _last_link(bundle: Bundle) -> bytes:
    return (bundle.passport.hops or (bundle.passport.birth,))[-1].digest
