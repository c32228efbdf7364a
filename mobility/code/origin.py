"""Where a module comes from, which decides how its code travels: as text, as a requirement, or not at all."""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
import types
from enum import Enum, auto

from mobility.resumable.shipped import is_shipped

__all__ = ["Origin", "is_foreign", "is_project_file", "origin_of"]

_OWN_PACKAGES = ("mobility", "agents", "federated")
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Origin(Enum):
    """Of a module."""

    #: Comes with every interpreter.
    INTERPRETER = auto()
    #: Belongs to an installed distribution: the bundle names that one.
    INSTALLED = auto()
    #: The project's own: its text travels. An editable installation is the project's own, too.
    LOCAL = auto()
    #: Came in a bundle.
    SHIPPED = auto()


@functools.cache
def _site_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = [paths["purelib"], paths["platlib"], *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        found.append(site.getusersitepackages())
    return _folders(found)


@functools.cache
def _interpreter_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return _folders([paths["stdlib"], paths["platstdlib"], os.path.dirname(os.__file__)])


def _folders(paths: list[str]) -> tuple[str, ...]:
    both = {os.path.abspath(path) for path in paths} | {os.path.realpath(path) for path in paths}
    return tuple(path + os.sep for path in sorted(both))


def _file_of(module: types.ModuleType) -> str | None:
    spec = getattr(module, "__spec__", None)
    places = getattr(module, "__path__", None)
    found = getattr(module, "__file__", None) or getattr(spec, "origin", None)
    if found is None and places is not None:  # a namespace package
        found = next(iter(places), None)
        found = os.path.join(found, "") if found is not None else None
    return found if isinstance(found, str) else None


def origin_of(name: str) -> Origin:
    """Where the imported module `name` comes from."""
    return _origins.get(name) or _origin(name)


_origins: dict[str, Origin] = {}


def _origin(name: str) -> Origin:
    top = name.partition(".")[0]
    module = sys.modules.get(name)
    if is_shipped(name) and top in sys.modules:
        return Origin.SHIPPED
    file = _file_of(module) if module is not None else None
    if name == "__main__":
        found = Origin.LOCAL
    elif file is None or file in ("built-in", "frozen"):
        known = top in sys.stdlib_module_names or top in sys.builtin_module_names
        found = Origin.INTERPRETER if known else Origin.LOCAL
    else:
        path = os.path.abspath(file)
        if path.startswith(_site_folders()):
            found = Origin.INSTALLED
        elif path.startswith(_interpreter_folders()):
            found = Origin.INTERPRETER
        elif top in _OWN_PACKAGES and (path.startswith(os.path.join(_ROOT, top) + os.sep) or _is_ours(top)):
            found = Origin.INSTALLED
        else:
            found = Origin.LOCAL
    if found is not Origin.LOCAL:
        _origins[name] = found
    return found


def _is_ours(package: str) -> bool:
    """Whether a package says so itself: each may be in a folder of its own, as where a job has brought them along."""
    return getattr(sys.modules.get(package), "__part_of__", None) == "sojourn"


def is_project_file(path: str) -> bool:
    """Whether a file belongs to the project: to no installed distribution, and not to the interpreter."""
    return not os.path.abspath(path).startswith((*_site_folders(), *_interpreter_folders()))


def is_foreign(name: str) -> bool:
    """Whether an imported module belongs to an installed distribution other than this one."""
    return name.partition(".")[0] not in _OWN_PACKAGES and origin_of(name) is Origin.INSTALLED
