"""Reducers for the iterators and views of Python's own containers.

What pickles right on every version by itself (list, str, bytes, array, enumerate, zip, map, filter, reversed ...) has
no rule here. The itertools have theirs in `_itertools`; `REDUCERS` holds both.

An iterator of a dict comes back as a genuine iterator of the *same* restored dict, at the same place. It sees later
writes, and complains when the dict changes its size. So does an iterator of a deque. The order of a set may differ at
the destination, so the elements that were still to come travel with the set, in the order of the original.

The names in the reduce tuples are part of the snapshot format: a function here that a tuple names must stay.
"""

from __future__ import annotations

import gc
import itertools
import operator
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

from mobility.reducers import _fields, _itertools
from mobility.reducers.refusal import Refused

Reduced = tuple[Any, ...]

# The six ways to walk a dict. The places in these tuples are written into snapshots.
_WALKS: tuple[Callable[[Any], Iterator[Any]], ...] = (
    dict.__iter__,
    lambda table: iter(dict.values(table)),
    lambda table: iter(dict.items(table)),
    dict.__reversed__,
    lambda table: reversed(dict.values(table)),
    lambda table: reversed(dict.items(table)),
)
_ORDERED_WALKS: tuple[Callable[[Any], Iterator[Any]], ...] = (
    OrderedDict.__iter__,
    lambda table: iter(OrderedDict.values(table)),
    lambda table: iter(OrderedDict.items(table)),
    OrderedDict.__reversed__,
    lambda table: reversed(OrderedDict.values(table)),
    lambda table: reversed(OrderedDict.items(table)),
)
_VIEWS = (dict.keys, dict.values, dict.items)
_ORDERED_VIEWS = (OrderedDict.keys, OrderedDict.values, OrderedDict.items)

_DICT_SIZE = "dictionary changed size during iteration"
_DICT_KEYS = "dictionary keys changed during iteration"
_DEQUE = "deque mutated during iteration"
_SET = "Set changed size during iteration"
_LIST_FIRST = "Iterate over a list of it: for x in list(...)."


def _size(container: Any) -> int:
    # Here and below the methods of the builtin class are named: a subclass may have others.
    return dict.__len__(container) if isinstance(container, dict) else deque.__len__(container)


def _advance(it: Iterator[Any], steps: int) -> Iterator[Any]:
    next(itertools.islice(it, steps, steps), None)
    return it


class Stuck:
    """An iterator whose container was changed under it: each step raises the error that the original would raise."""

    __slots__ = ("_message", "_once")

    def __init__(self, message: str, once: bool = False) -> None:
        self._message: str | None = message
        self._once = once

    def __iter__(self) -> Stuck:
        return self

    def __next__(self) -> Any:
        if self._message is None:
            raise StopIteration
        error = RuntimeError(self._message)
        if self._once:
            self._message = None
        raise error

    def __reduce__(self) -> Reduced:
        return (iter, ((),)) if self._message is None else (Stuck, (self._message, self._once))


class Late:
    """An iterator of a container that was still being filled when the snapshot was read; made at its first step.

    That happens when the container holds, somewhere inside, the iterator itself.
    """

    __slots__ = ("_container", "_inner", "_passed", "_size", "_walk")

    def __init__(self, walk: Callable[[Any], Iterator[Any]], container: Any, passed: int, size: int) -> None:
        self._walk = walk
        self._container = container
        self._passed = passed
        self._size = size
        self._inner: Iterator[Any] | None = None

    def _genuine(self) -> Iterator[Any]:
        if self._inner is None:
            if _size(self._container) == self._size:
                self._inner = _advance(self._walk(self._container), self._passed)
            else:
                self._inner = Stuck(_DEQUE if isinstance(self._container, deque) else _DICT_SIZE)
        return self._inner

    def __iter__(self) -> Late:
        return self

    def __next__(self) -> Any:
        return next(self._genuine())

    def __reduce__(self) -> Reduced:
        return iter, (self._genuine(),)


def _walk(walk: Callable[[Any], Iterator[Any]], container: Any, passed: int, size: int) -> Iterator[Any]:
    if _size(container) != size:
        return Late(walk, container, passed, size)
    return _advance(walk(container), passed)


