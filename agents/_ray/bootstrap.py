"""From an address, or from nothing, to a platform that runs on Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from agents._ray.actors import DIRECTORY_GROUPS, DIRECTORY_OPTIONS, DirectoryActor, PlatformSettings
from agents._ray.cluster import Reached
from agents._ray.membership import PLATFORM_NAMESPACE, RayGcs, named_actor, nodes
from agents._ray.transport import DIRECTORY, RayTransport
from agents.client import Client
from agents.errors import AgentsError, DirectoryUnreachable, ExtensionUnusable, PlaceUnreachable, ResourceUnusable
from agents.place.trusting import MemberTrust
from agents.platform import Platform
from mobility.trust import Identity, TrustSource

__all__ = ["open_platform", "pickled_extensions", "pickled_resources"]

_HEAD: Final = "node:__internal_head__"


def open_platform(
    reached: Reached,
    *,
    owner: Identity,
    trust: TrustSource | None,
    settings: PlatformSettings,
    progress: Callable[[str], None],
    timeout: float,
) -> Platform:
    """Connect to the platform of a cluster, which is started if there is none yet.

    Parameters
    ----------
    settings
        For a platform that has to be started; one that runs keeps its own.
    timeout
        Seconds until every node has its place.

    Raises
    ------
    PlaceUnreachable
        If places are missing at the deadline.
    DirectoryUnreachable
    """
    deadline = time.monotonic() + timeout
    begun = time.monotonic()
    fresh = named_actor(DIRECTORY, timeout=5.0) is None
    if fresh:
        progress("starting a place on each node")
        _start_directory(settings)
    transport = RayTransport()
    count = _wait_for_places(transport, deadline, timeout)
    if fresh:
        progress(f"{count} place{'s' if count != 1 else ''}: {time.monotonic() - begun:.1f} s")
    known = MemberTrust("this program", trust, (owner.public,))
    known.look(transport, timeout=5.0)
    return Platform(Client(transport, owner=owner, trust=known), closing=reached.close, address=reached.address)


def _start_directory(settings: PlatformSettings) -> None:
    """On the head: a cluster lives as long as that does."""
    head = next((row["NodeID"] for row in ray.nodes() if row["Alive"] and _HEAD in row["Resources"]), None)
    placed: dict[str, Any] = {}
    if head is not None:
        placed["scheduling_strategy"] = NodeAffinitySchedulingStrategy(head, soft=False)
    ray.remote(concurrency_groups=DIRECTORY_GROUPS)(DirectoryActor).options(
        name=DIRECTORY, namespace=PLATFORM_NAMESPACE, get_if_exists=True, **DIRECTORY_OPTIONS, **placed
    ).remote(settings)


def _wait_for_places(transport: RayTransport, deadline: float, timeout: float) -> int:
    """Until every node has its place; those of a former cluster, in a folder that was kept, are no places."""
    missing: Sequence[str] = ()
    problem: AgentsError | None = None
    while time.monotonic() < deadline:
        try:
            serving = {
                (member.place, member.about.get("node"))
                for member in transport.ask_directory("members", timeout=5.0)
                if member.leased and member.left is None
            }
            there, problem = nodes(RayGcs()), None
            missing = [node.place for node in there if (node.place, node.node_id) not in serving]
            if not missing and there:
                return len(there)
        except DirectoryUnreachable as error:
            problem = error
        time.sleep(0.05)
    if problem is None and missing:
        problem = PlaceUnreachable(
            ", ".join(missing),
            f"no place serves there after {timeout:g} seconds; connect takes more by timeout=",
            state="On a cluster that was running, it is still being opened; one that was started for this was ended.",
        )
    raise problem or DirectoryUnreachable("no node of the cluster was found")


def pickled_resources(given: Mapping[str, Mapping[str, Any]]) -> dict[str, bytes]:
    """What places are to offer, as it travels to them.

    Raises
    ------
    ResourceUnusable
        For what cannot be sent; names place and resource.
    """
    from ray import cloudpickle

    for place, offered in given.items():
        for name, value in offered.items():
            try:
                cloudpickle.dumps(value)
            except Exception as error:  # whatever the value's own pickling raises
                raise ResourceUnusable(
                    place,
                    name,
                    f"cannot be sent there: {type(error).__name__}: {error}",
                    state="Nothing was started.",
                    remedy="Have it made there: give agents.resources.Made(function), or describe it in a TOML file.",
                ) from error
    return {place: cloudpickle.dumps(dict(offered)) for place, offered in given.items()}


def pickled_extensions(given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, bytes]]:
    """What is given to extensions, by place and name, as it travels to the places.

    Raises
    ------
    ExtensionUnusable
        For what cannot be sent; names place and extension.
    """
    from ray import cloudpickle

    pickled: dict[str, dict[str, bytes]] = {}
    for place, named in given.items():
        pickled[place] = {}
        for name, value in named.items():
            try:
                pickled[place][name] = cloudpickle.dumps(value)
            except Exception as error:  # whatever the value's own pickling raises
                problem = f"is given what cannot be sent there: {type(error).__name__}: {error}"
                raise ExtensionUnusable(place, name, problem) from error
    return pickled
