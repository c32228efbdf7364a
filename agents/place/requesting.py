"""What an agent wants of other places without going there: a service, an evaluation, a unit of a repository.

Whoever waits for an answer holds a thread here, not one that steps agents. Whoever waits for the end of an evaluation
holds none: the agent stands (`agents.standing.Evaluates`), and the directory is asked now and then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from agents import effects as does
from agents import standing as at
from agents.errors import AgentEnded, AgentFrozen, AgentsError, DirectoryUnreachable, PlaceUnreachable, WaitedTooLong
from agents.fetching import Units
from agents.handoff import Status
from agents.ids import new_agent_id
from agents.paradigms import Evaluation, Publication, ServiceCall, UnitFetch, UnitPull
from agents.place.branching import Branching
from agents.place.core import PlaceCore
from agents.place.outcomes import read_outcome
from agents.place.pulling import have_pulled
from agents.place.repository import Repository
from agents.place.resident import Resident
from agents.place.serving import arguments_to, read_service_answer
from agents.protocol import CallService, Done, Failure, PullUnit
from agents.terms import TERMS, LaunchTerms
from agents.transport import Transport
from agents.units import publication
from mobility.bundle.unpacking import makings_of
from mobility.plain import encode

__all__ = ["ErrandEffect", "Requesting", "call_service", "pull_request"]

#: What is done beside the pool.
ErrandEffect: TypeAlias = ServiceCall | UnitFetch | Publication | UnitPull
#: Seconds beyond what a place was asked to wait, for its answer to come.
_MOMENT: Final = 5.0
_THREADS: Final = 64
#: Seconds between two looks at a child: at first, at last, and as part of the time that has passed.
_FIRST_LOOK: Final = 0.003
_LAST_LOOK: Final = 0.5
_LOOKS: Final = 0.1


def call_service(transport: Transport, effect: ServiceCall, caller: str, package: str | None = None) -> Any:
    """Call a service of a place, once, and give what it returned.

    Parameters
    ----------
    package
        As in `agents.place.outcomes.read_outcome`.

    Raises
    ------
    UnknownPlace, UnknownService, ValueNotPlain, WaitedTooLong, PlaceUnreachable
    Exception
        What the service raised.
    """
    label = f"the service {effect.service} of {effect.place}"
    request = CallService(effect.service, arguments_to(label, effect.args, effect.kwargs), effect.timeout, caller)
    try:
        reply = transport.ask_place(effect.place, request, timeout=effect.timeout + _MOMENT)
    except PlaceUnreachable as error:
        if error.unsent:
            raise
        state = "Whether the service ran is not known."
        raise PlaceUnreachable(error.place, error.problem, state=state) from error
    if isinstance(reply, Done):
        return read_service_answer(effect.place, effect.service, reply.value, package)
    raise reply.error if isinstance(reply, Failure) else PlaceUnreachable(effect.place, "it offers no services")


def pull_request(effect: UnitPull, agent: str) -> PullUnit:
    """The request to a place; `agent` is the id that the unit gets there.

    Raises
    ------
    ValueNotPlain, ValueError
    """
    what = f"the unit {effect.name or effect.digest}"
    terms = LaunchTerms(
        process=effect.process,
        fragment=effect.fragment,
        replace=effect.replace,
        start_at=effect.start_at,
        start_when=effect.start_when,
    )
    return PullUnit(
        agent,
        effect.called,
        effect.source or "",
        effect.name,
        effect.version,
        effect.digest,
        arguments_to(what, effect.args, effect.kwargs),
        encode(terms, registry=TERMS),
        time.time(),
        effect.timeout,
    )


@dataclass(slots=True, eq=False)
class Requesting:
    """Of one place."""

    core: PlaceCore
    units: Units
    repository: Repository
    branching: Branching
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _closed: bool = field(default=False, init=False)
    _threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sojourn-request")

    def beside(self, work: Callable[[], None], late: Callable[[], None], *, seconds: float) -> None:
        """Run something that waits for others, on a thread of its own; not once the place has closed.

        Parameters
        ----------
        late
            What is run instead if none was free for so many `seconds`.
        """
        with self._lock:
            if self._closed:
                return
            future = self._threads.submit(work)

        def overdue() -> None:
            if future.cancel():
                self.core.soon(late)

        self.core.timers.after(seconds, overdue)

    def close(self) -> None:
        """Begin nothing any more."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- what is waited for on a thread

    def done(self, resident: Resident, effect: ErrandEffect) -> at.Standing:
        """Do it; how the agent stands afterwards.

        Raises
        ------
        Exception
            What the agent is to get at its ``yield``.
        """
        cell = resident.cell
        match effect:
            case ServiceCall():
                self.core.check_place(effect.place)
                package = None if cell is None else cell.package
                value = call_service(self.core.transport, effect, resident.agent, package)
                return at.Gives(value)
            case UnitFetch():
                if effect.source is not None:
                    self.core.check_place(effect.source)
                unit, place = self.units.get(
                    effect.source, effect.name, effect.version, effect.digest, timeout=effect.timeout
                )
                # What cannot be loaded here is refused now, and not when it is called.
                if cell is None or cell.apart:
                    makings_of(unit.verified)
                else:
                    unit.load()
                return at.GetsUnit(unit.name, unit.version, unit.digest, place or self.core.name)
            case Publication():
                return at.Gives(self._published(resident, effect))
            case UnitPull():
                return at.Spawned(self._pulled(effect))

    def _published(self, resident: Resident, effect: Publication) -> Any:
        with resident.lock:
            passport = resident.passport
        assert passport is not None
        child = new_agent_id()
        bundle = publication(
            effect.unit, effect.name, effect.version, by=self.core.identity, passport=passport, child=child
        )
        return self.repository.publish(bundle.to_bytes())

    def _pulled(self, effect: UnitPull) -> str:
        for place in (effect.place, effect.source):
            if place is not None:
                self.core.check_place(place)
        agent = new_agent_id()
        have_pulled(
            self.core.transport,
            pull_request(effect, agent),
            to=effect.place,
            by=self.core.holder,
            here=self.core.name,
            timeout=self.core.options.transfer_seconds,
        )
        return agent

    # -- remote evaluation

    def begin(self, resident: Resident, effect: Evaluation) -> at.Evaluates:
        """Start the child.

        Raises
        ------
        MoveRefused, MoveFailed, UnknownPlace
        """
        self.core.check_place(effect.place)
        now = time.time()
        spawn = does.Spawn(effect.function, effect.args, effect.kwargs, effect.place, None, effect.process)
        child = self.branching.spawn(resident, spawn, effect.place)
        return at.Evaluates(child, effect.place, now, now + effect.timeout)

    def ended(
        self, stands: at.Evaluates, again: Callable[[float], None], package: str | None = None
    ) -> tuple[bool, Any, BaseException | None]:
        """Whether the child has ended, and what the agent is to get.

        Parameters
        ----------
        package
            As in `agents.place.outcomes.read_outcome`.
        again
            Has the agent stepped again at a time.
        """
        try:
            row, outcome, gone = self.core.transport.ask_directory(
                "fate", stands.child, 0.0, timeout=self.core.options.directory_seconds
            )
        except DirectoryUnreachable:
            row, outcome, gone = None, None, False
        if outcome is not None:
            try:
                return True, read_outcome(stands.child, outcome, package), None
            except Exception as error:  # what the child raised, whatever that is
                return True, None, error
        now = time.time()
        problem: AgentsError | None = None
        if row is not None and row.status is Status.ENDED:
            problem = AgentEnded(stands.child, "asked for a result, which is kept no more")
        elif row is not None and row.status is Status.FROZEN:
            problem = AgentFrozen(stands.child, "waited for")
        elif now >= stands.until:
            where = row.holder.place if row is not None and row.holder is not None else stands.place
            lost = " That place has no lease any more." if gone else ""
            problem = WaitedTooLong(
                f"the result of {stands.child}",
                stands.until - stands.since,
                state=f"It goes on on {where}.{lost}",
                remedy="Wait longer, or ask later for its result by that id.",
            )
        if problem is not None:
            return True, None, problem
        pause = min(max((now - stands.since) * _LOOKS, _FIRST_LOOK), _LAST_LOOK)
        again(min(now + pause, stands.until))
        return False, None, None
