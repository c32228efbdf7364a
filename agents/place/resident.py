"""An agent at a place: its machine, and what belongs to it while it is here."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agents.cell import Cell
from agents.errors import MoveFailed
from agents.eventlog import EventKind
from agents.handoff import NEVER, Machine, State
from agents.here import Here
from agents.luggage import Luggage
from agents.protocol import PlaceReply, TransferRefused, Verb
from agents.standing import Raises, Standing
from agents.verdicts import Wanted
from agents.waiting import awaited
from mobility.trust import VerifiedPassport

if TYPE_CHECKING:
    from agents.effects import Effect
    from agents.place.binding import BindingPlan
    from agents.place.ties import Tie

__all__ = ["Ended", "BrokenOff", "Outbound", "PendingControl", "Resident", "Staged"]

#: Seconds for which a capture that is under way may go on once its agent is to be ended.
_CAPTURE: Final = 1.0
_AWAY = frozenset({State.ABSENT, State.GONE, State.ENDED})


@dataclass(slots=True, eq=False)
class Staged:
    """What came in, verified and decoded, and is dormant until the directory has granted it.

    Attributes
    ----------
    stay, own
        Of a checkpoint: the epoch from which it is, and whether this place has packed it during that stay.
    """

    cell: Cell
    here: Here
    luggage: Luggage
    passport: VerifiedPassport
    entry_point: str
    size: int
    started: float
    source: str | None
    verify_ms: float
    thaw_ms: float
    stay: int = NEVER
    own: bool = False
    restored: bool = False
    ties: dict[str, Tie] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an agent has ended: what is kept of it, and what the log is told.

    Attributes
    ----------
    stopped, forced
        Whether somebody outside has ended it; and whether without waiting for its next suspension, so that nothing of
        it was closed.
    """

    outcome: bytes
    kind: EventKind
    stopped: bool = False
    forced: bool = False


@dataclass(slots=True, eq=False)
class Outbound:
    """What was captured to leave.

    Attributes
    ----------
    refusal
        What the destination has said.
    denied
        Whether the directory has said that it was not to be let go.
    failed
        How the agent stands here if the move that it wanted does not come about.
    wanted
        What it asks of the place where it is to go.
    anew
        Whether it is to start at its entry there.
    plan
        What becomes of its bindings.
    accepted
        Whether the destination has said that it is there.
    """

    bundle: bytes
    record: bytes
    passport: bytes
    to: str | None
    started: float
    freeze_ms: float
    control: PendingControl | None = None
    refusal: TransferRefused | None = None
    denied: bool = False
    failed: Callable[[MoveFailed], Standing] = Raises
    wanted: Wanted | None = None
    anew: bool = False
    plan: BindingPlan | None = None
    accepted: bool = False


@dataclass(slots=True, eq=False)
class PendingControl:
    """What somebody outside wants of an agent, at its next suspension."""

    verb: Verb
    argument: str | None
    answer: Future[PlaceReply] = field(default_factory=Future)

    def settle(self, reply: PlaceReply) -> None:
        """Answer, unless it was answered or withdrawn."""
        with suppress(InvalidStateError):  # it is withdrawn on another thread
            self.answer.set_result(reply)


class BrokenOff(Exception):
    """The agent was ended by force while this thread had it in hand: there is nothing left to do for it."""


