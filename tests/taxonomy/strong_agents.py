"""Agents for the cells of strong mobility, and for those of the start."""

from __future__ import annotations

import time

from agents import agent, ask, clone, gather, hop, receive, reply, send, sleep
from agents.errors import AgentsError

__all__ = ["begins", "branches", "counts_aloud", "does", "echoes", "follows", "meets_its_clone", "opens", "searches"]


@agent
def counts_aloud(here, places):
    """Migration: its local variables and its line travel; it is nowhere else meanwhile."""
    seen = {here.name: here.resource("site")}
    for number, place in enumerate(places):
        here = yield hop(place)
        seen[here.name] = [number, here.resource("site")]
    return seen


@agent
def does(here, what, seconds):
    """Does one thing for a while, in short steps if it computes; tells where it was then, and how far it counted."""
    steps, until, got = 0, time.time() + seconds, None
    if what == "computes":
        while time.time() < until:
            time.sleep(0.01)
            steps += 1
            yield
    elif what == "waits":
        message = yield receive(seconds)
        got = message.value if message else None
    elif what == "sleeps":
        yield sleep(seconds)
    return here.name, here.resource("site"), steps, got


@agent
def echoes(here, seconds):
    """Returns what it was told."""
    message = yield receive(seconds)
    return here.name, message.value if message else None


@agent
def meets_its_clone(here, place):
    """Remote cloning: both go on in the same state; the letter that came before is the original's."""
    local = [1, 2, 3]
    made = yield clone(place)
    if made.is_clone:
        local.append("clone")
        question = yield receive(30)
        yield reply(question, [here.agent, here.name, here.resource("site"), local])
        yield send(made.other, "from the clone")
        again = yield clone()
        if again.is_clone:
            return "clone of the clone", here.agent, again.other.agent
        grandchild = yield gather([again.other])
        return "clone", here.agent, made.other.agent, grandchild[0]
    local.append("original")
    answer = yield ask(made.other, "who are you?")
    letters = []
    for _ in range(2):
        message = yield receive(30)
        letters.append((message.sender, message.value))
    return here.name, here.agent, here.resource("site"), local, answer, letters


@agent
def searches(here, places, levels, breadth, seconds=0.0):
    """A tree of clones: each takes its part of the rows of its place, and gathers what its own clones have found."""
    part, children, is_clone = [], [], True
    while is_clone and len(part) < levels:
        is_clone, children = False, []
        while len(children) < breadth and not is_clone:
            number = len(children)
            try:
                made = yield clone(places[(sum(part) + len(part) + number) % len(places)])
            except AgentsError:  # the place is just away
                yield sleep(0.2)
                continue
            is_clone = made.is_clone
            if is_clone:
                part = [*part, number]
            else:
                children.append(made.other)
        if not is_clone:
            found = yield gather(children, timeout=120)
            return sorted(row for rows in found for row in rows)
    yield sleep(seconds)
    return [[part, here.name, here.resource("site")]]


@agent
def branches(here, places, place_of_end):
    """An agent that moves while its clones are at work, and gathers them from there."""
    children = []
    for number, place in enumerate(places):
        made = yield clone(place)
        if made.is_clone:
            yield sleep(0.2 * number)
            return number, here.name, here.resource("site")
        children.append(made.other)
    here = yield hop(place_of_end)
    quickest = yield gather(children, first=1)
    everyone = yield gather(children)
    return here.name, quickest, everyone


@agent
def follows(here, agents):
    """Gathers others."""
    got = yield gather(agents)
    return here.name, got


@agent
def begins(here):
    """When and where it began."""
    began = time.time()
    message = yield receive(0)
    return here.name, began, message.value if message else None


@agent
def opens(here, name):
    """Makes the list that is called so true."""
    here.resource(name).append(here.agent)
    yield
    return time.time()
