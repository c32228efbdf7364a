"""Hostile functions and circumstances that once broke something."""

from __future__ import annotations

import gc
import linecache
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from mobility import capture, discard, dumps, loads, restore, resumable
from mobility.errors import NotMovable, ResumableError, SnapshotInvalid, SourceMismatch

Steps = Generator[Any, Any, Any]
LOG: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh_log() -> Iterator[None]:
    LOG.clear()
    yield
    LOG.clear()


def defined(text: str, name: str = "g", filename: str = "<hostile>", **names: Any) -> Any:
    """A function from text that its source can be found for."""
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    namespace = {"__name__": __name__, "resumable": resumable, **names}
    exec(compile(text, filename, "exec", dont_inherit=True), namespace)
    return namespace[name]


def moved(generator: Steps) -> Any:
    """The generator after a journey."""
    snapshot = dumps(generator)
    discard(generator)
    return loads(snapshot)


class Base:
    def hello(self) -> str:
        return "base"


class Derived(Base):
    @resumable
    def walk(self, __private: int = 3) -> Steps:
        yield super().hello()
        yield __private, super().hello()


def test_super_and_a_private_parameter_are_recognised() -> None:
    """Both load names that do not stand in the text as such; the check of the text must know."""
    walk = Derived().walk()
    assert next(walk) == "base"
    assert next(moved(walk)) == (3, "base")


def nest(levels: int, indent: int = 1) -> str:
    margin = "    " * indent
    if not levels:
        return f"{margin}yield from [1, 2]\n"
    return f"{margin}try: raise KeyError\n{margin}except KeyError:\n{nest(levels - 1, indent + 1)}"


@pytest.mark.parametrize("levels", range(1, 11))
def test_what_is_nested_too_deeply_is_refused_at_decoration(levels: int) -> None:
    """Never at the landing, when the original may be gone, and never by a crash of the compiler."""
    text = f"def g():\n{nest(levels)}"
    try:
        generator = resumable(defined(text, filename=f"<nest {levels}>"))()
    except ResumableError as error:
        assert levels > 6 and "nested too deeply" in str(error)
        return
    assert next(generator) == 1
    assert list(moved(generator)) == [2]


def captured_in_comprehension(i: int) -> Steps:
    yield 0
    lambdas = [(lambda: i) for i in range(3)]  # the lambdas capture the comprehension's own i
    yield lambdas[0](), i
    doubled = {i: (lambda: i)() for i in range(2)}
    yield doubled, i


def test_a_comprehensions_variable_is_not_the_functions() -> None:
    """From 3.12 on comprehensions are inlined; a landing must not let them write the captured variable."""
    generator = resumable(captured_in_comprehension)(7)
    next(generator)
    generator = moved(generator)
    assert next(generator) == (2, 7)
    assert next(moved(generator)) == ({0: 0, 1: 1}, 7)


def test_future_annotations_hold_inside() -> None:
    """The file's ``from __future__`` imports belong to the text."""
    text = (
        "from __future__ import annotations\n@resumable\ndef g():\n    def f(a: Bar) -> Baz: return a\n"
        "    class C:\n        z: Zonk = 1\n    yield f.__annotations__\n    yield C.__annotations__\n"
    )
    generator = defined(text)()
    assert next(generator) == {"a": "Bar", "return": "Baz"}
    assert next(moved(generator)) == {"z": "Zonk"}


@resumable
def deep(levels: int) -> Steps:
    try:
        if levels:
            yield from deep(levels - 1)
        else:
            yield "bottom"
    finally:
        LOG.append(levels)


def called_at(depth: int, run: Callable[[], Any]) -> Any:
    return called_at(depth - 1, run) if depth else run()


def test_a_load_without_room_for_its_delegations_runs_nothing() -> None:
    """A chain that broke off while it was entered would run its finally blocks, and the original goes on."""
    generator = deep(150)
    next(generator)
    snapshot = dumps(generator)
    limit = sys.getrecursionlimit()
    refused = 0
    for depth in range(limit - 400, limit - 10, 30):
        try:
            loaded = called_at(depth, lambda: loads(snapshot))
        except (SnapshotInvalid, RecursionError):
            refused += 1
            gc.collect()
        else:
            discard(loaded)
        assert LOG == []
    assert refused
    discard(generator)
    assert LOG == []


class Announced:
    def __init_subclass__(cls, *, name: str, **options: Any) -> None:
        LOG.append(name)


@resumable
def making_announced() -> Steps:
    class Mine(Announced, name="mine"):
        pass

    yield 1
    yield Mine.__name__


def test_a_class_whose_making_has_effects_is_refused_at_capture() -> None:
    """It could not be made again without telling its base again, and without the arguments."""
    generator = making_announced()
    next(generator)
    with pytest.raises(NotMovable, match="'Mine'"):
        capture(generator)
    assert next(generator) == "Mine"


@resumable
def names_in_comprehensions() -> Steps:
    for _ in [1]:
        yield [name for _ in range(1) for name in sorted(locals())], [dir() for _ in [1]], [list(vars()) for _ in [1]]


def test_comprehensions_show_no_hidden_names() -> None:
    """They share the function's frame from 3.12 on."""
    for shown in next(names_in_comprehensions()):
        assert "'." not in str(shown).replace("'.0'", "")


