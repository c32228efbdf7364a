"""What the owner signs, once: which code an agent is, where it may go, what it may ask for, and for how long."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import InitVar, dataclass
from typing import Any, Final

from mobility.trust._naming import DIGEST, KEY_ID, LAST_MOMENT, NAME, TIME
from mobility.trust._proof import Proof, Verified
from mobility.trust.envelope import Envelope, VerifiedEnvelope
from mobility.trust.errors import BadSignature, Expired, NotYetValid
from mobility.trust.itinerary import ITINERARY, Itinerary, OnFailure, check_itinerary, spelled_out, stops_of
from mobility.trust.keys import Identity, PublicIdentity, Role
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.strict import Array, Boolean, Integer, Maybe, Record, Schema, Text, write_canonical
from mobility.trust.trustlist import TrustedKey, TrustList, TrustSource

__all__ = [
    "BIRTH_CERTIFICATE_TYPE",
    "BIRTH_CERTIFICATE_TYPES",
    "BirthCertificate",
    "VerifiedCertificate",
    "certificate_type",
    "verify_by_known",
    "verify_certificate",
]

#: Names form and version, and is signed with the body: one version cannot pass for another.
BIRTH_CERTIFICATE_TYPE: Final = "application/vnd.sojourn.birth-certificate.v1+json"
#: The one with an itinerary; without one it is written as version 1.
_WITH_ITINERARY: Final = "application/vnd.sojourn.birth-certificate.v2+json"
_PROOF: Final = Proof()


@dataclass(frozen=True, slots=True, kw_only=True)
class BirthCertificate:
    """Immutable for the agent's whole life.

    Attributes
    ----------
    agent
        The agent's id.
    owner
        Key id of the owner; nobody else's signature will do.
    entry_point
        What is run: ``"survey:survey"``.
    code
        SHA-256 of each code segment.
    arguments
        SHA-256 of the encoded arguments.
    manifest
        SHA-256 of the manifest of the bundle in which the agent is born.
    home
        The place where the agent is born, so that no other can send it on its first hop; None: any.
    places
        Where it may go; None: anywhere.
    in_order
        Whether `places` are the stops one by one: hop n leads to the n-th of them.
    capabilities
        What it may ask for.
    not_before, not_after
        Unix time; both moments are within.
    hop_limit
        How many hops it may make.
    itinerary
        Where it may go, and in which order, as `mobility.trust.itinerary` has it; None: as `places` say.

    Raises
    ------
    ValueError
        For an empty period, an order without places, an itinerary beside places, or one that leads home where there is
        no home; `ItineraryInvalid` for one that is too large.
    """

    agent: str
    owner: str
    entry_point: str
    code: tuple[bytes, ...]
    arguments: bytes
    manifest: bytes
    home: str | None = None
    places: tuple[str, ...] | None = None
    in_order: bool = False
    capabilities: tuple[str, ...] = ()
    not_before: int
    not_after: int
    hop_limit: int = 32
    itinerary: Itinerary | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.not_before <= self.not_after <= LAST_MOMENT:
            raise ValueError("not_before is after not_after, or one of them is not of this era")
        if self.in_order and self.places is None:
            raise ValueError("an order needs places")
        if self.itinerary is not None:
            self._check_itinerary(self.itinerary)

    def _check_itinerary(self, itinerary: Itinerary) -> None:
        check_itinerary(itinerary)
        if self.places is not None:
            raise ValueError("an agent has either an itinerary or places")
        leads_home = any(stop.on_failure is OnFailure.HOME for stop in stops_of(spelled_out(itinerary)))
        if leads_home and self.home is None:
            raise ValueError("its itinerary leads home, and it has no home")

    def allows(self, place: str | None, hop: int) -> bool:
        """Whether hop number `hop` (from 1) may lead to `place`; None, to whoever has the bundle, only if any may."""
        return self.places is None or place in self.allowed(hop)

    def allowed(self, hop: int) -> tuple[str, ...]:
        """The places to which hop number `hop` may lead, if they are limited at all."""
        places = self.places or ()
        return places[hop - 1 : hop] if self.in_order else places

    def sign(self, owner: Identity) -> Envelope:
        """Sign it.

        Raises
        ------
        ValueError
            If it names another owner.
        SchemaError
            If a field cannot travel.
        """
        if owner.key_id != self.owner:
            raise ValueError(f"the certificate names the owner {self.owner[:16]}, and {owner.public} would sign it")
        kind = BIRTH_CERTIFICATE_TYPE if self.itinerary is None else _WITH_ITINERARY
        return Envelope.sign(kind, write_canonical(self, _FORMS[kind]), owner)


def _form(version: int, **more: Schema[Any]) -> Record[BirthCertificate]:
    return Record(BirthCertificate, {**_FIELDS, **more}, constants={"version": version})


_FIELDS: Final[dict[str, Schema[Any]]] = {
    "agent": NAME,
    "owner": KEY_ID,
    "entry_point": Text(),
    "code": Array(DIGEST, most=65_536, unique=True),
    "arguments": DIGEST,
    "manifest": DIGEST,
    "home": Maybe(NAME),
    "places": Maybe(Array(NAME, most=4096)),
    "in_order": Boolean(),
    "capabilities": Array(Text(re.compile(r"[a-z0-9][a-z0-9._:/*-]*"), most=128), most=256, unique=True),
    "not_before": TIME,
    "not_after": TIME,
    "hop_limit": Integer(),
}
_FORMS: Final = {BIRTH_CERTIFICATE_TYPE: _form(1), _WITH_ITINERARY: _form(2, itinerary=ITINERARY)}
#: All forms of a certificate.
BIRTH_CERTIFICATE_TYPES: Final = tuple(_FORMS)


def certificate_type(envelope: Envelope) -> str:
    """The type under which it must be signed: the one that it names if that is of a certificate, else the first one."""
    return envelope.payload_type if envelope.payload_type in _FORMS else BIRTH_CERTIFICATE_TYPE


@dataclass(frozen=True, slots=True)
class VerifiedCertificate(Verified):
    """A birth certificate that a trusted owner has signed, and that was valid when it was verified."""

    certificate: BirthCertificate
    owner: TrustedKey
    digest: bytes
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        self._require(proof, _PROOF)


def verify_by_known(envelope: Envelope, trusted: TrustList, payload_type: str, limits: Limits) -> VerifiedEnvelope:
    """Check the signature of an envelope by a key of the list, whatever that key may do.

    What it may do is asked after parsing, when role, time and epoch are known.

    Raises
    ------
    TooLarge, UntrustedSigner, BadSignature, WrongPayloadType
    """
    limits.check("signatures", len(envelope.signatures), "the number of signatures")
    keys: Iterable[PublicIdentity]
    if any(not signature.key_id for signature in envelope.signatures):
        keys = [entry.public for entry in trusted.listed]
    else:
        found = (trusted.entries.get(signature.key_id) for signature in envelope.signatures)
        keys = [entry.public for entry in found if entry is not None]
    return envelope.verify(keys, payload_type=payload_type, limits=limits, place=trusted.place)


def verify_certificate(
    envelope: Envelope, trust: TrustSource, *, now: float, epoch: int = 0, limits: Limits = DEFAULT_LIMITS
) -> VerifiedCertificate:
    """Check a birth certificate: signature, form, owner and period, in this order.

    Parameters
    ----------
    now
        Unix time.
    epoch
        At which the agent is: an owner's key may be revoked from an epoch on.

    Raises
    ------
    TooLarge, WrongPayloadType, SchemaError, SignerError, ValidityError
    """
    trusted = trust.current()
    verified = verify_by_known(envelope, trusted, certificate_type(envelope), limits)
    return accept_certificate(verified, trusted, now=now, epoch=epoch, limits=limits)


def accept_certificate(
    verified: VerifiedEnvelope, trusted: TrustList, *, now: float, epoch: int, limits: Limits
) -> VerifiedCertificate:
    """The second half of `verify_certificate`, once the signature is known to be good."""
    certificate = verified.parse(_FORMS[verified.payload_type], limits)
    (signer,) = verified.signers
    if signer.key_id != certificate.owner:
        raise BadSignature([certificate.owner])
    owner = trusted.lookup(signer.key_id, Role.OWNER, now, epoch, limits=limits)
    what = f"the birth certificate of agent {certificate.agent}"
    if now < certificate.not_before - limits.clock_skew:
        raise NotYetValid(what, not_before=certificate.not_before, now=now)
    if now > certificate.not_after + limits.clock_skew:
        raise Expired(what, not_after=certificate.not_after, now=now)
    return VerifiedCertificate(certificate, owner, verified.digest, _PROOF)
