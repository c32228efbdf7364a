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

__all__ = [
    "NEVER",
    "OBJECTS",
    "READERS",
    "UNBOUND",
    "Moved",
    "Relay",
    "WaitingRelay",
    "steps_of",
    "visible_locals",
]


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


class Kinds(frozenset[type]):
    """A constant of transformed code; one that is pickled by value (by cloudpickle) names it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return constant, (next(name for name, value in OBJECTS.items() if value is self),)


def constant(name: str) -> Any:
    """The run-time object of this name."""
    return OBJECTS[name]


_EXAMPLES: tuple[Any, ...] = (
    [], (), "", "é", b"", bytearray(), {}, {}.keys(), {}.values(), {}.items(), set(), range(0), range(2**70),
    enumerate(()), zip(), map(len, ()), filter(None, ()), reversed([]), reversed({}), collections.deque(),
)  # fmt: skip
#: Kinds of iterators that a ``for`` can take up again as they are.
_STEADY = Kinds({types.GeneratorType, *(type(iter(example)) for example in _EXAMPLES)})


#: Those of them that are only iterated: no send, throw or close.
_PLAIN = Kinds(_STEADY - {types.GeneratorType})


#: What ``yield from`` needs no relay for. (It refuses a coroutine itself.)
_KNOWN = Kinds(_STEADY | {list, tuple, range, dict, set, frozenset, str, bytes, types.CoroutineType})


def steps(iterator: Any) -> Any:
    """An iterator that a ``for`` can take up again, and that can move if its kind can."""
    from mobility.reducers import movable_iterator

    iterator = movable_iterator(iterator)
    asked = getattr(type(iterator), "__iter__", None)
    return steps_of(iterator) if asked is None or isinstance(asked, types.FunctionType) else iterator


# The methods of managers' types, checked by identity at each use; bounded, so that it keeps few types alive.
class _Managers(dict[type, tuple[Any, Any]]):
    def __reduce__(self) -> tuple[Any, ...]:
        return known_managers, ()  # code pickled by value refers to it


_managers = _Managers()


def known_managers() -> dict[type, tuple[Any, Any]]:
    """The table of managers' methods."""
    return _managers


_KNOWN_MANAGERS = 256


def manages(kind: type) -> tuple[Any, Any]:
    """The functions behind ``__enter__`` and ``__exit__`` of a manager's type, to be called with the manager.

    ``(None, None)`` if one is missing.
    """
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


def visible_locals(frame: types.FrameType) -> dict[str, Any]:
    """The local variables of a frame that the user's source names."""
    return {name: value for name, value in frame.f_locals.items() if not name.startswith(".")}


def read_locals() -> dict[str, Any]:
    return visible_locals(sys._getframe(1))


def read_vars(*arguments: Any) -> Any:
    return builtins.vars(*arguments) if arguments else visible_locals(sys._getframe(1))


def read_dir(*arguments: Any) -> Any:
    return builtins.dir(*arguments) if arguments else sorted(visible_locals(sys._getframe(1)))


def read_eval(source: Any, *namespaces: Any, **options: Any) -> Any:
    if namespaces or options:
        return builtins.eval(source, *namespaces, **options)
    frame = sys._getframe(1)
    return builtins.eval(source, frame.f_globals, visible_locals(frame))


def read_exec(source: Any, *namespaces: Any, **options: Any) -> None:
    if namespaces or options:
        builtins.exec(source, *namespaces, **options)
        return
    frame = sys._getframe(1)
    builtins.exec(source, frame.f_globals, visible_locals(frame))


#: What stands for the builtins that read their caller's variables, and looks like them.
READERS: Mapping[Any, Callable[..., Any]] = {
    builtins.locals: read_locals,
    builtins.vars: read_vars,
    builtins.dir: read_dir,
    builtins.eval: read_eval,
    builtins.exec: read_exec,
}
for _builtin, _reader in READERS.items():
    _reader.__name__ = _reader.__qualname__ = _builtin.__name__
    _reader.__doc__ = _builtin.__doc__


def visible(function: Any) -> Any:
    """What to call in place of a builtin that reads its caller's variables; anything else is itself."""
    try:
        return READERS.get(function, function)
    except TypeError:  # not hashable, so not one of them
        return function


#: By the names that the emission marks them with.
OBJECTS: dict[str, Any] = {
    "BaseException": BaseException,
    "add": set.add,
    "append": list.append,
    "StopIteration": StopIteration,
    "UnboundLocalError": UnboundLocalError,
    "finished": finished,
    "empty_cell": types.CellType(),
    "Moved": Moved,
    "exc_info": sys.exc_info,
    "exception": sys.exception,
    "gettrace": sys.gettrace,
    "iter": iter,
    "known_managers": _managers.get,
    "manages": manages,
    "pop": list.pop,
    "plain_iterators": _PLAIN,
    "raise": codecs.strict_errors,  # raises what it is given, without a frame of its own
    "relay": relay,
    "set": set,
    "setitem": dict.__setitem__,
    "settrace": sys.settrace,
    "slice": slice,
    "known_iterables": _KNOWN,
    "steady_iterators": _STEADY,
    "steps": steps,
    "type": type,
    "unbound": UNBOUND,
    "update": set.update,
    "visible": visible,
}
