"""The trusted keys of a place, in a folder that a person can read.

::

    trusted/
      version.json                               which files are the list, with their digests, and its version
      keys/survey-lab.0a1b2c3d4e5f6071.v3.json   one key: names, roles, period, revocation
      .lock                                      held by whoever writes

Rules
-----
1. A change first writes the key's new file under a new name, then replaces ``version.json``: that is the moment at
   which it happens. A crash before leaves the old list, a crash after leaves the new one; left-over files are no part
   of the list, and the next change removes them.
2. One writer at a time, among threads and among processes; readers never wait, and see one whole version.
3. A file that was altered by hand fits its digest no more: whoever reads it trusts nobody until it is repaired. A
   running place keeps what it has read and checked.
4. A store never goes back to a version before one that it has shown. Across restarts, `at_least` brings the memory.

Not handled: somebody who may write the folder. Such a person decides whom this place trusts.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mobility.trust._files import locked, read_capped, write_atomically
from mobility.trust._naming import DIGEST, LAST_MOMENT
from mobility.trust.errors import KeyRefused, Rollback, SchemaError, StoreDamaged, TooLarge
from mobility.trust.keys import PublicIdentity, Role
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.strict import Array, Integer, Record, Schema, Text, parse_strict, write_canonical
from mobility.trust.trustlist import TRUST_ENTRY, TrustedKey, TrustEntry, TrustList

__all__ = ["TrustStore"]

#: A file changed in this time before it was read may change again and look the same (as in git's "racy" index).
_UNSETTLED_NS: Final = 2_000_000_000
_TRIES: Final = 100


@dataclass(frozen=True, slots=True)
class _Named:
    """A key's file, and its digest."""

    file: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Index:
    """The content of ``version.json``."""

    version: int
    keys: tuple[_Named, ...] = ()


