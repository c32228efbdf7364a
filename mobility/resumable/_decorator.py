"""The decorator."""

from __future__ import annotations

import inspect
import types
from typing import Any, TypeVar

from mobility.errors import ResumableError
from mobility.resumable.plan import plan_of
from mobility.resumable.registry import note, plan_for

__all__ = ["resumable"]

_F = TypeVar("_F")


def resumable(function: _F) -> _F:
    """Make a generator function whose generators can be captured while they are suspended.

    Parameters
    ----------
    function
        A generator function, method, ``classmethod``, ``staticmethod``, lambda or closure. Its source must be at hand.
        Other decorators belong above this one.

    Returns
    -------
    function
        One that looks the same (name, signature, documentation, annotations, attributes) and makes native generators.

    Raises
    ------
    ResumableError
        If it is no generator function, has no source, or uses a construct that cannot move; names file, line and
        remedy.
    """
    if isinstance(function, classmethod | staticmethod):
        return type(function)(resumable(function.__func__))
    if not isinstance(function, types.FunctionType):
        raise _refused(function, f"it is a {type(function).__name__}, not a function", "Decorate the function itself.")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise _refused(function, "it is asynchronous", "Write it as an ordinary generator, and yield to wait.")
    if not inspect.isgeneratorfunction(function):
        raise _refused(function, "it contains no yield", "Add a yield where it may be suspended.")
    if plan_of(function.__code__) is not None:
        return function
    plan = plan_for(function.__code__, function.__module__, function.__globals__)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    made = types.FunctionType(
        plan.code,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(cells[name] for name in plan.code.co_freevars),
    )
    _look_alike(made, function)
    note(plan, made)
    return made  # type: ignore[return-value]  # a function, like the one given


def _look_alike(made: types.FunctionType, function: types.FunctionType) -> None:
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__ = function.__qualname__
    made.__module__ = function.__module__
    made.__doc__ = function.__doc__
    made.__annotations__ = function.__annotations__
    made.__dict__.update(function.__dict__)
    if hasattr(function, "__type_params__"):  # Python 3.12
        made.__type_params__ = function.__type_params__  # type: ignore[attr-defined]  # unknown to 3.11


def _refused(function: Any, problem: str, remedy: str) -> ResumableError:
    code = getattr(function, "__code__", None)
    return ResumableError(
        problem,
        function=getattr(function, "__qualname__", repr(function)),
        filename=getattr(code, "co_filename", "no file"),
        line=getattr(code, "co_firstlineno", 0),
        remedy=remedy,
    )
