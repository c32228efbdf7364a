"""The chain of hops and branches: who held an agent, in what state, and when, from its birth on.

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
8. A branch is a hop with which a child begins: another unit of the code that the owner signed, with an id and an entry
   point of its own. Its record is signed under a type of its own, as the agent that branches; what follows in this
   chain is the child's. No id occurs twice in a line. The parent's chain goes on without the record.
9. A branch counts for epoch and hop limit, and leads where a hop might.
10. A record that stays where it is, of a branch or of a checkpoint from which the agent goes on, leads to no stop of
   the itinerary and uses none up.

Not handled: which of two chains of the same epoch came first, and whether a child's id is that of an agent of another
line. The directory decides that, by compare-and-swap.

Binary form: ``SJP1``, the count of envelopes as 4 big-endian bytes, then each with its length before it; the first is
the birth certificate.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from contextlib import suppress
from dataclasses import InitVar, dataclass, replace
from typing import Any, Final

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
from mobility.trust.strict import Integer, Maybe, Record, Schema, Text, write_canonical
from mobility.trust.trustlist import TrustedKey, TrustList, TrustSource

__all__ = ["BRANCH_RECORD_TYPE", "HOP_RECORD_TYPE", "HopRecord", "Passport", "VerifiedPassport"]

#: Names form and version, and is signed with the body: one version cannot pass for another.
HOP_RECORD_TYPE: Final = "application/vnd.sojourn.hop-record.v1+json"
BRANCH_RECORD_TYPE: Final = "application/vnd.sojourn.branch-record.v1+json"
_MAGIC: Final = b"SJP1"
_NUMBER: Final = struct.Struct(">I")
_PROOF: Final = Proof()


@dataclass(frozen=True, slots=True, kw_only=True)
class HopRecord:
    """One move, or the branch with which a child begins.

    Attributes
    ----------
    agent
        The agent's id; in a branch, the parent's.
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
    child, entry_point
        In a branch, the id of the child, and what is run as it; both None in a hop.

    Raises
    ------
    ValueError
        For one of `child` and `entry_point` without the other.
    """

    agent: str
    epoch: int
    previous: bytes
    manifest: bytes
    origin: str
    destination: str | None
    time: int
    child: str | None = None
    entry_point: str | None = None

    def __post_init__(self) -> None:
        if (self.child is None) != (self.entry_point is None):
            raise ValueError("a branch has both a child and its entry point, and a hop neither")

    @property
    def stays(self) -> bool:
        """Whether nothing leaves the place: of a branch, or of a checkpoint that a place writes for itself."""
        return self.origin == self.destination

    def sign(self, place: Identity) -> Envelope:
        """Sign it as the sending place.

        Raises
        ------
        SchemaError
            If a field cannot travel.
        """
        kind = HOP_RECORD_TYPE if self.child is None else BRANCH_RECORD_TYPE
        return Envelope.sign(kind, write_canonical(self, _FORMS[kind]), place)


def _form(**more: Schema[str]) -> Record[HopRecord]:
    fields: dict[str, Schema[Any]] = {
        "agent": NAME,
        "epoch": Integer(low=1),
        "previous": DIGEST,
        "manifest": DIGEST,
        "from": NAME,
        "to": Maybe(NAME),
        "time": TIME,
    }
    attributes = {"from": "origin", "to": "destination"}
    return Record(HopRecord, {**fields, **more}, constants={"version": 1}, attributes=attributes)


_FORMS: Final = {HOP_RECORD_TYPE: _form(), BRANCH_RECORD_TYPE: _form(child=NAME, entry_point=Text())}


@dataclass(frozen=True, slots=True)
class VerifiedPassport(Verified):
    """A chain of which every link was checked.

    Attributes
    ----------
    birth
        The birth certificate and its owner.
    hops, senders
        The records of hops and branches, and the trusted place that signed each.
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
        """The id now: after a branch, the child's."""
        return self.lineage[-1]

    @property
    def entry_point(self) -> str:
        """What is run as the agent that it is now."""
        points = [hop.entry_point for hop in self.hops if hop.entry_point is not None]
        return points[-1] if points else self.birth.certificate.entry_point

    @property
    def lineage(self) -> tuple[str, ...]:
        """All ids of the line, from the one that the owner gave to the one now."""
        return (self.birth.certificate.agent, *(hop.child for hop in self.hops if hop.child is not None))

    @property
    def parent(self) -> str | None:
        """The id of the agent from which this one branched off; None if the owner launched it itself."""
        return self.lineage[-2] if len(self.lineage) > 1 else None

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

    def stamped(
        self,
        by: Identity,
        *,
        origin: str,
        destination: str | None,
        manifest: bytes,
        time: int,
        child: str | None = None,
        entry_point: str | None = None,
    ) -> Passport:
        """The passport with the next hop, signed by the place that sends; or the first one of a child.

        Parameters
        ----------
        origin
            The place's name, as the others know it.
        destination
            Where to; None: to whoever has the bundle.
        manifest
            SHA-256 of the manifest that is sent along.
        child, entry_point
            For a branch, the id of the child, and what is run as it. The agent's own passport stays as it is.

        Raises
        ------
        BrokenChain, OffItinerary, HopLimitReached
            If no receiver would accept the hop; better known before the agent has been packed.
        ValueError
            For one of `child` and `entry_point` without the other.
        """
        record = HopRecord(
            agent=self.agent,
            epoch=self.epoch + 1,
            previous=self.digest,
            manifest=manifest,
            origin=origin,
            destination=destination,
            time=time,
            child=child,
            entry_point=entry_point,
        )
        _check_child(record, self.lineage)
        _check_way(self.birth.certificate, (*self.hops, record))
        return replace(self.passport, hops=(*self.passport.hops, record.sign(by)))


