"""What `mobility.trust` raises on purpose: one tree.

::

    TrustError
    ├── TooLarge                 too-large            more than a field of `Limits` allows
    ├── EnvelopeInvalid          bad-envelope         bytes that are no envelope, passport or trust list
    ├── WrongPayloadType         wrong-payload-type   signed, but as something else
    ├── ItineraryInvalid         itinerary-invalid    an itinerary that nobody could walk, or that is too large
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

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from mobility.errors import MobilityError

__all__ = [
    "BadSignature",
    "BrokenChain",
    "ChainError",
    "EnvelopeInvalid",
    "Expired",
    "ExposedKey",
    "HopLimitReached",
    "ItineraryInvalid",
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


def _short(key_id: str) -> str:
    return key_id[:16] or "without a key id"


#: What may stand behind the colon of a field in a sentence below; or "if any|if none", where @ is the value.
_SPELT: Mapping[str, Callable[[Any], str]] = {
    "key": _short,
    "keys": lambda ids: ", ".join(map(_short, ids)),
    "some keys": lambda ids: ", ".join(map(_short, list(ids)[:4])) or "none is named",
    "date": lambda seconds: datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    "and": " and ".join,
    "places": lambda names: ", ".join(names) or "no place",
}


class _Sentences(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        some, either, none = format_spec.partition("|")
        if either:
            return some.replace("@", str(value)) if value else none
        return _SPELT[format_spec](value) if format_spec else str(value)


class TrustError(MobilityError):
    """Base of the tree.

    A kind with attributes of its own is a dataclass of them, and its sentences name them; any other is made with its
    reason.

    Attributes
    ----------
    reason, state, remedy
        What happened and why; how things stand now; what to do next.
    """

    slug = "trust"
    usual_reason: ClassVar[str] = ""
    usual_state: ClassVar[str] = "Nothing of it was decoded or run, and what the sender holds is unharmed."
    usual_remedy: ClassVar[str] = "Ask the sender for it anew."

    def __init__(self, reason: str, *, state: str | None = None, remedy: str | None = None) -> None:
        self._say(reason, self.usual_state if state is None else state, self.usual_remedy if remedy is None else remedy)

    def __post_init__(self) -> None:
        given = vars(self)
        # Lists may change, and the error must not.
        given.update({name: tuple(value) for name, value in given.items() if isinstance(value, list)})
        spelt = _Sentences().vformat
        self._say(spelt(self.usual_reason, (), given), self.usual_state, spelt(self.usual_remedy, (), given))

    def _say(self, reason: str, state: str, remedy: str) -> None:
        self.reason = reason
        self.state = state
        self.remedy = remedy
        super().__init__(f"{reason} ({self.slug}). {state} {remedy}")


# -- form -------------------------------------------------------------------------------------------------------------


@dataclass(eq=False, repr=False, kw_only=True)
class TooLarge(TrustError):
    """More than a field of `Limits` allows; found before any work was done on it.

    Attributes
    ----------
    what, field, size, limit
        What it is, the field's name, what was met, what it allows.
    """

    what: str = field(kw_only=False)
    field: str
    size: int
    limit: int
    slug = "too-large"
    usual_reason = "{what} is too much: {size}, where the limit {field} is {limit}"
    usual_remedy = "If you expect as much, pass Limits({field}=...) with a larger number; else refuse the sender."


class EnvelopeInvalid(TrustError):
    """Bytes that are not what they are read as."""

    slug = "bad-envelope"


@dataclass(eq=False, repr=False, kw_only=True)
class WrongPayloadType(TrustError):
    """The signature is good, but for a message of another type or version."""

    expected: str
    found: str
    slug = "wrong-payload-type"
    usual_reason = "a message of type {expected!r} was expected, and {found!r} was signed"
    usual_remedy = "Send a message of the expected type, made by a version that both sides know."


class ItineraryInvalid(TrustError, ValueError):
    """An itinerary that nobody could walk, or that is too large."""

    slug = "itinerary-invalid"
    usual_state = "Nothing was signed."
    usual_remedy = "Mend the itinerary."


@dataclass(eq=False, repr=False, kw_only=True)
class SchemaError(TrustError):
    """A body that is not exactly of the expected form.

    Attributes
    ----------
    problem, path
        What is wrong, and where: ``"hops[3].time"``; empty for the body as a whole.
    """

    problem: str = field(kw_only=False)
    path: str = ""
    slug = "schema"
    usual_reason = "the message is not of the expected form: {path:@: |}{problem}"
    usual_remedy = "Make it with a version of sojourn that writes this format."


# -- signers ----------------------------------------------------------------------------------------------------------


class SignerError(TrustError):
    """Who signed, or did not."""


@dataclass(eq=False, repr=False, kw_only=True)
class UntrustedSigner(SignerError):
    """No trusted key has signed.

    Attributes
    ----------
    key_ids
        The key ids that the message names; nothing proves them.
    place
        Where the key is not trusted, if known.
    """

    key_ids: Sequence[str] = field(kw_only=False)
    place: str | None = None
    slug = "untrusted-signer"
    usual_reason = "{place:@|this place} refused the message: its signer (key {key_ids:some keys}) is not trusted there"
    usual_remedy = "{place:On @ run|Run}: sojourn key trust FILE.pub  (with the signer's public key file)"


@dataclass(eq=False, repr=False, kw_only=True)
class BadSignature(SignerError):
    """A trusted key is named, but has not signed these bytes."""

    key_ids: Sequence[str] = field(kw_only=False)
    slug = "bad-signature"
    usual_reason = (
        "the signature is not one of key {key_ids:keys} over these bytes: they were altered, or another key signed them"
    )


@dataclass(eq=False, repr=False, kw_only=True)
class ThresholdNotMet(SignerError):
    """Fewer different trusted keys have signed than are needed."""

    found: int
    needed: int
    slug = "threshold"
    usual_reason = "{found} trusted keys have signed where {needed} different ones are needed"
    usual_remedy = "Have it signed by the other keys too; the same key counts once."


@dataclass(eq=False, repr=False, kw_only=True)
class WrongRole(SignerError):
    """The key is trusted, but not in the role in which it signed."""

    name: str
    key_id: str
    role: str
    roles: Sequence[str]
    place: str | None = None
    slug = "wrong-role"
    usual_reason = "{name} (key {key_id:key}) is trusted as {roles:and}, and signed as {role}"
    usual_remedy = "{place:On @ run|Run}: sojourn key trust {name}.pub --role {role}  (if it is to have this role)"


@dataclass(eq=False, repr=False, kw_only=True)
class Revoked(SignerError):
    """The key was revoked from an epoch on, and this is one of those."""

    name: str
    key_id: str
    from_epoch: int
    epoch: int
    slug = "revoked"
    usual_reason = "the key {key_id:key} of {name} is revoked from epoch {from_epoch} on, and this is epoch {epoch}"
    usual_remedy = "Let {name} make a new key, trust that one, and sign anew."


# -- time -------------------------------------------------------------------------------------------------------------


class ValidityError(TrustError):
    """Outside a period."""


@dataclass(eq=False, repr=False, kw_only=True)
class NotYetValid(ValidityError):
    """Before the period begins, or from the future."""

    what: str = field(kw_only=False)
    not_before: float
    now: float
    slug = "not-yet-valid"
    usual_reason = "{what} is valid from {not_before:date}, and it is {now:date}"
    usual_remedy = "Wait until then; if that is not meant, compare the clocks of the two machines."


@dataclass(eq=False, repr=False, kw_only=True)
class Expired(ValidityError):
    """After the period."""

    what: str = field(kw_only=False)
    not_after: float
    now: float
    slug = "expired"
    usual_reason = "{what} was valid until {not_after:date}, and it is {now:date}"
    usual_remedy = "Have it issued anew; if that is not meant, compare the clocks of the two machines."


# -- the chain of hops ------------------------------------------------------------------------------------------------


class ChainError(TrustError):
    """A passport that does not lead here."""


@dataclass(eq=False, repr=False, kw_only=True)
class WrongAudience(ChainError):
    """Addressed to another place."""

    addressed: str
    audience: str | None
    slug = "wrong-audience"
    usual_reason = "the agent was sent to {addressed}, and {audience:this is @|no place was named that takes it in}"
    usual_remedy = "{audience:Deliver it to|Open it as} {addressed}{audience:|, if that is where this is}."


@dataclass(eq=False, repr=False, kw_only=True)
class StaleEpoch(ChainError):
    """Replayed, or overtaken by a later hop."""

    agent: str
    epoch: int
    last: int
    slug = "stale-epoch"
    usual_reason = "agent {agent} arrives at epoch {epoch}, and epoch {last} is known already: a replay, or an old copy"
    usual_remedy = "Discard this copy: the agent lives on at its later epoch."


@dataclass(eq=False, repr=False, kw_only=True)
class SkippedEpoch(ChainError):
    """A hop is missing."""

    agent: str
    epoch: int
    expected: int
    slug = "skipped-epoch"
    usual_reason = "agent {agent} shows epoch {epoch} where {expected} is due: a hop is missing"
    usual_remedy = "Have the sender send the whole chain."


@dataclass(eq=False, repr=False, kw_only=True)
class BrokenChain(ChainError):
    """A link does not fit the one before it, or the birth certificate.

    Attributes
    ----------
    problem, hop
        What does not fit, and the epoch of the link.
    """

    problem: str = field(kw_only=False)
    hop: int
    slug = "broken-chain"
    usual_reason = "the chain of hops breaks at hop {hop}: {problem}"
    usual_remedy = "Do not run it: ask the owner where the agent has been."


@dataclass(eq=False, repr=False, kw_only=True)
class HopLimitReached(ChainError):
    """More hops than the owner allowed."""

    agent: str
    hops: int
    limit: int
    slug = "hop-limit"
    usual_reason = "hop {hops} of agent {agent} is one too many: its owner allows {limit}"
    usual_remedy = "Launch it with a higher hop limit."


@dataclass(eq=False, repr=False, kw_only=True)
class OffItinerary(ChainError):
    """A place that the owner did not allow, or not at this turn."""

    agent: str
    place: str | None
    allowed: Sequence[str]
    hop: int
    slug = "off-itinerary"
    usual_reason = (
        "hop {hop} takes agent {agent} to {place:@|whoever has the bundle}, and its owner allows {allowed:places} there"
    )
    usual_remedy = "Launch it with {place:an itinerary that includes @|no limit of places, or send it to one of them}."


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


@dataclass(eq=False, repr=False, kw_only=True)
class NameTaken(StoreError):
    """Another trusted key has this name."""

    name: str
    key_id: str
    slug = "name-taken"
    usual_reason = "the name {name} belongs to the trusted key {key_id:key} already"
    usual_remedy = "Trust the new key under another name; or, if it is its successor, trust it as a rotation of it."


@dataclass(eq=False, repr=False, kw_only=True)
class UnknownKey(StoreError):
    """A key id that is not in the list."""

    key_id: str = field(kw_only=False)
    slug = "unknown-key"
    usual_reason = "there is no trusted key {key_id:key}"
    usual_remedy = "See them with: sojourn key list"


# -- sealing ----------------------------------------------------------------------------------------------------------


class SealError(TrustError):
    """Something sealed that cannot be opened."""


@dataclass(eq=False, repr=False, kw_only=True)
class WrongRecipient(SealError):
    """Sealed to another key."""

    sealed_to: str
    opened_by: str
    slug = "wrong-recipient"
    usual_reason = "it is sealed to key {sealed_to:key}, and {opened_by} has another"
    usual_remedy = "Open it where key {sealed_to:key} is, or have it sealed to {opened_by}."


class SealBroken(SealError):
    """Altered, cut, reordered, or not complete."""

    slug = "bad-seal"
    usual_state = "What was opened before the damage is authentic but not complete: throw it away."
