"""The chain of hops: who held an agent, in what state, and when, from its birth on.

Rules
-----
1. Hop n has epoch n, from 1 on, without gaps. It names the digest of the record before it, the first one that of the
   birth certificate; so no link can be dropped, reordered or taken from another agent.
2. The sending place signs a hop, and the name by which the list of trusted keys knows it is the ``from`` of the hop.
   Each hop starts where the one before it led, the first one at the certificate's home. A hop that names no
   destination leads to whoever has the bundle: the owner must allow every place, and the next hop starts anywhere.
3. Signatures first, then the forms; then signers, itinerary and time; then the epoch fence.
4. Times do not run backwards by more than the clocks may differ, and none is in the future. A place's key must have
   been valid at the time of its hop, and the last sender's and the owner's key must be valid now.
5. A key that was revoked from an epoch on is refused for the hops from there on; the owner's, for the whole agent.
6. The audience is the place to which the last hop leads. Without a hop the agent is still at home.
7. The last link names the manifest of what is sent along, and so signs it: there is no further signature.

Not handled: which of two chains of the same epoch came first. The directory decides that, by compare-and-swap.

Binary form: ``SJP1``, the count of envelopes as 4 big-endian bytes, then each with its length before it; the first is
the birth certificate.
"""

from __future__ import annotations

import struct
from dataclasses import InitVar, dataclass, replace
from typing import Final

from mobility.trust._naming import DIGEST, NAME, TIME
from mobility.trust._proof import Proof, Verified
from mobility.trust.certificate import (
    BIRTH_CERTIFICATE_TYPE,
    BirthCertificate,
    VerifiedCertificate,
    accept_certificate,
    verify_by_known,
)
from mobility.trust.envelope import Envelope, VerifiedEnvelope
from mobility.trust.errors import (
    BrokenChain,
    EnvelopeInvalid,
    Expired,
    HopLimitReached,
    NotYetValid,
    OffItinerary,
    SkippedEpoch,
    StaleEpoch,
    WrongAudience,
)
from mobility.trust.keys import Identity, Role
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.strict import Integer, Maybe, Record, write_canonical
from mobility.trust.trustlist import TrustedKey, TrustList, TrustSource

__all__ = ["HOP_RECORD_TYPE", "HopRecord", "Passport", "VerifiedPassport"]

#: Names form and version, and is signed with the body: one version cannot pass for another.
HOP_RECORD_TYPE: Final = "application/vnd.sojourn.hop-record.v1+json"
_MAGIC: Final = b"SJP1"
_NUMBER: Final = struct.Struct(">I")
_PROOF: Final = Proof()


@dataclass(frozen=True, slots=True, kw_only=True)
class HopRecord:
    """One move.

    Attributes
    ----------
    agent
        The agent's id.
    epoch
        1 for the first hop.
    previous
        Digest of the envelope before: of the birth certificate for the first hop, else of the last hop.
    manifest
        SHA-256 of the manifest of what was sent.
    origin, destination
        From and to which place; without a destination, to whoever has the bundle.
    time
        Unix time at the sending place.
    """

    agent: str
    epoch: int
    previous: bytes
    manifest: bytes
    origin: str
    destination: str | None
    time: int

    def sign(self, place: Identity) -> Envelope:
        """Sign it as the sending place.

        Raises
        ------
        SchemaError
            If a field cannot travel.
        """
        return Envelope.sign(HOP_RECORD_TYPE, write_canonical(self, _HOP), place)


_HOP: Final = Record(
    HopRecord,
    {
        "agent": NAME,
        "epoch": Integer(low=1),
        "previous": DIGEST,
        "manifest": DIGEST,
        "from": NAME,
        "to": Maybe(NAME),
        "time": TIME,
    },
    constants={"version": 1},
    attributes={"from": "origin", "to": "destination"},
)


