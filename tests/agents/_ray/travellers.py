"""Agents for the tests of the platform on Ray."""

from __future__ import annotations

from agents import agent, hop, receive, reply, sleep
from agents.errors import AgentsError

__all__ = ["answers", "carries", "counts", "hops_until_told", "naps", "ticks", "visits"]


@agent
def visits(here, places):
    """Where it was, and what it found there."""
    seen = []
    for place in places:
        here = yield hop(place)
        seen.append((here.name, here.resource("site")))
    return seen


@agent
def answers(here):
    """Answers with twice what it was asked, until it is told to end; adds up what it was sent."""
    total = 0
    while True:
        message = yield receive()
        if message.value == "end":
            return total
        if message.question is not None:
            yield reply(message, [message.value * 2, here.name])
        else:
            total += message.value


@agent
def counts(here, places, times):
    """Counts its hops, and what came in the way of them."""
    done = refused = 0
    while done < times:
        try:
            here = yield hop(places[done % len(places)])
            done += 1
        except AgentsError:
            refused += 1
            yield sleep(0.1)
    return done, refused


@agent
def hops_until_told(here, place):
    """Goes to a place as soon as it is told to; returns why that was impossible, and where it is."""
    yield receive()
    try:
        here = yield hop(place)
    except AgentsError as error:
        return error.slug, str(error), here.name
    return "there", "", here.name


@agent
def naps(here, seconds):
    """Sleeps, and says where it woke up."""
    yield sleep(seconds)
    return here.name


@agent
def carries(here, place, size):
    """Changes a large array after it has arrived: what an engine hands out may be read-only."""
    import numpy as np

    data = np.arange(size, dtype=np.float64)
    before = float(data.sum())
    here = yield hop(place)
    data += 1.0
    here = yield hop("baku")
    data[0] = 5.0
    return float(data.sum()) - before, data.flags.writeable


@agent
def ticks(here):
    """Counts with pauses until it is told to end; how often at which places, in the order in which it was there."""
    places = []
    while True:
        if not places or places[-1][0] != here.name:
            places.append((here.name, 0))
        places[-1] = (here.name, places[-1][1] + 1)
        if (yield receive(0.02)) is not None:
            return places
