"""The hook that makes a suite's functions resumable, and the object that moves a generator after each step.

Three modes:

``still``
    resumable functions, no move.
``reference``
    after each step the generator is discarded and restored from a state that holds the very same objects. Every
    generator has a stand-in of its own and is moved on its own.
``pickled``
    after each step the generator is dumped, discarded and loaded. Between the bytes and what is loaded nothing is
    shared, so a list that a test looks at from outside would become two lists, and nearly every test of these suites
    looks at such a list, at itself or at a cell of its own. So the pickler gives a *persistent id* to what belongs to
    the test, which then stays itself, and really pickles what belongs to the generator: see :class:`Outside`. A
    generator that another one makes belongs to its maker: it has no stand-in and travels with it.

The stand-in is written in Python: a test that looks at the stack or at a traceback sees its frames, and a test that
calls ``type`` sees its class. Such tests are listed as expected differences.
"""

from __future__ import annotations

import copyreg
import functools
import inspect
import io
import linecache
import pickle
import sys
import types
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import mobility
from mobility import state
from mobility.errors import NotMovable, ResumableError
from mobility.reducers.pickler import Pickler
from mobility.resumable import _source
from tests.interpreter.suites import is_generator_function, mark

__all__ = ["MODES", "Harness", "StandIn"]

MODES = ("still", "reference", "pickled")

Generator = types.GeneratorType
Move = Callable[[Any], Any]

_ITERATORS = frozenset({"builtins", "itertools", "collections", "mobility.resumable._runtime"})
"""Modules whose iterators are part of a loop's state."""


class StandIn:
    """Behaves as the generator that it holds, and has it moved after each step that leaves it suspended."""

    __slots__ = ("__weakref__", "_generator", "_move")

    def __init__(self, generator: Any, move: Move) -> None:
        object.__setattr__(self, "_generator", generator)
        object.__setattr__(self, "_move", move)

    @property
    def __class__(self) -> Any:
        return Generator

    # Attributes are the generator's own, with the errors that it raises itself.
    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._generator, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._generator, name)

    def __dir__(self) -> list[str]:
        return dir(self._generator)

    def __repr__(self) -> str:
        return repr(self._generator)

    def __reduce_ex__(self, protocol: Any) -> Any:
        reduce = copyreg.dispatch_table.get(Generator)
        return reduce(self._generator) if reduce else self._generator.__reduce_ex__(protocol)

    def __iter__(self) -> StandIn:
        return self

    def __next__(self) -> Any:
        value = next(self._generator)
        self._travel()
        return value

    def send(self, value: Any) -> Any:
        value = self._generator.send(value)
        self._travel()
        return value

    def throw(self, *exception: Any) -> Any:
        value = self._generator.throw(*exception)
        self._travel()
        return value

    def close(self) -> Any:
        return self._generator.close()

    def _travel(self) -> None:
        # One that has ended has no place to go to. A step that raised has ended it, or was refused because it runs.
        if self._generator.gi_suspended:
            object.__setattr__(self, "_generator", self._move(self._generator))


StandIn.__next__.__doc__ = Generator.__next__.__doc__


def _within_generator(depth: int) -> bool:
    """Whether the frame `depth` above the caller is a generator's, or a comprehension or class body of one."""
    frame: types.FrameType | None = sys._getframe(depth + 1)
    while frame is not None:
        code = frame.f_code
        # A class body is not optimized; a comprehension has a frame of its own before 3.12.
        if code.co_flags & inspect.CO_OPTIMIZED and code.co_name not in {"<listcomp>", "<setcomp>", "<dictcomp>"}:
            return bool(code.co_flags & inspect.CO_GENERATOR)
        frame = frame.f_back
    return False


class Outside:
    """What belongs to a test, and stays itself when a generator is pickled.

    - a cell of a function that no generator defined, and that function
    - an exception that has not been raised yet: a value like any other
    - a class or a module of the suite
    - a stand-in: its generator is moved when it is stepped itself
    - any other object that can be told from its copy: lists, dicts, instances, locks, open files

    All else is pickled.
    """

    _VALUES = frozenset({
        types.NoneType, types.EllipsisType, types.NotImplementedType,
        bool, int, float, complex, str, bytes, tuple, frozenset, range, slice,
    })  # fmt: skip
    _OWN = frozenset({Generator, types.MethodType, types.BuiltinMethodType, types.MethodWrapperType})

    def __init__(self) -> None:
        # By id, because a cell compares by its content; kept alive, because an id is given again.
        self._cells: dict[int, types.CellType] = {}
        self._functions: weakref.WeakSet[types.FunctionType] = weakref.WeakSet()

    def add(self, *functions: types.FunctionType) -> None:
        """Note functions that the test itself defined."""
        for function in functions:
            self._functions.add(function)
            for cell in function.__closure__ or ():
                self._cells[id(cell)] = cell

    def clear(self) -> None:
        self._cells.clear()

    def holds(self, value: Any) -> bool:
        kind = type(value)
        if kind in self._VALUES or kind in self._OWN:
            return False
        if kind is types.CellType:
            return id(value) in self._cells
        if kind is types.FunctionType:
            return value in self._functions
        if kind is not StandIn and isinstance(value, BaseException):
            return value.__traceback__ is None
        if isinstance(value, type):
            return "<locals>" in value.__qualname__ or value.__module__.startswith("resumable_")
        return not (hasattr(kind, "__next__") and kind.__module__ in _ITERATORS)


