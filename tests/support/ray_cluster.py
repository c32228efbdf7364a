"""One local Ray cluster for all tests of a process, started when the first test asks for it.

A ``conftest.py`` imports `ray_cluster` or `ray_driver`. Both give the same cluster wherever they are imported, as it is
kept here and not by pytest. It ends with the process of the tests, however that ends. A module that wants a platform
with settings of its own gets one by `platform_here`: three nodes take longer to start than most modules take to run.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from agents import Platform, connect
from agents._ray.cluster import OwnCluster, Reached, reach
from agents._ray.membership import PLATFORM_NAMESPACE
from agents._ray.transport import DIRECTORY

__all__ = [
    "PLACES",
    "drive",
    "end_platform",
    "environment",
    "eventually",
    "of_folder",
    "platform_here",
    "ray_cluster",
    "ray_driver",
    "shared",
]

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


@contextmanager
def platform_here(places: Sequence[str] = PLACES, **settings: Any) -> Iterator[Platform]:
    """A platform on the shared cluster, with its own processes and its own folder; the cluster has none afterwards.

    Parameters
    ----------
    places
        Those that the cluster has not are added, and removed at the end.
    settings
        Of `agents.connect`.
    """
    cluster = shared()
    with ExitStack() as stack:
        for place in sorted(set(places) - set(PLACES)):
            cluster.add_node(place, {}, 60)
            stack.callback(cluster.remove_node, place, 30)
        state = stack.enter_context(TemporaryDirectory(prefix="sj-state-", ignore_cleanup_errors=True))
        stack.enter_context(reach(cluster.address))
        stack.callback(end_platform)
        yield stack.enter_context(connect(**{"state": state, "progress": lambda line: None, **settings}))


def end_platform() -> None:
    """End the processes of the platform on the shared cluster, and wait until they are gone."""
    import ray

    from agents._ray.actors import DirectoryActor, PlaceActor

    def ours() -> list[str]:
        found = ray.util.list_named_actors(all_namespaces=True)
        return [one["name"] for one in found if one["namespace"] == PLATFORM_NAMESPACE]

    def ended() -> bool:
        there = ours()
        # The directory first: it would start the places again.
        for name in sorted(there, key=lambda name: name != DIRECTORY):
            try:
                ray.kill(ray.get_actor(name, namespace=PLATFORM_NAMESPACE), no_restart=True)
            except ValueError:
                continue  # it has ended meanwhile
        return not there

    def gone() -> bool:
        titles = [f"ray::{actor.__name__}" for actor in (DirectoryActor, PlaceActor)]
        return not any(title in process for process in of_folder(shared().folder) for title in titles)

    assert eventually(ended, 60), f"these actors do not end: {ours()}"
    assert eventually(gone, 60), f"of these some do not end: {of_folder(shared().folder)}"


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
