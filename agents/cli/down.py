"""``sojourn down``: end what ``sojourn up`` has started, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agents.cli.home import HomeFolder
from agents.cli.options import Format, FormatOption, HomeOption, TimeoutOption
from agents.cli.screen import Screen, write_json

if TYPE_CHECKING:
    from agents._ray._own import DetachedCluster
    from agents.cli.run_folder import RunFolder

__all__ = ["down", "end"]


def down(timeout: TimeoutOption = 30.0, home: HomeOption = None, output: FormatOption = Format.TEXT) -> None:
    """End the nodes and places that `sojourn up` has started. Agents that have not ended end with them."""
    from agents.cli.reaching import progress
    from agents.cli.run_folder import RunFolder

    run = RunFolder(HomeFolder.of(home).folder)
    if not run.folder.is_dir():
        from agents.cli.platform_errors import NotUp

        raise NotUp(run.folder)
    with run.turn():
        left = run.left()
        if left is None:
            from agents.cli.platform_errors import NotUp

            raise NotUp(run.folder)
        progress(f"ending {', '.join(left.places)} at {left.address}")
        lived, decided = run.held() is not None, run.decided()
        ended = end(run, left, timeout)
    told: dict[str, Any] = {
        "address": left.address,
        "places": list(left.places),
        "processes": ended,
        "had_died": not lived,
        "state": decided.get("state"),
    }
    if output is Format.JSON:
        write_json(told)
        return
    screen = Screen()
    screen.line(
        f"Ended: {', '.join(left.places)} at {left.address}, {ended} processes"
        if lived
        else f"The cluster at {left.address} had died before; what it had left is removed."
    )
    state = told["state"]
    screen.line(
        f"Agents and log are kept in {state}: sojourn up --state {state} brings them back."
        if state
        else "Their agents and their log ended with them."
    )


def end(run: RunFolder, cluster: DetachedCluster, seconds: float) -> int:
    """End every process of a cluster; returns how many there were.

    Raises
    ------
    mobility.errors.MobilityError
        `ClusterCloseFailed`, if some are left even after they were killed.
    """
    from agents._ray._cluster_errors import ClusterCloseFailed
    from agents._ray._own import sweep
    from agents._ray._runner import belongs

    deadline = time.monotonic() + seconds
    processes = len(belongs(cluster.folder))
    if run.lives(cluster.pid):
        with suppress(ProcessLookupError):
            os.kill(cluster.pid, signal.SIGTERM)
        while run.lives(cluster.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if run.lives(cluster.pid):  # it hangs: what it holds is ended below
            with suppress(ProcessLookupError):
                os.kill(cluster.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    left = sweep(cluster.folder)
    run.clear()
    if left:
        raise ClusterCloseFailed("they did not end even when they were killed", pids=left)
    return processes
