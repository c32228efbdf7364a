"""Snapshots taken on each version of Python are finished on each, in fresh processes."""

import functools
import itertools
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mobility.testing import interpreters
from tests.support import driver, shipping, worker
from tests.support.notices import say_loudly

FOUND = tuple(interpreter for interpreter in interpreters.found() if interpreter.minor <= (3, 13))
PAIRS = list(itertools.product(FOUND, repeat=2))

# What may differ although nothing was lost, each with its reason. The comparison is with the native run of the version
# that took the snapshot, or else with that of the version that finished it: see `_same`.
REWORDED: tuple[tuple[str, str], ...] = ()


@functools.cache
def _taken(source: interpreters.Interpreter) -> list[shipping.Snapshot]:
    with tempfile.TemporaryDirectory() as folder:
        return worker.take_elsewhere(source.path, driver.module_names(), Path(folder))


@functools.cache
def _finished(target: interpreters.Interpreter) -> dict[interpreters.Interpreter, dict[str, shipping.Finished]]:
    """What one process of `target` made of the snapshots of every source: that each landing is made once saves time."""
    with tempfile.TemporaryDirectory() as folder:
        everything = [replace(snapshot, source=i) for i, source in enumerate(FOUND) for snapshot in _taken(source)]
        results = worker.finish_elsewhere(target.path, everything, Path(folder))
    by_source: dict[interpreters.Interpreter, dict[str, shipping.Finished]] = {source: {} for source in FOUND}
    for result in results:
        by_source[FOUND[result.source]][result.about] = result
    return by_source


def _normal(trace: Any) -> Any:
    text = repr(trace)
    for old, new in REWORDED:
        text = text.replace(old, new)
    return text


def _same(snapshot: shipping.Snapshot, result: shipping.Finished) -> bool:
    """Step by step, the moved generator did what it does natively on one or the other version.

    An exception made before the move has the words of the first version, one made after it those of the second.
    """
    if result.got in (snapshot.expected, result.native):
        return True
    steps = itertools.zip_longest(result.got, snapshot.expected, result.native)
    return all(_normal(got) in (_normal(taken), _normal(native)) for got, taken, native in steps)


@pytest.mark.parametrize(
    ("source", "target"), PAIRS, ids=["{}.{} to {}.{}".format(*a.minor, *b.minor) for a, b in PAIRS]
)
def test_taken_on_one_finished_on_another(source: interpreters.Interpreter, target: interpreters.Interpreter) -> None:
    """Source and named state mean the same on every version."""
    snapshots = _taken(source)
    assert len({snapshot.module for snapshot in snapshots}) > 10
    finished = _finished(target)[source]
    absent = Counter(snapshot.module for snapshot in snapshots if snapshot.about not in finished)
    unexpected = set(absent) - set(driver.NEEDS) - set(driver.NEEDS_VERSION)
    assert not unexpected, f"{target} did not finish the snapshots of {unexpected}"
    for module in sorted(absent):
        why = driver.NEEDS.get(module, "newer syntax")
        say_loudly(f"The matrix leaves out the corpus module {module!r} where {why} is not available: {target}.")
    problems = []
    for snapshot in snapshots:
        result = finished.get(snapshot.about)
        if result is not None and not _same(snapshot, result):
            try:
                driver.compare(snapshot.expected, result.got, snapshot.about)
            except AssertionError as error:
                problems.append(str(error))
    assert not problems, f"{len(problems)} of {len(finished)} differ; the first:\n" + "\n".join(problems[:5])


@pytest.mark.parametrize(
    "interpreter",
    [pytest.param(one, id="{}.{}".format(*one.minor)) for one in FOUND if not one.current],
)
def test_moved_within_one_process_of_another_version(interpreter: interpreters.Interpreter, tmp_path: Path) -> None:
    """What test_corpus shows for the version that runs the tests holds on each."""
    problems = worker.check_elsewhere(interpreter.path, tmp_path)
    assert not problems, f"{len(problems)} runs differ; the first:\n" + "\n".join(problems[:5])


def test_more_than_one_version_was_found() -> None:
    """A matrix of one proves nothing about versions, and must not look like a proof."""
    assert FOUND
    if len(FOUND) == 1:
        say_loudly(
            f"ONLY ONE PYTHON WAS FOUND ({FOUND[0]}). That snapshots move between versions was NOT tested now.\n"
            "Install another of 3.11, 3.12, 3.13 where `python3.X` on PATH or pyenv finds it, and run the tests again."
        )
