"""What a captured state says, and that it is one: nothing that happens later changes it."""

import dataclasses
import hashlib
import inspect
import pickle
import types
from pathlib import Path
from typing import Any

import pytest

import mobility
from mobility import ExecutionState, capture, discard, dumps, loads, restore, resumable
from mobility.errors import GeneratorRunning, MobilityError, NotMovable
from tests.mobility.resumable.helpers import execute


@resumable
def gathering(first, *rest, key="k"):
    found = [first]
    for item in rest:
        got = yield len(found)
        found.append((key, item, got))
    else:
        last = True
    yield found


LINE = gathering.__code__.co_firstlineno


def suspended() -> Any:
    generator = gathering(1, 2, 3)
    next(generator)
    generator.send("x")
    return generator


def test_it_names_the_function() -> None:
    """Module, qualified name, and the digest of the source: of its lines from `def` on."""
    key = capture(suspended()).function
    assert (key.module, key.qualname) == (__name__, "gathering")
    text = "".join(inspect.getsourcelines(gathering)[0][1:]).rstrip("\n")
    assert key.digest == hashlib.sha256(text.encode()).digest()[:16]


def test_the_digest_is_that_of_the_function_alone(tmp_path: Path) -> None:
    """Another text gives another digest; its place in the file and its decorators do not count."""

    def digest(text: str) -> bytes:
        return capture(execute(tmp_path / "f.py", text).f()).function.digest

    first = digest("@resumable\ndef f():\n    yield 1\n")
    assert first == digest("# moved\n\nx = [\n resumable]\n@x[0]\ndef f():\n    yield 1\n\n\n")
    assert first == digest("if 1:\n  @resumable\n  def f():\n      yield 1\n")
    assert first != digest("@resumable\ndef f():\n    yield 2\n")
    assert first != digest("@resumable\ndef f(a=1):\n    yield 1\n")
    assert len(first) == 16


def test_created_suspended_closed() -> None:
    """Status, label and line of a generator's whole life."""
    generator = gathering(1, 2, 3)
    seen = []
    for operation in (lambda: None, *[lambda: next(generator)] * 3, generator.close):
        operation()
        state = capture(generator)
        seen.append((state.status, state.label, state.line - LINE, state.source_line))
    assert seen == [
        ("created", 0, 0, "@resumable"),
        ("suspended", 1, 4, "got = yield len(found)"),
        ("suspended", 1, 4, "got = yield len(found)"),
        ("suspended", 2, 8, "yield found"),
        ("closed", -1, 0, "@resumable"),
    ]


def test_line_and_file_are_those_of_the_frame() -> None:
    """The line at which tracebacks would show it."""
    generator = suspended()
    state = capture(generator)
    assert state.filename == __file__
    assert state.line == generator.gi_frame.f_lineno


def test_locals_by_the_users_names() -> None:
    """Every bound variable, none of the hidden ones."""
    assert capture(suspended()).locals == {
        "first": 1, "rest": (2, 3), "key": "k", "found": [1, ("k", 2, "x")], "item": 3, "got": "x"
    }  # fmt: skip
    assert capture(gathering(5)).locals == {"first": 5, "rest": (), "key": "k"}


@resumable
def capturing(a):
    b = [a]
    if a is None:
        unbound = 1

    def append():
        b.append(late)

    yield append
    late = 1
    del a
    yield append


def test_captured_variables_are_locals_too() -> None:
    """Whether a variable is captured by a function inside makes no difference; unbound ones are left out."""
    generator = capturing(1)
    next(generator)
    assert {n: v for n, v in capture(generator).locals.items() if n != "append"} == {"a": 1, "b": [1]}
    next(generator)
    found = capture(generator).locals
    assert {n: v for n, v in found.items() if n != "append"} == {"b": [1], "late": 1}
    assert isinstance(found["append"], types.FunctionType)


def test_locals_of_the_ends() -> None:
    """A closed generator has no variables; one that has not begun has its arguments."""
    generator = suspended()
    generator.close()
    assert capture(generator).locals == {}
    with_cells = capturing("argument")
    assert capture(with_cells).locals == {"a": "argument"}


def test_looking_resumes_nothing() -> None:
    """Locals that are generators, files or iterators are shown without a step of any of them."""
    inner = suspended()
    outer = gathering(inner, 2)
    next(outer)
    shown = capture(outer).locals["first"]
    assert not isinstance(shown, types.GeneratorType)
    assert "gathering" in repr(shown)
    assert inner.gi_frame is not None and next(inner)


def test_it_is_readable() -> None:
    """The text says function, status, place and line."""
    text = str(capture(suspended()))
    assert "gathering" in text and "suspended" in text and f"{__file__}:{LINE + 4}" in text
    assert "got = yield len(found)" in text
    assert capture(suspended()).function.digest.hex()[:8] in text


def test_it_pickles_and_compares() -> None:
    """Plain data: equal after pickle, hashable, frozen."""
    state = capture(suspended())
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(state, protocol))
        assert again == state and type(again) is ExecutionState
    assert hash(again) == hash(state)
    assert list(restore(again)) == [[1, ("k", 2, "x"), ("k", 3, None)]]
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.line = 1  # type: ignore[misc]


