"""Values that cannot move, each within a context manager that makes it and tidies up."""

import contextlib
import re
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class Thing:
    """Has attributes."""


class Stubborn:
    """Refuses to be pickled, in its own words."""

    def __reduce__(self) -> Any:
        raise TypeError("no way out")


@contextlib.contextmanager
def native_manager() -> Iterator[int]:
    yield 1


def native_generator(n: int = 3) -> Iterator[int]:
    for i in range(n):
        yield i


async def coroutine() -> None:
    pass


def elsewhere() -> Any:
    return lambda: 1


def in_thing(value: Any) -> Thing:
    thing = Thing()
    thing.inner = {"deep": [value]}
    return thing


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    with path.open("w") as file:
        yield file


@contextlib.contextmanager
def a_socket() -> Iterator[socket.socket]:
    with socket.socket() as made:
        yield made


@contextlib.contextmanager
def a_coroutine() -> Iterator[Any]:
    made = coroutine()
    try:
        yield made
    finally:
        made.close()


def plainly(make: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: contextlib.nullcontext(make())


# name: (a context manager that gives the value, its type as named, a part of the remedy)
VALUES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "lock": (plainly(threading.Lock), "_thread.lock", "after the move"),
    "rlock": (plainly(threading.RLock), "_thread.RLock", "after the move"),
    "event": (plainly(threading.Event), "threading.Event", "after the move"),
    "thread": (plainly(threading.Thread), "threading.Thread", "before the move"),
    "socket": (a_socket, "socket.socket", "after the move"),
    "native generator": (plainly(native_generator), "generator", "resumable"),
    "coroutine": (a_coroutine, "coroutine", "Await it"),
    "memoryview": (plainly(lambda: memoryview(b"abc")), "memoryview", "view after the move"),
    "finditer": (plainly(lambda: re.finditer("a", "aaa")), "callable_iterator", "list(re.finditer(...))"),
    "lambda": (plainly(elsewhere), "function", "module level"),
    "frame": (plainly(sys._getframe), "frame", "values"),
    "stubborn object": (plainly(Stubborn), f"{__name__}.Stubborn", "__reduce__"),
    "module without a name": (plainly(lambda: types.ModuleType("nowhere")), "module", "Import it"),
}
NESTED: dict[str, Callable[[Any], Any]] = {
    "itself": lambda value: value,
    "in a list": lambda value: [1, value],
    "in a tuple": lambda value: (1, (value,)),
    "in a dict": lambda value: {"key": value},
    "in an attribute": in_thing,
    "mixed": lambda value: {"a": [{"b": (value,)}]},
}
WAYS = {"itself": "", "in a list": "[1]", "in a tuple": "[1][0]", "in a dict": "['key']",
        "in an attribute": ".inner['deep'][0]", "mixed": "['a'][0]['b'][0]"}  # fmt: skip
