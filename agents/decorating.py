"""The decorator `agent`: an ordinary generator function becomes one whose execution state can travel."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, overload

from agents.classes import check_class
from mobility.errors import ResumableError
from mobility.resumable import resumable
from mobility.resumable.plan import plan_of

__all__ = ["agent", "is_agent"]

_F = TypeVar("_F", bound=Callable[..., Any])


@overload
def agent(function: _F) -> _F: ...
@overload
def agent() -> Callable[[_F], _F]: ...


def agent(function: Any = None) -> Any:
    """Make a generator function an agent; its first parameter is the place where it is, whatever it is called.

    >>> from agents import agent, hop
    >>> @agent
    ... def survey(here, places):
    ...     for place in places:
    ...         here = yield hop(place)

    A function without ``yield`` is an agent too: it is born at a place, and ends there. A class is one if it has
    ``arrive(self, here)``: its attributes travel, and ``arrive`` starts anew at each place (see `agents.body`).

    Raises
    ------
    mobility.errors.ResumableError
        For a construct that cannot be suspended; says which, where, and what to write instead.
    TypeError
        If it has no parameter for the place, or is no function; of a class, if it has no ``arrive(self, here)``.
    """
    if function is None:
        return agent
    if isinstance(function, type):
        check_class(function)
        for name in ("arrive", "refused"):
            _make_leavable(function, name)
        return function
    if not callable(function):
        raise TypeError(f"a function can be an agent, not a {type(function).__qualname__}")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    ):
        raise TypeError(f"{function.__qualname__} needs a first parameter for the place, as in def survey(here): ...")
    if not inspect.isgeneratorfunction(function):
        return function
    return function if is_agent(function) else resumable(function)


def _make_leavable(kind: type, name: str) -> None:
    """Have a method that is a generator function be one that can be left in the middle, without its ``finally`` blocks.

    It need not be: where it is written in a way that cannot be suspended, those run where it leaves.
    """
    method = vars(kind).get(name)
    if inspect.isgeneratorfunction(method) and not is_agent(method):
        with suppress(ResumableError):
            setattr(kind, name, resumable(method))


def is_agent(function: Any) -> bool:
    """Whether the generators of a function can travel."""
    code = getattr(function, "__code__", None)
    return code is not None and plan_of(code) is not None
