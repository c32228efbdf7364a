"""What each node of the cluster tells of its host: versions, clock, memory and disk; asked by a task on each.

The clock of a node is compared with the middle of the question's way there and back (Cristian, 1989), so that the
difference is known to half of that time.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from agents._ray.actors import PlatformSettings
from agents._ray.folders import state_folder
from agents._ray.membership import PLATFORM_NAMESPACE, RayGcs, nodes
from agents._ray.transport import DIRECTORY

__all__ = ["Facts", "examine", "facts_here", "settings_of_platform"]


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one host.

    Attributes
    ----------
    python, ray, auth
        Versions, and ``RAY_AUTH_MODE``.
    shm, disk
        Total bytes of ``/dev/shm``, and free bytes below the state folder; None where there is no such thing.
    folder
        The state folder.
    skew, within
        How far its clock is ahead of the one here, in seconds, and how well that is known.
    problem
        Why nothing is known.
    """

    place: str
    python: str = ""
    ray: str = ""
    auth: str = ""
    shm: int | None = None
    disk: int | None = None
    folder: str = ""
    skew: float = 0.0
    within: float = 0.0
    problem: str = ""


def facts_here(state: str | None) -> dict[str, Any]:
    """What a process can tell of its host."""
    folder = state_folder(state)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return {
        "python": platform.python_version(),
        "ray": ray.__version__,
        "auth": os.environ.get("RAY_AUTH_MODE", ""),
        "shm": shutil.disk_usage("/dev/shm").total if os.path.isdir("/dev/shm") else None,
        "disk": shutil.disk_usage(folder).free,
        "folder": str(state_folder(state)),
    }


def _clock() -> float:
    return time.time()


class _Examiner:
    def facts(self, state: str | None) -> dict[str, Any]:
        return facts_here(state)

    def clock(self) -> float:
        return _clock()


def examine(state: str | None, *, timeout: float) -> list[Facts]:
    """Ask every living node.

    Parameters
    ----------
    state
        The state folder of the platform; None: below Ray's session.
    timeout
        Seconds for all of them.
    """
    deadline = time.monotonic() + timeout
    examiners = {
        node.place: ray.remote(_Examiner)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False))
        .remote()
        for node in nodes(RayGcs())
    }
    asked = {place: examiner.facts.remote(state) for place, examiner in examiners.items()}
    found = []
    for place, examiner in examiners.items():
        try:
            told = ray.get(asked[place], timeout=max(0.1, deadline - time.monotonic()))
            skew, within = _skew(examiner, deadline)
        except GetTimeoutError:
            found.append(Facts(place, problem=f"no answer within {timeout:g} seconds"))
        except RayError as error:
            found.append(Facts(place, problem=str(error).strip().split("\n", 1)[0][:300]))
        else:
            found.append(Facts(place, **told, skew=skew, within=within))
        finally:
            ray.kill(examiner)
    return found


def _skew(examiner: Any, deadline: float) -> tuple[float, float]:
    """The best of three: the shorter the way, the better it is known."""
    best = (0.0, float("inf"))
    for _ in range(3):
        sent, begun = time.time(), time.monotonic()
        there = ray.get(examiner.clock.remote(), timeout=max(0.1, deadline - begun))
        way = time.monotonic() - begun
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
