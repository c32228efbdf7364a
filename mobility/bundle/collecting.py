"""From a unit to its parts: which code it needs, its values, where it is suspended, what it requires.

Which code and which values depend on each other: values name classes, and functions need variables. Both are found
together, and what was found is remembered for units that name the same.
"""

from __future__ import annotations

import functools
import inspect
import os
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mobility.bundle.manifest import Suspension, UnitKind
from mobility.bundle.preview import preview_of
from mobility.code import CodeNotFound, Namespace, Root, Shipment, SourceMissing, close, namespace_of
from mobility.data import (
    DataSegment,
    NotPackable,
    encode_unit,
    state_of_modules,
    state_of_namespace,
    unmovable,
)
from mobility.resumable.plan import Plan, plan_of
from mobility.resumable.registry import Bounded
from mobility.resumable.shipped import home_name, original_name

__all__ = ["Collected", "collect", "entry_of", "unit_of"]

_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Collected:
    """The parts of a unit.

    Attributes
    ----------
    code, code_digest
        The document of the code segment, and its SHA-256.
    outside
        Modules of installed distributions that code and values name.
    origin
        Where the code lives, if the unit came in a bundle.
    """

    kind: UnitKind
    entry_point: str
    suspension: Suspension | None
    code: bytes = field(repr=False)
    code_digest: bytes
    data: DataSegment
    preview: bytes | None
    outside: frozenset[str]
    origin: Namespace | None


def unit_of(unit: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, UnitKind]:
    """What travels, and of which kind it is: a function travels with its arguments, as a ``functools.partial``.

    Raises
    ------
    TypeError
        For arguments with anything but a function or class.
    """
    if isinstance(unit, type | types.FunctionType | types.BuiltinFunctionType | types.MethodType | functools.partial):
        if inspect.iscoroutinefunction(unit) or inspect.isasyncgenfunction(unit):
            raise NotPackable("the unit", "an asynchronous function", "it runs on an event loop",
                              "Write it as a function, or as a resumable generator.")  # fmt: skip
        return functools.partial(unit, *args, **kwargs), UnitKind.FUNCTION
    if args or kwargs:
        raise TypeError(f"arguments go with a function or a class, and the unit is a {type(unit).__qualname__}")
    return unit, UnitKind.GENERATOR if isinstance(unit, types.GeneratorType) else UnitKind.OBJECT


def collect(unit: Any, kind: UnitKind, *, preview: bool = True) -> Collected:
    """Take a unit apart; it stays as it is.

    Parameters
    ----------
    preview
        Whether to show the variables of a generator.

    Raises
    ------
    NotMovable, NotPackable, GeneratorRunning, ForeignCode, SourceMissing
        If it cannot travel.
    """
    plan = plan_of(unit.gi_code) if isinstance(unit, types.GeneratorType) else None
    module, qualname = _entry(unit, plan)
    own = namespace_of(module)
    if own is not None:
        data = encode_unit(unit, state_of_namespace(own), own)
        code, digest, outside = own.data, own.digest, own.outside | data.outside
    else:
        shipment, data = _settled(unit, (module, qualname, kind))
        code, digest, outside = shipment.data, shipment.digest, shipment.outside | data.outside
    return Collected(
        kind,
        f"{original_name(module)}:{qualname}",
        _suspension(unit, plan) if plan is not None else None,
        code,
        digest,
        data,
        preview_of(unit) if preview and plan is not None else None,
        outside,
        own,
    )


def entry_of(generator: types.GeneratorType[Any, Any, Any]) -> Any:
    """The function of a generator that came in a bundle, to start anew: with the variables that its modules have here.

    Raises
    ------
    CodeNotFound
        If its code came in no bundle, or has no function of that name: one that is defined within another function.
    """
    module, qualname = _entry(generator, plan_of(generator.gi_code))
    own = namespace_of(module)
    if own is None:
        raise CodeNotFound(f"the function {qualname} of {module}")
    return own.entry(f"{original_name(module)}:{qualname}")


def _entry(unit: Any, plan: Plan | None) -> tuple[str, str]:
    if plan is not None:
        frame = unit.gi_frame
        return home_name(plan.module, frame.f_globals if frame is not None else {}), plan.qualname
    if isinstance(unit, types.GeneratorType):  # encoding it will say what is wrong
        return "builtins", unit.__qualname__
    named = unit
    while isinstance(named, functools.partial | types.MethodType):
        named = named.func if isinstance(named, functools.partial) else named.__func__
    if not isinstance(named, type | types.FunctionType | types.BuiltinFunctionType):
        named = type(named)
    return getattr(named, "__module__", None) or "builtins", named.__qualname__


def _suspension(unit: types.GeneratorType[Any, Any, Any], plan: Plan) -> Suspension | None:
    if not unit.gi_suspended or unit.gi_frame is None:
        return None
    line = unit.gi_frame.f_lineno
    first = plan.source.node.lineno
    rows = plan.source.text.split("\n")
    text = rows[line - first].strip() if 0 <= line - first < len(rows) else ""
    return Suspension.shown(function=plan.qualname, file=os.path.basename(plan.filename), line=line, text=text)


# -- code and values, found together ----------------------------------------------------------------------------------

_shipments: Bounded[tuple[frozenset[Root], frozenset[tuple[str, str]]], Shipment] = Bounded()
#: What units of one entry point named the last time.
_usual: Bounded[tuple[Any, ...], tuple[frozenset[Root], frozenset[tuple[str, str]]]] = Bounded()


def _shipment(roots: frozenset[Root], by_source: frozenset[tuple[str, str]]) -> Shipment:
    known = _shipments.get((roots, by_source))
    if known is None or not known.is_current:
        known = _shipments[roots, by_source] = close(roots, by_source)
    return known


def _settled(unit: Any, entry: tuple[Any, ...]) -> tuple[Shipment, DataSegment]:
    guess = _usual.get(entry)
    roots, by_source = guess if guess is not None else (frozenset[Root](), frozenset[tuple[str, str]]())
    for _ in range(_ROUNDS):
        try:
            shipment = _shipment(roots, by_source)
        except SourceMissing:
            if guess is None:
                raise
            guess, roots, by_source = None, frozenset(), frozenset()
            continue
        modules = state_of_modules(shipment.values, shipment.early, shipment.made)
        stuck = unmovable(modules) & shipment.sourced
        if stuck - by_source:
            by_source |= stuck  # like a lock: its own statement makes it anew
            continue
        data = encode_unit(unit, modules)
        if data.roots == roots or (data.roots < roots and guess is None):
            _usual[entry] = (roots, by_source)
            return shipment, data
        if guess is not None:
            guess, roots, by_source = None, frozenset(), frozenset()  # it names something else than the last time
        else:
            roots |= data.roots
    raise RuntimeError(f"the code of {entry[0]}.{entry[1]} did not settle")
