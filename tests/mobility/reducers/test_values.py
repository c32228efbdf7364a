"""Values that pickle does not carry, or not between versions, arrive as what they were; the others are refused."""

from __future__ import annotations

import _thread
import asyncio
import collections
import contextvars
import csv
import functools
import gc
import hashlib
import io
import math
import os
import os.path
import pathlib
import pickle
import queue
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import types
import weakref
from collections.abc import Callable
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.reducers import values
from mobility.reducers.refusal import Refused
from mobility.testing.interpreters import Interpreter, found
from tests.mobility.reducers.moving import move, namespace, pack

ROOT = Path(__file__).parents[3]


class Base:
    def __init__(self, name: str = "b") -> None:
        self.name = name

    def who(self) -> str:
        return f"base {self.name}"

    def __secret(self) -> str:
        return f"secret {self.name}"

    def secret(self) -> Callable[[], str]:
        return self.__secret

    @classmethod
    def kind(cls) -> str:
        return f"base of {cls.__name__}"

    def __len__(self) -> int:
        return 3


class Meta(type):
    def made(cls) -> str:
        return f"made {cls.__name__}"


class Derived(Base, metaclass=Meta):
    def who(self) -> str:
        return f"derived {self.name}"

    @classmethod
    def kind(cls) -> str:
        return f"derived of {cls.__name__}"

    def outer(self) -> Callable[[], str]:
        return super().who

    @classmethod
    def outer_kind(cls) -> Callable[[], str]:
        return super().kind

    def above(self) -> Any:
        return super()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class _Private:
    def __hidden(self) -> str:
        return "hidden"

    def hidden(self) -> Callable[[], str]:
        return self.__hidden


def loose(self: Any) -> str:
    return f"loose {self.name}"


METHODS: dict[str, Callable[[], Callable[[], Any]]] = {
    "plain": lambda: Derived("d").who,
    "inherited": lambda: Derived("d").secret,
    "super": lambda: Derived("d").outer(),
    "private": lambda: Derived("d").secret(),
    "private of a private class": lambda: _Private().hidden(),
    "special": lambda: Base().__len__,
    "class": lambda: Derived.kind,
    "class through instance": lambda: Derived("d").kind,
    "super class": lambda: Derived.outer_kind(),
    "metaclass": lambda: Derived.made,  # type: ignore[attr-defined]
    "loose": lambda: types.MethodType(loose, Base("x")),
    "builtin": lambda: [1, 2].copy,
    "builtin class": lambda: functools.partial(dict.fromkeys, "ab"),
}


@pytest.mark.parametrize("name", METHODS)
def test_bound_methods(name: str) -> None:
    # Protects: a bound method is still that of the class that defines it: by name alone `super().who` would come back
    # as the subclass's own, and a private method not at all.
    method = METHODS[name]()
    again = move(method)
    result, expected = again(), method()
    if name.startswith("private") or name == "inherited":
        result, expected = (getattr(one, "__name__", one) for one in (result, expected))
    assert result == expected
    assert type(again) is type(method)


def test_plain_pickle_gives_the_wrong_method() -> None:
    # Protects: against a rule that is no longer needed; this is the fault it mends.
    method = Derived("d").outer()
    assert pickle.loads(pickle.dumps(method))() != method() == move(method)()


def test_method_shadowed_on_the_instance() -> None:
    # Protects: an attribute of the same name does not take the method's place.
    owner = Base("x")
    method = owner.who
    owner.who = print  # type: ignore[method-assign,assignment]
    both = move(namespace(method=method, owner=owner))
    assert both.method() == "base x"
    assert both.owner.who is print
    assert both.method.__self__ is both.owner


def test_super_object() -> None:
    # Protects: super() in a variable.
    again = move(Derived("d").above())
    assert again.who() == "base d"
    assert move(super(Derived)).__thisclass__ is Derived


@pytest.mark.parametrize("module", [math, os.path, collections.abc, sys, io])
def test_modules_by_name(module: types.ModuleType) -> None:
    # Protects: a module in a variable is that of the destination.
    assert move(module) is module


def test_modules_that_no_import_gives() -> None:
    # Protects: one made by hand is refused rather than looked for at the destination.
    with pytest.raises(Refused, match="Import it by its name"):
        pack(types.ModuleType("made_here"))


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=9)


