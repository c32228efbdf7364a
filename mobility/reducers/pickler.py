"""The pickler of snapshots: pickle's own, with reducers for what a suspended generator is made of."""

from __future__ import annotations

import pickle
import types
from collections.abc import Callable
from typing import IO, Any

from mobility.reducers import exceptions, files, iterators, values
from mobility.reducers.functions import reduce_cell, reduce_class, reduce_function
from mobility.reducers.generators import reduce_generator
from mobility.reducers.refusal import Refused

__all__ = ["Pickler", "QuickPickler", "needs_reducer"]

Reducer = Callable[[Any], Any]


def _refuser(kind: type, remedy: str) -> Reducer:
    def refuse(value: Any) -> Any:
        raise Refused(f"a {kind.__module__}.{kind.__qualname__}", remedy)

    return refuse


_REDUCERS: dict[type, Reducer] = {
    **{kind: _refuser(kind, remedy) for kind, remedy in values.REFUSED.items()},
    **iterators.REDUCERS,
    **files.REDUCERS,
    **values.REDUCERS,
    types.CellType: reduce_cell,
}


class _Table(dict[type, Reducer]):
    """Reducers by exact type, for C to look up; exceptions are entered as they are met."""

    def __missing__(self, kind: type) -> Reducer:
        if issubclass(kind, BaseException):
            self[kind] = exceptions.reduce_exception
            return exceptions.reduce_exception
        raise KeyError(kind)


class QuickPickler(pickle.Pickler):
    """Knows all but functions and classes that were defined inside of functions: for these it fails as pickle does."""

    dispatch_table = _Table({**_REDUCERS, types.GeneratorType: reduce_generator})


class Pickler(pickle.Pickler):
    """Protocol 5, with all reducers. `visited` collects the generators that the snapshot reached, in order.

    Raises
    ------
    Refused
        While dumping, for a value that cannot move.
    """

    def __init__(self, file: IO[bytes], buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None) -> None:
        super().__init__(file, 5, buffer_callback=buffer_callback)
        self.visited: list[types.GeneratorType[Any, Any, Any]] = []

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is types.FunctionType:
            return reduce_function(value)
        if kind is types.GeneratorType:
            self.visited.append(value)
            return reduce_generator(value)
        reducer = _REDUCERS.get(kind)
        if reducer is not None:
            return reducer(value)
        if issubclass(kind, type):
            return reduce_class(value)
        if issubclass(kind, BaseException):
            return exceptions.reduce_exception(value)
        return NotImplemented


def needs_reducer(value: Any) -> bool:
    """Whether plain pickle would not know this value, or know it less well."""
    kind = type(value)
    return kind in _REDUCERS or kind is types.FunctionType or issubclass(kind, BaseException)
