"""What is installed in this process: versions of distributions, whose a module is, and whether it can be imported.

The look-ups go through `importlib.metadata`, which is imported at the first of them, and are remembered as long as the
folders of `sys.path` stay as they are; what is installed meanwhile, from a notebook for example, is seen.
"""

from __future__ import annotations

import functools
import importlib.machinery
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from mobility.environment.needs import Distribution
from mobility.environment.versions import normal_name

if TYPE_CHECKING:
    import importlib.metadata

__all__ = ["all_versions", "can_import", "installed_versions", "needs_of_modules"]

# What a distribution without a readable version is said to have; PEP 440 accepts it, and it resembles no release.
_UNKNOWN: Final = "0+unknown"
_State = tuple[tuple[str, int], ...]


def installed_versions(names: Iterable[str]) -> Mapping[str, str]:
    """The versions of those distributions that are installed here and readable, by the normal form of their names."""
    state = _state()
    found = {name: _version(name, state) for name in map(normal_name, names)}
    return {name: version for name, version in found.items() if version is not None}


def all_versions() -> Mapping[str, str]:
    """The version of each installed distribution, by the normal form of its name."""
    return _versions(_state())


def needs_of_modules(module_names: Iterable[str]) -> tuple[Distribution, ...]:
    """The installed distributions to which modules belong, with the versions that are installed here.

    Parameters
    ----------
    module_names
        Names of modules, top-level or dotted. Only the top-level part counts, unless several distributions share it
        (a namespace package, PEP 420): then those are meant that hold the dotted module, and all of them if only the
        shared name is given.

    Returns
    -------
    tuple of Distribution
        Sorted by name, names in their normal form (PEP 503). A module that is in none of their ``modules`` belongs to
        no distribution: it comes with the interpreter, or from a folder on the path.

    Notes
    -----
    An editable installation counts as far as its metadata name its modules (``top_level.txt``). Its files need not be
    those of any release with that version, so its code should travel as text, not as a requirement.
    """
    state = _state()
    found: dict[str, set[str]] = {}
    for module in module_names:
        name, holders = _holders(module, state)
        for holder in holders:
            found.setdefault(normal_name(holder), set()).add(name)
    return tuple(
        Distribution(name, _version(name, state) or _UNKNOWN, tuple(sorted(modules)))
        for name, modules in sorted(found.items())
    )


def can_import(module: str) -> bool:
    """Whether a module could be imported here; imports nothing, not even the packages that hold it."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return False
    if module in sys.modules:  # as os.path, which is in no package
        return sys.modules[module] is not None
    path: Sequence[str] | None = None
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        if name in sys.modules:
            path = getattr(sys.modules[name], "__path__", ())
        else:
            path = _locations(name, path)
            if path is None:
                return False
    return True


def _locations(name: str, path: Sequence[str] | None) -> Sequence[str] | None:
    """Where the submodules of a module would be looked for; empty if it is no package, None if it is not found."""
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
            if spec is not None:
                return list(spec.submodule_search_locations or ())
        except Exception:  # an import would fail here as well, or it is what follows
            continue
    # The standard finder cannot describe a namespace package within a package that is not imported.
    last = name.rpartition(".")[2]
    folders = [os.path.join(entry, last) for entry in path or ()]
    return [folder for folder in folders if os.path.isdir(folder)] or None


# -- the look-ups; `state` is a parameter only so that a change of the path begins a new entry


def _state() -> _State:
    return tuple((entry, _changed(entry or os.curdir)) for entry in sys.path)


def _changed(entry: str) -> int:
    try:
        return os.stat(entry).st_mtime_ns
    except (OSError, ValueError):
        return -1


@functools.lru_cache(maxsize=1024)
def _version(name: str, state: _State) -> str | None:
    from importlib import metadata

    try:
        return _field(metadata.distribution(name), "Version")
    except (metadata.PackageNotFoundError, ValueError):  # an empty name is a ValueError
        return None


@functools.lru_cache(maxsize=1)
def _versions(state: _State) -> Mapping[str, str]:
    from importlib import metadata

    result: dict[str, str] = {}
    for distribution in metadata.distributions():
        name, version = _field(distribution, "Name"), _field(distribution, "Version")
        if name and version:
            result.setdefault(normal_name(name), version)  # the first on the path is the one that is imported
    return result


def _field(distribution: importlib.metadata.Distribution, name: str) -> str | None:
    try:
        metadata = distribution.metadata
        value = metadata[name] if name in metadata else None  # asking for what is missing is deprecated
    except Exception:  # a damaged installation may fail in any way, and is as good as none
        return None
    return value if isinstance(value, str) and value else None


def _holders(module: str, state: _State) -> tuple[str, Sequence[str]]:
    """The name under which a module is recorded, and the distributions that hold it."""
    top = module.partition(".")[0]
    sharing = _by_top_level(state).get(top, ())
    if len(sharing) < 2 or top == module:
        return top, sharing
    part = module
    while part != top:
        holders = [name for name in sharing if part in _modules_below(name, state)]
        if holders:
            return part, holders
        part = part.rpartition(".")[0]
    return top, sharing


@functools.lru_cache(maxsize=1)
def _by_top_level(state: _State) -> Mapping[str, Sequence[str]]:
    """From top-level modules to the names of distributions, each once."""
    from importlib import metadata

    found: dict[str, list[str]] = {}
    for distribution in metadata.distributions():
        name = _field(distribution, "Name")
        if name is not None:
            for module in _top_level(distribution):
                found.setdefault(module, []).append(name)
    return {module: tuple(dict.fromkeys(names)) for module, names in found.items()}


def _top_level(distribution: importlib.metadata.Distribution) -> set[str]:
    """As its metadata declare them, else by its files.

    `importlib.metadata.packages_distributions` does nearly the same, but misses single extension modules on 3.11, looks
    for each file on the disk from 3.12 on, and stops at the first damaged distribution.
    """
    declared = (_text(distribution, "top_level.txt") or "").split()
    return set(declared) or {module.partition(".")[0] for module in _modules_of(distribution)}


@functools.lru_cache(maxsize=64)
def _modules_below(name: str, state: _State) -> frozenset[str]:
    from importlib import metadata

    return _modules_of(metadata.distribution(name))


def _modules_of(distribution: importlib.metadata.Distribution) -> frozenset[str]:
    """The dotted names of all modules and packages that a distribution's list of files shows."""
    found: set[str] = set()
    for path in _files(distribution):
        *folders, file = path.split("/")
        suffix = next((suffix for suffix in _suffixes() if file.endswith(suffix)), None)
        if suffix is None:
            continue
        stem = file.removesuffix(suffix)
        parts = folders if folders and stem == "__init__" else [*folders, stem]
        if all(part.isidentifier() for part in parts):
            found.update(".".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return frozenset(found)


@functools.cache
def _suffixes() -> tuple[str, ...]:
    # `m.abi3.so` also ends with `.so`: the longest has to be tried first.
    return tuple(sorted(importlib.machinery.all_suffixes(), key=len, reverse=True))


def _files(distribution: importlib.metadata.Distribution) -> list[str]:
    record = _text(distribution, "RECORD")
    if record is not None:
        import csv

        return [row[0] for row in csv.reader(record.splitlines()) if row]
    try:
        return [path.as_posix() for path in distribution.files or ()]  # an egg
    except Exception:  # as above
        return []


def _text(distribution: importlib.metadata.Distribution, name: str) -> str | None:
    try:
        return distribution.read_text(name)
    except Exception:  # as above
        return None
