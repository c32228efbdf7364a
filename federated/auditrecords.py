"""The entries of an audit log: what one says, how it is spelt and signed, and how entries are chained."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from mobility.trust.errors import TrustError
from mobility.trust.keys import PUBLIC_IDENTITY, Identity, PublicIdentity
from mobility.trust.limits import DEFAULT_LIMITS
from mobility.trust.pae import pre_authentication_encoding
from mobility.trust.strict import (
    Choice,
    Hexadecimal,
    Integer,
    Json,
    Record,
    canonical_bytes,
    parse_strict,
    write_canonical,
)

__all__ = ["NOTHING", "AuditEntry", "AuditHead", "AuditKind", "Chain"]

_ENTRY_TYPE: Final = "application/vnd.sojourn.audit-entry.v1+json"
_HEAD_TYPE: Final = "application/vnd.sojourn.audit-head.v1+json"
#: The digest before the first entry.
NOTHING: Final = bytes(32)


class AuditKind(StrEnum):
    """What an entry tells of."""

    #: The log begins; its facts are the place's public key.
    OPENED = "opened"
    #: An app may run on a data set.
    ADMITTED = "admitted"
    #: It may not, or a message of it was not answered.
    REFUSED = "refused"
    #: It ran, and how that ended.
    EXECUTED = "executed"
    #: Something is about to leave.
    RELEASED = "released"
    #: What it returned did not leave.
    WITHHELD = "withheld"
    #: The owner goes on with a ledger and a log that do not agree.
    ACCEPTED = "accepted"
    #: The log goes on after a line that was not finished.
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry.

    Attributes
    ----------
    number
        From 0 on.
    log
        A random number that this log has, and no other.
    time
        Unix time, in milliseconds, by the place's clock.
    facts
        As JSON: digests, key ids, data set, run, message, rules, bytes, cost.
    previous
        Digest of the entry before; zeros for the first.
    """

    number: int
    log: bytes
    time: int
    kind: AuditKind
    facts: Mapping[str, Json]
    previous: bytes

    def signed(self) -> bytes:
        """What the place signs; its SHA-256 is the digest by which the next entry continues this one.

        Raises
        ------
        SchemaError
            If the facts have no strict form.
        """
        return pre_authentication_encoding(_ENTRY_TYPE, write_canonical(self, _ENTRY))

    def line(self, place: Identity) -> bytes:
        """The line in the file, signed, without its end."""
        return _spelt(self, place.sign(self.signed()))


@dataclass(frozen=True, slots=True)
class AuditHead:
    """How far a log had come, signed by its place: safe to give away.

    Attributes
    ----------
    log, number, digest
        Of the entry that was the last one then.
    signature
        Of the place.
    """

    log: bytes
    number: int
    digest: bytes
    signature: bytes

    def to_bytes(self) -> bytes:
        """As canonical JSON."""
        return write_canonical(self, _HEAD)

    @classmethod
    def sign(cls, place: Identity, log: bytes, number: int, digest: bytes) -> AuditHead:
        """A statement of this place."""
        return cls(log, number, digest, place.sign(_head_message(log, number, digest)))

    @classmethod
    def from_bytes(cls, data: bytes) -> AuditHead:
        """Read it; nothing is verified by that.

        Raises
        ------
        TooLarge, SchemaError
        """
        return parse_strict(data, _HEAD)

    def is_signed_by(self, place: PublicIdentity) -> bool:
        """Whether this place has signed it."""
        return place.verifies(_head_message(self.log, self.number, self.digest), self.signature)


class _Facts:
    """Any object of strict JSON, as a schema."""

    def read(self, value: Any) -> Mapping[str, Json]:
        if type(value) is not dict:
            raise ValueError("facts are an object")
        return value

    def write(self, value: Mapping[str, Json]) -> Json:
        return dict(value)


_ENTRY: Final = Record(
    AuditEntry,
    {
        "number": Integer(),
        "log": Hexadecimal(16),
        "time": Integer(),
        "kind": Choice(AuditKind),
        "facts": _Facts(),
        "previous": Hexadecimal(32),
    },
)
_LINE: Final = Record(lambda entry, signature: (entry, signature), {"entry": _ENTRY, "signature": Hexadecimal(64)})
_HEAD: Final = Record(
    AuditHead,
    {"log": Hexadecimal(16), "number": Integer(), "digest": Hexadecimal(32), "signature": Hexadecimal(64)},
    constants={"format": "sojourn-audit-head-1"},
)
_LIMITS: Final = DEFAULT_LIMITS


def _head_message(log: bytes, number: int, digest: bytes) -> bytes:
    body: Json = {"digest": digest.hex(), "log": log.hex(), "number": number}
    return pre_authentication_encoding(_HEAD_TYPE, canonical_bytes(body))


class Chain:
    """Reads lines, each against those before."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.digests: list[bytes] = []
        self.place: PublicIdentity | None = None

    def take(self, line: bytes) -> str | None:
        """One line without its end; returns what is wrong with it."""
        number = len(self.entries)
        try:
            entry, signature = parse_strict(line, _LINE, _LIMITS)
            signed = entry.signed()
            if line != _spelt(entry, signature):
                return f"entry {number} is not spelt as it was written"
            place = self._opened(entry) if number == 0 else self.place
        except (TrustError, ValueError) as error:
            return f"entry {number} is not readable: {getattr(error, 'reason', error)}"
        if place is None or (number == 0) != (entry.kind is AuditKind.OPENED):
            return f"entry {number} is of the kind {entry.kind}, which does not stand there"
        if not place.verifies(signed, signature):
            return f"entry {number} is not signed by {place}: it was altered, or another key has signed it"
        if entry.number != number:
            return f"entry {entry.number} stands where {number} is due: entries were taken out, put in or reordered"
        if number and (entry.log != self.entries[0].log or entry.previous != self.digests[-1]):
            return f"entry {number} does not continue the one before it"
        self.place = place
        self.entries.append(entry)
        self.digests.append(hashlib.sha256(signed).digest())
        return None

    def _opened(self, entry: AuditEntry) -> PublicIdentity | None:
        if entry.kind is not AuditKind.OPENED or entry.previous != NOTHING:
            return None
        return parse_strict(canonical_bytes(dict(entry.facts)), PUBLIC_IDENTITY, _LIMITS)


def _spelt(entry: AuditEntry, signature: bytes) -> bytes:
    return canonical_bytes({"entry": _ENTRY.write(entry), "signature": signature.hex()})
