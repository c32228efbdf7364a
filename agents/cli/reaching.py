"""Which platform a command speaks to, and the connection to it.

``--address`` counts first, then ``RAY_ADDRESS``, then what ``sojourn up`` has started from this home folder. A command
that only looks starts nothing. All that a command waits for is bounded by its ``--timeout``: each call is, and should
one hang for all that, the process ends.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from agents.cli.failures import TIMED_OUT, report, tell
from agents.cli.home import HomeFolder
from agents.cli.options import Format
from agents.cli.run_folder import RunFolder

if TYPE_CHECKING:
    from agents.platform import Platform
    from mobility.trust import Identity

__all__ = ["Deadline", "Target", "bounded_by", "connected", "progress", "quiet", "target_of"]

_GRACE: Final = 2.0  # seconds after the deadline: until then the sentence of whoever waited comes first
_LEAST: Final = 0.1  # seconds for a call
#: What an error is called if somebody did not answer, be it because the deadline is over.
_SILENT: Final = frozenset({"cluster-unreachable", "directory-unreachable", "place-unreachable", "membership-unknown"})


@dataclass(frozen=True, slots=True)
class Target:
    """The cluster that was chosen.

    Attributes
    ----------
    address
        ``host:port``.
    whence
        Why this one: ``--address``, ``RAY_ADDRESS`` or ``sojourn up``.
    auth
        How its nodes want to be spoken to; None if that is not known here.
    """

    address: str
    whence: str
    auth: str | None = None


class Deadline:
    """The end of a command's patience.

    Attributes
    ----------
    seconds
        That it had at the beginning.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether there is no time left for another call."""
        return self._at - time.monotonic() <= 2 * _LEAST

    def left(self, most: float = float("inf")) -> float:
        """Seconds, at least a tenth: a call that is made has a chance."""
        return max(_LEAST, min(most, self._at - time.monotonic()))


def target_of(address: str | None, home: HomeFolder) -> Target:
    """The cluster to speak to.

    Raises
    ------
    NoPlatform
    """
    from agents.cli.platform_errors import NoPlatform

    run = RunFolder(home.folder)
    held = run.held()
    given = address or os.environ.get("RAY_ADDRESS") or ""
    whence = "--address" if address else "RAY_ADDRESS"
    if given == "local":
        raise typer.BadParameter("local starts a cluster of its own: use sojourn up for that", param_hint=whence)
    if given:
        return Target(given, whence, held.auth if held is not None and held.address == given else None)
    if held is None:
        ended = run.left()
        raise NoPlatform(
            f"the one that sojourn up had started at {ended.address} has ended"
            if ended is not None
            else "neither --address nor RAY_ADDRESS names one, and sojourn up has started none"
        )
    return Target(held.address, "sojourn up", held.auth)


def progress(line: str) -> None:
    """What takes long, for a person who watches."""
    if sys.stderr.isatty():
        tell(f"sojourn: {line}")


@contextmanager
def _passing(line: str) -> Iterator[None]:
    """A line for a person who waits, which is taken away again."""
    shown = sys.stderr.isatty()
    if shown:
        print(f"sojourn: {line}", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


@contextmanager
def connected(
    home: HomeFolder,
    address: str | None,
    deadline: Deadline,
    output: Format,
    *,
    owner: Callable[[], Identity] | None = None,
) -> Iterator[Platform]:
    """The platform of the cluster that is chosen.

    Parameters
    ----------
    owner
        Gives the key with which to launch. With one, a cluster that has no places yet gets them; without, it is left
        as it is.

    Raises
    ------
    NoPlatform, mobility.errors.MobilityError
    """
    target = target_of(address, home)
    identity = owner() if owner is not None else None  # may ask for a passphrase, before anything is timed
    with bounded_by(deadline, output), _told_as_late(deadline), quiet():
        if target.auth is not None:
            os.environ["RAY_AUTH_MODE"] = target.auth  # before Ray is imported
        from agents._ray.cluster import reach

        with ExitStack() as stack:
            with _passing(f"connecting to {target.address}, by {target.whence} ..."):
                stack.enter_context(reach(target.address, timeout=deadline.left(30.0)))
                platform = _attached(home, identity, target)
            if platform is None and identity is not None:
                from agents.starting import connect

                platform = connect(owner=identity, home=home.folder, progress=progress, timeout=deadline.left(60.0))
            if platform is None:
                from agents.cli.platform_errors import NoPlatform

                raise NoPlatform(
                    f"the Ray cluster at {target.address} has no places yet",
                    "The first sojourn launch opens one on each node; agents.connect does too, and can be told more.",
                )
            with platform:
                yield platform


@contextmanager
def _told_as_late(deadline: Deadline) -> Iterator[None]:
    """Who had no time left to answer is not to be called unreachable."""
    from mobility.errors import MobilityError

    try:
        yield
    except MobilityError as error:
        if error.slug in _SILENT and deadline.is_over:
            from agents.cli.platform_errors import CommandTimedOut

            raise CommandTimedOut(deadline.seconds) from error
        raise


def _attached(home: HomeFolder, owner: Identity | None, target: Target) -> Platform | None:
    """As it is, also if some of its places do not answer."""
    from agents._ray.membership import named_actor
    from agents._ray.transport import DIRECTORY, RayTransport
    from agents.client import Client
    from agents.errors import DirectoryUnreachable
    from agents.place.trusting import MemberTrust
    from agents.platform import Platform
    from mobility.trust import Role

    if named_actor(DIRECTORY, timeout=5.0) is None:
        return None
    transport = RayTransport()
    owners = [key.public for key in home.own_keys() if key.public is not None and key.public.role is Role.OWNER]
    if owner is not None and owner.public not in owners:
        owners.append(owner.public)
    trust = MemberTrust("this program", home.store(), owners)
    with suppress(DirectoryUnreachable):  # whoever needs it finds out
        trust.look(transport, timeout=5.0)
    return Platform(Client(transport, owner=owner, trust=trust), address=target.address)


@contextmanager
def bounded_by(deadline: Deadline, output: Format) -> Iterator[None]:
    """End the process if the deadline passes and nobody has noticed: a call into the engine cannot be broken off."""

    def end() -> None:
        from agents.cli.platform_errors import CommandTimedOut

        report(CommandTimedOut(deadline.seconds), output)
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(TIMED_OUT)

    timer = threading.Timer(min(deadline.left() + _GRACE, threading.TIMEOUT_MAX), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the engine writes on its own away from the terminal; ``SOJOURN_DEBUG`` shows it.

    Its native part writes to the descriptor of stderr, so that descriptor leads nowhere meanwhile, and what this
    program has to say goes to a copy of it.
    """
    if os.environ.get("SOJOURN_DEBUG"):
        yield
        return
    own = sys.stderr
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        own.flush()
    os.dup2(nowhere, 2)
    os.close(nowhere)
    copy = None
    if _is_descriptor(own, 2):
        copy = open(kept, "w", encoding=own.encoding, errors="backslashreplace", buffering=1, closefd=False)
        sys.stderr = copy
    try:
        yield
    finally:
        if copy is not None:
            sys.stderr = own
            with suppress(OSError, ValueError):
                copy.close()
        os.dup2(kept, 2)
        os.close(kept)
        logging.disable(logging.NOTSET)


def _is_descriptor(stream: object, number: int) -> bool:
    try:
        return stream.fileno() == number  # type: ignore[attr-defined,no-any-return]  # whatever stands for stderr
    except (AttributeError, OSError, ValueError):
        return False
