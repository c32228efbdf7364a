"""Which dataclasses and enums both sides know, and by which names.

A message names a class only by what the receiver has called it here: no module is imported and no attribute looked up
on behalf of a message.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Registered", "Registry"]

_C = TypeVar("_C", bound=type)
_LONGEST = 200
_TYPING = "__orig_class__"  # what Box[int](1) leaves in an instance: of use to type checkers only


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Registered:
    """One class of a registry.

    Attributes
    ----------
    fields
        Of a dataclass, in the order of their definition.
    known
        Names that an instance's ``__dict__`` may hold: the fields, and cached properties, which do not travel.
    frozen
        Built after its fields, not before: it may be hashed by them.
    check
        Called with each decoded instance, when the whole value is complete.
    bits
        Of an enum of flags: all that its members have.
    """

    name: str
    kind: type
    fields: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    frozen: bool = False
    check: Callable[[Any], object] | None = None
    bits: int = 0

    @property
    def is_enum(self) -> bool:
        """Whether it is an enum (else it is a dataclass)."""
        return issubclass(self.kind, enum.Enum)

    @property
    def is_flag(self) -> bool:
        """Whether it is an enum of flags, whose members may be combined."""
        return issubclass(self.kind, enum.Flag)

    def values(self, instance: Any) -> list[Any]:
        """The fields' values; AttributeError if one is not set."""
        return [getattr(instance, name) for name in self.fields]


class Registry:
    """Dataclasses and enums that may cross, each by a stable name.

    An instance of a dataclass is rebuilt by setting its fields: neither ``__init__`` nor ``__post_init__`` runs, and
    the fields hold whatever plain values the sender put there. Where that matters, give a `check`.

    Examples
    --------
    >>> registry = Registry()
    >>> @registry.named("survey.Reading")
    ... @dataclasses.dataclass
    ... class Reading:
    ...     station: str
    ...     celsius: float
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Registered] = {}
        self._by_kind: dict[type, Registered] = {}
        #: Whether a class has a ``__hash__`` of its own, which may look at what is filled only after it is asked.
        self.hashes_itself = False

    def add(self, kind: type, name: str, *, check: Callable[[Any], object] | None = None) -> None:
        """Let instances of exactly this class cross under `name`.

        Parameters
        ----------
        kind
            A dataclass or an enum. A dataclass that is not frozen must not be hashed by its fields; a ``__hash__`` of
            its own may look only at fields that cannot change.
        name
            The same on both sides, and for as long as messages live.
        check
            Of a dataclass: called with each instance when the whole value is decoded; whatever it raises turns into
            `PlainInvalid`.

        Raises
        ------
        TypeError
            The class cannot be rebuilt from its fields.
        ValueError
            The name or the class is taken, or the name is empty or longer than 200 characters.
        """
        if not 0 < len(name) <= _LONGEST or not name.isprintable():
            raise ValueError(f"a registered name has 1 to {_LONGEST} printable characters, not {name!r}")
        if name in self._by_name:
            raise ValueError(f"the name {name!r} stands for {self._by_name[name].kind.__qualname__} already")
        if kind in self._by_kind:
            raise ValueError(f"{kind.__qualname__} is registered already, as {self._by_kind[kind].name!r}")
        entry = _enum(kind, name, check) if issubclass(kind, enum.Enum) else _dataclass(kind, name, check)
        self._by_name[name] = self._by_kind[kind] = entry
        self.hashes_itself |= entry.frozen and not _is_hashed_as_usual(kind)

    def named(self, name: str, *, check: Callable[[Any], object] | None = None) -> Callable[[_C], _C]:
        """`add` as a decorator."""

        def decorate(kind: _C) -> _C:
            self.add(kind, name, check=check)
            return kind

        return decorate

    def of_kind(self, kind: type) -> Registered | None:
        """What is registered for exactly this class."""
        return self._by_kind.get(kind)

    def of_name(self, name: str) -> Registered | None:
        """What is registered under this name."""
        return self._by_name.get(name)

    def __repr__(self) -> str:
        return f"Registry({', '.join(sorted(self._by_name))})"


def _enum(kind: type[enum.Enum], name: str, check: Callable[[Any], object] | None) -> Registered:
    if check is not None:
        raise TypeError("an enum needs no check: a message can only name the members that it has")
    bits = 0
    if issubclass(kind, enum.Flag):
        for member in kind.__members__.values():
            bits |= max(member.value, 0)
    return Registered(name, kind, bits=bits)


def _dataclass(kind: type, name: str, check: Callable[[Any], object] | None) -> Registered:
    def refuse(why: str) -> TypeError:
        return TypeError(f"{kind.__qualname__} cannot be registered: {why}")

    # An inherited description would leave out what the class itself added.
    if "__dataclass_fields__" not in vars(kind):
        raise refuse("it is neither a dataclass nor an enum")
    names = tuple(field.name for field in dataclasses.fields(kind))
    frozen = bool(vars(kind)["__dataclass_params__"].frozen)
    by_fields: object = kind.__hash__
    if not frozen and by_fields is not None and by_fields is not object.__hash__:
        raise refuse("it can change and yet is hashed by its fields; make it frozen=True, or eq=False")
    if hasattr(kind, "__del__"):
        raise refuse("it has __del__, which would run on instances that a damaged message left half-built")
    try:
        object.__new__(kind)
    except TypeError as error:
        raise refuse(f"no empty instance can be made ({error})") from error
    slots = {slot for base in kind.__mro__ for slot in _slots(base)}
    hidden = slots.difference(names, {"__dict__", "__weakref__"})
    if hidden:
        raise refuse(f"its slot {min(hidden)} is not a field, and would be lost")
    cached = {n for base in kind.__mro__ for n, v in vars(base).items() if isinstance(v, functools.cached_property)}
    return Registered(name, kind, names, frozenset(names) | cached | {_TYPING}, frozen, check)


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_hashed_as_usual(kind: Any) -> bool:
    """By identity, or as `dataclasses` writes it: ``hash((self.x, self.y))``. In doubt not."""
    if kind.__hash__ is None or kind.__hash__ is object.__hash__:
        return True
    names = [field.name for field in dataclasses.fields(kind) if (field.compare if field.hash is None else field.hash)]
    code = getattr(kind.__hash__, "__code__", None)
    return code is not None and code.co_names == ("hash", *names)