@given(st.lists(texts, max_size=4))
def test_any_path(parts: list[str]) -> None:
    # Protects: the law, for any parts, drives and roots among them.
    for kind in (PurePosixPath, PureWindowsPath, type(Path())):
        path: PurePath = kind(*parts)
        again = move(path)
        assert (again, type(again)) == (path, kind)


def test_paths_of_windows() -> None:
    # Protects: drives, shares and roots.
    for text in ("c:\\a\\b", "c:a", "\\\\host\\share\\x", "\\a", "//?/c:/x", "..\\.."):
        assert move(PureWindowsPath(text)) == PureWindowsPath(text)


class Mine(PurePosixPath):
    pass


def test_path_of_ones_own_class() -> None:
    # Protects: only the classes of pathlib itself are made anew.
    assert type(move(Mine("a/b"))) is Mine


def test_classes_by_a_name_that_all_versions_know() -> None:
    # Protects: pathlib._local and re.PatternError, which 3.13 writes and 3.11 cannot read, and classes of types that
    # are in no module under their own name.
    kinds = [Path, PurePath, PosixPath, PureWindowsPath, re.error, types.FunctionType, types.GeneratorType]
    kinds += [types.MethodType, types.MappingProxyType, int, OSError, Derived, Meta, type]
    data = pack(kinds)
    assert pickle.loads(data) == kinds
    assert b"_local" not in data and b"PatternError" not in data
    assert values.reduce_class(Derived) is NotImplemented


class Unhashable(type):
    """Its classes cannot be looked up in a set."""

    __hash__ = None  # type: ignore[assignment]


class Odd(metaclass=Unhashable):
    pass


def test_mapping_proxies() -> None:
    # Protects: a read-only view shows the restored dict; the name space of a class moves by the class's name.
    table = {"a": 1}
    again = move(namespace(table=table, proxy=types.MappingProxyType(table)))
    again.table["b"] = 2
    assert dict(again.proxy) == {"a": 1, "b": 2}
    assert move(vars(Derived)) == vars(Derived)
    assert len(pack(vars(Derived))) < 200
    assert move(vars(Odd)) == vars(Odd)
    gc.freeze()  # as a place does: what it has imported is put aside from the collector, and is to be found even so
    assert len(pack(vars(Derived))) < 200
    odd = types.MappingProxyType(collections.OrderedDict(x=1))
    assert move(odd) == odd


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(\w)(\d)?", "ab1c2"),
        (r"(?<=a)b", "abab"),
        (r"^\w", "a\nb"),
        (r"(?m)^\w", "a\nb"),
        (r"\b", "ab cd"),
        (r"", "ab"),
        (rb"b+", b"abba"),
    ],
)
def test_matches(pattern: Any, text: Any) -> None:
    # Protects: a match of re in a variable, found in any way, with its groups and places.
    compiled = re.compile(pattern)
    ways = [compiled.search(text), compiled.match(text, 1), compiled.fullmatch(text), *compiled.finditer(text)]
    for match in filter(None, ways):
        again = move(match)
        for told in ("group", "groups", "groupdict", "span"):
            assert getattr(again, told)() == getattr(match, told)()
        assert (again.regs, again.lastgroup, again.string, again.re, again.endpos) == (
            match.regs,
            match.lastgroup,
            match.string,
            match.re,
            match.endpos,
        )


def test_match_that_cannot_be_made_again() -> None:
    # Protects: an empty match right after another one is found only by finditer, and never taken for the one before.
    match = list(re.finditer(r"\w*?", "ab"))[1]
    assert match.span() == (0, 1)
    with pytest.raises(Refused, match=r"match\.group\(\)"):
        pack(match)


async def coroutine() -> None: ...


async def agenerator() -> Any:
    yield 1


def frame() -> Any:
    return sys._getframe()


def traceback() -> Any:
    try:
        raise ValueError
    except ValueError as error:
        return error.__traceback__


class Something:
    pass