class Harness:
    """Makes functions resumable in one mode, and counts.

    Attributes
    ----------
    functions
        How often a generator function was made resumable.
    undecorated
        Functions that :func:`mobility.resumable` refuses, by name and first line, with what it said.
    moves
        How many moves were made.
    refused
        Moves that capture refused, by what it said; the generator then stays where it is.
    """

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.functions = 0
        self.undecorated: dict[str, str] = {}
        self.moves = 0
        self.refused: Counter[str] = Counter()
        self.outside = Outside()
        self._picklers: list[_Pickler] = []
        self._kept: list[Any] = []

    def hook(self, function: types.FunctionType) -> Any:
        """Return `function`, made resumable if it makes generators. Goes innermost on every function of a suite."""
        made = function
        if is_generator_function(function):
            try:
                made = mobility.resumable(function)
            except ResumableError as refusal:
                code = function.__code__
                line = linecache.getline(code.co_filename, code.co_firstlineno).strip()
                self.undecorated[f"{function.__qualname__}, {line}"] = str(refusal)
            else:
                self.functions += 1
                if self.mode != "still":
                    made = self.followed(made)
        if self.mode == "pickled" and not _within_generator(1):
            self.outside.add(function, made)
        return made

    def followed(self, function: Callable[..., Any]) -> Any:
        """Return a function that makes the generators of `function`, each with a stand-in."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            # A test may have renamed what it believes to be the function.
            if (call.__name__, call.__qualname__) != (function.__name__, function.__qualname__):
                generator.__name__, generator.__qualname__ = call.__name__, call.__qualname__
            if self.mode == "pickled" and _within_generator(1):
                return generator
            return StandIn(generator, self._move)

        return call

    def _move(self, generator: Any) -> Any:
        move = state.move_by_reference if self.mode == "reference" else self._moved_by_pickle
        try:
            moved = move(generator)
        except NotMovable as refusal:
            self.refused[f"{refusal.function}: {refusal.variable}: {refusal.kind}"] += 1
            return generator
        self.moves += 1
        return moved

    def _moved_by_pickle(self, generator: Any) -> Any:
        # What a test itself pickles goes through the same pickler.
        self._picklers.clear()
        try:
            # With a callback, dumps() takes the pickler that has all reducers; a true result keeps buffers within.
            snapshot = mobility.dumps(generator, buffer_callback=lambda buffer: True)
            self._kept = self._picklers[0].kept
            mobility.discard(generator)
            return mobility.loads(snapshot)
        finally:
            # They hold objects of the test, which may look whether these die.
            self._picklers, self._kept = [], []

    def _new_pickler(self, *arguments: Any) -> _Pickler:
        self._picklers.append(_Pickler(self, *arguments))
        return self._picklers[-1]

    def _unpickled(self, data: bytes, *, buffers: Iterable[Any]) -> Any:
        return _Unpickler(io.BytesIO(data), self._kept, buffers).load()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let mobility, while the context lasts, see the hook too, and in mode ``pickled`` use persistent ids.

        It reads the text of a function from its file, in which there is no hook on the functions that are defined
        inside. The pickler serves `dumps`, and `discard`, which leaves exactly what a snapshot carries.
        """
        before = _source.parse_quietly, state.Pickler, state.pickle
        _source.parse_quietly = lambda text, filename: mark(before[0](text, filename))
        if self.mode == "pickled":
            state.Pickler = self._new_pickler
            state.pickle = types.SimpleNamespace(**{**vars(pickle), "loads": self._unpickled})
        try:
            yield
        finally:
            _source.parse_quietly, state.Pickler, state.pickle = before

    def finished(self) -> None:
        """Forget what belonged to a test that has ended."""
        self.outside.clear()


class _Pickler(Pickler):
    """Gives a persistent id to what belongs to the test.

    Attributes
    ----------
    kept
        Those objects; the index of one is its persistent id.
    """

    def __init__(self, harness: Harness, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.kept: list[Any] = []
        self._harness = harness
        # What would pass for an object of the test, but was found in, or made for, a generator's state.
        self._travelling: dict[int, Any] = {}

    def persistent_id(self, value: Any) -> int | None:
        if id(value) in self._travelling or not self._harness.outside.holds(value):
            return None
        self.kept.append(value)
        return len(self.kept) - 1

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is types.FunctionType and value.__globals__ is globals():
            return self._harness.followed, (value.__wrapped__,)
        reduced = super().reducer_override(value)
        if kind in (Generator, types.FunctionType) and type(reduced) is tuple and len(reduced) > 2:
            values = reduced[2]
            self._travels(values)
            for name, part in values.items():
                # The exceptions that a generator handles, and the parts of a function.
                if kind is types.FunctionType or (name[0] == "." and isinstance(part, BaseException)):
                    self._travels(part)
        return reduced

    def _travels(self, value: Any) -> None:
        self._travelling[id(value)] = value


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, kept: list[Any], buffers: Iterable[Any]) -> None:
        super().__init__(file, buffers=buffers)
        self._kept = kept

    def persistent_load(self, index: int) -> Any:
        return self._kept[index]