def test_indentation_inside_a_string_counts_for_the_digest() -> None:
    """Another text is another function, even if only a string's indentation differs."""
    text = "if 1:\n    @resumable\n    def g():\n        s='''\n    foo'''\n        yield 1\n        yield s\n"
    sources = [
        defined(t, filename=f"<indented {n}>").__code__.co_consts[-1].digest
        for n, t in enumerate((text, text.replace("\n    foo", "\nfoo")))
    ]
    assert sources[0] != sources[1]


def test_a_text_too_deep_for_the_transformation_is_refused_with_its_place() -> None:
    """It is legal Python, so the error must say what to do."""
    text = "def g(n):\n    if n==-1: yield 0\n" + "".join(f"    elif n=={i}: yield {i}\n" for i in range(300))
    function = defined(text, filename="<elif>")
    assert list(function(1)) == [1]
    with pytest.raises(ResumableError, match="nested too deeply") as caught:
        resumable(function)
    assert caught.value.filename == "<elif>" and caught.value.remedy


def native() -> Steps:
    try:
        yield 1
    except BaseException as error:
        LOG.append(type(error).__name__)
        raise


@resumable
def delegating_to(delegate: Steps) -> Steps:
    yield from delegate


def test_discard_refuses_what_could_not_have_been_captured() -> None:
    """A native delegate cannot have gone elsewhere; nothing of it may run."""
    generator = delegating_to(native())
    next(generator)
    with pytest.raises(NotMovable):
        discard(generator)
    assert LOG == []
    generator.close()
    assert LOG == ["GeneratorExit"]


class Counting:
    """An iterator that tells when it is let go."""

    def __init__(self, last: int) -> None:
        self.number, self.last = 0, last

    def __iter__(self) -> Counting:
        return self

    def __next__(self) -> int:
        self.number += 1
        if self.number > self.last:
            raise StopIteration
        return self.number

    def __del__(self) -> None:
        LOG.append("released")


def left_by_break() -> Steps:
    for number in Counting(9):
        try:
            yield number
            break
        finally:
            pass
    LOG.append("after")
    yield "end"


def run_to_its_end() -> Steps:
    for number in Counting(1):
        yield number
    LOG.append("after")
    yield "end"


def left_by_exception() -> Steps:
    try:
        for number in Counting(9):
            yield number
            raise KeyError
    except KeyError:
        LOG.append("handling")
        yield "handled"
    try:
        for number in Counting(9):
            yield number
            raise ValueError
    except ValueError:
        yield "again"
    LOG.append("after")
    yield "end"


@pytest.mark.parametrize("function", [left_by_break, run_to_its_end, left_by_exception])
def test_a_loops_iterator_is_let_go_when_the_loop_is_left(function: Callable[[], Steps]) -> None:
    """A hidden variable must not keep it longer than the interpreter's stack would."""

    def order(make: Callable[[], Steps]) -> list[Any]:
        LOG.clear()
        for _ in make():
            gc.collect()
        return list(LOG)

    natively = order(function)
    assert order(resumable(function)) == natively
    if function is not left_by_exception:
        assert natively.index("released") < natively.index("after")


@resumable
def holding_an_exception() -> Steps:
    try:
        raise KeyError("one")
    except KeyError as first:
        try:
            raise ValueError("two")
        except ValueError as second:
            yield first, second
            yield second.__context__, second.__cause__


@resumable
def delegating_with_contexts() -> Steps:
    try:
        raise OSError("outer")
    except OSError as outer:
        yield from holding_an_exception()
        yield outer.__context__


def test_contexts_survive_a_landing_of_several_generators() -> None:
    """Entering a handler again raises its exception, which must not get another context by that."""
    generator = delegating_with_contexts()
    first, second = next(generator)
    try:
        raise RuntimeError("elsewhere")
    except RuntimeError:
        generator = moved(generator)  # in the middle of somebody else's handler
    context, cause = next(generator)
    assert (type(context), context.args, cause) == (KeyError, ("one",), None)
    assert isinstance(context.__context__, OSError)
    assert next(moved(generator)) is None
    assert second.__context__ is first


def test_reading_a_generator_keeps_none_of_its_values() -> None:
    """Before 3.13 a frame keeps the dictionary of its variables: a capture must not leave it filled."""

    @resumable
    def stepping() -> Steps:
        for _ in range(3):
            value = Counting(1)
            yield value
            del value

    generator = stepping()
    next(generator)
    capture(generator)
    LOG.clear()
    next(generator)
    gc.collect()
    assert LOG == ["released"]


def test_errors_of_values_are_said_to_be_theirs() -> None:
    """Whatever a type raises while it is made again, the snapshot is refused by the one error for that."""
    import pickle

    state = capture(deep(0))
    with pytest.raises(SnapshotInvalid, match="ZeroDivisionError"):
        loads(pickle.dumps(Dividing()))
    assert next(restore(state)) == "bottom"
    assert not issubclass(SnapshotInvalid, SourceMismatch)


class Dividing:
    def __reduce__(self) -> tuple[Any, ...]:
        return divmod, (1, 0)
