"""Read numbers that a C object keeps to itself.

Three facts about iterators are visible nowhere else: the size and strictness of a `batched`, which of keys, values and
items an OrderedDict's iterator walks, and whether a deque was changed under its iterator. Each reader is tried once on
objects whose answer is known; if one answer is wrong, or there is no ctypes, the reader is None and its caller refuses.
"""

from __future__ import annotations

import collections
import gc
import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

_HEAD = object.__basicsize__


def _signed(value: Any, offset: int) -> int:
    import ctypes

    return ctypes.c_ssize_t.from_address(id(value) + offset).value


def _int(value: Any, offset: int) -> int:
    import ctypes

    return ctypes.c_int.from_address(id(value) + offset).value


def _word() -> int:
    import ctypes

    return ctypes.sizeof(ctypes.c_void_p)


def _proved(reader: Callable[[Any], Any], known: Callable[[], list[tuple[Any, Any]]]) -> Callable[[Any], Any] | None:
    try:
        right = all(reader(value) == answer for value, answer in known())
    except Exception:
        right = False
    return reader if right else None


@cache
def batched_reader() -> Callable[[Any], tuple[int, bool]] | None:
    """Return a reader of (size, strict) of an `itertools.batched`, or None."""
    batched: Any = getattr(itertools, "batched", None)
    if batched is None:
        return None
    with_strict = batched.__basicsize__ > _HEAD + 2 * 8  # 3.13 added the flag

    def read(it: Any) -> tuple[int, bool]:
        import ctypes

        size = _signed(it, _HEAD + _word())
        strict = with_strict and ctypes.c_ubyte.from_address(id(it) + _HEAD + 2 * _word()).value != 0
        return size, strict

    def known() -> list[tuple[Any, Any]]:
        examples: list[tuple[Any, Any]] = [(batched("", size), (size, False)) for size in (1, 7, 2**31 + 5)]
        if with_strict:
            examples += [(batched("", size, strict=True), (size, True)) for size in (3, 258)]
        return examples

    return _proved(read, known)


@cache
def ordered_reader() -> Callable[[Any], int] | None:
    """Return a reader of the kind of an OrderedDict's iterator (1 reversed, 2 keys, 4 values, 6 items), or None."""

    def read(it: Any) -> int:
        return _int(it, _HEAD)

    def known() -> list[tuple[Any, Any]]:
        table = collections.OrderedDict(a=1)
        forward = [(iter(table), 2), (iter(table.values()), 4), (iter(table.items()), 6)]
        backward = [(reversed(table), 3), (reversed(table.values()), 5), (reversed(table.items()), 7)]
        return [*forward, *backward]

    return _proved(read, known)


@cache
def stale_reader() -> Callable[[Any], bool] | None:
    """Return a reader of whether the deque of a deque iterator was changed since the iterator was made, or None."""
    # struct dequeobject: variable head, left block, right block, left index, right index, state, ...
    # struct dequeiterobject: head, index, block, deque, state, counter

    def read(it: Any) -> bool:
        queue = gc.get_referents(it)[-1]
        return _signed(it, _HEAD + 3 * _word()) != _signed(queue, _HEAD + 5 * _word())

    def known() -> list[tuple[Any, Any]]:
        queue = collections.deque([1, 2, 3])
        before = iter(queue), reversed(queue)
        queue.append(queue.popleft())
        after = iter(queue), reversed(queue)
        return [*((it, True) for it in before), *((it, False) for it in after)]

    return _proved(read, known)
