"""Running worlds, one seed after another, with the invariants checked after every event."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Final

from agents.testing.invariants import Violation, check, check_rest
from agents.testing.world import Size, World

__all__ = ["Summary", "run_histories", "run_history"]

#: So many ticks after the last fault a world must have come to rest.
_PATIENCE: Final = 4000.0
_SIZES: Final = (
    Size(),
    Size(places=2, senders=1, messages=2, actions=3, ticks=260.0, faults=4),
    Size(places=3, senders=2, messages=3, actions=4, ticks=320.0, faults=3),
    Size(places=3, agents=2, senders=3, messages=3, actions=6, ticks=500.0, faults=6),
)


@dataclass(slots=True)
class Summary:
    """What a run of histories came to."""

    histories: int = 0
    events: int = 0
    crashes: int = 0
    moves: int = 0
    messages: int = 0
    seconds: float = 0.0
    violations: list[Violation] = field(default_factory=list)

    def add(self, other: Summary) -> None:
        """Count another run in."""
        self.histories += other.histories
        self.events += other.events
        self.crashes += other.crashes
        self.moves += other.moves
        self.messages += other.messages
        self.violations += other.violations


def run_history(seed: int, watch: Callable[[World], None] | None = None) -> World:
    """Run the world of a seed, with faults and then without, until it has come to rest.

    Parameters
    ----------
    watch
        Called after each event.

    Raises
    ------
    Violation
    """
    world = World(seed, _SIZES[seed % len(_SIZES)])
    while world.now < world.horizon and world.step():
        if watch is not None:
            watch(world)
        if world.dirty:
            world.dirty = False
            check(world)
    world.calm()
    end = world.now + _PATIENCE
    while world.now < end and world.step():
        if watch is not None:
            watch(world)
        if world.dirty:
            world.dirty = False
            check(world)
            if world.unsettled() is None:
                break
    check_rest(world)
    return world


def _run_block(first: int, count: int, most: int) -> Summary:
    summary = Summary()
    for seed in range(first, first + count):
        try:
            world = run_history(seed)
        except Violation as violation:
            summary.violations.append(violation)
            summary.histories += 1
            if len(summary.violations) >= most:
                break
            continue
        summary.histories += 1
        summary.events += world.events
        summary.crashes += world.crashes
        summary.moves += world.moves
        summary.messages += sum(sum(counts.values()) for counts in world.acknowledged.values())
    return summary


def run_histories(
    first: int,
    count: int,
    *,
    jobs: int = 1,
    most: int = 1,
    progress: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Run the histories of `count` seeds from `first` on; stop after `most` violations."""
    began = time.perf_counter()
    total = Summary()
    block = 250
    blocks = [(start, min(block, first + count - start)) for start in range(first, first + count, block)]
    if jobs == 1:
        for start, size in blocks:
            total.add(_run_block(start, size, most))
            total.seconds = time.perf_counter() - began
            progress(total)
            if len(total.violations) >= most:
                break
        return total
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(_run_block, start, size, most) for start, size in blocks]
        for done in as_completed(waiting):
            total.add(done.result())
            total.seconds = time.perf_counter() - began
            progress(total)
            if len(total.violations) >= most:
                pool.shutdown(wait=True, cancel_futures=True)
                break
    return total
