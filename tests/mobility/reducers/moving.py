"""Moves single values with the reducers under test; needs nothing but the standard library.

The tests start it on the other interpreters too, hence the two commands at the end.
"""

from __future__ import annotations

import array
import collections
import io
import itertools
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mobility.reducers import exceptions, files, iterators, values

LIMIT = 12


class Pickler(pickle.Pickler):
    """Knows the reducers under test and nothing else."""

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if issubclass(kind, BaseException):
            return exceptions.reduce_exception(value)
        if issubclass(kind, type):
            return values.reduce_class(value)
        for table in (iterators.REDUCERS, files.REDUCERS, values.REDUCERS):
            if kind in table:
                return table[kind](value)
        return NotImplemented


def pack(value: Any) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, 5).dump(value)
    return stream.getvalue()


def move(value: Any) -> Any:
    return pickle.loads(pack(value))


def plain(value: Any) -> Any:
    """Turn the groups of a groupby into lists, so that they can be compared."""
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return list(value) if type(value).__name__ == "_grouper" else value


def rest(it: Iterator[Any], limit: int = LIMIT) -> list[Any]:
    """Tell all that happens from here on: values, errors with their text, and two steps past the end."""
    happened: list[Any] = []
    ends = 0
    while len(happened) < limit and ends < 2:
        try:
            happened.append(plain(next(it)))
        except StopIteration:
            ends += 1
            happened.append("end")
        except Exception as error:
            happened.append((type(error).__name__, str(error)))
    return happened


def advance(it: Iterator[Any], steps: int) -> Iterator[Any]:
    for _ in range(steps):
        try:
            next(it)
        except (StopIteration, ValueError, TypeError):
            pass
    return it


class Countdown:
    """An iterator written in Python, with an error on its way."""

    def __init__(self, start: int, fail_at: int = -1) -> None:
        self.left = start
        self.fail_at = fail_at

    def __iter__(self) -> Countdown:
        return self

    def __next__(self) -> int:
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        if self.left == self.fail_at:
            raise ValueError(f"no {self.left}")
        return self.left


class Letters:
    """A sequence of the old kind, with __getitem__ only."""

    def __getitem__(self, index: int) -> str:
        return "abcd"[index]


class Table(dict[Any, Any]):
    """A dict whose class has other ideas of its methods."""

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("asked")

    keys = values = __len__ = __iter__  # type: ignore[assignment]


def small(x: Any) -> bool:
    return bool(x < 3)


def none(*_: Any) -> None:
    return None


def latter(_: Any, x: Any) -> Any:
    return x


def odd(x: int) -> int:
    return x % 2


def pop_one(stack: list[int]) -> Callable[[], int]:
    return stack.pop


I = itertools
D = collections.deque
O = collections.OrderedDict
A = array.array

