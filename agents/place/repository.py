"""The code repository of a place: published units, kept on its disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from agents.errors import UnitOwned, UnknownUnit, VersionTaken
from agents.fetching import Units
from agents.place.core import PlaceCore
from agents.protocol import FetchUnit, UnitReply
from agents.units import PublishedUnit, VerifiedUnit, parsed_version, verified_unit
from mobility.environment.versions import Version, parse_version
from mobility.plain import decode, encode

__all__ = ["Repository"]

_ROOM: Final = "published"


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a unit without reading it; `key` is where it lies, `until` when its certificate ends."""

    name: str
    version: str
    digest: str
    owner: str
    owner_name: str
    until: int
    key: str


@dataclass(slots=True, eq=False)
class Repository:
    """Of one place.

    Attributes
    ----------
    units
        What the place has fetched itself: it passes that on by digest.
    meet
        Asks the directory for the keys of the other places; whether that brought any news.
    """

    core: PlaceCore
    units: Units
    meet: Callable[[], bool]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _entries: dict[str, dict[Version, _Entry]] = field(default_factory=dict, init=False)
    _by_digest: dict[str, _Entry] = field(default_factory=dict, init=False)

    def load(self) -> None:
        """Find what an earlier process of this place has kept."""
        for key in self.core.store.keys(_ROOM):
            try:
                told = self._read(key)
                self._index(_entry(told, key))
            except Exception as error:  # one that is damaged is not to keep the others away
                self.core.failed(error)

    def _read(self, key: str) -> dict[str, Any]:
        told: dict[str, Any] = decode(self.core.store.kept(_ROOM, key) or b"")
        return told

    def _index(self, entry: _Entry) -> None:
        self._entries.setdefault(entry.name, {})[parsed_version(entry.version)] = entry
        self._by_digest[entry.digest] = entry

    @property
    def names(self) -> list[str]:
        """What is published here, with the versions."""
        with self._lock:
            return [f"{entry.name} {entry.version}" for entry in self._sorted()]

    def _sorted(self) -> list[_Entry]:
        return [
            entry for name in sorted(self._entries) for _, entry in sorted(self._entries[name].items(), reverse=True)
        ]

    # -- publishing

    def publish(self, data: bytes) -> PublishedUnit:
        """Verify a publication, and keep it; the same one again changes nothing, unless it is valid for longer.

        Raises
        ------
        NotPublishable, VersionTaken, UnitOwned, StoreFailed
        mobility.errors.MobilityError
            If it is altered, expired, or not signed by somebody whom this place trusts.
        """
        unit = verified_unit(data, self.core.trust, meet=self.meet, limits=self.core.options.limits)
        owner = unit.verified.passport.owner
        version = parsed_version(unit.version)
        with self._lock:
            versions = self._entries.get(unit.name, {})
            for entry in versions.values():
                if entry.owner != owner.key_id:
                    raise UnitOwned(self.core.name, unit.name, entry.owner_name)
            same = versions.get(version)
            if same is not None and same.digest != unit.digest:
                raise VersionTaken(self.core.name, unit.name, same.version, same.digest)
            until = unit.verified.passport.birth.certificate.not_after
            if same is None or until > same.until:
                self._write(unit, owner.key_id, str(owner), until)
        return PublishedUnit(unit.name, same.version if same else unit.version, unit.digest, self.core.name)

    def _write(self, unit: VerifiedUnit, owner: str, owner_name: str, until: int) -> None:
        key = f"{unit.name} {unit.version}"
        told = {
            "name": unit.name,
            "version": unit.version,
            "digest": unit.digest,
            "owner": owner,
            "owner_name": owner_name,
            "until": until,
            "bundle": bytes(unit.data),
        }
        self.core.store.keep(_ROOM, key, encode(told))
        self._index(_entry(told, key))

    # -- giving

    def find(self, wanted: FetchUnit) -> UnitReply:
        """A unit by name and version, by name the newest, or by digest.

        Raises
        ------
        UnknownUnit
            Says what there is.
        """
        with self._lock:
            entry = self._entry(wanted)
        if entry is None:
            return self._passed_on(wanted)
        if wanted.bare or entry.digest in wanted.have:
            return UnitReply(entry.name, entry.version, entry.digest, entry.owner, None)
        return UnitReply(entry.name, entry.version, entry.digest, entry.owner, self._read(entry.key)["bundle"])

    def _entry(self, wanted: FetchUnit) -> _Entry | None:
        if wanted.digest is not None:
            found = self._by_digest.get(wanted.digest)
            return found if found is not None and wanted.name in (None, found.name) else None
        versions = self._entries.get(wanted.name or "", {})
        if wanted.version is not None:
            version = parse_version(wanted.version)
            return versions.get(version) if version is not None else None
        return versions[max(versions)] if versions else None

    def _passed_on(self, wanted: FetchUnit) -> UnitReply:
        """What this place has fetched from elsewhere, for whoever knows its digest."""
        data = self.units.known(wanted.digest) if wanted.digest is not None else None
        if data is not None:
            unit = verified_unit(data, self.core.trust, meet=self.meet, limits=self.core.options.limits)
            owner = unit.verified.passport.owner.key_id
            return UnitReply(unit.name, unit.version, unit.digest, owner, None if wanted.bare else data)
        with self._lock:
            known = [entry for entry in self._sorted() if wanted.digest is None and entry.name == wanted.name]
            told = [f"version {entry.version}" for entry in known]
            told = told or [f"{entry.name} {entry.version}" for entry in self._sorted()]
        what = f"with the digest {wanted.digest[:64]}" if wanted.digest is not None else f"{wanted.name!r}"
        if wanted.version is not None:
            what += f" of version {wanted.version}"
        raise UnknownUnit(self.core.name, what, told)


def _entry(told: dict[str, Any], key: str) -> _Entry:
    return _Entry(told["name"], told["version"], told["digest"], told["owner"], told["owner_name"], told["until"], key)
