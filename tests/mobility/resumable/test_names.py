"""Builtins that read their caller's variables show the user's names only, before and after a move."""

import builtins
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mobility
from mobility import resumable
from tests.mobility.resumable.helpers import execute, identity, import_written, move
from tests.mobility.resumable.named import CODES, LOOKS, SOURCE


def pictures(function: Any, between: Callable[[Any], Any]) -> list[Any]:
    generator = function(7)
    seen = []
    try:
        while True:
            generator = between(generator)
            seen.append(next(generator))
    except StopIteration:
        return seen
    finally:
        mobility.discard(generator) if between is move else None


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One module with a function for each look, and the same natively."""
    folder = tmp_path_factory.mktemp("names")
    maker = execute(folder / "maker.py", SOURCE)
    text = SOURCE + "\n".join(
        maker.surrounded(look).replace("def f(", f"def f{number}(") for number, look in enumerate(LOOKS.values())
    )
    moving = execute(folder / "names_written.py", text, name="names_written")
    original = mobility.resumable
    mobility.resumable = identity  # type: ignore[assignment]
    native = execute(folder / "names_written.py", text, name="names_written")
    mobility.resumable = original
    sys.modules["names_written"] = moving
    yield moving, native
    del sys.modules["names_written"]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("between", [identity, move], ids=["unmoved", "moved"])
def test_a_look_shows_what_a_native_run_shows(look: str, between: Callable[[Any], Any], modules: Any) -> None:
    """No hidden name, none missing, and the right values."""
    moving, native = (getattr(module, f"f{list(LOOKS).index(look)}") for module in modules)
    shown = pictures(moving, between)
    assert "'." not in repr(shown)
    assert shown == pictures(native, identity)


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("between", [identity, move], ids=["unmoved", "moved"])
def test_a_function_sees_what_a_native_one_sees(name: str, between: Callable[[Any], Any], importable: Path) -> None:
    """Aliases, comprehensions, exec, and names that only look like the builtins."""
    text = textwrap.dedent(CODES[name])
    module = f"seen_{list(CODES).index(name)}_{between.__name__}"
    moving = import_written(importable, module, "from mobility import resumable\n" + text).f
    native = execute(importable / "native.py", text, resumable=identity).f
    assert pictures(moving, between) == pictures(native, identity)


@resumable
def shows_types():
    for i in [1]:
        yield type(locals()), type(vars()), type(dir())


def test_what_is_shown_is_of_the_usual_type() -> None:
    """dict and list, as ever."""
    assert next(shows_types()) == (dict, dict, list)


@resumable
def writes():
    for i in [1]:
        locals()["i"] = 100
        locals()["new"] = 1
        yield i, sorted(locals())


def test_writing_to_locals_changes_no_variable() -> None:
    """A snapshot of the variables, as Python 3.13 defines it; hidden variables cannot be reached."""
    value, names = next(writes())
    assert value == 1
    assert [n for n in names if n != "new"] == ["i"]


@resumable
def fails(name):
    for i in [1]:
        yield 1
        getattr(builtins, name)(1, 2, 3, 4, 5)


@pytest.mark.parametrize("name", ["locals", "vars", "dir", "eval", "exec"])
def test_wrong_use_is_the_builtins_own_error(name: str) -> None:
    """TypeError, named after the builtin."""
    generator = fails(name)
    next(generator)
    with pytest.raises(TypeError):
        next(generator)
