"""The agents of `test_cells`: of a module of its own, as a user's would be."""

from __future__ import annotations

from agents import agent, done, gather, hop, receive, sleep, spawn
from agents.paradigms import evaluate, fetch, publish


@agent
class Surveyor:
    """Weak: its attributes travel, and `arrive` starts anew."""

    def __init__(self, places):
        self.left = list(places)
        self.found = []

    def arrive(self, here):
        import os

        self.found.append((here.name, here.resource("site"), os.getpid()))
        return hop(self.left.pop(0)) if self.left else done(self.found)


@agent
class Waits:
    """Weak: counts how often it has begun."""

    def __init__(self):
        self.begun = []
        self.got = []

    def arrive(self, here):
        import os

        self.begun.append((here.name, os.getpid()))
        while True:
            message = yield receive(60)
            if message is None or message.value == "end":
                return done((self.begun, self.got))
            self.got.append(message.value)


@agent
def walks(here, places):
    """Strong: goes on at its line."""
    import os

    found = [(here.name, here.resource("site"), os.getpid())]
    for place in places:
        here = yield hop(place)
        found.append((here.name, here.resource("site"), os.getpid()))
    return found


@agent
def loops(here):
    """Computes for ever."""
    here.log("begins")
    while True:
        pass
    yield


@agent
def loops_in_c(here, seconds):
    """Blocks in what is not Python."""
    import time

    here.log("begins")
    time.sleep(seconds)
    yield
    here.log("went on")
    yield sleep(60)


@agent
def crashes(here):
    import os

    yield
    os.kill(os.getpid(), 9)


@agent
def long_step(here, seconds):
    import time

    here.log("begins")
    time.sleep(seconds)
    yield
    here = yield sleep(0)
    return "whole"


@agent
def where(here):
    import os

    yield
    return here.name, os.getpid()


def looks(here):
    import os

    return here.name, here.resource("site"), os.getpid()


class Own(Exception):
    """Of the agent's own code."""


def raises_own(here):
    raise Own("mine")


def doubles(n):
    import os

    return [2 * n, os.getpid()]


@agent
def evaluates(here, place):
    import os

    seen = yield evaluate(place, looks)
    caught = []
    try:
        yield evaluate(place, raises_own)
    except Own:
        caught.append("evaluate")
    try:
        yield gather([(yield spawn(raises_own, at=place))])
    except Own:
        caught.append("gather")
    told = yield publish(doubles, f"doubles-{here.agent}")
    unit = yield fetch(told.name)
    return seen, caught, unit(2), os.getpid()
