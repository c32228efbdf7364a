"""Bytes of format 1 as a value: everything is held against the bytes and the limits before it is made.

In order: the columns of simple values; then each other node, which makes empty what can be changed later (lists,
dicts, sets, dataclasses) and notes what cannot (tuples, frozensets, frozen dataclasses); those are built once their
members exist; then what can be changed is filled. Nothing recurses, and nothing is imported, looked up or called by a
name from the message, other than what the receiver's own registry has under that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from typing import Any, TypeAlias

from mobility.plain import arrays, atoms
from mobility.plain.building import Build, build_all
from mobility.plain.encoding import SLICE_PARTS
from mobility.plain.errors import PlainInvalid
from mobility.plain.hashing import Hashing, TooDeep, TooMuch
from mobility.plain.limits import PlainLimits
from mobility.plain.registry import Registered, Registry
from mobility.plain.wire import MAGIC, VERSION, Kind, Reader

__all__ = ["decode"]

_Bytes: TypeAlias = "bytes | bytearray | memoryview"
#: Where it is described, the nodes of its members, how to fill it, and what is to be filled.
_Fill: TypeAlias = "tuple[int, Sequence[int], Callable[[Any, list[Any]], object], Any]"
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
        raise decoder.reader.invalid(f"{type(error).__name__}: {error}", decoder.at) from error


class _Decoder:
    def __init__(self, data: bytes, buffers: Sequence[Any], registry: Registry, limits: PlainLimits) -> None:
        self.reader = Reader(data, limits)
        self.buffers = [memoryview(buffer) for buffer in buffers]
        self.used = 0
        self.registry = registry
        self.hashing = Hashing(registry, limits)
        self.at = 0  # where the node is described that is dealt with
        self.values: list[Any] = []
        self.shapes: list[list[str]] = []
        self.classes: list[tuple[Registered, list[str]]] = []
        self.builds: dict[int, Build] = {}
        self.fills: list[_Fill] = []
        self.hashed: list[_Fill] = []  # after the other fills, so that whatever is hashed is whole
        self.checks: list[tuple[int, Callable[[Any], object], Any]] = []
        # Bound once: a message of many small sets must not make as many methods.
        self.fill_set, self.fill_dict = self._fill_set, self._fill_dict
        self.make_frozenset, self.make_slice = self._make_frozenset, self._make_slice
        self.readers: dict[int, Callable[[int], Any]] = {
            Kind.BYTES: lambda number: self._bytes(),
            Kind.BYTEARRAY: lambda number: bytearray(self._blob("bytes_length")),
            Kind.LIST: self._list,
            Kind.TUPLE: lambda number: self._built(number, tuple),
            Kind.DICT: self._dict,
            Kind.SET: self._set,
            Kind.FROZENSET: lambda number: self._built(number, self.make_frozenset),
            Kind.SLICE: lambda number: self._built(number, self.make_slice),
            Kind.MEMBER: lambda number: self._member(),
            Kind.FLAG: lambda number: self._flag(),
            Kind.INSTANCE: self._instance,
            Kind.ARRAY: lambda number: arrays.read_array(self.reader, self._memory),
            Kind.SCALAR: lambda number: arrays.read_scalar(self.reader, self._blob),
        }

    def run(self) -> Any:
        kinds = self._head()
        self._columns(kinds)
        self._payloads(kinds)
        reader, values = self.reader, self.values
        left = len(reader.data) - reader.position
        if left:
            raise reader.invalid(f"{left} bytes follow the value")
        if self.used != len(self.buffers):
            raise reader.invalid(f"{len(self.buffers)} buffers were given, and it uses {self.used}")
        build_all(values, self.builds, self._now_at)
        for offset, references, fill, target in chain(self.fills, self.hashed):
            self.at = offset
            fill(target, list(map(values.__getitem__, references)))
        for offset, check, instance in self.checks:
            self.at = offset
            check(instance)
        return values[0]

    def _now_at(self, offset: int) -> None:
        self.at = offset

    def _head(self) -> bytes:
        reader = self.reader
        total = len(reader.data) + sum(view.nbytes for view in self.buffers)
        reader.limited("total_bytes", total, "the message is too large")
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
        self.values = [next(columns[kind]) for kind in kinds]

    def _payloads(self, kinds: bytes) -> None:
        reader, values, readers, atomic = self.reader, self.values, self.readers, atoms.READERS
        for number, kind in enumerate(kinds):
            if kind <= Kind.TEXT:
                continue
            self.at = reader.position
            read = readers.get(kind)
            if read is not None:
                values[number] = read(number)
            elif kind in atomic:
                values[number] = atomic[kind](reader)
            else:
                raise reader.invalid(f"no node has the kind {kind}")

    # -- memory -------------------------------------------------------------------------------------------------------

    def _blob(self, field: str) -> memoryview:
        """Bytes of the message or the next buffer, as they are."""
        reader = self.reader
        start = reader.position
        head = reader.varint()
        size = head >> 1
        reader.limited(field, size, "it is too long", start)
        if not head & 1:
            return reader.view[reader.span(size, "memory")]
        if self.used == len(self.buffers):
            raise reader.invalid(f"it wants more than the {self.used} buffers that were given", start)
        view = self.buffers[self.used]
        self.used += 1
        if not view.c_contiguous or view.nbytes != size:
            raise reader.invalid(f"buffer {self.used - 1} has {view.nbytes} bytes, and {size} are described", start)
        if view.ndim == 1 and view.format == "B":
            return view
        return view.cast("B") if view.nbytes else memoryview(b"")

    def _memory(self, field: str) -> memoryview:
        """The same; bytes of the message are copied, so that an array can be written to."""
        used = self.used
        view = self._blob(field)
        return view if self.used > used else memoryview(bytearray(view))

    def _bytes(self) -> bytes:
        view = self._blob("bytes_length")
        whole = view.obj
        return whole if type(whole) is bytes and len(whole) == view.nbytes else bytes(view)

    # -- containers ---------------------------------------------------------------------------------------------------

    def _members(self) -> tuple[bool, Any]:
        """A vector, which is also known if it is empty."""
        known, members = self.reader.vector()
        return known or not members, members or []

    def _list(self, number: int) -> list[Any]:
        known, members = self._members()
        if known:
            return members  # type: ignore[no-any-return]
        new: list[Any] = []
        self.fills.append((self.at, members, list.extend, new))
        return new

    def _built(self, number: int, make: Callable[[list[Any]], Any]) -> Any:
        known, members = self._members()
        if known:
            return make(members)
        self.builds[number] = Build(self.at, members, make)
        return None

    def _set(self, number: int) -> set[Any]:
        known, members = self._members()
        if known:
            return self._unique(members)
        new: set[Any] = set()
        self.hashed.append((self.at, members, self.fill_set, new))
        return new

    def _fill_set(self, new: set[Any], members: list[Any]) -> None:
        new |= self._unique(members)

    def _make_frozenset(self, members: list[Any]) -> frozenset[Any]:
        return frozenset(self._unique(members))

    def _make_slice(self, parts: list[Any]) -> slice:
        if len(parts) != 3 or not SLICE_PARTS.issuperset(map(type, parts)):
            raise self.reader.invalid("a slice of other than three simple parts", self.at)
        return slice(*parts)

    def _dict(self, number: int) -> dict[Any, Any]:
        shape = self.reader.varint()
        if not shape:
            return self._any_dict()
        if shape == len(self.shapes) + 1:
            self.shapes.append(self._shape())
        elif shape > len(self.shapes):
            raise self.reader.invalid(f"the keys number {shape} of {len(self.shapes)}", self.at)
        keys = self.shapes[shape - 1]
        known, members = self._values_for(len(keys))
        if known:
            return dict(zip(keys, members, strict=True))
        new: dict[Any, Any] = {}
        self.fills.append((self.at, members, _fill_record, (new, keys)))
        return new

    def _shape(self) -> list[str]:
        known, members = self.reader.vector()
        keys = members if known else [self.values[member] for member in members]
        if not set(map(type, keys)) <= {str} or len(set(keys)) != len(keys):
            raise self.reader.invalid("the keys of a dict are not text, or one occurs twice", self.at)
        return keys

    def _values_for(self, count: int) -> tuple[bool, Any]:
        known, members = self._members()
        if len(members) != count:
            raise self.reader.invalid(f"{len(members)} values for {count} names", self.at)
        return known, members

    def _any_dict(self) -> dict[Any, Any]:
        known, keys = self._members()
        valued, values = self._values_for(len(keys))
        new: dict[Any, Any] = {}
        references = [*(() if known else keys), *(() if valued else values)]
        parts = (new, keys if known else None, values if valued else None)
        self.hashed.append((self.at, references, self.fill_dict, parts))
        return new

    def _fill_dict(self, parts: Any, given: list[Any]) -> None:
        new, keys, values = parts
        if keys is None:
            keys = given[: len(given) if values is not None else len(given) // 2]
        if values is None:
            values = given[-len(keys) :] if keys else []
        self._admit(keys)
        new.update(zip(keys, values, strict=True))
        if len(new) != len(keys):
            raise self.reader.invalid("a key of a dict occurs twice", self.at)

    def _unique(self, members: list[Any]) -> set[Any]:
        self._admit(members)
        found = set(members)
        if len(found) != len(members):
            raise self.reader.invalid("a member of a set occurs twice", self.at)
        return found

    def _admit(self, members: list[Any]) -> None:
        try:
            self.hashing.admit(members)
        except TooDeep:
            raise self.reader.invalid("a key or a set's member nests too deep to be hashed", self.at) from None
        except TooMuch as much:
            self.reader.limited(much.field, much.found, much.what, self.at)
        except TypeError as error:
            raise self.reader.invalid(f"a key or a set's member cannot be hashed: {error}", self.at) from None

    # -- registered classes -------------------------------------------------------------------------------------------

    def _registered(self, what: str) -> Registered:
        start = self.reader.position
        name = self.reader.text()
        entry = self.registry.of_name(name)
        found = "" if entry is None else "flag" if entry.is_flag else "enum" if entry.is_enum else "dataclass"
        if entry is None or found != what:
            raise self.reader.invalid(f"no {what} is registered as {name[:60]!r} here", start)
        return entry

    def _instance(self, number: int) -> Any:
        which = self.reader.varint()
        if which == len(self.classes):
            entry = self._registered("dataclass")
            _, names = self.reader.vector()
            if sorted(map(str, names)) != sorted(entry.fields):
                raise self.reader.invalid(f"{entry.name} has other fields here", self.at)
            self.classes.append((entry, names))
        elif which > len(self.classes):
            raise self.reader.invalid(f"the class number {which} of {len(self.classes)}", self.at)
        entry, names = self.classes[which]
        known, members = self._values_for(len(names))
        new: Any = object.__new__(entry.kind)
        if entry.check is not None:
            self.checks.append((self.at, entry.check, new))

        if known:
            _set_fields((new, names), members)
        elif entry.frozen:
            self.builds[number] = Build(self.at, members, partial(_set_fields, (new, names)))
        else:
            self.fills.append((self.at, members, _set_fields, (new, names)))
        return new

    def _member(self) -> Any:
        entry = self._registered("enum")
        start = self.reader.position
        name = self.reader.text()
        member = entry.kind.__members__.get(name)  # type: ignore[attr-defined]
        if member is None:
            raise self.reader.invalid(f"{entry.name} has no member {name[:60]!r} here", start)
        return member

    def _flag(self) -> Any:
        entry = self._registered("flag")
        start = self.reader.position
        value = self.reader.integer()
        # Combinations of bits that no member has would be remembered by the class for ever, one for each message.
        bits = 0
        for member in entry.kind.__members__.values():  # type: ignore[attr-defined]
            bits |= member.value
        if value & ~bits:
            raise self.reader.invalid(f"{entry.name} has no such flags here", start)
        flag = entry.kind(value)
        if type(flag) is not entry.kind:
            raise self.reader.invalid(f"{entry.name} has no such flags here", start)
        return flag


def _fill_record(parts: tuple[dict[Any, Any], list[str]], members: list[Any]) -> None:
    new, keys = parts
    new.update(zip(keys, members, strict=True))


def _set_fields(parts: tuple[Any, list[str]], members: list[Any]) -> Any:
    new, names = parts
    for name, member in zip(names, members, strict=True):
        object.__setattr__(new, name, member)
    return new


_COLUMNS: dict[int, type] = {Kind.INTEGER: int, Kind.FLOAT: float, Kind.TEXT: str}
