"""Looks into a snapshot without resuming anything."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

from mobility.errors import SnapshotInvalid
from mobility.reducers.files import FilePosition
from mobility.resumable.plan import split_label

__all__ = ["View"]


class _Still:
    """Takes the place of something that iterators among the values may refer to."""

    __slots__ = ()

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        raise TypeError("this is a view of a snapshot; restore it to go on")

    readline = __next__


class View(_Still):
    """A generator in a snapshot: its function's name, its label, its variables."""

    def __init__(
        self, module: str, qualname: str, digest: bytes, label: Any, names: Any = (), cells: Any = (), *_: Any
    ) -> None:
        self.function = f"{module}.{qualname}"
        self.digest = digest
        self.label = label
        self._cells = dict(zip(names, cells, strict=True))
        self._values: dict[str, Any] = {}

    @classmethod
    def of(cls, payload: bytes) -> View:
        """Decode a snapshot whose top is one generator."""
        found = _Looking(io.BytesIO(payload)).load()
        if not isinstance(found, cls):
            raise SnapshotInvalid("its top is not a generator")
        return found

    def _fill(self, state: dict[str, Any]) -> None:
        self._values = state

    @property
    def locals(self) -> dict[str, Any]:
        """Variables by the names in the source."""
        found = {name: value for name, value in self._values.items() if not name.startswith(".")}
        for name, cell in self._cells.items():
            if name == "__class__":
                continue
            try:
                found[name] = cell.cell_contents
            except ValueError:  # not bound
                continue
        return found

    def __repr__(self) -> str:
        return f"<{self.function} at label {split_label(self.label)[0]}>"


def _thaw(subject: str | View, *details: Any) -> View | None:
    if isinstance(subject, str):
        return View(subject, *details)
    subject._fill(*details)
    return None


class _StillFile(_Still, FilePosition):
    __slots__ = ()


def _position(*arguments: Any) -> FilePosition:
    return _StillFile(*arguments[:6])


class _Looking(pickle.Unpickler):
    """Puts views in place of generators, and positions in place of files."""

    def find_class(self, module: str, name: str) -> Any:
        stand_in: Callable[..., Any] | None = _STAND_INS.get((module, name))
        return stand_in if stand_in is not None else super().find_class(module, name)


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("mobility.v1", "thaw"): _thaw,
    ("mobility.v1", "reopen"): _position,
}
