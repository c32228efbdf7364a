"""The rules of a chain, one by one: see `mobility.trust.passport`."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Final

from mobility.trust.certificate import BirthCertificate
from mobility.trust.envelope import VerifiedEnvelope
from mobility.trust.errors import (
    BrokenChain,
    Expired,
    HopLimitReached,
    NotYetValid,
    OffItinerary,
    SkippedEpoch,
    StaleEpoch,
    WrongAudience,
)
from mobility.trust.keys import Role
from mobility.trust.limits import Limits
from mobility.trust.records import HopRecord
from mobility.trust.trustlist import TrustedKey, TrustList
from mobility.trust.walk import Walk

__all__ = ["check_audience", "check_child", "check_fence", "check_links", "check_times", "check_way", "sender_of"]


def check_links(certificate: BirthCertificate, hops: tuple[HopRecord, ...], digests: list[bytes]) -> str:
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
            check_child(hop, line)
            agent = hop.child
            line.add(agent)
    return agent


def check_child(hop: HopRecord, line: Collection[str]) -> None:
    if hop.child in line:
        whose = "its own parent" if hop.child == hop.agent else "an ancestor"
        raise BrokenChain(f"agent {hop.agent} branches into {hop.child}, which is the id of {whose}", hop=hop.epoch)


def sender_of(
    hop: HopRecord, link: VerifiedEnvelope, trusted: TrustList, now: float | None, limits: Limits
) -> TrustedKey:
    (signer,) = link.signers
    sender = trusted.lookup(signer.key_id, Role.PLACE, hop.time, hop.epoch, limits=limits)
    if now is not None:
        sender = trusted.lookup(signer.key_id, Role.PLACE, now, hop.epoch, limits=limits)
    if sender.name != hop.origin:
        raise BrokenChain(f"{sender.name} has signed that it was sent from {hop.origin}", hop=hop.epoch)
    return sender


def check_way(certificate: BirthCertificate, hops: tuple[HopRecord, ...], audience: str | None = None) -> None:
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
    if certificate.itinerary is not None and hops:
        _check_itinerary(certificate, hops, audience)


#: By the digest of a link: how far its agent has walked. A chain comes again with each hop, one record longer; a digest
#: stands for the whole chain up to it, birth certificate included, so what was found stays true.
_MOST_WALKS: Final = 16_384
_walks: dict[bytes, Walk] = {}


def _check_itinerary(certificate: BirthCertificate, hops: tuple[HopRecord, ...], audience: str | None) -> None:
    """That the chain is a walk; its links are known to follow each other."""
    assert certificate.itinerary is not None
    done = next((number for number in range(len(hops) - 1, 0, -1) if hops[number].previous in _walks), 0)
    walk = _walks[hops[done].previous] if done else Walk.begun(certificate.itinerary, certificate.home)
    for hop in hops[done:]:
        _remember(hop.previous, walk)
        walk = _at(walk, hop.origin, hop)  # elsewhere than before, if it came out of a file
        if hop.destination is not None:
            walk = _at(walk, hop.destination, hop)
    if hops[-1].destination is None and audience is not None:
        _at(walk, audience, hops[-1])


def _at(walk: Walk, place: str, hop: HopRecord) -> Walk:
    """At a place, to which a hop leads unless it is there; without a home, the first hop says where it begins."""
    if walk.here is None:
        return Walk(walk.left, place, None)
    if place == walk.here:
        return walk
    after = walk.to(place)
    if not after.left:
        raise OffItinerary(agent=hop.agent, place=place, allowed=walk.leads_to(), hop=hop.epoch)
    return after


def _remember(link: bytes, walk: Walk) -> None:
    while len(_walks) >= _MOST_WALKS:
        with suppress(StopIteration, RuntimeError):  # another thread makes room, too
            _walks.pop(next(iter(_walks)), None)
    _walks[link] = walk


def check_times(certificate: BirthCertificate, hops: tuple[HopRecord, ...], now: float, limits: Limits) -> None:
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


def check_audience(certificate: BirthCertificate, hops: tuple[HopRecord, ...], audience: str | None) -> None:
    addressed = hops[-1].destination if hops else certificate.home
    if audience is not None and addressed is not None and addressed != audience:
        raise WrongAudience(addressed=addressed, audience=audience)


def check_fence(
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
