"""Leaving a generator runs nothing of the user's: no finally, no __exit__, no handler, in it or in what it carries."""

import contextlib
import gc
import inspect
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mobility import capture, discard, dumps, loads, restore, resumable
from mobility.errors import GeneratorRunning, NotMovable
from tests.mobility.resumable.discarded import (
    FUNCTIONS,
    Held,
    Manager,
    delegating_deep,
    heard,
    holding_itself,
    in_finally_body,
    in_managers_own,
)
from tests.mobility.resumable.helpers import move


@pytest.fixture(autouse=True)
def nothing_heard() -> None:
    heard.clear()


def silent_end(generator: Any) -> None:
    """It is over, and its collection is silent too."""
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CLOSED
    assert list(generator) == []
    del generator
    gc.collect()
    assert heard == []


@pytest.mark.parametrize("moves", range(3))
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_nothing_runs(function: Callable[[], Any], moves: int) -> None:
    """Neither in the original nor in one that was restored, once or twice, nor when what is left is collected."""
    generator = function()
    next(generator)
    heard.clear()  # what ran on the way there
    for _ in range(moves):
        generator = move(generator)
        gc.collect()
        assert heard == []
    discard(generator)
    silent_end(generator)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_what_was_left_there_happens_here(function: Callable[[], Any]) -> None:
    """The restored one still runs all of it, exactly as the original would have: nothing is lost."""

    def closing(generator: Any) -> list[str]:
        next(generator)
        heard.clear()
        with contextlib.suppress(RuntimeError):
            generator.close()
        with contextlib.suppress(RuntimeError, StopIteration):
            discard(generator)  # one that ignores GeneratorExit
        del generator
        gc.collect()
        return list(heard)

    def moving(generator: Any) -> list[str]:
        next(generator)
        heard.clear()
        generator = move(generator)
        with contextlib.suppress(RuntimeError):
            generator.close()
        with contextlib.suppress(RuntimeError, StopIteration):
            discard(generator)
        del generator
        gc.collect()
        return list(heard)

    assert moving(function()) == closing(function())


def test_one_that_holds_itself() -> None:
    """A cycle is left as one, and collected in silence."""
    generator = holding_itself()
    next(generator)
    generator.send(generator)
    generator = move(generator)
    assert generator.gi_frame is not None
    discard(generator)
    silent_end(generator)


def test_what_is_not_carried_is_not_left() -> None:
    """Only generators that the snapshot carries are left."""
    other = in_finally_body()
    next(other)
    generator = in_finally_body()
    next(generator)
    discard(generator)
    assert list(other) == [] and heard == ["finally"]


def test_two_phases() -> None:
    """dumps leaves the source runnable: if the destination does not answer, it goes on here, with all that it runs."""
    generator = in_managers_own()
    next(generator)
    data = dumps(generator)
    assert inspect.getgeneratorstate(generator) == inspect.GEN_SUSPENDED
    assert list(generator) == []
    assert heard == ["after", "inner finally", "went on"]
    heard.clear()
    discard(generator)
    assert list(loads(data)) == [] and heard == ["after", "inner finally", "went on"]


def test_not_begun_and_ended() -> None:
    """There is nothing to leave; both may be discarded, twice."""
    generator = in_finally_body()
    discard(generator)
    discard(generator)
    silent_end(generator)
    restored = restore(capture(in_finally_body()))
    discard(restored)
    silent_end(restored)


def test_a_snapshot_of_a_discarded_one_is_closed() -> None:
    """It ended, as far as anyone can see."""
    generator = in_finally_body()
    next(generator)
    discard(generator)
    assert capture(generator).status == "closed"
    assert pickle.loads(pickle.dumps(generator)).gi_frame is None


def test_its_objects_are_let_go() -> None:
    """What it held is released at once, as when a generator ends."""
    generator = keeping(Held())
    next(generator)
    discard(generator)
    assert heard == ["collected"]
    heard.clear()


@resumable
def keeping(value):
    try:
        with Manager():
            yield 1
    finally:
        heard.append("finally")


@resumable
def discarding_itself(box):
    try:
        discard(box[0])
    except GeneratorRunning as error:
        yield error
    yield "on"


def test_a_running_one_is_refused_and_goes_on() -> None:
    """It cannot be left while it runs; nor can one that carries it, and then none is left."""
    box: list[Any] = []
    box.append(discarding_itself(box))
    assert type(next(box[0])) is GeneratorRunning
    assert next(box[0]) == "on"

    carrier = holding_itself()
    next(carrier)
    inner = discarding_itself(box)
    carrier.send(inner)
    box[0] = carrier
    assert type(next(inner)) is GeneratorRunning
    assert next(inner) == "on"
    assert heard == []
    assert list(carrier) == [] and heard == ["finally"]


def native():
    yield 1


def test_one_that_is_not_resumable_is_refused() -> None:
    """Its finally blocks would run; it is left as it is."""
    generator = native()
    next(generator)
    with pytest.raises(NotMovable, match="native"):
        discard(generator)
    assert list(generator) == []


def test_in_threads() -> None:
    """Several threads may leave generators at once."""

    def leave() -> None:
        for _ in range(50):
            generator = delegating_deep()
            next(generator)
            discard(generator)

    threads = [threading.Thread(target=leave) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == []
