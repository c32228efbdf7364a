"""What ``sojourn doctor`` says of the hosts of a platform, by what their nodes have told."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agents.cli.findings import Finding, fine, problem, warning
from agents.cli.screen import amount, count

if TYPE_CHECKING:
    from agents._ray.examining import Facts, Tried

__all__ = ["of_hosts", "shared_memory"]

_LEAST_DISK: Final = 500_000_000  # bytes: a warning below
_FULL_DISK: Final = 50_000_000  # bytes: a problem below
_LEAST_SHM: Final = 256 << 20  # bytes: the object store of a node of ours, with room to breathe
_FULL_SHM: Final = 32 << 20  # bytes that are free
_SKEW: Final = 2.0  # seconds: the order of log lines suffers
_BAD_SKEW: Final = 60.0  # seconds: signatures may count as made in the future
_MOST: Final = 12  # ways that are told of one by one


def of_hosts(found: Sequence[Facts], *, direct: bool | None) -> Iterator[Finding]:
    """The findings.

    Parameters
    ----------
    direct
        Whether the places of the platform listen at ports of their own; None if that is not known.
    """
    for facts in found:
        if facts.problem:
            yield _unknown(facts)
    known = [facts for facts in found if not facts.problem]
    looks: list[Callable[[Facts], Finding | None]] = [_versions, _auth]
    for look in looks:
        yield from _together(known, look)
    yield from _ports(known, direct)
    yield from map(_clock, known)
    yield from _clocks(known)
    looks = [_disk, _room]
    for look in looks:
        yield from _together(known, look)
    yield from _stores(known)


def shared_memory(size: int) -> Finding:
    """Of this host, or of a node's."""
    if size < _LEAST_SHM:
        return warning(
            "shared memory",
            f"/dev/shm has {amount(size)}, and Ray then uses files, which are slower",
            "Give it more; a container needs, for instance: --shm-size=2g",
        )
    return fine("shared memory", f"/dev/shm has {amount(size)}")


def _together(found: Sequence[Facts], look: Callable[[Facts], Finding | None]) -> Iterator[Finding]:
    """One line for all places of which the same is to be said; several may be of one host."""
    said: dict[Finding, list[str]] = {}
    for facts in found:
        finding = look(facts)
        if finding is not None:
            said.setdefault(finding, []).append(facts.place)
    for finding, places in said.items():
        yield replace(finding, said=f"{', '.join(places)}: {finding.said}")


def _unknown(facts: Facts) -> Finding:
    if facts.problem.startswith("ModuleNotFoundError"):
        remedy = "Install there what is installed here: pip install sojourn; then start its node again"
    else:
        remedy = "See that its node lives, with: ray status"
    return problem("host", f"{facts.place}: {facts.problem}", remedy)


# -- versions and protection ------------------------------------------------------------------------------------------


def _versions(facts: Facts) -> Finding:
    from importlib.metadata import version

    from agents._ray.examining import own_version

    said = f"Python {facts.python}, Ray {facts.ray}"
    if facts.ray != version("ray"):
        return problem(
            "versions",
            f"{said}; here Ray {version('ray')}",
            f"Install the same everywhere: pip install ray=={facts.ray}",
        )
    if facts.python != platform.python_version():
        return warning(
            "versions",
            f"{said}; here Python {platform.python_version()}",
            "Use one Python on all nodes of a cluster; between clusters agents travel as frozen files.",
        )
    own = own_version()
    if own and facts.sojourn and facts.sojourn != own:
        return warning(
            "versions",
            f"{said}, sojourn {facts.sojourn}; here sojourn {own}",
            f"Install the same everywhere: pip install sojourn=={facts.sojourn}",
        )
    return fine("versions", said)


def _auth(facts: Facts) -> Finding:
    if facts.auth.lower() == "token":
        return fine("RAY_AUTH_MODE", "token")
    return warning(
        "RAY_AUTH_MODE",
        f"{facts.auth or 'not set'}, so whoever reaches a port of the cluster runs code there",
        "Fine on a machine or a network of your own; else set RAY_AUTH_MODE=token before the nodes are started.",
    )


# -- ports ------------------------------------------------------------------------------------------------------------


def _ports(found: Sequence[Facts], direct: bool | None) -> Iterator[Finding]:
    for facts in found:
        if facts.deaf:
            yield problem(
                "ports",
                f"{facts.place}: no place can listen there ({facts.deaf})",
                "End what has that port (ss -ltnp shows it), or give more of them: connect(ports=range(7100, 7120))",
            )
    ways = [(facts, way) for facts in found for way in facts.ways]
    if direct is None:
        return
    if not direct:
        yield fine("ports", "places listen at none of their own, and everything goes by Ray")
        return
    bad = [(facts, way) for facts, way in ways if way.seconds is None]
    for facts, way in bad[:_MOST]:
        yield _blocked(facts, way)
    if len(bad) > _MOST:
        yield warning("ports", f"so are {len(bad) - _MOST} more ways", "Mend those above, and look again.")
    if ways and not bad:
        slowest = max(way.seconds or 0.0 for _, way in ways)
        said = (
            f"places reach each other and the directory: all {count(len(ways), 'way')}, at most {slowest * 1000:.1f} ms"
        )
        yield fine("ports", said)


