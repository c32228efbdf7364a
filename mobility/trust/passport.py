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
11. Where the owner has signed an itinerary, the chain as a whole, from the agent's birth on and through all branches,
   is a walk of it (`mobility.trust.itinerary`). What is sent to whoever has it may go on where it was, or where a hop
   might lead; it is refused elsewhere.

Not handled: which of two chains of the same epoch came first, and whether a child's id is that of an agent of another
line. The directory decides that, by compare-and-swap.

Binary form: ``SJP1``, the count of envelopes as 4 big-endian bytes, then each with its length before it; the first is
the birth certificate.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import InitVar, dataclass, replace
from typing import Final

from mobility.trust._chain import (
    check_audience,
    check_child,
    check_fence,
    check_links,
    check_times,
    check_way,
    sender_of,
)
from mobility.trust._proof import Proof, Verified
from mobility.trust.certificate import (
    VerifiedCertificate,
    accept_certificate,
    certificate_type,
    verify_by_known,
)
from mobility.trust.envelope import Envelope, VerifiedEnvelope
from mobility.trust.errors import EnvelopeInvalid
from mobility.trust.keys import Identity
from mobility.trust.limits import DEFAULT_LIMITS, Limits
from mobility.trust.records import BRANCH_RECORD_TYPE, FORMS, HOP_RECORD_TYPE, HopRecord
from mobility.trust.trustlist import TrustedKey, TrustList, TrustSource

__all__ = ["Passport", "VerifiedPassport"]

_MAGIC: Final = b"SJP1"
_NUMBER: Final = struct.Struct(">I")
_PROOF: Final = Proof()


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

    def __repr__(self) -> str:
        return f"<VerifiedPassport of {self.agent}, epoch {self.epoch}, by {self.sender}>"

    def _repr_html_(self) -> str:
        from mobility.display.papers import verified_passport_card
        from mobility.display.sheet import safe_html

        return safe_html("passport", "", lambda: verified_passport_card(self))

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
        check_child(record, self.lineage)
        check_way(self.birth.certificate, (*self.hops, record))
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
        birth = verify_by_known(self.birth, trusted, certificate_type(self.birth), limits)
        before = [_seen_before(hop, trusted, limits) for hop in self.hops]
        links = [
            seen.link if seen is not None else verify_by_known(hop, trusted, _type_of(hop), limits)
            for hop, seen in zip(self.hops, before, strict=True)
        ]
        hops = tuple(
            seen.record if seen is not None else link.parse(FORMS[link.payload_type], limits)
            for link, seen in zip(links, before, strict=True)
        )
        for hop, seen, link, record in zip(self.hops, before, links, hops, strict=True):
            if seen is None:
                _remember(hop, _Seen(trusted, limits, link, record))
        verified = accept_certificate(birth, trusted, now=now, epoch=len(hops), limits=limits)
        digests = [birth.digest, *(link.digest for link in links)]
        agent = check_links(verified.certificate, hops, digests)
        senders = tuple(
            sender_of(hop, link, trusted, now if hop is hops[-1] else None, limits)
            for hop, link in zip(hops, links, strict=True)
        )
        check_way(verified.certificate, hops, audience)
        check_times(verified.certificate, hops, now, limits)
        check_audience(verified.certificate, hops, audience)
        check_fence(agent, digests, last_epoch, last_record, next_only)
        return VerifiedPassport(verified, hops, senders, self, digests[-1], _PROOF)

    def __repr__(self) -> str:
        return f"<Passport of epoch {len(self.hops)}, not verified>"

    def _repr_html_(self) -> str:
        from mobility.display.papers import passport_card
        from mobility.display.sheet import safe_html

        return safe_html("passport", "", lambda: passport_card(self))

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
