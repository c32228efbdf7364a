"""Dataclasses of every make, enums and flags: rebuilt as they were, or refused at the sender."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from mobility.plain import NotPlain, PlainInvalid, Registry, decode, encode
from mobility.plain.wire import Kind, pack_integer, pack_text
from tests.mobility.plain.messages import message

T = TypeVar("T")
mine = Registry()


@mine.named("every")
@dataclasses.dataclass(kw_only=True)
class Every:
    shared: ClassVar[int] = 1
    start: dataclasses.InitVar[int]
    given: Any
    made: Any = dataclasses.field(init=False)
    listed: list[Any] = dataclasses.field(default_factory=list, compare=False)

    def __post_init__(self, start: int) -> None:
        self.made = start * 2


@mine.named("fixed")
@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Fixed:
    x: Any
    y: Any = dataclasses.field(default=0, hash=False)


@mine.named("derived")
@dataclasses.dataclass(frozen=True, slots=True)
class Derived(Fixed):
    z: Any = None


@mine.named("weak")
@dataclasses.dataclass(slots=True, weakref_slot=True, eq=False)
class Weak:
    x: Any


@mine.named("empty")
@dataclasses.dataclass(frozen=True)
class Empty:
    pass


@mine.named("guarded")
@dataclasses.dataclass
class Guarded:
    x: int

    def __setattr__(self, name: str, value: Any) -> None:
        if type(value) is not int:
            raise TypeError("only integers")
        object.__setattr__(self, name, value)


@mine.named("box")
@dataclasses.dataclass
class Box(Generic[T]):
    content: T


class Letter(enum.StrEnum):
    A = "a"
    B = "b"
    ALSO_A = "a"


class Order(enum.IntEnum):
    FIRST = 1


class Rights(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Bits(enum.IntFlag):
    LOW = 1
    HIGH = 8


class Kept(enum.Flag, boundary=enum.KEEP):
    ONE = 1


for kind in (Letter, Order, Rights, Bits, Kept):
    mine.add(kind, kind.__name__)


def again(value: Any) -> Any:
    return decode(encode(value, registry=mine), registry=mine)


def test_fields_of_every_make() -> None:
    """Keyword-only, not in ``__init__``, only in ``__init__``, of the class: what an instance holds is what travels."""
    value = Every(start=3, given=(1, None), listed=[2, None])
    value.given = [value]
    found = again(value)
    assert vars(found).keys() == {"given", "made", "listed"}
    assert found.made == 6 and found.listed == [2, None] and found.given[0] is found


@pytest.mark.parametrize("value", [Fixed(1, "a"), Fixed((1, None), Fixed(2)), Derived(1, [None], {"a": None}), Empty()])
def test_frozen_ones_with_and_without_slots(value: Any) -> None:
    """Their ``__setattr__`` refuses; their hash is that of their fields."""
    found = again([value, value])
    assert found == [value, value] and type(found[0]) is type(value) and found[0] is found[1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found[0].x = 1


def test_frozen_ones_as_keys() -> None:
    """They are found again by equal ones."""
    found = again({Fixed((1, "a"), 2): {Empty()}})
    assert found[Fixed((1, "a"), 2)] == {Empty()}


def test_slots_for_weak_references() -> None:
    """They hold nothing that could be lost."""
    one = Weak(None)
    one.x = {one: (one,)}
    found = again(one)
    assert found.x[found][0] is found


def test_a_class_that_guards_its_fields_needs_a_check() -> None:
    """Its ``__setattr__`` is passed by, as is said where classes are registered."""
    assert again(Guarded(1)) == Guarded(1)
    foreign = Registry()

    @foreign.named("guarded")
    @dataclasses.dataclass
    class Open:
        x: Any

    assert decode(encode(Open("text"), registry=foreign), registry=mine).x == "text"


def test_generic_classes() -> None:
    """What a type checker leaves in an instance stays behind."""
    value = Box[int](3)
    assert "__orig_class__" in vars(value)
    assert vars(again(value)) == {"content": 3}


@pytest.mark.parametrize(
    "value",
    [*Letter, Letter.ALSO_A, *Order, *Rights, Rights(0), ~Rights.READ, *Bits, Bits(9), Bits(0), Kept.ONE, Kept(0)],
    ids=repr,
)
def test_members_are_the_same_objects(value: Any) -> None:
    """Also as a key beside what equals it nearly."""
    found = again([value, {value: 1}, {value}])
    assert found[0] is value and list(found[1]) == [value] and found[2] == {value}
    assert type(next(iter(found[1]))) is type(value)


@pytest.mark.parametrize("value", [Bits(5), Kept(2), Kept(3)], ids=repr)
def test_bits_without_a_member_are_refused_by_the_sender(value: Any) -> None:
    """No receiver takes them: a class remembers each combination for ever."""
    with pytest.raises(NotPlain, match="bits that no member") as caught:
        encode([value], registry=mine)
    assert caught.value.path == "value[0]"
    data = message([Kind.FLAG], pack_text(type(value).__name__) + pack_integer(value.value))
    with pytest.raises(PlainInvalid, match="no such flags"):
        decode(data, registry=mine)


def test_a_flag_of_negative_bits_admits_no_others() -> None:
    """A member that stands for all bits must not let a sender make up new combinations without end."""
    theirs = Registry()

    @theirs.named("all")
    class All(enum.IntFlag):
        ONE = 1
        ALL = -1

    for bits in (2**70, -5):
        with pytest.raises(PlainInvalid, match="no such flags"):
            decode(message([Kind.FLAG], pack_text("all") + pack_integer(bits)), registry=theirs)
    assert decode(encode(All.ONE, registry=theirs), registry=theirs) is All.ONE


def test_an_error_without_a_text_is_reported_too() -> None:
    """The receiver's own check may raise what it likes; it leaves as one error, and not as a book."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def check(value: Any) -> None:
        raise Mute if value.content is None else ValueError("x" * 1_000_000)

    theirs = Registry()
    theirs.add(Box, "box", check=check)
    for content in (None, 1):
        with pytest.raises(PlainInvalid) as caught:
            decode(encode(Box(content), registry=theirs), registry=theirs)
        assert len(str(caught.value)) < 1000
