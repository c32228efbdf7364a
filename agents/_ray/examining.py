"""What each node of the cluster tells of its host: versions, clock, memory, disk and ports; asked by an actor on each.

The clock of a node is compared with the middle of the question's way there and back (Cristian, 1989), so that the
difference is known to half of that time. Whether one place reaches another is found by trying, from a process on the
node of the one to the process of the other, in both directions; first over the connections that the platform uses, then
by Ray.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from agents._ray.actors import PlatformSettings
from agents._ray.folders import state_folder
from agents._ray.membership import PLATFORM_NAMESPACE, Node, RayGcs, nodes
from agents._ray.transport import DIRECTORY
from agents.sockets import NoConnection, SocketAddress, reached_within

__all__ = [
    "Facts",
    "Peer",
    "Tried",
    "directory_peer",
    "examine",
    "facts_here",
    "own_version",
    "settings_of_platform",
    "skew_of",
    "try_peers",
]

_TRIES: Final = 3  # of a clock
_REACHING: Final = 2.0  # seconds for one connection
_MOST: Final = 64  # peers that one node tries
_ROUTE: Final = 5.0  # seconds for an answer by Ray


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody of the platform who is to be reached.

    Attributes
    ----------
    name
        Of the place; ``directory``.
    address
        Where it listens; None if it does not.
    actor
        The name of its actor.
    """

    name: str
    address: SocketAddress | None
    actor: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One way from a node to a peer.

    Attributes
    ----------
    peer
        Whom it went to.
    seconds
        Until both had proved to be of this platform; None if that failed.
    problem
        Why it failed.
    by_ray
        Whether Ray reached it then; None if that was not tried, as there was no need.
    """

    peer: Peer
    seconds: float | None
    problem: str = ""
    by_ray: bool | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one host.

    Attributes
    ----------
    place, node, address
        The name of the place on it, the id of its node, and its address.
    python, ray, sojourn, auth
        Versions, and ``RAY_AUTH_MODE``.
    shm, shm_free, store
        Total and free bytes of ``/dev/shm``, None where there is no such thing; bytes of the node's object store.
    disk, folder, unwritable
        Free bytes below the state folder; the state folder; why nothing can be written there.
    deaf
        Why a place could not listen there; empty if it could.
    skew, within
        How far its clock is ahead of the one here, in seconds, and how well that is known.
    ways
        To the directory and to the other places.
    problem
        Why nothing is known.
    """

    place: str
    node: str = ""
    address: str = ""
    python: str = ""
    ray: str = ""
    sojourn: str = ""
    auth: str = ""
    shm: int | None = None
    shm_free: int | None = None
    store: int = 0
    disk: int | None = None
    folder: str = ""
    unwritable: str = ""
    deaf: str = ""
    skew: float = 0.0
    within: float = 0.0
    ways: tuple[Tried, ...] = field(default=())
    problem: str = ""


# -- on the node ------------------------------------------------------------------------------------------------------


def facts_here(state: str | None, ports: Sequence[int] = (), host: str = "127.0.0.1") -> dict[str, Any]:
    """What a process can tell of its host.

    Parameters
    ----------
    ports, host
        Where a place would listen; no ports: nowhere.
    """
    folder = state_folder(state)
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    shm = shutil.disk_usage("/dev/shm") if os.path.isdir("/dev/shm") else None
    return {
        "python": platform.python_version(),
        "ray": ray.__version__,
        "sojourn": own_version(),
        "auth": os.environ.get("RAY_AUTH_MODE", ""),
        "shm": None if shm is None else shm.total,
        "shm_free": None if shm is None else shm.free,
        "disk": shutil.disk_usage(there).free,
        "folder": str(folder),
        "unwritable": _unwritable(there),
        "deaf": _deaf(host, ports) if ports else "",
    }


def own_version() -> str:
    """Of sojourn, in this process; empty if it is run from its sources."""
    try:
        return version("sojourn")
    except PackageNotFoundError:
        return ""


