"""How a program gets a Ray: the one that it uses already, one at an address, or three local nodes of its own.

Rules
-----
1. The Ray that this process initialised is used before any other, and never shut down.
2. Else the address that was given, else the one in ``RAY_ADDRESS``; a cluster there is joined and left, no more.
3. Else, or if the address is ``"local"``, local nodes are started, by a process that ends with this one.
4. Every wait has a deadline, and an address is probed before Ray is asked to join: Ray itself may wait without end.

::

    ClusterError
    ├── ClusterUnreachable       cluster-unreachable        nobody answers there as a Ray cluster does
    ├── ClusterVersionMismatch   cluster-version-mismatch   another Ray or another Python than here
    ├── ClusterBusy              cluster-busy               this process is connected to another cluster
    ├── ClusterStartFailed       cluster-start-failed       the local nodes did not come up
    ├── ClusterCloseFailed       cluster-close-failed       something that we had started did not end in time
    ├── NodeUnknown              node-unknown               our cluster has no such node
    └── PlacesInvalid            places-invalid             names that places cannot have

``python -m agents._ray.cluster --places baku,oslo --hold FILE`` starts a cluster, writes to FILE where it is, and holds
it until stdin is closed or SIGTERM comes; with ``--detached`` only SIGTERM counts.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import re
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from agents._ray._cluster_errors import (
    ClusterBusy,
    ClusterCloseFailed,
    ClusterError,
    ClusterStartFailed,
    ClusterUnreachable,
    ClusterVersionMismatch,
    NodeUnknown,
    PlacesInvalid,
)
from agents._ray._own import DetachedCluster, OwnCluster, start_detached
from agents._ray._probe import Versions, bounded, probe, split
from agents._ray._quiet import hush_errors

__all__ = [
    "ClusterBusy",
    "ClusterCloseFailed",
    "ClusterError",
    "ClusterStartFailed",
    "ClusterUnreachable",
    "ClusterVersionMismatch",
    "DetachedCluster",
    "NodeUnknown",
    "PlacesInvalid",
    "Reached",
    "place_names",
    "reach",
    "start_detached",
]

_NAMES: Final = ("baku", "oslo", "lima", "quito", "turku", "accra", "hanoi", "perth", "sofia")
#: Both a label of Ray and a name that a signed record can carry, with room for ``-`` and six digits at the end.
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,54}[A-Za-z0-9])?")
_PROBE: Final = 10.0  # seconds; on a busy machine, Ray has taken six
_START: Final = 60.0  # seconds for one node
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def place_names(places: Sequence[str] | int | None) -> tuple[str, ...]:
    """The names for local nodes: those given, or so many, or three.

    Raises
    ------
    PlacesInvalid
    """
    if isinstance(places, str):
        raise PlacesInvalid(f"{places!r} is one text, not a list of names")
    if places is None or isinstance(places, int):
        count = 3 if places is None else places
        if count < 1:
            raise PlacesInvalid(f"a cluster of {count} nodes holds none")
        return (*_NAMES[:count], *(f"place-{number}" for number in range(len(_NAMES) + 1, count + 1)))
    names = tuple(places)
    if not names:
        raise PlacesInvalid("the list of names is empty")
    for name in names:
        if not _NAME.fullmatch(name):
            raise PlacesInvalid(f"{name[:80]!r} is no name for a place")
        if names.count(name) > 1:
            raise PlacesInvalid(f"{name} is named twice")
    return names


class Reached:
    """A Ray that this process is connected to; a context manager.

    Attributes
    ----------
    address
        ``host:port`` of the cluster.
    started
        Whether the cluster is our own, and ends with `close`.
    connected
        Whether this connection is our own, and ends with `close`.
    """

    def __init__(self, address: str, *, connected: bool, own: OwnCluster | None, settings: Sequence[str] = ()) -> None:
        self.address = address
        self.started = own is not None
        self.connected = connected
        self._own = own
        self._settings = tuple(settings)
        self._connection = _connection()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Ray at {self.address}{', started here' if self.started else ''}{', closed' if self._closed else ''}>"

    def __enter__(self) -> Reached:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, timeout: float = 30.0) -> None:
        """Give back what was taken: our connection, our cluster, and nothing else. A second call does nothing.

        Parameters
        ----------
        timeout
            Seconds for all of it.

        Raises
        ------
        ClusterCloseFailed
            If something of ours is left; all that could be ended was.
        """
        if self._closed:
            return
        self._closed = True
        deadline = time.monotonic() + timeout
        late: ClusterCloseFailed | None = None
        # Whoever has shut down our connection and made another keeps the other.
        if self.connected and self._connection is not None and _connection() == self._connection:
            import ray

            try:
                bounded(ray.shutdown, timeout / 3, "ray.shutdown")
                hush_errors(False)
            except TimeoutError:
                late = ClusterCloseFailed(f"the connection to {self.address} could not be closed")
        if self._own is not None:
            self._own.close(max(1.0, deadline - time.monotonic()))
        for name in self._settings:
            os.environ.pop(name, None)
        if late is not None:
            raise late

    # -- for a cluster of our own

    def add_node(self, place: str, *, timeout: float = _START, **options: Any) -> str:
        """Start another node of our own cluster, and wait until it has joined.

        Parameters
        ----------
        place
            Its label; without one if empty. A label that another node has is allowed here.
        options
            For `ray.cluster_utils.Cluster.add_node`: ``num_cpus``, ``resources``, ``object_store_memory`` ...

        Returns
        -------
        str
            The id of the node.

        Raises
        ------
        NodeUnknown
            If the cluster is not our own.
        ClusterStartFailed
        """
        return self._mine(place).add_node(place, options, timeout)

    def remove_node(self, place: str, *, timeout: float = 30.0) -> None:
        """End a node of our own cluster: the newest of that place, never the head.

        Raises
        ------
        NodeUnknown
        """
        self._mine(place).remove_node(place, timeout)

    def node_processes(self, place: str, *, timeout: float = 10.0) -> dict[str, tuple[int, ...]]:
        """Process ids of a node of our own cluster, by kind: ``raylet``, ``workers``, ``gcs_server`` on the head ...

        Raises
        ------
        NodeUnknown
        """
        return self._mine(place).node_processes(place, timeout)

    def _mine(self, place: str) -> OwnCluster:
        if self._own is None:
            raise NodeUnknown(place, f"the cluster at {self.address} was not started by this program", ())
        return self._own


def reach(
    address: str | None = None,
    *,
    places: Sequence[str] | int | None = None,
    progress: Callable[[str], None] = lambda line: None,
    timeout: float = 30.0,
) -> Reached:
    """Connect this process to a Ray, by the rules of this module.

    Parameters
    ----------
    address
        ``host:port`` of a cluster's head, or ``"local"`` for nodes of our own whatever ``RAY_ADDRESS`` says.
    places
        Names of the local nodes, or how many, if they have to be started; baku, oslo and lima by default.
    progress
        Gets one line for each step.
    timeout
        Seconds to reach a cluster that runs; each node that has to be started has 60 s.

    Raises
    ------
    ClusterError
    """
    present = _connection()
    if present is not None:
        return _present(address, present[0], progress)
    wanted = address or os.environ.get("RAY_ADDRESS") or "local"
    if wanted != "local":
        return _join(wanted, "" if address else " (RAY_ADDRESS)", progress, timeout)
    return _start(place_names(places), progress)


def _connection() -> tuple[str, str] | None:
    """Address and job of this process' connection. A process that has not imported Ray has none."""
    import sys

    ray = sys.modules.get("ray")
    if ray is None or not hasattr(ray, "is_initialized") or not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    return str(context.gcs_address), str(context.get_job_id())


