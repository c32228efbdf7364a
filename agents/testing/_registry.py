"""The simulated directory: rows by `decide`, and leases; all of it durable, and itself it crashes and starts again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agents.handoff import Finish, Granted, Holder, Request, Row, Status, ledger
from agents.testing._kernel import LEASE
from agents.testing._rules import RULES

if TYPE_CHECKING:
    from agents.testing.world import World

__all__ = ["Registry"]


class Registry:
    """The directory.

    Attributes
    ----------
    rows, current, starts, over
        Durable: the agents' rows; each place's present writer, and which start of the place it is; and the writers that
        will never have a lease again.
    until, numbers
        Until when each lease runs by the directory's clock; and how many were given to each writer.
    """

    node = "directory"

    def __init__(self, world: World) -> None:
        self.world = world
        self.alive = True
        self.paused = 0.0
        self.rate = 1.0
        self.rows: dict[str, Row] = {}
        self.current: dict[str, str] = {}
        self.starts: dict[str, int] = {}
        self.over: set[Holder] = set()
        self.until: dict[Holder, float] = {}
        self.numbers: dict[Holder, int] = {}
        self.finals: dict[str, Any] = {}

    def wakes(self) -> None:
        return

    def has_lease(self, holder: Holder) -> bool:
        """Whether a lease runs."""
        return self.world.now * self.rate < self.until.get(holder, -1.0)

    def number(self, holder: Holder) -> int:
        """Of the last lease."""
        return self.numbers.get(holder, 0)

    # -- requests

    def submit(self, request: Request, answer: Callable[..., None]) -> None:
        """A request of the protocol."""
        world = self.world
        world.point(self)
        before = self.rows.get(request.agent)
        after, outcome = ledger.decide(before, request, self.has_lease, self.number)
        if after is not before and after is not None:
            world.dirty = True
            self.rows[request.agent] = after
            if isinstance(request, Finish) and isinstance(outcome, Granted):
                self.finals[request.agent] = world.claims.get((request.agent, request.epoch, request.by))
        world.point(self)
        answer(outcome)

    def register(self, holder: Holder, start: int, gone: bool, answer: Callable[..., None]) -> None:
        """A new process of a place; `gone`: it can show that the one before is dead.

        `start` counts the starts of the place, on its disk: a registration that comes late, from a process that has
        died since, must not end the lease of the one that came after it.
        """
        self.world.point(self)
        late = start < self.starts.get(holder.place, 0) and RULES.starts_are_counted
        if holder not in self.over and self.current.get(holder.place) != "" and not late:
            self.starts[holder.place] = start
            for other in [other for other in self.until if other.place == holder.place and other != holder]:
                self.over.add(other)
                if gone:
                    self.until[other] = -1.0
            self.current[holder.place] = holder.writer
        self.renew(holder, answer)

    def renew(self, holder: Holder, answer: Callable[..., None]) -> None:
        """A lease from now on, unless another process is the place now; and what the rows say."""
        self.world.point(self)
        if self.current.get(holder.place) != holder.writer:
            answer(None)
            return
        if not self.has_lease(holder):
            self.numbers[holder] = self.number(holder) + 1
        self.until[holder] = self.world.now * self.rate + LEASE
        self.world.point(self)
        answer(dict(self.rows))

    def abandoned(self, place: str, answer: Callable[..., None]) -> None:
        """Rows of other places whose holder has no lease, each with the number of the one that has run out."""
        found = [
            (row, self.number(row.holder))
            for row in self.rows.values()
            if row.status is Status.HELD
            and row.holder is not None
            and row.holder.place != place
            and not self.has_lease(row.holder)
        ]
        answer(found)

    def look(self, agent: str, answer: Callable[..., None]) -> None:
        """A row."""
        answer(self.rows.get(agent))

    def leave(self, place: str) -> None:
        """A place is taken away: no process of it has a lease any more, nor will have."""
        for holder in self.until:
            if holder.place == place:
                self.over.add(holder)
                self.until[holder] = -1.0
        self.current[place] = ""

    # -- faults

    def crash(self) -> None:
        """End; it starts again by itself a little later."""
        self.alive = False
        world = self.world
        world.after(None, 5.0 + 60.0 * world.random.random(), self.restart)

    def restart(self) -> None:
        """What is on disk is there again. How long it was away is not known: every lease is as if just given."""
        if self.alive:
            return
        self.alive = True
        self.world.dirty = True
        for holder in self.until:
            if holder in self.over and self.until[holder] < 0:
                continue
            self.until[holder] = self.world.now * self.rate + LEASE
            self.numbers[holder] = self.number(holder) + 1
