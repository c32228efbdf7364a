"""Classes that are defined inside a resumable function, by their parts.

A class is made empty and then given its attributes, so that its methods can refer to it. What a dataclass or an
enumeration generated is generated anew.
"""

from __future__ import annotations

import abc
import dataclasses
import enum
import linecache
import types
from collections.abc import Callable
from typing import Any

from mobility.reducers.closures import writing
from mobility.reducers.functions import is_importable
from mobility.reducers.generators import module_here
from mobility.reducers.refusal import Refused
from mobility.resumable.plan import inner_of, plan_of

__all__ = ["METHOD_REDUCERS", "bear_class", "bear_enum", "dress_class", "reduce_class"]

#: What making a class creates by itself.
_MADE = frozenset(
    """__dict__ __weakref__ __module__ __qualname__ __slots__ __firstlineno__ __static_attributes__ _abc_impl
    __abstractmethods__ __match_args__""".split()
)
_DATACLASS = frozenset(
    """__dataclass_fields__ __dataclass_params__ __init__ __repr__ __eq__ __lt__ __le__ __gt__ __ge__ __hash__
    __setattr__ __delattr__ __replace__ __getstate__ __setstate__""".split()
)
_FIELD_OPTIONS = ("default", "default_factory", "init", "repr", "hash", "compare", "metadata", "kw_only")


def _is_own(function: types.FunctionType) -> bool:
    """Whether its source lies in a resumable function, or travels along, or it can be imported."""
    if writing.with_source and linecache.getlines(function.__code__.co_filename, function.__globals__):
        return True
    return inner_of(function) is not None or plan_of(function.__code__) is not None or is_importable(function)


def _functions(value: Any) -> list[types.FunctionType]:
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    parts = (value.fget, value.fset, value.fdel) if isinstance(value, property) else (value,)
    return [part for part in parts if isinstance(part, types.FunctionType)]


def _hooks(kind: type) -> bool:
    """Whether a base wants to know of its subclasses: it would be told again, and without the arguments."""
    return any("__init_subclass__" in base.__dict__ for base in kind.__mro__[1:-1])


def reduce_class(kind: type) -> Any:
    """By name if it can be imported; else, if it was defined in a resumable function, from its parts."""
    if "<locals>" not in kind.__qualname__ or is_importable(kind):
        return NotImplemented
    attributes = {name: value for name, value in kind.__dict__.items() if name not in _MADE}
    if isinstance(kind, enum.EnumMeta):
        return _reduce_enum(kind, attributes)
    if type(kind) not in (type, abc.ABCMeta) or _hooks(kind):
        what = f"the class {kind.__qualname__}, whose making runs a metaclass or __init_subclass__"
        raise Refused(what, "Define it at module level.")
    again: dict[str, Any] | None = None
    if "__dataclass_params__" in attributes:
        again = _dataclass_options(kind)
        attributes = {
            name: value
            for name, value in attributes.items()
            if name not in _DATACLASS or (_functions(value) and all(map(_is_own, _functions(value))))
        }
        attributes |= _fields(kind)
    for value in attributes.values():
        if not all(map(_is_own, _functions(value))):
            raise Refused(
                f"the class {kind.__qualname__}, parts of which were generated inside a function",
                "Define it at module level.",
            )
    slots = kind.__dict__.get("__slots__")
    for slot in (slots,) if isinstance(slots, str) else slots or ():
        attributes.pop(slot, None)
    made = (type(kind), kind.__name__, kind.__qualname__, kind.__module__, kind.__bases__, slots)
    return bear_class, made, (attributes, again), None, None, dress_class


def bear_class(meta: type, name: str, qualname: str, module: str, bases: tuple[type, ...], slots: Any) -> type:
    """A class without its attributes."""
    namespace: dict[str, Any] = {"__qualname__": qualname, "__module__": module_here(module)}
    if slots is not None:
        namespace["__slots__"] = slots
    return types.new_class(name, bases, {"metaclass": meta}, lambda body: body.update(namespace))


def dress_class(kind: type, state: tuple[dict[str, Any], dict[str, Any] | None]) -> None:
    """Give a class its attributes, and generate what a dataclass generates."""
    attributes, again = state
    if again is not None:
        attributes = {name: _field(value) if isinstance(value, _Field) else value for name, value in attributes.items()}
    for name, value in attributes.items():
        setattr(kind, name, value)
        announce = getattr(type(value), "__set_name__", None)
        if announce is not None:
            announce(value, kind, name)
    if again is not None:
        dataclasses.dataclass(**again)(kind)
    if isinstance(kind, abc.ABCMeta):
        abc.update_abstractmethods(kind)  # type: ignore[arg-type]  # a class, whatever its metaclass


# -- dataclasses ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """The options of a field, which the class itself no longer shows."""

    options: dict[str, Any]


def _dataclass_options(kind: type) -> dict[str, Any]:
    made = kind.__dict__["__dataclass_params__"]
    if getattr(made, "slots", False) or "__slots__" in kind.__dict__:
        what = f"the dataclass {kind.__qualname__} with slots, defined in a function"
        raise Refused(what, "Define it at module level.")
    names = ("init", "repr", "eq", "order", "unsafe_hash", "frozen", "match_args", "kw_only")
    return {name: getattr(made, name) for name in names if hasattr(made, name)}


def _fields(kind: type) -> dict[str, Any]:
    own = kind.__dict__.get("__annotations__", {})
    made: dict[str, Any] = {}
    for name, field in kind.__dict__["__dataclass_fields__"].items():
        if name not in own:
            continue
        options = {option: getattr(field, option) for option in _FIELD_OPTIONS}
        options = {option: value for option, value in options.items() if value is not dataclasses.MISSING}
        options["metadata"] = dict(options["metadata"])
        made[name] = _Field(options)
    return made


def _field(described: _Field) -> Any:
    return dataclasses.field(**described.options)


# -- enumerations -----------------------------------------------------------------------------------------------------


def _reduce_enum(kind: enum.EnumMeta, attributes: dict[str, Any]) -> tuple[Any, ...]:
    members = {name: member._value_ for name, member in kind.__members__.items()}  # type: ignore[var-annotated]
    methods = {
        name: value
        for name, value in attributes.items()
        if _functions(value) and all(inner_of(f) is not None for f in _functions(value))
    }
    made = (type(kind), kind.__name__, kind.__qualname__, kind.__module__, kind.__bases__, members)
    return bear_enum, made, (methods, None), None, None, dress_class


def bear_enum(
    meta: enum.EnumMeta, name: str, qualname: str, module: str, bases: tuple[type, ...], members: dict[str, Any]
) -> type:
    """An enumeration without its methods."""
    body = meta.__prepare__(name, bases)
    body["__qualname__"] = qualname
    body["__module__"] = module_here(module)
    for member, value in members.items():
        body[member] = value
    make: Callable[..., type] = meta
    return make(name, bases, body)


# -- what stands in a class -------------------------------------------------------------------------------------------


def _reduce_property(value: property) -> tuple[Any, ...]:
    return property, (value.fget, value.fset, value.fdel, value.__doc__)


METHOD_REDUCERS: dict[type, Any] = {
    classmethod: lambda value: (classmethod, (value.__func__,)),
    staticmethod: lambda value: (staticmethod, (value.__func__,)),
    property: _reduce_property,
}
