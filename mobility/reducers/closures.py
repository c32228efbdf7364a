"""Functions defined inside ordinary ones, in modules whose source travels: found again by their place in it.

Only where source travels: a snapshot by itself names what can be imported, and no more.
"""

from __future__ import annotations

import importlib
import re
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

from mobility.errors import ResumableError, SnapshotInvalid
from mobility.reducers.functions import dress, dress_function
from mobility.reducers.generators import module_here
from mobility.reducers.refusal import Refused
from mobility.resumable._source import check_text, find_source
from mobility.resumable.registry import Bounded

__all__ = ["bear_closure", "reduce_closure", "shipped_module", "writing"]

_NO_SOURCE = "Define it in a file or a notebook cell, at module level or inside another function."


class _Writing(threading.local):
    #: Whether the source of the project's functions travels with what is being written.
    with_source = False


writing = _Writing()


def reduce_closure(function: types.FunctionType) -> tuple[Any, ...]:
    """By module, place in it, and digest of its text.

    Raises
    ------
    Refused
        If its text is not to be had.
    """
    code = function.__code__
    try:
        source = find_source(code, code.co_qualname, function.__globals__)
        check_text(source, code, code.co_qualname)
    except ResumableError as error:
        what = f"the function {code.co_qualname}, whose source cannot be retrieved ({error.problem})"
        raise Refused(what, error.remedy or _NO_SOURCE) from error
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    address = (function.__globals__.get("__name__"), code.co_qualname, source.digest)
    return bear_closure, (*address, tuple(cells), tuple(cells.values())), dress(function), None, None, dress_function


def bear_closure(
    module: str, qualname: str, digest: bytes, names: tuple[str, ...], cells: tuple[types.CellType, ...]
) -> types.FunctionType:
    """A function of the source that was shipped along, over given cells."""
    here = module_here(module)
    found = importlib.import_module(here)
    code = _code(found, qualname, digest)
    given = dict(zip(names, cells, strict=True))
    if set(given) != set(code.co_freevars):
        raise SnapshotInvalid(f"{module}.{qualname} captures other variables in its source than it did")
    closure = tuple(given[name] for name in code.co_freevars)
    return types.FunctionType(code, vars(found), code.co_name, None, closure)


_codes: Bounded[tuple[str, str, bytes], types.CodeType] = Bounded()


def _code(module: types.ModuleType, qualname: str, digest: bytes) -> types.CodeType:
    key = (module.__name__, qualname, digest)
    code = _codes.get(key)
    if code is None:
        whole = module.__loader__.get_code(module.__name__)  # type: ignore[union-attr]  # of a module with source
        path = re.sub(r"<(?:list|dict|set)comp>\.<locals>\.", "", qualname).split(".")
        for candidate in _at(whole, path):
            if find_source(candidate, qualname, vars(module)).digest == digest:
                code = _codes[key] = candidate
                return code
        raise SnapshotInvalid(f"the source of {module.__name__} holds no function {qualname} with this text")
    return code


# Python 3.12 compiles these into the function around them (PEP 709).
_INLINED = ("<listcomp>", "<dictcomp>", "<setcomp>")


def _at(code: types.CodeType, path: list[str]) -> Iterator[types.CodeType]:
    """Code objects at the end of a path of names, ``<locals>`` included."""
    name, *rest = path
    rest = rest[1:] if rest and rest[0] == "<locals>" else rest
    for constant in code.co_consts:
        if not isinstance(constant, types.CodeType):
            continue
        if constant.co_name == name:
            if rest:
                yield from _at(constant, rest)
            else:
                yield constant
        elif constant.co_name.startswith("<generic parameters") or constant.co_name in _INLINED:
            yield from _at(constant, path)


def shipped_module(name: str) -> types.ModuleType:
    """A module of the source that was shipped along."""
    here = module_here(name)
    importlib.import_module(here)
    return sys.modules[here]


LOADERS = (bear_closure, shipped_module)
