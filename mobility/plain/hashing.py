"""What hashing and comparing cost, and cycles that could never be built: all found without recursion.

CPython hashes a tuple by recursion without a check of the stack, anew each time, and visits shared members as often
as they occur: a thousand bytes of nested tuples used as a key would keep a receiver busy for ever, or end its process.
Where two hashes are equal it also compares, and to compare an integer of a million bits with a decimal takes seconds.
"""

from __future__ import annotations

import datetime
import fractions
import pathlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import NoneType
from typing import Any, TypeAlias, TypeVar

from mobility.plain.limits import PlainLimits
from mobility.plain.registry import Registry

__all__ = ["DEEPEST", "Hashing", "ImmutableCycle", "TooDeep", "TooMuch", "fold", "members_of", "refuse_cycles"]

_T = TypeVar("_T")
#: Depth; what it costs to hash, and to compare with something of the same hash, in visits of one object.
_Cost: TypeAlias = "tuple[int, int, int]"

#: Nesting of tuples, frozensets and frozen dataclasses within a key or a set's member; part of the format.
DEEPEST = 100
_WORK_CAP = 1 << 62
_TEXT = frozenset({str})
_SIMPLE = frozenset({str, bytes, int, float})
# Hashed with a secret of the process, or too few to matter: nobody can choose them so that they meet.
_KEYED = frozenset({str, bytes, bool, NoneType, datetime.date, pathlib.PurePosixPath, pathlib.PureWindowsPath})
# n members that only meet in the table, chosen for it, take n * n / 8 steps of 4 ns; a visit takes some 50 ns.
_MEETING = 9  # as a shift


class TooDeep(Exception):
    """A key or member nests deeper than `DEEPEST`."""


class TooMuch(Exception):
    """A limit is exceeded."""

    def __init__(self, field: str, found: int, what: str) -> None:
        super().__init__(field, found, what)
        self.field = field
        self.found = found
        self.what = what


class ImmutableCycle(Exception):
    """A cycle that runs through nothing but immutable objects; the argument is one of them."""


def members_of(value: Any, registry: Registry) -> Sequence[Any]:
    """The members of a tuple, frozenset, slice or frozen registered dataclass; nothing of anything else."""
    kind = type(value)
    if kind is tuple or kind is frozenset:
        members: tuple[Any, ...] = tuple(value)
        return members
    if kind is slice:  # hashed by its parts from Python 3.12 on
        return value.start, value.stop, value.step
    entry = registry.of_kind(kind)
    if entry is None or not entry.frozen:
        return ()
    try:
        return entry.values(value)
    except AttributeError:  # a field is not set: whoever writes or hashes the instance says so
        return ()


def fold(
    root: Any,
    registry: Registry,
    combine: Callable[[Any, Sequence[Any]], _T],
    memo: dict[int, tuple[_T, Any]],
) -> _T:
    """Combine from the leaves to the root what `combine` makes of each composite and of its members.

    `memo` holds the results by identity, and each object beside its result, so that no identity is used twice.
    """
    stack = [root]
    opened: set[int] = set()
    while stack:
        value = stack[-1]
        if id(value) in memo:
            stack.pop()
            continue
        members = members_of(value, registry)
        missing = [m for m in members if id(m) not in memo and members_of(m, registry)]
        if missing:
            if any(id(m) in opened or m is value for m in missing):
                raise ImmutableCycle(value)
            opened.add(id(value))
            stack.extend(missing)
        else:
            memo[id(value)] = (combine(value, members), value)
            opened.discard(id(value))
            stack.pop()
    return memo[id(root)][0]


