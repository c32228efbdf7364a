"""From functions to plans, and from a snapshot's key to the function that is found here."""

from __future__ import annotations

import importlib
import sys
import threading
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from mobility.errors import FunctionNotFound, ResumableError, SourceMismatch
from mobility.resumable._source import FunctionSource, check_text, find_source
from mobility.resumable.plan import Plan, make_plan, plan_of
from mobility.resumable.shipped import shared_name

__all__ = ["Bounded", "Home", "find", "is_outdated", "note", "plan_for", "provider"]

_EMPTY = types.CellType()
_GENERATOR = 0x20  # CO_GENERATOR
_lock = threading.RLock()
_K = TypeVar("_K")
_V = TypeVar("_V")


class Bounded(dict[_K, _V]):
    """A table that forgets its oldest entry when it is full: all that it holds can be found again."""

    CAPACITY = 1024

    def __setitem__(self, key: _K, value: _V) -> None:
        while len(self) >= self.CAPACITY:
            self.pop(next(iter(self)), None)
        super().__setitem__(key, value)


_plans: Bounded[tuple[str, types.CodeType], Plan] = Bounded()
_homes: Bounded[tuple[str, str, bytes], Home] = Bounded()


@dataclass(frozen=True, slots=True)
class Home:
    """A plan and what a function needs beside its code.

    Attributes
    ----------
    cells
        The function's own captured variables, for one that is not made by another function (``__class__``, type
        parameters); else none, and the snapshot brings them.
    """

    plan: Plan
    globals: dict[str, Any]
    cells: dict[str, types.CellType]


def plan_for(code: types.CodeType, module: str, module_globals: dict[str, Any]) -> Plan:
    """The plan of a generator function's code, transformed on first use.

    Raises
    ------
    ResumableError
        If the function cannot be made resumable.
    """
    plan = plan_of(code)
    if plan is not None:
        return plan
    module = shared_name(module)
    key = (code.co_filename, code)
    with _lock:
        plan = _plans.get(key)
        if plan is None or plan.module != module:
            source = find_source(code, code.co_qualname, module_globals)
            plan = _made(source, module, code)
            check_text(source, code, code.co_qualname)
            _plans[key] = plan
        return plan


def _made(source: FunctionSource, module: str, code: types.CodeType) -> Plan:
    try:
        return make_plan(source, module, code.co_qualname, code.co_freevars)
    except RecursionError as error:
        raise ResumableError(
            "an expression or a chain of elif in it is nested too deeply",
            function=code.co_qualname,
            filename=source.filename,
            line=code.co_firstlineno,
            remedy="Split it into several statements or functions, or raise sys.setrecursionlimit before decorating.",
        ) from error


def note(plan: Plan, function: types.FunctionType) -> None:
    """Remember where a function that has been made resumable lives."""
    _homes[function.__module__, plan.qualname, plan.digest] = _home(plan, function)


def _home(plan: Plan, function: types.FunctionType) -> Home:
    names = function.__code__.co_freevars
    own = "<locals>" not in plan.qualname
    cells = dict(zip(names, function.__closure__ or (), strict=True)) if own else {}
    return Home(plan, function.__globals__, cells)


def find(module: str, qualname: str, digest: bytes) -> Home:
    """Return the function that a snapshot names.

    Raises
    ------
    FunctionNotFound
        If there is none of this name.
    SourceMismatch
        If the one of this name has another source.
    """
    name, _, number = qualname.partition("#")
    home = _homes.get((module, name, digest))
    if home is None or is_outdated(home, module):
        with _lock:
            home = _search(module, name, digest)
    if number:
        plan = home.plan.nested.get(f".g{number}")
        if plan is None:
            raise FunctionNotFound(module, qualname, f"it has no generator expression number {number}")
        return Home(plan, home.globals, home.cells)
    return home


def provider(content: Any) -> tuple[str, str, bytes, str] | None:
    """The key of a function that has `content` in a captured variable of its own, and the variable."""
    for key, home in list(_homes.items()):
        for name, cell in home.cells.items():
            if cell != _EMPTY and cell.cell_contents is content:
                return (*key, name)
    return None


def is_outdated(home: Home, module: str) -> bool:
    """Whether the module was imported anew since: the function's globals would be the old ones."""
    present = sys.modules.get(module)
    known = home.globals.get("__name__") == module and "__spec__" in home.globals
    return known and present is not None and vars(present).get("__spec__") is not home.globals.get("__spec__")


def _search(module: str, qualname: str, digest: bytes) -> Home:
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever its module's own statements raise
        reason = f"importing {module} failed ({type(error).__name__}: {error})"
        raise FunctionNotFound(module, qualname, reason) from error
    home = _homes.get((module, qualname, digest))  # the import may have decorated it
    if home is not None and not is_outdated(home, module):
        return home
    other: bytes | None = None
    for function, code in _candidates(vars(found), qualname.split(".")):
        if not code.co_flags & _GENERATOR:
            continue
        plan = plan_for(code, module, vars(found))
        if plan.digest == digest:
            home = _home(plan, function) if function is not None else Home(plan, vars(found), {})
            _homes[module, qualname, digest] = home
            return home
        other = plan.digest
    if other is None:
        other = next((d for m, q, d in _homes if (m, q) == (module, qualname)), None)
    if other is not None:
        raise SourceMismatch(module, qualname, digest.hex(), other.hex())
    raise FunctionNotFound(module, qualname, f"{module} defines no generator function of this name")


def _functions(value: Any) -> Iterator[types.FunctionType]:
    """The function behind decorators, descriptors and properties."""
    seen: set[int] = set()
    while value is not None and id(value) not in seen:
        seen.add(id(value))
        if isinstance(value, types.FunctionType):
            yield value
        follow = None
        for attribute in ("__wrapped__", "__func__", "fget", "func"):
            follow = getattr(value, attribute, None)
            if follow is not None:
                break
        value = follow


def _candidates(
    namespace: dict[str, Any], path: list[str]
) -> Iterator[tuple[types.FunctionType | None, types.CodeType]]:
    name, *rest = path
    if name not in namespace:
        return
    value = namespace[name]
    if not rest:
        for function in _functions(value):
            yield function, function.__code__
    elif rest[0] == "<locals>":
        for function in _functions(value):
            for code in _codes(function.__code__, rest[1:]):
                yield None, code
    elif isinstance(value, type):
        yield from _candidates(dict(vars(value)), rest)


def _codes(code: types.CodeType, path: list[str]) -> Iterator[types.CodeType]:
    """Code objects nested in `code` along a path of names."""
    name, *rest = path
    for value in code.co_consts:
        if not isinstance(value, types.CodeType):
            continue
        if value.co_name == name:
            if not rest:
                yield value
            else:
                yield from _codes(value, rest[1:] if rest[0] == "<locals>" else rest)
        elif value.co_name.startswith("<generic parameters"):
            yield from _codes(value, path)  # Python 3.12 compiles type parameters as a scope around
