"""An owner, three places and a stranger, and what they sign; made once, because making keys takes time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from mobility.trust.certificate import BirthCertificate
from mobility.trust.errors import TrustError
from mobility.trust.keys import Identity, PublicIdentity, Role
from mobility.trust.passport import Passport
from mobility.trust.records import HopRecord
from mobility.trust.trustlist import TrustEntry, TrustList

NOW = 1_900_000_000
DAY = 86_400
OWNER = Identity.generate("survey-lab", Role.OWNER)
BAKU, OSLO, LIMA = (Identity.generate(name, Role.PLACE) for name in ("baku", "oslo", "lima"))
STRANGER = Identity.generate("stranger", Role.PLACE)
PLACES = {place.name: place for place in (BAKU, OSLO, LIMA)}
CODE = hashlib.sha256(b"code").digest()
ARGUMENTS = hashlib.sha256(b"arguments").digest()
MANIFEST = hashlib.sha256(b"manifest 0").digest()


def entry(identity: Identity | PublicIdentity, **changes: Any) -> TrustEntry:
    public = identity.public if isinstance(identity, Identity) else identity
    return TrustEntry(**{"public": public, "name": public.name, "roles": (public.role,), **changes})


def trusted(*entries: TrustEntry) -> TrustList:
    """A list of owner and places; the entries given stand in for the usual ones of their keys."""
    usual = {one.key_id: entry(one) for one in (OWNER, BAKU, OSLO, LIMA)}
    return TrustList.of(1, {**usual, **{one.key_id: one for one in entries}}.values(), place="lima")


def certificate(**changes: Any) -> BirthCertificate:
    fields: dict[str, Any] = {
        "agent": "surveyor-1",
        "owner": OWNER.key_id,
        "entry_point": "survey:survey",
        "code": (CODE,),
        "arguments": ARGUMENTS,
        "manifest": MANIFEST,
        "home": "baku",
        "not_before": NOW - DAY,
        "not_after": NOW + DAY,
        "hop_limit": 8,
    }
    return BirthCertificate(**{**fields, **changes})


def born(**changes: Any) -> Passport:
    return Passport(certificate(**changes).sign(OWNER))


def travelled(*stops: str, start: Passport | None = None, **changes: Any) -> Passport:
    """A passport with a hop per stop, one second apart, as honest places make it."""
    passport = start or born(**changes)
    for stop in stops:
        passport = hopped(passport, destination=stop)
    return passport


def hopped(passport: Passport, by: Identity | None = None, **changes: Any) -> Passport:
    """One more hop, with whatever in it is to be wrong."""
    here = "baku" if not passport.hops else _field(passport.hops[-1].body, '"to":"')
    links = (passport.birth, *passport.hops)
    number = len(links)
    children = [_field(hop.body, '"child":"') for hop in passport.hops if b'"child":"' in hop.body]
    now = children[-1] if children else _field(passport.birth.body, '"agent":"')
    fields: dict[str, Any] = {
        "agent": now,
        "epoch": number,
        "previous": links[-1].digest,
        "manifest": hashlib.sha256(b"manifest %d" % number).digest(),
        "origin": here,
        "destination": "oslo",
        "time": NOW - 100 + number,
    }
    record = HopRecord(**{**fields, **changes})
    return Passport(passport.birth, (*passport.hops, record.sign(by or PLACES[here])))


def branched(passport: Passport, child: str, **changes: Any) -> Passport:
    """One more record, by which a child begins."""
    return hopped(passport, **{"child": child, "entry_point": "survey:count", **changes})


def _field(body: bytes, opening: str) -> str:
    return body.decode().partition(opening)[2].partition('"')[0]


def refused(error: type[TrustError], call: Callable[[], object]) -> Any:
    """The error, which must be of exactly this kind, and complete."""
    with pytest.raises(TrustError) as caught:
        call()
    assert type(caught.value) is error, repr(caught.value)
    assert f"({error.slug})" in str(caught.value) and caught.value.state and caught.value.remedy
    return caught.value
