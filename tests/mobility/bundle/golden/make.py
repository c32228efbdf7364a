"""Wrote the golden files of format version 1: ``python -m tests.mobility.bundle.golden.make``.

It is kept to show how they came about. They are not to be written again: that later versions read *these* files is
what they are for. Keys come from the names, for nothing is secret here; sealing draws its own, so the sealed file would
differ.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from mobility.bundle import (
    Bundle,
    Encoding,
    Manifest,
    SealedPart,
    SegmentEntry,
    SegmentKind,
    Suspension,
    UnitKind,
    seal_context,
    sealed_payload,
)
from mobility.bundle.chunks import digests_of_all
from mobility.environment import Accelerator, Distribution, Needs
from mobility.trust import BirthCertificate, Identity, Passport, Role, TrustEntry, TrustList

HERE = Path(__file__).resolve().parent
BORN, MOVED = 1_900_000_000, 1_900_000_500
CODE = b"def survey(places):\n    for place in places:\n        yield place\n"
SEGMENTS = [
    (SegmentKind.CODE, CODE),
    (SegmentKind.STATE, b"the state of format version 1"),
    (SegmentKind.BUFFER, bytes(range(256))),
    (SegmentKind.BUFFER, b""),
    (SegmentKind.PREVIEW, b"places"),
]
VIEWS = [data for _, data in SEGMENTS]


def identity(name: str, role: Role) -> Identity:
    """The same at each call."""
    signing, sealing = (hashlib.sha256(f"golden {name} {use}".encode()).digest() for use in ("signing", "sealing"))
    return Identity(
        name, role, Ed25519PrivateKey.from_private_bytes(signing), X25519PrivateKey.from_private_bytes(sealing)
    )


OWNER, OSLO, LIMA = (
    identity("survey-lab", Role.OWNER),
    identity("oslo", Role.PLACE),
    identity("lima", Role.PLACE),
)


def trusted() -> TrustList:
    """Owner and places, each as what it is."""
    entries = [TrustEntry(one.public, one.name, (one.public.role,)) for one in (OWNER, OSLO, LIMA)]
    return TrustList.of(1, entries, place="lima")


def entries(sealed: bool) -> tuple[SegmentEntry, ...]:
    """With the digests that a bundle of its kind shows."""
    result = []
    for (kind, data), chunks in zip(SEGMENTS, digests_of_all(VIEWS), strict=True):
        hidden = sealed and kind is not SegmentKind.CODE
        result.append(SegmentEntry(kind, len(data), kind is SegmentKind.BUFFER, () if hidden else chunks))
    return tuple(result)


def manifest(epoch: int, sealed: SealedPart | None = None) -> bytes:
    return Manifest(
        agent="surveyor-1",
        epoch=epoch,
        unit=UnitKind.GENERATOR,
        entry_point="survey:survey",
        python="3.11.7",
        implementation="CPython",
        encodings=(Encoding.PICKLE,),
        needs=Needs(
            python_minor="3.11",
            distributions=(Distribution("numpy", "2.4.6", ("numpy",)),),
            modules=("calibration",),
            memory=1 << 20,
            processors=("x86_64",),
            operating_systems=("Linux",),
            accelerators=(Accelerator("cuda", 1, None),),
        ),
        suspension=Suspension("survey", "survey.py", 3, "yield place"),
        segments=entries(sealed is not None),
        sealed=sealed,
    ).to_bytes()


def birth(named: bytes) -> BirthCertificate:
    return BirthCertificate(
        agent="surveyor-1",
        owner=OWNER.key_id,
        entry_point="survey:survey",
        code=(hashlib.sha256(CODE).digest(),),
        arguments=hashlib.sha256(b"arguments").digest(),
        manifest=hashlib.sha256(named).digest(),
        home=None,
        not_before=BORN,
        not_after=BORN + 1000,
        hop_limit=4,
    )


def made() -> dict[str, Bundle]:
    """At birth; after a hop to lima; and the same for lima's eyes only."""
    first = manifest(0)
    passport = Passport(birth(first).sign(OWNER))
    verified = passport.verify(trusted(), now=BORN, audience=None)
    second = manifest(1)
    part, payload = sealed_payload(
        VIEWS, trusted().lookup(LIMA.key_id, Role.PLACE, MOVED, 1), seal_context("surveyor-1", 1, verified.digest)
    )
    third = manifest(1, part)

    def moved(data: bytes) -> Passport:
        digest = hashlib.sha256(data).digest()
        return verified.stamped(OSLO, origin="oslo", destination="lima", manifest=digest, time=MOVED)

    return {
        "born-v1": Bundle.assemble(passport, first, VIEWS),
        "moved-v1": Bundle.assemble(moved(second), second, VIEWS),
        "bare-v1": Bundle.assemble(moved(second), second, VIEWS).without_code(),
        "sealed-v1": Bundle.assemble(moved(third), third, payload),
    }


def main() -> None:
    for name, bundle in made().items():
        bundle.write(HERE / f"{name}.sojourn")
        (HERE / f"{name}.manifest.json").write_bytes(bundle.manifest)
    for one in (OWNER, OSLO, LIMA):
        (HERE / f"{one.name}.pub").write_bytes(one.public.to_bytes())


if __name__ == "__main__":
    main()
