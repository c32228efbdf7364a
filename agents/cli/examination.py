"""What ``sojourn doctor`` looks at: first the home folder and this process, then the cluster and its places."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from agents.cli.findings import Finding, fine, from_error, problem, warning
from agents.cli.home import HomeFolder, OwnKey
from agents.cli.hosts import shared_memory
from agents.cli.options import Format
from agents.cli.reaching import Deadline, connected, target_of
from agents.cli.screen import count, moment
from mobility.errors import MobilityError

if TYPE_CHECKING:
    from agents._ray.membership import Node
    from agents.platform import PlaceInfo, Platform
    from mobility.trust import TrustEntry, TrustList

__all__ = ["at_home", "at_platform"]


# -- here


def at_home(home: HomeFolder) -> Iterator[Finding]:
    """The home folder, and this Python."""
    yield _python()
    yield from _read("token", _token())
    yield from _read("home", _folders(home))
    trusted: TrustList | None = None
    try:
        trusted = home.store().current()
    except MobilityError as error:
        yield from_error("trust", error)
    except OSError as error:
        yield _unread("trust", error)
    else:
        yield fine("trust", f"{count(len(trusted.entries), 'trusted key')} in {home.trust_folder}")
    yield from _read("keys", _keys(home, trusted))
    if trusted is not None:
        yield from _periods(trusted)
    if os.path.isdir("/dev/shm"):
        yield shared_memory(shutil.disk_usage("/dev/shm").total)


def _read(what: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """These; a file that cannot be looked at is one more, and keeps nobody from the rest."""
    try:
        yield from findings
    except OSError as error:
        yield _unread(what, error)


def _unread(what: str, error: OSError) -> Finding:
    return problem(
        what,
        f"{error.filename or 'a file'} cannot be looked at: {error.strerror or error}",
        "See what it is, and whose: ls -ld on it and on its folder; take it away, or let yourself read it",
    )


def _python() -> Finding:
    try:
        ray = version("ray")
    except PackageNotFoundError:
        return problem("versions", "Ray is not installed here", 'Install it with: pip install "ray[default]"')
    return fine("versions", f"Python {platform.python_version()}, Ray {ray}")


def _token() -> Iterator[Finding]:
    """Where Ray looks for the token of the cluster, in this order: two variables, and a file."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    file = Path(named) if named else Path.home() / ".ray" / "auth_token"
    if not file.is_file():
        yield warning(
            "token",
            f"RAY_AUTH_MODE is token, and there is none: {file} is missing",
            f"Copy that file from the head of the cluster, and run: chmod 600 {file}; "
            "for a cluster of your own, sojourn up makes it",
        )
    elif _readable_by_others(file):
        yield problem("token", f"{file} can be read by others on this machine", f"Run: chmod 600 {file}")
    elif not _holds_something(file):
        yield problem(
            "token", f"{file} is empty", f"Copy that file from the head of the cluster, and run: chmod 600 {file}"
        )
    else:
        yield fine("token", str(file))


def _holds_something(path: Path) -> bool:
    with open(path, "rb") as file:
        return bool(file.read(1 << 12).strip())


def _readable_by_others(path: Path) -> bool:
    return sys.platform != "win32" and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _folders(home: HomeFolder) -> Iterator[Finding]:
    """Whether they can be written to; by you, and by nobody else."""
    there = home.folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        yield problem(
            "home",
            f"nothing can be written in {there}: {error.strerror or error}",
            "Make room or change its permissions; or choose another folder: --home FOLDER, or SOJOURN_HOME",
        )
    if sys.platform == "win32":
        return
    for folder, means in ((home.keys, "replace your keys"), (home.trust_folder, "decide whom you trust")):
        if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & 0o022:
            yield problem("home", f"others can write in {folder}, and so {means}", f"Run: chmod go-w {folder}")


