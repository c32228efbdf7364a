"""Paired measurement: the two sides take turns in one process, so that a drift of the machine falls on both."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Ratio", "Times", "measure", "pair"]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds per operation: the median and the fastest of the repetitions."""

    median: float
    best: float

    def microseconds(self) -> dict[str, float]:
        return {"median_us": round(self.median * 1e6, 3), "best_us": round(self.best * 1e6, 3)}


@dataclass(frozen=True, slots=True)
class Ratio:
    """One side against its floor.

    Attributes
    ----------
    median, low, high
        Of the ratios of the pairs: median, first and third quartile.
    """

    floor: Times
    side: Times
    median: float
    low: float
    high: float


def _once(run: Callable[[], object], operations: int) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / operations


def _times(seconds: list[float]) -> Times:
    return Times(statistics.median(seconds), min(seconds))


def measure(run: Callable[[], object], operations: int, repeat: int) -> Times:
    """Time `run`, which does so many operations, after a warm-up."""
    _once(run, operations)
    gc.collect()
    gc.disable()
    try:
        return _times([_once(run, operations) for _ in range(repeat)])
    finally:
        gc.enable()


def pair(floor: Callable[[], object], side: Callable[[], object], operations: int, repeat: int) -> Ratio:
    """Time both in turns, each first in every other pair."""
    for run in (floor, side):
        _once(run, operations)
    gc.collect()
    gc.disable()
    floors: list[float] = []
    sides: list[float] = []
    try:
        for number in range(repeat):
            turns = [(floor, floors), (side, sides)]
            for run, seconds in turns if number % 2 else reversed(turns):
                seconds.append(_once(run, operations))
    finally:
        gc.enable()
    ratios = [s / f for s, f in zip(sides, floors, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4)
    return Ratio(_times(floors), _times(sides), median, low, high)