@dataclass(frozen=True, slots=True)
class Passport:
    """Birth certificate and chain as they travel: nothing in it is to be believed before `verify`."""

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
            The highest epoch of this agent that is known; None if it was never seen. A child is an agent of its own,
            whatever is known of its parent.
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
        before = [_seen_before(hop, trusted, limits) for hop in self.hops]
        links = [
            seen.link if seen is not None else verify_by_known(hop, trusted, _type_of(hop), limits)
            for hop, seen in zip(self.hops, before, strict=True)
        ]
        hops = tuple(
            seen.record if seen is not None else link.parse(_FORMS[link.payload_type], limits)
            for link, seen in zip(links, before, strict=True)
        )
        for hop, seen, link, record in zip(self.hops, before, links, hops, strict=True):
            if seen is None:
                _remember(hop, _Seen(trusted, limits, link, record))
        verified = accept_certificate(birth, trusted, now=now, epoch=len(hops), limits=limits)
        digests = [birth.digest, *(link.digest for link in links)]
        agent = _check_links(verified.certificate, hops, digests)
        senders = tuple(
            _sender(hop, link, trusted, now if hop is hops[-1] else None, limits)
            for hop, link in zip(hops, links, strict=True)
        )
        _check_way(verified.certificate, hops)
        _check_times(verified.certificate, hops, now, limits)
        _check_audience(verified.certificate, hops, audience)
        _check_fence(agent, digests, last_epoch, last_record, next_only)
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


@dataclass(frozen=True, slots=True)
class _Seen:
    """A record that was verified against a list of keys, and read within limits."""

    trusted: TrustList
    limits: Limits
    link: VerifiedEnvelope
    record: HopRecord


#: A chain comes again with each hop, one record longer. What was found about the signature and the form of the earlier
#: ones holds as long as the very same list of keys is asked; periods, way and order are looked at every time.
_MOST_SEEN: Final = 16_384
_seen: dict[Envelope, _Seen] = {}


def _seen_before(hop: Envelope, trusted: TrustList, limits: Limits) -> _Seen | None:
    found = _seen.get(hop)
    return found if found is not None and found.trusted is trusted and found.limits is limits else None


def _remember(hop: Envelope, seen: _Seen) -> None:
    while len(_seen) >= _MOST_SEEN:
        with suppress(StopIteration, RuntimeError):  # another thread makes room, too
            _seen.pop(next(iter(_seen)), None)
    _seen[hop] = seen


def _type_of(envelope: Envelope) -> str:
    """The type under which it must be signed: that of a branch only if it says so itself, which is signed as well."""
    return BRANCH_RECORD_TYPE if envelope.payload_type == BRANCH_RECORD_TYPE else HOP_RECORD_TYPE


def _check_links(certificate: BirthCertificate, hops: tuple[HopRecord, ...], digests: list[bytes]) -> str:
    """That each record continues the one before; returns the id at the end."""
    agent = certificate.agent
    line = {agent}
    for number, hop in enumerate(hops, 1):
        if hop.agent != agent:
            what = "hop" if hop.child is None else "branch"
            raise BrokenChain(f"it is a {what} of agent {hop.agent}, not of {agent}", hop=number)
        if hop.epoch < number:
            raise StaleEpoch(agent=hop.agent, epoch=hop.epoch, last=number - 1)
        if hop.epoch > number:
            raise SkippedEpoch(agent=hop.agent, epoch=hop.epoch, expected=number)
        if hop.previous != digests[number - 1]:
            raise BrokenChain("it does not continue the record before it", hop=number)
        if hop.child is not None:
            _check_child(hop, line)
            agent = hop.child
            line.add(agent)
    return agent


def _check_child(hop: HopRecord, line: Collection[str]) -> None:
    if hop.child in line:
        whose = "its own parent" if hop.child == hop.agent else "an ancestor"
        raise BrokenChain(f"agent {hop.agent} branches into {hop.child}, which is the id of {whose}", hop=hop.epoch)


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
    stop = 0
    for hop in hops:
        if here is not None and hop.origin != here:
            raise BrokenChain(f"it was sent from {hop.origin}, and the agent was at {here}", hop=hop.epoch)
        if hop.epoch > certificate.hop_limit:
            raise HopLimitReached(agent=hop.agent, hops=hop.epoch, limit=certificate.hop_limit)
        stop += not hop.stays
        if not hop.stays and not certificate.allows(hop.destination, stop):
            allowed = certificate.allowed(stop)
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
    agent: str,
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
        raise StaleEpoch(agent=agent, epoch=epoch, last=last_epoch)
    if next_only and epoch != last_epoch + 1:
        raise SkippedEpoch(agent=agent, epoch=epoch, expected=last_epoch + 1)
    if last_record is not None and digests[last_epoch] != last_record:
        raise BrokenChain("it is not the record that was seen at this epoch", hop=last_epoch)
