"""What goes wrong on the way to a Ray; `agents._ray.cluster` draws the tree and exports it."""

from __future__ import annotations

from collections.abc import Sequence

from mobility.errors import MobilityError

__all__ = [
    "ClusterBusy",
    "ClusterCloseFailed",
    "ClusterError",
    "ClusterStartFailed",
    "ClusterUnreachable",
    "ClusterVersionMismatch",
    "NodeUnknown",
    "PlacesInvalid",
]


class ClusterError(MobilityError):
    """Base of the tree.

    Attributes
    ----------
    reason, state, remedy
        What happened and why; how things stand now; what to do next.
    """

    slug = "cluster"

    def __init__(self, reason: str, *, state: str, remedy: str) -> None:
        super().__init__(f"{reason} ({self.slug}). {state} {remedy}")
        self.reason = reason
        self.state = state
        self.remedy = remedy


class ClusterUnreachable(ClusterError):
    """Nobody answers as a Ray cluster does.

    Attributes
    ----------
    address
        What was tried.
    """

    slug = "cluster-unreachable"

    def __init__(self, address: str, problem: str, *, remedy: str | None = None, state: str | None = None) -> None:
        super().__init__(
            f"no Ray cluster could be reached at {address}: {problem}",
            state=state or "Nothing was started, and no agent was touched.",
            remedy=remedy or "Give the address that `ray start --head` or `sojourn up` showed, and see that it runs.",
        )
        self.address = address
        self.problem = problem


class ClusterVersionMismatch(ClusterError):
    """The cluster runs another Ray or another Python than this process.

    Attributes
    ----------
    address
        Of the cluster.
    cluster, here
        ``(version of Ray, version of Python)`` of the cluster, and of this process.
    """

    slug = "cluster-version-mismatch"

    def __init__(self, address: str, *, cluster: tuple[str, str], here: tuple[str, str]) -> None:
        super().__init__(
            f"the cluster at {address} runs Ray {cluster[0]} on Python {cluster[1]}, "
            f"this process Ray {here[0]} on Python {here[1]}",
            state="This process did not join it, and no agent was touched.",
            remedy=f"Start this program with Python {cluster[1]} and Ray {cluster[0]}; or start a cluster of its own, "
            "and let agents cross as frozen bundles, which fit every version.",
        )
        self.address = address
        self.cluster = cluster
        self.here = here


class ClusterBusy(ClusterError):
    """This process is connected to another cluster than the one that is asked for.

    Attributes
    ----------
    address, connected
        Asked for, and in use.
    """

    slug = "cluster-busy"

    def __init__(self, address: str, connected: str) -> None:
        super().__init__(
            f"this process is connected to the Ray at {connected}, and a process can use one cluster only, "
            f"so it cannot use {address}",
            state="The present connection goes on undisturbed.",
            remedy="Leave the address out to use the present one, or call ray.shutdown() first.",
        )
        self.address = address
        self.connected = connected


class ClusterStartFailed(ClusterError):
    """The local nodes did not come up, or a node could not be added.

    Attributes
    ----------
    log
        The last lines that the starting process wrote.
    """

    slug = "cluster-start-failed"

    def __init__(
        self, problem: str, *, log: Sequence[str] = (), state: str | None = None, remedy: str | None = None
    ) -> None:
        shown = "".join(f"\n    {line}" for line in log)
        super().__init__(
            f"the local Ray nodes could not be started: {problem}{shown}",
            state=state or "What had been started was ended again.",
            remedy=remedy or "See that memory and room under the temporary folder are free, then try again.",
        )
        self.log = tuple(log)


class ClusterCloseFailed(ClusterError):
    """Something of what we had started could not be ended in time.

    Attributes
    ----------
    pids
        Process ids that are left.
    """

    slug = "cluster-close-failed"

    def __init__(self, problem: str, *, pids: Sequence[int] = ()) -> None:
        super().__init__(
            f"the local Ray nodes did not end in time: {problem}",
            state=f"These processes are left: {', '.join(map(str, pids)) or 'none'}.",
            remedy="End them by their ids.",
        )
        self.pids = tuple(pids)


class NodeUnknown(ClusterError, LookupError):
    """Our cluster has no node of that place, or it is the head, without which it would end.

    Attributes
    ----------
    place
        The name.
    """

    slug = "node-unknown"

    def __init__(self, place: str, problem: str, known: Sequence[str]) -> None:
        super().__init__(
            f"node {place}: {problem}",
            state="The cluster goes on as it was.",
            remedy=f"Choose one of: {', '.join(known) or 'none'}.",
        )
        self.place = place
        self.known = tuple(known)


class PlacesInvalid(ClusterError, ValueError):
    """Names that places cannot have."""

    slug = "places-invalid"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"these places cannot be made: {problem}",
            state="Nothing was started.",
            remedy="Name each place once, by 1 to 56 letters, digits and ._- with a letter or digit at both ends.",
        )
