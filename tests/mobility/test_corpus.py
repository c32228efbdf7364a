"""Moved at every suspension point in the same process, a generator does exactly what the native one does."""

from collections.abc import Iterator

import pytest

import mobility
from tests.corpus.record import said
from tests.support.driver import (
    CLOSE,
    NEXT,
    Case,
    Script,
    capture_only,
    collected,
    compare,
    finish,
    load,
    missing,
    module_names,
    move,
    ordinary,
    run,
    scripts,
    stay,
    step,
)
from tests.support.picture import picture, position

# A discarded generator lets go of its files without closing them: its `with` must not run.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

MODULES = [
    pytest.param(name, marks=pytest.mark.skip(reason=f"{name}: {missing(name)}")) if missing(name) else name
    for name in module_names()
]


def _pairs() -> Iterator[tuple[str, Case, Case]]:
    for name in module_names():
        if not missing(name):
            loaded = load(name)
            for case_name, native in loaded.native.items():
                yield f"{name}.{case_name}", native, loaded.moving[case_name]


PAIRS = [pytest.param(native, moving, id=name) for name, native, moving in _pairs()]
each = pytest.mark.parametrize(("native", "moving"), PAIRS)


@pytest.mark.parametrize("name", MODULES)
def test_the_module_has_cases(name: str) -> None:
    """Protects against a corpus module that silently contributes nothing."""
    loaded = load(name)
    assert loaded.native and list(loaded.native) == list(loaded.moving)


@each
def test_unmoved(native: Case, moving: Case) -> None:
    """Being resumable changes nothing that can be seen."""
    ordinary(moving)
    for family, members in scripts(native).items():
        for number, script in enumerate(members):
            compare(run(native.start, script), run(moving.start, script, stay), f"{family} {number}")


@each
def test_moved_at_every_suspension(native: Case, moving: Case) -> None:
    """Before each operation of each script the generator becomes bytes, is discarded, and goes on from the bytes."""
    for family, members in scripts(native).items():
        for number, script in enumerate(members):
            compare(run(native.start, script), run(moving.start, script, move), f"{family} {number}")


@each
def test_moved_once(native: Case, moving: Case) -> None:
    """A single move at each point: what runs afterwards is the ordinary code, entered from a landing."""
    for family in ("next", "send", *native.scripts):
        for number, script in enumerate(scripts(native)[family]):
            expected = run(native.start, script)
            for at in range(1, len(script) + 1):
                compare(expected, run(moving.start, script, move, at={at}), f"{family} {number}, moved before {at}")


@each
def test_captured_and_left_running(native: Case, moving: Case) -> None:
    """Capture has no effect on the generator: it goes on as if nothing had happened."""
    for family in ("next", "send", *native.scripts):
        for number, script in enumerate(scripts(native)[family]):
            compare(run(native.start, script), run(moving.start, script, capture_only), f"{family} {number}")


@each
def test_original_and_copies_all_go_on(native: Case, moving: Case) -> None:
    """A snapshot is a clone: loaded twice it gives two generators that do not disturb each other or the original."""
    script = scripts(native)["next"][0]
    expected = run(native.start, script)[1:-1]
    for at in range(len(script) + 1):
        generator = moving.start()
        for _ in range(at):
            step(generator, NEXT)
        data = mobility.dumps(generator)
        for copy in (mobility.loads(data), generator, mobility.loads(data)):
            trace = [step(copy, operation) for operation in (*script[at:], CLOSE)]
            compare(expected[at:], (*trace, *finish(copy)), f"loaded at {at}")


@each
def test_discard_is_silent_and_final(native: Case, moving: Case) -> None:
    """Discarding at any point runs no finally, no handler and no `__exit__`, then or when it is collected."""
    for script in scripts(native)["next"]:
        for at in range(len(script) + 1):
            with collected() as remains:
                _discarded(moving, script[:at])
            assert remains == [], f"discarded after {at}"


def _discarded(moving: Case, script: Script) -> None:
    generator = moving.start()
    for operation in script:
        step(generator, operation)
    said.clear()
    mobility.discard(generator)
    assert position(generator)[0] == "closed"
    with pytest.raises(StopIteration):
        next(generator)
    generator.close()
    assert said == []


@each
def test_state_shows_the_users_locals(native: Case, moving: Case) -> None:
    """What a state names as locals is what the native frame has, by the user's names; and it shows the native line."""
    script = scripts(native)["next"][0]
    left, right = native.start(), moving.start()
    for operation in (*script, CLOSE):
        if right.gi_frame is None:
            break
        state = mobility.capture(right)
        frame, code = left.gi_frame, left.gi_code
        assert frame is not None
        own = {name: value for name, value in frame.f_locals.items() if name not in code.co_freevars}
        shown = {name: value for name, value in state.locals.items() if name not in code.co_freevars}
        own.pop("__class__", None)
        shown.pop("__class__", None)
        assert sorted(own) == sorted(shown)
        assert not [name for name in state.locals if not name.isidentifier()]
        assert state.line == frame.f_lineno
        step(left, operation)
        step(right, operation)
    finish(left)
    finish(right)


def test_a_difference_is_noticed() -> None:
    """Protects the proof itself: the comparison tells apart what differs in value, type, sharing and context."""
    one: list[object] = []
    assert picture([one, one]) != picture([[], []])
    assert picture(1) != picture(True) != picture(1.0)
    assert picture({"a": 1, "b": 2}) != picture({"b": 2, "a": 1})
    first, second = ValueError(1), ValueError(1)
    assert picture(first) == picture(second)
    second.__context__ = KeyError()
    assert picture(first) != picture(second)
    third = ValueError(1)
    third.add_note("note")
    assert picture(first) != picture(third)
    with pytest.raises(AssertionError, match="step 1 differs"):
        compare((1, 2), (1, 3), "numbers")
    with pytest.raises(AssertionError, match="2 steps natively, 1 when moved"):
        compare((1, 2), (1,), "numbers")
