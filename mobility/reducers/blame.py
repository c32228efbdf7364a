"""Finds the variable to blame when a generator cannot be captured. Runs only after a capture has failed."""

from __future__ import annotations

import collections
import functools
import io
import types
from collections.abc import Callable, Iterator
from typing import Any

from mobility.errors import MobilityError, NotMovable
from mobility.reducers.generators import read
from mobility.reducers.pickler import Pickler
from mobility.reducers.refusal import Refused
from mobility.reducers.values import remedy
from mobility.resumable.plan import Plan, plan_of, split_label

__all__ = ["Dump", "culprit", "explain", "reason_for"]

_DEPTH = 50


Dump = Callable[[Any], object]


def _dump(value: Any) -> None:
    Pickler(io.BytesIO(), buffer_callback=lambda _: None).dump(value)


def _try(value: Any, dump: Dump) -> BaseException | None:
    """What goes wrong when this value alone is dumped."""
    try:
        dump(value)
    except (Exception, RecursionError) as error:
        return error
    return None


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value consists of, with the way there."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"[{key!r}]", item
            yield f" key {key!r}", key
    elif isinstance(value, list | tuple | collections.deque):
        for index, item in enumerate(value):
            yield f"[{index}]", item
    elif isinstance(value, set | frozenset):
        for item in value:
            yield " member", item
    elif isinstance(value, types.CellType):
        try:
            yield "", value.cell_contents
        except ValueError:
            return
    elif isinstance(value, functools.partial):
        yield ".func", value.func
        for index, item in enumerate(value.args):
            yield f".args[{index}]", item
        for key, item in value.keywords.items():
            yield f".keywords[{key!r}]", item
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    elif isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            yield f" (captured {name})", cell
    elif not isinstance(value, type) and hasattr(value, "__dict__"):
        for name, item in vars(value).items():
            yield f".{name}", item


def culprit(way: str, value: Any, dump: Dump, depth: int = 0) -> tuple[str, Any]:
    """The innermost part that cannot be dumped by itself, and the way there."""
    if depth < _DEPTH and not isinstance(value, types.GeneratorType) and remedy(value) is None:
        for step, part in _parts(value):
            if part is not value and _try(part, dump) is not None:
                return culprit(way + step, part, dump, depth + 1)
    return way, value


def _names(plan: Plan, label: int, values: dict[str, Any]) -> Iterator[tuple[str, str, int, Any]]:
    """Variables with the name, as people know it, and the line at which each was bound."""
    for name, value in values.items():
        if name[0] != ".":
            yield name, f"variable {name!r}", plan.binding_line(name, label), value
    for name, value in values.items():
        if name[0] == ".":
            line = plan.slot_line(name, label)
            shown = {"i": "the iterator of the loop", "m": "the manager of the with statement"}.get(name[1])
            shown = shown or ("what it delegates to" if name == ".y" else "an operand that waits for the yield")
            yield name, shown, line, value


def explain(generator: types.GeneratorType[Any, Any, Any], error: BaseException, dump: Dump = _dump) -> MobilityError:
    """The error to raise instead of `error`: names variable, line, type and remedy.

    Parameters
    ----------
    dump
        Fails for a value that cannot move.
    """
    plan = plan_of(generator.gi_code)
    if plan is None:
        return _not_movable(generator.gi_code.co_qualname, "the generator", generator.gi_code.co_filename,
                            generator.gi_code.co_firstlineno, "generator", error)  # fmt: skip
    reading = read(generator)
    number = split_label(reading.label)[0]
    values = {**reading.values, **reading.cells}
    for name, shown, line, value in _names(plan, number, values):
        problem = _try(value, dump)
        if problem is None:
            continue
        if isinstance(value, types.GeneratorType) and plan_of(value.gi_code) is not None:
            if value is not generator:
                return explain(value, problem, dump)
        way, part = culprit("", value, dump)
        problem = _try(part, dump) or problem
        known = remedy(part)
        if known is not None:
            problem = Refused("bound to this process or this machine", known)
        shown = f"{shown} at {way.strip()}" if way and not name.startswith(".") else shown
        kind = type(part)
        described = f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__qualname__
        return _not_movable(plan.name, shown, plan.filename, line, described, problem)
    return _not_movable(plan.name, "its state", plan.filename, plan.lines[number], "a value", error)


def _not_movable(function: str, variable: str, filename: str, line: int, kind: str, error: BaseException) -> NotMovable:
    reason, remedy = reason_for(error)
    return NotMovable(
        function=function, variable=variable, filename=filename, line=line, kind=kind, reason=reason, remedy=remedy
    )


def reason_for(error: BaseException) -> tuple[str, str]:
    """Why a value cannot move, and what to do instead."""
    if isinstance(error, Refused):
        return f"it is {error.what}", error.remedy
    if isinstance(error, RecursionError):
        return "it is nested too deeply for pickle", "Keep it in a flatter form while the generator is suspended."
    remedy = "Close or delete it before the yield, or rebuild it after, or give its type a __reduce__."
    return f"pickle refuses it ({error})", remedy