@dataclass(frozen=True, slots=True)
class VerifiedPassport(Verified):
    """A chain of which every link was checked.

    Attributes
    ----------
    birth
        The birth certificate and its owner.
    hops, senders
        The hop records, and the trusted place that signed each.
    passport
        The bytes that were verified, to send on.
    digest
        Of the last link: `previous` of the next hop.
    """

    birth: VerifiedCertificate
    hops: tuple[HopRecord, ...]
    senders: tuple[TrustedKey, ...]
    passport: Passport
    digest: bytes
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        self._require(proof, _PROOF)

    @property
    def agent(self) -> str:
        return self.birth.certificate.agent

    @property
    def owner(self) -> TrustedKey:
        return self.birth.owner

    @property
    def epoch(self) -> int:
        """0 before the first hop."""
        return len(self.hops)

    @property
    def place(self) -> str | None:
        """Where the agent is now, as far as the chain tells; None if it is sent to nobody in particular."""
        return self.hops[-1].destination if self.hops else self.birth.certificate.home

    @property
    def manifest(self) -> bytes:
        """SHA-256 of the manifest of what was sent along with this passport."""
        return self.hops[-1].manifest if self.hops else self.birth.certificate.manifest

    @property
    def sender(self) -> TrustedKey:
        """Who vouches for the state: the place of the last hop; before the first, the owner."""
        return self.senders[-1] if self.senders else self.owner

    def stamped(self, by: Identity, *, origin: str, destination: str | None, manifest: bytes, time: int) -> Passport:
        """The passport with the next hop, signed by the place that sends.

        Parameters
        ----------
        origin
            The place's name, as the others know it.
        destination
            Where to; None: to whoever has the bundle.
        manifest
            SHA-256 of the manifest that is sent along.

        Raises
        ------
        BrokenChain, OffItinerary, HopLimitReached
            If no receiver would accept the hop; better known before the agent has been packed.
        """
        record = HopRecord(
            agent=self.agent,
            epoch=self.epoch + 1,
            previous=self.digest,
            manifest=manifest,
            origin=origin,
            destination=destination,
            time=time,
        )
        _check_way(self.birth.certificate, (*self.hops, record))
        return replace(self.passport, hops=(*self.passport.hops, record.sign(by)))


@dataclass(frozen=True, slots=True)
class Passport:
    """Birth certificate and hop chain as they travel: nothing in it is to be believed before `verify`."""

    birth: Envelope
    hops: tuple[Envelope, ...] = ()

    def verify(
        self,
        trust: TrustSource,
        *,
        now: float,
        audience: str | None,
        last_epoch: int | None = None,
        last_record: bytes | None = None,
        next_only: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> VerifiedPassport:
        """Check every link.

        Parameters
        ----------
        now
            Unix time.
        audience
            The place that receives; None only to look at a passport, not to let an agent in.
        last_epoch
            The highest epoch of this agent that is known; None if it was never seen.
        last_record
            Digest of the link of that epoch: a chain with another one there has another history.
        next_only
            Whether the epoch must be the one after `last_epoch`, because what is known is known to be the newest.

        Raises
        ------
        TooLarge, WrongPayloadType, SchemaError, SignerError, ValidityError, ChainError
        """
        limits.check("hops", len(self.hops), "the number of hops")
        trusted = trust.current()  # one version of the list for the whole chain
        birth = verify_by_known(self.birth, trusted, BIRTH_CERTIFICATE_TYPE, limits)
        links = [verify_by_known(hop, trusted, HOP_RECORD_TYPE, limits) for hop in self.hops]
        hops = tuple(link.parse(_HOP, limits) for link in links)
        verified = accept_certificate(birth, trusted, now=now, epoch=len(hops), limits=limits)
        digests = [birth.digest, *(link.digest for link in links)]
        _check_links(verified.certificate, hops, digests)
        senders = tuple(
            _sender(hop, link, trusted, now if hop is hops[-1] else None, limits)
            for hop, link in zip(hops, links, strict=True)
        )
        _check_way(verified.certificate, hops)
        _check_times(verified.certificate, hops, now, limits)
        _check_audience(verified.certificate, hops, audience)
        _check_fence(verified.certificate, digests, last_epoch, last_record, next_only)
        return VerifiedPassport(verified, hops, senders, self, digests[-1], _PROOF)

    # -- the binary form

    def to_bytes(self) -> bytes:
        """The binary form."""
        parts = [_MAGIC, _NUMBER.pack(1 + len(self.hops))]
        for envelope in (self.birth, *self.hops):
            data = envelope.to_bytes()
            parts += [_NUMBER.pack(len(data)), data]
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, limits: Limits = DEFAULT_LIMITS) -> Passport:
        """Read the binary form.

        Raises
        ------
        TooLarge, EnvelopeInvalid
        """
        view = memoryview(data).cast("B")
        limits.check("envelope_bytes", len(view), "the passport")
        if len(view) < 8 or bytes(view[:4]) != _MAGIC:
            raise EnvelopeInvalid("these bytes do not begin as a passport of version 1")
        (count,) = _NUMBER.unpack_from(view, 4)
        limits.check("hops", count - 1, "the declared number of hops")
        envelopes, start = [], 8
        for _ in range(count):
            if len(view) < start + 4:
                raise EnvelopeInvalid("the passport ends before its last envelope")
            (size,) = _NUMBER.unpack_from(view, start)
            if size > len(view) - start - 4:
                raise EnvelopeInvalid("the passport ends within an envelope")
            envelopes.append(Envelope.from_bytes(view[start + 4 : start + 4 + size], limits))
            start += 4 + size
        if start != len(view):
            raise EnvelopeInvalid(f"{len(view) - start} bytes follow the passport")
        if not envelopes:
            raise EnvelopeInvalid("the passport has no birth certificate")
        return cls(envelopes[0], tuple(envelopes[1:]))


