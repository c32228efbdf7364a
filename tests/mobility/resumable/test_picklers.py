"""pickle, cloudpickle and dill take resumable generators, alone and in containers; others as little as ever."""

import copyreg
import io
import pickle
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mobility
from mobility import resumable
from mobility.errors import FunctionNotFound, GeneratorRunning, NotMovable, SourceMismatch
from tests.mobility.resumable.helpers import import_written, output_of


@resumable
def counting(n):
    for i in range(n):
        got = yield i
        if got is not None:
            yield got
    return "end"


@resumable
def closing():
    total = 0

    def add(x):
        nonlocal total
        total += x
        return total

    for item in (add(n) for n in [1, 2, 3]):
        yield item, total
    yield add


@resumable
def handling(values):
    for value in values.items():
        try:
            raise KeyError(value)
        except KeyError as error:
            yield value
            yield error.args
        finally:
            yield "finally"


@resumable
def delegating():
    got = yield from counting(3)
    yield got


MAKERS: dict[str, Callable[[], Any]] = {
    "plain": lambda: counting(4),
    "closure": closing,
    "handler": lambda: handling({"a": 1, "b": 2}),
    "delegate": delegating,
}


def from_module(name: str) -> Any:
    return pytest.importorskip(name) if name != "pickle" else pickle


def at_each_step(make: Callable[[], Any]) -> Any:
    """Generators after 0, 1, 2 ... steps, and what is to come of each."""
    steps = 0
    while True:
        generator, other = make(), make()
        try:
            for _ in range(steps):
                next(generator), next(other)
        except StopIteration:
            return
        yield generator, other
        steps += 1


def rest(generator: Any) -> list[Any]:
    return ["<function>" if isinstance(v, types.FunctionType) else v for v in generator]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", MAKERS)
def test_pickle_with_each_protocol(name: str, protocol: int) -> None:
    """From protocol 2 on, at each step; C and Python implementation."""
    for generator, other in at_each_step(MAKERS[name]):
        expected = rest(other)
        assert rest(pickle.loads(pickle.dumps(generator, protocol))) == expected
        file = io.BytesIO()
        pickle._Pickler(file, protocol).dump(generator)  # type: ignore[attr-defined]
        assert rest(pickle._loads(file.getvalue())) == expected  # type: ignore[attr-defined]
        mobility.discard(generator)


@pytest.mark.parametrize("library", ["cloudpickle", "dill"])
@pytest.mark.parametrize("name", MAKERS)
def test_cloudpickle_and_dill(library: str, name: str) -> None:
    """At each step; the original goes on unharmed."""
    module = from_module(library)
    for generator, other in at_each_step(MAKERS[name]):
        expected = rest(other)
        assert rest(module.loads(module.dumps(generator))) == expected
        assert rest(generator) == expected


