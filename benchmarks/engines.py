"""The same app on the same nodes by two engines: ours, and Flower's simulation in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from federated import AppAdmission, AppBundle, Dataset, LocalNodes, run_app
from mobility import Identity

__all__ = ["APPS", "CPUS", "FLOWER", "Outcome", "flowers", "ours", "variant"]

APPS: Final = Path(__file__).resolve().parent / "apps"
CPUS: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
FLOWER: Final = Path(sys.prefix) / "flower" / "bin" / "python"
_DRIVER: Final = Path(__file__).resolve().parent / "flower_engine.py"
_LONGEST: Final = 900.0  # seconds for one run
#: One thread in each process, as Ray's actors with one processor have it; and the kernels that this process has, which
#: processes of apps do not inherit: other kernels round otherwise.
_ALGEBRA: Final = {
    **{name: value for name, value in os.environ.items() if name.startswith(("OPENBLAS_", "MKL_", "NPY_"))},
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to, by the report that its server part wrote.

    Attributes
    ----------
    weights
        SHA-256 of the final arrays.
    sums
        A few sums over them, where the app gives some.
    accuracies
        At the server, by round from 0.
    first, rounds
        Seconds of the first round, in which Flower's engine starts its actors, and of each that follows.
    beside
        Seconds before and after the rounds.
    """

    weights: str
    first: float
    rounds: tuple[float, ...]
    beside: float
    sums: tuple[float, ...] = ()
    accuracies: tuple[float, ...] = field(default=())

    @classmethod
    def of(cls, report: Mapping[str, Any], whole: float) -> Outcome:
        """From a report, and the seconds that all of it took."""
        first, *rounds = report["seconds"]
        return cls(
            report["weights"],
            first,
            tuple(rounds),
            whole - first - sum(rounds),
            tuple(report.get("sums", ())),
            tuple(report.get("accuracies", ())),
        )


def variant(app: str, folder: Path, components: Mapping[str, str]) -> Path:
    """A copy of an app in which other parts are the server's and the client's."""
    shutil.copytree(APPS / app, folder, ignore=shutil.ignore_patterns("__pycache__"))
    project = folder / "pyproject.toml"
    text = project.read_text()
    for name, reference in components.items():
        before = next(line for line in text.splitlines() if line.startswith(f"{name} ="))
        text = text.replace(before, f'{name} = "{reference}"')
    project.write_text(text)
    return folder


def ours(app: Path, nodes: int, settings: Mapping[str, Any]) -> Outcome:
    """On data nodes of this process: signed, admitted by each, checked at each message, a process for each node."""
    author = Identity.generate("ada", "owner")

    def dataset(admission: AppAdmission) -> Dataset:
        return Dataset(admission=admission, tell=True, environment=_ALGEBRA)

    began = time.monotonic()
    names = [f"node-{number:02}" for number in range(nodes)]
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as scratch:
        report = Path(scratch, "report.json")
        with LocalNodes.admitting(author, names, dataset=dataset) as link:
            result = run_app(
                AppBundle.from_dir(app),
                nodes=link,
                author=author,
                run_config={**settings, "min-nodes": nodes, "report": str(report)},
                seed=1,
                least=nodes,
                timeout=_LONGEST,
            )
        if result.failures:
            raise RuntimeError(f"{len(result.failures)} messages failed, the first by {result.failures[0]}")
        return Outcome.of(json.loads(report.read_text()), time.monotonic() - began)


def flowers(app: Path, nodes: int, settings: Mapping[str, Any]) -> Outcome:
    """By Flower's simulation engine, with an actor for each processor."""
    if not FLOWER.exists():
        raise FileNotFoundError(f"{FLOWER} is not there: `make bench` sets it up")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHON", "SOJOURN_"))}
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="fl-", ignore_cleanup_errors=True) as scratch,
        open(Path(scratch, "log"), "w+b") as log,
    ):
        process = subprocess.Popen(
            [FLOWER, _DRIVER, app, str(nodes), str(CPUS), json.dumps({**settings, "min-nodes": nodes})],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**kept, **_ALGEBRA, "RAY_TMPDIR": scratch, "RAY_AUTH_MODE": "disabled"},
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=_LONGEST)
        finally:
            # Its own Ray ends with it; what is left of its group must not take time from the next run.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        if process.returncode:
            log.seek(0)
            raise RuntimeError(f"Flower's engine has failed:\n{log.read()[-4000:].decode(errors='replace')}")
        return Outcome.of(json.loads(output), time.monotonic() - began)
