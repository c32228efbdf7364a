"""Agents for the tests of unlike machines."""

from __future__ import annotations

from agents import agent, hop, receive
from agents.errors import MoveRefused

__all__ = ["carries_bytecode", "counts", "goes_elsewhere", "starts_anew"]


@agent
def counts(here, places):
    """Counts on, in its variables, from place to place."""
    seen = []
    for place in places:
        here = yield hop(place)
        seen.append(here.name)
    return seen


@agent
def goes_elsewhere(here, places):
    """Goes to the first place that takes it, and tells what the others said."""
    told = []
    for place in places:
        try:
            here = yield hop(place)
        except MoveRefused as error:
            told.append((error.place, error.verdict, [reason["code"] for reason in error.reasons], here.name))
        else:
            break
    return here.name, told


@agent
def carries_bytecode(here, places):
    """The same with bytecode by value among its variables."""
    made = compile("number + 1", "<made>", "eval")
    told = []
    for place in places:
        try:
            here = yield hop(place)
        except MoveRefused as error:
            told.append((error.place, error.verdict, [reason["code"] for reason in error.reasons]))
        else:
            break
    return here.name, eval(made, {"number": 1}), told


@agent
def starts_anew(here, mark):
    """Says where it began and where it is, when it is told to end."""
    began = here.name
    made = compile("number + 1", "<made>", "eval")
    while True:
        message = yield receive()
        if message.value == "end":
            return began, here.name, mark, eval(made, {"number": 1})
        here = yield hop(message.value)
