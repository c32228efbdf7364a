"""The agent of the demonstration: a survey of weather stations, written as one would write it without moving."""

from __future__ import annotations

import math
from collections.abc import Generator

from mobility import resumable

__all__ = ["PLACES", "measure", "start", "survey"]

PLACES = ("baku", "oslo", "lima")
HOURS = 24

Step = tuple[str, int, float]
Summary = dict[str, tuple[float, float]]


@resumable
def measure(place: str, temperatures: list[float]) -> Generator[Step, None, tuple[float, float]]:
    """Mean and standard deviation in one pass (Welford 1962, doi:10.1080/00401706.1962.10490022)."""
    mean = squares = 0.0
    for count, temperature in enumerate(temperatures, start=1):
        deviation = temperature - mean
        mean += deviation / count
        squares += deviation * (temperature - mean)
        yield place, count, mean
    return mean, math.sqrt(squares / len(temperatures))


@resumable
def survey(stations: dict[str, list[float]], journal: list[str]) -> Generator[Step, None, Summary]:
    """Measure at one station after the other; ``journal`` gets a line on every arrival and departure."""
    summary = {}
    for place, temperatures in stations.items():
        journal.append(f"arrived at {place}")
        try:
            summary[place] = yield from measure(place, temperatures)
        finally:
            journal.append(f"left {place}")
    return summary


def start(journal: list[str]) -> Generator[Step, None, Summary]:
    """A survey that has not begun, of a day's temperatures that are the same on every machine."""
    return survey({place: _day(number) for number, place in enumerate(PLACES)}, journal)


def _day(number: int) -> list[float]:
    mean, swing, warmest = 18 + 3 * number, 6 - 2 * number, 14 + number
    return [round(mean + swing * math.cos((hour - warmest) * math.tau / HOURS) + hour / 50, 1) for hour in range(HOURS)]