# Each makes an iterator, the same at each call, on each version and in each process.
CASES: dict[str, Callable[[], Iterator[Any]]] = {
    "list": lambda: iter([1, 2, 3]),
    "list reversed": lambda: reversed([1, 2, 3]),
    "tuple": lambda: iter((1, "b", None)),
    "str": lambda: iter("abc"),
    "str wide": lambda: iter("añ€😀"),
    "bytes": lambda: iter(b"abc"),
    "bytearray": lambda: iter(bytearray(b"abc")),
    "array": lambda: iter(A("d", [1.5, 2.5])),
    "range": lambda: iter(range(4)),
    "range start": lambda: iter(range(3, 6)),
    "range step": lambda: iter(range(10, 0, -3)),
    "range empty": lambda: iter(range(5, 1)),
    "range reversed": lambda: reversed(range(1, 8, 2)),
    "range big": lambda: iter(range(2**70, 2**70 + 3)),
    "range big step": lambda: iter(range(-(2**70), 2**71, 2**70)),
    "range big reversed": lambda: reversed(range(2**70, 2**70 + 3)),
    "deque": lambda: iter(D([1, 2, 3])),
    "deque reversed": lambda: reversed(D([1, 2, 3])),
    "deque bounded": lambda: iter(D([1, 2, 3], maxlen=3)),
    "dict": lambda: iter({"a": 1, "b": 2, "c": 3}),
    "dict values": lambda: iter({"a": 1, "b": 2, "c": 3}.values()),
    "dict items": lambda: iter({"a": 1, "b": 2, "c": 3}.items()),
    "dict reversed": lambda: reversed({"a": 1, "b": 2, "c": 3}),
    "dict values reversed": lambda: reversed({"a": 1, "b": 2, "c": 3}.values()),
    "dict items reversed": lambda: reversed({"a": 1, "b": 2, "c": 3}.items()),
    "dict empty": lambda: iter({}),
    "counter": lambda: iter(collections.Counter("abca").items()),
    "dict subclass": lambda: dict.__iter__(Table(a=1, b=2)),
    "ordered": lambda: iter(O(a=1, b=2, c=3)),
    "ordered values": lambda: iter(O(a=1, b=2, c=3).values()),
    "ordered items": lambda: iter(O(a=1, b=2, c=3).items()),
    "ordered reversed": lambda: reversed(O(a=1, b=2, c=3)),
    "ordered values reversed": lambda: reversed(O(a=1, b=2, c=3).values()),
    "ordered items reversed": lambda: reversed(O(a=1, b=2, c=3).items()),
    "set": lambda: iter({1, 2, 3}),
    "frozenset": lambda: iter(frozenset({1, 2, 3})),
    "set empty": lambda: iter(set()),
    "enumerate": lambda: enumerate("abc", 2**64),
    "enumerate dict": lambda: enumerate({"a": 1, "b": 2}.items()),
    "zip": lambda: zip("abc", range(9), {1: 2, 3: 4}),
    "zip strict": lambda: zip("abc", range(2), strict=True),
    "map": lambda: map(pow, [1, 2, 3], I.count(2)),
    "filter": lambda: filter(None, [0, 1, 0, 2]),
    "reversed": lambda: reversed((1, 2, 3)),
    "letters": lambda: iter(Letters()),
    "letters reversed": lambda: reversed(bytearray(b"abc")),
    "callable": lambda: iter(pop_one([0, 1, 2, 3]), 1),
    "callable method": lambda: iter([0, 1, 2, 3].pop, 1),
    "count": lambda: I.count(3),
    "count step": lambda: I.count(3, -2),
    "count float": lambda: I.count(0.5, 0.25),
    "count big": lambda: I.count(2**63 - 2),
    "cycle": lambda: I.cycle("abc"),
    "cycle empty": lambda: I.cycle(""),
    "cycle one": lambda: I.cycle([7]),
    "cycle none": lambda: I.cycle([None, 1]),
    "cycle failing": lambda: I.cycle(Countdown(3, 1)),
    "repeat": lambda: I.repeat("x"),
    "repeat times": lambda: I.repeat("x", 3),
    "repeat negative": lambda: I.repeat("x", -3),
    "accumulate": lambda: I.accumulate([1, 2, 3]),
    "accumulate function": lambda: I.accumulate([1, 2, 3], max),
    "accumulate initial": lambda: I.accumulate([1, 2, 3], initial=10),
    "accumulate both": lambda: I.accumulate([1, 2, 3], pow, initial=2),
    "accumulate none": lambda: I.accumulate([None, 1, 2], none),
    "accumulate to none": lambda: I.accumulate([5, 1, 2], none, initial=1),
    "accumulate failing": lambda: I.accumulate(Countdown(5, 2)),
    "accumulate bad total": lambda: I.accumulate([None, 1, 2]),
    "chain": lambda: I.chain([1, 2], (), "ab", I.repeat(0, 2)),
    "chain nothing": lambda: I.chain(),
    "chain from": lambda: I.chain.from_iterable([[1, 2], "ab"]),
    "chain from lazy": lambda: I.chain.from_iterable(map(range, [2, 0, 3])),
    "chain failing": lambda: I.chain([1], Countdown(3, 1), 5),  # type: ignore[arg-type]
    "combinations": lambda: I.combinations("abcd", 2),
    "combinations of nothing": lambda: I.combinations("", 0),
    "combinations of length 0": lambda: I.combinations("ab", 0),
    "combinations too long": lambda: I.combinations("ab", 3),
    "with replacement": lambda: I.combinations_with_replacement("abc", 2),
    "with replacement of nothing": lambda: I.combinations_with_replacement("", 0),
    "with replacement of length 0": lambda: I.combinations_with_replacement("ab", 0),
    "permutations": lambda: I.permutations("abc"),
    "permutations 2": lambda: I.permutations("abc", 2),
    "permutations of nothing": lambda: I.permutations(""),
    "permutations of length 0": lambda: I.permutations("ab", 0),
    "product": lambda: I.product("ab", range(2), "xy"),
    "product repeat": lambda: I.product("ab", repeat=2),
    "product nothing": lambda: I.product(),
    "product empty": lambda: I.product("ab", ""),
    "compress": lambda: I.compress("abcde", I.cycle([1, 0])),
    "dropwhile": lambda: I.dropwhile(small, [1, 2, 3, 1, 4]),
    "dropwhile all": lambda: I.dropwhile(small, [1, 2]),
    "filterfalse": lambda: I.filterfalse(small, [1, 5, 2, 6]),
    "filterfalse none": lambda: I.filterfalse(None, [1, 0, 2, ""]),
    "starmap": lambda: I.starmap(pow, [(2, 3), (3, 2)]),
    "takewhile": lambda: I.takewhile(small, [1, 2, 3, 1]),
    "islice": lambda: I.islice("abcdefgh", 1, 7, 2),
    "islice stop": lambda: I.islice("abcdefgh", 3),
    "islice open": lambda: I.islice("abcdefgh", 2, None, 3),
    "islice short": lambda: I.islice("ab", 5, 9),
    "islice backwards": lambda: I.islice(I.count(), 5, 3),
    "islice failing": lambda: I.islice(Countdown(8, 3), 2, 6, 3),
    "islice nothing": lambda: I.islice("abc", 0),
    "pairwise": lambda: I.pairwise("abcd"),
    "pairwise none": lambda: I.pairwise([None, None, 1]),
    "pairwise of one": lambda: I.pairwise("a"),
    "pairwise empty": lambda: I.pairwise(""),
    "pairwise types": lambda: I.pairwise([I.pairwise, I.pairwise, int]),
    "pairwise failing": lambda: I.pairwise(Countdown(5, 2)),
    "zip_longest": lambda: I.zip_longest("abc", "x", range(2)),
    "zip_longest fill": lambda: I.zip_longest("abc", "x", fillvalue="-"),
    "zip_longest nothing": lambda: I.zip_longest(),
    "groupby": lambda: I.groupby("aabbbc"),
    "groupby key": lambda: I.groupby([1, 3, 2, 4, 5], odd),
    "groupby empty": lambda: I.groupby(""),
    "groupby failing": lambda: I.groupby(Countdown(5, 2)),
    "group": lambda: next(I.groupby("aaab"))[1],
    "tee": lambda: I.tee("abcd")[1],
    "tee of tee": lambda: I.tee(advance(I.tee("abcd")[0], 1))[1],
    "tee long": lambda: I.tee(range(200))[0],
    "nested": lambda: enumerate(I.chain(zip({1: 2, 3: 4}, I.count()), I.pairwise(I.islice("abcd", 1, None)))),
}
if sys.version_info >= (3, 12):
    CASES |= {
        "batched": lambda: I.batched("abcdefg", 3),
        "batched even": lambda: I.batched("abcd", 2),
        "batched failing": lambda: I.batched(Countdown(6, 1), 2),
    }
