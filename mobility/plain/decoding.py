"""Bytes of format 1 as a value: everything is held against the bytes and the limits before it is made.

In order: the columns of simple values; then each other node, which makes empty what can be changed later (lists,
dicts, sets, dataclasses) and notes what cannot (tuples, frozensets, frozen dataclasses); those are built once their
members exist; then what can be changed is filled. Nothing recurses, and nothing is imported, looked up or called by a
name from the message, other than what the receiver's own registry has under that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain, repeat
from typing import Any, TypeAlias

from mobility.plain import arrays, atoms, classes
from mobility.plain.building import Build, build_all
from mobility.plain.errors import PlainInvalid
from mobility.plain.limits import PlainLimits
from mobility.plain.memory import Memory
from mobility.plain.nodes import SLICE_PARTS
from mobility.plain.registry import Registered, Registry
from mobility.plain.unique import Unique
from mobility.plain.wire import MAGIC, VERSION, Kind, Reader

__all__ = ["decode"]

_Bytes: TypeAlias = "bytes | bytearray | memoryview"
#: Where it is described, the nodes of its members, how to fill it, and what is to be filled.
_Fill: TypeAlias = "tuple[int, Sequence[int], Callable[[Any, Iterable[Any]], object], Any]"
_LONGEST = 300  # characters of another's error that are repeated
_DEFAULT = PlainLimits()
_NOTHING = Registry()


def decode(
    data: _Bytes,
    *,
    buffers: Sequence[Any] = (),
    registry: Registry | None = None,
    limits: PlainLimits = _DEFAULT,
) -> Any:
    """Build the value that a message describes.

    Parameters
    ----------
    data
        The message. It is copied first unless it is a bytes object.
    buffers
        What `encode_buffers` left out, in its order. An array is a view of its buffer, not a copy, and read-only if
        that is; do not pass memory that the sender can still write to.
    registry
        The dataclasses and enums that may appear.
    limits
        How much to take in.

    Raises
    ------
    PlainInvalid
        The bytes are no plain value, or too large a one. No bytes raise anything else.
    """
    decoder = _Decoder(bytes(data), buffers, _NOTHING if registry is None else registry, limits)
    try:
        return decoder.run()
    except PlainInvalid:
        raise
    except Exception as error:
        # The receiver's own classes may fail to hash, to compare or to check; and whatever Python refuses to build
        # from the parts (a 31st of June) is damage like any other.
        raise decoder.reader.invalid(_shortened(error), decoder.reader.at) from error


def _shortened(error: Exception) -> str:
    """Its kind and text, as far as it has one that can be had: a check of the receiver's may repeat what it found."""
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be had)"
    return f"{type(error).__name__}: {text if len(text) <= _LONGEST else text[:_LONGEST] + '...'}"


