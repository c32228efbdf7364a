"""The columns of a data set, as its owner's loader gives them to queries.

A loader is the owner's own code, and runs in the process of the data node, in a thread; what queries bring is data and
never code. It gets the data set's `config`, and returns a mapping of names to columns, or a table of pandas. It is
called for each query that is not answered from memory; one that wants to read once keeps what it has read.
"""

from __future__ import annotations

import builtins
import importlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from federated.dataset import Dataset
from federated.errors import LoaderFailed

__all__ = ["Loading"]

_LOG: Final = logging.getLogger(__name__)


class Loading:
    """Calls the loader of one data set, once at a time."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        self._thread: threading.Thread | None = None

    def columns(self, dataset: Dataset, names: Iterable[str], seconds: float) -> dict[str, NDArray[Any]]:
        """These columns, and one more that has their length if there are none: texts as objects, else numbers.

        Parameters
        ----------
        seconds
            After which nobody waits any more.

        Raises
        ------
        LoaderFailed
            Its text has nothing of the data, unless the owner lets it (`Dataset.tell`).
        """
        if dataset.loader is None:
            raise LoaderFailed(self._dataset, "it has no loader")
        if self._thread is not None and self._thread.is_alive():
            raise LoaderFailed(self._dataset, "its loader is still busy with an earlier query, which waits no more")
        outcome: list[Any] = []

        def work() -> None:
            try:
                outcome.append(_called(dataset, set(names)))
            except Exception as error:
                outcome.append(error)

        self._thread = threading.Thread(target=work, name=f"sojourn-loader-{self._dataset}", daemon=True)
        self._thread.start()
        self._thread.join(seconds)
        if not outcome:
            raise LoaderFailed(self._dataset, f"its loader was not done after {seconds:.3g} seconds")
        if isinstance(outcome[0], Exception):
            error = outcome[0]
            _LOG.warning("%s: the loader failed", self._dataset, exc_info=error)
            raise LoaderFailed(self._dataset, _told(error, dataset.tell)) from None
        loaded: dict[str, NDArray[Any]] = outcome[0]
        return loaded


class _Unusable(Exception):
    """What a loader returned; the text names what was asked for, and nothing else."""


def _told(error: Exception, tell: bool) -> str:
    if isinstance(error, _Unusable):
        return str(error)
    kind = type(error).__name__
    if tell:
        return f"its loader raised {kind}: {error}"
    known = kind if getattr(builtins, kind, None) is type(error) else "an exception of its own"
    return f"its loader raised {known}; its text stays at the node"


def _called(dataset: Dataset, names: set[str]) -> dict[str, NDArray[Any]]:
    loader = dataset.loader
    if isinstance(loader, str):
        loader = _imported(loader)
    assert loader is not None
    table = loader(dataset.config)
    known = list(getattr(table, "columns", ())) or (list(table) if isinstance(table, Mapping) else [])
    if not known:
        raise _Unusable("its loader returned no columns")
    # Any column has the length of all; it says how many records there are if a query names none.
    wanted = [name for name in known if name in names] or known[:1]
    for name in sorted(names - set(known)):
        raise _Unusable(f"it has no column {name!r}")
    columns = {name: _column(name, table[name]) for name in wanted}
    if len({len(column) for column in columns.values()}) != 1:
        raise _Unusable("its columns are not of one length")
    return columns


def _imported(reference: str) -> Callable[[Mapping[str, Any]], Any]:
    module, _, qualname = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    loader: Callable[[Mapping[str, Any]], Any] = found
    return loader


def _column(name: str, given: Any) -> NDArray[Any]:
    column = np.asarray(given)
    if column.ndim != 1:
        raise _Unusable(f"its column {name!r} has {column.ndim} dimensions, and one is a column")
    if column.dtype.kind in "biuf":
        return column
    if column.dtype.kind == "U" and not isinstance(given, np.ndarray):
        column = np.array(list(given), object)  # else what is missing would be the text "nan"
    if column.dtype.kind not in "UO":
        raise _Unusable(f"its column {name!r} has neither numbers nor texts")
    texts = column.astype(object)
    # What is missing beside texts is written in several ways: None, NaN, or what pandas has for it.
    texts[[type(one) is not str for one in texts]] = None
    if column.dtype.kind == "O" and len(column) and all(one is None for one in texts):
        return _numbers(name, column)
    return texts


def _numbers(name: str, column: NDArray[Any]) -> NDArray[np.float64]:
    """Of objects that are no texts: whole numbers beside None, for example."""
    try:
        return np.array([np.nan if one is None else float(one) for one in column], np.float64)
    except (TypeError, ValueError):
        raise _Unusable(f"its column {name!r} has neither numbers nor texts") from None
