"""What the parts of a place share: who it is, whom it trusts, its disk, its threads, its agents."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from agents.cell import CellKind, Mortal, cell_for
from agents.checkpoints import CheckpointStore
from agents.errors import StoreFailed, UnknownPlace
from agents.eventlog import EventKind
from agents.handoff import Holder
from agents.place.resident import Resident
from agents.place.stepping import StepPool, Timers
from agents.resources import Resources
from agents.transport import Transport
from mobility.errors import MobilityError
from mobility.trust import DEFAULT_LIMITS, Identity, Limits, TrustSource

__all__ = ["Note", "PlaceCore", "PlaceOptions"]

#: Writes to the event log: kind, agent, epoch, and what else there is to tell.
Note = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOptions:
    """How a place works.

    Attributes
    ----------
    directory_seconds
        How long one call of the directory may take before it is made again.
    transfer_seconds
        How long the transfer of a small agent may take; for each MiB one tenth of a second more.
    retry_seconds
        The pause before the directory is asked again.
    usual_steps, most_steps
        How many agents are stepped at once as a rule, and while some compute for long.
    most_calls
        How many functions run at once for agents that yield `call`.
    most_service_calls
        How many calls of one service run at once.
    held_seconds
        How long a message waits for an agent that is just moving, before its sender has to try again.
    most_marks
        How many agents that have left are remembered.
    limits
        How much is accepted in a bundle.
    """

    directory_seconds: float = 5.0
    transfer_seconds: float = 20.0
    retry_seconds: float = 0.2
    usual_steps: int = 4
    most_steps: int = 64
    most_calls: int = 32
    most_service_calls: int = 16
    held_seconds: float = 0.25
    most_marks: int = 100_000
    limits: Limits = DEFAULT_LIMITS


@dataclass(slots=True, eq=False)
class PlaceCore:
    """Shared by the parts of one place."""

    name: str
    writer: str
    identity: Identity
    trust: TrustSource
    transport: Transport
    store: CheckpointStore
    resources: Resources
    note: Note
    failed: Callable[[BaseException], None]
    options: PlaceOptions = field(default_factory=PlaceOptions)
    cell_kind: CellKind = cell_for
    about: Mapping[str, Any] = field(default_factory=dict)
    leased: bool = False
    closed: bool = False
    draining: bool = False
    pool: StepPool = field(init=False)
    timers: Timers = field(init=False)
    errands: ThreadPoolExecutor = field(init=False)
    calls: ThreadPoolExecutor = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _residents: dict[str, Resident] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        options = self.options
        self.pool = StepPool(usual=options.usual_steps, most=options.most_steps, failed=self.failed)
        self.timers = Timers(failed=self.failed)
        self.errands = ThreadPoolExecutor(8, thread_name_prefix="sojourn-errand")
        self.calls = ThreadPoolExecutor(options.most_calls, thread_name_prefix="sojourn-call")

    @property
    def holder(self) -> Holder:
        return Holder(self.name, self.writer)

    # -- residents

    def resident(self, agent: str) -> Resident:
        """What is known of an agent here; made if nothing is."""
        with self._lock:
            found = self._residents.get(agent)
            if found is None:
                if len(self._residents) >= self.options.most_marks:
                    self._forget_some()
                found = self._residents[agent] = Resident(agent, leased=self.leased)
            return found

    @contextmanager
    def held(self, agent: str) -> Iterator[Resident]:
        """The same, with its lock held, and certainly not forgotten meanwhile."""
        while True:
            resident = self.resident(agent)
            with resident.lock:
                if not resident.forgotten:
                    yield resident
                    return

    def known(self, agent: str) -> Resident | None:
        """What is known of an agent here, if anything is."""
        with self._lock:
            return self._residents.get(agent)

    def residents(self) -> list[Resident]:
        """All of which anything is known."""
        with self._lock:
            return list(self._residents.values())

    def _forget_some(self) -> None:
        """The oldest quarter of those that are away; whoever asks for them is sent to the directory."""
        away = [resident for resident in self._residents.values() if resident.is_away]
        for resident in away[: len(self._residents) // 4 + 1]:
            if resident.lock.acquire(blocking=False):  # not one that somebody is just about to use
                try:
                    if resident.is_away:
                        resident.forgotten = True
                        del self._residents[resident.agent]
                finally:
                    resident.lock.release()

    def check_place(self, place: str) -> None:
        """That there is a place of that name, whether or not it serves now.

        Raises
        ------
        UnknownPlace
        """
        if not self.transport.knows(place):
            unharmed = f"The agent is unharmed and still runs on {self.name}."
            raise UnknownPlace(place, self.transport.places(), state=unharmed)

    def forget(self, agent: str, *, up_to: int) -> None:
        """Drop what is on disk of a stay that is over."""
        try:
            self.store.drop(agent, up_to=up_to)
        except StoreFailed as error:  # left over; it is of no use to anybody, and is tidied away at the next start
            self.failed(error)

    # -- threads

    def soon(self, task: Callable[[], object], *, after: float = 0.0) -> None:
        """Run something that may block, on a thread of its own."""

        def submit() -> None:
            with self._lock:  # it is not closed in between
                if not self.closed:
                    self._watched(self.errands.submit(task))

        if after:
            self.timers.after(after, submit)
        else:
            submit()

    def _watched(self, future: Future[Any]) -> None:
        def done(ended: Future[Any]) -> None:
            error = None if ended.cancelled() else ended.exception()
            if error is not None:
                self.failed(error)

        future.add_done_callback(done)

    def schedule(self, resident: Resident, run: Callable[[Resident], None]) -> None:
        """Have a resident stepped soon, if it is not already to be."""
        with resident.lock:
            if resident.scheduled or not resident.machine.visit.runs:
                return
            resident.scheduled = True
        self.pool.submit(lambda: run(resident))

    def event(self, kind: EventKind, agent: str | None, epoch: int = -1, **data: Any) -> None:
        """Write to the log."""
        self.note(kind, agent, epoch, data, time.time())

    def call(self, work: Callable[[], None]) -> None:
        """Run a function of an agent's, beside the pool."""
        with self._lock:
            if not self.closed:
                self._watched(self.calls.submit(work))

    def close(self, timeout: float) -> None:
        """End all threads: no agent takes another step. What they are just computing ends by itself."""
        with self._lock:
            self.closed = True
        deadline = time.monotonic() + timeout
        self.timers.close(max(0.1, deadline - time.monotonic()))
        self.pool.close(max(0.1, deadline - time.monotonic()))
        self.errands.shutdown(wait=False, cancel_futures=True)
        self.calls.shutdown(wait=False, cancel_futures=True)

    def let_go(self) -> None:
        """Leave all agents that are here: they go on from their checkpoints, and nothing of them is to run here when
        their generators are collected."""
        for resident in self.residents():
            if not resident.reach(2.0):
                continue
            with resident.lock:
                for cell in (resident.cell, resident.staged.cell if resident.staged is not None else None):
                    if cell is None:
                        continue
                    if isinstance(cell, Mortal):
                        cell.break_off()
                    if not resident.in_step:
                        with suppress(MobilityError):  # what cannot be left ends with the process
                            cell.leave()