class _Decoder:
    def __init__(self, data: bytes, buffers: Sequence[Any], registry: Registry, limits: PlainLimits) -> None:
        self.reader = Reader(data, limits)
        self.memory = Memory(self.reader, buffers)
        self.registry = registry
        self.values: list[Any] = []
        self.shapes: list[list[str]] = []
        self.classes: list[tuple[Registered, list[str]]] = []
        self.builds: dict[int, Build] = {}
        self.fills: list[_Fill] = []
        self.hashed: list[_Fill] = []  # after the other fills, so that whatever is hashed is whole
        self.checks: list[tuple[int, Callable[[Any], object], Any]] = []

    # Made when first needed, for the sake of short messages; and once, because a message of many small sets must not
    # make as many methods. None refers to the decoder: its memory is to go with it, not when cycles are looked for.

    @cached_property
    def unique(self) -> Unique:
        return Unique(self.reader, self.registry)

    @cached_property
    def fill_set(self) -> Callable[[Any, Iterable[Any]], object]:
        return self.unique.fill_set

    @cached_property
    def fill_dict(self) -> Callable[[Any, Iterable[Any]], object]:
        return self.unique.fill_dict

    @cached_property
    def make_frozenset(self) -> Callable[[list[Any]], Any]:
        return self.unique.frozenset_of

    @cached_property
    def make_slice(self) -> Callable[[list[Any]], Any]:
        return partial(_slice_of, self.reader)

    @cached_property
    def arrays(self) -> arrays.ArrayReader:
        return arrays.ArrayReader(self.reader, self.memory)

    def run(self) -> Any:
        kinds = self._head()
        self._columns(kinds)
        self._payloads(kinds)
        reader, values = self.reader, self.values
        left = len(reader.data) - reader.position
        if left:
            raise reader.invalid(f"{left} bytes follow the value")
        self.memory.finish()
        build_all(values, self.builds, reader)
        get = values.__getitem__
        for offset, references, fill, target in chain(self.fills, self.hashed):
            reader.at = offset
            fill(target, map(get, references))
        if self.registry.hashes_itself:
            self.unique.check()
        for offset, check, instance in self.checks:
            reader.at = offset
            check(instance)
        return values[0]

    def _head(self) -> bytes:
        reader = self.reader
        reader.limited("total_bytes", len(reader.data) + self.memory.total(), "the message is too large")
        if reader.take(len(MAGIC), "the mark of a plain value") != MAGIC:
            raise reader.invalid("it does not begin like one", 0)
        version = reader.byte("the version")
        if version != VERSION:
            raise reader.invalid(f"it is of format {version}, and this program reads format {VERSION}", len(MAGIC))
        nodes = reader.nodes = reader.varint()
        reader.limited("nodes", nodes, "it has too many nodes")
        if not nodes:
            raise reader.invalid("it has no node")
        return reader.take(nodes, "the kinds of the nodes")

    def _columns(self, kinds: bytes) -> None:
        """Make the simple values; None stands for what is yet to come."""
        columns: list[Iterator[Any]] = [repeat(None)] * 256
        columns[Kind.FALSE] = repeat(False)
        columns[Kind.TRUE] = repeat(True)
        for kind in (Kind.INTEGER, Kind.FLOAT, Kind.TEXT):
            count = kinds.count(kind)
            if count:
                start = self.reader.position
                known, column = self.reader.vector()
                if not known or len(column) != count or type(column[0]) is not _COLUMNS[kind]:
                    raise self.reader.invalid(f"not the values of the {count} nodes of kind {kind.name}", start)
                columns[kind] = iter(column)
        self.values = list(map(next, map(columns.__getitem__, kinds)))

    def _payloads(self, kinds: bytes) -> None:
        reader, values = self.reader, self.values
        for number, kind in enumerate(kinds):
            if kind <= _SIMPLE:
                continue
            reader.at = reader.position
            read = _READERS[kind]
            if read is None:
                raise reader.invalid(f"no node has the kind {kind}")
            values[number] = read(self, number)

    # -- containers ---------------------------------------------------------------------------------------------------

    def _list(self, number: int) -> list[Any]:
        known, members = self.reader.vector()
        new: list[Any] = members if known else []
        if not known:
            self.fills.append((self.reader.at, members, list.extend, new))
        return new

    def _tuple(self, number: int) -> Any:
        return self._built(number, tuple)

    def _frozenset(self, number: int) -> Any:
        return self._built(number, self.make_frozenset)

    def _slice(self, number: int) -> Any:
        return self._built(number, self.make_slice)

    def _built(self, number: int, make: Callable[[list[Any]], Any]) -> Any:
        known, members = self.reader.vector()
        if known:
            return make(members)
        self.builds[number] = Build(self.reader.at, members, make)
        return None

    def _set(self, number: int) -> set[Any]:
        known, members = self.reader.vector()
        if known:
            return self.unique.set_of(members)
        new: set[Any] = set()
        self.hashed.append((self.reader.at, members, self.fill_set, new))
        return new

    def _dict(self, number: int) -> dict[Any, Any]:
        shape = self.reader.varint()
        if not shape:
            return self._any_dict()
        if shape == len(self.shapes) + 1:
            self.shapes.append(self._shape())
        elif shape > len(self.shapes):
            raise self.reader.invalid(f"the keys number {shape} of {len(self.shapes)}", self.reader.at)
        keys = self.shapes[shape - 1]
        known, members = self._values_for(len(keys))
        if known:
            return dict(zip(keys, members))  # noqa: B905  # they are as many, and here that costs
        new: dict[Any, Any] = {}
        self.fills.append((self.reader.at, members, _fill_record, (new, keys)))
        return new

    def _shape(self) -> list[str]:
        known, members = self.reader.vector()
        keys = members if known else [self.values[member] for member in members]
        if not set(map(type, keys)) <= {str} or len(set(keys)) != len(keys):
            raise self.reader.invalid("the keys of a dict are not text, or one occurs twice", self.reader.at)
        return keys

    def _values_for(self, count: int) -> tuple[bool, Any]:
        known, members = self.reader.vector()
        if len(members) != count:
            raise self.reader.invalid(f"{len(members)} values for {count} names", self.reader.at)
        return known, members

    def _any_dict(self) -> dict[Any, Any]:
        known, keys = self.reader.vector()
        valued, values = self._values_for(len(keys))
        new: dict[Any, Any] = {}
        references = [*(() if known else keys), *(() if valued else values)]
        parts = (new, keys if known else None, values if valued else None)
        self.hashed.append((self.reader.at, references, self.fill_dict, parts))
        return new

    # -- registered classes -------------------------------------------------------------------------------------------

    def _instance(self, number: int) -> Any:
        which = self.reader.varint()
        if which == len(self.classes):
            entry = classes.registered(self.reader, self.registry, "dataclass")
            _, names = self.reader.vector()
            if sorted(map(str, names)) != sorted(entry.fields):
                raise self.reader.invalid(f"{entry.name} has other fields here", self.reader.at)
            self.classes.append((entry, names))
        elif which > len(self.classes):
            raise self.reader.invalid(f"the class number {which} of {len(self.classes)}", self.reader.at)
        entry, names = self.classes[which]
        known, members = self._values_for(len(names))
        new: Any = object.__new__(entry.kind)
        if entry.check is not None:
            self.checks.append((self.reader.at, entry.check, new))
        if known:
            classes.set_fields((new, names), members)
        elif entry.frozen:
            self.builds[number] = Build(self.reader.at, members, partial(classes.set_fields, (new, names)))
        else:
            self.fills.append((self.reader.at, members, classes.set_fields, (new, names)))
        return new


