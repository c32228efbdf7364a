"""Fetching units from repositories: each once, verified at each use, and kept by digest. See `agents.units`."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Final

from agents.checkpoints import CheckpointStore
from agents.errors import PlaceUnreachable, UnitAmbiguous, UnitMismatch, UnknownUnit, WaitedTooLong
from agents.protocol import Failure, FetchUnit, UnitReply
from agents.transport import Transport
from agents.units import VerifiedUnit, parsed_version, verified_unit
from mobility.environment.versions import Version, parse_version
from mobility.trust import TrustSource
from mobility.trust.errors import Expired

__all__ = ["Units"]

#: Room of a place's store for what was fetched, by digest.
_ROOM: Final = "fetched"
#: Bytes of bundles that one process holds in memory.
_MOST_BYTES: Final = 64 << 20
#: Seconds that a place has for its answer, however little is left.
_LEAST: Final = 0.1


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
        for last in (False, True):
            try:
                found = self._cached(source, name, wanted, digest)
                if found is None:
                    found = self._shared(source, name, version, digest, timeout)
                return self._checked(found[0], found[1], name, wanted, digest), found[1]
            except Expired:
                if last:
                    raise
                self._forget(name, digest)  # it may have been published anew
        raise AssertionError("the last try returns or raises")

    def _forget(self, name: str | None, digest: str | None) -> None:
        with self._lock:
            over = self._having(name) if digest is None else {digest}
            self._named = {key: named for key, named in self._named.items() if named not in over}
            for each in over:
                self._kept.pop(each, None)
                if self._store is not None:
                    self._store.give_up(_ROOM, each)

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
        """The place that has the newest; of several that have the same, the first by name.

        Raises
        ------
        UnitAmbiguous
            If places mean different units by the name and version, or those of different owners by the name.
        """
        what, known = f"{request.name or request.digest!r}", set[str]()
        best: tuple[Version, str] | None = None
        seen: list[tuple[str, UnitReply]] = []
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
                seen.append((place, reply))
                version = parsed_version(reply.version)
                if best is None or version > best[0]:
                    best = version, place
        if best is not None:
            self._check_one(request, best[0], seen)
            return best[1]
        if silent is not None:  # it may be there
            raise silent
        raise UnknownUnit(", ".join(places) or "no place", what, sorted(known))

    @staticmethod
    def _check_one(request: FetchUnit, version: Version, seen: list[tuple[str, UnitReply]]) -> None:
        if request.digest is not None:
            return
        same = {reply.digest for _, reply in seen if parsed_version(reply.version) == version}
        if len(same) > 1 or len({reply.owner for _, reply in seen}) > 1:
            told = [f"{reply.version} ({reply.digest[:16]}) on {place}" for place, reply in seen]
            raise UnitAmbiguous(str(request.name), told)

    def _reply(self, place: str, request: FetchUnit, deadline: float) -> UnitReply:
        reply = self._transport.ask_place(place, request, timeout=max(_LEAST, deadline - time.monotonic()))
        if isinstance(reply, UnitReply):
            return reply
        raise reply.error if isinstance(reply, Failure) else PlaceUnreachable(place, "it has no repository")
