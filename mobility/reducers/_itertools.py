"""Reducers for the iterators of itertools, in whatever state they are.

Where it can be said so, a half-used iterator is a fresh one over inputs that begin later: that needs no `__setstate__`
at the destination. Only combinations, permutations and products in the middle, a group in the middle, and tee have no
such form; `_quiet` sets their state.

The inner iterators stand in the reduce tuples as they are. The pickler keeps their identity, so two iterators over one
source, the branches of a tee, and a groupby and its group stay connected.

From 3.14 itertools objects do not tell their state; they are refused there, with the remedy.
"""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from mobility.reducers import _fields, _quiet
from mobility.reducers.refusal import Refused

Reduced = tuple[Any, ...]

_TEE: Any = type(itertools.tee(())[0])
_LINK: Any = getattr(itertools, "_tee_dataobject")  # noqa: B009 - typeshed does not know it
_GROUP: Any = type(next(itertools.groupby("a"))[1])
_batched: Any = getattr(itertools, "batched", None)

# From 3.12 these types are on the heap, and their objects refer to them.
_OWN = 0 if len(gc.get_referents(itertools.chain())) == 1 else 1
# A tee keeps what its slower branches have not seen in links of 57 elements, each nested in the one before.
_LINKS_BETWEEN_WAYPOINTS = 16


def _held(it: Any) -> list[Any]:
    """Return what the object's fields refer to, in their order; an empty field is left out."""
    return gc.get_referents(it)[_OWN:]


def _reduced(it: Any) -> Reduced:
    kind = type(it)
    if "__reduce__" not in vars(kind):
        raise Refused(
            f"an itertools.{kind.__name__} on this Python",
            "Make a list of it first, or write the loop as a resumable generator.",
        )
    reduced: Reduced = _quiet.reduced(it)
    return reduced


class Ahead(itertools.chain):  # type: ignore[type-arg]
    """Elements that were already taken from an iterator, and then that iterator.

    A type of its own, because only ours may be taken apart again: otherwise the chains would grow with every move.
    """

    __slots__ = ()


def ahead(elements: tuple[Any, ...], it: Iterator[Any]) -> Iterator[Any]:
    """Return an iterator of `elements`, then of what `it` still has."""
    return Ahead(elements, it)


def _open(it: Any) -> tuple[tuple[Any, ...], Any]:
    """Take an `Ahead` apart, without moving it, into the elements still ahead and the iterator behind them."""
    fields = gc.get_referents(it)[1:]  # a subclass is always on the heap
    if not fields:
        return (), iter(())
    # Fields: the iterator over what is chained and, once begun, the one of those that is being walked.
    parts = fields[0].__reduce__()
    place = parts[2] if len(parts) == 3 else 0
    if len(fields) == 1:
        elements, source = parts[1][0]
        return elements, source
    if place == 1:
        inner = fields[1].__reduce__()
        return inner[1][0][inner[2] if len(inner) == 3 else 0 :], parts[1][0][1]
    return (), fields[1]


def _source(it: Any) -> Any:
    if type(it) is Ahead:
        elements, source = _open(it)
        if not elements:
            return source
    return it


def _reduce_ahead(it: Any) -> Reduced:
    return ahead, _open(it)


def never(element: Any) -> bool:
    """Stand for a predicate that will not be asked again."""
    return False


def _plain(it: Any) -> Reduced:
    """Serve where the state is all in the arguments."""
    return _reduced(it)[:2]


def accumulated(it: Iterator[Any], function: Any, total: Any) -> Iterator[Any]:
    """Return an accumulate that has just given `total`."""
    if total is None:
        result = itertools.accumulate(ahead((None,), it), function)
    else:
        result = itertools.accumulate(it, function, initial=total)
    next(result)
    return result


def accumulate_from(it: Iterator[Any], function: Any, initial: Any) -> Iterator[Any]:
    """Return an accumulate that has given nothing yet, not even its initial value."""
    return itertools.accumulate(it, function, initial=initial)


def _reduce_accumulate(it: Any) -> Reduced:
    # Fields: function, if there is one; source; total, once begun; initial, which is None when used or absent.
    reduced = _reduced(it)
    *fields, initial = _held(it)
    if initial is not None:
        *function, source = fields
        return accumulate_from, (_source(source), function[0] if function else None, initial)
    if reduced[0] is itertools.islice:
        # The total is None. Otherwise the last field but one could be a function as well as the source.
        *function, source, _ = fields
    elif len(fields) == 1:
        return itertools.accumulate, (_source(fields[0]),)
    elif len(fields) == 2 and reduced[1][1] is not None:
        return itertools.accumulate, (_source(fields[1]), fields[0])
    else:
        *function, source, _ = fields
    return accumulated, (_source(source), function[0] if function else None, fields[-1])