def _keys(home: HomeFolder, trusted: TrustList | None) -> Iterator[Finding]:
    from agents.owning import OWNER

    if home.key_file(OWNER).is_file():
        yield fine("owner key", str(home.key_file(OWNER)))
    else:
        yield warning(
            "owner key",
            f"there is none in {home.keys}",
            "It is made by the first up or launch, or with: sojourn key new owner",
        )
    for key in home.own_keys():
        if key.problem:
            yield warning("keys", f"{key.name}: {key.problem}", "Copy it from whom you gave it to, or make a new key.")
        if not key.path.is_file():
            yield problem("keys", f"{key.path} is no file", "Take it away, or put the key back from a copy.")
        elif _readable_by_others(key.path):
            mode = stat.S_IMODE(key.path.stat().st_mode)
            yield problem("keys", f"{key.path} can be read by others (mode {mode:04o})", f"Run: chmod 600 {key.path}")
        else:
            yield from _pair(key)
        if key.public is not None and trusted is not None:
            yield from _standing(key.name, home.public_file(key.name), trusted.entries.get(key.public.key_id))


def _pair(key: OwnKey) -> Iterator[Finding]:
    """Whether the secret key can be used, and is that of the public one."""
    from mobility.trust import Identity
    from mobility.trust.errors import WrongPassphrase

    try:
        identity = Identity.load(key.path)
    except WrongPassphrase:
        return  # it is protected, as it may be
    except (MobilityError, OSError) as error:
        said = error.slug if isinstance(error, MobilityError) else error.strerror or str(error)
        yield problem("keys", f"{key.path} cannot be used: {said}", "Restore it from a copy, or make a new key.")
        return
    if key.public is not None and identity.key_id != key.public.key_id:
        yield problem(
            "keys",
            f"{key.name}: its .key and its .pub are not of the same key, so what it signs is refused",
            "Restore the one that was replaced, or make a new key: sojourn key new NAME",
        )


def _standing(name: str, public: Path, entry: TrustEntry | None) -> Iterator[Finding]:
    """What your own trust store says of a key of yours."""
    if entry is None:
        yield warning(
            "keys",
            f"{name} is not in your own trust store, so what it signs does not verify here",
            f"Run: sojourn key trust {public}",
        )
    elif entry.revoked_from is not None:
        since = "" if entry.revoked_from == 0 else f" from epoch {entry.revoked_from} on"
        yield warning(
            "keys",
            f"{name} is revoked{since}",
            "Sign with another: sojourn key new NAME, and: sojourn launch ... --owner NAME",
        )


def _periods(trusted: TrustList) -> Iterator[Finding]:
    now = time.time()
    for entry in trusted.listed:
        if entry.revoked_from is not None:
            continue
        anew = "Trust it for longer: sojourn key trust FILE --until DATE"
        if now > entry.not_after:
            yield warning("trust", f"{entry.name} was trusted until {moment(entry.not_after)}", anew)
        elif now < entry.not_before:
            yield warning(
                "trust", f"{entry.name} is trusted only from {moment(entry.not_before)} on", "Wait; or see the clock."
            )


# -- there


def at_platform(home: HomeFolder, address: str | None, deadline: Deadline, output: Format) -> list[Finding]:
    """The cluster, its places, and their hosts."""
    try:
        target = target_of(address, home)
    except MobilityError as error:
        return [warning("platform", "none was found", str(getattr(error, "remedy", "")))]
    findings = [fine("platform", f"{target.address}, by {target.whence}")]
    try:
        with connected(home, address, deadline, output) as reached:
            findings.append(fine("cluster", "answers, with the Ray and the Python of this program"))
            places = reached.places(details=True)
            findings += _places(places)
            findings += _trusted_there(home, places)
            findings += _rest(reached, places, deadline)
    except MobilityError as error:
        findings.append(from_error("cluster", error))
    return findings


