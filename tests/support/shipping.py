"""Snapshots that are taken in one process and finished in another."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mobility
from tests.corpus.cases import CLOSE, Script
from tests.corpus.record import said
from tests.support.driver import Trace, collected, finish, load, operate, run, silence, snapshots, step


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A suspended generator as bytes, what is to be done with it, and what the native one did then."""

    module: str
    case: str
    about: str
    script: Script
    before: int
    data: bytes
    expected: Trace
    problem: str = ""  # why it could not be taken
    source: int = 0  # which interpreter took it, where there are several


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a snapshot, and what the native function does in the process that finished it."""

    about: str
    got: Trace
    native: Trace
    source: int


def take(name: str, *, thin: bool = False) -> Iterator[Snapshot]:
    """Take the snapshots of a module's cases in this process."""
    loaded = load(name)
    for case_name, case in loaded.native.items():
        for about, script, before in snapshots(case, thin=thin):
            expected = _native(name, case_name, script)[1 + before :]
            generator = loaded.moving[case_name].start()
            for operation in script[:before]:
                operate(generator, operation)
            if generator.gi_frame is None:  # what a finished generator left behind is collected here, not elsewhere
                expected = (*expected[:-1], ("collected",))
            data, problem = b"", ""
            try:
                with silence("dumps"):
                    data = mobility.dumps(generator)
                mobility.discard(generator)
            except Exception as error:
                problem = _told(error)
            yield Snapshot(name, case_name, f"{name}.{about}", script, before, data, expected, problem)


_natives: dict[tuple[str, str, str], Trace] = {}


def _native(module: str, case: str, script: Script) -> Trace:
    key = module, case, repr(script)
    if key not in _natives:
        _natives[key] = run(load(module).native[case].start, script)
    return _natives[key]


def complete(snapshot: Snapshot) -> Finished:
    """Go on with a snapshot to the end of its script, in a process that may never have run the function."""
    said.clear()
    try:
        if snapshot.problem:
            raise RuntimeError(f"it could not be taken: {snapshot.problem}")
        with collected() as remains:
            got = tuple(_continue(snapshot))
        got += (("collected", *remains),)
    except Exception as error:
        got = (("failed", _told(error)),)
    native = _native(snapshot.module, snapshot.case, snapshot.script)[1 + snapshot.before :]
    return Finished(snapshot.about, got, native, snapshot.source)


def _continue(snapshot: Snapshot) -> list[Any]:
    with silence("loads"):
        generator = mobility.loads(snapshot.data)
    trace = [step(generator, operation) for operation in (*snapshot.script[snapshot.before :], CLOSE)]
    return trace + finish(generator)


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-4:])