class Resident:
    """What is known of an agent here.

    Attributes
    ----------
    lock
        Held to look at or change anything below; never while the agent's own code runs, nor while somebody is asked.
    settled
        Notified whenever the machine's state has changed.
    scheduled, in_step
        Whether a thread is to step it, and whether its own code runs at this moment.
    unperformed
        An effect that it yielded while the place could not act on it.
    held_back
        Whether it is not stepped, because processes of this place have ended within its steps; it can be moved, frozen
        and stopped.
    calling
        Whether a function runs for it beside the pool.
    capturing
        Whose state is just being captured or looked at, with the lock held: code of the agent's own can run then.
    cut
        The cell whose capture was broken off to end the agent: whoever has the lock next ends it, and steps it no more.
    breaking
        The cell of which a step or a function still runs, though the agent was ended by force.
    wakes
        Unix time for which a timer is set; it outlives a visit, so that one that comes and goes sets no more of them.
    waiters
        By epoch: whoever waits to hear what became of a transfer.
    refusal
        Why it was not let in, for whoever sent it.
    ties
        Its bindings to resources, by their ids.
    used
        Ids of the resources that it has asked for here without a binding.
    came
        Of what was let in last: the epoch under which it was sent, when, and from where.
    ended
        How it has ended, from then on; nothing of it runs any more, and the directory is to be told.
    forgotten
        Set when the place keeps it no more: whoever still has it in hand must ask for it anew.
    """

    __slots__ = (
        "_waiters",
        "agent",
        "breaking",
        "capturing",
        "calling",
        "came",
        "cell",
        "controls",
        "cut",
        "ended",
        "forgotten",
        "held_back",
        "here",
        "in_step",
        "lock",
        "luggage",
        "machine",
        "outbound",
        "passport",
        "refusal",
        "scheduled",
        "settled",
        "staged",
        "steps",
        "ties",
        "used",
        "unperformed",
        "wakes",
    )

    def __init__(self, agent: str, *, leased: bool) -> None:
        self.agent = agent
        self.machine = Machine(agent, leased=leased)
        self.lock = threading.RLock()
        self.settled = threading.Condition(self.lock)
        self.cell: Cell | None = None
        self.here: Here | None = None
        self.luggage: Luggage | None = None
        self.passport: VerifiedPassport | None = None
        self.staged: Staged | None = None
        self.outbound: Outbound | None = None
        self.came: tuple[int, float, str | None] | None = None
        self.ended: Ended | None = None
        self.forgotten = False
        self.held_back = False
        self.refusal: TransferRefused | None = None
        self.controls: deque[PendingControl] | None = None
        self.scheduled = False
        self.in_step = False
        self.calling = False
        self.breaking: Cell | None = None
        self.capturing: Cell | None = None
        self.cut: Cell | None = None
        self.steps = 0
        self.ties: dict[str, Tie] = {}
        self.used: set[str] = set()
        self.wakes: float | None = None
        self.unperformed: tuple[Effect | None] | None = None
        self._waiters: dict[int, list[Future[PlaceReply]]] | None = None

    def reach(self, seconds: float) -> bool:
        """See to it that the lock can be had, to end the agent: a capture that comes to no end is broken off.

        Returns
        -------
        bool
            False if something else holds it for so long.
        """
        deadline = time.monotonic() + seconds
        while not self.lock.acquire(timeout=max(0.05, min(_CAPTURE, deadline - time.monotonic()))):
            cell = self.capturing
            if cell is not None:
                self.cut = cell  # first: whoever captures it goes on at once, and may have the lock before this thread
                cell.break_off()
            if time.monotonic() >= deadline:
                return False
        self.lock.release()
        return True

    @contextmanager
    def captured(self, cell: Cell) -> Iterator[None]:
        """While its state is captured or looked at; then it can be ended by force all the same."""
        self.capturing = cell
        try:
            yield
        finally:
            self.capturing = None

    @property
    def is_away(self) -> bool:
        return self.machine.state in _AWAY

    def wait_for(self, epoch: int) -> Future[PlaceReply]:
        """What will be answered to the transfer under that epoch."""
        future: Future[PlaceReply] = Future()
        if self._waiters is None:
            self._waiters = {}
        self._waiters.setdefault(epoch, []).append(future)
        return future

    def answer(self, epoch: int, reply: PlaceReply) -> None:
        """Answer whoever waits."""
        if self._waiters is None:
            return
        for future in self._waiters.pop(epoch, ()):
            future.set_result(reply)
        if not self._waiters:
            self._waiters = None

    def wants(self, control: PendingControl) -> None:
        """Note a wish, to be seen to at the next suspension."""
        if self.controls is None:
            self.controls = deque()
        self.controls.append(control)

    def next_control(self) -> PendingControl | None:
        """The oldest wish that was not withdrawn."""
        while self.controls:
            control = self.controls.popleft()
            if not control.answer.done():
                return control
        self.controls = None
        return None

    def parts(self) -> tuple[Cell, Luggage, VerifiedPassport]:
        """What belongs to it while it is here, for whoever holds the lock and has something to do with it.

        Raises
        ------
        BrokenOff
        """
        if self.cell is None or self.luggage is None or self.passport is None or self.is_broken_off:
            raise BrokenOff(self.agent)
        return self.cell, self.luggage, self.passport

    @property
    def is_broken_off(self) -> bool:
        """Whether it was ended by force."""
        return self.ended is not None and self.ended.forced

    def let_go(self) -> None:
        """Keep nothing of the agent but where it is; its story goes on with its next visit."""
        gone, self.machine = self.machine, Machine(self.agent)
        self.machine.visit = gone.visit
        self.cell = None
        self.here = None
        self.luggage = None
        self.passport = None
        self.outbound = None
        self.ended = None
        self.unperformed = None
        self.calling = False
        self.ties = {}
        self.used = set()

    def describe(self) -> dict[str, Any]:
        """A row for people: without a look into the agent."""
        luggage = self.luggage
        return {
            "agent": self.agent,
            "state": self.machine.state.value,
            "epoch": self.machine.visit.epoch,
            "name": luggage.name if luggage is not None else None,
            "standing": type(luggage.standing).__name__.lower() if luggage is not None else None,
            "waits_for": awaited(luggage) if luggage is not None else None,
            "computing": self.in_step,
            "held_back": self.held_back,
            "steps": self.steps,
            "mail": len(luggage.mailbox.waiting) if luggage is not None else 0,
        }