_NAMED: Final = Record(
    _Named, {"file": Text(re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*\.json"), most=160), "digest": DIGEST}
)


def _index_schema(limits: Limits) -> Record[_Index]:
    fields: dict[str, Schema[Any]] = {"version": Integer(), "keys": Array(_NAMED, most=limits.keys, unique=True)}
    return Record(_Index, fields, constants={"format": "sojourn-trust-store-1"})


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read last, and how the file looked then."""

    index: _Index
    trusted: TrustList
    stamp: tuple[int, ...]
    settled: bool


class TrustStore:
    """A folder with a `TrustList`; safe to share among threads and processes.

    Parameters
    ----------
    folder
        Made at the first change.
    place
        Whose store it is, for the sentences of errors.
    at_least
        The highest version that is known from elsewhere: an older folder is refused.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        place: str | None = None,
        at_least: int = 0,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.folder = Path(folder)
        self.place = place
        self.limits = limits
        self._at_least = at_least
        self._lock = threading.RLock()
        self._seen: _Seen | None = None
        self._parsed: dict[bytes, TrustEntry] = {}

    # -- asking

    def current(self) -> TrustList:
        """The list as it is in the folder now.

        Raises
        ------
        StoreDamaged, Rollback
        """
        with self._lock:
            return self._refreshed().trusted

    @property
    def version(self) -> int:
        return self.current().version

    def lookup(self, key_id: str, role: Role | str, time: float, epoch: int) -> TrustedKey:
        """As `TrustList.lookup`, on the list as it is now."""
        return self.current().lookup(key_id, role, time, epoch, limits=self.limits)

    def __repr__(self) -> str:
        return f"<TrustStore in {self.folder}>"

    def _repr_html_(self) -> str:
        from mobility.display.papers import trust_card
        from mobility.display.sheet import safe_html

        return safe_html("trusted keys", self.folder, lambda: trust_card(self.current(), self.folder))

    # -- changing

    def trust(
        self,
        public: PublicIdentity,
        *,
        roles: tuple[Role | str, ...] | None = None,
        name: str | None = None,
        not_before: int = 0,
        not_after: int = LAST_MOMENT,
        rotate: bool = False,
    ) -> TrustEntry:
        """Enrol a key, or change what is said of it.

        Parameters
        ----------
        roles, name
            By default the key's own.
        not_before, not_after
            Unix time; both moments are within.
        rotate
            Whether it may share its name with the key whose successor it is.

        Raises
        ------
        NameTaken, Revoked, TooLarge, StoreDamaged, Rollback
        """
        chosen = tuple(sorted({Role(role) for role in roles or (public.role,)}))
        entry = TrustEntry(public, public.name if name is None else name, chosen, not_before, not_after)
        with self._lock, self._writing() as now:
            self._write(now, now.trusting(entry, rotate=rotate))
        return entry

    def revoke(self, key_id: str, from_epoch: int = 0) -> TrustEntry:
        """Refuse what the key signs from an epoch on; 0 refuses everything.

        Raises
        ------
        UnknownKey, StoreDamaged, Rollback
        """
        with self._lock, self._writing() as now:
            newer = now.revoking(key_id, from_epoch)
            if newer is not now:
                self._write(now, newer)
        return newer.entries[key_id]

    def adopt(self, newer: TrustList) -> None:
        """Take over a list from elsewhere whose origin has been verified.

        Raises
        ------
        Rollback
            If it is not newer, or takes a revocation back.
        """
        with self._lock, self._writing() as now:
            accepted = now.succeeded_by(newer)
            if accepted.version > now.version:
                self._write(now, accepted)

    @contextmanager
    def _writing(self) -> Iterator[TrustList]:
        """The newest list, with every other writer kept out."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "keys").mkdir(mode=0o700, exist_ok=True)
        with locked(self.folder / ".lock"):
            if not self._index_path.exists():
                if self._has_keys():
                    raise self._without_index()
                if self._at_least == 0 and (self._seen is None or self._seen.index.version == 0):
                    # From now on a missing index is damage, not a new store.
                    self._write_index(_Index(0))
            yield self._refreshed().trusted

    # -- files

    @property
    def _index_path(self) -> Path:
        return self.folder / "version.json"

    def _key_path(self, name: str) -> Path:
        return self.folder / "keys" / name

    def _write_index(self, index: _Index) -> None:
        write_atomically(self._index_path, write_canonical(index, _index_schema(self.limits)) + b"\n", mode=0o644)

    def _write(self, old: TrustList, new: TrustList) -> None:
        self.limits.check("keys", len(new.entries), "the list of trusted keys")
        kept = {entry.key_id: named for entry, named in zip(old.listed, self._refreshed().index.keys, strict=True)}
        named = []
        for entry in new.listed:
            if old.entries.get(entry.key_id) == entry:
                named.append(kept[entry.key_id])
                continue
            data = write_canonical(entry, TRUST_ENTRY) + b"\n"
            file = f"{entry.name}.{entry.key_id[:16]}.v{new.version}.json"
            write_atomically(self._key_path(file), data, mode=0o644)
            named.append(_Named(file, hashlib.sha256(data).digest()))
        self._write_index(_Index(new.version, tuple(named)))
        listed = {one.file for one in named}
        for path in (self.folder / "keys").iterdir():
            if path.name not in listed:
                with suppress(OSError):  # a left-over that cannot be removed harms nobody
                    path.unlink()
        self._refreshed()

    def _refreshed(self) -> _Seen:
        """What the folder says now, read again only if it may have changed."""
        seen = self._seen
        if seen is not None and seen.settled and self._stamp() == seen.stamp:
            return seen
        for _ in range(_TRIES):
            found = self._read()
            if found is not None:
                break
        else:
            raise StoreDamaged(f"a file that {self._index_path} lists is missing or altered")
        if found.index.version < self._at_least:
            raise Rollback(f"{self.folder} holds version {found.index.version}, and {self._at_least} was seen")
        if seen is not None:
            seen.trusted.succeeded_by(found.trusted)
        self._seen = found
        self._at_least = found.index.version
        self._parsed = {named.digest: self._parsed[named.digest] for named in found.index.keys}
        return found

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = os.stat(self._index_path)
        except FileNotFoundError:
            return ()
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def _read(self) -> _Seen | None:
        """The list; None if a writer has been at the files meanwhile, so that they are to be read again."""
        try:
            data, status = read_capped(self._index_path, self.limits.body_bytes)
        except FileNotFoundError:
            if not self._has_keys():
                return _Seen(_Index(0), TrustList(place=self.place), (), settled=False)
            if self._index_path.exists():
                return None  # the first writer came between the two looks
            raise self._without_index() from None
        try:
            index = parse_strict(data, _index_schema(self.limits), self.limits)
        except (TooLarge, SchemaError) as error:
            raise StoreDamaged(f"{self._index_path} is not readable: {error.reason}") from error
        entries = []
        for named in index.keys:
            entry = self._parsed.get(named.digest) or self._parse(named)
            if entry is None:
                self._require_unchanged(data, named)
                return None
            entries.append(entry)
        try:
            trusted = TrustList.of(index.version, entries, place=self.place)
        except ValueError as error:
            raise StoreDamaged(f"{self._index_path} cannot be right: {error}") from error
        if trusted.listed != tuple(entries):
            raise StoreDamaged(f"{self._index_path} lists the keys out of order")
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return _Seen(index, trusted, stamp, settled=time.time_ns() - status.st_mtime_ns > _UNSETTLED_NS)

    def _parse(self, named: _Named) -> TrustEntry | None:
        try:
            data, _ = read_capped(self._key_path(named.file), self.limits.key_file_bytes)
        except FileNotFoundError:
            return None
        if hashlib.sha256(data).digest() != named.digest:
            return None
        try:
            entry = parse_strict(data, TRUST_ENTRY, self.limits)
        except (TooLarge, SchemaError, KeyRefused) as error:
            raise StoreDamaged(f"{named.file} is not readable: {error.reason}") from error
        self._parsed[named.digest] = entry
        return entry

    def _require_unchanged(self, index: bytes, named: _Named) -> None:
        """Tell a file that a writer has just replaced from one that is damaged."""
        with suppress(FileNotFoundError):
            if read_capped(self._index_path, self.limits.body_bytes)[0] == index:
                raise StoreDamaged(f"{self._key_path(named.file)} is missing or was altered")

    def _has_keys(self) -> bool:
        keys = self.folder / "keys"
        return keys.is_dir() and any(keys.iterdir())

    def _without_index(self) -> StoreDamaged:
        return StoreDamaged(f"{self._index_path} is missing, and there are keys")
