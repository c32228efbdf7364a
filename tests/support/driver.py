"""Runs a generator by a script of operations, natively or moved between them, and says what could be observed."""

import copy
import gc
import importlib
import importlib.util
import inspect
import os
import sys
import types
from collections.abc import Callable, Collection, Iterator
from collections.abc import Generator as GeneratorOf
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import mobility
from tests.corpus.cases import CLOSE, NEXT, Case, Operation, Script, send, throw, throw_class
from tests.corpus.record import said
from tests.support.picture import picture, position

Generator = GeneratorOf[Any, Any, Any]
Trace = tuple[Any, ...]
Between = Callable[[Generator], Generator]

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
SUPPORT = {"__init__", "cases", "record"}
NEEDS = {"arrays": "numpy"}
NEEDS_VERSION = {"generic": (3, 12)}


# --- the corpus ------------------------------------------------------------------------------------------------------


def module_names() -> list[str]:
    """Every corpus module, whether or not this interpreter can import it."""
    return sorted(path.stem for path in CORPUS.glob("*.py") if path.stem not in SUPPORT)


def missing(name: str) -> str:
    """Why this interpreter cannot import the corpus module; empty if it can."""
    if sys.version_info < NEEDS_VERSION.get(name, (3, 11)):
        return f"its syntax needs Python {'.'.join(map(str, NEEDS_VERSION[name]))}"
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        return f"{NEEDS[name]} is not installed"
    return ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A corpus module twice: as written, and from the same source with `resumable` doing nothing."""

    moving: dict[str, Case]
    native: dict[str, Case]


_loaded: dict[str, Loaded] = {}


def load(name: str) -> Loaded:
    """Import a corpus module, and execute its source once more natively."""
    if name not in _loaded:
        full = f"tests.corpus.{name}"
        moving = importlib.import_module(full)
        native = ModuleType(full)
        native.__file__ = moving.__file__
        code = compile(Path(str(moving.__file__)).read_text(), str(moving.__file__), "exec", dont_inherit=True)
        with _nothing_resumable():
            exec(code, native.__dict__)
        _loaded[name] = Loaded(moving.__dict__["CASES"], native.__dict__["CASES"])
    return _loaded[name]


@contextmanager
def _nothing_resumable() -> Iterator[None]:
    original = mobility.resumable
    mobility.resumable = lambda function: function  # type: ignore[assignment]
    try:
        yield
    finally:
        mobility.resumable = original


# --- one run ---------------------------------------------------------------------------------------------------------


def operate(generator: Generator, operation: Operation) -> Any:
    """Do one operation and picture what came of it."""
    name = operation[0]
    try:
        if name == "next":
            value = next(generator)
        elif name == "send":
            value = generator.send(copy.deepcopy(operation[1]))
        elif name == "send_self":
            value = generator.send(generator)
        elif name == "throw":
            value = generator.throw(operation[1](*operation[2]))
        elif name == "throw_class":
            value = generator.throw(operation[1])
        elif name == "close":
            return ("closed", picture(generator.close()))
        else:
            raise NotImplementedError(name)
    except StopIteration as stop:
        return ("returned", picture(stop.value))
    except (KeyboardInterrupt, NotImplementedError):
        raise
    except BaseException as error:
        return ("raised", picture(error))
    return ("yielded", picture(value))


def step(generator: Generator, operation: Operation) -> Any:
    """Do one operation; the result holds all that can be seen afterwards."""
    said.clear()
    outcome = operate(generator, operation)
    return (operation_name(operation), outcome, ("said", *said), position(generator))


def operation_name(operation: Operation) -> str:
    return ":".join(str(getattr(part, "__name__", part)) for part in operation)


@contextmanager
def silence(what: str) -> Iterator[None]:
    """Assert that nothing of the user's code is heard meanwhile."""
    before = list(said)
    yield
    assert said == before, f"{what} ran the user's code: {said[len(before) :]}"


def move(generator: Generator) -> Generator:
    """Take the generator apart here and go on with what its bytes give."""
    with silence("dumps"):
        data = mobility.dumps(generator)
    with silence("discard"):
        mobility.discard(generator)
        assert generator.gi_frame is None, "a discarded generator is finished"
    with silence("loads"):
        return mobility.loads(data)


def stay(generator: Generator) -> Generator:
    return generator


def capture_only(generator: Generator) -> Generator:
    """Capture and encode, and go on with the original."""
    with silence("capture"):
        mobility.capture(generator)
        mobility.dumps(generator)
    return generator


def run(
    start: Callable[[], Generator],
    script: Script,
    between: Between = stay,
    at: Collection[int] | None = None,
) -> Trace:
    """Run a script to its end, then close.

    Parameters
    ----------
    between
        What is done to the generator before an operation.
    at
        The numbers of the operations before which it is done; by default all, and also before the final close.
    """
    with collected() as remains:
        trace = _run(start, script, between, at)
    return (*trace, ("collected", *remains))


def _run(
    start: Callable[[], Generator],
    script: Script,
    between: Between,
    at: Collection[int] | None,
) -> list[Any]:
    said.clear()
    generator = start()
    trace: list[Any] = [("made", generator.__name__, generator.__qualname__, tuple(said))]
    for number, operation in enumerate((*script, CLOSE)):
        if at is None or number in at:
            generator = between(generator)
        trace.append(step(generator, operation))
    trace.extend(finish(generator))
    return trace


