"""Runs in another process, perhaps with another version of Python: takes snapshots, or finishes those of a file.

python -P -m tests.support.worker take OUT MODULE...
python -P -m tests.support.worker finish IN OUT
python -P -m tests.support.worker check OUT
"""

import gc
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support import driver, shipping


def main(arguments: Sequence[str]) -> None:
    command, *rest = arguments
    if command == "take":
        out, *names = rest
        taken = [snapshot for name in names if not driver.missing(name) for snapshot in shipping.take(name, thin=True)]
        Path(out).write_bytes(pickle.dumps(taken))
    elif command == "finish":
        source, out = rest
        snapshots: list[shipping.Snapshot] = pickle.loads(Path(source).read_bytes())
        able = [snapshot for snapshot in snapshots if not driver.missing(snapshot.module)]
        results = [shipping.complete(snapshot) for snapshot in able]
        Path(out).write_bytes(pickle.dumps(results))
    elif command == "check":
        Path(rest[0]).write_bytes(pickle.dumps(driver.check_here()))
    else:
        raise SystemExit(f"unknown command {command}")
    gc.collect()  # an object that complains when it is collected must do so here, where warnings are errors


def call(python: str, *arguments: str, seconds: float = 300) -> None:
    """Start a worker and wait; any complaint on stderr is a failure, as those of collected objects end there."""
    done = subprocess.run(
        [python, "-P", "-s", "-m", "tests.support.worker", *arguments],
        env=driver.clean_environment(),
        cwd=Path(driver.CORPUS).anchor,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, f"the worker failed:\n{done.stderr[-4000:]}"
    assert done.stderr == "", f"the worker complained:\n{done.stderr[:4000]}"


def finish_elsewhere(python: str, snapshots: Sequence[shipping.Snapshot], folder: Path) -> list[shipping.Finished]:
    """Finish snapshots in a fresh process of `python`."""
    source, out = folder / "snapshots", folder / "finished"
    source.write_bytes(pickle.dumps(list(snapshots)))
    call(python, "finish", str(source), str(out))
    finished: list[shipping.Finished] = pickle.loads(out.read_bytes())
    return finished


def take_elsewhere(python: str, names: Sequence[str], folder: Path) -> list[shipping.Snapshot]:
    """Take snapshots in a fresh process of `python`, which leaves out the modules that it cannot import."""
    out = folder / "taken"
    call(python, "take", str(out), *names)
    taken: list[shipping.Snapshot] = pickle.loads(out.read_bytes())
    return taken


def check_elsewhere(python: str, folder: Path) -> list[str]:
    """Run the corpus moved at every suspension within one process of `python`; gives what differed."""
    out = folder / "problems"
    call(python, "check", str(out))
    problems: list[str] = pickle.loads(out.read_bytes())
    return problems


if __name__ == "__main__":
    # Under its own name, so that what is pickled here is found there.
    from tests.support.worker import main as _main

    _main(sys.argv[1:])
