"""An agent's exception as plain data, and the exception that is made of it where somebody is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from agents.cell import Raised, describe
from agents.errors import AgentFailed
from mobility.errors import MobilityError
from mobility.plain import encode

__all__ = ["RemoteTrace", "as_row", "rebuilt", "remade", "unknown_error"]

#: Larger arguments and attributes of an exception stay where they are.
_MOST_BYTES: Final = 100_000


class RemoteTrace(Exception):
    """The traceback at the place, shown as the cause of an agent's exception.

    Attributes
    ----------
    told
        The exception as `as_row` wrote it down.
    otherwise
        What stands for it where there is no class of its name.
    """

    def __init__(self, trace: str, told: Mapping[str, Any] | None = None, otherwise: Exception | None = None) -> None:
        super().__init__(trace)
        self.trace = trace
        self.told = told
        self.otherwise = otherwise

    def __str__(self) -> str:
        return f"\n{self.trace}"


def as_row(raised: Raised) -> dict[str, Any]:
    """Type, message and traceback of an exception; its arguments and attributes as far as they are plain."""
    if raised.row is not None:
        return dict(raised.row)
    error = raised.error
    kind, text = describe(error)
    row: dict[str, Any] = {"kind": _clean(kind), "text": _clean(text), "trace": _clean(raised.trace)}
    args = _plain(lambda: list(error.args))
    row["args"] = [_clean(text)] if args is None else args
    attributes = {name: _plain(partial(vars(error).get, name)) for name in vars(error) if name != "__notes__"}
    row["attributes"] = {name: value for name, value in attributes.items() if value is not None}
    return row


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


def rebuilt(agent: str, told: Mapping[str, Any], package: str | None = None) -> Exception:
    """The exception, as `remade`; else `AgentFailed`, which tells all that is known."""
    return remade(told, package) or unknown_error(agent, told)


def unknown_error(agent: str, told: Mapping[str, Any]) -> AgentFailed:
    """All that is known of an exception of whose class nothing is."""
    return AgentFailed(agent, told["kind"], told["text"], told["trace"], told.get("places", ()))


def remade(told: Mapping[str, Any], package: str | None = None) -> Exception | None:
    """The exception, if this process has a class of that name, and it can be made here.

    Parameters
    ----------
    package
        Where the code of the agent that reads it is loaded, if one does: what it knows by name, it can catch.
    """
    module, _, qualname = told["kind"].rpartition(".")
    names = [_original(module) if module else "builtins"]
    if package is not None and module:
        names.insert(0, f"{package}.{names[0]}")  # of what came with the agent there may be less than there is
    for name in names:
        found: Any = sys.modules.get(name)
        for part in qualname.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type) and issubclass(found, Exception):
            return _made(found, told["args"], told["attributes"])
    return None


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
    except Exception:  # it cannot be made here
        return None
    return error


def _original(module: str) -> str:
    """The name that a module had where the agent was written."""
    from mobility.resumable.shipped import original_name

    return original_name(module)