@contextmanager
def collected() -> Iterator[list[Any]]:
    """Keep the collector off meanwhile, then let it run; gives what was heard when it took away what remained.

    A generator that was left in a cycle, and not discarded, would run its finally at some later time, in another test.
    """
    remains: list[Any] = []
    gc.collect(0)  # what others left
    gc.disable()
    try:
        yield remains
        said.clear()
        gc.collect(0)
        remains.extend(sorted(said, key=repr))
    finally:
        gc.enable()


def finish(generator: Generator) -> list[Any]:
    """Close a generator that answers GeneratorExit with further yields, so that none is left to the collector."""
    trace = []
    for _ in range(100):
        if generator.gi_frame is None:
            return trace
        trace.append(step(generator, CLOSE))
    raise AssertionError("the generator can not be closed: no test may contain such a one")


# --- scripts ---------------------------------------------------------------------------------------------------------


def length(start: Callable[[], Generator], script: Script) -> int:
    """After how many of these operations the generator is finished."""
    generator = start()
    count = 0
    for operation in script:
        operate(generator, operation)
        if generator.gi_frame is None:
            break
        count += 1
    finish(generator)
    return count


def scripts(case: Case) -> dict[str, list[Script]]:
    """The scripts for a native case, by family.

    Each family of interruptions (throw, leave, stop, close) has a script for each step at which it can strike.
    """
    nexts = (NEXT,) * case.step_limit
    plain = length(case.start, nexts)
    sends = (NEXT, *(send(number) for number in range(case.step_limit)))
    lists = (NEXT, *(send([number, "b"]) for number in range(case.step_limit)))

    def strikes(strike: Callable[[int], Operation]) -> list[Script]:
        found = []
        for number in range(plain + 1):
            script = (*nexts[:number], strike(number), *nexts)
            found.append(script[: length(case.start, script) + 2])
        return found

    families = {
        "next": [nexts[: plain + 2]],
        "send": [sends[: length(case.start, sends) + 2], lists[: length(case.start, lists) + 2]],
        "throw": strikes(lambda number: throw(ValueError, number, "thrown")),
        "leave": strikes(lambda number: throw_class(GeneratorExit)),
        "stop": strikes(lambda number: throw(StopIteration, number)),
        "close": [(*nexts[:number], CLOSE, NEXT) for number in range(plain + 1)],
    }
    families.update({name: [script] for name, script in case.scripts.items()})
    return families


STRIKES = ("throw", "leave", "stop", "close")


def snapshots(case: Case, *, thin: bool = False) -> Iterator[tuple[str, Script, int]]:
    """Where to take snapshots: (id, script, operations before the snapshot), each suspension with each future once.

    A script that strikes at step k is the same as plain next before it, so its snapshots begin at the strike. The thin
    form leaves out most of what follows a strike, for runs where each snapshot costs more.
    """
    seen = set()
    for family, members in scripts(case).items():
        for index, script in enumerate(members):
            for before in range(len(script) + 1):
                if family in STRIKES and before < index:
                    continue
                if family in ("stop", "close") and before > index:
                    continue
                if thin and family == "send" and index > 0:
                    continue
                if thin and (family in ("leave", "stop") or (family == "throw" and before > index + 1)):
                    continue
                key = (script, before) if _hashable(script) else (repr(script), before)
                if key not in seen:
                    seen.add(key)
                    yield f"{case.name}-{family}{index}-after{before}", script, before


def _hashable(script: Script) -> bool:
    try:
        hash(script)
    except TypeError:
        return False
    return True


# --- saying what differs ---------------------------------------------------------------------------------------------


def compare(native: Trace, moved: Trace, about: str) -> None:
    """Assert equality; if there is none, show the first step that differs rather than two long tuples."""
    if native == moved:
        return
    for number, (expected, got) in enumerate(zip(native, moved, strict=False)):
        if expected != got:
            raise AssertionError(
                f"{about}: step {number} differs\n  native: {expected!r}\n  moved:  {got!r}"
                f"\nbefore it:\n" + "".join(f"  {entry!r}\n" for entry in native[max(0, number - 3) : number])
            )
    raise AssertionError(f"{about}: {len(native)} steps natively, {len(moved)} when moved")


def check_here() -> list[str]:
    """Move every case of the corpus at every suspension in this process; gives what differed."""
    problems = []
    for name in module_names():
        if missing(name):
            continue
        loaded = load(name)
        for case_name, case in loaded.native.items():
            for family, members in scripts(case).items():
                for number, script in enumerate(members):
                    about = f"{name}.{case_name}-{family}{number}"
                    try:
                        compare(run(case.start, script), run(loaded.moving[case_name].start, script, move), about)
                    except Exception as error:
                        problems.append(f"{type(error).__name__}: {error}")
    return problems


def ordinary(case: Case) -> None:
    """Assert that a case really gives native generators."""
    generator = case.start()
    assert type(generator) is types.GeneratorType
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CREATED
    generator.close()


def clean_environment() -> dict[str, str]:
    """For a fresh process: nothing of ours but the path to the sources; warnings are errors there too.

    All but the one about files that a discarded generator lets go of, since its `with` must not run.
    """
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR", "SYSTEMROOT") if key in os.environ}
    warnings = "error,ignore:unclosed file:ResourceWarning"
    paths = str(CORPUS.parent.parent)
    return {**kept, "PYTHONPATH": paths, "PYTHONWARNINGS": warnings, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