def dict_iterator(way: int, table: dict[Any, Any], passed: int, size: int) -> Iterator[Any]:
    """Return an iterator of `table` that is `passed` entries on; it is 0 to 5, see the table of ways."""
    return _walk(_WALKS[way], table, passed, size)


def ordered_iterator(way: int, table: OrderedDict[Any, Any], passed: int, size: int) -> Iterator[Any]:
    """Do as `dict_iterator` for an OrderedDict."""
    return _walk(_ORDERED_WALKS[way], table, passed, size)


def deque_iterator(backward: bool, queue: deque[Any], passed: int, size: int) -> Iterator[Any]:
    """Return an iterator of `queue` that is `passed` elements on."""
    return _walk(deque.__reversed__ if backward else deque.__iter__, queue, passed, size)


def _place(remake: Callable[..., Any], way: int, table: Any, it: Any) -> Reduced:
    """Reduce an iterator of `table` to the number of entries that it has passed."""
    size = _size(table)
    try:
        # A list of what is to come, made from a copy of the iterator: the only exact account. The length hint counts
        # down from the size at the start, and is wrong once a key was deleted and another one added.
        coming = len(it.__reduce__()[1][0])
    except RuntimeError as error:
        if str(error) != _DICT_KEYS:
            # An OrderedDict's iterator ends with its error, that of a dict keeps raising it.
            return Stuck, (str(error), str(error) != _DICT_SIZE)
        if operator.length_hint(it) == 0:
            return Stuck, (str(error), True)
        raise Refused(
            "an iterator of a dict whose keys were replaced during the iteration", "Iterate over a list of its keys."
        ) from None
    return remake, (way, table, size - coming, size)


def _dict_rule(way: int) -> Callable[[Any], Reduced]:
    def reduce_dict_iterator(it: Any) -> Reduced:
        # The dict comes first; an iterator of items also keeps a tuple for its next result.
        table = next((held for held in gc.get_referents(it) if isinstance(held, dict)), None)
        if table is None:
            return dict_iterator, (way, {}, 0, 0)
        return _place(dict_iterator, way, table, it)

    return reduce_dict_iterator


def _reduce_ordered_iterator(it: Any) -> Reduced:
    table = next(iter(gc.get_referents(it)), None)
    if not isinstance(table, OrderedDict):
        return iter, ((),)
    read = _fields.ordered_reader()
    if read is None:
        raise Refused("an iterator of an OrderedDict on this Python", _LIST_FIRST)
    kind = read(it)
    return _place(ordered_iterator, (kind >> 1) - 1 + 3 * (kind & 1), table, it)


def dict_view(way: int, table: dict[Any, Any]) -> Any:
    """Return the keys (0), values (1) or items (2) of `table`, whatever its class makes of those methods."""
    return _VIEWS[way](table)


def ordered_view(way: int, table: OrderedDict[Any, Any]) -> Any:
    """Do as `dict_view` for an OrderedDict."""
    return _ORDERED_VIEWS[way](table)


def _view_rule(remake: Callable[..., Any], way: int) -> Callable[[Any], Reduced]:
    return lambda view: (remake, (way, gc.get_referents(view)[0]))


class SetIterator:
    """What is left of an iteration over a set, in the order in which the original would have gone on.

    Parameters
    ----------
    elements : set
        The set; elements that it loses meanwhile are passed over, as a set's own iterator does.
    size : int
        Its size when the iteration began; another size is an error at the next step, and at each one after it.
    rest : iterator
        The elements to come.

    """

    __slots__ = ("_elements", "_rest", "_size")

    def __init__(self, elements: set[Any], size: int, rest: Iterator[Any]) -> None:
        self._elements: set[Any] | None = elements
        self._size = size
        self._rest = rest

    def __iter__(self) -> SetIterator:
        return self

    def __length_hint__(self) -> int:
        return (
            0
            if self._elements is None or set.__len__(self._elements) != self._size
            else operator.length_hint(self._rest)
        )

    def __next__(self) -> Any:
        elements = self._elements
        if elements is None:
            raise StopIteration
        if set.__len__(elements) != self._size:
            self._size = -1
            raise RuntimeError(_SET)
        for element in self._rest:
            if set.__contains__(elements, element):
                return element
        self._elements = None
        raise StopIteration

    def __reduce__(self) -> Reduced:
        if self._elements is None:
            return iter, ((),)
        return SetIterator, (self._elements, self._size, self._rest)


