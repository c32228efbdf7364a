"""Agents for the tests of itineraries."""

from __future__ import annotations

from agents import agent, clone, hop, onward, receive
from agents.errors import MoveFailed, MoveRefused

__all__ = ["clones_on_its_way", "hops_without_end", "strays", "tours", "waits_at_each_stop", "waits_for_mail"]


@agent
def tours(here, patience=None):
    """What it read at each stop; which stops were skipped; why it turned back; what stopped it."""
    seen = []
    stopped = None
    try:
        while (yield onward(patience=patience)) is not None:
            seen.append([here.name, here.resource("reading")])
    except MoveFailed as error:
        stopped = [error.slug, error.why]
    way = here.way
    return {
        "seen": seen,
        "ends": here.name,
        "skipped": [[one.place, one.why] for one in way.skipped],
        "turned back": None if way.turned_back is None else way.turned_back.place,
        "stopped": stopped,
        "left": list(way.left),
    }


@agent
def waits_at_each_stop(here):
    """Goes on when it is told to."""
    been = []
    while (yield onward()) is not None:
        been.append(here.name)
        yield receive()
    return been


@agent
def strays(here, to):
    """Goes where it may not, and then on as it should."""
    yield onward()
    try:
        yield hop(to)
    except MoveRefused as error:
        refused = [error.why, here.name, str(error)]
    rest = []
    while (yield onward()) is not None:
        rest.append(here.name)
    return refused, rest


@agent
def clones_on_its_way(here):
    """Both go on with what is left."""
    yield onward()
    made = yield clone("lima")
    rest = []
    while (yield onward()) is not None:
        rest.append(here.name)
    return rest if made.is_clone else [rest, made.other.agent]


@agent
def hops_without_end(here):
    """Until somebody says no."""
    count = 0
    while True:
        try:
            here = yield hop("oslo" if here.name != "oslo" else "lima")
            count += 1
        except MoveRefused as error:
            return count, error.why, here.name


@agent
def waits_for_mail(here):
    """For ever."""
    try:
        yield receive()
    finally:
        here.log("it has put its things in order")
