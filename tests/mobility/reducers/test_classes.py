"""Classes defined inside a resumable function, held by it while it moves."""

from __future__ import annotations

import abc
import dataclasses
import enum
import functools
from collections.abc import Callable, Generator
from typing import Any

import pytest

from mobility import discard, dumps, loads, resumable
from mobility.errors import NotMovable

Steps = Generator[Any, Any, Any]


def moved_at_each_step(function: Callable[[], Steps]) -> list[Any]:
    """What a generator yields when it is dumped, discarded and loaded before every step."""
    generator = resumable(function)()
    seen: list[Any] = []
    while True:
        snapshot = dumps(generator)
        discard(generator)
        generator = loads(snapshot)
        try:
            seen.append(next(generator))
        except StopIteration:
            return seen


def local_dataclass() -> Steps:
    @dataclasses.dataclass(order=True)
    class Reading:
        place: str
        value: float = 0.5
        tags: list[str] = dataclasses.field(default_factory=list, compare=False)

        def doubled(self) -> float:
            return self.value * 2

    one = Reading("baku", 2.0)
    yield repr(one)
    two = Reading("oslo")
    two.tags.append("cold")
    yield repr(two), one.tags == [], one.doubled()
    yield one < two, one == Reading("baku", 2.0), dataclasses.replace(one, value=3.0).value
    yield [f.name for f in dataclasses.fields(Reading)], isinstance(one, Reading)


def local_enum() -> Steps:
    class Colour(enum.Enum):
        RED = 1
        GREEN = "g"
        ROT = 1

        def shout(self) -> str:
            return self.name + "!"

    class Level(enum.IntEnum):
        LOW = enum.auto()
        HIGH = enum.auto()

    kept = Colour.RED
    yield kept.name
    yield kept is Colour.RED, Colour.ROT is Colour.RED, Colour("g").shout()
    yield Level.HIGH > Level.LOW, list(Level.__members__), [c.value for c in Colour]


def local_abstract_class() -> Steps:
    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self) -> float: ...

    class Square(Shape):
        __slots__ = ("side",)

        def __init__(self, side: float) -> None:
            self.side = side

        def area(self) -> float:
            return self.side**2

        @property
        def halved(self) -> float:
            return self.side / 2

        @classmethod
        def unit(cls) -> Any:
            return cls(1.0)

        @staticmethod
        def corners() -> int:
            return 4

    square = Square(3.0)
    yield square.area()
    try:
        Shape()  # type: ignore[abstract]  # that is the question
    except TypeError:
        yield "still abstract"
    yield isinstance(square, Shape), square.halved, Square.unit().area(), square.corners()


@pytest.mark.parametrize("function", [local_dataclass, local_enum, local_abstract_class])
def test_a_local_class_and_its_instances_move(function: Callable[[], Steps]) -> None:
    """What a class generates (comparison, members, abstractness) is there again after every move."""
    assert moved_at_each_step(function) == list(function())


def test_a_local_named_tuple_is_refused_by_name() -> None:
    """Its methods were generated from text that nobody has: it must be refused, not moved wrongly."""
    import collections

    def holds() -> Steps:
        point = collections.namedtuple("point", "x y")  # made at run time on purpose
        yield point(1, 2).x
        yield point(3, 4).x

    generator = resumable(holds)()
    next(generator)
    with pytest.raises(NotMovable, match="'point'"):
        dumps(generator)
    assert list(generator) == [3]


def test_a_generators_given_name_moves() -> None:
    """A generator that was renamed (functools.wraps below the decorator) keeps its name on the way."""

    def original() -> None: ...

    @resumable
    @functools.wraps(original)
    def named() -> Steps:
        yield 1
        yield 2

    generator = named()
    generator.__name__, generator.__qualname__ = "other", "some.other"
    next(generator)
    moved = loads(dumps(generator))
    assert (moved.__name__, moved.__qualname__) == ("other", "some.other")
    assert list(moved) == [2]
