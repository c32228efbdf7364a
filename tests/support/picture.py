"""Pictures: plain nested tuples of strings that say all that matters about a value at one moment.

Two runs are compared by their pictures, because the values themselves go on changing, and because a picture means the
same in another process and on another version of Python. Within one picture a second sight of the same object is a
reference to the first, so sharing and cycles are part of what is compared.
"""

import array
import collections
import functools
import io
import types
from collections.abc import Generator
from typing import Any

ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
NAMED = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType)
SEQUENCES = (list, tuple, collections.deque)


def picture(value: object) -> Any:
    """Picture `value`; pictures are equal exactly when the values are alike in type, content and sharing."""
    return _Painter().paint(value)


def _constant(value: object) -> bool:
    """May the interpreter itself share this value, so that its identity says nothing?"""
    if isinstance(value, (tuple, frozenset)):
        return all(type(item) in ATOMS or _constant(item) for item in value)
    return isinstance(value, range)


class _Painter:
    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        self.alive: list[object] = []

    def paint(self, value: object) -> Any:
        if type(value) in ATOMS:
            return repr(value)
        if isinstance(value, type):
            return ("class", value.__qualname__)
        if isinstance(value, NAMED):
            return (type(value).__name__, getattr(value, "__qualname__", value.__name__))
        if id(value) in self.seen:
            return ("again", self.seen[id(value)])
        if not _constant(value):
            self.seen[id(value)] = len(self.seen)
            self.alive.append(value)  # an id means nothing once its object is gone
        return self.content(value)

    def content(self, value: Any) -> Any:
        kind = type(value).__qualname__
        if isinstance(value, BaseException):
            return self.exception(value)
        if isinstance(value, types.GeneratorType):
            return ("generator", value.__qualname__, state(value))
        if isinstance(value, types.MethodType):
            return ("method", value.__func__.__qualname__, self.paint(value.__self__))
        if isinstance(value, functools.partial):
            return ("partial", self.paint(value.func), self.paint(value.args), self.paint(value.keywords))
        if isinstance(value, dict):
            pairs = tuple((self.paint(key), self.paint(item)) for key, item in value.items())
            return (kind, *pairs, *self.attributes(value))
        if isinstance(value, (set, frozenset)):
            return (kind, *sorted(map(str, map(self.paint, value))))
        if isinstance(value, SEQUENCES):
            return (kind, *map(self.paint, value), *self.attributes(value))
        if isinstance(value, (range, slice, bytearray, array.array, types.SimpleNamespace)):
            return (kind, repr(value))
        if isinstance(value, (types.MappingProxyType, *VIEWS)):
            return (kind, *map(str, value))
        if isinstance(value, io.IOBase):
            return (kind, value.closed)
        if type(value).__module__ == "numpy":
            return (kind, str(value.dtype), str(getattr(value, "shape", "")), repr(value.tolist()))
        if isinstance(value, ATOMS):  # a subclass of one
            return (kind, value.__repr__(), *self.attributes(value))
        return (kind, *self.attributes(value))

    def attributes(self, value: object) -> tuple[Any, ...]:
        slots = [
            name
            for base in type(value).__mro__
            for name in ((base.__dict__.get("__slots__", ())) if base.__module__ != "builtins" else ())
            if name not in ("__dict__", "__weakref__") and hasattr(value, name)
        ]
        pairs = [(name, getattr(value, name)) for name in slots] + list(getattr(value, "__dict__", {}).items())
        return tuple((name, self.paint(item)) for name, item in pairs)

    def exception(self, error: BaseException) -> Any:
        parts = [type(error).__qualname__, self.paint(error.args)]
        if isinstance(error, BaseExceptionGroup):
            parts.append(("of", *map(self.paint, error.exceptions)))
        extra = {name: item for name, item in vars(error).items() if name != "__notes__"}
        if extra:
            parts.append(("with", *((name, self.paint(item)) for name, item in extra.items())))
        if getattr(error, "__notes__", None):
            parts.append(("notes", *map(self.paint, error.__notes__)))
        if error.__cause__ is not None:
            parts.append(("cause", self.paint(error.__cause__)))
        if error.__context__ is not None:
            parts.append(("context", self.paint(error.__context__)))
        if error.__suppress_context__:
            parts.append("context suppressed")
        return tuple(parts)


VIEWS = (type({}.keys()), type({}.values()), type({}.items()))


def state(generator: Generator[Any, Any, Any]) -> str:
    """Created, running, suspended or closed; as `inspect` names it, which is slow to import and to call."""
    if generator.gi_running:
        return "running"
    if generator.gi_frame is None:
        return "closed"
    return "suspended" if generator.gi_suspended else "created"


def position(generator: Generator[Any, Any, Any]) -> Any:
    """The state, and the line at which it and each generator to which it delegates is suspended."""
    lines: list[Any] = [state(generator)]
    inner: Any = generator
    for _ in range(100):
        if not isinstance(inner, types.GeneratorType):
            lines.append(inner is not None)  # it delegates to a foreign iterator, or to nothing
            break
        if inner.gi_frame is not None:
            lines.append(f"{inner.__name__}={inner.gi_code.co_name}:{inner.gi_frame.f_lineno}")
        inner = inner.gi_yieldfrom
    return tuple(lines)