def batched(it: Iterator[Any], size: int, strict: bool) -> Iterator[Any]:
    """Return an itertools.batched where this Python has one that can do it, else our own."""
    if _batched is not None:
        if not strict:
            result: Iterator[Any] = _batched(it, size)
            return result
        try:
            result = _batched(it, size, strict=True)
            return result
        except TypeError:  # 3.12 has no strict
            pass
    return Batched(it, size, strict)


class Batched:
    """Serves as itertools.batched on Pythons that have none, or none that is strict."""

    __slots__ = ("_it", "_size", "_strict")

    def __init__(self, it: Iterator[Any], size: int, strict: bool) -> None:
        self._it: Iterator[Any] | None = it
        self._size = size
        self._strict = strict

    def __iter__(self) -> Batched:
        return self

    def __next__(self) -> tuple[Any, ...]:
        it, self._it = self._it, None  # an error in the source is also the end
        if it is None:
            raise StopIteration
        batch = tuple(itertools.islice(it, self._size))
        if not batch:
            raise StopIteration
        if len(batch) == self._size:
            self._it = it
        elif self._strict:
            raise ValueError("batched(): incomplete batch")
        return batch

    def __reduce__(self) -> Reduced:
        return batched, (iter(()) if self._it is None else self._it, self._size, self._strict)


def _reduce_batched(it: Any) -> Reduced:
    read = _fields.batched_reader()
    if read is None:
        raise Refused("an itertools.batched on this Python", "Make a list of it first.")
    size, strict = read(it)
    source = _held(it)
    return batched, (source[0] if source else iter(()), size, strict)


def chained(source: Iterator[Any], active: Iterator[Any]) -> Iterator[Any]:
    """Return a chain in the middle of `active`, with the iterables of `source` to follow."""
    return itertools.chain.from_iterable(ahead((active,), source))


def chain_of(source: Iterator[Any]) -> Iterator[Any]:
    """Return a chain of the iterables that `source` gives."""
    return itertools.chain.from_iterable(source)


def _reduce_chain(it: Any) -> Reduced:
    fields = _held(it)
    if not fields:
        return itertools.chain, ()
    source, *active = fields
    source = _source(source)
    return (chained, (source, active[0])) if active else (chain_of, (source,))


def cycled(saved: list[Any], it: Iterator[Any]) -> Iterator[Any]:
    """Return a cycle on its first round: `saved` is behind it, `it` before it."""
    result = itertools.cycle(ahead(tuple(saved), it))
    next(itertools.islice(result, len(saved), len(saved)), None)
    return result


def _reduce_count(it: Any) -> Reduced:
    try:
        return _plain(it)
    except SystemError:
        # The interpreter trips where its fast counter has just reached its end and its slow one has not begun.
        return itertools.count, (sys.maxsize,)


def _reduce_cycle(it: Any) -> Reduced:
    _, (source,), (saved, later_round) = _reduced(it)
    if later_round:
        coming = list(source)  # an iterator made for us by __reduce__, over the saved elements at the right place
        return itertools.cycle, (coming + saved[: len(saved) - len(coming)],)
    source = _source(source)
    return (cycled, (saved, source)) if saved else (itertools.cycle, (source,))


def _reduce_dropwhile(it: Any) -> Reduced:
    _, (predicate, source), begun = _reduced(it)
    return itertools.dropwhile, (never if begun else predicate, source)


def _reduce_takewhile(it: Any) -> Reduced:
    _, arguments, ended = _reduced(it)
    return itertools.takewhile, (never, ()) if ended else arguments


def _reduce_islice(it: Any) -> Reduced:
    _, arguments, passed = _reduced(it)
    if len(arguments) == 2:
        return itertools.islice, ((), 0)
    # Its counter, start and stop count from where the source was at first; here from where the source is now.
    source, start, stop, step = arguments
    start = max(0, start - passed)
    if stop is not None:
        stop = max(0, stop - passed)
    return itertools.islice, (source, start, stop, step)


def pairwise_after(element: Any, it: Iterator[Any]) -> Iterator[Any]:
    """Return a pairwise whose next pair begins with `element`."""
    return itertools.pairwise(ahead((element,), it))


def _reduce_pairwise(it: Any) -> Reduced:
    # Fields: source and the element before, until the end; 3.13 keeps a tuple for the next result in a last field.
    fields = _held(it)
    fields = fields[: len(fields) - _PAIRWISE_RESULT]
    if not fields:
        return itertools.pairwise, ((),)
    source = _source(fields[0])
    if len(fields) == 1:
        return itertools.pairwise, (source,)
    return pairwise_after, (fields[1], source)


