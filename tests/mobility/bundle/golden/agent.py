"""The agent of the golden file ``unit-v1.sojourn``; its text is in there, and this file may change or go."""

from __future__ import annotations

import enum
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from mobility import resumable

VISITED: list[str] = []


class Sky(enum.Enum):
    CLEAR = "clear"
    CLOUDS = "clouds"


@dataclass
class Reading:
    place: str
    values: list[float] = field(default_factory=list)
    sky: Sky = Sky.CLEAR


def counter(start: int) -> Any:
    count = start

    def step() -> int:
        nonlocal count
        count += 1
        return count

    return step


@resumable
def measure(place: str) -> Generator[Any, Any, Reading]:
    reading = Reading(place)
    for hour in range(3):
        try:
            heard = yield place, hour
        finally:
            reading.values.append(hour / 2)
        if heard:
            reading.sky = Sky.CLOUDS
    return reading


@resumable
def survey(places: list[str]) -> Generator[Any, Any, Any]:
    step, readings = counter(10), {}
    for number, place in enumerate(places):
        VISITED.append(place)
        readings[place] = yield from measure(place)
        yield number, step()
    return [(r.place, r.values, r.sky.value) for r in readings.values()], VISITED, step()
