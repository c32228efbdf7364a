"""What the four paradigms do at the places: it travels from here, or is installed there."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy

from agents import agent, hop

__all__ = ["last_selection", "query", "tables", "visitor"]


@cache
def tables(size: int) -> Any:
    """A table of so many bytes; the same everywhere."""
    return numpy.random.default_rng(size).random(max(1, size // 8))


def selection(table: Any, selectivity: float, number: int) -> Any:
    """One interaction: look at all, select a part."""
    wanted = max(1, round(len(table) * selectivity))
    if wanted == len(table):
        return table
    above = numpy.flatnonzero(table >= (number % 7) / 1e3)  # the data have to be looked at, not only cut
    return table[above[:wanted]]


def last_selection(table: Any, selectivity: float, interactions: int) -> Any:
    """All interactions; what the last one selects."""
    found = None
    for number in range(interactions):
        found = selection(table, selectivity, number)
    return found


def query(here: Any, size: int, selectivity: float, number: int) -> Any:
    """The service."""
    return selection(here.resource("tables")(size), selectivity, number)


@agent
def visitor(here, places, size, selectivity, interactions):  # type: ignore[no-untyped-def]  # as a user writes it
    """The mobile agent."""
    found = []
    for place in places:
        if here.name != place:
            here = yield hop(place)
        found.append(last_selection(here.resource("tables")(size), selectivity, interactions))
    return found