class Hashing:
    """Admits the members of one message's sets and the keys of its dicts, before Python hashes them."""

    def __init__(self, registry: Registry, limits: PlainLimits | None = None) -> None:
        self.registry = registry
        self.limits = limits
        self._memo: dict[int, tuple[_Cost, Any]] = {}
        self._work = 0

    def admit(self, members: Sequence[Any]) -> None:
        """Refuse members that would cost too much.

        Raises
        ------
        TooDeep, TooMuch
            The sender checks only the depth, which is a matter of the format and not of anyone's limits.
        TypeError
            One cannot be hashed (only with limits).
        """
        kinds = set(map(type, members))
        if kinds <= _TEXT:
            return
        limits, count = self.limits, len(members)
        if limits is None:
            if not kinds <= _SIMPLE:
                for member in members:
                    self._cost(member)
            return
        if count > limits.hashed_members:
            raise TooMuch("hashed_members", count, "a set or dict is too large")
        if kinds <= _SIMPLE:
            work = count + sum([m.bit_length() >> 6 for m in members if type(m) is int])
        else:
            work = sum([self._cost(m)[1] for m in members])
        keyed = kinds <= _KEYED
        self._spend(work if keyed else work + (count * count >> _MEETING))
        if not keyed:
            hashes = list(map(hash, members))
            if len(set(hashes)) < count:
                self._compared(hashes, members, limits.collisions)

    def _compared(self, hashes: list[int], members: Sequence[Any], allowed: int) -> None:
        together = Counter(hashes)
        ((_, most),) = together.most_common(1)
        if most > allowed:
            raise TooMuch("collisions", most, "too many keys or members have the same hash")
        met = [(together[h], m) for h, m in zip(hashes, members, strict=True) if together[h] > 1]
        self._spend(sum([number * self._cost(member)[2] for number, member in met]))

    def _spend(self, work: int) -> None:
        self._work += work
        if self.limits is not None and self._work > self.limits.hash_work:
            raise TooMuch("hash_work", self._work, "to hash the keys and members takes too long")

    def _cost(self, member: Any) -> _Cost:
        if not members_of(member, self.registry):
            return _of_leaf(member)
        cost = fold(member, self.registry, self._combine, self._memo)
        if cost[0] > DEEPEST:
            raise TooDeep(member)
        return cost

    def _combine(self, value: Any, members: Sequence[Any]) -> _Cost:
        memo = self._memo
        depth = hashing = comparing = 0
        for member in members:
            known = memo.get(id(member))
            cost = _of_leaf(member) if known is None else known[0]
            depth = max(depth, cost[0])
            hashing += cost[1]
            comparing += cost[2]
        if type(value) is frozenset:  # each member is looked for among those of the other
            comparing *= len(members)
        return depth + 1, min(_WORK_CAP, hashing + len(members) + 1), min(_WORK_CAP, comparing + 1)


def _of_leaf(value: Any) -> _Cost:
    cost = _COSTS.get(type(value))
    if cost is not None:
        return cost(value)
    numpy = sys.modules.get("numpy")
    size = value.nbytes >> 3 if numpy is not None and isinstance(value, numpy.generic) else 0
    return 0, 8 + size, 8 + size


def _of_integer(value: int) -> _Cost:
    words = value.bit_length() >> 6
    return 0, 1 + words, 1 + words * words  # what equals it may be a decimal, and to convert it costs the square


def _of_fraction(value: fractions.Fraction) -> _Cost:
    _, one, squared = _of_integer(value.numerator)
    _, other, _ = _of_integer(value.denominator)
    return 0, 200 + one + other, 200 + squared + other


def _of_range(value: range) -> _Cost:
    words = sum(part.bit_length() >> 6 for part in (value.start, value.stop, value.step))
    return 0, 8 + 10 * words, 8 + words


def _of_text(value: str | bytes) -> _Cost:
    return 0, 1, 1 + (len(value) >> 6)


def _of_path(value: pathlib.PurePath) -> _Cost:
    return 0, 8, 8 + (len(str(value)) >> 4)


# Hashes of text, bytes and paths are worked out once; of all the others each time.
_COSTS: dict[type, Callable[[Any], _Cost]] = {
    int: _of_integer,
    float: lambda value: (0, 1, 1),
    str: _of_text,
    bytes: _of_text,
    fractions.Fraction: _of_fraction,
    range: _of_range,
    pathlib.PurePosixPath: _of_path,
    pathlib.PureWindowsPath: _of_path,
}


def refuse_cycles(values: Iterable[Any], registry: Registry) -> None:
    """Raise `ImmutableCycle` if one of the values is on, or leads to, a cycle of immutable objects."""
    memo: dict[int, tuple[None, Any]] = {}
    for value in values:
        fold(value, registry, lambda value, members: None, memo)
