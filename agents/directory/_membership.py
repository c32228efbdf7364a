"""The directory's part that knows places: who is which, and who has a lease."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final

from agents.directory import _agents, _members
from agents.directory.database import Database
from agents.directory.errors import NotRegistered, WriterOver
from agents.directory.leases import Leases
from agents.directory.records import Member, Registration, Renewed
from agents.handoff.ledger import Holder, Row

__all__ = ["ANYBODY", "Membership"]

#: Stands for whoever was the place before.
ANYBODY: Final = "*"


class Membership:
    """Places; see `Directory`."""

    def __init__(
        self, database: Database, lease_seconds: float, clock: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._database = database
        self._clock = clock
        self._now = now
        self._leases = Leases(lease_seconds)
        #: By place, who it is; who can never come back; who must ask for its holdings.
        self._current: dict[str, str] = {}
        self._over: set[Holder] = set()
        self._unchecked: set[Holder] = set()
        with database.look() as db:
            started = clock()
            for writer in _members.writers(db):
                if writer.current:
                    self._current[writer.holder.place] = writer.holder.writer
                if writer.lapsed:
                    self._unchecked.add(writer.holder)
                if writer.over:
                    self._over.add(writer.holder)
                    self._leases.end(writer.holder, started)
                else:  # its lease may run yet, for at most so long: give nothing away too early
                    self._leases.renew(writer.holder, started)
            self._version = _members.version(db)

    # -- coming and going

    def register(
        self,
        place: str,
        writer: str,
        key: bytes,
        predecessor_gone: bool,
        about: Mapping[str, Any],
        *,
        follows: str | None = ANYBODY,
        replace_key: bool = False,
    ) -> Registration:
        """Make a process the place of that name, and give it a lease.

        Parameters
        ----------
        writer
            The process's own name for itself: a new one for each process.
        predecessor_gone
            Whether all former processes of the place are known to be dead: their leases end now. Without it they
            get no new one, and their agents cannot be restored until the old ones have run out.
        about
            As JSON can hold it.
        follows
            The writer that was the place when this process looked; None if none was. A request that comes late, when
            its process is dead and another has followed, then does not take the place away from that one.

        Raises
        ------
        PlaceKeyChanged
            If the place had another key.
        WriterOver
            If this process was superseded or has left, or another than `follows` is the place: who lives looks again.
        """
        holder = Holder(place, writer)
        told = json.dumps(dict(about), sort_keys=True)
        with self._database.lock:
            current = self._current.get(place)
            if holder in self._over or (self._is_known(holder) and current != writer):
                raise WriterOver(place, writer)
            if follows != ANYBODY and current not in (follows, writer):
                raise WriterOver(place, writer)
            with self._database.change() as db:
                _members.joins(db, holder, key, told, self._now(), replace_key=replace_key)
                if predecessor_gone:
                    _members.end_others(db, holder)
                version = _members.version(db)
            moment = self._clock()
            self._version = version
            self._current[place] = writer
            if self._is_known(holder) and not self._leases.runs(holder, moment):
                self._unchecked.add(holder)
            self._leases.renew(holder, moment)
            if predecessor_gone:
                for former in self._leases.holders(place):
                    if former != holder:
                        self._over.add(former)
                        self._leases.end(former, moment)
            return Registration(self._leases.seconds, self.members(), version)

    def renew(self, place: str, writer: str) -> Renewed:
        """Give the place's process a lease from now on. Nothing is written.

        Raises
        ------
        NotRegistered
        """
        holder = Holder(place, writer)
        with self._database.lock:
            self._check_known(holder)
            if holder in self._over or self._current[place] != writer:
                return Renewed(expired=True, members_version=self._version, orphans=False, stop=True)
            with self._database.look() as db:
                orphans = _agents.any_held_elsewhere(db, holder)
            moment = self._clock()
            if not self._leases.runs(holder, moment):
                self._unchecked.add(holder)
            self._leases.renew(holder, moment)
            return Renewed(holder in self._unchecked, self._version, orphans, stop=False)

    def leave(self, place: str, writer: str) -> None:
        """Goodbye: the lease ends now, and this process cannot come back. Saying it twice does no harm.

        Raises
        ------
        NotRegistered
        """
        holder = Holder(place, writer)
        with self._database.lock:
            self._check_known(holder)
            with self._database.change() as db:
                _members.leaves(db, holder, self._now())
                version = _members.version(db)
            self._version = version
            self._over.add(holder)
            self._leases.end(holder, self._clock())

    def members(self) -> tuple[Member, ...]:
        """All places that ever registered, by name; of each, the process that was the last to be it."""
        with self._database.look() as db:
            moment = self._clock()
            return _members.members(db, lambda holder: self._leases.runs(holder, moment))

    # -- who holds what

    def holdings(self, place: str, writer: str) -> dict[str, int]:
        """The agents that this process holds, and at which epochs. It has looked now: see `Renewed.expired`.

        Raises
        ------
        NotRegistered
        """
        holder = Holder(place, writer)
        with self._database.lock:
            self._check_known(holder)
            if holder in self._unchecked:
                with self._database.change() as db:
                    _members.mark(db, holder, lapsed=False)
                self._unchecked.discard(holder)
            with self._database.look() as db:
                return {row.agent: row.epoch for row in _agents.held(db, holder)}

    def orphans(self, place: str, writer: str) -> list[Row]:
        """What other, earlier processes of the place hold; `Restore` is granted when their leases are over."""
        with self._database.look() as db:
            return _agents.held_elsewhere(db, Holder(place, writer))

    def abandoned(self, grace: float = 0.0) -> list[Row]:
        """What is held by processes whose leases have been over for more than `grace` seconds."""
        with self._database.look() as db:
            moment = self._clock()
            gone = [holder for holder in _agents.holders(db) if self._leases.over_for(holder, moment) > grace]
            return [row for holder in gone for row in _agents.held(db, holder)]

    # -- helpers

    def _mark_lapsed(self, db: sqlite3.Connection, holder: Holder) -> None:
        _members.mark(db, holder, lapsed=True)
        self._unchecked.add(holder)  # were the transaction taken back: to look once too often does no harm

    def _is_known(self, holder: Holder) -> bool:
        return self._leases.knows(holder)

    def _check_known(self, holder: Holder) -> None:
        if not self._is_known(holder):
            raise NotRegistered(holder.place, holder.writer)
