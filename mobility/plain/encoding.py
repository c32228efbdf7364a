"""A value as the bytes of format 1: one walk, breadth first, without recursion.

The same graph of values gives the same bytes, in every process: sets are written in an order of their own. To the
graph belongs which lists, dicts, tuples, arrays and other objects are one and the same; numbers, text, None, truth
values and short bytes have no identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from operator import countOf
from typing import Any

from mobility.plain import arrays, atoms, classes
from mobility.plain.hashing import DEEPEST, Hashing, ImmutableCycle, TooDeep, refuse_cycles
from mobility.plain.nodes import SLICE_PARTS, Nodes
from mobility.plain.ordering import Ordering
from mobility.plain.refusal import Refused, explained
from mobility.plain.registry import Registered, Registry
from mobility.plain.wire import (
    SHORT,
    Kind,
    pack_floats,
    pack_integers,
    pack_references,
    pack_text,
    pack_texts,
    pack_varint,
)

__all__ = ["encode", "encode_buffers"]

_INSIDE = 1 << 63  # no memory is as large
_NOTHING = Registry()
_PACKED = frozenset({int, float, str})


def encode(value: Any, *, registry: Registry | None = None, name: str = "value") -> bytes:
    """Write a plain value as one message.

    Parameters
    ----------
    value
        None, truth values, numbers, text, bytes, lists, tuples, dicts, sets, ranges, slices; dates, times, durations
        and time zones; decimals, fractions, UUIDs, pure paths; numpy's arrays and scalars; registered dataclasses and
        enums. Of exactly these types; with any sharing and any cycles, and nested to any depth.
    registry
        The dataclasses and enums that may cross.
    name
        What messages call the value as a whole.

    Raises
    ------
    NotPlain
        Something in it is not plain data; the path says where.
    """
    return b"".join(_encoded(value, registry, name, [], _INSIDE))


def encode_buffers(
    value: Any, *, registry: Registry | None = None, name: str = "value", at_least: int = 16_384
) -> tuple[bytes, list[memoryview]]:
    """Write a plain value, and leave the memory of large arrays, bytes and bytearrays where it is.

    Parameters
    ----------
    at_least
        Bytes from which on memory stays out of the message.

    Returns
    -------
    bytes
        The message.
    list of memoryview
        Flat views of that memory, to be passed to `decode` in this order; only an array that is not contiguous was
        copied. They show later changes, and keep a bytearray from being resized.
    """
    buffers: list[memoryview] = []
    return b"".join(_encoded(value, registry, name, buffers, at_least)), buffers


def _encoded(
    value: Any, registry: Registry | None, name: str, buffers: list[memoryview], at_least: int
) -> list[bytes | memoryview]:
    encoder = _Encoder(_NOTHING if registry is None else registry, buffers, at_least)
    try:
        return encoder.run(value)
    except Refused as refused:
        error = explained(refused, value, name, encoder.registry)
    raise error


class _Encoder:
    def __init__(self, registry: Registry, buffers: list[memoryview], at_least: int) -> None:
        self.registry = registry
        self.buffers = buffers
        self.at_least = at_least
        self.nodes = Nodes(registry)
        self.out: list[bytes | memoryview] = []
        self.shapes: dict[tuple[str, ...], int] = {}
        self.classes: dict[str, int] = {}
        self.frozen: list[Any] = []

    # Made when first needed, for the sake of short messages.

    @cached_property
    def hashing(self) -> Hashing:
        return Hashing(self.registry)

    @cached_property
    def ordering(self) -> Ordering:
        return Ordering(self.registry, self.nodes.kind_of, lambda value: b"".join(arrays.scalar_parts(value)))

    @cached_property
    def arrays(self) -> arrays.ArrayWriter:
        return arrays.ArrayWriter(self.at_least)

    def run(self, value: Any) -> list[bytes | memoryview]:
        self.nodes.numbers_of((value,))
        out = self.out
        for kind, item in self.nodes.work:  # grows while it is walked
            write = _WRITERS[kind]
            if write is not None:
                write(self, item)
            else:
                out.append(atoms.WRITERS[kind](item))
        try:
            refuse_cycles(self.frozen, self.registry)
        except ImmutableCycle as cycle:
            raise Refused(
                cycle.args[0],
                "it leads back to itself through immutable objects only, so no receiver could build it",
                "Let the cycle pass through a list, a dict or a dataclass that is not frozen.",
            ) from None
        return [*self.nodes.head(), *out]

    # -- containers ---------------------------------------------------------------------------------------------------

    def _vector(self, items: Sequence[Any]) -> None:
        kind = type(items[0]) if items else None
        if kind in _PACKED and type(items[-1]) is kind and countOf(map(type, items), kind) == len(items):
            packed = None
            if kind is int:
                packed = pack_integers(items)
            elif kind is float:
                packed = pack_floats(items)
            elif max(map(len, items)) <= SHORT and 2 * len(set(items)) > len(items):
                packed = pack_texts(items)
            if packed is not None:
                self.out.append(packed)
                return
        self.out.append(pack_references(self.nodes.numbers_of(items)))

    def _dict(self, value: dict[Any, Any]) -> None:
        keys = tuple(value)
        if countOf(map(type, keys), str) == len(keys):  # often many dicts have the same keys: those are written once
            shape = self.shapes.get(keys)
            if shape is None:
                shape = self.shapes[keys] = len(self.shapes)
                self.out.append(pack_varint(shape + 1))
                self._vector(keys)
            else:
                self.out.append(pack_varint(shape + 1))
        else:
            self._admit(keys)
            self.out.append(b"\0")
            self._vector(keys)
        self._vector(list(value.values()))

    def _set(self, value: set[Any] | frozenset[Any]) -> None:
        members = list(value)
        self._admit(members)
        self._vector(self.ordering.sorted(members))

    def _admit(self, members: Sequence[Any]) -> None:
        try:
            self.hashing.admit(members)
        except TooDeep as deep:
            raise Refused(
                deep.args[0],
                f"as a dict's key or a set's member it nests deeper than {DEEPEST}, which is unsafe to hash",
                "Use a shorter key.",
            ) from None
        except ImmutableCycle as cycle:
            raise Refused(cycle.args[0], "it leads back to itself", "Use a key without cycles.") from None

    def _slice(self, value: slice) -> None:
        parts = (value.start, value.stop, value.step)
        for part, name in zip(parts, ("start", "stop", "step"), strict=True):
            if type(part) not in SLICE_PARTS:
                raise Refused(
                    value,
                    "a slice may hold only numbers, text, dates and None",
                    "Send the three parts as a tuple.",
                    offender=part,
                    suffix="." + name,
                )
        self.out.append(pack_references(self.nodes.numbers_of(parts)))

    # -- registered classes -------------------------------------------------------------------------------------------

    def _entry(self, value: Any) -> Registered:
        entry = self.registry.of_kind(type(value))
        assert entry is not None
        return entry

    def _instance(self, value: Any) -> None:
        entry = self._entry(value)
        number = self.classes.get(entry.name)
        if number is None:
            number = self.classes[entry.name] = len(self.classes)
            self.out.append(pack_varint(number) + pack_text(entry.name) + pack_texts(entry.fields))
        else:
            self.out.append(pack_varint(number))
        values = classes.fields_of(value, entry)
        if entry.frozen:
            self.frozen.append(value)
        self._vector(values)

    def _member(self, value: Any) -> None:
        self.out.append(classes.pack_member(value, self._entry(value)))

    def _flag(self, value: Any) -> None:
        self.out.append(classes.pack_flag(value, self._entry(value)))

    # -- memory -------------------------------------------------------------------------------------------------------

    def _blob(self, data: Any) -> None:
        size = len(data)
        if size >= self.at_least:
            self.buffers.append(memoryview(data))
            self.out.append(pack_varint(size * 2 + 1))
        else:
            self.out.append(pack_varint(size * 2))
            self.out.append(bytes(data) if type(data) is bytearray else data)

    def _array(self, value: Any) -> None:
        head, memory = self.arrays.parts(value)
        self.out.append(head)
        if memory.nbytes >= self.at_least:
            self.buffers.append(memory)
        else:
            self.out.append(memory)

    def _scalar(self, value: Any) -> None:
        head, memory = arrays.scalar_parts(value)
        self.out.append(head)
        self._blob(memory)


_BY_KIND: dict[int, Callable[[_Encoder, Any], None]] = {
    Kind.BYTES: _Encoder._blob,
    Kind.BYTEARRAY: _Encoder._blob,
    Kind.LIST: _Encoder._vector,
    Kind.TUPLE: _Encoder._vector,
    Kind.DICT: _Encoder._dict,
    Kind.SET: _Encoder._set,
    Kind.FROZENSET: _Encoder._set,
    Kind.SLICE: _Encoder._slice,
    Kind.MEMBER: _Encoder._member,
    Kind.FLAG: _Encoder._flag,
    Kind.INSTANCE: _Encoder._instance,
    Kind.ARRAY: _Encoder._array,
    Kind.SCALAR: _Encoder._scalar,
}
_WRITERS = [_BY_KIND.get(kind) for kind in range(256)]  # the others are in `atoms.WRITERS`
