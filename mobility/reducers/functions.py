"""Functions that a resumable function defines inside, and the cells that they share with it.

A function inside is addressed by its place in the source of the resumable one (name, relative line, ordinal), never by
its bytecode, so it moves between Python versions. A cell is one object for all that capture it.
"""

from __future__ import annotations

import builtins
import sys
import types
from typing import Any

from mobility.errors import SnapshotInvalid
from mobility.reducers.generators import locate
from mobility.reducers.refusal import Refused
from mobility.resumable._runtime import READERS
from mobility.resumable.plan import inner_of, plan_of
from mobility.resumable.registry import provider
from mobility.resumable.shipped import home_name

__all__ = [
    "bear_function",
    "cell",
    "dress",
    "dress_function",
    "fill_cell",
    "found",
    "is_importable",
    "reader",
    "reduce_cell",
    "reduce_function",
    "reduce_type_parameter",
    "type_parameter",
]


def is_importable(value: Any) -> bool:
    """Whether importing the value's module and following its name leads to this very value."""
    found_here: Any = sys.modules.get(value.__module__ or "")
    for name in value.__qualname__.split("."):
        found_here = getattr(found_here, name, None)
    return found_here is value


# -- cells ------------------------------------------------------------------------------------------------------------


def cell() -> types.CellType:
    """An empty cell."""
    return types.CellType()


def fill_cell(target: types.CellType, content: tuple[Any]) -> None:
    target.cell_contents = content[0]


def reduce_cell(value: types.CellType) -> tuple[Any, ...]:
    try:
        content = value.cell_contents
    except ValueError:  # the variable is not bound
        return cell, ()
    return cell, (), (content,), None, None, fill_cell


# -- type parameters --------------------------------------------------------------------------------------------------


def reduce_type_parameter(parameter: Any) -> Any:
    """A type parameter of a resumable function (Python 3.12) belongs to it; any other is found by its name."""
    key = provider(parameter)
    return (type_parameter, key) if key is not None else parameter.__reduce__()


def type_parameter(module: str, qualname: str, digest: bytes, name: str) -> Any:
    """What the function has in the captured variable `name`."""
    return locate(module, qualname, digest).cells[name].cell_contents


# -- functions --------------------------------------------------------------------------------------------------------


def reduce_function(function: types.FunctionType) -> Any:
    """By the address of its source if it was defined in a resumable function; else as pickle does, by its name."""
    if function.__module__ == "mobility.v1":
        return NotImplemented  # of every snapshot; so decided first
    if function in READERS.values():
        return reader, (function.__name__,)
    plan = plan_of(function.__code__)
    if plan is not None:
        if is_importable(function):
            return NotImplemented
        key = (home_name(plan.module, function.__globals__), plan.qualname, plan.digest)
        if function.__closure__ is None or plan.provided:
            return found, key
        return bear_function, (*key, None, function.__closure__), dress(function), None, None, dress_function
    inner = inner_of(function)
    if inner is not None:
        plan = inner.plan
        module = home_name(plan.module, function.__globals__)
        arguments = (module, plan.qualname, plan.digest, inner.address, function.__closure__)
        return bear_function, arguments, dress(function), None, None, dress_function
    if is_importable(function):
        return NotImplemented
    raise Refused(
        f"the function {function.__qualname__}, which is not a member of its module",
        "Define it at module level, or inside the resumable function.",
    )


def reader(name: str) -> Any:
    """What stands for a builtin that reads its caller's variables."""
    return READERS[getattr(builtins, name)]


def dress(function: types.FunctionType) -> dict[str, Any]:
    """What a function has beside its code and its captured variables."""
    code = function.__code__
    state: dict[str, Any] = {
        "__defaults__": function.__defaults__,
        "__kwdefaults__": function.__kwdefaults__,
        "__dict__": dict(function.__dict__),
        "__annotations__": dict(function.__annotations__),
    }
    state = {name: value for name, value in state.items() if value}
    if function.__name__ != code.co_name:
        state["__name__"] = function.__name__
    if function.__qualname__ != code.co_qualname:
        state["__qualname__"] = function.__qualname__
    documented = code.co_consts[0] if code.co_consts and isinstance(code.co_consts[0], str) else None
    if function.__doc__ != documented:
        state["__doc__"] = function.__doc__
    return state


def found(module: str, qualname: str, digest: bytes) -> types.FunctionType:
    """A resumable function that is not reached by its name, because something else bears it (a decorator above)."""
    home = locate(module, qualname, digest)
    code = home.plan.code
    closure = tuple(home.cells[name] for name in code.co_freevars)
    return types.FunctionType(code, home.globals, code.co_name, None, closure)


def bear_function(
    module: str,
    qualname: str,
    digest: bytes,
    address: tuple[str, int, int] | None,
    closure: tuple[types.CellType, ...] | None,
) -> types.FunctionType:
    """A function inside a resumable one, over given cells; `address` None: the resumable closure itself."""
    home = locate(module, qualname, digest)
    code = home.plan.code if address is None else home.plan.inner.get(address)
    if code is None:
        raise SnapshotInvalid(f"{home.plan.name} defines no function {address[0] if address else ''} at this place")
    return types.FunctionType(code, home.globals, code.co_name, None, closure or ())


def dress_function(function: types.FunctionType, state: dict[str, Any]) -> None:
    for name, value in state.items():
        if name == "__dict__":
            function.__dict__.update(value)
        else:
            setattr(function, name, value)
