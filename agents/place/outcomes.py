"""How an agent ended, as plain data: what it returned, or what it raised, and where it had been."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from agents.cell import Raised
from agents.errors import AgentsError, AgentStopped, ResultNotPlain
from agents.told import RemoteTrace, as_row, remade, unknown_error
from mobility.plain import NotPlain, PlainInvalid, decode, encode

__all__ = ["failed", "failure_of", "has_returned", "read_outcome", "returned", "stopped"]

#: What an error says of an agent that could have handled it; it is true no more of one that has ended with it.
_WHILE_IT_RAN = ("still runs", "goes on at that line", "The agent goes on")

#: Characters of an error in the log.
_LINE: Final = 300


def returned(agent: str, value: Any, places: list[str]) -> tuple[bytes, bool]:
    """What is kept of a result; and whether it is one, and not an error because it is no plain data."""
    try:
        return encode({"is": "returned", "value": value, "places": places}), True
    except NotPlain as problem:
        error = ResultNotPlain(agent, f"{problem.path} is of type {problem.kind}, and {problem.reason}")
        return failed(Raised(error, f"{type(error).__name__}: {error}"), places), False


def failed(raised: Raised, places: list[str]) -> bytes:
    """What is kept of an exception: type, message, traceback; its arguments and attributes as far as they are plain."""
    return encode({"is": "raised", "places": places, **as_row(raised)})


def stopped(place: str, places: list[str]) -> bytes:
    """What is kept of an agent that somebody stopped."""
    return encode({"is": "stopped", "place": place, "places": places})


def has_returned(data: bytes) -> bool:
    """Whether an outcome is a result."""
    try:
        return bool(decode(data)["is"] == "returned")
    except PlainInvalid:  # too large or too deep for a decoder: reading it says so
        return False


def failure_of(data: bytes) -> str | None:
    """What an agent raised at its end, in a line for the log; None if it did not."""
    try:
        told = decode(data)
    except PlainInvalid:
        return None
    if told["is"] != "raised":
        return None
    said = f"{told['kind']}: {told['text']}" if told["text"] else str(told["kind"])
    return said if len(said) <= _LINE else f"{said[:_LINE]}..."


def read_outcome(agent: str, data: bytes, package: str | None = None) -> Any:
    """The result of an agent.

    Parameters
    ----------
    package
        Where the code of the agent that reads it is loaded, if one does: what it knows by name, it can catch.

    Raises
    ------
    AgentStopped
    ResultNotPlain
    Exception
        What the agent raised, if this process has a class of that name; else `AgentFailed`. Its cause is the traceback
        at the place; a note tells where the agent had been.
    """
    try:
        told: Mapping[str, Any] = decode(data)
    except PlainInvalid as problem:
        raise ResultNotPlain(agent, f"its bytes cannot be read ({problem})") from problem
    if told["is"] == "returned":
        return told["value"]
    if told["is"] == "stopped":
        raise AgentStopped(agent, told["place"])
    otherwise = unknown_error(agent, told)
    error = remade(told, package) or otherwise
    if isinstance(error, AgentsError) and told["places"] and any(words in error.state for words in _WHILE_IT_RAN):
        error.ended_with(agent, told["places"][-1])
    error.add_note(f"The agent {agent} was on: {' -> '.join(told['places'])}")
    raise error from RemoteTrace(told["trace"], told, otherwise)
