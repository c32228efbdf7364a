"""Reducers for other values that an agent holds and that pickle wrongly, not at all, or only on one version.

`REDUCERS` goes by exact type. `reduce_class` is for classes, which need other names on other versions. `remedy` says,
for an instance of any class, whether it is known that it cannot move and what to do instead; it goes by the names of
the classes, so that nothing is imported for it.
"""

from __future__ import annotations

import _thread
import functools
import gc
import importlib
import re
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any

from mobility.reducers.refusal import Refused

Reduced = tuple[Any, ...]


def _reduce_module(module: types.ModuleType) -> Reduced:
    name = module.__name__
    if sys.modules.get(name) is not module:
        raise Refused(f"the module {name!r}, which no import gives", "Import it by its name, or pass what it holds.")
    return importlib.import_module, (name,)


def make_path(text: str) -> Path:
    """Return a path of the file system of the place; `text` has forward slashes."""
    return Path(text)


def make_posix_path(text: str) -> PurePosixPath:
    """Return a pure POSIX path."""
    return PurePosixPath(text)


def make_windows_path(text: str) -> PureWindowsPath:
    """Return a pure Windows path."""
    return PureWindowsPath(text)


def bind(function: Callable[..., Any], owner: Any) -> types.MethodType:
    """Return `function` as a method of `owner`."""
    return types.MethodType(function, owner)


def inherited(base: type, name: str, owner: Any) -> Any:
    """Return the method of `owner` that `base` defines, whatever a subclass makes of it."""
    method = vars(base)[name]
    return method.__get__(None, owner) if isinstance(method, classmethod) else method.__get__(owner)


def _reduce_method(method: types.MethodType) -> Reduced:
    """Reduce a bound method to where its class defines it.

    By name alone, as pickle does it, what `super().method` gave would become the method of the subclass, and a private
    method would not be found at all.
    """
    owner, function = method.__self__, method.__func__
    name = getattr(function, "__name__", "")
    writer = getattr(function, "__qualname__", "").rpartition(".")[0].rpartition(".")[2].lstrip("_")
    names = (name, f"_{writer}{name}") if name.startswith("__") and not name.endswith("__") else (name,)
    kinds: tuple[type, ...] = type(owner).__mro__
    if isinstance(owner, type):
        kinds = owner.__mro__ + kinds
    # An attribute of the instance goes before a method of its class. (Asked of the instance, __getattr__ could answer.)
    shadows = not isinstance(owner, type) and name in getattr(owner, "__dict__", ())
    for name in names:
        for base in kinds:
            defined = vars(base).get(name)
            if defined is function or (isinstance(defined, classmethod) and defined.__func__ is function):
                return (inherited, (base, name, owner)) if shadows else (getattr, (owner, name))
            # Another definition comes first: only super() can have given this one.
            shadows = shadows or defined is not None
    return bind, (function, owner)


def _reduce_super(value: Any) -> Reduced:
    if value.__self__ is None:
        return super, (value.__thisclass__,)
    return super, (value.__thisclass__, value.__self__)


def read_only(mapping: Any) -> types.MappingProxyType[Any, Any]:
    """Return a mapping proxy."""
    return types.MappingProxyType(mapping)


def _reduce_mapping_proxy(proxy: types.MappingProxyType[Any, Any]) -> Reduced:
    mapping = gc.get_referents(proxy)[0]
    if type(mapping) is dict and "__module__" in mapping:
        # Perhaps the name space of a class, which moves as the class does.
        for owner in _all_classes():
            if gc.get_referents(vars(owner))[0] is mapping:
                return vars, (owner,)
    return read_only, (mapping,)


def _all_classes() -> Iterator[type]:
    """Every class there is. The collector would not tell of those that gc.freeze has put aside, as places do."""
    found: dict[int, type] = {}  # by identity: a metaclass may say that classes are equal, or have no hash
    waiting: list[type] = [object]
    while waiting:
        kind = waiting.pop()
        if id(kind) not in found:
            found[id(kind)] = kind
            yield kind
            waiting += type.__subclasses__(kind)