def _unwritable(folder: Path) -> str:
    """Why nothing can be written to a folder; empty if something can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"sojourn doctor")
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _deaf(host: str, ports: Sequence[int]) -> str:
    """Why nobody could listen at any of these ports; empty if somebody could."""
    import socket

    problem = "there is no port to listen at"
    for port in ports:
        try:
            socket.create_server((host, port)).close()
        except OSError as error:
            problem = f"{host}:{port}: {error.strerror or error}"
        else:
            return ""
    return problem


def try_peers(
    peers: Sequence[Peer], secret: bytes, *, by_ray: Callable[[str], bool] | None = None
) -> tuple[Tried, ...]:
    """Try to reach each, all at the same time.

    Parameters
    ----------
    secret
        Of the platform.
    by_ray
        Whether Ray reaches an actor of that name; asked only of those who are not reached otherwise.
    """

    def attempt(peer: Peer) -> Tried:
        seconds, problem = None, "it does not listen"
        if peer.address is not None:
            try:
                seconds, problem = reached_within(peer.address, secret, timeout=_REACHING), ""
            except NoConnection as error:
                problem = str(error)
        needs_ray = seconds is None and by_ray is not None
        return Tried(peer, seconds, problem, by_ray(peer.actor) if needs_ray and by_ray is not None else None)

    if not peers:
        return ()
    with ThreadPoolExecutor(min(32, len(peers))) as pool:
        return tuple(pool.map(attempt, peers))


def _by_ray(actor: str) -> bool:
    """Whether an actor answers by Ray, from this process."""
    try:
        found = ray.get_actor(actor, namespace=PLATFORM_NAMESPACE)
        ray.get((found.pid if actor == DIRECTORY else found.ping).remote(), timeout=_ROUTE)
    except (ValueError, RayError):
        return False
    return True


class _Examiner:
    def facts(self, state: str | None, ports: Sequence[int]) -> dict[str, Any]:
        return facts_here(state, ports, ray.util.get_node_ip_address())

    def ways(self, peers: Sequence[Peer], secret: bytes) -> tuple[Tried, ...]:
        return try_peers(peers, secret, by_ray=_by_ray)

    def clock(self) -> float:
        return time.time()


# -- from here --------------------------------------------------------------------------------------------------------


def examine(
    settings: PlatformSettings | None, peers: Mapping[str, Peer], *, timeout: float, directory: Peer | None = None
) -> list[Facts]:
    """Ask every living node.

    Parameters
    ----------
    settings
        Of the platform; None if nobody told: then nobody is reached for.
    peers
        The places that serve, by the id of their node.
    timeout
        Seconds for all of them.
    directory
        As a peer.
    """
    deadline = time.monotonic() + timeout
    there = nodes(RayGcs())
    stores = {row["NodeID"]: int(row["Resources"].get("object_store_memory", 0)) for row in ray.nodes()}
    state = settings.state if settings is not None else None
    secret = settings.secret if settings is not None and settings.ports else None
    examiners = {node.node_id: _examiner(node) for node in there}
    asked = {}
    for node in there:
        ports = settings.ports if settings is not None and node.node_id not in peers else ()
        asked[node.node_id] = examiners[node.node_id].facts.remote(state, ports)
    found, ways = [], {}
    try:
        # All at the same time: a node that hangs is to use up the time of no other one.
        told = _answered(asked, timeout / 2)
        for node in there:
            examiner = examiners[node.node_id]
            known = Facts(node.place, node.node_id, node.host, store=stores.get(node.node_id, 0))
            try:
                facts = _value(told, node.node_id)
                skew, within = skew_of(partial(_ask_clock, examiner, min(deadline, time.monotonic() + _ROUTE)))
            except (GetTimeoutError, RayError) as error:
                found.append(_unknown(known, error, timeout / 2))
                continue
            found.append(replace(known, **facts, skew=skew, within=within))
            if secret is not None:
                others = _peers_of(node.node_id, peers, directory)
                ways[node.node_id] = examiner.ways.remote(others, secret)
        tried = _answered(ways, max(0.1, deadline - time.monotonic()))
        for number, known in enumerate(found):
            if known.node in ways:
                try:
                    found[number] = replace(known, ways=_value(tried, known.node))
                except (GetTimeoutError, RayError) as error:
                    found[number] = _unknown(known, error, timeout)
    finally:
        for examiner in examiners.values():
            ray.kill(examiner)
    return found


def _answered(asked: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What came within that time, by node."""
    if not asked:
        return {}
    ready, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=seconds)
    return {node: answer for node, answer in asked.items() if answer in ready}


def _value(answers: Mapping[str, Any], node: str) -> Any:
    if node not in answers:
        raise GetTimeoutError
    return ray.get(answers[node], timeout=_ROUTE)


def _examiner(node: Node) -> Any:
    strategy = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
    return ray.remote(_Examiner).options(num_cpus=0, scheduling_strategy=strategy).remote()


def _peers_of(node: str, peers: Mapping[str, Peer], directory: Peer | None) -> list[Peer]:
    """Whom a node tries: those that come after it, in a ring, if they are very many."""
    order = sorted({*peers, node})
    turn = order.index(node)
    others = [peers[each] for each in (*order[turn + 1 :], *order[:turn]) if each in peers]
    return [*([directory] if directory is not None else []), *others[:_MOST]]


def _unknown(facts: Facts, error: Exception, timeout: float) -> Facts:
    if isinstance(error, GetTimeoutError):
        return replace(facts, problem=f"no answer within {timeout:g} seconds")
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    missing = next((line for line in reversed(lines) if line.startswith("ModuleNotFoundError")), None)
    return replace(facts, problem=(missing or (lines[0] if lines else type(error).__name__))[:300])


def _ask_clock(examiner: Any, deadline: float) -> float:
    told: float = ray.get(examiner.clock.remote(), timeout=max(0.1, deadline - time.monotonic()))
    return told


def skew_of(
    ask: Callable[[], float],
    *,
    clock: Callable[[], float] = time.time,
    steady: Callable[[], float] = time.monotonic,
) -> tuple[float, float]:
    """How far another clock is ahead, and how well that is known; the best of three: the shorter the way, the better.

    Parameters
    ----------
    ask
        Asks for the other clock's Unix time.
    clock, steady
        The clock here, and one that nobody sets.
    """
    best = (0.0, float("inf"))
    for _ in range(_TRIES):
        sent, begun = clock(), steady()
        there = ask()
        way = steady() - begun
        if way / 2 < best[1]:
            best = (there - (sent + way / 2), way / 2)
    return best


def settings_of_platform(timeout: float) -> PlatformSettings | None:
    """With what the platform was started; None if nobody tells in time."""
    try:
        directory = ray.get_actor(DIRECTORY, namespace=PLATFORM_NAMESPACE)
        settings: PlatformSettings = ray.get(directory.settings.remote(), timeout=timeout)
    except (ValueError, RayError):
        return None
    return settings


def directory_peer(timeout: float) -> Peer | None:
    """The directory, as somebody who is to be reached; None if it does not tell where it listens in time."""
    try:
        directory = ray.get_actor(DIRECTORY, namespace=PLATFORM_NAMESPACE)
        told = ray.get(directory.greet.remote(), timeout=timeout)
    except (ValueError, RayError):
        return None
    return None if told is None else Peer("directory", (str(told[0][0]), int(told[0][1])), DIRECTORY)
