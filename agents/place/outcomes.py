"""How an agent ended, as plain data: what it returned, or what it raised, and where it had been."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping
from typing import Any

from agents.cell import Raised, describe
from agents.errors import AgentFailed, AgentStopped, ResultNotPlain
from mobility.errors import MobilityError
from mobility.plain import NotPlain, PlainInvalid, decode, encode

__all__ = ["RemoteTrace", "failed", "read_outcome", "returned", "stopped"]


class RemoteTrace(Exception):
    """The traceback at the place, shown as the cause of an agent's exception."""

    def __init__(self, trace: str) -> None:
        super().__init__(trace)
        self.trace = trace

    def __str__(self) -> str:
        return f"\n{self.trace}"


def returned(agent: str, value: Any, places: list[str]) -> tuple[bytes, bool]:
    """What is kept of a result; and whether it is one, and not an error because it is no plain data."""
    try:
        return encode({"is": "returned", "value": value, "places": places}), True
    except NotPlain as problem:
        error = ResultNotPlain(agent, str(problem))
        return failed(Raised(error, f"{type(error).__name__}: {error}"), places), False


def failed(raised: Raised, places: list[str]) -> bytes:
    """What is kept of an exception: type, message, arguments as far as they are plain, traceback."""
    kind, text = describe(raised.error)
    row: dict[str, Any] = {"is": "raised", "kind": kind, "text": text, "trace": raised.trace, "places": places}
    try:
        row["args"] = list(raised.error.args)
        return encode(row)
    except NotPlain:
        row["args"] = [text]
        return encode(row)


def stopped(place: str, places: list[str]) -> bytes:
    """What is kept of an agent that somebody stopped."""
    return encode({"is": "stopped", "place": place, "places": places})


def read_outcome(agent: str, data: bytes) -> Any:
    """The result of an agent.

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
    error = _again(agent, told)
    error.add_note(f"The agent {agent} was on: {' -> '.join(told['places'])}")
    raise error from RemoteTrace(told["trace"])


def _again(agent: str, told: Mapping[str, Any]) -> BaseException:
    module, _, qualname = told["kind"].rpartition(".")
    found: Any = builtins if not module else sys.modules.get(_original(module))
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        return AgentFailed(agent, told["kind"], told["text"], told["trace"], told["places"])
    try:
        error: Exception
        if issubclass(found, MobilityError):  # built from named parts, not from its arguments
            error = found.__new__(found, *told["args"])
            error.args = tuple(told["args"])
        else:
            error = found(*told["args"])
    except Exception:
        return AgentFailed(agent, told["kind"], told["text"], told["trace"], told["places"])
    return error


def _original(module: str) -> str:
    """The name that a module had where the agent was written."""
    from mobility.resumable.shipped import original_name

    return original_name(module)