def test_advancing_does_not_change_it() -> None:
    """The state is of the moment at which it was taken."""
    generator = suspended()
    state = capture(generator)
    assert list(generator) == [[1, ("k", 2, "x"), ("k", 3, None)]]
    assert (state.status, state.line) == ("suspended", LINE + 4)
    assert state.locals["found"] == [1, ("k", 2, "x")]
    assert next(restore(state)) == [1, ("k", 2, "x"), ("k", 3, None)]


def test_mutating_what_it_held_does_not_change_it() -> None:
    """Neither through the generator's objects nor through what `locals` gives."""
    shared = [1]
    generator = gathering(shared, 2)
    next(generator)
    state = capture(generator)
    shared.append(2)
    state.locals["found"].append(3)
    assert state.locals["found"] == [[1]]
    assert next(restore(state)) == [[1], ("k", 2, None)]
    assert next(generator) == [[1, 2], ("k", 2, None)]


def test_restoring_twice_gives_two() -> None:
    """Clones: independent of each other and of the original."""
    state = capture(suspended())
    one, two = restore(state), restore(state)
    one.send("one")
    assert two.send("two")[-1] == ("k", 3, "two")
    assert one.gi_frame.f_locals["found"] is not two.gi_frame.f_locals["found"]
    assert restore(state).send("three")[-1] == ("k", 3, "three")


def test_capturing_changes_nothing() -> None:
    """The generator goes on; a second capture is equal to the first."""
    generator = suspended()
    assert capture(generator) == capture(generator)
    assert generator.send("y")[-1] == ("k", 3, "y")


def test_dumps_and_capture_agree() -> None:
    """The payload is the snapshot that `dumps` gives; each leads to the same generator."""
    generator = suspended()
    assert list(loads(capture(generator).payload)) == list(loads(dumps(generator)))


@pytest.mark.parametrize("make", [lambda: gathering(1, 2), suspended], ids=["unstarted", "suspended"])
def test_a_restored_one_is_as_far_as_the_captured(make: Any) -> None:
    """GEN_CREATED stays so; GEN_SUSPENDED too."""
    generator = make()
    restored = restore(capture(generator))
    assert inspect.getgeneratorstate(restored) == inspect.getgeneratorstate(generator)
    assert list(restored) == list(generator)


@pytest.mark.parametrize("end", ["closed", "exhausted", "failed", "closed at once"])
def test_an_ended_one_restores_as_ended(end: str) -> None:
    """Whatever ended it: nothing more comes, and nothing runs."""
    generator = gathering(1, 2)
    if end == "exhausted":
        list(generator)
    elif end == "failed":
        with pytest.raises(KeyError):
            generator.throw(KeyError(1))
    else:
        if end == "closed":
            next(generator)
        generator.close()
    state = capture(generator)
    assert state.status == "closed"
    restored = restore(state)
    assert inspect.getgeneratorstate(restored) == inspect.GEN_CLOSED
    assert list(restored) == []
    with pytest.raises(ValueError, match="thrown"):
        restored.throw(ValueError("thrown"))
    assert capture(restored) == state


# -- a generator that is executing ------------------------------------------------------------------------------------


@resumable
def capturing_itself(box, action):
    before = 1
    try:
        action(box[0])
    except MobilityError as error:
        found = error
    yield found
    yield "on"


ACTIONS = {"captured": [capture, dumps, pickle.dumps], "discarded": [discard]}


@pytest.mark.parametrize("done, action", [(d, a) for d, actions in ACTIONS.items() for a in actions])
def test_a_running_generator_is_refused_from_inside(done: str, action: Any) -> None:
    """GeneratorRunning, and the generator goes on."""
    box: list[Any] = []
    box.append(capturing_itself(box, action))
    error = next(box[0])
    assert type(error) is GeneratorRunning
    assert (error.function, error.action) == (f"{__name__}.capturing_itself", done)
    assert next(box[0]) == "on"
    assert list(box[0]) == []


@resumable
def holding_as_value(other):
    yield 1
    yield other


def test_a_running_one_that_is_reached_from_another_is_refused() -> None:
    """A snapshot of one that holds the running one would need its state too; neither is harmed."""
    box: list[Any] = []
    generator = capturing_itself(box, capture)
    other = holding_as_value(generator)
    next(other)
    box.append(other)
    error = next(generator)
    assert type(error) is GeneratorRunning and error.function.endswith("capturing_itself")
    assert next(generator) == "on"
    assert next(other) is generator


@pytest.mark.parametrize("wrong", [iter([]), (i for i in "a"), 3, None, [1]], ids=lambda w: type(w).__name__)
def test_what_is_no_resumable_generator_is_refused(wrong: Any) -> None:
    """capture and discard want a generator of a resumable function; the error is one of the tree or a TypeError."""
    for action in (mobility.capture, mobility.discard):
        with pytest.raises((NotMovable, TypeError)):
            action(wrong)