_PAIRWISE_RESULT = len(_held(itertools.pairwise(()))) - 1


def _reduce_product(it: Any) -> Reduced:
    reduced = _reduced(it)
    return (seated, reduced) if len(reduced) == 3 else reduced


def _reduce_selection(it: Any) -> Reduced:
    # combinations, combinations_with_replacement, permutations: fields are the pool and, once begun, a result.
    reduced = _reduced(it)
    if len(reduced) == 3:
        return seated, reduced
    # Of one that has ended Python says only that its pool is empty. If its length is 0 it would then begin again.
    if not reduced[1][0] and len(_held(it)) > 1:
        return type(it), ((), 1)
    return reduced


def seated(kind: Any, arguments: tuple[Any, ...], state: Any) -> Any:
    """Return a combinations, permutations or product that has got as far as `state`."""
    result: Iterator[Any] = kind(*arguments)
    _quiet.set_state(result, state)
    return result


def _reduce_zip_longest(it: Any) -> Reduced:
    _, sources, fill = _reduced(it)
    return (itertools.zip_longest, sources) if fill is None else (zip_filled, (fill, *sources))


def zip_filled(fill: Any, *sources: Any) -> Iterator[Any]:
    """Return a zip_longest with a fill value."""
    return itertools.zip_longest(*sources, fillvalue=fill)


def grouped(source: Iterator[Any], key: Any, target: Any, *current: Any) -> Any:
    """Return a groupby in the group of key `target`; `current` is the key and value it has looked at, if any."""
    result: Any = itertools.groupby(source, key)
    if current:
        _quiet.set_state(result, (*current, target))
        return result
    # Its last value was given out. Only a group can do that, so a group gives out a value that stands for it.
    _quiet.set_state(result, (target, None, target))
    next(_GROUP(result, target))
    return result


def group(parent: Any, target: Any) -> Iterator[Any]:
    """Return the current group of the groupby `parent`."""
    result: Iterator[Any] = _GROUP(parent, target)
    return result


def _reduce_groupby(it: Any) -> Reduced:
    # Fields: source, key function, then the group's key, the key looked at, the value looked at. The last two are
    # empty once the value was given out, of which __reduce__ knows nothing.
    source, key, *state = _held(it)
    return (grouped, (source, key, *state)) if state else (itertools.groupby, (source, key))


def _reduce_group(it: Any) -> Reduced:
    reduced = _reduced(it)
    # A group that the groupby has left behind is at its end.
    return (group, reduced[1]) if reduced[0] is _GROUP else (iter, ((),))


def branch(*parts: Any) -> Iterator[Any]:
    """Return a branch of a tee; the last two parts are a link and the place in it, others are links within that one."""
    *_, link, place = parts
    result: Iterator[Any] = itertools.tee(())[0]
    _quiet.set_state(result, (link, place))
    return result


def _reduce_branch(it: Any) -> Reduced:
    link, place = _reduced(it)[2]
    # A long backlog is a deep nest of links. Pickling some of them first, the innermost before the others, keeps the
    # pickler's recursion shallow.
    links = [link]
    while (following := _reduced(links[-1])[1][2]) is not None:
        links.append(following)
    if len(links) <= _LINKS_BETWEEN_WAYPOINTS:
        return branch, (link, place)
    return branch, (*links[::-_LINKS_BETWEEN_WAYPOINTS], link, place)


REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    Ahead: _reduce_ahead,
    itertools.accumulate: _reduce_accumulate,
    itertools.chain: _reduce_chain,
    itertools.combinations: _reduce_selection,
    itertools.combinations_with_replacement: _reduce_selection,
    itertools.compress: _plain,
    itertools.count: _reduce_count,
    itertools.cycle: _reduce_cycle,
    itertools.dropwhile: _reduce_dropwhile,
    itertools.filterfalse: _plain,
    itertools.groupby: _reduce_groupby,
    _GROUP: _reduce_group,
    itertools.islice: _reduce_islice,
    itertools.pairwise: _reduce_pairwise,
    itertools.permutations: _reduce_selection,
    itertools.product: _reduce_product,
    itertools.repeat: _plain,
    itertools.starmap: _plain,
    itertools.takewhile: _reduce_takewhile,
    _TEE: _reduce_branch,
    _LINK: _plain,
    itertools.zip_longest: _reduce_zip_longest,
}
if _batched is not None:
    REDUCERS[_batched] = _reduce_batched

#: What the reduce tuples name.
LOADERS: tuple[Any, ...] = (
    accumulate_from,
    accumulated,
    ahead,
    batched,
    branch,
    chain_of,
    chained,
    cycled,
    group,
    grouped,
    never,
    pairwise_after,
    seated,
    zip_filled,
)
