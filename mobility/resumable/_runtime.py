"""Objects that transformed code refers to. They stand in its constants, so that no name can shadow them."""

from __future__ import annotations

import builtins
import codecs
import collections
import operator
import sys
import types
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

__all__ = ["NEVER", "OBJECTS", "UNBOUND", "Moved", "Relay", "WaitingRelay", "is_hidden", "steps_of", "visible_locals"]


class Moved(BaseException):
    """Thrown into a generator that has gone elsewhere; transformed code lets it pass without running anything."""


class _Unbound:
    """Stands for a variable that is not bound."""

    def __repr__(self) -> str:
        return "<unbound>"


UNBOUND = _Unbound()


#: Equal to nothing, and asks nothing for its opinion: comparing a released memoryview is settled by identity.
NEVER = memoryview(b"")
NEVER.release()


def steps_of(iterator: Any) -> Iterator[Any]:
    """An iterator over the same steps, run by the interpreter itself, whose ``__iter__`` is its own.

    A ``for`` asks a stored iterator for its ``__iter__``, which the user's would notice, or might not have.
    """
    following = type(iterator).__next__
    getter = getattr(type(following), "__get__", None)
    return iter(following if getter is None else getter(following, iterator, type(iterator)), NEVER)


class Relay:
    """Stands before a foreign delegate of a ``yield from``, so that `Moved` can pass it by.

    Steps go through without a frame of ours: a traceback shows the delegate alone.

    Attributes
    ----------
    leaving
        Its generator is being discarded, which is no concern of the delegate.
    """

    __slots__ = ("delegate", "leaving")

    def __init__(self, delegate: Any) -> None:
        self.delegate = delegate
        self.leaving = False

    def __iter__(self) -> Relay:
        return self

    __next__ = property(operator.attrgetter("delegate.__next__"))

    def __getattr__(self, name: str) -> Any:
        # send, throw and close exist exactly if the delegate has them.
        if name in ("send", "throw", "close") and not self.leaving:
            return getattr(self.delegate, name)
        raise AttributeError(name)


class WaitingRelay(Relay):
    """A delegate's next step was asked for before it moved: the landing's first step is answered without it."""

    __slots__ = ()

    def __next__(self) -> None:
        self.__class__ = Relay  # type: ignore[assignment]  # the same layout


def relay(iterator: Any) -> Any:
    """What to delegate to instead of an iterator that was written in Python."""
    following = getattr(type(iterator), "__next__", None)
    return Relay(iterator) if isinstance(following, types.FunctionType) else iterator


def finished(result: Any) -> Generator[Any, Any, Any]:
    """A delegate that ends at once with a result."""
    yield from ()  # a generator function
    return result


_EXAMPLES: tuple[Any, ...] = (
    [], (), "", "é", b"", bytearray(), {}, {}.keys(), {}.values(), {}.items(), set(), range(0), range(2**70),
    enumerate(()), zip(), map(len, ()), filter(None, ()), reversed([]), reversed({}), collections.deque(),
)  # fmt: skip
#: Kinds of iterators that a ``for`` can take up again as they are.
_STEADY: frozenset[type] = frozenset({types.GeneratorType, *(type(iter(example)) for example in _EXAMPLES)})


#: Those of them that are only iterated: no send, throw or close.
_PLAIN = _STEADY - {types.GeneratorType}


#: What ``yield from`` needs no relay for. (It refuses a coroutine itself.)
_KNOWN = _STEADY | {list, tuple, range, dict, set, frozenset, str, bytes, types.CoroutineType}


def steps(iterator: Any) -> Any:
    """An iterator that a ``for`` can take up again, and that can move if its kind can."""
    from mobility.reducers import movable_iterator

    iterator = movable_iterator(iterator)
    asked = getattr(type(iterator), "__iter__", None)
    return steps_of(iterator) if asked is None or isinstance(asked, types.FunctionType) else iterator


def started(iterator: Any) -> Any:
    """The same for the iterator that a generator expression is given."""
    return iterator if type(iterator) in _STEADY else steps(iterator)


