"""A value as the bytes of format 1: one walk, breadth first, without recursion.

The same graph of values gives the same bytes, in every process: sets are written in an order of their own. To the
graph belongs which lists, dicts, tuples, arrays and other objects are one and the same; numbers, text, None, truth
values and short bytes have no identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mobility.plain import arrays, atoms
from mobility.plain.hashing import DEEPEST, Hashing, ImmutableCycle, TooDeep, refuse_cycles
from mobility.plain.ordering import Ordering
from mobility.plain.refusal import Refused, explained, unknown
from mobility.plain.registry import Registry
from mobility.plain.wire import (
    MAGIC,
    SHORT,
    VERSION,
    Kind,
    pack_floats,
    pack_integer,
    pack_integers,
    pack_references,
    pack_text,
    pack_texts,
    pack_varint,
)

__all__ = ["encode", "encode_buffers"]

_WORD = 1 << 63
_BY_VALUE = 1024  # bytes up to this size have no identity
_NOTHING = Registry()
_KINDS: dict[type, int] = {
    **atoms.KINDS,
    bool: Kind.TRUE,  # or FALSE
    int: Kind.INTEGER,  # or BIG_INTEGER
    float: Kind.FLOAT,
    str: Kind.TEXT,
    bytes: Kind.BYTES,
    bytearray: Kind.BYTEARRAY,
    list: Kind.LIST,
    tuple: Kind.TUPLE,
    dict: Kind.DICT,
    set: Kind.SET,
    frozenset: Kind.FROZENSET,
    slice: Kind.SLICE,
}
#: What a slice may hold: only values that hold nothing themselves, because a chain of slices is freed by recursion.
SLICE_PARTS = frozenset({int, float, bool, str, bytes, type(None), *atoms.KINDS}) - {range}


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
    return b"".join(_encoded(value, registry, name, None))


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
    return b"".join(_encoded(value, registry, name, (buffers, at_least))), buffers


def _encoded(
    value: Any, registry: Registry | None, name: str, apart: tuple[list[memoryview], int] | None
) -> list[bytes | memoryview]:
    encoder = _Encoder(_NOTHING if registry is None else registry, apart)
    try:
        return encoder.run(value)
    except Refused as refused:
        error = explained(refused, value, name, encoder.registry)
    raise error


class _Encoder:
    def __init__(self, registry: Registry, apart: tuple[list[memoryview], int] | None) -> None:
        self.registry = registry
        self.apart = apart
        self.kinds = bytearray()
        self.known = dict(_KINDS)  # kind by type; what else occurs is added
        self.texts: dict[str, int] = {}
        self.integers: dict[int, int] = {}
        self.floats: list[float] = []
        self.blobs: dict[bytes, int] = {}
        self.ids: dict[int, int] = {}
        self.words: list[int] = []  # those integers that have 64 bits
        self.work: list[tuple[int, Any]] = []
        self.out: list[bytes | memoryview] = []
        self.shapes: dict[tuple[str, ...], int] = {}
        self.classes: dict[str, int] = {}
        self.frozen: list[Any] = []
        self.hashing = Hashing(registry)
        self.ordering = Ordering(registry, self._kind, lambda value: b"".join(arrays.scalar_parts(value)))
        self.dtypes: dict[Any, tuple[bytes, bool]] = {}
        self.empty: int | None = None
        self.writers: dict[int, Callable[[Any], None]] = {
            Kind.BYTES: self._blob,
            Kind.BYTEARRAY: self._blob,
            Kind.LIST: self._vector,
            Kind.TUPLE: self._vector,
            Kind.DICT: self._dict,
            Kind.SET: self._set,
            Kind.FROZENSET: self._set,
            Kind.SLICE: self._slice,
            Kind.MEMBER: self._member,
            Kind.FLAG: self._flag,
            Kind.INSTANCE: self._instance,
            Kind.ARRAY: self._array,
            Kind.SCALAR: self._scalar,
        }

    def run(self, value: Any) -> list[bytes | memoryview]:
        self._numbers_of((value,))
        out = self.out
        writers, atomic = self.writers, atoms.WRITERS
        for kind, item in self.work:  # grows while it is walked
            write = writers.get(kind)
            if write is not None:
                write(item)
            else:
                out.append(atomic[kind](item))  # type: ignore[index]
        try:
            refuse_cycles(self.frozen, self.registry)
        except ImmutableCycle as cycle:
            raise Refused(
                cycle.args[0],
                "it leads back to itself through immutable objects only, so no receiver could build it",
                "Let the cycle pass through a list, a dict or a dataclass that is not frozen.",
            ) from None
        head: list[bytes | memoryview] = [MAGIC, bytes((VERSION,)), pack_varint(len(self.kinds)), bytes(self.kinds)]
        if self.words:
            head.append(pack_integers(self.words) or b"")
        if self.floats:
            head.append(pack_floats(self.floats))
        if self.texts:
            head.append(pack_texts(list(self.texts)))
        return head + out

    # -- nodes --------------------------------------------------------------------------------------------------------

    def _numbers_of(self, items: Sequence[Any]) -> list[int]:
        """The numbers of the items' nodes; those that are new are noted, and wait to be written."""
        kinds, texts, integers, ids = self.kinds, self.texts, self.integers, self.ids
        numbers = []
        for item in items:
            kind = type(item)
            if kind is str:
                number = texts.get(item)
                if number is None:
                    number = texts[item] = len(kinds)
                    kinds.append(5)
            elif kind is int:
                number = integers.get(item)
                if number is None:
                    number = integers[item] = len(kinds)
                    if -_WORD <= item < _WORD:
                        kinds.append(3)
                        self.words.append(item)
                    else:
                        kinds.append(6)
                        self.work.append((6, item))
            elif kind is float:
                number = len(kinds)
                kinds.append(4)
                self.floats.append(item)
            else:
                number = ids.get(id(item), -1)
                if number < 0:
                    number = self._discovered(item, kind)
            numbers.append(number)
        return numbers

    def _discovered(self, item: Any, kind: type) -> int:
        code = self._kind(item, kind)
        number = len(self.kinds)
        if code == Kind.BYTES and len(item) <= _BY_VALUE:
            known = self.blobs.setdefault(item, number)
            if known != number:
                return known
        elif code == Kind.FROZENSET and not item:
            # Whether all empty ones are the same object is the interpreter's affair.
            if self.empty is not None:
                return self.empty
            self.empty = number
        elif kind is bool:
            code = Kind.TRUE if item else Kind.FALSE
        self.ids[id(item)] = number
        self.kinds.append(code)
        if code > Kind.TEXT:
            self.work.append((code, item))
        return number

    def _kind(self, item: Any, kind: type) -> int:
        code = self.known.get(kind)
        if code is None:
            code = self.known[kind] = self._new_kind(item, kind)
        return code

    def _new_kind(self, item: Any, kind: type) -> int:
        entry = self.registry.of_kind(kind)
        if entry is not None:
            if not entry.is_enum:
                return Kind.INSTANCE
            return Kind.FLAG if entry.is_flag else Kind.MEMBER
        if atoms.is_zone(kind):
            return Kind.ZONE
        code = arrays.kind_of(item)
        if code is None:
            raise unknown(item)
        return code

    # -- containers ---------------------------------------------------------------------------------------------------

    def _vector(self, items: Sequence[Any]) -> None:
        kinds = set(map(type, items))
        if len(kinds) == 1:
            (kind,) = kinds
            packed = None
            if kind is int:
                packed = pack_integers(items)
            elif kind is float:
                packed = pack_floats(items)
            elif kind is str and max(map(len, items)) <= SHORT and 2 * len(set(items)) > len(items):
                packed = pack_texts(items)
            if packed is not None:
                self.out.append(packed)
                return
        self.out.append(pack_references(self._numbers_of(items)))

    def _dict(self, value: dict[Any, Any]) -> None:
        keys = tuple(value)
        if set(map(type, keys)) <= {str}:  # often many dicts have the same keys: those are written once
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
        self.out.append(pack_references(self._numbers_of(parts)))

    # -- registered classes -------------------------------------------------------------------------------------------

    def _instance(self, value: Any) -> None:
        entry = self.registry.of_kind(type(value))
        assert entry is not None
        number = self.classes.get(entry.name)
        if number is None:
            number = self.classes[entry.name] = len(self.classes)
            self.out.append(pack_varint(number) + pack_text(entry.name) + pack_texts(entry.fields))
        else:
            self.out.append(pack_varint(number))
        try:
            values = entry.values(value)
        except AttributeError as error:
            raise Refused(value, f"one of its fields is not set ({error})", "Set all of its fields.") from None
        lost = vars(value).keys() - entry.known if hasattr(value, "__dict__") else ()
        if lost:
            raise Refused(
                value,
                f"its attribute {min(lost)!r} is no field, and would be lost",
                "Make it a field, or delete it before sending.",
            )
        if entry.frozen:
            self.frozen.append(value)
        self._vector(values)

    def _member(self, value: Any) -> None:
        entry = self.registry.of_kind(type(value))
        assert entry is not None
        self.out.append(pack_text(entry.name) + pack_text(value.name))

    def _flag(self, value: Any) -> None:
        entry = self.registry.of_kind(type(value))
        assert entry is not None
        self.out.append(pack_text(entry.name) + pack_integer(value.value))

    # -- memory -------------------------------------------------------------------------------------------------------

    def _blob(self, data: Any) -> None:
        size = len(data)
        if self.apart is not None and size >= self.apart[1]:
            self.apart[0].append(memoryview(data))
            self.out.append(pack_varint(size * 2 + 1))
        else:
            self.out.append(pack_varint(size * 2))
            self.out.append(bytes(data) if type(data) is bytearray else data)

    def _array(self, value: Any) -> None:
        head, memory = arrays.prepare(value, self.dtypes)
        self.out.append(head)
        self._blob(memory)

    def _scalar(self, value: Any) -> None:
        head, memory = arrays.scalar_parts(value)
        self.out.append(head)
        self._blob(memory)