def _reduce_set_iterator(it: Any) -> Reduced:
    elements = next(iter(gc.get_referents(it)), None)
    if elements is None:
        return iter, ((),)
    try:
        rest = iter(it.__reduce__()[1][0])
    except RuntimeError:
        return Stuck, (_SET,)
    if isinstance(elements, frozenset):
        return iter, (tuple(rest),)
    return SetIterator, (elements, set.__len__(elements), iter(tuple(rest)))


def _deque_rule(backward: bool) -> Callable[[Any], Reduced]:
    def reduce_deque_iterator(it: Any) -> Reduced:
        queue, passed = it.__reduce__()[1]
        stale = _fields.stale_reader()
        # Without ctypes the change cannot be seen, and the iterator would go on where the original raises.
        if stale is not None and stale(it):
            # Backward it looks at its countdown first, and ends with its error; forward it keeps raising it.
            return (iter, ((),)) if backward and not operator.length_hint(it) else (Stuck, (_DEQUE, backward))
        return deque_iterator, (backward, queue, passed, _size(queue))

    return reduce_deque_iterator


def _reduce_range(numbers: range) -> Reduced:
    if numbers.step != 1:
        return range, (numbers.start, numbers.stop, numbers.step)
    if numbers.start != 0:
        return range, (numbers.start, numbers.stop)
    return range, (numbers.stop,)


def steps(*numbers: int) -> Iterator[int]:
    """Return an iterator of a range. One name in a snapshot instead of two, `iter` and `range`."""
    return iter(range(*numbers))


def _reduce_range_iterator(it: Any) -> Reduced:
    # 3.11 gives the whole range and an index, later versions what is left; what is left is also the shortest form.
    reduced = it.__reduce__()
    numbers: range = reduced[1][0]
    if reduced[2]:
        numbers = numbers[reduced[2] :]
    return steps, _reduce_range(numbers)[1]


def _count_holders(it: Any) -> tuple[Reduced, int]:
    reduced = it.__reduce__()
    return reduced, sys.getrefcount(reduced[1][0])


_SOLE_HOLDER = _count_holders(iter((*[object()],)))[1]


def _reduce_tuple_iterator(it: Any) -> Reduced:
    # A tuple that nothing else holds, such as the arguments of a chain(), need not carry what was already passed.
    # Miscounting the holders would make the snapshot longer and nothing worse.
    reduced, holders = _count_holders(it)
    if len(reduced) == 3 and reduced[2] and holders == _SOLE_HOLDER:
        return iter, (reduced[1][0][reduced[2] :],)
    result: Reduced = reduced
    return result


def _refuse(what: str, remedy: str) -> Callable[[Any], Reduced]:
    def refuse(it: Any) -> Reduced:
        raise Refused(what, remedy)

    return refuse


_TABLE: dict[Any, Any] = {}
_ORDERED: OrderedDict[Any, Any] = OrderedDict()

REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    **_itertools.REDUCERS,
    **{type(walk(_TABLE)): _dict_rule(way) for way, walk in enumerate(_WALKS)},
    **{type(view(_TABLE)): _view_rule(dict_view, way) for way, view in enumerate(_VIEWS)},
    **{type(view(_ORDERED)): _view_rule(ordered_view, way) for way, view in enumerate(_ORDERED_VIEWS)},
    type(iter(_ORDERED)): _reduce_ordered_iterator,
    type(iter(set())): _reduce_set_iterator,
    type(iter(deque())): _deque_rule(False),
    type(reversed(deque())): _deque_rule(True),
    range: _reduce_range,
    type(iter(range(0))): _reduce_range_iterator,
    type(iter(range(2**70))): _reduce_range_iterator,
    type(iter(())): _reduce_tuple_iterator,
    type(iter(memoryview(b""))): _refuse(
        "an iterator of a memoryview", "Iterate over the bytes: for b in bytes(view)."
    ),
}

#: What the reduce tuples name.
LOADERS: tuple[Any, ...] = (
    deque_iterator,
    dict_iterator,
    dict_view,
    ordered_iterator,
    ordered_view,
    SetIterator,
    Stuck,
    steps,
    *_itertools.LOADERS,
)
