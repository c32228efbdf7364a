"""From ``FILE:FUNCTION ARGS...`` to a function and its arguments.

The file becomes a module in the way in which an ``import`` beside it would make it one: under its own name, or that in
its package, with its folder first on the path. So its code, and that of modules beside it, is the project's own.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import typer

from agents.cli.home import existing_file
from agents.cli.platform_errors import FunctionMissing, NotLoadable

__all__ = ["arguments_of", "load", "load_unit", "split_target", "values_of"]


def split_target(target: str) -> tuple[Path, str]:
    """File and function of ``FILE:FUNCTION``."""
    path, colon, name = target.rpartition(":")
    if not (path and colon and name):
        raise typer.BadParameter(f"{target!r} is not of the form FILE:FUNCTION, as in survey.py:survey")
    return Path(path), name


def load_unit(target: str) -> Any:
    """The function or class that is named, which needs no parameter for a place.

    Raises
    ------
    FileMissing, FileUnusable, NotLoadable, FunctionMissing, mobility.errors.MobilityError
    """
    path, name = split_target(target)
    module = _module(existing_file(path).resolve(), path)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise FunctionMissing(path, name, _candidates(module))
    return found


def load(target: str) -> Callable[..., Any]:
    """The function, or the class with `arrive`, that is named.

    Raises
    ------
    FileMissing, FileUnusable, NotLoadable, FunctionMissing, mobility.errors.MobilityError
    """
    from agents.classes import check_class, is_class_agent
    from agents.decorating import is_agent

    path, name = split_target(target)
    module = _module(existing_file(path).resolve(), path)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if is_class_agent(found):
        try:
            check_class(found)
        except TypeError as error:
            raise NotLoadable(path, str(error)) from None
        return found  # type: ignore[no-any-return]  # a class
    if not callable(found) or isinstance(found, type):
        raise FunctionMissing(path, name, _candidates(module))
    if inspect.isgeneratorfunction(found) and not is_agent(found):
        raise NotLoadable(path, f"{name} is a generator function without the decorator @agent, so it could not travel")
    if not _positional(found):
        raise NotLoadable(path, f"{name} has no first parameter for the place, as in def {name}(here): ...")
    return found  # type: ignore[no-any-return]  # callable


def _candidates(module: ModuleType) -> list[str]:
    from agents.classes import is_class_agent

    return sorted(
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
        and not name.startswith("_")
        and (is_class_agent(value) or (inspect.isfunction(value) and _positional(value)))
    )


def _module(file: Path, shown: Path) -> ModuleType:
    if file.suffix != ".py":
        raise NotLoadable(shown, "its name does not end in .py")
    folder, names = file.parent, [file.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if names[-1] == "__init__":
        names.pop()
    name = ".".join(names)
    if not all(part.isidentifier() for part in names):
        raise NotLoadable(shown, f"{name} is no name that a module can have")
    if name in sys.modules or name.partition(".")[0] in sys.stdlib_module_names:
        _require_same(name, file, shown)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for what the command finds
            module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        _blame(error, shown)
    _require_same(name, file, shown)
    return module


def _require_same(name: str, file: Path, shown: Path) -> None:
    loaded = getattr(sys.modules.get(name), "__file__", None)
    if loaded is None or Path(loaded).resolve() != file:
        raise NotLoadable(shown, f"another module has the name {name}: give the file another name")


def _blame(error: BaseException, shown: Path) -> NoReturn:
    """What is raised while the file is loaded is the file's doing; errors of the tree speak for themselves."""
    from mobility.errors import MobilityError

    if isinstance(error, MobilityError):
        raise error
    if isinstance(error, SyntaxError):
        raise NotLoadable(shown, f"line {error.lineno}: {error.msg}") from None
    trace = error.__traceback__
    while (
        trace is not None
        and "importlib" in trace.tb_frame.f_code.co_filename
        or (trace is not None and trace.tb_frame.f_globals.get("__name__") == __name__)
    ):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    raise NotLoadable(shown, f"it raised {type(error).__qualname__}: {error}", trace=text) from None


# -- arguments


def arguments_of(function: Callable[..., Any], texts: Sequence[str]) -> list[Any]:
    """The arguments after the place: JSON where a text is JSON, else the text itself.

    A function that takes one argument gets several as one list, and so does one whose only parameter is called
    ``places``, however many are given.
    """
    values = values_of(texts)
    given = () if isinstance(function, type) else (None,)  # a class is made without the place
    positional = _positional(function)[len(given) :]
    takes_all = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in positional)
    if len(positional) == 1 and not takes_all:
        listed = len(values) == 1 and isinstance(values[0], list)
        if len(values) > 1 or (positional[0].name == "places" and values and not listed):
            values = [values]
    try:
        inspect.signature(function).bind(*given, *values)
    except TypeError as error:
        name = getattr(function, "__name__", "the function")
        shape = ", ".join(str(parameter) for parameter in inspect.signature(function).parameters.values())
        raise typer.BadParameter(f"{name}({shape}) cannot be called with these: {error}", param_hint="ARGS") from None
    return values


def values_of(texts: Sequence[str]) -> list[Any]:
    """Arguments as they stand: JSON where a text is JSON, else the text itself."""
    return [_value(text) for text in texts]


def _value(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)  # NaN and Infinity are no JSON

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return text


def _positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [parameter for parameter in parameters if parameter.kind in kinds]
