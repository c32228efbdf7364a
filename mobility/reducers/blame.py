"""Finds the variable to blame when a generator cannot be captured. Runs only after a capture has failed."""

from __future__ import annotations

import collections
import io
import types
from collections.abc import Iterator
from typing import Any

from mobility.errors import MobilityError, NotMovable
from mobility.reducers.generators import read
from mobility.reducers.pickler import Pickler
from mobility.reducers.refusal import Refused
from mobility.reducers.values import remedy
from mobility.resumable.plan import Plan, plan_of, split_label

__all__ = ["explain"]

_DEPTH = 50


def _try(value: Any) -> BaseException | None:
    """What goes wrong when this value alone is dumped."""
    try:
        Pickler(io.BytesIO(), buffer_callback=lambda _: None).dump(value)
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
    elif isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            yield f" (captured {name})", cell
    elif not isinstance(value, type) and hasattr(value, "__dict__"):
        for name, item in vars(value).items():
            yield f".{name}", item


def _culprit(way: str, value: Any, depth: int = 0) -> tuple[str, Any]:
    """The innermost part that cannot be dumped by itself."""
    if depth < _DEPTH and not isinstance(value, types.GeneratorType) and remedy(value) is None:
        for step, part in _parts(value):
            if part is not value and _try(part) is not None:
                return _culprit(way + step, part, depth + 1)
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


def explain(generator: types.GeneratorType[Any, Any, Any], error: BaseException) -> MobilityError:
    """The error to raise instead of `error`: names variable, line, type and remedy."""
    plan = plan_of(generator.gi_code)
    if plan is None:
        return _not_movable(generator.gi_code.co_qualname, "the generator", generator.gi_code.co_filename,
                            generator.gi_code.co_firstlineno, "generator", error)  # fmt: skip
    reading = read(generator)
    number = split_label(reading.label)[0]
    values = {**reading.values, **reading.cells}
    for name, shown, line, value in _names(plan, number, values):
        problem = _try(value)
        if problem is None:
            continue
        if isinstance(value, types.GeneratorType) and plan_of(value.gi_code) is not None:
            if value is not generator:
                return explain(value, problem)
        way, part = _culprit("", value)
        problem = _try(part) or problem
        known = remedy(part)
        if known is not None:
            problem = Refused("bound to this process or this machine", known)
        shown = f"{shown} at {way.strip()}" if way and not name.startswith(".") else shown
        kind = type(part)
        described = f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__qualname__
        return _not_movable(plan.name, shown, plan.filename, line, described, problem)
    return _not_movable(plan.name, "its state", plan.filename, plan.lines[number], "a value", error)


def _not_movable(function: str, variable: str, filename: str, line: int, kind: str, error: BaseException) -> NotMovable:
    if isinstance(error, Refused):
        reason, remedy = f"it is {error.what}", error.remedy
    elif isinstance(error, RecursionError):
        reason = "it is nested too deeply for pickle"
        remedy = "Keep it in a flatter form while the generator is suspended."
    else:
        reason = f"pickle refuses it ({error})"
        remedy = "Close or delete it before the yield, or rebuild it after, or give its type a __reduce__."
    return NotMovable(
        function=function, variable=variable, filename=filename, line=line, kind=kind, reason=reason, remedy=remedy
    )
