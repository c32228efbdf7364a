"""A file of agents, as somebody has it in a folder of their own; with a module beside it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_agents"]

AGENTS = """
import time

from agents import agent, hop, onward, sleep
from beside import doubled

print("loading")  # must not come between the data


@agent
def survey(here, places):
    seen = {}
    for place in places:
        here = yield hop(place)
        seen[here.name] = doubled(here.resource("reading"))
        here.log(f"seen \\x1b[31m{here.name}")
    return seen


@agent
def tour(here):
    been = []
    while (yield onward()) is not None:
        been.append(here.name)
    return been


@agent
def watch(here, seconds):
    count = 0
    while True:
        yield sleep(seconds)
        count += 1


@agent
def computing(here, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    yield


@agent
def brief(here, seconds):
    here.log("begun")
    yield sleep(seconds)
    here.log("done")


@agent
def failing(here, depth):
    yield
    raise ValueError(f"no\\x1b[31m way at {depth}")


@agent
def pair(here, one, two=2):
    yield
    return [one, two]


@agent
def many(here, *values):
    yield
    return list(values)


def single(here, value):
    return {"here": here.name, "value": value}


def undecorated(here):
    yield


class Visitor:
    pass
"""


def write_agents(folder: Path) -> Path:
    """Write the file, and the module beside it; the file's path."""
    (folder / "beside.py").write_text("def doubled(number):\n    return 2 * number\n", encoding="utf-8")
    file = folder / "travellers_of_a_test.py"
    file.write_text(AGENTS, encoding="utf-8")
    return file