def _places(places: list[PlaceInfo]) -> Iterator[Finding]:
    yield fine("directory", f"answers, and knows {count(len(places), 'place')}")
    for place in places:
        about = place.about
        if "problem" in about:
            yield problem(
                "place",
                f"{place.name} does not answer ({about['problem']})",
                "Ray starts it again if its node lives; its agents come back from their checkpoints. Look at its host.",
            )
        elif not about.get("leased", True):
            yield problem(
                "place",
                f"{place.name} has no lease, so its agents are halted",
                "It gets one as soon as it reaches the directory: look at the network between them.",
            )
        elif about.get("draining"):
            yield warning(
                "place",
                f"{place.name} lets nobody in: it was emptied, or is being emptied",
                f"If its node stays after all, run: sojourn reopen {place.name}",
            )
        elif about.get("defects"):
            yield warning(
                "place",
                f"{place.name} answers, and has met {count(int(about['defects']), 'defect')} of this program",
                "Please report what the log of its process says.",
            )
        else:
            yield fine("place", f"{place.name} answers, {count(int(about.get('agents', 0)), 'agent')}")


def _trusted_there(home: HomeFolder, places: list[PlaceInfo]) -> Iterator[Finding]:
    """Whether agents that your owner's key signs are let in."""
    from agents.owning import OWNER

    for place in places:
        if "trust" in place.about:
            yield problem(
                "trust there",
                f"{place.name} cannot read its own list of trusted keys ({place.about['trust']}), and lets nobody in",
                "On its host run: sojourn doctor --store FOLDER, with the folder of that list",
            )
    own = next((key.public for key in home.own_keys() if key.name == OWNER), None)
    if own is None:
        return
    asked = [
        place
        for place in places
        if own.key_id in place.about.get("owners", ()) or ("owners" in place.about and not _cut(place))
    ]
    if not asked:
        return
    refusing = [place.name for place in asked if own.key_id not in place.about["owners"]]
    if refusing:
        yield problem(
            "trust there",
            f"your owner key {own.key_id[:16]} is not trusted at {', '.join(refusing)}: its agents are refused there",
            f"On their hosts run: sojourn key trust owner.pub, with a copy of {home.public_file(OWNER)}",
        )
    else:
        yield fine("trust there", f"your owner key {own.key_id[:16]} is trusted at {_all(len(asked))}")


def _cut(place: PlaceInfo) -> bool:
    """Whether it trusts more owners than it names, so that one who is not named may well be trusted."""
    return bool(place.about.get("owners left out"))


def _all(number: int) -> str:
    return "the one place" if number == 1 else f"all {number} places"


def _rest(reached: Platform, places: list[PlaceInfo], deadline: Deadline) -> Iterator[Finding]:
    """Nodes without a place, and what each node tells."""
    from agents._ray.examining import Peer, directory_peer, examine, settings_of_platform
    from agents._ray.membership import RayGcs, nodes
    from agents.cli.hosts import of_hosts

    serving = {str(place.about["node"]): place for place in places if "node" in place.about}
    silent = {place.name for place in places if "problem" in place.about}
    idle = [node for node in nodes(RayGcs()) if node.node_id not in serving and node.place not in silent]
    yield from _without_place(reached, idle)
    settings = settings_of_platform(deadline.left(10.0))
    if settings is None:
        yield warning(
            "directory",
            "it did not tell in time with what the platform was started, so the ways between places were not tried",
            "Try again, with more time: sojourn doctor --timeout 120",
        )
    peers = {}
    for node, place in serving.items():
        told = place.about.get("socket")
        address = (str(told[0]), int(told[1])) if told is not None else None
        peers[node] = Peer(place.name, address, str(place.about.get("actor", "")))
    found = examine(settings, peers, timeout=deadline.left() * 0.8, directory=directory_peer(deadline.left(5.0)))
    yield from of_hosts(found, direct=None if settings is None else bool(settings.ports))


def _without_place(reached: Platform, idle: list[Node]) -> Iterator[Finding]:
    """A place that cannot start is no member; why, was told to the log."""
    for node in idle:
        said = [str(event.data.get("text", "")) for event in reached.logs(1000) if event.place == node.place]
        cause = next((text for text in reversed(said) if "started anew" in text), "")
        yield problem(
            "place",
            f"the node {node.place} ({node.host}) has no place that serves{': ' if cause else ''}{cause}",
            "If the node is new, wait some seconds. Else mend what is told of its ports, its disk or its clock; "
            "see also: sojourn logs",
        )
