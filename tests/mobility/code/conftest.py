"""A project on disk whose modules are imported, shipped, and run again from what was shipped."""

from __future__ import annotations

import importlib
import linecache
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mobility.bundle import UnitKind
from mobility.bundle.collecting import collect
from mobility.code import Namespace, Root, Shipment, close, open_namespace
from mobility.data import decode_unit


class Project:
    """Files that are importable while the test runs, under names that no other test uses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[Namespace] = []

    def write(self, **files: str) -> None:
        """Write modules; two underscores in a keyword stand for a dot, ``package__init`` for a package's own file."""
        for name, text in files.items():
            parts = name.split("__")
            if parts[-1] == "init":
                parts[-1] = "__init__"
            path = self.folder.joinpath(*parts[:-1], parts[-1] + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    def load(self, name: str) -> ModuleType:
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def close(self, module: str, *names: str) -> Shipment:
        self.load(module)
        return close([Root(module, name) for name in names])

    def shipped(self, shipment: Shipment) -> Namespace:
        namespace = open_namespace(shipment.data, shipment.digest)
        self.opened.append(namespace)
        return namespace

    def again(self, module: str, name: str) -> Any:
        """The member of a module, from what was shipped of it, with the variables that travel by value."""
        parts = collect(getattr(self.load(module), name), UnitKind.FUNCTION)
        namespace = open_namespace(parts.code, parts.code_digest)
        self.opened.append(namespace)
        return decode_unit(parts.data.state, parts.data.buffers, namespace)

    def text(self, shipment: Shipment, module: str) -> str:
        return next(m.source for m in shipment.segment.modules if m.name == module)

    def modules(self, shipment: Shipment) -> set[str]:
        return {module.name for module in shipment.segment.modules}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Project(tmp_path)
    yield made
    for namespace in made.opened:
        namespace.close()
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    linecache.checkcache()
