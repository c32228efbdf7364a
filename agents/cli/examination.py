"""What ``sojourn doctor`` looks at: first the home folder and this process, then the cluster and its places."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from agents.cli.home import HomeFolder
from agents.cli.options import Format
from agents.cli.reaching import Deadline, connected, target_of
from agents.cli.screen import amount, count
from mobility.errors import MobilityError

if TYPE_CHECKING:
    from agents._ray.examining import Facts
    from agents.platform import PlaceInfo

__all__ = ["Finding", "Mark", "at_home", "at_platform"]

_LEAST_DISK: Final = 500_000_000  # bytes: a warning below
_FULL_DISK: Final = 50_000_000  # bytes: a problem below
_LEAST_SHM: Final = 256 << 20  # bytes: the object store of a node of ours, with room to breathe
_SKEW: Final = 2.0  # seconds: the order of log lines suffers
_BAD_SKEW: Final = 60.0  # seconds: signatures may count as made in the future


class Mark(StrEnum):
    """Of a finding."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes
    ----------
    what, said, remedy
        What was looked at; what was found; what to do, unless it is ok.
    """

    mark: Mark
    what: str
    said: str
    remedy: str = ""

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {"mark": self.mark.value, "what": self.what, "said": self.said, "remedy": self.remedy or None}


def _ok(what: str, said: str) -> Finding:
    return Finding(Mark.OK, what, said)


def _warning(what: str, said: str, remedy: str) -> Finding:
    return Finding(Mark.WARNING, what, said, remedy)


def _problem(what: str, said: str, remedy: str) -> Finding:
    return Finding(Mark.PROBLEM, what, said, remedy)


def _of(what: str, error: MobilityError) -> Finding:
    reason, remedy = getattr(error, "reason", None), getattr(error, "remedy", None)
    told = reason if isinstance(reason, str) else str(error)
    return _problem(what, f"{told} ({error.slug})", remedy if isinstance(remedy, str) else "")


# -- here


def at_home(home: HomeFolder) -> Iterator[Finding]:
    """The home folder, and this Python."""
    yield _python()
    yield from _keys(home)
    try:
        trusted = home.store().current()
    except MobilityError as error:
        yield _of("trust", error)
    else:
        yield _ok("trust", f"{count(len(trusted.entries), 'trusted key')} in {home.trust_folder}")
    if os.path.isdir("/dev/shm"):
        yield _shm(shutil.disk_usage("/dev/shm").total)


def _python() -> Finding:
    try:
        ray = version("ray")
    except PackageNotFoundError:
        return _problem("versions", "Ray is not installed here", 'Install it with: pip install "ray[default]"')
    return _ok("versions", f"Python {platform.python_version()}, Ray {ray}")


def _keys(home: HomeFolder) -> Iterator[Finding]:
    from agents.owning import OWNER

    if home.key_file(OWNER).is_file():
        yield _ok("owner key", str(home.key_file(OWNER)))
    else:
        yield _warning(
            "owner key",
            f"there is none in {home.keys}",
            "It is made by the first up or launch, or with: sojourn key new owner",
        )
    for key in home.own_keys():
        if key.problem:
            yield _warning("keys", f"{key.name}: {key.problem}", "Copy it from whom you gave it to, or make a new key.")
        if sys.platform != "win32":
            mode = stat.S_IMODE(key.path.stat().st_mode)
            if mode & 0o077:
                yield _problem(
                    "keys", f"{key.path} can be read by others (mode {mode:04o})", f"Run: chmod 600 {key.path}"
                )


def _shm(size: int) -> Finding:
    if size < _LEAST_SHM:
        return _warning(
            "shared memory",
            f"/dev/shm has {amount(size)}, and Ray then uses files, which are slower",
            "Give it more; a container needs, for instance: --shm-size=2g",
        )
    return _ok("shared memory", f"/dev/shm has {amount(size)}")


# -- there


def at_platform(home: HomeFolder, address: str | None, deadline: Deadline, output: Format) -> list[Finding]:
    """The cluster, its places, and their hosts."""
    try:
        target = target_of(address, home)
    except MobilityError as error:
        return [Finding(Mark.WARNING, "platform", "none was found", str(getattr(error, "remedy", "")))]
    findings = [_ok("platform", f"{target.address}, by {target.whence}")]
    try:
        with connected(home, address, deadline, output) as reached:
            findings.append(_ok("cluster", "answers, with the Ray and the Python of this program"))
            findings += _places(reached.places(details=True))
            findings += _hosts(deadline)
    except MobilityError as error:
        findings.append(_of("cluster", error))
    return findings


def _places(places: list[PlaceInfo]) -> Iterator[Finding]:
    yield _ok("directory", f"answers, and knows {count(len(places), 'place')}")
    for place in places:
        about = place.about
        if "problem" in about:
            yield _problem(
                "place",
                f"{place.name} does not answer ({about['problem']})",
                "Ray starts it again if its node lives; its agents come back from their checkpoints. Look at its host.",
            )
        elif not about.get("leased", True):
            yield _problem(
                "place",
                f"{place.name} has no lease, so its agents are halted",
                "It gets one as soon as it reaches the directory: look at the network between them.",
            )
        elif about.get("defects"):
            yield _warning(
                "place",
                f"{place.name} answers, and has met {count(int(about['defects']), 'defect')} of this program",
                "Please report what the log of its process says.",
            )
        else:
            yield _ok("place", f"{place.name} answers, {count(int(about.get('agents', 0)), 'agent')}")


def _hosts(deadline: Deadline) -> Iterator[Finding]:
    from agents._ray.examining import examine, settings_of_platform

    settings = settings_of_platform(deadline.left(5.0))
    found = examine(settings.state if settings is not None else None, timeout=deadline.left(20.0))
    for facts in found:
        if facts.problem:
            yield _problem("host", f"{facts.place}: {facts.problem}", "See that its node lives, with: ray status")
    known = [facts for facts in found if not facts.problem]
    yield from map(_clock, known)
    for look in (_disk, _room, _auth):
        yield from _together(known, look)


def _together(found: list[Facts], look: Callable[[Facts], Finding | None]) -> Iterator[Finding]:
    """One line for all places of which the same is to be said; several may be of one host."""
    said: dict[Finding, list[str]] = {}
    for facts in found:
        finding = look(facts)
        if finding is not None:
            said.setdefault(finding, []).append(facts.place)
    for finding, places in said.items():
        yield replace(finding, said=f"{', '.join(places)}: {finding.said}")


def _clock(facts: Facts) -> Finding:
    off, said = abs(facts.skew), f"{facts.place}: {facts.skew * 1000:+.1f} ms, known to {facts.within * 1000:.1f} ms"
    if off - facts.within > _BAD_SKEW:
        remedy = "Set the clocks, for instance by NTP: what is signed may count as expired, or as not yet valid."
        return _problem("clock", said, remedy)
    if off - facts.within > _SKEW:
        return _warning("clock", said, "Set the clocks, for instance by NTP: the times in the log mislead.")
    return _ok("clock", said)


def _disk(facts: Facts) -> Finding | None:
    if facts.disk is None:
        return None
    said = f"{amount(facts.disk)} free under {facts.folder}"
    if facts.disk < _FULL_DISK:
        return _problem("disk", said, "Make room: a place that cannot write takes no agents in.")
    if facts.disk < _LEAST_DISK:
        return _warning("disk", said, "Make room soon.")
    return _ok("disk", said)


def _room(facts: Facts) -> Finding | None:
    return None if facts.shm is None else _shm(facts.shm)


def _auth(facts: Facts) -> Finding:
    if facts.auth == "token":
        return _ok("RAY_AUTH_MODE", "token")
    return _warning(
        "RAY_AUTH_MODE",
        f"{facts.auth or 'not set'}, so whoever reaches a port of the cluster runs code there",
        "Fine on a machine or a network of your own; else set RAY_AUTH_MODE=token before the nodes are started.",
    )
