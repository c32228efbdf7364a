"""What `close` gives: the code of a unit, and what stays current while the project's modules live on."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from typing import Any

from mobility.code.segment import CodeSegment

__all__ = ["Root", "Shipment"]


@dataclass(frozen=True, slots=True)
class Root:
    """Something that the unit names.

    Attributes
    ----------
    module
        Where it was defined.
    name
        What it is called there; empty for the whole module.
    filename, line
        Of a function that is not found by its name: where it stands.
    digest
        Of its text, if that is known.
    """

    module: str
    name: str
    filename: str = ""
    line: int = 0
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Shipment:
    """The code of a unit.

    Attributes
    ----------
    values
        Module and name of each variable that travels by value.
    early
        Those among them whose statement is executed as well, because a definition may need them.
    sourced
        Those that a statement binds, which may run again if the value belongs to this process.
    made
        Module and name of what the text makes.
    outside
        The modules of installed distributions that the text imports.
    modules, held
        What the text stands for: modules, and namespace, name and object; as long as they are the same, it is current.
    """

    segment: CodeSegment
    data: bytes
    digest: bytes
    roots: frozenset[Root]
    values: frozenset[tuple[str, str]]
    early: frozenset[tuple[str, str]]
    sourced: frozenset[tuple[str, str]]
    made: frozenset[tuple[str, str]]
    outside: frozenset[str]
    modules: tuple[tuple[str, types.ModuleType], ...]
    held: tuple[tuple[dict[str, Any], str, Any], ...]

    @property
    def is_current(self) -> bool:
        """Whether no module was imported anew, and none has bound another object to one of the names since."""
        current = all(sys.modules.get(name) is module for name, module in self.modules)
        return current and all(namespace.get(name) is value for namespace, name, value in self.held)