def matched(pattern: re.Pattern[Any], method: str, text: Any, begin: int, end: int) -> re.Match[Any] | None:
    """Match again."""
    result: re.Match[Any] | None = getattr(pattern, method)(text, begin, end)
    return result


def _reduce_match(match: re.Match[Any]) -> Reduced:
    pattern, text = match.re, match.string
    # Where it was looked for at first; then where it was found, for a later one of finditer.
    for begin in (match.pos, match.start()):
        for method in ("search", "match", "fullmatch"):
            again = matched(pattern, method, text, begin, match.endpos)
            if again is not None and again.regs == match.regs and again.lastindex == match.lastindex:
                return matched, (pattern, method, text, begin, match.endpos)
    raise Refused("a match of re that cannot be made again", "Keep its groups: match.group(), match.groups().")


def reimported(module: str, name: str) -> Any:
    """Return what `module` calls `name`."""
    return getattr(importlib.import_module(module), name)


# Classes that have another name on another version: the name that all of them know.
_RENAMED = {
    ("re", "PatternError"): ("re", "error"),
    **{
        ("pathlib._local", kind.__name__): ("pathlib", kind.__name__)
        for kind in (*Path.__mro__[:-1], PosixPath, PurePosixPath, PureWindowsPath, WindowsPath)
    },
}


@functools.cache
def _interpreter_classes() -> dict[type, str]:
    # The classes of functions, modules, generators ... are in no module under their own name.
    return {
        kind: name
        for name, kind in vars(types).items()
        if isinstance(kind, type) and getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind
    }


def reduce_class(kind: type) -> Reduced | Any:
    """Reduce a class whose own name would not be found everywhere; NotImplemented for any other."""
    renamed = _RENAMED.get((kind.__module__, kind.__qualname__))
    if renamed is not None:
        return reimported, renamed
    if kind.__module__ == "builtins":
        name = _interpreter_classes().get(kind)
        if name is not None:
            return reimported, ("types", name)
    return NotImplemented


def _names(modules: str, kinds: str, remedy: str) -> dict[str, str]:
    return {f"{module}.{kind}": remedy for module in modules.split() for kind in kinds.split()}


_LOCK = "Make it after the move, or keep it in a global of the module."
_THREAD = "Wait for it before the move, and keep its result."
_CONNECTION = "Open it after the move."
_SCANNED = "Iterate over a list of it: for x in list(...)."
_LOOP = "Await it before the move, and keep its result."

