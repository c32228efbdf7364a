"""The order in which the members of a set are written, the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mobility.plain import atoms
from mobility.plain.hashing import fold, members_of
from mobility.plain.registry import Registry
from mobility.plain.wire import Kind, pack_integer

__all__ = ["Ordering"]


class Ordering:
    """Sorts by type and content; members that are hashed by their identity have no order, and keep that of the set."""

    def __init__(self, registry: Registry, kind_of: Callable[[Any, type], int], scalar: Callable[[Any], bytes]) -> None:
        self.registry = registry
        self._kind_of = kind_of
        self._scalar = scalar
        self._memo: dict[int, tuple[bytes, Any]] = {}

    def sorted(self, members: Iterable[Any]) -> list[Any]:
        """The members in order."""
        items = list(members)
        kinds = set(map(type, items))
        if len(kinds) == 1 and kinds <= {int, str, bytes}:
            return sorted(items)
        return sorted(items, key=self._key)

    def _key(self, item: Any) -> bytes:
        if members_of(item, self.registry):
            return fold(item, self.registry, self._digest, self._memo)
        kind = type(item)
        code = self._kind_of(item, kind)
        head = bytes((code,))
        if kind is int:
            return head + pack_integer(item)
        if kind is bool:  # one code stands for both
            return head + bytes((item,))
        if kind is bytes:
            return head + bytes(item)
        write = atoms.WRITERS.get(code)
        if write is not None:
            return head + write(item)
        if code == Kind.SCALAR:
            return head + self._scalar(item)
        if code in (Kind.MEMBER, Kind.FLAG):
            bits = pack_integer(item.value) if code == Kind.FLAG else b""
            return head + repr((self._name(item), item.name)).encode() + bits
        if code == Kind.INSTANCE:
            return head + self._name(item).encode()
        return head

    def _name(self, item: Any) -> str:
        entry = self.registry.of_kind(type(item))
        return "" if entry is None else entry.name

    def _digest(self, item: Any, members: Sequence[Any]) -> bytes:
        kind = type(item)
        keys = [self._memo[id(m)][0] if id(m) in self._memo else self._key(m) for m in members]
        if kind is frozenset:
            keys.sort()
        head = bytes((self._kind_of(item, kind),))
        digest = hashlib.blake2b(head + self._name(item).encode() + b"\0", digest_size=16)
        for key in keys:
            digest.update(len(key).to_bytes(8, "little") + key)
        return head + digest.digest()
