"""Whom a place trusts: its own list, the owners that it was started with, and the other places of its platform.

The keys of the other places come from the directory, at which each place registers with its key and cannot change it
unasked. What the place's own list says of a key comes first: one that is revoked there stays revoked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agents.transport import Transport
from mobility.errors import MobilityError
from mobility.trust import PublicIdentity, Role, TrustEntry, TrustList, TrustSource

__all__ = ["MemberTrust"]

#: Keys that a place names when it tells of itself.
_MOST: Final = 256


@dataclass(slots=True, eq=False)
class MemberTrust:
    """A source of trusted keys that grows with the platform.

    Attributes
    ----------
    own
        The place's own list; None if it has none.
    owners
        Keys of owners that whoever started the place vouches for.
    """

    place: str
    own: TrustSource | None
    owners: Sequence[PublicIdentity] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _members: tuple[PublicIdentity, ...] = field(default=(), init=False)
    _seen: tuple[TrustList | None, tuple[PublicIdentity, ...]] | None = field(default=None, init=False)
    _merged: TrustList = field(default_factory=TrustList, init=False)

    def meet(self, members: Iterable[PublicIdentity]) -> None:
        """Trust these places, besides the owners."""
        known = tuple(members)
        with self._lock:
            if known != self._members:
                self._members = known

    def look(self, transport: Transport, *, timeout: float) -> bool:
        """Ask the directory which places there are, and trust them; whether that brought any news.

        Raises
        ------
        DirectoryUnreachable
            Then the places known so far are trusted as before.
        """
        before = self.current()
        members = transport.ask_directory("members", timeout=timeout)
        self.meet(PublicIdentity.from_bytes(member.key) for member in members)
        return self.current() is not before

    def current(self) -> TrustList:
        """The list as it is now."""
        own = self.own.current() if self.own is not None else None
        with self._lock:
            seen = (own, self._members)
            if self._seen is None or self._seen[0] is not own or self._seen[1] is not self._members:
                self._merged = self._merge(own)
                self._seen = seen
            return self._merged

    def about(self) -> dict[str, Any]:
        """What a place tells of it: ``owners``, the ids of keys whose agents it lets in now, of very many the first,
        and how many are left out; or ``trust``, a slug."""
        try:
            listed = self.current().listed
        except MobilityError as error:  # of its own list, which is damaged or older than it was
            return {"trust": error.slug}
        now = time.time()
        owners = [
            entry.key_id
            for entry in listed
            if Role.OWNER in entry.roles and entry.revoked_from is None and entry.not_before <= now <= entry.not_after
        ]
        left_out = len(owners) - _MOST
        return {"owners": owners[:_MOST], **({"owners left out": left_out} if left_out > 0 else {})}

    def _merge(self, own: TrustList | None) -> TrustList:
        entries = {entry.key_id: entry for entry in own.listed} if own is not None else {}
        # By key and not by name: many an owner's key is called "owner", and each cluster may have its "oslo".
        for public in (*self.owners, *self._members):
            if public.key_id not in entries:
                role = Role.PLACE if public in self._members else public.role
                entries[public.key_id] = TrustEntry(public, public.name, (role,))
        return TrustList.of(own.version if own is not None else 0, entries.values(), place=self.place)
