"""Published units: code that lies signed in the repository of a place, and is fetched where it is wanted.

Rules
-----
1. A publication is a bundle of a function or class, signed by its owner, or by a place for an agent whose owner has
   signed the code. Its name and version are in the luggage, so they are signed as well.
2. It is verified when it is published, and again by whoever uses it: a repository is not believed.
3. A unit has a digest, of its code, its entry point and the values that travel with it: what is fetched under a name
   and version, or under a digest, is the same for ever. The code alone would not tell apart two units that differ in a
   variable of their module or in a closure.
4. What was fetched is kept by digest, so nothing is fetched twice; several who want the same at the same time share one
   request. Each use is loaded under a name of its own (`mobility.code`), so two versions run side by side.
5. A unit that an agent keeps travels as name, version, digest and place, never as code; where it arrives, it is fetched
   when it is first used.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Final

from agents.checkpoints import CheckpointStore
from agents.errors import NotPublishable, PlaceUnreachable, UnitMismatch, UnknownUnit, WaitedTooLong
from agents.here import Here, arriving_at
from agents.ids import is_plain_name
from agents.protocol import Failure, FetchUnit, UnitReply
from agents.terms import TERMS
from agents.transport import Transport
from mobility.bundle import Birth, Branch, Bundle, VerifiedBundle, pack, unpack
from mobility.bundle.manifest import UnitKind
from mobility.environment.versions import Version, parse_version
from mobility.plain import PlainInvalid, decode, encode
from mobility.trust import DEFAULT_LIMITS, Identity, Limits, TrustSource, VerifiedPassport
from mobility.trust.errors import UntrustedSigner

__all__ = [
    "FetchedUnit",
    "PublishedUnit",
    "Units",
    "VerifiedUnit",
    "parsed_version",
    "publication",
    "verified_unit",
]

_KIND: Final = "sojourn.published-unit"
_DAY: Final = 24 * 60 * 60
#: Room of a place's store for what was fetched, by digest.
_ROOM: Final = "fetched"
#: Bytes of bundles that one process holds in memory.
_MOST_BYTES: Final = 64 << 20
#: Seconds that a place has for its answer, however little is left.
_LEAST: Final = 0.1
#: Seconds for a unit that is fetched while an agent runs.
_USE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class PublishedUnit:
    """What `publish` gives.

    Attributes
    ----------
    digest
        In hexadecimal.
    place
        In whose repository it is.
    """

    name: str
    version: str
    digest: str
    place: str


TERMS.add(PublishedUnit, "sojourn.published")


# -- publishing -------------------------------------------------------------------------------------------------------


def parsed_version(version: object) -> Version:
    """A version in the sense of PEP 440.

    Raises
    ------
    NotPublishable
    """
    found = parse_version(version) if isinstance(version, str) and len(version) <= 64 else None
    if found is None:
        problem = f"{str(version)[:100]!r} is no version"
        raise NotPublishable(problem, remedy='Write it as a text such as "1.0", "1.2.3" or "2.0rc1" (PEP 440).')
    return found


def publication(
    unit: Any,
    name: str,
    version: str,
    *,
    by: Identity,
    lifetime: int = 365 * _DAY,
    passport: VerifiedPassport | None = None,
    child: str | None = None,
) -> Bundle:
    """The signed bundle of a unit that is to be published.

    Parameters
    ----------
    unit
        A function or class.
    by
        The owner; with a passport, the place that signs for an agent.
    lifetime
        Seconds for which it can be used.
    passport, child
        Of the agent whose code it is, and the id of the unit as its branch.

    Raises
    ------
    NotPublishable
    mobility.errors.MobilityError
        If its code or its values cannot travel.
    """
    if not isinstance(unit, FunctionType | type):
        problem = f"a {type(unit).__qualname__} cannot be published"
        raise NotPublishable(problem, remedy="Publish a function or a class.")
    if not is_plain_name(name):
        raise NotPublishable(
            f"a unit cannot be called {str(name)[:100]!r}",
            remedy="A name has at most 100 ASCII letters and digits, with _ . - within.",
        )
    parsed_version(version)
    told = encode({"is": _KIND, "name": name, "version": version})
    if passport is not None and child is not None:
        branch = Branch(child=child)
        return pack(
            unit, by=by, passport=passport, origin=by.name, to=None, luggage=told, branch=branch, preview=False
        )
    return pack(unit, by=by, birth=Birth(lifetime=lifetime, hop_limit=256), luggage=told)


# -- verifying --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifiedUnit:
    """A publication whose signatures were checked.

    Attributes
    ----------
    data
        The bundle.
    """

    name: str
    version: str
    digest: str
    verified: VerifiedBundle = field(repr=False)
    data: bytes = field(repr=False)

    def load(self) -> Any:
        """The function or class, in modules of its own.

        Raises
        ------
        mobility.errors.MobilityError
            If it cannot be loaded here, for one because of the environment.
        """
        made = unpack(self.verified)
        return made.func if isinstance(made, functools.partial) else made


def verified_unit(
    data: bytes, trust: TrustSource, *, meet: Callable[[], bool] = lambda: False, limits: Limits = DEFAULT_LIMITS
) -> VerifiedUnit:
    """Check a publication; nothing of it is decoded but its name and version.

    Parameters
    ----------
    meet
        Asks who else is to be trusted; whether that brought any news.

    Raises
    ------
    NotPublishable
        If it is a bundle of something else.
    mobility.errors.MobilityError
        If it is altered, expired, or not signed by somebody who is trusted.
    """
    bundle = Bundle.from_bytes(data, limits)
    try:
        verified = bundle.verify(trust, limits=limits)
    except UntrustedSigner:
        if not meet():
            raise
        verified = bundle.verify(trust, limits=limits)
    try:
        told = decode(bytes(verified.luggage or b""))
        fits = told["is"] == _KIND and is_plain_name(told["name"])
        name, version = told["name"], told["version"]
    except (PlainInvalid, KeyError, TypeError):
        fits, name, version = False, "", ""
    if not fits or verified.manifest.unit is not UnitKind.FUNCTION:
        remedy = "Publish it with platform.publish(function, name), or publish() within an agent."
        raise NotPublishable("the bundle is not that of a published unit", remedy=remedy)
    parsed_version(version)
    return VerifiedUnit(name, version, _digest(verified), verified, data)


def _digest(verified: VerifiedBundle) -> str:
    parts = [verified.manifest.code[0], verified.manifest.entry_point.encode()]
    parts += [hashlib.sha256(view).digest() for view in (verified.state, *verified.buffers)]
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


# -- fetching ---------------------------------------------------------------------------------------------------------


class Units:
    """The units that one place, or a program outside, has fetched.

    Parameters
    ----------
    transport
        To the repositories.
    trust
        Whose signatures count here; asked at each use.
    meet
        See `verified_unit`.
    store
        Where they are kept as well, so that they outlive the process.
    """

    def __init__(
        self,
        transport: Transport,
        trust: Callable[[], TrustSource],
        *,
        meet: Callable[[], bool],
        store: CheckpointStore | None = None,
    ) -> None:
        self._transport = transport
        self._trust = trust
        self._meet = meet
        self._store = store
        self._lock = threading.RLock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._named: dict[tuple[str, str, Version], str] = {}
        self._from: dict[str, str] = {}
        self._under_way: dict[tuple[str | None, ...], Future[tuple[bytes, str]]] = {}

    def get(
        self, source: str | None, name: str | None, version: str | None, digest: str | None, *, timeout: float
    ) -> tuple[VerifiedUnit, str]:
        """A unit, verified, and the place from whose repository it is: what is kept here, else what that gives.

        Parameters
        ----------
        source
            The place; None: whichever has it, and has the newest.
        timeout
            Seconds.

        Raises
        ------
        UnknownUnit, UnknownPlace, PlaceUnreachable, UnitMismatch, WaitedTooLong, mobility.errors.MobilityError
        """
        wanted = None if version is None else parse_version(version)
        found = self._cached(source, name, wanted, digest)
        if found is None:
            found = self._shared(source, name, version, digest, timeout)
        data, place = found
        return self._checked(data, place, name, wanted, digest), place

    def _cached(
        self, source: str | None, name: str | None, version: Version | None, digest: str | None
    ) -> tuple[bytes, str] | None:
        """What is kept here of it, and from where it is; None if the repository has to be asked."""
        if digest is None and source is not None and name is not None and version is not None:
            digest = self._named.get((source, name, version))
        data = self._known(digest) if digest is not None else None
        return None if data is None or digest is None else (data, self._from.get(digest, source or ""))

    def known(self, digest: str) -> bytes | None:
        """The bundle of a unit that was fetched here."""
        return self._known(digest)

    def _checked(
        self, data: bytes, place: str, name: str | None, version: Version | None, digest: str | None
    ) -> VerifiedUnit:
        """Also of what is kept: its owner may have been revoked since, or its time be over."""
        unit = verified_unit(data, self._trust(), meet=self._meet)
        if name is not None and unit.name != name:
            raise UnitMismatch(place, f"{unit.name!r} and not {name!r}")
        if version is not None and parse_version(unit.version) != version:
            raise UnitMismatch(place, f"version {unit.version} of {unit.name!r}")
        if digest is not None and unit.digest != digest:
            raise UnitMismatch(place, f"{unit.name!r} {unit.version} with the digest {unit.digest[:16]}")
        return unit

    def _known(self, digest: str) -> bytes | None:
        with self._lock:
            data = self._kept.get(digest)
            if data is not None:
                self._kept.move_to_end(digest)
                return data
        data = self._store.kept(_ROOM, digest) if self._store is not None else None
        if data is not None:
            self._hold(digest, data)
        return data

    def _hold(self, digest: str, data: bytes) -> None:
        with self._lock:
            self._kept[digest] = data
            self._kept.move_to_end(digest)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _MOST_BYTES:
                self._kept.popitem(last=False)

    def _keep(self, unit: VerifiedUnit, place: str) -> None:
        with self._lock:
            new = unit.digest not in self._kept
            self._named[place, unit.name, parsed_version(unit.version)] = unit.digest
            self._from.setdefault(unit.digest, place)
        if new:
            self._hold(unit.digest, unit.data)
            if self._store is not None:
                self._store.keep(_ROOM, unit.digest, unit.data)

    # -- asking

    def _shared(
        self, source: str | None, name: str | None, version: str | None, digest: str | None, timeout: float
    ) -> tuple[bytes, str]:
        """Ask for it, or wait for whoever asks for the same."""
        key = (source, name, version, digest)
        wanted = None if version is None else parse_version(version)
        with self._lock:
            found = self._cached(source, name, wanted, digest)  # it may have come just now
            if found is not None:
                return found
            asked = self._under_way.get(key)
            mine = asked is None
            if asked is None:
                asked = self._under_way[key] = Future()
        if not mine:
            try:
                return asked.result(timeout)
            except FutureTimeout:
                raise WaitedTooLong(f"the unit {name or digest}", timeout, state="Nothing was fetched.") from None
        try:
            found = self._asked(source, FetchUnit(name, version, digest, self._having(name)), timeout)
            self._keep(self._checked(found[0], found[1], name, wanted, digest), found[1])
        except BaseException as error:
            with self._lock:
                del self._under_way[key]
            asked.set_exception(error)
            raise
        with self._lock:
            del self._under_way[key]
        asked.set_result(found)
        return found

    def _having(self, name: str | None) -> frozenset[str]:
        with self._lock:
            return frozenset(digest for (_, named, _), digest in self._named.items() if named == name)

    def _asked(self, source: str | None, request: FetchUnit, timeout: float) -> tuple[bytes, str]:
        deadline = time.monotonic() + timeout
        place = source if source is not None else self._best(request, deadline)
        reply = self._reply(place, request, deadline)
        if reply.bundle is not None:
            return reply.bundle, place
        known = self._known(reply.digest) if reply.digest in request.have else None
        if known is None:  # it was pushed out meanwhile, or the place thinks that it is here and it is not
            reply = self._reply(place, FetchUnit(request.name, reply.version, reply.digest), deadline)
            known = reply.bundle
        if known is None:
            raise UnitMismatch(place, "nothing, though it says that it has it")
        return known, place

    def _best(self, request: FetchUnit, deadline: float) -> str:
        """The place that has the newest; of several that have the same, the first by name."""
        what, known = f"{request.name or request.digest!r}", set[str]()
        best: tuple[Version, str] | None = None
        silent: PlaceUnreachable | None = None
        places = sorted(self._transport.places())
        for place in places:
            bare = FetchUnit(request.name, request.version, request.digest, bare=True)
            try:
                reply = self._reply(place, bare, deadline)
            except UnknownUnit as error:
                what, known = error.what, known | set(error.known)
            except PlaceUnreachable as error:
                silent = error
            else:
                version = parsed_version(reply.version)
                if best is None or version > best[0]:
                    best = version, place
        if best is not None:
            return best[1]
        if silent is not None:  # it may be there
            raise silent
        raise UnknownUnit(", ".join(places) or "no place", what, sorted(known))

    def _reply(self, place: str, request: FetchUnit, deadline: float) -> UnitReply:
        reply = self._transport.ask_place(place, request, timeout=max(_LEAST, deadline - time.monotonic()))
        if isinstance(reply, UnitReply):
            return reply
        raise reply.error if isinstance(reply, Failure) else PlaceUnreachable(place, "it has no repository")


class FetchedUnit:
    """Code that was fetched from a repository: called as the function or class that it is.

    It travels by its name, and is fetched again, or found among what was fetched before, where it is used next. The
    place of its repository need not be there once it was used.

    Attributes
    ----------
    name, version, digest
        Which unit.
    place
        In whose repository it is.
    """

    __slots__ = ("__weakref__", "_here", "_unit", "digest", "name", "place", "version")

    def __init__(
        self, name: str, version: str, digest: str, place: str, here: Here | None = None, unit: Any = None
    ) -> None:
        self.name = name
        self.version = version
        self.digest = digest
        self.place = place
        self._here = here if here is not None else arriving_at()
        self._unit = unit

    @property
    def unit(self) -> Any:
        """The function or class itself, loaded when it is first asked for. It does not travel with an agent.

        Raises
        ------
        PlaceUnreachable, UnknownUnit, mobility.errors.MobilityError
            If it is not here, and cannot be fetched or loaded.
        """
        if self._unit is None:
            self._unit = self._loaded()
        return self._unit

    def _loaded(self) -> Any:
        if self._here is not None:
            return self._here.load_unit(self.name, self.version, self.digest, self.place)
        from agents.connection import current_client

        unit, _ = current_client().units.get(self.place, self.name, self.version, self.digest, timeout=_USE_SECONDS)
        return unit.load()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.unit(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, FetchedUnit) else NotImplemented

    def __hash__(self) -> int:
        return hash((FetchedUnit, self.digest))

    def __repr__(self) -> str:
        return f"<FetchedUnit {self.name} {self.version} of {self.place}, {self.digest[:16]}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return FetchedUnit, (self.name, self.version, self.digest, self.place)
