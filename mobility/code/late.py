"""Modules that no one has imported yet, and that a function of the unit may import later: their whole text travels."""

from __future__ import annotations

import importlib.machinery
import linecache
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from mobility.code.origin import is_project_file
from mobility.code.segment import ShippedModule
from mobility.code.statements import Import, read_text

__all__ = ["LateModule", "find_late"]


@dataclass(frozen=True, slots=True)
class LateModule:
    """A module of the project that is not imported.

    Attributes
    ----------
    package
        What its relative imports start from.
    imports
        What it imports, at whatever place.
    """

    shipped: ShippedModule
    package: str
    imports: tuple[Import, ...]


def find_late(name: str) -> LateModule | None:
    """The module, if the project has one of this name; nothing is imported to find out."""
    spec = _spec(name)
    if spec is None or spec.origin is None or not spec.has_location or not is_project_file(spec.origin):
        return None
    lines = linecache.getlines(spec.origin)
    try:
        text = read_text(spec.origin, lines, name)
    except SyntaxError:
        return None  # importing it will say so
    is_package = spec.submodule_search_locations is not None
    shipped = ShippedModule(name, is_package, "".join(lines), late=True)
    imports = tuple(imported for statement in text.statements for imported in statement.imports)
    return LateModule(shipped, name if is_package else name.rpartition(".")[0], imports)


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    parent = name.rpartition(".")[0]
    path: Sequence[str] | None = None
    if parent:
        loaded = sys.modules.get(parent)
        if loaded is not None:
            path = getattr(loaded, "__path__", None)
        else:
            above = _spec(parent)
            path = above.submodule_search_locations if above is not None else None
        if path is None:
            return None
    return importlib.machinery.PathFinder.find_spec(name, path)
