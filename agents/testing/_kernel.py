"""Simulated time, a network that loses, doubles, delays and reorders, and crashes between any two effects: one seed."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Final, Protocol

__all__ = ["BACKOFF", "LEASE", "RENEWAL", "TIMEOUT", "Crash", "Kernel", "Party"]

#: All times are in ticks of the world's own clock, from which each clock differs by at most two per cent.
LEASE: Final = 160.0
#: How often a place renews its lease.
RENEWAL: Final = 55.0
#: How long an answer is waited for.
TIMEOUT: Final = 24.0
#: How long one waits before asking again.
BACKOFF: Final = 9.0


class Crash(Exception):
    """A process ends here, in the middle of what it does."""


class Party(Protocol):
    """Whose events the kernel runs: a process of a place, the directory, or somebody outside."""

    node: str
    alive: bool
    paused: float

    def wakes(self) -> None:
        """Called before each event: look at the clock."""


class Kernel:
    """The queue of what is to happen.

    Attributes
    ----------
    now
        Ticks.
    faults
        Whether the network and the processes may fail.
    dirty
        Whether anything changed on which an invariant depends.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now = 0.0
        self.faults = True
        self.dirty = True
        self.loss = 0.0
        self.doubling = 0.0
        self.slowness = 10.0
        self.cut: set[frozenset[str]] = set()
        self.events = 0
        self.story: deque[tuple[float, str, str, tuple[Any, ...]]] = deque(maxlen=60)
        self.points = 0
        self.crashes_at: set[int] = set()
        self.crashes = 0
        self._queue: list[tuple[float, int, Any, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    # -- time

    def after(self, party: Party | None, delay: float, action: Callable[..., None], *about: Any) -> None:
        """Let something happen to a party later, unless it is dead by then."""
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay, self._count, party, action, about))

    def step(self) -> bool:
        """Let the next thing happen; False if there is none."""
        while self._queue:
            self.now, _, party, action, about = heapq.heappop(self._queue)
            if party is not None:
                if not party.alive:
                    continue
                if party.paused > self.now:
                    # What waited meanwhile is taken up in any order.
                    self.after(party, party.paused - self.now + 25.0 * self.random.random(), action, *about)
                    continue
            self.events += 1
            self.story.append((self.now, party.node if party is not None else "world", action.__name__, about))
            try:
                if party is not None:
                    party.wakes()
                action(*about)
            except Crash:
                self.crashes += 1
            return True
        return False

    # -- the network

    def send(self, source: str, target: str, party: Party | None, action: Callable[..., None], *about: Any) -> None:
        """Send a message, whose arrival is `action`; at most as often as the network pleases."""
        random = self.random.random
        if not self.faults:
            self.after(party, 1.0 + 2.0 * random(), action, *about)
            return
        chance = random()
        if chance < self.loss or (self.cut and frozenset((source, target)) in self.cut):
            return
        if chance > 1.0 - self.doubling:
            self.after(party, 1.0 + 6.0 * self.slowness * random(), action, *about)
        delay = random()
        slow = 8.0 if delay > 0.97 else 1.0  # now and then one that comes long after its time
        self.after(party, 1.0 + self.slowness * slow * delay, action, *about)

    # -- crashes

    def point(self, party: Any) -> None:
        """A moment between two effects, at which a process may end.

        Raises
        ------
        Crash
        """
        self.points += 1
        if self.points in self.crashes_at and self.faults:
            party.crash()
            raise Crash
