"""A look at the local variables of a suspended generator, written when it is packed and shown by ``sojourn inspect``.

It is a claim of the sender about values that nobody has to decode for it. No method of a value is called: of types
other than the built-in ones and numpy's arrays only the name is told.
"""

from __future__ import annotations

import reprlib
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from mobility.plain import PlainLimits, decode, encode
from mobility.reducers.generators import read
from mobility.resumable.plan import plan_of

__all__ = ["MOST_DEPTH", "MOST_VARIABLES", "preview_of", "read_preview", "shown"]

MOST_VARIABLES = 64
MOST_DEPTH = 16
_TEXT = 80
_SCALARS = frozenset({int, float, complex, bool, str, bytes, type(None)})
#: What `preview_of` writes is well within these, whatever a sender writes.
_LIMITS: Final = PlainLimits(
    total_bytes=1 << 20,
    nodes=20_000,
    text_length=1 << 12,
    bytes_length=0,
    array_bytes=0,
    integer_bits=64,
    fraction_bits=0,
    decimal_digits=0,
    hashed_members=16,
    collisions=16,
    hash_work=20_000,
)
_SIZED: dict[type, str] = {list: "items", tuple: "items", dict: "entries", set: "items", frozenset: "items"}


def preview_of(generator: types.GeneratorType[Any, Any, Any]) -> bytes:
    """The local variables of a generator and of those that it delegates to, in the plain codec.

    Returns
    -------
    bytes
        Of ``{"locals": [[name, type, text], ...], "delegates": [[function, line, locals], ...]}``.
    """
    delegates: list[list[Any]] = []
    delegate = generator.gi_yieldfrom
    while len(delegates) < MOST_DEPTH and type(delegate) is types.GeneratorType:
        plan = plan_of(delegate.gi_code)
        if plan is None or delegate.gi_frame is None:
            break
        delegates.append([plan.qualname, delegate.gi_frame.f_lineno, _variables(delegate)])
        delegate = delegate.gi_yieldfrom
    return encode({"locals": _variables(generator), "delegates": delegates})


def read_preview(data: bytes | memoryview) -> dict[str, Any]:
    """What a preview tells, as data; what in it has another form than `preview_of` writes is left out.

    Returns
    -------
    dict
        ``{"variables": [{"name", "type", "text"}], "delegates": [{"function", "line", "variables"}], "problem": slug}``

    Raises
    ------
    mobility.errors.MobilityError
        If it is not of the plain codec.
    """
    told = decode(data, limits=_LIMITS)
    if type(told) is not dict:
        return {"variables": [], "delegates": [], "problem": "not-a-preview"}
    delegates = [
        {"function": item[0], "line": item[1], "variables": _rows(item[2])}
        for item in _items(told.get("delegates"), MOST_DEPTH)
        if _is(item, (str, int, list))
    ]
    return {"variables": _rows(told.get("locals")), "delegates": delegates, "problem": None}


def _rows(told: Any) -> list[dict[str, str]]:
    return [
        dict(zip(("name", "type", "text"), item, strict=True))
        for item in _items(told, MOST_VARIABLES)
        if _is(item, (str, str, str))
    ]


def _items(told: Any, most: int) -> Iterable[Any]:
    return told[:most] if type(told) is list else ()


def _is(item: Any, kinds: tuple[type, ...]) -> bool:
    return type(item) in (list, tuple) and len(item) == len(kinds) and all(map(lambda a, b: type(a) is b, item, kinds))


def _variables(generator: types.GeneratorType[Any, Any, Any]) -> list[list[str]]:
    reading = read(generator)
    found = {name: value for name, value in reading.values.items() if name[0] != "."}
    for name, cell in reading.cells.items():
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue  # not bound
    found.pop("__class__", None)
    return shown(found)


def shown(found: Mapping[str, Any]) -> list[list[str]]:
    """Name, type and short text of each variable; no method of a value is called."""
    return [[name[:_TEXT], _type_name(value), _brief(value)] for name, value in sorted(found.items())[:MOST_VARIABLES]]


def _type_name(value: Any) -> str:
    kind = type(value)
    return (kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}")[:_TEXT]


class _Brief(reprlib.Repr):
    """Of built-in types alone; anything else is told by its type."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 3
        self.maxstring = self.maxlong = 40

    def repr1(self, x: Any, level: int) -> str:
        kind = type(x)
        if kind in (float, complex, bool, type(None)):
            return repr(x)
        if kind in (int, str):
            shown: Callable[[Any, int], str] = self.repr_int if kind is int else self.repr_str
            return shown(x, level)
        if kind is bytes:
            return repr(x[:20]) + ("..." if len(x) > 20 else "")
        if kind in _SIZED:
            method: Callable[[Any, int], str] = getattr(self, f"repr_{kind.__name__}")
            return method(x, level)
        return f"<{_type_name(x)}>"


_brief_repr = _Brief()


def _brief(value: Any) -> str:
    kind = type(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray:
        return f"{value.dtype} {list(value.shape)}"
    if kind is int and value.bit_length() > 4096:
        return f"an integer of {value.bit_length()} bits"
    text = _brief_repr.repr1(value, _brief_repr.maxlevel)
    if kind in _SIZED and len(value) > 3:
        text = f"{len(value)} {_SIZED[kind]}: {text}"
    return text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."
