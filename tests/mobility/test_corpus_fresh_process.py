"""Snapshots of every suspension point are finished in a fresh process, which never ran the function before."""

import sys
from pathlib import Path

import pytest

from tests.support import driver, shipping, worker

# A discarded generator lets go of its files without closing them: its `with` must not run.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

MODULES = [
    pytest.param(name, marks=pytest.mark.skip(reason=f"{name}: {driver.missing(name)}"))
    if driver.missing(name)
    else name
    for name in driver.module_names()
]


@pytest.mark.parametrize("name", MODULES)
def test_finished_in_a_fresh_process(name: str, tmp_path: Path) -> None:
    """Nothing that matters stays behind in the process where a generator was suspended."""
    snapshots = list(shipping.take(name))
    assert snapshots
    finished = worker.finish_elsewhere(sys.executable, snapshots, tmp_path)
    assert len(finished) == len(snapshots)
    problems = []
    for snapshot, result in zip(snapshots, finished, strict=True):
        try:
            driver.compare(snapshot.expected, result.got, snapshot.about)
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, f"{len(problems)} of {len(snapshots)} differ; the first:\n" + "\n".join(problems[:5])