@pytest.mark.parametrize("library", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize(
    "wrap, unwrap",
    [
        (lambda g: [g, g], lambda v: v[0]),
        (lambda g: {"k": (1, g)}, lambda v: v["k"][1]),
        (lambda g: Holder(g), lambda v: v.generator),
    ],
    ids=["list", "dict", "object"],
)
@pytest.mark.parametrize("name", MAKERS)
def test_in_containers(library: str, wrap: Any, unwrap: Any, name: str) -> None:
    """Wherever the pickler meets one."""
    module = from_module(library)
    generator, other = MAKERS[name](), MAKERS[name]()
    assert str(next(generator)) == str(next(other))
    found = module.loads(module.dumps(wrap(generator)))
    if isinstance(found, list):
        assert found[0] is found[1]
    assert rest(unwrap(found)) == rest(other)
    mobility.discard(generator)


class Holder:
    def __init__(self, generator: Any) -> None:
        self.generator = generator


@resumable
def appending(box):
    while True:
        box.append(len(box))
        yield box


@pytest.mark.parametrize("library", ["pickle", "cloudpickle", "dill"])
def test_what_is_shared_with_the_rest_of_the_pickle_stays_shared(library: str) -> None:
    """A plain list that generator and container both hold is one list afterwards."""
    module = from_module(library)
    box: list[int] = []
    generator = appending(box)
    next(generator)
    found, found_box = module.loads(module.dumps((generator, box)))
    next(found)
    assert found_box == [0, 1] and box == [0]


@pytest.mark.parametrize("library", ["pickle", "cloudpickle", "dill"])
def test_a_generator_in_a_cycle(library: str) -> None:
    """A list that holds the generator that holds the list."""
    module = from_module(library)
    box: list[Any] = []
    generator = appending(box)
    box.append(generator)
    next(generator)
    found = module.loads(module.dumps(box))
    assert next(found[0]) is found


@pytest.mark.parametrize("library", ["pickle", "cloudpickle", "dill"])
def test_other_generators_are_refused_as_ever(library: str) -> None:
    """TypeError, in the interpreter's words: that mobility is imported changes nothing for others."""
    module = from_module(library)
    for made in ((i for i in "a"), native()):
        with pytest.raises((TypeError, pickle.PicklingError), match="cannot pickle 'generator' object"):
            module.dumps(made)


def native():
    yield 1


@pytest.mark.parametrize("library", ["pickle", "cloudpickle", "dill"])
def test_refusals_are_the_usual_errors(library: str) -> None:
    """A lock inside is refused, and so is a running generator; the generator goes on."""
    module = from_module(library)
    generator = appending([threading.Lock()])
    next(generator)
    with pytest.raises((TypeError, pickle.PicklingError, NotMovable)):
        pickle.dumps(generator)
    assert len(next(generator)) == 3
    box: list[Any] = []
    box.append(pickling_itself(module, box))
    assert next(box[0]) is GeneratorRunning


@resumable
def pickling_itself(module, box):
    try:
        module.dumps(box[0])
    except Exception as error:
        kind = type(error)
    yield kind


def test_only_generators_are_registered() -> None:
    """Importing mobility registers one reducer, for the one type that had none."""
    assert types.GeneratorType in copyreg.dispatch_table


FRESH = """
    import importlib, pathlib, sys
    library, data = sys.argv[1:]
    module = importlib.import_module(library)
    found = module.loads(pathlib.Path(data).read_bytes())
    print([next(found), next(found)])
    print("mobility" in sys.modules)
"""


@pytest.mark.parametrize("library", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize("function", ["count", "close"])
def test_in_a_fresh_process(library: str, function: str, importable: Path) -> None:
    """Which imports neither mobility nor the function's module beforehand."""
    module = from_module(library)
    source = """
        from mobility import resumable
        @resumable
        def count(n):
            for i in range(n):
                yield i
        @resumable
        def close(n):
            def f(x):
                return x + n
            for i in range(n):
                yield f(i) - n
    """
    written = import_written(importable, "for_fresh", source)
    generator = getattr(written, function)(9)
    next(generator)
    data = importable / "data"
    data.write_bytes(module.dumps(generator))
    printed = output_of(importable / "fresh.py", FRESH, library, data, path=importable)
    assert printed == "[1, 2]\nTrue\n"


MAIN = """
    import pathlib, sys, importlib
    from mobility import resumable
    module = importlib.import_module(sys.argv[1])

    @resumable
    def local(n):
        for i in range(n):
            yield i

    generator = local(5)
    next(generator)
    data = module.dumps(generator)
    print(list(module.loads(data)))
    pathlib.Path(sys.argv[2]).write_bytes(data)
"""


@pytest.mark.parametrize("library", ["pickle", "cloudpickle", "dill"])
def test_of_the_main_module(library: str, tmp_path: Path) -> None:
    """In the same process it works; elsewhere it is refused by an error that says so."""
    from_module(library)
    data = tmp_path / "data"
    assert output_of(tmp_path / "script.py", MAIN, library, data) == "[1, 2, 3, 4]\n"
    with pytest.raises((FunctionNotFound, SourceMismatch), match="__main__"):
        pickle.loads(data.read_bytes())


@pytest.mark.parametrize("library", ["pickle", "cloudpickle", "dill"])
def test_functions_that_are_resumable_pickle_as_before(library: str) -> None:
    """By their name, as any function of a module; and one made by a factory by value, where the pickler does so."""
    module = from_module(library)
    assert module.loads(module.dumps(counting)) is counting
    if library != "pickle":
        again = module.loads(module.dumps(factory(10)))
        generator = again(2)
        assert next(generator) == 10
        assert list(pickle.loads(pickle.dumps(generator))) == [11]


def factory(base):
    @resumable
    def made(n):
        for i in range(n):
            yield base + i

    return made
