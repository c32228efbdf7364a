"""The pickler of snapshots: pickle's own, with reducers for what a suspended generator is made of."""

from __future__ import annotations

import pickle
import types
import typing
from collections.abc import Callable
from typing import IO, Any

from mobility.reducers import exceptions, files, iterators, values
from mobility.reducers.classes import METHOD_REDUCERS, reduce_class
from mobility.reducers.functions import reduce_cell, reduce_function, reduce_type_parameter
from mobility.reducers.generators import reduce_generator, sentinel
from mobility.reducers.tensors import tensor_reducer
from mobility.resumable._runtime import NEVER

__all__ = ["Pickler", "QuickPickler", "needs_reducer"]

Reducer = Callable[[Any], Any]


def _reduce_memoryview(value: memoryview) -> Any:
    if value is NEVER:
        return sentinel, ()
    return values.refuse(value)


_REDUCERS: dict[type, Reducer] = {
    **iterators.REDUCERS,
    **files.REDUCERS,
    **values.REDUCERS,
    **METHOD_REDUCERS,
    types.CellType: reduce_cell,
    **dict.fromkeys((typing.TypeVar, typing.ParamSpec, typing.TypeVarTuple), reduce_type_parameter),
    memoryview: _reduce_memoryview,
}


class _Table(dict[type, Reducer]):
    """Reducers by exact type, for C to look up."""

    def __missing__(self, kind: type) -> Reducer:
        if issubclass(kind, BaseException):
            return _too_much
        reducer = tensor_reducer(kind)
        if reducer is not None:
            return reducer
        raise KeyError(kind)


def _too_much(value: Any) -> Any:
    raise pickle.PicklingError("not for the quick pickler")


class QuickPickler(pickle.Pickler):
    """Twice as fast, and fails where `Pickler` need not: exceptions, functions and classes from inside of functions."""

    dispatch_table = _Table({**_REDUCERS, types.GeneratorType: reduce_generator})


class Pickler(pickle.Pickler):
    """Protocol 5, with all reducers. `visited` and `files` collect what the snapshot reached, in order.

    Raises
    ------
    Refused
        While dumping, for a value that cannot move.
    """

    def __init__(self, file: IO[bytes], buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None) -> None:
        super().__init__(file, 5, buffer_callback=buffer_callback)
        self.visited: list[types.GeneratorType[Any, Any, Any]] = []
        self.files: list[Any] = []

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is types.FunctionType:
            return reduce_function(value)
        if kind is types.GeneratorType:
            self.visited.append(value)
            return reduce_generator(value)
        reducer = _REDUCERS.get(kind)
        if reducer is not None:
            if kind in files.REDUCERS:
                self.files.append(value)
            return reducer(value)
        if issubclass(kind, type):
            renamed = values.reduce_class(value)
            return reduce_class(value) if renamed is NotImplemented else renamed
        if issubclass(kind, BaseException):
            return exceptions.reduce_exception(value)
        reducer = tensor_reducer(kind)
        return NotImplemented if reducer is None else reducer(value)


def needs_reducer(value: Any) -> bool:
    """Whether plain pickle would not know this value, or know it less well."""
    kind = type(value)
    return kind in _REDUCERS or kind is types.FunctionType or issubclass(kind, BaseException)
