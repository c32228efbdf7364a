"""What `mobility.trust` raises on purpose: one tree.

::

    TrustError
    ├── TooLarge                 too-large            more than a field of `Limits` allows
    ├── EnvelopeInvalid          bad-envelope         bytes that are no envelope, passport or trust list
    ├── WrongPayloadType         wrong-payload-type   signed, but as something else
    ├── SchemaError              schema               a signed body that is not exactly of the expected form
    ├── SignerError
    │   ├── UntrustedSigner      untrusted-signer     no trusted key has signed
    │   ├── BadSignature         bad-signature        a trusted key is named, and has not signed these bytes
    │   ├── ThresholdNotMet      threshold            too few different keys have signed
    │   ├── WrongRole            wrong-role           trusted, but not for this
    │   └── Revoked              revoked              trusted no longer, from an epoch on
    ├── ValidityError
    │   ├── NotYetValid          not-yet-valid        now is before the period, or the message comes from the future
    │   └── Expired              expired              now is after the period
    ├── ChainError
    │   ├── WrongAudience        wrong-audience       addressed to another place
    │   ├── StaleEpoch           stale-epoch          replayed, or overtaken
    │   ├── SkippedEpoch         skipped-epoch        a hop is missing
    │   ├── BrokenChain          broken-chain         a link does not fit the one before it
    │   ├── HopLimitReached      hop-limit            more hops than the owner allowed
    │   └── OffItinerary         off-itinerary        a place that the owner did not allow
    ├── KeyRefused
    │   ├── SmallOrderKey        small-order-key      one constant signature would verify any message
    │   └── NonCanonicalKey      non-canonical-key    not the encoding that RFC 8032 prescribes
    ├── KeyFileError
    │   ├── KeyFileInvalid       bad-key-file         not readable as a key
    │   ├── KeyFileExists        key-file-exists      a secret key would be overwritten
    │   ├── ExposedKey           exposed-key          others may read the file
    │   └── WrongPassphrase      wrong-passphrase     missing or wrong
    ├── StoreError
    │   ├── StoreDamaged         store-damaged        files that do not fit together
    │   ├── Rollback             rollback             an older list, or one that takes a revocation back
    │   ├── NameTaken            name-taken           another trusted key has this name
    │   └── UnknownKey           unknown-key          not in the list
    └── SealError
        ├── WrongRecipient       wrong-recipient      sealed to another key
        └── SealBroken           bad-seal             altered, cut, reordered, or not complete

Every error carries its ``slug``, says what happened and why, how things stand now and what to do next, and survives
``pickle``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from mobility.errors import MobilityError

__all__ = [
    "BadSignature",
    "BrokenChain",
    "ChainError",
    "EnvelopeInvalid",
    "Expired",
    "ExposedKey",
    "HopLimitReached",
    "KeyFileError",
    "KeyFileExists",
    "KeyFileInvalid",
    "KeyRefused",
    "NameTaken",
    "NonCanonicalKey",
    "NotYetValid",
    "OffItinerary",
    "Revoked",
    "Rollback",
    "SchemaError",
    "SealBroken",
    "SealError",
    "SignerError",
    "SkippedEpoch",
    "SmallOrderKey",
    "StaleEpoch",
    "StoreDamaged",
    "StoreError",
    "ThresholdNotMet",
    "TooLarge",
    "TrustError",
    "UnknownKey",
    "UntrustedSigner",
    "ValidityError",
    "WrongAudience",
    "WrongPassphrase",
    "WrongPayloadType",
    "WrongRecipient",
    "WrongRole",
]


class TrustError(MobilityError):
    """Base of the tree.

    Attributes
    ----------
    reason, state, remedy
        What happened and why; how things stand now; what to do next.
    """

    slug = "trust"
    usual_state: ClassVar[str] = "Nothing of it was decoded or run, and what the sender holds is unharmed."
    usual_remedy: ClassVar[str] = "Ask the sender for it anew."

    def __init__(self, reason: str, *, state: str | None = None, remedy: str | None = None) -> None:
        self.reason = reason
        self.state = self.usual_state if state is None else state
        self.remedy = self.usual_remedy if remedy is None else remedy
        super().__init__(f"{reason} ({self.slug}). {self.state} {self.remedy}")


def _run(place: str | None, command: str) -> str:
    return f"On {place} run: {command}" if place else f"Run: {command}"


def _short(key_id: str) -> str:
    return key_id[:16] or "without a key id"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# -- form -------------------------------------------------------------------------------------------------------------


class TooLarge(TrustError):
    """More than a field of `Limits` allows; found before any work was done on it.

    Attributes
    ----------
    field, size, limit
        The field's name, what was met, what it allows.
    """

    slug = "too-large"

    def __init__(self, what: str, *, field: str, size: int, limit: int) -> None:
        super().__init__(
            f"{what} is too much: {size}, where the limit {field} is {limit}",
            remedy=f"If you expect as much, pass Limits({field}=...) with a larger number; else refuse the sender.",
        )
        self.field = field
        self.size = size
        self.limit = limit


class EnvelopeInvalid(TrustError):
    """Bytes that are not what they are read as."""

    slug = "bad-envelope"


class WrongPayloadType(TrustError):
    """The signature is good, but for a message of another type or version."""

    slug = "wrong-payload-type"

    def __init__(self, *, expected: str, found: str) -> None:
        super().__init__(
            f"a message of type {expected!r} was expected, and {found!r} was signed",
            remedy="Send a message of the expected type, made by a version that both sides know.",
        )
        self.expected = expected
        self.found = found


class SchemaError(TrustError):
    """A body that is not exactly of the expected form.

    Attributes
    ----------
    path
        Where: ``"hops[3].time"``; empty for the body as a whole.
    """

    slug = "schema"
    usual_remedy = "Make it with a version of sojourn that writes this format."

    def __init__(self, problem: str, *, path: str = "") -> None:
        super().__init__(f"the message is not of the expected form: {f'{path}: ' if path else ''}{problem}")
        self.problem = problem
        self.path = path


# -- signers ----------------------------------------------------------------------------------------------------------


class SignerError(TrustError):
    """Who signed, or did not."""


class UntrustedSigner(SignerError):
    """No trusted key has signed.

    Attributes
    ----------
    key_ids
        The key ids that the message names; nothing proves them.
    place
        Where the key is not trusted, if known.
    """

    slug = "untrusted-signer"

    def __init__(self, key_ids: Sequence[str], *, place: str | None = None) -> None:
        named = ", ".join(_short(key_id) for key_id in list(key_ids)[:4]) or "none is named"
        super().__init__(
            f"{place or 'this place'} refused the message: its signer (key {named}) is not trusted there",
            remedy=_run(place, "sojourn key trust FILE.pub  (with the signer's public key file)"),
        )
        self.key_ids = tuple(key_ids)
        self.place = place


class BadSignature(SignerError):
    """A trusted key is named, but has not signed these bytes."""

    slug = "bad-signature"

    def __init__(self, key_ids: Sequence[str]) -> None:
        named = ", ".join(_short(key_id) for key_id in key_ids)
        super().__init__(
            f"the signature is not one of key {named} over these bytes: they were altered, or another key signed them"
        )
        self.key_ids = tuple(key_ids)


class ThresholdNotMet(SignerError):
    """Fewer different trusted keys have signed than are needed."""

    slug = "threshold"

    def __init__(self, *, found: int, needed: int) -> None:
        super().__init__(
            f"{found} trusted keys have signed where {needed} different ones are needed",
            remedy="Have it signed by the other keys too; the same key counts once.",
        )
        self.found = found
        self.needed = needed


class WrongRole(SignerError):
    """The key is trusted, but not in the role in which it signed."""

    slug = "wrong-role"

    def __init__(self, *, name: str, key_id: str, role: str, roles: Sequence[str], place: str | None = None) -> None:
        super().__init__(
            f"{name} (key {_short(key_id)}) is trusted as {' and '.join(roles)}, and signed as {role}",
            remedy=_run(place, f"sojourn key trust {name}.pub --role {role}  (if it is to have this role)"),
        )
        self.name = name
        self.key_id = key_id
        self.role = role
        self.roles = tuple(roles)


class Revoked(SignerError):
    """The key was revoked from an epoch on, and this is one of those."""

    slug = "revoked"

    def __init__(self, *, name: str, key_id: str, from_epoch: int, epoch: int) -> None:
        super().__init__(
            f"the key {_short(key_id)} of {name} is revoked from epoch {from_epoch} on, and this is epoch {epoch}",
            remedy=f"Let {name} make a new key, trust that one, and sign anew.",
        )
        self.name = name
        self.key_id = key_id
        self.from_epoch = from_epoch
        self.epoch = epoch


# -- time -------------------------------------------------------------------------------------------------------------


class ValidityError(TrustError):
    """Outside a period."""


class NotYetValid(ValidityError):
    """Before the period begins, or from the future."""

    slug = "not-yet-valid"

    def __init__(self, what: str, *, not_before: float, now: float) -> None:
        super().__init__(
            f"{what} is valid from {_date(not_before)}, and it is {_date(now)}",
            remedy="Wait until then; if that is not meant, compare the clocks of the two machines.",
        )
        self.what = what
        self.not_before = not_before
        self.now = now


class Expired(ValidityError):
    """After the period."""

    slug = "expired"

    def __init__(self, what: str, *, not_after: float, now: float) -> None:
        super().__init__(
            f"{what} was valid until {_date(not_after)}, and it is {_date(now)}",
            remedy="Have it issued anew; if that is not meant, compare the clocks of the two machines.",
        )
        self.what = what
        self.not_after = not_after
        self.now = now


# -- the chain of hops ------------------------------------------------------------------------------------------------


class ChainError(TrustError):
    """A passport that does not lead here."""


class WrongAudience(ChainError):
    """Addressed to another place."""

    slug = "wrong-audience"

    def __init__(self, *, addressed: str, audience: str) -> None:
        super().__init__(
            f"the agent was sent to {addressed}, and this is {audience}", remedy=f"Deliver it to {addressed}."
        )
        self.addressed = addressed
        self.audience = audience


class StaleEpoch(ChainError):
    """Replayed, or overtaken by a later hop."""

    slug = "stale-epoch"

    def __init__(self, *, agent: str, epoch: int, last: int) -> None:
        super().__init__(
            f"agent {agent} arrives at epoch {epoch}, and epoch {last} is known already: a replay, or an old copy",
            remedy="Discard this copy: the agent lives on at its later epoch.",
        )
        self.agent = agent
        self.epoch = epoch
        self.last = last


class SkippedEpoch(ChainError):
    """A hop is missing."""

    slug = "skipped-epoch"

    def __init__(self, *, agent: str, epoch: int, expected: int) -> None:
        super().__init__(
            f"agent {agent} shows epoch {epoch} where {expected} is due: a hop is missing",
            remedy="Have the sender send the whole chain.",
        )
        self.agent = agent
        self.epoch = epoch
        self.expected = expected


class BrokenChain(ChainError):
    """A link does not fit the one before it, or the birth certificate.

    Attributes
    ----------
    hop
        The epoch of the link.
    """

    slug = "broken-chain"

    def __init__(self, problem: str, *, hop: int) -> None:
        super().__init__(
            f"the chain of hops breaks at hop {hop}: {problem}",
            remedy="Do not run it: ask the owner where the agent has been.",
        )
        self.problem = problem
        self.hop = hop


class HopLimitReached(ChainError):
    """More hops than the owner allowed."""

    slug = "hop-limit"

    def __init__(self, *, agent: str, hops: int, limit: int) -> None:
        super().__init__(
            f"agent {agent} has made {hops} hops, and its owner allows {limit}",
            remedy="Launch it with a higher hop limit.",
        )
        self.agent = agent
        self.hops = hops
        self.limit = limit


class OffItinerary(ChainError):
    """A place that the owner did not allow, or not at this turn."""

    slug = "off-itinerary"

    def __init__(self, *, agent: str, place: str, allowed: Sequence[str], hop: int) -> None:
        super().__init__(
            f"hop {hop} takes agent {agent} to {place}, and its owner allows {', '.join(allowed) or 'no place'} there",
            remedy=f"Launch it with an itinerary that includes {place}.",
        )
        self.agent = agent
        self.place = place
        self.allowed = tuple(allowed)
        self.hop = hop


# -- keys -------------------------------------------------------------------------------------------------------------


class KeyRefused(TrustError):
    """A public key that must not be trusted whoever vouches for it."""

    slug = "bad-key"
    usual_state = "It was not enrolled."
    usual_remedy = "Do not trust whoever sent it: no correct program makes such a key."


class SmallOrderKey(KeyRefused):
    """Eight times the point is the identity: one constant signature verifies any message."""

    slug = "small-order-key"


class NonCanonicalKey(KeyRefused):
    """Not the one encoding of a point (RFC 8032, section 5.1.3)."""

    slug = "non-canonical-key"


class KeyFileError(TrustError):
    """A file of a key."""

    usual_state = "No key was loaded and the file is untouched."

    def __init__(self, path: object, problem: str, *, remedy: str | None = None) -> None:
        super().__init__(f"the key file {path} {problem}", remedy=remedy)
        self.path = str(path)
        self.problem = problem


class KeyFileInvalid(KeyFileError):
    """Not readable as a key."""

    slug = "bad-key-file"
    usual_remedy = "Restore it from a copy, or make a new key with: sojourn key new NAME"


class KeyFileExists(KeyFileError):
    """A secret key would be overwritten."""

    slug = "key-file-exists"
    usual_remedy = "Choose another path, or remove the old key yourself if nothing needs it any more."


class ExposedKey(KeyFileError):
    """Others than its owner may read the file."""

    slug = "exposed-key"
    usual_remedy = "Make a new key if others had access to the machine; else run: chmod 600 on the file."


class WrongPassphrase(KeyFileError):
    """The passphrase is missing or wrong, or the file was altered."""

    slug = "wrong-passphrase"
    usual_remedy = "Try again with the passphrase with which it was saved."


# -- the store --------------------------------------------------------------------------------------------------------


class StoreError(TrustError):
    """The list of trusted keys."""

    usual_state = "The list of trusted keys is as it was."


class StoreDamaged(StoreError):
    """Files that do not fit together; until it is repaired nobody is trusted."""

    slug = "store-damaged"
    usual_state = "Nobody is trusted until it is repaired."
    usual_remedy = "Restore the folder from a copy, or enrol the keys anew in a new folder."


class Rollback(StoreError):
    """An older list of keys than one that was seen, or one that takes a revocation back."""

    slug = "rollback"
    usual_remedy = "Fetch the newest list."


class NameTaken(StoreError):
    """Another trusted key has this name."""

    slug = "name-taken"

    def __init__(self, *, name: str, key_id: str) -> None:
        super().__init__(
            f"the name {name} belongs to the trusted key {_short(key_id)} already",
            remedy="Trust the new key under another name; or, if it is its successor, trust it as a rotation of it.",
        )
        self.name = name
        self.key_id = key_id


class UnknownKey(StoreError):
    """A key id that is not in the list."""

    slug = "unknown-key"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no trusted key {_short(key_id)}", remedy="See them with: sojourn key list")
        self.key_id = key_id


# -- sealing ----------------------------------------------------------------------------------------------------------


class SealError(TrustError):
    """Something sealed that cannot be opened."""


class WrongRecipient(SealError):
    """Sealed to another key."""

    slug = "wrong-recipient"

    def __init__(self, *, sealed_to: str, opened_by: str) -> None:
        super().__init__(
            f"it is sealed to key {_short(sealed_to)}, and {opened_by} has another",
            remedy=f"Open it where key {_short(sealed_to)} is, or have it sealed to {opened_by}.",
        )
        self.sealed_to = sealed_to
        self.opened_by = opened_by


class SealBroken(SealError):
    """Altered, cut, reordered, or not complete."""

    slug = "bad-seal"
    usual_state = "What was opened before the damage is authentic but not complete: throw it away."
