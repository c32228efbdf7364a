"""One local Ray cluster for all tests of a run, started when the first test asks for it.

A ``conftest.py`` imports `ray_cluster` or `ray_driver`. Both give the same cluster wherever they are imported, as it is
kept here and not by pytest. It ends with the process of the tests, however that ends.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psutil
import pytest

from agents._ray.cluster import OwnCluster, Reached, reach

__all__ = ["PLACES", "drive", "environment", "eventually", "of_folder", "ray_cluster", "ray_driver", "shared"]

PLACES = ("baku", "oslo", "lima")
_ROOT = Path(__file__).resolve().parents[2]


@cache
def shared() -> OwnCluster:
    """The cluster, started now if it was not."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    cluster = OwnCluster(PLACES, timeout=180)
    atexit.register(cluster.close, 30.0)
    return cluster


@pytest.fixture(scope="session")
def ray_cluster() -> OwnCluster:
    """Three nodes that no test may take away; what a test adds, it removes."""
    return shared()


@pytest.fixture
def ray_driver(ray_cluster: OwnCluster) -> Iterator[Reached]:
    """This process as a driver of the cluster."""
    with reach(ray_cluster.address) as reached:
        yield reached


def environment(**more: str) -> dict[str, str]:
    """For another program that uses a cluster: nothing of the user's Ray."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**clean, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(_ROOT), **more}


def drive(script: str, *arguments: str, python: str = sys.executable, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own, with warnings as errors: its own ones, as Ray's processes would not start with them."""
    return subprocess.run(
        [python, "-W", "error", "-c", textwrap.dedent(script), *arguments],
        env=environment(**more),
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        stdin=subprocess.DEVNULL,
    )


def of_folder(folder: str) -> list[str]:
    """Processes of the cluster of this folder, that still do something."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and (
                process.environ().get("RAY_TMPDIR") == folder or any(folder in part for part in process.cmdline())
            ):
                found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        except (psutil.Error, OSError):
            continue
    return found


def eventually(holds: Callable[[], object], seconds: float = 20.0) -> object:
    """Look until it holds; what it gave at last."""
    deadline = time.monotonic() + seconds
    while not (value := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return value
