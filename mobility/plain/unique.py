"""Sets, and dicts by other keys than text: built only from members that are safe to hash and differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mobility.plain.errors import PlainInvalid
from mobility.plain.hashing import Hashing, TooDeep, TooMuch
from mobility.plain.registry import Registry
from mobility.plain.wire import Reader

__all__ = ["Unique"]


class Unique:
    """Builds the sets and dicts of one message."""

    def __init__(self, reader: Reader, registry: Registry) -> None:
        self._reader = reader
        self._hashes_itself = registry.hashes_itself
        self._hashing = Hashing(registry, reader.limits)
        self._hashed: list[tuple[int, list[Any], list[int]]] = []

    def set_of(self, members: list[Any]) -> set[Any]:
        """A set of these."""
        self._admit(members)
        found = set(members)
        if len(found) != len(members):
            raise self._reader.invalid("a member of a set occurs twice", self._reader.at)
        return found

    def fill_set(self, new: set[Any], members: Iterable[Any]) -> None:
        """Put these into an empty set."""
        new |= self.set_of(list(members))

    def frozenset_of(self, members: list[Any]) -> frozenset[Any]:
        """A frozenset of these."""
        return frozenset(self.set_of(members))

    def fill_dict(self, parts: Any, members: Iterable[Any]) -> None:
        """Fill an empty dict; keys or values that are not in `parts` are the members, the keys first."""
        new, keys, values = parts
        given = list(members)
        if keys is None:
            keys = given[: len(given) if values is not None else len(given) // 2]
        if values is None:
            values = given[-len(keys) :] if keys else []
        self._admit(keys)
        new.update(zip(keys, values, strict=True))
        if len(new) != len(keys):
            raise self._reader.invalid("a key of a dict occurs twice", self._reader.at)

    def _admit(self, members: list[Any]) -> None:
        reader = self._reader
        try:
            self._hashing.admit(members)
        except TooDeep:
            raise reader.invalid("a key or a set's member nests too deep to be hashed", reader.at) from None
        except TooMuch as much:
            reader.limited(much.field, much.found, much.what, reader.at)
        except TypeError as error:
            raise reader.invalid(f"a key or a set's member cannot be hashed: {error}", reader.at) from None
        # A __hash__ of a class's own may look at a list, say, that is filled only after it was asked.
        if self._hashes_itself:
            self._hashed.append((reader.at, members, list(map(hash, members))))

    def check(self) -> None:
        """Refuse what would no longer be found where it was put."""
        for offset, members, hashes in self._hashed:
            if list(map(hash, members)) != hashes:
                raise PlainInvalid(
                    "the hash of a key or member changed when the rest of the value was filled in",
                    offset,
                    "Let a class's own __hash__ look only at fields that cannot change.",
                )
