"""What hashing costs, and cycles that could never be built: both are found without recursion.

CPython hashes a tuple by recursion without a check of the stack, anew each time, and visits shared members as often
as they occur: a thousand bytes of nested tuples used as a key would keep a receiver busy for ever, or end its process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mobility.plain.limits import PlainLimits
from mobility.plain.registry import Registry

__all__ = ["DEEPEST", "Hashing", "ImmutableCycle", "TooDeep", "TooMuch", "fold", "members_of", "refuse_cycles"]

#: Nesting of tuples, frozensets and frozen dataclasses within a key or a set's member; part of the format.
DEEPEST = 100
_WORK_CAP = 1 << 62
_KEYED = frozenset({str, bytes})  # hashed with a secret of the process


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
    """The members of a tuple, frozenset or frozen registered dataclass; nothing of anything else."""
    kind = type(value)
    if kind is tuple:
        return value  # type: ignore[no-any-return]
    if kind is frozenset:
        return tuple(value)
    entry = registry.of_kind(kind)
    if entry is None or not entry.frozen:
        return ()
    try:
        return entry.values(value)
    except AttributeError:  # a field is not set: whoever writes or hashes the instance says so
        return ()


def fold(root: Any, registry: Registry, combine: Callable[[Any, Sequence[Any]], Any], memo: dict[int, Any]) -> Any:
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
        self._memo: dict[int, Any] = {}
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
        if kinds <= {str}:
            return
        work = sum(map(self._weigh, members)) if not kinds <= {int, float, bytes, str} else len(members)
        limits = self.limits
        if limits is None:
            return
        if int in kinds:
            work += sum(member.bit_length() >> 6 for member in members if type(member) is int)
        self._work += work
        if len(members) > limits.hashed_members:
            raise TooMuch("hashed_members", len(members), "a set or dict is too large")
        if self._work > limits.hash_work:
            raise TooMuch("hash_work", self._work, "to hash the keys and members takes too long")
        if kinds <= _KEYED:
            return
        hashes = list(map(hash, members))
        if len(hashes) - len(set(hashes)) >= limits.collisions:
            ((_, most),) = Counter(hashes).most_common(1)
            if most > limits.collisions:
                raise TooMuch("collisions", most, "too many keys or members have the same hash")

    def _weigh(self, member: Any) -> int:
        if not members_of(member, self.registry):
            return 8
        depth, work = fold(member, self.registry, self._combine, self._memo)
        if depth > DEEPEST:
            raise TooDeep(member)
        return work  # type: ignore[no-any-return]

    def _combine(self, value: Any, members: Sequence[Any]) -> tuple[int, int]:
        known = [self._memo[id(m)][0] for m in members if id(m) in self._memo]
        depth = 1 + max((depth for depth, _ in known), default=0)
        return depth, min(_WORK_CAP, 1 + len(members) + sum(work for _, work in known))


def refuse_cycles(values: Iterable[Any], registry: Registry) -> None:
    """Raise `ImmutableCycle` if one of the values is on, or leads to, a cycle of immutable objects."""
    memo: dict[int, Any] = {}
    for value in values:
        fold(value, registry, lambda value, members: None, memo)
