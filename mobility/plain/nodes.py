"""The table of nodes that an encoder writes: which object has which number, found breadth first.

Lists, dicts, arrays and the like are told apart by identity; numbers, text, None, truth values and short bytes have
none. Simple values stand in columns at the head of a message, all others wait to be written one after the other.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mobility.plain import arrays, atoms
from mobility.plain.refusal import unknown
from mobility.plain.registry import Registry
from mobility.plain.wire import MAGIC, VERSION, Kind, pack_floats, pack_integer, pack_integers, pack_texts, pack_varint

__all__ = ["SLICE_PARTS", "Nodes"]

_WORD = 1 << 63
_NARROW = 1 << 16
# Whoever relays a stranger's numbers must not be kept busy by numbers that were chosen to meet in a table.
_SECRET = int.from_bytes(os.urandom(8), "little") | 1 << 64
_BY_VALUE = 1024  # bytes up to this size have no identity
# Plain numbers, because to look up a member of an enum takes longer than what is done with it here.
_FALSE, _TRUE, _INTEGER, _FLOAT, _TEXT = map(int, (Kind.FALSE, Kind.TRUE, Kind.INTEGER, Kind.FLOAT, Kind.TEXT))
_BIG_INTEGER, _BYTES, _FROZENSET = map(int, (Kind.BIG_INTEGER, Kind.BYTES, Kind.FROZENSET))
_KINDS: dict[type, int] = {
    **{kind: int(code) for kind, code in atoms.KINDS.items()},
    bool: _TRUE,  # or _FALSE
    int: _INTEGER,  # or _BIG_INTEGER
    float: _FLOAT,
    str: _TEXT,
    bytes: _BYTES,
    bytearray: int(Kind.BYTEARRAY),
    list: int(Kind.LIST),
    tuple: int(Kind.TUPLE),
    dict: int(Kind.DICT),
    set: int(Kind.SET),
    frozenset: _FROZENSET,
    slice: int(Kind.SLICE),
}
#: What a slice may hold: only values that hold nothing themselves, because a chain of slices is freed by recursion.
SLICE_PARTS = frozenset({int, float, bool, str, bytes, type(None), *atoms.KINDS}) - {range}


class Nodes:
    """The nodes of one message.

    Attributes
    ----------
    work
        Kind and object of the nodes that are written by themselves, in order; grows while it is walked.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.work: list[tuple[int, Any]] = []
        self._kinds = bytearray()
        self._known = dict(_KINDS)  # kind by type; what else occurs is added
        self._texts: dict[str, int] = {}
        self._integers: dict[int | bytes, int] = {}
        self._words: list[int] = []  # those integers that have 64 bits
        self._floats: list[float] = []
        self._blobs: dict[bytes, int] = {}
        self._ids: dict[int, int] = {}
        self._empty: int | None = None

    def head(self) -> list[bytes]:
        """How a message begins: the kinds of all nodes, and the columns."""
        parts = [MAGIC, bytes((VERSION,)), pack_varint(len(self._kinds)), bytes(self._kinds)]
        if self._words:
            parts.append(pack_integers(self._words) or b"")
        if self._floats:
            parts.append(pack_floats(self._floats))
        if self._texts:
            parts.append(pack_texts(list(self._texts)))
        return parts

    def numbers_of(self, items: Sequence[Any]) -> list[int]:
        """The numbers of the items' nodes; those that are new are noted, and wait to be written."""
        kinds, texts, integers, ids = self._kinds, self._texts, self._integers, self._ids
        numbers = []
        for item in items:
            kind = type(item)
            if kind is str:
                number = texts.get(item)
                if number is None:
                    number = texts[item] = len(kinds)
                    kinds.append(_TEXT)
            elif kind is int:
                key = item if -_NARROW <= item < _NARROW else _key(item)
                number = integers.get(key)
                if number is None:
                    number = integers[key] = len(kinds)
                    if type(key) is int:
                        kinds.append(_INTEGER)
                        self._words.append(item)
                    else:
                        kinds.append(_BIG_INTEGER)
                        self.work.append((_BIG_INTEGER, item))
            elif kind is float:
                number = len(kinds)
                kinds.append(_FLOAT)
                self._floats.append(item)
            else:
                number = ids.get(id(item), -1)
                if number < 0:
                    number = self._discovered(item, kind)
            numbers.append(number)
        return numbers

    def _discovered(self, item: Any, kind: type) -> int:
        code = self._known.get(kind) or self.kind_of(item, kind)
        number = len(self._kinds)
        if code == _BYTES and len(item) <= _BY_VALUE:
            known = self._blobs.setdefault(item, number)
            if known != number:
                return known
        elif code == _FROZENSET and not item:
            # Whether all empty ones are the same object is the interpreter's affair.
            if self._empty is not None:
                return self._empty
            self._empty = number
        elif kind is bool:
            code = _TRUE if item else _FALSE
        self._ids[id(item)] = number
        self._kinds.append(code)
        if code > _TEXT:
            self.work.append((code, item))
        return number

    def kind_of(self, item: Any, kind: type) -> int:
        """The kind of a node; of integers and truth values the first of two."""
        code = self._known.get(kind)
        if code is None:
            code = self._known[kind] = int(self._new_kind(item, kind))
        return code

    def _new_kind(self, item: Any, kind: type) -> Kind:
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


def _key(number: int) -> int | bytes:
    """What stands for a larger integer in a dict: one to one, and nobody can choose where it lies there."""
    return number ^ _SECRET if -_WORD <= number < _WORD else pack_integer(number)
