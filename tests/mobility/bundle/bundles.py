"""Bundles as an owner and honest places make them, and with whatever in them is to be wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from mobility.bundle import (
    Bundle,
    Encoding,
    Manifest,
    SealedPart,
    SegmentEntry,
    SegmentKind,
    UnitKind,
    VerifiedBundle,
    seal_context,
    sealed_payload,
)
from mobility.bundle.chunks import digests_of_all
from mobility.bundle.payload import Payload
from mobility.environment import Accelerator, Distribution, Needs
from mobility.errors import MobilityError
from mobility.trust.keys import Role
from mobility.trust.passport import Passport
from mobility.trust.trustlist import TrustedKey, TrustList
from tests.mobility.trust.people import LIMA, NOW, OWNER, certificate, hopped, trusted

SOURCE = b"def survey(places):\n    yield from places\n"
NEEDS = Needs(
    distributions=(Distribution("numpy", "2.4.6", ("numpy",)),),
    modules=("sensors.calibration",),
    memory=1 << 30,
    processors=("x86_64", "aarch64"),
    accelerators=(Accelerator("cuda", 1, None),),
)
TRUST: TrustList = trusted()
TO_LIMA: TrustedKey = TRUST.lookup(LIMA.key_id, Role.PLACE, NOW, 0)


@dataclass(frozen=True, slots=True)
class Content:
    """What is to travel."""

    code: tuple[bytes, ...] = (SOURCE,)
    state: bytes = b"state"
    buffers: tuple[bytes, ...] = ()
    preview: bytes | None = None
    writable: bool = True
    luggage: bytes | None = None

    @property
    def segments(self) -> list[tuple[SegmentKind, bytes]]:
        result = [(SegmentKind.CODE, code) for code in self.code]
        result.append((SegmentKind.STATE, self.state))
        result += [(SegmentKind.BUFFER, buffer) for buffer in self.buffers]
        last = ((SegmentKind.PREVIEW, self.preview), (SegmentKind.LUGGAGE, self.luggage))
        return result + [(kind, data) for kind, data in last if data is not None]

    @property
    def views(self) -> list[bytes]:
        return [data for _, data in self.segments]

    def entries(self, sealed: bool = False) -> tuple[SegmentEntry, ...]:
        return tuple(
            SegmentEntry(
                kind,
                len(data),
                self.writable and kind is SegmentKind.BUFFER,
                () if sealed and kind is not SegmentKind.CODE else chunks,
            )
            for (kind, data), chunks in zip(self.segments, digests_of_all(self.views), strict=True)
        )


SMALL = Content(buffers=(b"first buffer", b"", b"third"), preview=b"places = ['oslo']")


def manifest_of(content: Content, epoch: int, sealed: SealedPart | None = None, **changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "agent": "surveyor-1",
        "epoch": epoch,
        "unit": UnitKind.GENERATOR,
        "entry_point": "survey:survey",
        "python": "3.11.7",
        "implementation": "CPython",
        "encodings": (Encoding.PICKLE, Encoding.DILL),
        "needs": NEEDS,
        "segments": content.entries(sealed is not None),
        "sealed": sealed,
    }
    return Manifest(**{**fields, **changes})


def passport_for(
    manifest: bytes, stops: Sequence[str | None] = (), code: Sequence[bytes] = (SOURCE,), **changes: Any
) -> Passport:
    """A passport whose last link names the SHA-256 of these bytes, whatever they are."""
    digest = hashlib.sha256(manifest).digest()
    digests = tuple(hashlib.sha256(one).digest() for one in code)
    usual: dict[str, Any] = {"code": digests, "home": "baku" if stops else None}
    if not stops:
        usual["manifest"] = digest
    passport = Passport(certificate(**{**usual, **changes}).sign(OWNER))
    for number, stop in enumerate(stops, 1):
        last = {"manifest": digest} if number == len(stops) else {}
        passport = hopped(passport, destination=stop, **last)
    return passport


def make(
    content: Content = SMALL,
    stops: Sequence[str | None] = (),
    *,
    seal_to: TrustedKey | None = None,
    omits_code: bool = False,
    changes: dict[str, Any] | None = None,
    born: dict[str, Any] | None = None,
) -> Bundle:
    """An honest bundle; `changes` are of its manifest, `born` of its birth certificate."""
    epoch, views = len(stops), content.views
    kept = views[len(content.code) :] if omits_code else views
    sealed: SealedPart | None = None
    payload: Payload | Sequence[bytes] = kept
    if seal_to is not None:
        before = passport_for(b"", stops, content.code, **(born or {}))
        previous = (before.birth, *before.hops)[epoch - 1].digest if epoch else None
        sealed, payload = sealed_payload(kept, seal_to, seal_context("surveyor-1", epoch, previous))
    manifest = manifest_of(content, epoch, sealed, **(changes or {})).to_bytes()
    passport = passport_for(manifest, stops, content.code, **(born or {}))
    return Bundle.assemble(passport, manifest, payload, omits_code=omits_code)


def with_manifest(bundle: Bundle, manifest: bytes, stops: Sequence[str | None] = (), **born: Any) -> Bundle:
    """The same segments with another manifest, which trusted keys have signed."""
    return replace(bundle, manifest=manifest, passport=passport_for(manifest, stops, **born))


def check(bundle: Bundle, **options: Any) -> VerifiedBundle:
    return bundle.verify(TRUST, **{"now": NOW, **options})


def refused(error: type[MobilityError], call: Callable[[], object]) -> Any:
    """The error, which must be of exactly this kind, and complete."""
    with pytest.raises(MobilityError) as caught:
        call()
    assert type(caught.value) is error, repr(caught.value)
    assert f"({error.slug})" in str(caught.value)
    assert getattr(caught.value, "state") and getattr(caught.value, "remedy")
    return caught.value


@dataclass(slots=True)
class Reader:
    """A stream that has only `read`, gives few bytes at a time, and counts them."""

    data: bytes
    step: int = 1000
    given: int = field(default=0, init=False)

    def read(self, size: int) -> bytes:
        piece = self.data[self.given : self.given + min(size, self.step)]
        self.given += len(piece)
        return piece