def _blocked(facts: Facts, way: Tried) -> Finding:
    said = f"{facts.place} does not reach {way.peer.name} ({way.problem})"
    port = f"port {way.peer.address[1]} of {way.peer.address[0]}" if way.peer.address is not None else "its port"
    if way.by_ray:
        return warning(
            "ports",
            f"{said}, so Ray carries what goes there, which is slower",
            f"Let TCP from {facts.address or facts.place} through to {port}; ports are fixed by connect(ports=...)",
        )
    return problem(
        "ports",
        f"{said}, nor does Ray",
        f"Let TCP from {facts.address or facts.place} through to {port}, and to the ports of Ray there: "
        "ray start --node-manager-port, --object-manager-port, --min-worker-port, --max-worker-port",
    )


# -- clocks -----------------------------------------------------------------------------------------------------------


def _clock(facts: Facts) -> Finding:
    off, said = abs(facts.skew), f"{facts.place}: {facts.skew * 1000:+.1f} ms, known to {facts.within * 1000:.1f} ms"
    if off - facts.within > _BAD_SKEW:
        remedy = (
            "Set the clocks by NTP, for instance: timedatectl set-ntp true; "
            "what is signed may count as expired, or as not yet valid."
        )
        return problem("clock", said, remedy)
    if off - facts.within > _SKEW:
        return warning(
            "clock",
            said,
            "Set the clocks by NTP, for instance: timedatectl set-ntp true; the times in the log mislead.",
        )
    return fine("clock", said)


def _clocks(found: Sequence[Facts]) -> Iterator[Finding]:
    """Where all differ from here by the same, the clock here is the one that is wrong."""
    if len(found) < 2:
        return
    first, last = min(found, key=lambda facts: facts.skew), max(found, key=lambda facts: facts.skew)
    apart, within = last.skew - first.skew, first.within + last.within
    said = (
        f"between places: at most {apart * 1000:.1f} ms, {first.place} to {last.place}, known to {within * 1000:.1f} ms"
    )
    if apart - within > _SKEW:
        yield warning("clock", said, f"Set the clocks of {first.place} and {last.place} by NTP.")
    elif all(abs(facts.skew) - facts.within > _SKEW for facts in found):
        yield warning(
            "clock", f"{said}; so it is the clock here that is wrong", "Set the clock of this machine by NTP."
        )
    else:
        yield fine("clock", said)


# -- disk and memory --------------------------------------------------------------------------------------------------


def _disk(facts: Facts) -> Finding | None:
    if facts.unwritable:
        return problem(
            "disk",
            f"nothing can be written under {facts.folder}: {facts.unwritable}",
            "Make room there, or let the user of Ray's processes write there; or give another folder: "
            "sojourn up --state FOLDER, or connect(state=FOLDER)",
        )
    if facts.disk is None:
        return None
    said = f"{amount(facts.disk)} free under {facts.folder}"
    if facts.disk < _FULL_DISK:
        return problem("disk", said, "Make room: a place that cannot write takes no agents in. See: df -h")
    if facts.disk < _LEAST_DISK:
        return warning("disk", said, "Make room soon. See: df -h")
    return fine("disk", said)


def _room(facts: Facts) -> Finding | None:
    if facts.shm is None:
        return None
    if facts.shm_free is not None and facts.shm_free < _FULL_SHM <= facts.shm:
        return warning(
            "shared memory",
            f"/dev/shm has {amount(facts.shm)}, of which {amount(facts.shm_free)} are free",
            "Large values do not fit any more; see what is in it: ls -l /dev/shm",
        )
    return shared_memory(facts.shm)


def _stores(found: Sequence[Facts]) -> Iterator[Finding]:
    """Ray promises its object stores memory that a host may not have; several nodes may be of one host."""
    hosts: dict[str, list[Facts]] = {}
    for facts in found:
        hosts.setdefault(facts.address, []).append(facts)
    for host, there in hosts.items():
        size = min((facts.shm for facts in there if facts.shm is not None), default=None)
        stores = sum(facts.store for facts in there)
        if size is not None and stores > size:
            yield warning(
                "shared memory",
                f"{_names(there)}: object stores of {amount(stores)}, and /dev/shm of {host} has {amount(size)}",
                "Give /dev/shm more (docker run --shm-size=...), or Ray less: ray start --object-store-memory BYTES",
            )


def _names(found: Iterable[Facts]) -> str:
    return ", ".join(facts.place for facts in found)
