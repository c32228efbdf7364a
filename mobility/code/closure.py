"""From what a unit names to all the code that it needs: the transitive closure over the project's own modules.

Rules
-----
1. Definitions (functions, classes, whatever is found again by its own name) and imports travel as source, and immutable
   literals, too, as long as they still have the value that their text gives them.
2. Any other variable of a module travels by value, with what it holds now; the data segment carries it.
3. What runs when a module is executed must have what it needs at that moment. A variable that a base class, a default
   value or a decorator may need then travels as source as well.
4. A statement that changes an object that travels as source comes along.
5. Of an import statement at the top level only the names that are needed stay.
6. What belongs to an installed distribution is named as a requirement, and so ends the search.

Not handled: modules that are imported by a computed name, and what another module's statements did to this one's
objects without this one's knowing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import types
from collections.abc import Iterable
from dataclasses import astuple, replace
from enum import Enum, auto
from typing import Any

from mobility.code.errors import SourceMissing
from mobility.code.late import find_late
from mobility.code.origin import Origin, is_foreign, origin_of
from mobility.code.rendering import render, spelled
from mobility.code.segment import CodeSegment, ShippedModule
from mobility.code.shipment import Root, Shipment
from mobility.code.statements import Import, SourceText, Statement
from mobility.code.values import (
    BY_NAME,
    TYPE_ALIASES,
    is_literal,
    is_made_at_once,
    is_own,
    is_told_of_subclasses,
    stands_in,
)
from mobility.code.view import NO_TEXT, ModuleView

__all__ = ["close"]

#: What every module has by itself.
_OWN_NAMES = frozenset(
    "__name__ __package__ __loader__ __spec__ __path__ __file__ __cached__ __builtins__ __annotations__".split()
)


def close(roots: Iterable[Root], by_source: Iterable[tuple[str, str]] = ()) -> Shipment:
    """Find all the code that these need.

    Parameters
    ----------
    by_source
        Variables whose value cannot move: their statements are executed again instead.

    Raises
    ------
    SourceMissing
        For the first thing whose text is not to be had.
    """
    closure = _Closure(frozenset(by_source))
    roots = frozenset(roots)
    for root in sorted(roots, key=astuple):
        closure.take(root)
    segment = closure.segment()
    data = segment.to_bytes()
    return Shipment(
        segment,
        data,
        hashlib.sha256(data).digest(),
        roots,
        frozenset(closure.variables),
        frozenset(closure.early),
        frozenset(closure.sourced),
        frozenset(closure.made),
        frozenset(name for name in closure.imported if is_foreign(name)),
        tuple((name, view.module) for name, view in closure.views.items()),
        tuple(closure.held.values()),
    )


class _Way(Enum):
    """How what a name refers to travels."""

    SOURCE = auto()
    IMPORT = auto()
    VALUE = auto()
    #: No statement binds it: a line is made up that does.
    MADE_UP = auto()


class _Closure:
    """Grows from the roots; each statement and each name is taken once, or twice if it is then also called early."""

    def __init__(self, by_source: frozenset[tuple[str, str]]) -> None:
        self.by_source = set(by_source)
        self.views: dict[str, ModuleView] = {}
        self.taken: dict[str, dict[Statement, SourceText]] = {}
        self.kept: dict[Statement, set[str]] = {}
        self.made_up: dict[str, dict[str, str]] = {}
        self.variables: set[tuple[str, str]] = set()
        self.early: set[tuple[str, str]] = set()
        self.sourced: set[tuple[str, str]] = set()
        self.made: set[tuple[str, str]] = set()
        self.late: dict[str, ShippedModule] = {}
        self.imported: set[str] = set()
        self.held: dict[tuple[str, str], tuple[dict[str, Any], str, Any]] = {}
        self._done: set[tuple[Any, ...]] = set()
        self._waiting: list[tuple[Any, ...]] = []

    # -- what is asked for

    def take(self, root: Root) -> None:
        """Take a root and all that it needs."""
        view = self._view(root.module)
        if root.filename:
            text, statement = view.standing(root.filename, root.line, root.name)
            if root.digest:
                view.check_digest(statement, text, root.digest, root.name)
            self._include(view, text, statement, False)
        elif not root.name:
            self._whole(view)
        else:
            self._need(root.module, root.name, False, False)
        while self._waiting:
            self._take_needs(*self._waiting.pop())

    def _view(self, name: str) -> ModuleView:
        view = self.views.get(name)
        if view is None:
            view = self.views[name] = ModuleView(name)
            self.taken[name] = {}
            parent = name.rpartition(".")[0]
            if parent and parent in sys.modules:
                self._view(parent)
            for text in view.texts:
                for statement in text.statements:
                    if statement.is_future:
                        self.taken[name][statement] = text
        return view

    def _whole(self, view: ModuleView) -> None:
        for text in view.texts:
            for name in text.binding:
                self._need(view.name, name, False, False)

    # -- names

    def _need(self, module: str, name: str, present: bool, called: bool) -> None:
        """Take what `name` of `module` refers to.

        Parameters
        ----------
        present
            Whether it must be there while modules are executed.
        called
            Whether its own code may run then.
        """
        for done in ((present, called), (True, True), (True, called), (present, True)):
            if (module, name, *done) in self._done:
                return
        self._done.add((module, name, present, called))
        view = self._view(module)
        if name in _OWN_NAMES and (present or name != "__annotations__"):
            return
        found = view.binding(name)
        if name not in view.namespace:
            # A builtin, or not bound yet; or bound no longer, and then a definition may have needed it.
            self._hold(view, name)
            for text, statement in (*found, *view.touching(name)) if present else ():
                self._include(view, text, statement, called)
            return
        match self._way(view, name, found):
            case _Way.SOURCE:
                self._hold(view, name)
                self.made.add((module, name))
                for text, statement in (*found, *view.touching(name)):
                    self._include(view, text, statement, called)
            case _Way.IMPORT:
                self._hold(view, name)
                for text, statement in found or self._star(view, name):
                    self._keep(view, text, statement, name, called)
            case _Way.MADE_UP:
                self._hold(view, name)
                self._make_up(view, name)
            case _Way.VALUE:
                self.variables.add((module, name))
                if found or self._star(view, name):
                    self.sourced.add((module, name))
                if present:
                    self._take_early(view, name, found)

    def _take_early(self, view: ModuleView, name: str, found: list[tuple[SourceText, Statement]]) -> None:
        """A variable that must be there before the values are: what binds it runs as well."""
        self.early.add((view.name, name))
        star = self._star(view, name)
        if not found and not star:
            self._make_up(view, name)
        for text, statement in found or star:
            if statement.only_imports:
                self._keep(view, text, statement, name, True)
            else:
                self._include(view, text, statement, True)
        for text, statement in view.touching(name):
            self._include(view, text, statement, True)

    def _way(self, view: ModuleView, name: str, found: list[tuple[SourceText, Statement]]) -> _Way:
        value = view.namespace[name]
        if (found or self._star(view, name)) and all(statement.only_imports for _, statement in found):
            return self._way_of_import(view, name, found)
        forced = (view.name, name) in self.by_source
        if not found:
            if isinstance(value, type | types.FunctionType) and is_own(view, name, value):
                raise SourceMissing(f"{view.name}.{name}", "no text is known that defines it", NO_TEXT)
            # No text binds it: a cell that is gone, or a submodule that was imported.
            return _Way.MADE_UP if isinstance(value, types.ModuleType) else _Way.VALUE
        if isinstance(value, (types.ModuleType, *TYPE_ALIASES)) or forced:
            return _Way.SOURCE  # aliases of types are as immutable as classes are
        if all(statement.defines for _, statement in found):
            return _Way.SOURCE if view.check_binding(name, *found[-1]) else _Way.VALUE
        if isinstance(value, types.FunctionType) and stands_in(value, view, found[-1]):
            return _Way.SOURCE
        if isinstance(value, BY_NAME):
            return _Way.SOURCE if is_own(view, name, value) else _Way.VALUE
        constant = all(statement.constant(name) for _, statement in found) and not view.rebinds(name)
        return _Way.SOURCE if constant and is_literal(found[-1][1], value) else _Way.VALUE

    def _way_of_import(self, view: ModuleView, name: str, found: list[tuple[SourceText, Statement]]) -> _Way:
        """A variable of a module of the project stays one where it is imported from there."""
        if (view.name, name) in self.by_source:
            return _Way.IMPORT
        for _, statement in found or self._star(view, name):
            for imported in statement.imports:
                source, taken = self._resolved(view, imported), name if imported.name == "*" else imported.name
                if taken is None or (imported.bound != name and imported.name != "*") or source not in sys.modules:
                    continue
                there = vars(sys.modules[source])
                if origin_of(source) is not Origin.LOCAL or taken not in there or f"{source}.{taken}" in sys.modules:
                    continue
                if there[taken] is not view.namespace[name]:
                    return _Way.VALUE  # one of the two was bound anew
                inner = self._view(source)
                if self._way(inner, taken, inner.binding(taken)) is _Way.VALUE:
                    return _Way.VALUE
        return _Way.IMPORT

    def _hold(self, view: ModuleView, name: str) -> None:
        self.held[view.name, name] = (view.namespace, name, view.namespace.get(name))

    def _make_up(self, view: ModuleView, name: str) -> None:
        value = view.namespace[name]
        if isinstance(value, types.ModuleType) and value.__name__ == f"{view.name}.{name}":
            if origin_of(value.__name__) is Origin.LOCAL:
                self._view(value.__name__)
            return  # importing it binds it
        line = spelled(name, value)
        if not line:
            raise SourceMissing(
                f"the variable {name} of {view.name}",
                "a definition needs it while it is executed, and no text binds it",
                "Put what binds it into a cell or a file, above the definition.",
            )
        self.made_up.setdefault(view.name, {})[name] = line
        module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if module is not None and module in sys.modules:
            if origin_of(module) is not Origin.LOCAL:
                self.imported.add(module)
            elif not isinstance(value, types.ModuleType):
                self._need(module, value.__qualname__, True, True)
            else:
                self._view(module)

    def _star(self, view: ModuleView, name: str) -> list[tuple[SourceText, Statement]]:
        """The ``from m import *`` that gave `name`."""
        value = view.namespace.get(name, _MISSING)
        for text, statement in view.stars():
            for imported in statement.imports:
                module = sys.modules.get(self._resolved(view, imported)) if imported.name == "*" else None
                if module is not None and vars(module).get(name, _MISSING) is value and statement.only_imports:
                    return [(text, statement)]
        return []

    # -- statements

    def _keep(self, view: ModuleView, text: SourceText, statement: Statement, name: str, called: bool) -> None:
        """Take an import statement, or of one at the top level the part that binds `name`."""
        self.taken[view.name][statement] = text
        self.kept.setdefault(statement, set()).add(name)
        for imported in statement.imports:
            if imported.bound == name:
                self._take_import(view, statement, imported, True, called)
            elif imported.name == "*" and name not in statement.binds:
                self._take_import(view, statement, replace(imported, name=name, bound=name), True, called)

    def _include(self, view: ModuleView, text: SourceText, statement: Statement, called: bool) -> None:
        if (statement, called) in self._done or (statement, True) in self._done:
            return
        self._done.add((statement, called))
        self.taken[view.name][statement] = text
        self._waiting.append((view, statement, called))

    def _take_needs(self, view: ModuleView, statement: Statement, called: bool) -> None:
        called |= statement.calls_itself or any(is_made_at_once(view.namespace.get(name)) for name in statement.binds)
        for imported in statement.imports:
            self._take_import(view, statement, imported, imported.bound in statement.binds, called)
        if view.in_cells:
            for name in statement.eager:
                for text, other in view.binding_before(name, statement):
                    self._include(view, text, other, True)
        for name in statement.eager:
            early = name in statement.called or is_told_of_subclasses(view.namespace.get(name))
            self._use(view, statement, name, True, early)
        for name in statement.late:
            self._use(view, statement, name, called, called)
        for name in statement.binds if statement.defines else ():
            self._hold(view, name)
            self.made.add((view.name, name))
            for text, other in view.touching(name):
                self._include(view, text, other, called)

    def _use(self, view: ModuleView, statement: Statement, name: str, present: bool, called: bool) -> None:
        value = view.namespace.get(name, _MISSING)
        self._need(view.name, name, present, called)
        if isinstance(value, types.ModuleType) and origin_of(value.__name__) is Origin.LOCAL:
            for chain in statement.chains.get(name, {()}):
                self._follow(value, chain, present, called)

    def _follow(self, module: types.ModuleType, chain: tuple[str, ...], present: bool, called: bool) -> None:
        """What ``module.a.b`` needs."""
        view = self._view(module.__name__)
        if not chain:
            self._whole(view)
            return
        value = view.namespace.get(chain[0], _MISSING)
        self._need(view.name, chain[0] if value is not _MISSING else "__getattr__", present, called)
        if isinstance(value, types.ModuleType) and origin_of(value.__name__) is Origin.LOCAL:
            self._follow(value, chain[1:], present, called)

    # -- imports

    def _resolved(self, view: ModuleView, imported: Import) -> str:
        if not imported.level:
            return imported.module
        package = view.namespace.get("__package__")
        if package is None:
            package = view.name if view.is_package else view.name.rpartition(".")[0]
        try:
            return importlib.util.resolve_name("." * imported.level + imported.module, package)
        except ImportError:
            return imported.module

    def _take_import(
        self, view: ModuleView, statement: Statement, imported: Import, present: bool, called: bool
    ) -> None:
        """What one name of an import statement needs.

        Parameters
        ----------
        present
            Whether it is imported while the module is executed.
        """
        source = self._resolved(view, imported)
        module = sys.modules.get(source)
        if module is None:
            self._take_late(source, imported)  # a branch that was not taken, or a function that was not called yet
            return
        if origin_of(source) is not Origin.LOCAL:
            self.imported.add(source)
            if f"{source}.{imported.name}" in sys.modules:
                self.imported.add(f"{source}.{imported.name}")
            return
        inner = self._view(source)
        if imported.name is None:
            dotted = imported.bound == imported.module.partition(".")[0] and "." in imported.module
            bound = sys.modules[imported.bound] if dotted else module
            if not imported.top:  # a module of the same name at the top level is another variable
                self._follow_chains(statement, imported.bound, bound, present, called)
            return
        if imported.name == "*":
            self._take_all(inner)
            return
        whole = sys.modules.get(f"{source}.{imported.name}")
        value = inner.namespace.get(imported.name, whole)
        if value is whole is not None and origin_of(whole.__name__) is Origin.LOCAL:
            self._view(whole.__name__)
        elif imported.name in inner.namespace:
            self._need(source, imported.name, present, called)
        else:
            self._need(source, "__getattr__", present, True)
        if isinstance(value, types.ModuleType) and origin_of(value.__name__) is Origin.LOCAL:
            self._follow_chains(statement, imported.bound, value, present, called)

    def _take_late(self, source: str, imported: Import) -> None:
        """A module that is not imported yet: whole, and all that it imports."""
        self.held["", source] = (sys.modules, source, None)
        if source in self.late or source in sys.modules:
            return
        parent = source.rpartition(".")[0]
        if parent:
            self._take_by_name(parent, None)
        found = find_late(source)
        if found is None:
            return
        self.late[source] = found.shipped
        for inner in found.imports:
            name = inner.module
            if inner.level:
                try:
                    name = importlib.util.resolve_name("." * inner.level + inner.module, found.package)
                except ImportError:
                    continue
            self._take_by_name(name, inner.name)
        if imported.name is not None:
            self._take_by_name(f"{source}.{imported.name}", None)

    def _take_by_name(self, module: str, name: str | None) -> None:
        """What an import in a module that is not imported asks for."""
        loaded = sys.modules.get(module)
        if loaded is None:
            self._take_late(module, Import(module, 0, name, "", False))
        elif origin_of(module) is not Origin.LOCAL:
            self.imported.add(module)
        elif name is None:
            self._whole(self._view(module))
        elif name == "*":
            self._take_all(self._view(module))
        elif name in vars(loaded):
            self._need(module, name, False, False)
        else:
            self._take_by_name(f"{module}.{name}", None)

    def _follow_chains(
        self, statement: Statement, name: str, module: types.ModuleType, present: bool, called: bool
    ) -> None:
        for chain in statement.chains.get(name, ()):
            self._follow(module, chain, present, called)

    def _take_all(self, view: ModuleView) -> None:
        """For ``from m import *`` within another statement: every name that it asks for."""
        for name in view.star_names() or [name for name in view.namespace if not name.startswith("_")]:
            self._need(view.name, name, True, True)
        for text, statement in (*view.binding("__all__"), *view.touching("__all__")):
            self._include(view, text, statement, True)

    # -- the result

    def segment(self) -> CodeSegment:
        """The texts of all modules that were reached."""
        # A module moves to the end of this table when it has been executed: who imports others comes after them.
        # Executed first, it imports them again at the same points, also in a cycle.
        order = {name: -number for number, name in enumerate(list(sys.modules)) if name != "__main__"}
        modules = [
            ShippedModule(
                name,
                self.views[name].is_package,
                render(self.views[name].texts, self.taken[name], self.kept, self.made_up.get(name, {})),
            )
            for name in sorted(self.views, key=lambda name: order.get(name, -len(order) - 1))
        ]
        modules += [self.late[name] for name in sorted(self.late)]
        main = self.views.get("__main__")
        package = (main.namespace.get("__package__") or "") if main is not None else ""
        return CodeSegment(tuple(modules), package if package in self.views else "")


_MISSING = object()