# By module and qualified name of a class, or of one that it derives from.
_REMEDIES: dict[str, str] = {
    **_names("threading", "Condition Event Semaphore BoundedSemaphore Barrier _RLock", _LOCK),
    **_names("_thread", "_local", _LOCK),
    **_names("_threading_local", "local", _LOCK),
    **_names("threading", "Thread", _THREAD),
    **_names("multiprocessing.process", "BaseProcess", _THREAD),
    **_names("multiprocessing.connection", "_ConnectionBase", _CONNECTION),
    **_names("multiprocessing.synchronize", "SemLock", _LOCK),
    **_names("concurrent.futures._base", "Future Executor", "Take its result before the move."),
    **_names("queue", "Queue", "Keep the elements in a list or a collections.deque."),
    **_names("_queue", "SimpleQueue", "Keep the elements in a list or a collections.deque."),
    **_names("_socket", "socket", _CONNECTION),
    **_names("ssl _ssl", "SSLContext _SSLContext SSLSocket _SSLSocket SSLObject", _CONNECTION),
    **_names("select", "epoll poll kqueue devpoll", _CONNECTION),
    **_names("selectors", "BaseSelector", _CONNECTION),
    **_names("http.client", "HTTPConnection HTTPResponse", "Read what you need before the move, and connect after it."),
    **_names("sqlite3", "Connection Cursor Blob", "Fetch what you need before the move, and connect after it."),
    **_names("subprocess", "Popen", "Wait for the process before the move, and keep its output."),
    **_names("mmap", "mmap", "Keep the path, and map the file after the move."),
    **_names("gzip", "GzipFile", "Keep the path, and open the file after the move."),
    **_names("bz2", "BZ2File", "Keep the path, and open the file after the move."),
    **_names("lzma", "LZMAFile", "Keep the path, and open the file after the move."),
    **_names("zipfile", "ZipFile ZipExtFile", "Keep the path, and open the archive after the move."),
    **_names("tarfile", "TarFile ExFileObject", "Keep the path, and open the archive after the move."),
    **_names("tempfile", "_TemporaryFileWrapper SpooledTemporaryFile", "Keep what it holds in an io.BytesIO."),
    **_names("tempfile", "TemporaryDirectory", "Leave its block before the move: it belongs to this machine."),
    **_names("_csv", "reader", "Iterate over a list of its rows: for row in list(reader)."),
    **_names("_csv", "writer", "Make it after the move."),
    **_names("csv", "DictReader", "Iterate over a list of its rows: for row in list(reader)."),
    **_names("posix nt", "ScandirIterator", "Iterate over a list of names: os.listdir(path)."),
    **_names("posix nt", "DirEntry", "Keep its path: entry.path."),
    **_names("_struct", "unpack_iterator", _SCANNED),
    **_names("_hashlib", "HASH HASHXOF HMAC", "Keep what was hashed, or take the digest before the move."),
    **_names("_blake2", "blake2b blake2s", "Keep what was hashed, or take the digest before the move."),
    **_names("_md5 _sha1", "md5 sha1", "Keep what was hashed, or take the digest before the move."),
    **_names("zlib", "Compress Decompress", "Finish it before the move."),
    **_names("_contextvars", "Context ContextVar Token", "Set the variable again after the move."),
    **_names("_asyncio asyncio.futures asyncio.tasks", "Future Task", _LOOP),
    **_names("asyncio.events", "AbstractEventLoop Handle", "Keep the event loop outside of what moves."),
    **_names("asyncio.locks", "Lock Event Condition Semaphore Barrier", _LOCK),
    **_names("asyncio.queues", "Queue", "Keep the elements in a list or a collections.deque."),
    **_names("random", "SystemRandom", "Make it after the move: it has no state."),
}

_SCANNER = type(re.compile("").scanner(""))  # type: ignore[attr-defined]

REFUSED: dict[type, str] = {
    _thread.LockType: _LOCK,
    _thread.RLock: _LOCK,
    types.CoroutineType: _LOOP,
    types.AsyncGeneratorType: "Make it again after the move; only generators written with def move.",
    types.FrameType: "Keep the values that you need from it.",
    types.TracebackType: "Keep its text: traceback.format_tb(traceback).",
    memoryview: "Keep the object that it shows, and take the view after the move.",
    _SCANNER: "Iterate over a list of it: for match in list(re.finditer(...)).",
    weakref.ReferenceType: "Keep the object itself.",
    weakref.ProxyType: "Keep the object itself.",
    weakref.CallableProxyType: "Keep the object itself.",
}
"""Types of the interpreter that cannot move, each with what to do instead."""


def remedy(value: object) -> str | None:
    """Return what to do instead of moving `value`, or None if nothing is known against it."""
    return class_remedy(type(value))


def class_remedy(kind: type) -> str | None:
    """Do as `remedy`, for every instance of `kind`."""
    for base in kind.__mro__:
        found = REFUSED.get(base) or _REMEDIES.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            return found
    return None


def refuse(value: Any) -> Reduced:
    """Raise `Refused` for a value of which `remedy` knows."""
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise Refused(f"a {name}", remedy(value) or "Make it again after the move.")


REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    types.ModuleType: _reduce_module,
    type(Path()): lambda path: (make_path, (path.as_posix(),)),
    PurePosixPath: lambda path: (make_posix_path, (str(path),)),
    PureWindowsPath: lambda path: (make_windows_path, (path.as_posix(),)),
    types.MethodType: _reduce_method,
    super: _reduce_super,
    types.MappingProxyType: _reduce_mapping_proxy,
    re.Match: _reduce_match,
    **dict.fromkeys(REFUSED, refuse),
}

#: What the reduce tuples name.
LOADERS = (bind, inherited, make_path, make_posix_path, make_windows_path, matched, read_only, reimported)
