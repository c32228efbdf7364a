"""Tracers and tracebacks show the user's lines, all of them, and nothing else."""

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

import mobility
from tests.mobility.resumable import traced
from tests.mobility.resumable.helpers import execute, identity, move

FILE = traced.__file__
NATIVE: ModuleType = execute  # type: ignore[assignment]  # set below
PACKAGE = str(Path(mobility.__file__).parent)
Event = tuple[str, str, int]


def _native() -> Any:
    """The same text in the same file, with `resumable` doing nothing."""
    module = ModuleType(traced.__name__)
    original = mobility.resumable
    mobility.resumable = identity  # type: ignore[assignment]
    try:
        exec(compile(Path(FILE).read_text(), FILE, "exec", dont_inherit=True), module.__dict__)
    finally:
        mobility.resumable = original
    return module


NATIVE = _native()


@contextlib.contextmanager
def tracing(kinds: tuple[str, ...]) -> Iterator[list[Event]]:
    """Collects events of `sys.settrace`, with the file instead of the function for what is not the user's."""
    events: list[Event] = []

    def tracer(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code.co_filename == FILE or code.co_filename.startswith(PACKAGE):
            name = code.co_qualname if code.co_filename == FILE else code.co_filename
            if event in kinds:
                events.append((event, name, frame.f_lineno))
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield events
    finally:
        sys.settrace(before)


def collapsed(events: list[Event]) -> list[Event]:
    """Without repetitions of one line: one statement of several parts may report its line again."""
    return [event for i, event in enumerate(events) if i == 0 or event != events[i - 1]]


def drive(generator: Any, between: Callable[[Any], Any]) -> tuple[Any, str]:
    """Run to the end; what comes of it."""
    values = []
    try:
        while True:
            generator = between(generator)
            values.append(next(generator))
    except StopIteration as stop:
        return values, f"returned {stop.value}"
    except Exception as error:
        return values, f"raised {error!r}"


def traced_run(module: Any, name: str, kinds: tuple[str, ...]) -> tuple[Any, list[Event]]:
    generator = getattr(module, name)()
    with tracing(kinds) as events:
        outcome = drive(generator, identity)
    return outcome, collapsed(events)


@pytest.mark.parametrize("name", traced.NAMES)
def test_a_tracer_sees_the_lines_of_a_native_run(name: str) -> None:
    """The same lines of the same functions in the same order, for a generator that never moved."""
    native, moving = (traced_run(module, name, ("line",)) for module in (NATIVE, traced))
    assert moving[0] == native[0]
    assert moving[1] == native[1]


@pytest.mark.parametrize("name", traced.NAMES)
def test_a_tracer_sees_the_calls_and_returns_of_a_native_run(name: str) -> None:
    """No call of anything that the user did not call."""
    kinds = ("call", "return")
    native, moving = (traced_run(module, name, kinds)[1] for module in (NATIVE, traced))
    assert moving == native


@pytest.mark.parametrize("name", traced.NAMES)
def test_after_a_move_a_tracer_sees_only_the_users_lines(name: str) -> None:
    """Of the user's file, within the function, and lines that the native run shows as well."""
    wanted: set[Event] = set()
    for _ in range(1):
        wanted = set(traced_run(NATIVE, name, ("line", "call"))[1])
    lines = {(function, line) for _, function, line in wanted}
    seen: list[Event] = []

    def between(generator: Any) -> Any:
        tracer, _ = sys.gettrace(), sys.settrace(None)
        generator = move(generator)
        sys.settrace(tracer)
        return generator

    with tracing(("line", "call")) as events:
        drive(getattr(traced, name)(), between)
        seen = list(events)
    shown = {(function, line) for _, function, line in seen}
    assert {function for function, _ in shown} <= {function for function, _ in lines} | {f"test_{name}"}
    # Where it is entered again, the line of the suspension is shown once more, and of each statement around it.
    assert shown <= lines, sorted(shown - lines)


# -- tracebacks -------------------------------------------------------------------------------------------------------

FAILING = '''
from mobility import resumable

class Manager:
    def __enter__(self):
        return self
    def __exit__(self, *details):
        if self.fails:
            raise OSError("exit")
    fails = False

def helper(x):
    return 1 / x

@resumable
def f(where):
    x = 0
    yield "start"
    if where == "plain":
        1 / x
    yield "a"
    if where == "operand":
        y = [1,
             (yield "b"),
             helper(
                 x)]
    for i in range(2):
        with Manager() as m:
            yield "c"
            m.fails = where == "exit"
            if where == "with":
                helper(x)
        try:
            yield "d"
            if where == "try":
                raise KeyError(1)
        finally:
            y = 1
            if where == "finally":
                raise KeyError(2)
            yield "e"
            y = 2
    try:
        yield "f"
        helper(x)
    except ZeroDivisionError as error:
        yield "g"
        if where == "bare":
            raise
        if where == "from":
            raise ValueError("v") from error
        if where == "context":
            raise ValueError(
                "v")
    match x:
        case 0 if where == "case":
            yield "h"
            helper(x)
    if where == "delegate":
        yield from g(x)
    if where == "genexpr":
        yield sum(1 / (x + n)
                  for n in (0, 1))
    if where == "list":
        yield from [1,
                    2]
        helper(x)
    yield "last"
    x.nothing

@resumable
def g(x):
    yield "in g"
    yield helper(x)
'''
PLACES = "plain operand exit with try finally bare from context case delegate genexpr list none thrown".split()


def fingerprint(error: BaseException | None) -> Any:
    """Files, functions and lines of an exception and of those behind it, and the marked lines' text."""
    if error is None:
        return None
    frames = [(e.filename, e.name, e.lineno, e.line) for e in traceback.extract_tb(error.__traceback__)]
    frames = [f for f in frames if f[0] != __file__]
    return type(error), error.args, frames, fingerprint(error.__cause__), fingerprint(error.__context__)


def fail(function: Any, where: str, between: Callable[[Any], Any]) -> Any:
    generator = function(where)
    try:
        for step in range(100):
            generator = between(generator)
            if where == "thrown" and step == 4:
                generator.throw(LookupError("thrown"))
            next(generator)
    except Exception as error:
        return fingerprint(error)
    raise AssertionError("it did not fail")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """The module, and the same natively."""
    folder = tmp_path_factory.mktemp("failing")
    moving = execute(folder / "failing_written.py", FAILING, name="failing_written")
    original = mobility.resumable
    mobility.resumable = identity  # type: ignore[assignment]
    native = execute(folder / "failing_written.py", FAILING, name="failing_written")
    mobility.resumable = original
    sys.modules["failing_written"] = moving
    yield moving.f, native.f
    del sys.modules["failing_written"]


@pytest.mark.parametrize("where", PLACES)
def test_a_traceback_is_that_of_a_native_run(where: str, failing: tuple[Any, Any]) -> None:
    """Files, functions, lines and text of the whole chain of exceptions, unmoved."""
    moving, native = failing
    assert fail(moving, where, identity) == fail(native, where, identity)


@pytest.mark.parametrize("where", PLACES)
def test_a_traceback_after_moves_is_that_of_a_native_run(where: str, failing: tuple[Any, Any]) -> None:
    """An exception that is raised after a move shows the same; one raised before the move has left its traceback."""

    def pruned(mark: Any) -> Any:
        """Only the outermost exception was raised after the last move."""
        return mark and (*mark[:3], *(m and m[:2] for m in mark[3:]))

    moving, native = failing
    moved, wanted = pruned(fail(moving, where, move)), pruned(fail(native, where, identity))
    if where == "bare":  # raised before the move, and again after it
        assert {f[:2] for f in moved[2]} <= {f[:2] for f in wanted[2]}
        assert {f[2] for f in moved[2]} <= {f[2] for f in wanted[2]}
    else:
        assert moved == wanted