def _present(address: str | None, connected: str, progress: Callable[[str], None]) -> Reached:
    if address is not None and address != "auto" and (address == "local" or not _same(address, connected)):
        raise ClusterBusy(address, connected)
    progress(f"using the Ray of this process at {connected}")
    return Reached(connected, connected=False, own=None)


def _same(one: str, other: str) -> bool:
    """Whether two addresses may well be the same: a host has many names, and loopback is each of them."""
    (host, port), (other_host, other_port) = split(one), split(other)
    if port != other_port:
        return False
    try:
        numbers = [{str(info[4][0]) for info in socket.getaddrinfo(name, None)} for name in (host, other_host)]
    except OSError:
        return host == other_host
    return bool(numbers[0] & numbers[1]) or any(number.startswith("127.") or number == "::1" for number in numbers[0])


def _join(address: str, whence: str, progress: Callable[[str], None], timeout: float) -> Reached:
    begun = time.monotonic()
    if address == "auto":
        address = _found_by_ray()
    progress(f"connecting to Ray at {address}{whence}")
    versions = probe(address, min(max(_PROBE, timeout / 2), timeout))  # a busy machine is slow to answer
    _require_same(address, versions)
    _initialise(address, timeout)
    progress(f"connected to Ray at {address}: {time.monotonic() - begun:.1f} s")
    return Reached(address, connected=True, own=None)


