"""Exceptions on their way from the place to an agent's process.

What another agent, a service or a resource elsewhere has raised is known to the place as data. It goes on as data: of
which class it is there is a matter of the code that came with the agent, which is loaded there and not at the place.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.errors import AgentsError
from agents.told import RemoteTrace, remade

__all__ = ["AsTold", "received", "sendable"]


@dataclass(frozen=True, slots=True)
class AsTold:
    """An exception as it was told the place.

    Attributes
    ----------
    told
        As `agents.told.as_row` wrote it down.
    notes
        What the place has noted of it.
    made
        The pickle of what the place has made of it; None if there is none.
    otherwise
        What stands for it where there is no class of its name.
    """

    told: Mapping[str, Any]
    notes: tuple[str, ...]
    made: bytes | None
    otherwise: Exception


def sendable(value: Any) -> Any:
    """What goes to the process for a value of the place: of exceptions, also in a list, something to be pickled."""
    if type(value) is list:
        return [sendable(item) if isinstance(item, BaseException) else item for item in value]
    if not isinstance(value, BaseException):
        return value
    cause = value.__cause__
    if isinstance(cause, RemoteTrace) and cause.told is not None and cause.otherwise is not None:
        notes = tuple(map(str, getattr(value, "__notes__", ())))
        return AsTold(cause.told, notes, _pickled(value), cause.otherwise)
    if _pickled(value) is None:
        return AgentsError(f"{type(value).__qualname__}: {value}")
    return value


def _pickled(error: BaseException) -> bytes | None:
    """The exception as a pickle; None if its class cannot be sent."""
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return None
    return data


def received(value: Any, package: str | None) -> Any:
    """What `sendable` stood for, in the process.

    Parameters
    ----------
    package
        Where the agent's own code is loaded.
    """
    if type(value) is list:
        return [received(item, package) if isinstance(item, AsTold) else item for item in value]
    if not isinstance(value, AsTold):
        return value
    error = remade(value.told, package) or _known(value.made) or value.otherwise
    if not hasattr(error, "__notes__"):
        for note in value.notes:
            error.add_note(note)
    error.__cause__ = RemoteTrace(str(value.told["trace"]))
    return error


def _known(data: bytes | None) -> Exception | None:
    """The exception, if its class is one that this process can import as the place has."""
    try:
        error = None if data is None else pickle.loads(data)
    except Exception:
        return None
    return error if isinstance(error, Exception) else None
