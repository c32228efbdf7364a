"""A resumable function looks like the one it was made from, and so do its generators."""

import functools
import inspect
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobility import resumable
from mobility.errors import ResumableError
from tests.mobility.resumable.helpers import execute, identity, import_written, move


def annotated(a: int, /, b: "str" = "x", *rest: float, c: list[int] | None = None, **more: object):  # type: ignore[no-untyped-def]
    """First line.

    Second line.
    """
    yield a, b, rest, c, more


annotated.note = {"kept": True}  # type: ignore[attr-defined]
made = resumable(annotated)


MOVING = '''
@resumable
def moving(a):
    """Documented."""
    b = yield a
    try:
        c = yield b
    finally:
        d = 1
    for i in range(2):
        e = (yield i), \\
            (yield (
                i))
    return d
'''


@pytest.fixture
def moving(tmp_path: Path) -> Any:
    return execute(tmp_path / "moving.py", MOVING).moving


@pytest.fixture
def native(tmp_path: Path) -> Any:
    return execute(tmp_path / "moving.py", MOVING, resumable=identity).moving


def test_it_is_a_function_of_its_own() -> None:
    """The original is not altered, and the result is an ordinary function."""
    assert type(made) is types.FunctionType and made is not annotated
    assert "note" in vars(annotated) and annotated(1).gi_code is annotated.__code__


@pytest.mark.parametrize(
    "attribute",
    "__name__ __qualname__ __module__ __doc__ __annotations__ __defaults__ __kwdefaults__ __dict__ __globals__".split(),
)
def test_attributes_are_the_same(attribute: str) -> None:
    """What tools read from a function."""
    assert getattr(made, attribute) == getattr(annotated, attribute)


def test_mutable_attributes_are_not_shared() -> None:
    """A wrapper's attributes are its own, as with functools.wraps."""
    other = resumable(annotated)
    other.extra = 1  # type: ignore[attr-defined]
    assert not hasattr(annotated, "extra")


@pytest.mark.parametrize(
    "look",
    [
        inspect.signature,
        inspect.isgeneratorfunction,
        inspect.isfunction,
        inspect.iscoroutinefunction,
        inspect.isasyncgenfunction,
        inspect.getdoc,
        inspect.getcomments,
        inspect.getsource,
        inspect.getsourcelines,
        inspect.getsourcefile,
        inspect.getfullargspec,
        inspect.getclosurevars,
        inspect.get_annotations,
    ],
)
def test_inspect_says_the_same(look: Callable[[Any], Any]) -> None:
    """Signature, source and kind."""
    assert look(made) == look(annotated)


@pytest.mark.parametrize(
    "field",
    "co_name co_qualname co_filename co_firstlineno co_argcount co_posonlyargcount co_kwonlyargcount".split(),
)
def test_its_code_says_the_same_of_itself(field: str) -> None:
    """What tracebacks, profilers and debuggers read."""
    assert getattr(made.__code__, field) == getattr(annotated.__code__, field)
    assert inspect.getargs(made.__code__) == inspect.getargs(annotated.__code__)


def test_no_variable_is_lost(moving: Any, native: Any) -> None:
    """co_varnames may hold hidden names behind the parameters, but each of the user's."""
    shown = [n for n in moving.__code__.co_varnames if not n.startswith(".")]
    assert sorted(shown) == sorted(native.__code__.co_varnames)


@pytest.mark.parametrize("wrong", [(), (1, 2, 3), (1,) * 2])
def test_wrong_calls_fail_alike(wrong: tuple[Any, ...], moving: Any, native: Any) -> None:
    """The same TypeError, in the same words."""

    def failure(function: Callable[..., Any]) -> str:
        with pytest.raises(TypeError) as caught:
            function(*wrong)
        return str(caught.value)

    assert failure(moving) == failure(native)


def test_a_generator_is_native(moving: Any) -> None:
    """Not an object that behaves like one; also after a move."""
    assert type(moving(1)) is types.GeneratorType
    assert type(move(made(1))) is types.GeneratorType


def look(generator: Any) -> Any:
    """What inspection shows of a generator."""
    state = inspect.getgeneratorstate(generator)
    line = generator.gi_frame and generator.gi_frame.f_lineno
    names = {n: v for n, v in inspect.getgeneratorlocals(generator).items() if not n.startswith(".")}
    if state == inspect.GEN_CREATED:
        names = {}  # a restored one unpacks its variables when it begins
    flags = generator.gi_running, generator.gi_suspended, generator.gi_yieldfrom
    return state, line, names, flags, generator.__name__, generator.__qualname__, generator.gi_code.co_name


