"""Tracers and tracebacks show the user's lines, all of them, and nothing else."""

import ast
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
PACKAGE = str(Path(mobility.__file__).parent)  # nothing of which a tracer may see
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
    return outcome, events


def _statements() -> dict[int, int]:
    """The first line of the innermost statement on each line of the file."""
    found: dict[int, int] = {}
    for node in ast.walk(ast.parse(Path(FILE).read_text())):  # outer statements come before inner ones
        if isinstance(node, ast.stmt):
            found.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node.lineno))
    return found


STATEMENTS = _statements()


def in_statements(events: list[Event]) -> list[Event]:
    """A statement of several lines counts as one: in which order its parts show theirs is the compiler's affair."""
    return collapsed([(event, name, STATEMENTS.get(line, line)) for event, name, line in events if PACKAGE not in name])


def by_function(events: list[Event]) -> dict[str, list[Event]]:
    """Each function's own statements, in their order."""
    names = dict.fromkeys(name for _, name, _ in events if PACKAGE not in name)
    return {name: collapsed(in_statements([event for event in events if event[1] == name])) for name in names}


@pytest.mark.parametrize("name", traced.NAMES)
def test_a_tracer_sees_the_lines_of_a_native_run(name: str) -> None:
    """The same statements of the same functions in the same order, for a generator that never moved."""
    native, moving = (traced_run(module, name, ("line",)) for module in (NATIVE, traced))
    assert moving[0] == native[0]
    assert by_function(moving[1]) == by_function(native[1])


@pytest.mark.parametrize("name", [name for name in traced.NAMES if name not in traced.SPREAD])
def test_a_tracer_sees_the_very_lines_where_each_statement_is_on_one(name: str) -> None:
    """Line by line."""
    native, moving = (collapsed(traced_run(module, name, ("line",))[1]) for module in (NATIVE, traced))
    assert [event for event in moving if PACKAGE not in event[1]] == native


@pytest.mark.parametrize("name", traced.NAMES)
@pytest.mark.parametrize("kind", ["call", "return"])
def test_a_tracer_sees_no_call_that_the_user_did_not_write(name: str, kind: str) -> None:
    """Stepping must not lead into the machinery."""
    native, moving = (traced_run(module, name, (kind,))[1] for module in (NATIVE, traced))
    assert [event[1] for event in moving] == [event[1] for event in native]


@pytest.mark.parametrize("name", traced.NAMES)
def test_after_a_move_a_tracer_sees_only_the_users_lines(name: str) -> None:
    """No line that the native run does not show; where it is entered again, blocks around show theirs once more."""

    def between(generator: Any) -> Any:
        tracer, _ = sys.gettrace(), sys.settrace(None)
        generator = move(generator)
        sys.settrace(tracer)
        return generator

    outcome, wanted = traced_run(NATIVE, name, ("line", "call"))
    with tracing(("line", "call")) as events:
        moved = drive(getattr(traced, name)(), between)
    assert moved == outcome
    shown, lines = ({event[1:] for event in some} for some in (in_statements(events), in_statements(wanted)))
    assert shown <= lines, sorted(shown - lines)
    assert not [event for event in events if PACKAGE in event[1]]


# -- tracebacks -------------------------------------------------------------------------------------------------------

FAILING = """
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
"""
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


# What is in flight during a move has left its traceback behind; raised again, it shows where.
IN_FLIGHT = ["bare", "try"]


def newest(mark: Any) -> Any:
    """Of the exceptions behind it, which were raised before the last move, only type and arguments."""
    return mark and (*mark[:3], *(m and m[:2] for m in mark[3:]))


@pytest.mark.parametrize("where", [where for where in PLACES if where not in IN_FLIGHT])
def test_a_traceback_after_moves_is_that_of_a_native_run(where: str, failing: tuple[Any, Any]) -> None:
    """An exception that is raised after a move shows files, functions, lines and text as if there had been none."""
    moving, native = failing
    assert newest(fail(moving, where, move)) == newest(fail(native, where, identity))


@pytest.mark.parametrize("where", IN_FLIGHT)
def test_an_exception_that_moved_shows_only_the_users_lines(where: str, failing: tuple[Any, Any]) -> None:
    """It is raised again within the statement that handles it; nothing of the machinery shows."""
    moving, native = failing
    moved, wanted = fail(moving, where, move), fail(native, where, identity)
    assert moved[:2] == wanted[:2]
    assert {frame[:2] for frame in moved[2]} <= {frame[:2] for frame in wanted[2]}
    spans = {"try": range(33, 43), "bare": range(43, 53)}
    assert all(frame[2] in spans[where] for frame in moved[2])
