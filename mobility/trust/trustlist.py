"""Whom a place trusts, as what, and how long: a versioned list, without any file.

Rules
-----
1. A key is found by its id, which is a digest of it; everything else about it is what *this* list says.
2. Names are unique among keys that are not revoked, unless one key is enrolled as the successor of another.
3. A revocation names the first epoch that is refused. It can be moved to an earlier epoch, never taken back.
4. Every change gives a higher version; an older version, or another list of the same version, is refused.
5. Only `TrustList.lookup` makes a `TrustedKey`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field, replace
from types import MappingProxyType
from typing import Final, Protocol

from mobility.trust._naming import LAST_MOMENT, TIME, require_name
from mobility.trust._naming import NAME as NAME_SCHEMA
from mobility.trust._proof import Proof, Verified
from mobility.trust.errors import (
    Expired,
    NameTaken,
    NotYetValid,
    Revoked,
    Rollback,
    UnknownKey,
    UntrustedSigner,
    WrongRole,
)
from mobility.trust.keys import PUBLIC_IDENTITY, PublicIdentity, Role
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.strict import Array, Choice, Integer, Maybe, Record, parse_strict, write_canonical

__all__ = ["TRUST_ENTRY", "TrustEntry", "TrustList", "TrustSource", "TrustedKey"]

_PROOF: Final = Proof()


@dataclass(frozen=True, slots=True)
class TrustEntry:
    """What a list says about one key.

    Attributes
    ----------
    public
        The key.
    name
        What it is called here.
    roles
        In which it may sign.
    not_before, not_after
        Unix time; both moments are within.
    revoked_from
        The first epoch at which it is refused; None if it is not revoked.
    """

    public: PublicIdentity
    name: str
    roles: tuple[Role, ...]
    not_before: int = 0
    not_after: int = LAST_MOMENT
    revoked_from: int | None = None

    def __post_init__(self) -> None:
        require_name(self.name)
        if not self.roles or list(self.roles) != sorted(set(self.roles)):
            raise ValueError("roles are one or more, each once, in order")
        if not 0 <= self.not_before <= self.not_after <= LAST_MOMENT:
            raise ValueError("the period of validity is empty or not of this era")

    @property
    def key_id(self) -> str:
        return self.public.key_id

    def revoked(self, from_epoch: int) -> TrustEntry:
        """The same, revoked from an epoch on, or from the earlier one at which it is already."""
        if from_epoch < 0:
            raise ValueError("an epoch is 0 or more")
        earlier = from_epoch if self.revoked_from is None else min(from_epoch, self.revoked_from)
        return replace(self, revoked_from=earlier)


#: The form of one entry, in a file of its own.
TRUST_ENTRY: Final = Record(
    TrustEntry,
    {
        "public": PUBLIC_IDENTITY,
        "name": NAME_SCHEMA,
        "roles": Array(Choice(Role), most=len(Role), unique=True),
        "not_before": TIME,
        "not_after": TIME,
        "revoked_from": Maybe(Integer()),
    },
    constants={"format": "sojourn-trusted-key", "version": 1},
)


@dataclass(frozen=True, slots=True)
class TrustedKey(Verified):
    """The verdict that a key may sign as `role`, or be sealed to, at the time and epoch that were asked about.

    Attributes
    ----------
    public
        The key.
    name
        What it is called here, which need not be what it calls itself.
    """

    public: PublicIdentity
    name: str
    role: Role
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        self._require(proof, _PROOF)

    @property
    def key_id(self) -> str:
        return self.public.key_id

    def __str__(self) -> str:
        return f"{self.role}:{self.name}"


class TrustSource(Protocol):
    """Whatever has a list of trusted keys."""

    def current(self) -> TrustList:
        """The list as it is now."""
        ...


@dataclass(frozen=True, slots=True)
class TrustList:
    """Immutable; a change gives a new list with the next version.

    Attributes
    ----------
    version
        0 for the empty list.
    entries
        By key id.
    place
        Whose list it is, for the sentences of errors.
    """

    version: int = 0
    entries: Mapping[str, TrustEntry] = field(default_factory=lambda: MappingProxyType({}))
    place: str | None = field(default=None, compare=False)

    @classmethod
    def of(cls, version: int, listed: Iterable[TrustEntry], *, place: str | None = None) -> TrustList:
        """A list of these entries.

        Raises
        ------
        ValueError
            If a key occurs twice.
        """
        entries = tuple(listed)
        table = {entry.key_id: entry for entry in entries}
        if len(table) != len(entries):
            raise ValueError("a key occurs twice in the list")
        return cls(version, MappingProxyType(dict(sorted(table.items()))), place)

    @property
    def listed(self) -> tuple[TrustEntry, ...]:
        """The entries, by key id."""
        return tuple(self.entries.values())

    def current(self) -> TrustList:
        """Itself: a list can stand wherever a store is asked for."""
        return self

    def _repr_html_(self) -> str:
        from mobility.display.papers import trust_card
        from mobility.display.sheet import safe_html

        name = self.place or ""
        return safe_html("trusted keys", name, lambda: trust_card(self, name))

    # -- asking

    def find(self, key_id: str) -> TrustEntry:
        """What is said of a key, whether or not it may sign now.

        Raises
        ------
        UntrustedSigner
        """
        entry = self.entries.get(key_id)
        if entry is None:
            raise UntrustedSigner([key_id], place=self.place)
        return entry

    def lookup(
        self, key_id: str, role: Role | str, time: float, epoch: int | None, *, limits: Limits = DEFAULT_LIMITS
    ) -> TrustedKey:
        """The verdict on a key in a role, at a Unix time and an epoch of an agent.

        Parameters
        ----------
        epoch
            None for what belongs to no agent: there a key that is revoked from any epoch on is revoked.

        Raises
        ------
        UntrustedSigner, WrongRole, Revoked, NotYetValid, Expired
        """
        entry, role = self.find(key_id), Role(role)
        if role not in entry.roles:
            raise WrongRole(name=entry.name, key_id=key_id, role=role, roles=entry.roles, place=self.place)
        revoked_from = entry.revoked_from
        if revoked_from is not None and (epoch is None or epoch >= revoked_from):
            at = revoked_from if epoch is None else epoch
            raise Revoked(name=entry.name, key_id=key_id, from_epoch=revoked_from, epoch=at)
        if time < entry.not_before - limits.clock_skew:
            raise NotYetValid(f"the key of {entry.name}", not_before=entry.not_before, now=time)
        if time > entry.not_after + limits.clock_skew:
            raise Expired(f"the key of {entry.name}", not_after=entry.not_after, now=time)
        return TrustedKey(entry.public, entry.name, role, _PROOF)

    # -- changing

    def trusting(self, entry: TrustEntry, *, rotate: bool = False) -> TrustList:
        """The next version, with this entry added or in place of the key's former one.

        Parameters
        ----------
        rotate
            Whether the key may share its name with another, whose successor it is.

        Raises
        ------
        NameTaken
            If another key that is not revoked has the name.
        Revoked
            If the key is revoked.
        """
        known = self.entries.get(entry.key_id)
        if known is not None and known.revoked_from is not None:
            raise Revoked(name=known.name, key_id=known.key_id, from_epoch=known.revoked_from, epoch=known.revoked_from)
        for other in self.entries.values():
            # Case is not told apart: neither do all people, nor all file systems.
            same = other.name.lower() == entry.name.lower() and other.key_id != entry.key_id
            if same and other.revoked_from is None and not rotate:
                raise NameTaken(name=other.name, key_id=other.key_id)
        return self._next({**self.entries, entry.key_id: entry})

    def revoking(self, key_id: str, from_epoch: int = 0) -> TrustList:
        """The next version, with the key refused from an epoch on; the same list if it is so already.

        Raises
        ------
        UnknownKey
        """
        entry = self.entries.get(key_id)
        if entry is None:
            raise UnknownKey(key_id)
        revoked = entry.revoked(from_epoch)
        return self if revoked == entry else self._next({**self.entries, key_id: revoked})

    def _next(self, entries: dict[str, TrustEntry]) -> TrustList:
        return TrustList.of(self.version + 1, entries.values(), place=self.place)

    def succeeded_by(self, newer: TrustList) -> TrustList:
        """`newer`, if it may take this list's place.

        Raises
        ------
        Rollback
            If it is older, of the same version but different, or takes a revocation back.
        """
        if newer.version < self.version:
            raise Rollback(f"the list of trusted keys is of version {newer.version}, and {self.version} was seen")
        if newer.version == self.version and newer != self:
            raise Rollback(f"there are two different lists of trusted keys of version {self.version}")
        for key_id, entry in self.entries.items():
            if entry.revoked_from is None:
                continue
            other = newer.entries.get(key_id)
            if other is None or other.revoked_from is None or other.revoked_from > entry.revoked_from:
                raise Rollback(f"the list of version {newer.version} takes back the revocation of {entry.name}'s key")
        return replace(newer, place=self.place)

    # -- as bytes

    def to_bytes(self) -> bytes:
        """As canonical JSON, for another place to adopt, or for an envelope around it."""
        return write_canonical(self, _schema(len(self.entries)))

    @classmethod
    def from_bytes(cls, data: bytes, limits: Limits = DEFAULT_LIMITS) -> TrustList:
        """Read what `to_bytes` wrote.

        Raises
        ------
        TooLarge, SchemaError, KeyRefused
        """
        return parse_strict(data, _schema(limits.keys), limits)


def _schema(most: int) -> Record[TrustList]:
    return Record(
        TrustList.of,
        {"version": Integer(), "entries": Array(TRUST_ENTRY, most=most)},
        constants={"format": "sojourn-trust-list-1"},
        attributes={"entries": "listed"},
    )