@pytest.mark.parametrize("between", [identity, move], ids=["unmoved", "moved"])
def test_its_state_line_and_names_are_the_same_at_each_step(between: Callable[[Any], Any], importable: Path) -> None:
    """inspect.getgeneratorstate, gi_frame.f_lineno, gi_yieldfrom, locals: as a native generator shows them."""

    def run(function: Any, between: Any) -> Any:
        generator = between(function(5))
        seen = [look(generator)]
        for value in [None, *range(20)]:
            generator = between(generator)
            try:
                outcome = generator.send(value)
            except StopIteration as stop:
                outcome = stop.value
            seen.append((outcome, look(generator)))
            if generator.gi_frame is None:
                return seen
        raise AssertionError("endless")

    function = import_written(importable, "looked_at", "from mobility import resumable" + MOVING).moving
    source = "from tests.mobility.resumable.helpers import identity as resumable" + MOVING
    assert run(function, between) == run(execute(importable / "native.py", source).moving, identity)


def test_names_can_be_set(moving: Any) -> None:
    """__name__ and __qualname__ of generator and function are writable, as ever."""
    generator = moving(1)
    generator.__name__ = generator.__qualname__ = "renamed"  # type: ignore[attr-defined]
    assert repr(generator).startswith("<generator object renamed at")


@resumable
def outer():
    got = yield from inner()
    yield got


@resumable
def inner():
    yield 1
    yield 2
    return 3


def test_the_delegate_is_visible() -> None:
    """gi_yieldfrom is the inner generator itself: debuggers and asyncio walk it. Also after a move."""
    generator = outer()
    next(generator)
    for _ in range(2):
        assert type(generator.gi_yieldfrom) is types.GeneratorType
        assert generator.gi_yieldfrom.__name__ == "inner"
        generator = move(generator)
    assert list(generator) == [2, 3]
    assert generator.gi_yieldfrom is None


def test_decorating_twice_is_decorating_once(moving: Any) -> None:
    """Idempotent: the same object."""
    assert resumable(made) is made
    assert resumable(resumable(moving)) is moving


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        return function(*args, **options)

    return wrapper


@wrapping
@wrapping
@resumable
def wrapped(n):
    """Below two wrappers."""
    yield n
    yield n + 1


def test_wrappers_above_it_are_passed() -> None:
    """The name in the module leads to a wrapper; the snapshot finds the function behind it."""
    assert inspect.unwrap(wrapped) is wrapped.__wrapped__.__wrapped__
    generator = wrapped(1)
    assert next(generator) == 1
    assert list(move(generator)) == [2]


def test_a_wrapper_below_it_is_refused(native: Any) -> None:
    """resumable wants the function itself: a wrapper that only passes on holds no yield."""
    with pytest.raises(ResumableError, match="no yield"):
        resumable(wrapping(native))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are syntax of Python 3.12")
def test_type_parameters_stay(importable: Path) -> None:
    """__type_params__, annotations that use them, and the function itself."""
    source = "from mobility import resumable\n@resumable\ndef f[T, *Ts](a: T) -> list[T]:\n    yield T\n    yield a\n"
    function = import_written(importable, "typed_written", source).f
    assert [str(p) for p in function.__type_params__] == ["T", "Ts"]
    assert function.__annotations__["a"] is function.__type_params__[0]
    generator = function(1)
    assert next(generator) is function.__type_params__[0]
    assert list(move(generator)) == [1]


def test_a_lambda_looks_the_same(tmp_path: Path) -> None:
    """Name, source and arguments of a generator lambda."""
    source = "f = resumable(lambda a, *b: [(yield a), (yield b)])\n"
    one = execute(tmp_path / "one.py", source).f
    two = execute(tmp_path / "one.py", source, resumable=identity).f
    assert inspect.signature(one) == inspect.signature(two)
    assert inspect.getsource(one) == inspect.getsource(two)
    assert (one.__name__, one.__qualname__, one.__code__.co_name) == ("<lambda>", "<lambda>", "<lambda>")
    assert list(one(1, 2)) == list(two(1, 2))
