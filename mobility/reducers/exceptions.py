"""Reducer for exceptions of every class.

Pickle's own form calls the class with `args` again, which fails for many constructors, and forgets the cause, the
context, and what was set later. Here an exception is made bare, without its class's `__init__`, and then gets its
arguments, the fields that its builtin base keeps in C, its attributes, and its chain. It exists before its parts do,
so chains and arguments may lead back to it.

A class that says by itself how it is pickled is believed; only the chain is added. Tracebacks do not move.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any

from mobility.reducers.values import remedy

Reduced = tuple[Any, ...]

_STATIC = 1 << 9  # Py_TPFLAGS_HEAPTYPE is not set on the interpreter's own classes

# What the builtin classes keep beside `args`, as attributes that can be set. A field that holds None is left alone: an
# OSError without a filename prints otherwise than one whose filename is None.
_FIELDS: dict[type[BaseException], tuple[str, ...]] = {
    AttributeError: ("name", "obj"),
    ImportError: ("msg", "name", "path", "name_from"),
    NameError: ("name",),
    OSError: ("errno", "strerror", "filename", "filename2", "winerror", "characters_written"),
    StopIteration: ("value",),
    SyntaxError: (
        "msg",
        "filename",
        "lineno",
        "offset",
        "text",
        "end_lineno",
        "end_offset",
        "print_file_and_line",
    ),
    SystemExit: ("code",),
    UnicodeDecodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeEncodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeTranslateError: ("object", "start", "end", "reason"),
}
_ATOMS = frozenset((str, int, float, bool, bytes, complex, type(None)))


def bare(kind: type[BaseException], *group: Any) -> BaseException:
    """Return an exception of `kind` on which no constructor of Python code was run."""
    error: BaseException = _maker(kind)(kind, *group)
    return error


def _maker(kind: type) -> Callable[..., Any]:
    # The one constructor that the interpreter accepts for this class is that of the builtin base which determines the
    # layout of its objects. (ExceptionGroup is made at start-up, hence not static, but has its base's constructor.)
    while not _is_static(kind):
        assert kind.__base__ is not None
        kind = kind.__base__
    make: Callable[..., Any] = kind.__new__
    return make


def _is_static(kind: type) -> bool:
    return not kind.__flags__ & _STATIC


def _fields(error: BaseException) -> dict[str, Any]:
    """Return what the builtin bases of the error keep beside its args."""
    fields: dict[str, Any] = {}
    for kind, names in _FIELDS.items():
        if not isinstance(error, kind):
            continue
        for name in names:
            try:
                value = getattr(error, name)
            except (AttributeError, TypeError):  # never set
                continue
            if value is not None:
                fields[name] = value
    if "obj" in fields and isinstance(error, AttributeError) and remedy(fields["obj"]) is not None:
        # Kept for suggestions in tracebacks only. A lock there must not hold up the whole.
        del fields["obj"]
    return fields


def _chain(error: BaseException) -> dict[str, Any]:
    chain: dict[str, Any] = {}
    if error.__cause__ is not None:
        chain["__cause__"] = error.__cause__
    if error.__context__ is not None:
        chain["__context__"] = error.__context__
    # After the cause, which sets it.
    if error.__suppress_context__ or error.__cause__ is not None:
        chain["__suppress_context__"] = error.__suppress_context__
    return chain


def dress(error: BaseException, state: tuple[tuple[Any, ...], dict[str, Any], Any]) -> None:
    """Give a bare exception its arguments, its fields and chain, and its attributes."""
    error.args, fields, attributes = state
    for name, value in fields.items():
        BaseException.__setattr__(error, name, value)
    if attributes is not None:
        _set_attributes(error, attributes)


def _set_attributes(error: BaseException, state: Any) -> None:
    # As pickle does it, but for BaseException.__setstate__, which would run user-defined properties.
    if type(error).__setstate__ is not BaseException.__setstate__:
        error.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if attributes:
        error.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(error, name, value)


def link(error: BaseException, state: tuple[Any, Any, dict[str, Any]]) -> None:
    """Give an exception made by its own reduce function the state that this function told, and its chain."""
    own, setter, chain = state
    if setter is not None:
        setter(error, own)
    elif own is not None:
        _set_attributes(error, own)
    for name, value in chain.items():
        BaseException.__setattr__(error, name, value)


def _own_reduction(error: BaseException) -> Any:
    """Return what the error's class says of its pickling, or None if it leaves that to a builtin class."""
    kind = type(error)
    registered = copyreg.dispatch_table.get(kind)
    if registered is not None:
        return registered(error)
    for base in kind.__mro__:
        if base is BaseException:
            return None
        if ("__reduce_ex__" in vars(base) or "__reduce__" in vars(base)) and not _is_static(base):
            return error.__reduce_ex__(5)
    return None


def _attributes(error: BaseException) -> Any:
    kind = type(error)
    for base in kind.__mro__:
        if "__getstate__" in vars(base):
            if _is_static(base):
                break
            return error.__getstate__()
    slots = {name: getattr(error, name) for name in copyreg._slotnames(kind) if hasattr(error, name)}  # type: ignore[attr-defined]
    attributes = dict(error.__dict__)
    return (attributes, slots) if slots else attributes or None


def reduce_exception(error: BaseException) -> Any:
    """Return the reduce tuple of an exception of any class."""
    kind = type(error)
    chain = _chain(error)
    own = _own_reduction(error)
    if own is not None:
        if "__notes__" in error.__dict__:
            chain["__notes__"] = error.__dict__["__notes__"]  # written by add_note, of which the class knows nothing
        return _with_chain(own, chain)
    fields = _fields(error)
    attributes = _attributes(error)
    # The short form, for what it says all of.
    if not (chain or fields or attributes) and _is_static(kind) and all(type(value) in _ATOMS for value in error.args):
        return kind, error.args
    group = (error.message, error.exceptions) if isinstance(error, BaseExceptionGroup) else ()
    return bare, (kind, *group), (error.args, {**fields, **chain}, attributes), None, None, dress


def _with_chain(own: Any, chain: dict[str, Any]) -> Any:
    if isinstance(own, str) or not chain:
        return own
    parts: list[Any] = [*own, *[None] * (6 - len(own))]
    make, arguments, state, items, pairs, setter = parts
    return make, arguments, (state, setter, chain), items, pairs, link


#: By exact type there is none: `reduce_exception` serves every class.
REDUCERS: dict[type, Callable[[Any], Any]] = {}

#: What the reduce tuples name.
LOADERS = (bare, dress, link)
