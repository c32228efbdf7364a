"""Generator functions that the benchmark measures natively and made resumable."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

Steps = Generator[Any, Any, Any]


def inner_loop(count: int) -> Steps:
    for _ in range(count):
        total = 0
        for number in range(100):
            total += number * number
        yield total


def every_iteration(count: int) -> Steps:
    for number in range(count):  # noqa: UP028  # the loop is what is measured
        yield number


def while_with_send(count: int) -> Steps:
    number = 0
    while number < count:
        step = yield number
        number += step or 1


def try_finally(count: int) -> Steps:
    left = 0
    for number in range(count):
        try:
            yield number
        finally:
            left += 1


class Manager:
    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *details: object) -> bool:
        return False


def with_block(count: int) -> Steps:
    for _ in range(count):
        with Manager() as manager:
            yield manager


def _leaf(count: int) -> Steps:
    for number in range(count):  # noqa: UP028  # the loop is what is measured
        yield number


def yield_from_1(count: int, leaf: Callable[[int], Steps]) -> Steps:
    yield from leaf(count)


def yield_from_20(count: int, leaf: Callable[[int], Steps], again: Callable[..., Steps], depth: int = 20) -> Steps:
    if depth > 1:
        yield from again(count, leaf, again, depth - 1)
    else:
        yield from leaf(count)


def plain_creation(count: int) -> Steps:
    number = count
    yield number


def captured_creation(count: int) -> Steps:
    number = count

    def more() -> int:
        return number + count

    yield more


def five_locals(count: int) -> Steps:
    station, reading, name, scale = 7, 20.5, "baku", -3
    for number in range(count):
        yield station, reading, name, scale, number


def holding(value: Any) -> Steps:
    yield value
    yield value


leaf = _leaf


@contextlib.contextmanager
def entered(generator: Steps) -> Iterator[Steps]:
    """A generator after its first step, closed at the end."""
    next(generator)
    try:
        yield generator
    finally:
        generator.close()
