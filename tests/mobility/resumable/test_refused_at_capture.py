"""What cannot move is refused by name when it is captured, and nothing is lost: the generator goes on."""

import collections
import inspect
import pickle
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from mobility import capture, dumps, resumable
from mobility.errors import NotMovable
from tests.mobility.resumable.helpers import move
from tests.mobility.resumable.unmovable import NESTED, VALUES, WAYS, native_generator, native_manager, opened


@resumable
def holding(value):
    log = ["begun"]
    try:
        held = value
        got = yield 1
        log.append(got)
        yield 2
    finally:
        log.append("finally")
    return log, held is value


@resumable
def managing(value):
    log = ["begun"]
    with value:
        got = yield 1
        log.append(got)
    return log, True


@resumable
def capturing(value):
    log = ["begun"]

    def use():
        return value

    log.append((yield 1))
    return log, use() is value


def line_of(function: Any, text: str) -> int:
    """The line of a function's text that begins so."""
    lines, first = inspect.getsourcelines(function)
    return next(first + i for i, line in enumerate(lines) if line.strip().startswith(text))


def refusal(generator: Any) -> NotMovable:
    """Both ways of capturing refuse it, alike; the error is complete and survives pickle."""
    with pytest.raises(NotMovable) as caught:
        capture(generator)
    with pytest.raises(NotMovable) as again:
        dumps(generator)
    error = caught.value
    assert str(error) == str(again.value)
    for part in (error.function, error.variable, error.filename, f"line {error.line}", error.kind, error.remedy):
        assert part in str(error)
    assert "still runnable" in str(error)
    assert error.remedy.endswith(".")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is NotMovable and copy.__dict__ == error.__dict__ and str(copy) == str(error)
    return error


def run_to_end(generator: Any) -> Any:
    """What comes of a generator that has given its first value."""
    seen = []
    try:
        seen.append(generator.send("sent"))
        while True:
            seen.append(next(generator))
    except StopIteration as stop:
        return seen, stop.value
    except Exception as error:
        return seen, repr(error)


@pytest.mark.parametrize("nesting", NESTED)
@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_cannot_move_is_named(name: str, nesting: str) -> None:
    """Variable, the way to the value within it, the line of its binding, the value's type, and what to do instead."""
    make, kind, remedy = VALUES[name]
    with make() as value:
        nested = NESTED[nesting](value)
        generator = holding(nested)
        next(generator)
        error = refusal(generator)
        assert error.function == f"{__name__}.holding"
        assert error.filename == __file__
        assert error.kind == kind
        # The argument and the variable hold the same; either may be named.
        assert re.match("variable '(value|held)'", error.variable)
        assert error.variable.endswith(WAYS[nesting])
        assert error.line in (line_of(holding, "def holding"), line_of(holding, "held = value"))
        assert remedy in error.remedy
        assert run_to_end(generator) == ([2], (["begun", "sent", "finally"], True))


def test_the_way_leads_through_a_deque_too() -> None:
    """The usual mailbox: the type that is named is that of the culprit, not of the container."""
    generator = holding(collections.deque([1, threading.Lock()]))
    next(generator)
    error = refusal(generator)
    assert (error.kind, error.variable[-3:]) == ("_thread.lock", "[1]")


def test_a_file_for_writing_is_named(tmp_path: Path) -> None:
    """Its position could not be continued elsewhere."""
    with opened(tmp_path / "out.txt") as file:
        generator = holding(file)
        next(generator)
        error = refusal(generator)
        assert error.kind == "_io.TextIOWrapper" and "variable" in error.variable
        file.write("still open")
        assert run_to_end(generator) == ([2], (["begun", "sent", "finally"], True))
    assert (tmp_path / "out.txt").read_text() == "still open"


def test_a_captured_variable_is_named() -> None:
    """By its own name or by that of the function that captures it."""
    generator = capturing(threading.Lock())
    next(generator)
    error = refusal(generator)
    assert re.fullmatch("variable 'value'|variable 'use'.* .captured value.", error.variable)
    assert "  " not in error.variable
    assert run_to_end(generator) == ([], (["begun", "sent"], True))


