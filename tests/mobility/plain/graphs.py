"""Graphs of plain values: drawn at random, with sharing and cycles, and compared without recursion."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import fractions
import pathlib
import struct
import uuid
import zoneinfo
from typing import Any

from hypothesis import strategies as st

from tests.mobility.plain.classes import Access, Colour, Identity, Level, Node, Point, registry

__all__ = ["Access", "Colour", "Identity", "Level", "Node", "Point", "registry"]

INSTANCES = (Node, Identity, Point)
NUMBERS = (
    st.integers()
    | st.integers(-(1 << 200), 1 << 200)
    | st.sampled_from([2**63, 2**63 - 1, -(2**63), -(2**63) - 1, 0, -1, 255, 256])
    | st.floats()
    | st.complex_numbers(allow_nan=True)
    | st.booleans()
    | st.decimals()
    | st.fractions()
)
TEXT = st.text(st.characters(), max_size=100) | st.text("\ud800\udfff\U0001f600é", max_size=4)
TIME_ZONES = (
    st.none()
    | st.builds(datetime.timezone, st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23)))
    | st.just(datetime.timezone(datetime.timedelta(hours=1), "CET"))
    | st.sampled_from(["UTC", "Europe/Oslo", "Asia/Baku", "America/Lima"]).map(zoneinfo.ZoneInfo)
)
TIMES = st.dates() | st.times(timezones=TIME_ZONES) | st.datetimes(timezones=TIME_ZONES) | st.timedeltas() | TIME_ZONES
PATHS = st.builds(pathlib.PurePosixPath, TEXT) | st.builds(
    pathlib.PureWindowsPath, st.text("ab/\\:. ", max_size=8)
).filter(lambda path: pathlib.PureWindowsPath(str(path)).parts == path.parts)  # the others are refused
ENUMS = st.sampled_from([*Colour, *Level, Access.READ, Access.READ | Access.WRITE, Access(0)])
_HASHABLE = (
    st.none() | NUMBERS | TEXT | st.binary(max_size=50) | TIMES | PATHS | ENUMS | st.uuids()
    | st.builds(range, st.integers(), st.integers(), st.integers(1, 9))
)  # fmt: skip
_ATOMS = (
    _HASHABLE
    | st.binary(max_size=20).map(bytearray)
    | st.builds(slice, st.none() | st.integers(), st.none() | st.integers(), st.none() | st.integers())
)


@st.composite
def hashable_atoms(draw: st.DrawFn) -> Any:
    return draw(_HASHABLE.filter(lambda value: not _is_signalling(value)))


@st.composite
def atoms(draw: st.DrawFn) -> Any:
    return draw(_ATOMS)


def _is_signalling(value: Any) -> bool:
    return type(value) is decimal.Decimal and value.is_snan()


_KEYS = st.recursive(
    hashable_atoms(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3) | st.builds(Point, inner, inner),
    max_leaves=4,
)


@st.composite
def keys(draw: st.DrawFn) -> Any:
    return draw(_KEYS)


KINDS = ["atom", "atom", "list", "dict", "set", "tuple", "frozenset", "node", "same", "point"]
SHARED = (list, tuple, dict, set, frozenset, bytearray, *INSTANCES)


@st.composite
def graphs(draw: st.DrawFn, most: int = 12) -> Any:
    """A value whose parts refer to each other at random: immutable ones to earlier parts, the others to any."""
    parts: list[Any] = []
    to_fill: list[Any] = []
    for _ in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(KINDS))
        earlier = st.sampled_from(parts) if parts else st.none()
        if kind == "atom":
            part = draw(atoms())
        elif kind == "tuple":
            part = tuple(draw(st.lists(earlier, max_size=3)))
        elif kind == "point":
            part = Point(draw(earlier), draw(earlier))
        elif kind == "frozenset":
            part = draw(st.frozensets(keys(), max_size=3))
        else:
            part = {"list": list, "dict": dict, "set": set, "node": Node, "same": Identity}[kind]()
            to_fill.append(part)
        parts.append(part)
    any_part = st.sampled_from(parts)
    for part in to_fill:
        if type(part) is list:
            part.extend(draw(st.lists(any_part, max_size=4) | st.lists(st.integers() | st.floats(), max_size=4)))
        elif type(part) is dict:
            chosen = draw(st.lists(TEXT | keys(), max_size=4))
            part.update((key, draw(any_part)) for key in chosen)
        elif type(part) is set:
            part.update(draw(st.sets(keys(), max_size=4)))
        elif type(part) is Node:
            part.left, part.right = draw(any_part), draw(any_part)
        else:
            part.value = draw(any_part)
    return draw(any_part | st.just(parts))


def difference(one: Any, other: Any) -> str | None:
    """What keeps two graphs from being the same, sharing and cycles included; nothing if they are."""
    there: dict[int, int] = {}
    back: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [(one, other, "")]
    while waiting:
        a, b, path = waiting.pop()
        path = path[-60:]  # of a path of 200,000 steps the last will do
        kind = type(a)
        if kind is not type(b):
            return f"{path}: {kind} became {type(b)}"
        if kind in SHARED and (a or kind not in (tuple, frozenset)):
            if there.setdefault(id(a), id(b)) != id(b) or back.setdefault(id(b), id(a)) != id(a):
                return f"{path}: shared differently"
            if id(a) in seen:
                continue
            seen.add(id(a))
        if kind in (list, tuple):
            if len(a) != len(b):
                return f"{path}: {len(a)} members became {len(b)}"
            waiting.extend((x, y, f"{path}[{i}]") for i, (x, y) in enumerate(zip(a, b)))
        elif kind is dict:
            if len(a) != len(b):
                return f"{path}: {len(a)} keys became {len(b)}"
            for n, (x, y) in enumerate(zip(a, b)):
                waiting += [(x, y, f"{path}.key{n}"), (a[x], b[y], f"{path}.value{n}")]
        elif kind in (set, frozenset):
            if len(a) != len(b):
                return f"{path}: {len(a)} members became {len(b)}"
            if sorted(map(shown, a)) != sorted(map(shown, b)):
                return f"{path}: {a} became {b}"
        elif kind in INSTANCES:
            waiting.extend(
                (getattr(a, f.name), getattr(b, f.name), f"{path}.{f.name}") for f in dataclasses.fields(kind)
            )
        elif shown(a) != shown(b):
            return f"{path}: {a!r} became {b!r}"
    return None


def shown(value: Any) -> str:
    """A value without identity, to the last bit."""
    if type(value) is float:
        return struct.pack("<d", value).hex()
    if type(value) is complex:
        return struct.pack("<dd", value.real, value.imag).hex()
    if type(value) in (tuple, frozenset):
        inner = list(map(shown, value))
        return type(value).__name__ + str(sorted(inner) if type(value) is frozenset else inner)
    if type(value) is Point:
        return f"Point({shown(value.x)}, {shown(value.y)})"
    if isinstance(value, (datetime.time, datetime.datetime)):
        return f"{value!r} {value.fold}"
    if isinstance(value, fractions.Fraction):
        return f"{value.numerator!r}/{value.denominator!r}"
    if isinstance(value, pathlib.PurePath):
        return f"{value!r} {value.parts}"
    if isinstance(value, uuid.UUID):
        return value.hex
    return f"{type(value).__name__} {value!r}"
