"""Functions and agents that travel, for the tests of paradigms and of weak mobility."""

from __future__ import annotations

import os
import sys

from agents import agent, hop, receive
from agents.paradigms import evaluate, fetch, publish, pull, request

__all__ = [
    "asks_a_server",
    "demands_code",
    "evaluates_there",
    "from_values",
    "goes_there",
    "holds_unit",
    "mean",
    "pulls_there",
    "slow_mean",
    "whereabouts",
]


def whereabouts(here):
    """Where this runs, and how its code came there."""
    return {"place": here.name, "pid": os.getpid(), "module": whereabouts.__module__.partition(".")[0]}


def mean(here, column, digits=1):
    """The mean of a resource, and where it was computed."""
    values = here.resource(column)
    told = whereabouts(here)
    return {"mean": round(sum(values) / len(values), digits), **told}


def slow_mean(here, column, seconds):
    """The same, after a while."""
    import time

    time.sleep(seconds)
    return mean(here, column)


def from_values(values):
    """The same for values that are here, without a place."""
    return {"mean": round(sum(values) / len(values), 1), "pid": os.getpid(), "module": __name__.partition(".")[0]}


@agent
def asks_a_server(here, server):
    """Client-server: the agent stays, and so does the code."""
    return (yield request(server, "mean", "readings")), whereabouts(here)


@agent
def evaluates_there(here, place):
    """Remote evaluation: the agent stays, and its code goes."""
    return (yield evaluate(place, mean, "readings")), whereabouts(here)


@agent
def demands_code(here, place):
    """Code on demand: the agent and the resource stay, and the code comes."""
    known = [name for name in sys.modules if name.endswith("paradigm_units.from_values")]
    unit = yield fetch("from_values", from_=place)
    return unit(here.resource("readings")), whereabouts(here), known


@agent
def goes_there(here, place):
    """Mobile agent: it goes with its code and its state."""
    before = whereabouts(here)
    here = yield hop(place)
    values = here.resource("readings")
    return round(sum(values) / len(values), 1), before, whereabouts(here)


@agent
def pulls_there(here, place, source):
    """Receiver-initiated, from within an agent."""
    handle = yield pull(place, "mean", "readings", from_=source)
    return handle.agent


@agent
def holds_unit(here, source, way):
    """Publishes, fetches, and uses what it has fetched wherever it is."""
    told = yield publish(from_values, "held", "1.0")
    unit = yield fetch("held", from_=told.place)
    seen = []
    for place in way:
        here = yield hop(place)
        seen.append((here.name, unit(here.resource("readings"))["mean"]))
    yield receive(0.01)
    return seen, unit.place