if sys.version_info >= (3, 13):
    CASES |= {
        "batched strict": lambda: I.batched("abcdefg", 3, strict=True),
        "batched strict even": lambda: I.batched("abcd", 2, strict=True),
    }

STEPS = range(9)


def outcomes(names: Iterable[str], check: Callable[[str, int, bytes, list[Any]], None]) -> None:
    """Call `check` for each case after each number of steps, with the snapshot and what the original goes on to do."""
    for name in names:
        for steps in STEPS:
            it = advance(CASES[name](), steps)
            data = pack(it)
            check(name, steps, data, rest(it))


def dump() -> None:
    """Write snapshots of all cases to the standard output."""
    written: list[Any] = []
    outcomes(CASES, lambda *outcome: written.append(outcome))
    pickle.dump(written, sys.stdout.buffer, 5)


def load() -> None:
    """Read what `dump` wrote from the standard input, go on with each, and report those that differ."""
    failures = []
    for name, steps, data, expected in pickle.load(sys.stdin.buffer):
        try:
            happened = rest(pickle.loads(data))
        except Exception as error:
            happened = [repr(error)]
        if happened != expected:
            failures.append(f"{name} after {steps}: {happened} instead of {expected}")
    print("\n".join(failures), end="")


def namespace(**entries: Any) -> types.SimpleNamespace:
    """Hold several values, to move them together."""
    return types.SimpleNamespace(**entries)