#: The methods of managers' types, checked by identity at each use; bounded, so that it keeps few types alive.
_managers: dict[type, tuple[Any, Any]] = {}
_KNOWN_MANAGERS = 256


def manages(kind: type) -> tuple[Any, Any]:
    """The functions behind ``__enter__`` and ``__exit__`` of a manager's type, to be called with the manager.

    ``(None, None)`` if one is missing.
    """
    try:
        known = _managers[kind]
        if kind.__enter__ is known[0] and kind.__exit__ is known[1]:  # type: ignore[attr-defined]  # or the except
            return known
    except (KeyError, AttributeError):
        pass
    enter, leave = _member(kind, "__enter__"), _member(kind, "__exit__")
    if enter is None or leave is None:
        return None, None
    if type(enter) is type(leave) is types.FunctionType:
        if len(_managers) >= _KNOWN_MANAGERS:
            _managers.clear()
        _managers[kind] = enter, leave
        return enter, leave
    return _unusual(enter, kind), _unusual(leave, kind)


def _member(kind: type, name: str) -> Any:
    """What the interpreter finds for a special method: in the type's own dictionaries, past any metaclass."""
    return next((base.__dict__[name] for base in kind.__mro__ if name in base.__dict__), None)


def _unusual(found: Any, kind: type) -> Callable[..., Any]:
    """A static method, a callable object or another descriptor, bound as the interpreter would."""
    getter = getattr(type(found), "__get__", None)

    def call(manager: Any, *details: Any) -> Any:
        bound = found if getter is None else getter(found, manager, kind)
        return bound(*details)

    return call


def exception() -> BaseException | None:
    """The exception being handled (``sys.exception``)."""
    return sys.exc_info()[1]


def is_hidden(name: str) -> bool:
    return name.startswith(".")


def visible_locals(frame: types.FrameType) -> dict[str, Any]:
    """The local variables of a frame that the user's source names."""
    return {name: value for name, value in frame.f_locals.items() if not name.startswith(".")}


def _locals() -> dict[str, Any]:
    return visible_locals(sys._getframe(1))


def _vars(*arguments: Any) -> Any:
    return builtins.vars(*arguments) if arguments else visible_locals(sys._getframe(1))


def _dir(*arguments: Any) -> Any:
    return builtins.dir(*arguments) if arguments else sorted(visible_locals(sys._getframe(1)))


def _with_frame(run: Callable[..., Any]) -> Callable[..., Any]:
    def evaluate(source: Any, *namespaces: Any, **options: Any) -> Any:
        if not namespaces and not options:
            frame = sys._getframe(1)
            return run(source, frame.f_globals, visible_locals(frame))
        return run(source, *namespaces, **options)

    return evaluate


_READERS: Mapping[Any, Callable[..., Any]] = {
    builtins.locals: _locals,
    builtins.vars: _vars,
    builtins.dir: _dir,
    builtins.eval: _with_frame(builtins.eval),
    builtins.exec: _with_frame(builtins.exec),
}


def visible(function: Any) -> Any:
    """What to call in place of a builtin that reads its caller's variables; anything else is itself."""
    try:
        return _READERS.get(function, function)
    except TypeError:  # not hashable, so not one of them
        return function


#: By the names that the emission marks them with.
OBJECTS: dict[str, Any] = {
    "BaseException": BaseException,
    "StopIteration": StopIteration,
    "UnboundLocalError": UnboundLocalError,
    "finished": finished,
    "empty_cell": types.CellType(),
    "Moved": Moved,
    "exc_info": sys.exc_info,
    "exception": exception,
    "iter": iter,
    "manages": manages,
    "plain_iterators": _PLAIN,
    "raise": codecs.strict_errors,  # raises what it is given, without a frame of its own
    "relay": relay,
    "set": set,
    "slice": slice,
    "known_iterables": _KNOWN,
    "started": started,
    "steady_iterators": _STEADY,
    "steps": steps,
    "type": type,
    "unbound": UNBOUND,
    "visible": visible,
}


