"""What cannot be made resumable is refused when it is decorated: with function, file, line and remedy."""

import functools
import pickle
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobility import resumable
from mobility.errors import ResumableError
from tests.mobility.resumable.helpers import execute
from tests.mobility.resumable.refused import CONSTRUCTS


def refusal(function: Any) -> ResumableError:
    """Decorate it; the error is exactly of the promised type, complete, and survives pickle."""
    with pytest.raises(ResumableError) as caught:
        resumable(function)
    error = caught.value
    assert type(error) is ResumableError
    text = str(error)
    assert error.function in text and error.filename in text and f"line {error.line}" in text
    assert error.problem in text and error.remedy in text
    assert error.remedy.endswith(".") and len(error.remedy) > 10
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ResumableError and again.__dict__ == error.__dict__ and str(again) == text
    return error


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="these functions are syntax errors from Python 3.14")
@pytest.mark.parametrize("name", [n for n in CONSTRUCTS if "annotation" in n])
def test_a_yield_in_an_annotation_is_refused(name: str, tmp_path: Path) -> None:
    """Python allows it before 3.14; what it means depends on where it stands, so it is refused everywhere."""
    source, line, problem = CONSTRUCTS[name]
    error = refusal(execute(tmp_path / "written.py", source).f)
    assert (error.function, error.filename, error.line) == ("f", str(tmp_path / "written.py"), line)
    assert problem in error.problem


@pytest.mark.parametrize("name", [n for n in CONSTRUCTS if "annotation" not in n])
def test_a_construct_that_cannot_suspend_is_refused(name: str, tmp_path: Path) -> None:
    """Each place where a yield could not be entered again names itself, its line, and what to write instead."""
    source, line, problem = CONSTRUCTS[name]
    error = refusal(execute(tmp_path / "written.py", source).f)
    named = "<lambda>" if "lambda:" in source else "f"
    assert (error.function, error.filename) == (named, str(tmp_path / "written.py"))
    assert problem in error.problem
    # A decorated definition may be reported at its own line or at its decorator's.
    assert error.line in ((line, line - 1) if "decorator" in name else (line,))


def test_the_same_construct_without_a_yield_is_accepted(tmp_path: Path) -> None:
    """Protects against refusing more than needed: guards, defaults, decorators, annotations, handlers without yield."""
    module = execute(
        tmp_path / "written.py",
        """
        def f(x: int) -> list:
            try:
                yield 1
            except* ValueError:
                pass
            match x:
                case [a] if a > 1:
                    yield a
            @staticmethod
            def inner(a: int = 3, *, b: str = "c") -> None:
                yield
            async def asynchronous():
                async for i in x:
                    async with i:
                        await i
                        yield i
            y: int = 2
            yield y
        """,
    )
    assert list(resumable(module.f)([2])) == [1, 2, 2]


def plain(a: int) -> int:
    return a


async def coroutine() -> None:
    pass


async def asynchronous():  # type: ignore[no-untyped-def]
    yield 1


def counting(n: int):  # type: ignore[no-untyped-def]
    yield from range(n)


class Counting:
    def __call__(self):  # type: ignore[no-untyped-def]
        yield 1

    def method(self):  # type: ignore[no-untyped-def]
        yield 1


ONLY_HOLDS_ONE: Callable[[], Any] = lambda: (i for i in range(3))

THINGS: list[tuple[str, Any, str]] = [
    ("no yield", plain, "no yield"),
    ("generator expression only", ONLY_HOLDS_ONE, "no yield"),
    ("coroutine function", coroutine, "asynchronous"),
    ("async generator function", asynchronous, "asynchronous"),
    ("builtin", len, "builtin_function_or_method"),
    ("method of a builtin", [].append, "builtin_function_or_method"),
    ("class", Counting, "type"),
    ("instance", Counting(), "Counting"),
    ("partial", functools.partial(counting, 3), "partial"),
    ("bound method", Counting().method, "method"),
    ("generator", counting(1), "generator"),
    ("string", "counting", "str"),
    ("nothing", None, "NoneType"),
    ("property", property(counting), "property"),
    ("cached property", functools.cached_property(counting), "cached_property"),
    ("staticmethod of a class", staticmethod(Counting), "type"),
    ("classmethod without a yield", classmethod(plain), "no yield"),
]


@pytest.mark.parametrize("thing, problem", [t[1:] for t in THINGS], ids=[t[0] for t in THINGS])
def test_what_is_no_generator_function_is_refused(thing: Any, problem: str) -> None:
    """Everything that is not a function with a yield is named for what it is."""
    assert problem in refusal(thing).problem


def test_a_functions_place_is_named() -> None:
    """Also where the whole function is at fault, the error leads to it."""
    error = refusal(plain)
    assert (error.function, error.filename, error.line) == ("plain", __file__, plain.__code__.co_firstlineno)


@pytest.mark.parametrize("filename", ["<string>", "<nowhere>", "/no/such/file.py"])
def test_code_without_source_is_refused(filename: str) -> None:
    """`exec` keeps no text; the remedy says where to define the function instead."""
    namespace: dict[str, Any] = {"__name__": "nowhere"}
    exec(compile("def f():\n    yield 1\n", filename, "exec"), namespace)
    error = refusal(namespace["f"])
    assert (error.function, error.filename, error.line) == ("f", filename, 1)
    assert "source" in error.problem and "file" in error.remedy


CHANGES = {
    "moved down": lambda text: "\n\n\n" + text,
    "renamed": lambda text: text.replace("def f", "def g"),
    "other parameters": lambda text: text.replace("(n)", "(n, m=1)"),
    "emptied": lambda text: "# nothing\n",
    "broken": lambda text: text.replace("def f(n):", "def f(n:"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_changed_since_it_was_imported_is_refused(change: Callable[[str], str], tmp_path: Path) -> None:
    """The text must be that of the running code; a wrong guess would resume in another function."""
    path = tmp_path / "written.py"
    source = textwrap.dedent("""\
        # a comment
        def f(n):
            for i in range(n):
                yield i
    """)
    function = execute(path, source).f
    path.write_text(change(source))
    error = refusal(function)
    assert (error.function, error.filename) == ("f", str(path))
    assert "start the process again" in error.remedy


def test_a_body_that_changed_since_it_was_imported_is_refused(tmp_path: Path) -> None:
    """The first line alone does not prove that the text is that of the code."""
    path = tmp_path / "written.py"
    source = "def f(n):\n    for i in range(n):\n        yield i\n"
    function = execute(path, source).f
    path.write_text(source.replace("yield i", "yield -i"))
    error = refusal(function)
    assert (error.function, error.filename) == ("f", str(path))
    assert "start the process again" in error.remedy


def test_a_refused_function_is_unharmed(tmp_path: Path) -> None:
    """Refusing changes nothing: the function still runs natively."""
    source, _, _ = CONSTRUCTS["match guard"]
    function = execute(tmp_path / "written.py", source).f
    before = function.__code__, dict(function.__dict__)
    refusal(function)
    assert (function.__code__, function.__dict__) == before
    assert next(function([3])) == 3