def _found_by_ray() -> str:
    from ray._private.utils import read_ray_address

    found = read_ray_address()
    if not found:
        raise ClusterUnreachable("auto", "no cluster was started on this machine by `ray start`")
    return str(found)


def _require_same(address: str, cluster: Versions) -> None:
    import ray

    here = Versions(ray.__version__, platform.python_version())
    level = os.environ.get("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL", "patch")
    parts = 2 if level == "minor" else 3
    if cluster.ray != here.ray or cluster.python.split(".")[:parts] != here.python.split(".")[:parts]:
        raise ClusterVersionMismatch(address, cluster=(cluster.ray, cluster.python), here=(here.ray, here.python))


def _initialise(address: str, timeout: float) -> None:
    import ray

    hush_errors(True)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (RuntimeError, ValueError, ConnectionError, TimeoutError, ray.exceptions.RayError) as error:
        hush_errors(False)
        problem = f"it answers, but Ray could not join it from this host: {error}"
        remedy = "Run this program on a host that has a node of the cluster."
        raise ClusterUnreachable(address, problem, remedy=remedy) from error


def _start(names: tuple[str, ...], progress: Callable[[str], None]) -> Reached:
    count = _NUMBERS[len(names)] if len(names) < len(_NUMBERS) else str(len(names))
    nodes = f"{count} local Ray node{'s' if len(names) > 1 else ''}"
    progress(f"starting {nodes}: {', '.join(names)}")
    begun = time.monotonic()
    own = OwnCluster(names, timeout=_START * len(names))
    settings = []
    if "RAY_AUTH_MODE" not in os.environ:
        # As in the process that holds the nodes; Ray reads it when it joins, so this is early enough.
        os.environ["RAY_AUTH_MODE"] = "disabled"
        settings.append("RAY_AUTH_MODE")
    try:
        _initialise(own.address, _START)
        reached = Reached(own.address, connected=True, own=own, settings=settings)
    except BaseException:
        for name in settings:
            os.environ.pop(name, None)
        own.close(15.0)
        raise
    progress(f"{nodes} at {own.address}: {time.monotonic() - begun:.1f} s")
    return reached


def main(arguments: Sequence[str] | None = None) -> None:
    """Hold a cluster."""
    parser = argparse.ArgumentParser(prog="python -m agents._ray.cluster", description="Hold a local Ray cluster.")
    parser.add_argument("--places", default=None, help="names of its nodes, with commas between")
    parser.add_argument("--hold", type=Path, default=None, help="file to write to where the cluster is, when it runs")
    parser.add_argument("--detached", action="store_true", help="go on when stdin is closed or the parent has ended")
    parser.add_argument("--folder", default=None, help="private folder for Ray; made if not given, removed at the end")
    given = parser.parse_args(arguments)
    from agents._ray._runner import hold

    names = place_names(None if given.places is None else given.places.split(","))
    hold(names, given.hold, detached=given.detached, folder=given.folder)


if __name__ == "__main__":
    main()