KEPT = Something()

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "lock": (threading.Lock, "after the move"),
    "rlock": (threading.RLock, "after the move"),
    "event": (threading.Event, "after the move"),
    "condition": (threading.Condition, "after the move"),
    "semaphore": (threading.Semaphore, "after the move"),
    "thread local": (threading.local, "after the move"),
    "thread": (threading.Thread, "Wait for it"),
    "queue": (queue.Queue, "collections.deque"),
    "priority queue": (queue.PriorityQueue, "collections.deque"),
    "simple queue": (queue.SimpleQueue, "collections.deque"),
    "socket": (socket.socket, "Open it after the move"),
    "frame": (frame, "values"),
    "traceback": (traceback, "traceback.format_tb"),
    "coroutine": (coroutine, "Await it"),
    "asynchronous generator": (agenerator, "def"),
    "memoryview": (lambda: memoryview(b"x"), "after the move"),
    "scanner": (lambda: re.compile("a").scanner("a"), "list(re.finditer"),  # type: ignore[attr-defined]
    "weak reference": (lambda: weakref.ref(KEPT), "object itself"),
    "weak proxy": (lambda: weakref.proxy(KEPT), "object itself"),
    "csv reader": (lambda: csv.reader([]), "list(reader)"),
    "csv dict reader": (lambda: csv.DictReader([]), "list(reader)"),
    "unpack": (lambda: struct.iter_unpack("b", b"a"), "list("),
    "directory": (lambda: os.scandir(ROOT), "os.listdir"),
    "database": (lambda: sqlite3.connect(":memory:"), "connect after it"),
    "hash": (hashlib.sha256, "digest"),
    "hash of another kind": (hashlib.blake2b, "digest"),
    "context": (contextvars.copy_context, "Set the variable"),
    "asynchronous lock": (asyncio.Lock, "after the move"),
    "asynchronous queue": (asyncio.Queue, "collections.deque"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_remedy(name: str) -> None:
    # Protects: each says what to do instead; the tables name classes that exist, as they are named here.
    make, remedy = REFUSED[name]
    value = make()
    try:
        assert remedy in str(values.remedy(value))
        with pytest.raises(Refused) as caught:
            values.refuse(value)
        assert caught.value.remedy == values.remedy(value)
        assert type(value).__name__ in caught.value.what
        if type(value) in values.REFUSED:
            with pytest.raises(Refused):
                pack([value])
    finally:
        if name in ("socket", "coroutine", "directory", "database"):
            value.close()


def test_children_of_refused_classes() -> None:
    # Protects: a subclass of a user's is refused for what it is.
    class Worker(threading.Thread):
        pass

    assert "Wait for it" in str(values.remedy(Worker()))


@pytest.mark.parametrize(
    "value", [1, "x", [], Base(), print, len, Path(), ValueError(), object(), Derived, re.compile("a")]
)
def test_not_refused(value: Any) -> None:
    # Protects: the tables do not reach too far.
    assert values.remedy(value) is None


def test_nothing_is_imported_for_it() -> None:
    # Protects: the start-up time of a program that uses no sockets, threads or event loops.
    names = {"socket", "asyncio", "sqlite3", "ssl", "subprocess", "numpy", "multiprocessing", "ctypes", "queue"}
    program = (
        "import sys; before = set(sys.modules)\n"
        "import mobility.reducers.values, mobility.reducers.iterators\n"
        "import mobility.reducers.files, mobility.reducers.exceptions\n"
        f"print(*sorted({names!r} & (set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == []


MATRIX_PROGRAM = """
import pickle, sys
from tests.mobility.reducers.moving import pack
them = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pack(them))
"""


@pytest.mark.parametrize("there", [other for other in found() if other.minor <= (3, 13)], ids=str)
def test_other_versions_know_them(there: Interpreter) -> None:
    # Protects: the names are the same on all versions, there and back again.
    them: list[Any] = [
        math,
        os.path,
        Path("a/b"),
        PurePosixPath("/x"),
        PureWindowsPath("c:/x"),
        pathlib.Path,
        PosixPath,
        re.error,
        types.FunctionType,
        types.MappingProxyType({"a": 1}),
        range(3),
        [1].append,
        re.compile("a(b)?"),
    ]
    match = re.search("b", "abc")
    done = subprocess.run(
        [there.path, "-W", "error", "-c", MATRIX_PROGRAM],
        input=pack([*them, match]),
        capture_output=True,
        env=there.environment(ROOT),
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    *again, again_match = pickle.loads(done.stdout)
    again[11], them[11] = again[11].__self__, [1]
    assert again == them
    assert again_match.span() == (1, 2)


def test_locks_by_their_private_name() -> None:
    # Protects: the exact types in the table.
    assert type(_thread.allocate_lock()) in values.REFUSED
