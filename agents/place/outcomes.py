"""How an agent ended, as plain data: what it returned, or what it raised, and where it had been."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from agents.cell import Raised, describe
from agents.errors import AgentFailed, AgentStopped, ResultNotPlain
from mobility.errors import MobilityError
from mobility.plain import NotPlain, PlainInvalid, decode, encode

__all__ = ["RemoteTrace", "error_of", "failed", "has_returned", "read_outcome", "remade", "returned", "stopped"]

#: Larger arguments and attributes of an exception stay where they are.
_MOST_BYTES: Final = 100_000


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
        error = ResultNotPlain(agent, f"{problem.path} is of type {problem.kind}, and {problem.reason}")
        return failed(Raised(error, f"{type(error).__name__}: {error}"), places), False


def failed(raised: Raised, places: list[str]) -> bytes:
    """What is kept of an exception: type, message, traceback; its arguments and attributes as far as they are plain."""
    error = raised.error
    kind, text = describe(error)
    row: dict[str, Any] = {"is": "raised", "kind": _clean(kind), "text": _clean(text), "places": places}
    row["trace"] = _clean(raised.trace)
    args = _plain(lambda: list(error.args))
    row["args"] = [_clean(text)] if args is None else args
    attributes = {name: _plain(partial(vars(error).get, name)) for name in vars(error) if name != "__notes__"}
    row["attributes"] = {name: value for name, value in attributes.items() if value is not None}
    return encode(row)


def _plain(value: Callable[[], Any]) -> Any:
    """A value if it is plain and not large; None if not, whatever the agent's own classes do."""
    try:
        found = value()
        return found if len(encode(found)) <= _MOST_BYTES else None
    except Exception:
        return None


def _clean(text: str) -> str:
    """Text that can be written: without half characters."""
    return text.encode("utf-8", "replace").decode("utf-8")


def stopped(place: str, places: list[str]) -> bytes:
    """What is kept of an agent that somebody stopped."""
    return encode({"is": "stopped", "place": place, "places": places})


def has_returned(data: bytes) -> bool:
    """Whether an outcome is a result."""
    try:
        return bool(decode(data)["is"] == "returned")
    except PlainInvalid:  # too large or too deep for a decoder: reading it says so
        return False


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
    error = error_of(agent, told, package)
    error.add_note(f"The agent {agent} was on: {' -> '.join(told['places'])}")
    raise error from RemoteTrace(told["trace"])


def error_of(agent: str, told: Mapping[str, Any], package: str | None = None) -> BaseException:
    """The exception of an outcome that is one; `AgentFailed` if this process has no class of that name."""
    found = remade(told, package)
    return found or AgentFailed(agent, told["kind"], told["text"], told["trace"], told["places"])


def remade(told: Mapping[str, Any], package: str | None = None) -> Exception | None:
    """The exception that `failed` has told of, if this process has its class, and it can be made here."""
    module, _, qualname = told["kind"].rpartition(".")
    found: Any = None
    if package is not None and module:  # as the agent that reads it has it
        found = sys.modules.get(f"{package}.{_original(module)}")
    if found is None:
        found = builtins if not module else sys.modules.get(_original(module))
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        return None
    return _made(found, told["args"], told["attributes"])


def _made(kind: type[Exception], args: list[Any], attributes: Mapping[str, Any]) -> Exception | None:
    """As pickle would make it. Of classes that take other arguments than they pass on, without their ``__init__``."""
    try:
        error = kind.__new__(kind, *args)
        if not issubclass(kind, MobilityError):
            try:
                error = kind(*args)
            except TypeError:
                error = kind.__new__(kind, *args)
        error.args = tuple(args)
        error.__dict__.update(attributes)
    except Exception:  # it cannot be made here: `AgentFailed` tells all that is known
        return None
    return error


def _original(module: str) -> str:
    """The name that a module had where the agent was written."""
    from mobility.resumable.shipped import original_name

    return original_name(module)
