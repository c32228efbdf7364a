"""Which files of a folder belong to an app: what `flwr build` would take, by Flower's own rules."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flwr.cli.build import build_fab_from_files, get_filtered_fab_paths
from flwr.cli.utils import filter_paths_for_publish

__all__ = ["built", "chosen"]


@contextmanager
def _quiet() -> Iterator[None]:
    """Flower asks its library of patterns for a form that this calls deprecated; it is not for users to change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def chosen(paths: list[str], settings: dict[str, object], ignored: bytes) -> list[str]:
    """Of these paths, those that would be in the FAB, beside pyproject.toml.

    Parameters
    ----------
    settings
        The content of pyproject.toml.
    ignored
        That of .gitignore.

    Raises
    ------
    ValueError
        With Flower's own words for what is wrong.
    """
    files: dict[str, Path | bytes] = dict.fromkeys(paths, b"")
    files[".gitignore"] = ignored
    with _quiet():
        return get_filtered_fab_paths(filter_paths_for_publish(files), settings)


def built(files: dict[str, bytes]) -> bytes:
    """The FAB of these files, as `flwr build` makes it.

    Raises
    ------
    ValueError
        With Flower's own words for what is wrong.
    """
    given: dict[str, bytes | Path] = dict(files)
    with _quiet():
        return build_fab_from_files(given)[0]