@resumable
def loop_only():
    for item in re.finditer("a", "aa"):
        del item
        yield 1


@resumable
def with_only():
    with native_manager():
        yield 1


@resumable
def delegate_only():
    yield from native_generator()


@resumable
def operand_only():
    x = [threading.Lock(), (yield 1)]
    return x


@resumable
def comprehension_only():
    for x in (y for y in re.finditer("a", "aa")):
        del x
        yield 1


ONLY: list[tuple[Any, str, str]] = [
    (loop_only, "the iterator of the loop", "for item"),
    (with_only, "the manager of the with statement", "with native"),
    (delegate_only, "what it delegates to", "yield from"),
    (operand_only, "an operand that waits for the yield", "x = ["),
    (comprehension_only, "the iterator of the loop", "for x in"),
]


@pytest.mark.parametrize("function, variable, line", ONLY, ids=[o[0].__name__ for o in ONLY])
def test_a_hidden_place_is_said_in_the_users_words(function: Any, variable: str, line: str) -> None:
    """No hidden name is shown; the line is that of the statement."""
    generator = function()
    next(generator)
    error = refusal(generator)
    assert error.variable == variable
    assert error.line == line_of(function, line)
    assert not re.search(r"\.[imtyxnfr]\d*\b(?!/)", error.variable)
    assert not isinstance(run_to_end(generator)[1], str)


@resumable
def outer(value):
    inner = holding(value)
    yield next(inner)
    yield next(inner)


def test_within_a_generator_that_it_holds(tmp_path: Path) -> None:
    """The innermost generator's variable is named: that is where to act."""
    generator = outer(None)
    next(generator)
    dumps(generator)
    lock = threading.Lock()
    generator = outer(lock)
    next(generator)
    error = refusal(generator)
    assert error.kind == "_thread.lock"
    assert next(generator) == 2


def test_not_begun() -> None:
    """An argument of a generator that has not begun is named too, and it can still begin."""
    generator = holding(threading.Lock())
    error = refusal(generator)
    assert error.variable == "variable 'value'"
    assert error.line == line_of(holding, "def holding")
    assert next(generator) == 1


@pytest.mark.parametrize("several", [lambda a, b: (a, b), lambda a, b: [b, a], lambda a, b: {"x": {"y": [a, b]}}])
def test_of_several_captured_together_the_right_one_is_named(several: Any) -> None:
    """And all of them are unharmed."""
    good, bad = holding(1), managing(native_manager())
    next(good)
    next(bad)
    with pytest.raises(NotMovable) as caught:
        dumps(several(good, bad))
    assert caught.value.function == f"{__name__}.managing"
    assert run_to_end(good) == ([2], (["begun", "sent", "finally"], True))
    assert run_to_end(bad)[1] == (["begun", "sent"], True)


def test_a_generator_that_is_not_resumable_is_named_itself() -> None:
    """Without a plan there are no variables to name; function, file and line are its own."""
    error = refusal(native_generator())
    assert "native_generator" in error.function
    code = native_generator.__code__
    assert (error.filename, error.line) == (code.co_filename, code.co_firstlineno)
    assert "resumable" in error.remedy or "Decorate" in error.remedy


def test_too_deep_nesting_is_named() -> None:
    """pickle recurses; a list nested too deeply is refused as such, and the generator goes on."""
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    generator = holding(nested)
    next(generator)
    with pytest.raises(NotMovable) as caught:
        dumps(generator)
    assert "nested too deeply" in str(caught.value)
    assert run_to_end(generator) == ([2], (["begun", "sent", "finally"], True))
    while nested:
        nested = nested.pop()  # or the interpreter recurses


@resumable
def remembering():
    found = []
    found.append(threading.Lock())
    yield 1
    found.clear()
    yield 2


def test_what_was_refused_once_can_move_later() -> None:
    """A refusal is about the present state only."""
    generator = remembering()
    next(generator)
    refusal(generator)
    next(generator)
    assert run_to_end(move(generator))[0] == []