def _fill_record(parts: tuple[dict[Any, Any], list[str]], members: Iterable[Any]) -> None:
    new, keys = parts
    new.update(zip(keys, members))  # noqa: B905  # they are as many, and here that costs


def _slice_of(reader: Reader, parts: list[Any]) -> slice:
    if len(parts) != 3 or not SLICE_PARTS.issuperset(map(type, parts)):
        raise reader.invalid("a slice of other than three simple parts", reader.at)
    return slice(*parts)


def _atom(read: Callable[[Reader], Any]) -> Callable[[_Decoder, int], Any]:
    return lambda decoder, number: read(decoder.reader)


_SIMPLE = int(Kind.TEXT)  # up to here they stand in columns
_COLUMNS: dict[int, type] = {Kind.INTEGER: int, Kind.FLOAT: float, Kind.TEXT: str}
_BY_KIND: dict[int, Callable[[_Decoder, int], Any]] = {
    **{kind: _atom(read) for kind, read in atoms.READERS.items()},
    Kind.BYTES: lambda decoder, number: decoder.memory.whole("bytes_length"),
    Kind.BYTEARRAY: lambda decoder, number: bytearray(decoder.memory.view("bytes_length")),
    Kind.LIST: _Decoder._list,
    Kind.TUPLE: _Decoder._tuple,
    Kind.DICT: _Decoder._dict,
    Kind.SET: _Decoder._set,
    Kind.FROZENSET: _Decoder._frozenset,
    Kind.SLICE: _Decoder._slice,
    Kind.MEMBER: lambda decoder, number: classes.read_member(decoder.reader, decoder.registry),
    Kind.FLAG: lambda decoder, number: classes.read_flag(decoder.reader, decoder.registry),
    Kind.INSTANCE: _Decoder._instance,
    Kind.ARRAY: lambda decoder, number: decoder.arrays.read(),
    Kind.SCALAR: lambda decoder, number: arrays.read_scalar(decoder.reader, decoder.memory),
}
_READERS = [_BY_KIND.get(kind) for kind in range(256)]