def _check_links(certificate: BirthCertificate, hops: tuple[HopRecord, ...], digests: list[bytes]) -> None:
    for number, hop in enumerate(hops, 1):
        if hop.agent != certificate.agent:
            raise BrokenChain(f"it is a hop of agent {hop.agent}, not of {certificate.agent}", hop=number)
        if hop.epoch < number:
            raise StaleEpoch(agent=hop.agent, epoch=hop.epoch, last=number - 1)
        if hop.epoch > number:
            raise SkippedEpoch(agent=hop.agent, epoch=hop.epoch, expected=number)
        if hop.previous != digests[number - 1]:
            raise BrokenChain("it does not continue the record before it", hop=number)


def _sender(
    hop: HopRecord, link: VerifiedEnvelope, trusted: TrustList, now: float | None, limits: Limits
) -> TrustedKey:
    (signer,) = link.signers
    sender = trusted.lookup(signer.key_id, Role.PLACE, hop.time, hop.epoch, limits=limits)
    if now is not None:
        sender = trusted.lookup(signer.key_id, Role.PLACE, now, hop.epoch, limits=limits)
    if sender.name != hop.origin:
        raise BrokenChain(f"{sender.name} has signed that it was sent from {hop.origin}", hop=hop.epoch)
    return sender


def _check_way(certificate: BirthCertificate, hops: tuple[HopRecord, ...]) -> None:
    here = certificate.home
    for hop in hops:
        if here is not None and hop.origin != here:
            raise BrokenChain(f"it was sent from {hop.origin}, and the agent was at {here}", hop=hop.epoch)
        if hop.epoch > certificate.hop_limit:
            raise HopLimitReached(agent=hop.agent, hops=hop.epoch, limit=certificate.hop_limit)
        if not certificate.allows(hop.destination, hop.epoch):
            allowed = certificate.allowed(hop.epoch)
            raise OffItinerary(agent=hop.agent, place=hop.destination, allowed=allowed, hop=hop.epoch)
        here = hop.destination


def _check_times(certificate: BirthCertificate, hops: tuple[HopRecord, ...], now: float, limits: Limits) -> None:
    latest = certificate.not_before
    for hop in hops:
        what = f"hop {hop.epoch} of agent {hop.agent}"
        if hop.time > now + limits.clock_skew:
            raise NotYetValid(what, not_before=hop.time, now=now)
        if hop.time > certificate.not_after + limits.clock_skew:
            raise Expired(what, not_after=certificate.not_after, now=hop.time)
        if hop.time < latest - limits.clock_skew:
            raise BrokenChain("it is dated before what precedes it", hop=hop.epoch)
        latest = max(latest, hop.time)


def _check_audience(certificate: BirthCertificate, hops: tuple[HopRecord, ...], audience: str | None) -> None:
    addressed = hops[-1].destination if hops else certificate.home
    if audience is not None and addressed is not None and addressed != audience:
        raise WrongAudience(addressed=addressed, audience=audience)


def _check_fence(
    certificate: BirthCertificate,
    digests: list[bytes],
    last_epoch: int | None,
    last_record: bytes | None,
    next_only: bool,
) -> None:
    epoch = len(digests) - 1
    if last_epoch is None:
        if last_record is not None or next_only:
            raise ValueError("what is known of the agent needs a last epoch")
        return
    if epoch <= last_epoch:
        raise StaleEpoch(agent=certificate.agent, epoch=epoch, last=last_epoch)
    if next_only and epoch != last_epoch + 1:
        raise SkippedEpoch(agent=certificate.agent, epoch=epoch, expected=last_epoch + 1)
    if last_record is not None and digests[last_epoch] != last_record:
        raise BrokenChain("it is not the record that was seen at this epoch", hop=last_epoch)
