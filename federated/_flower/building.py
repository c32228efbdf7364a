"""Which files of a folder belong to an app: what `flwr build` would take, by Flower's own rules."""

from __future__ import annotations

from pathlib import Path

from flwr.cli.build import build_fab_from_files, get_filtered_fab_paths
from flwr.cli.utils import filter_paths_for_publish

__all__ = ["built", "chosen"]


def chosen(paths: list[str], settings: dict[str, object], ignored: bytes) -> list[str]:
    """Of these paths, those that would be in the FAB, beside pyproject.toml.

    Parameters
    ----------
    settings
        The content of pyproject.toml.
    ignored
        That of .gitignore.
    """
    files: dict[str, Path | bytes] = dict.fromkeys(paths, b"")
    files[".gitignore"] = ignored
    return get_filtered_fab_paths(filter_paths_for_publish(files), settings)


def built(files: dict[str, bytes]) -> bytes:
    """The FAB of these files, as `flwr build` makes it.

    Raises
    ------
    ValueError
        With Flower's own words for what is wrong.
    """
    given: dict[str, bytes | Path] = dict(files)
    return build_fab_from_files(given)[0]
