"""Shipped modules in this process: each unit's live under a package that is named by the digest of its code.

So two versions of a module live side by side, and neither hides a module of this host. Two units of the same code share
what was compiled and nothing else. An absolute import in a shipped module finds what was shipped along first. Nothing
is written to disk.
"""

from __future__ import annotations

import builtins
import collections
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import linecache
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mobility.code.errors import CodeNotFound, LoadFailed
from mobility.code.segment import CodeSegment, ShippedModule
from mobility.errors import MobilityError
from mobility.resumable.registry import Bounded
from mobility.resumable.shipped import is_shipped, original_name, package_name
from mobility.trust.limits import DEFAULT_LIMITS, Limits

__all__ = ["Namespace", "namespace_of", "open_namespace"]

_lock = threading.RLock()
_by_name: dict[str, Namespace] = {}
_serial = itertools.count(1)
_segments: Bounded[bytes, CodeSegment] = Bounded()
_codes: Bounded[tuple[bytes, str], types.CodeType] = Bounded()


class Namespace:
    """The modules of one code segment, importable under `name`.

    Attributes
    ----------
    name
        ``sojourn_``, 16 digits of the digest, and a number.
    data, digest
        The document that was verified, and its SHA-256, to send on.
    outside
        The modules of installed distributions that the unit needs, as its sender said.
    initial
        By module, what executing it bound.
    """

    def __init__(self, name: str, segment: CodeSegment, data: bytes, digest: bytes) -> None:
        self.name = name
        self.segment = segment
        self.data = data
        self.digest = digest
        self.outside: frozenset[str] = frozenset()
        self.initial: dict[str, dict[str, Any]] = {}
        self._serves = 0
        self.modules: dict[str, ShippedModule] = {module.name: module for module in segment.modules}
        self._tops = frozenset(name.partition(".")[0] for name in self.modules)
        self.builtins = {**vars(builtins), "__import__": self._import}

    def __repr__(self) -> str:
        return f"<Namespace {self.name}: {', '.join(self.modules)}>"

    def here(self, module: str) -> str:
        """The name that a module of the sender has in this process."""
        original = original_name(module)
        return f"{self.name}.{original}" if original in self.modules else module

    def load(self, module: str) -> types.ModuleType:
        """Import a shipped module by the name that it had.

        Raises
        ------
        CodeNotFound
            If the segment does not hold it.
        LoadFailed
            If it raised.
        """
        if module not in self.modules:
            raise CodeNotFound(f"the module {module}")
        try:
            return importlib.import_module(f"{self.name}.{module}")
        except (MobilityError, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit as well: the host does not end because a module says so
            raise LoadFailed(module, f"{type(error).__name__}: {error}") from error

    def execute(self) -> None:
        """Import all modules that the sender had imported, in its order.

        Raises
        ------
        LoadFailed
        """
        for module in self.segment.modules:
            if not module.late:
                self.load(module.name)

    def entry(self, entry_point: str) -> Any:
        """What an entry point, ``module:qualname``, stands for.

        Raises
        ------
        CodeNotFound, LoadFailed
        """
        module, _, qualname = entry_point.partition(":")
        found: Any = self.load(module)
        for name in qualname.split("."):
            found = getattr(found, name, None)
        if not callable(found):
            raise CodeNotFound(f"the function or class {qualname} of {module}")
        return found

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> types.ModuleType:
        if level or not self._has(name):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        full = f"{self.name}.{name}"
        if fromlist:
            return builtins.__import__(full, globals, locals, fromlist, 0)
        importlib.import_module(full)
        return sys.modules[f"{self.name}.{name.partition('.')[0]}"]

    def _has(self, name: str) -> bool:
        """Whether an absolute import is for what was shipped; of a namespace package (PEP 420), only a part may be."""
        if name in self.modules:
            return True
        top = name.partition(".")[0]
        if top not in self._tops:
            return False
        spec = importlib.util.find_spec(top)
        return spec is None or spec.origin is not None

    def serve(self, unit: Any) -> None:
        """Stay until `unit` is gone, and for some time after it: its results may be of classes that live here.

        What becomes of a unit, as an object of a class, is served before the unit is let go of.
        """
        with _lock:
            self._serves += 1
        try:
            weakref.finalize(unit, _retire, self).atexit = False
        except TypeError:
            return  # it cannot be watched

    def close(self) -> None:
        """Take its modules out of this process; what still holds their functions keeps those alive."""
        with _lock:
            _by_name.pop(self.name, None)
            for name in (self.name, *(f"{self.name}.{module}" for module in self.modules)):
                sys.modules.pop(name, None)


_RETIRED = 256
_retired: collections.deque[Namespace] = collections.deque()


def _retire(namespace: Namespace) -> None:
    with _lock:
        namespace._serves -= 1
        if namespace._serves:
            return
        _retired.append(namespace)
        while len(_retired) > _RETIRED:
            _retired.popleft().close()


def namespace_of(module: str) -> Namespace | None:
    """The namespace to which an imported module belongs.

    A generator that has ended no longer knows which of several of the same code it was of: any of them will do.
    """
    top = module.partition(".")[0]
    found = _by_name.get(top)
    if found is None and is_shipped(module):
        found = next((one for one in list(_by_name.values()) if package_name(one.digest) == top), None)
    return found


def open_namespace(data: bytes, digest: bytes, limits: Limits = DEFAULT_LIMITS) -> Namespace:
    """A fresh namespace for a verified code segment.

    Parameters
    ----------
    digest
        SHA-256 of `data`, as it was verified.

    Raises
    ------
    CodeInvalid, TooLarge
    """
    with _lock:
        segment = _segments.get(digest)
        if segment is None:
            segment = _segments[digest] = CodeSegment.from_bytes(data, limits)
        name = package_name(digest, next(_serial))
        namespace = Namespace(name, segment, data, digest)
        _by_name[name] = namespace
        package = types.ModuleType(name, "The modules of one bundle.")
        package.__path__ = []
        package.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        package.__package__ = name
        sys.modules[name] = package
        if not any(finder is _FINDER for finder in sys.meta_path):
            sys.meta_path.insert(0, _FINDER)
        _show_lines_of_shipped_code()
        return namespace


class _Loader(importlib.abc.InspectLoader):
    """Executes one shipped module."""

    def __init__(self, namespace: Namespace, module: ShippedModule) -> None:
        self.namespace = namespace
        self.module = module
        path = module.name.replace(".", "/") + ("/__init__.py" if module.package else ".py")
        # Named by the digest alone: what is compiled serves all namespaces of this code.
        self.filename = f"<{package_name(namespace.digest)}>/{path}"

    def get_source(self, fullname: str) -> str:
        return self.module.source

    def is_package(self, fullname: str) -> bool:
        return self.module.package

    def get_code(self, fullname: str) -> types.CodeType:
        key = (self.namespace.digest, self.filename)
        code = _codes.get(key)
        if code is None:
            code = _codes[key] = compile(self.module.source, self.filename, "exec", dont_inherit=True)
        return code

    def exec_module(self, module: types.ModuleType) -> None:
        namespace = vars(module)
        namespace["__builtins__"] = self.namespace.builtins
        namespace["__file__"] = self.filename
        if self.module.name == "__main__":
            main = self.namespace.segment.main_package
            namespace["__package__"] = self.namespace.name + (f".{main}" if main else "")
        text = self.module.source
        # No modification time: such an entry is not checked against the disk. Lines end as the compiler sees them.
        lines = [line + "\n" for line in text.removesuffix("\n").split("\n")]
        linecache.cache[self.filename] = (len(text), None, lines, self.filename)
        exec(self.get_code(module.__name__), namespace)
        self.namespace.initial[self.module.name] = dict(namespace)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds shipped modules, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        namespace = _by_name.get(top)
        module = namespace.modules.get(rest) if namespace is not None else None
        if namespace is None or module is None:
            return None
        loader = _Loader(namespace, module)
        spec = importlib.machinery.ModuleSpec(fullname, loader, origin=loader.filename, is_package=module.package)
        return spec


_FINDER = _Finder()


def _show_lines_of_shipped_code() -> None:
    """Before 3.13 the interpreter's own display of an uncaught exception reads files alone."""
    if sys.version_info < (3, 13) and sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_exception


def _print_exception(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
    show: Callable[..., None] = traceback.print_exception
    show(kind, error, trace)
