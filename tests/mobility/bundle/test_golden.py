"""Files that format version 1 has written are read for ever, by every later version."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from mobility.bundle import Bundle, VerifiedBundle, receive, unpack
from mobility.bundle.errors import SealedBundle
from mobility.errors import MobilityError
from mobility.trust import PublicIdentity, TrustEntry, TrustList
from mobility.trust.errors import Expired, WrongAudience
from tests.mobility.bundle.bundles import refused
from tests.mobility.bundle.golden import make

HERE = Path(make.__file__).parent
NAMES = ["born-v1", "moved-v1", "bare-v1", "sealed-v1"]
#: Of the files: what is not to change.
DIGESTS = {
    "born-v1": "e2f0e9db29fb6ecf5a30c9ee66b8c946f019373caf495c309f34b81b81cb7513",
    "moved-v1": "96a4d7f0885137cf8d898dd9e1c9209d5cc14c5f6f14ce47e6a9c5a63c9918d2",
    "bare-v1": "097b2d4b43d3fc817902397d86b7ea521d009b90d7c2787f7fd4a25f9c8c5524",
    "sealed-v1": "de130f44109e0eabcaf882e64b1e76bcd6a12ed66b0256aa98024bba9edfa073",
}


def trusted() -> TrustList:
    """By the public keys that lie beside the bundles."""
    found = [PublicIdentity.from_bytes((HERE / f"{name}.pub").read_bytes()) for name in ("survey-lab", "oslo", "lima")]
    return TrustList.of(1, [TrustEntry(public, public.name, (public.role,)) for public in found])


def options(name: str) -> dict[str, Any]:
    return {
        "audience": None if name == "born-v1" else "lima",
        "now": make.BORN + 600,
        "identity": make.LIMA if name == "sealed-v1" else None,
        "codes": {hashlib.sha256(make.CODE).digest(): make.CODE}.get if name == "bare-v1" else None,
    }


@pytest.mark.parametrize("name", NAMES)
def test_read_and_verified(name: str) -> None:
    """With every field as it was written, from either way in."""
    path = HERE / f"{name}.sojourn"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGESTS[name]
    with open(path, "rb") as file:
        verdicts: list[VerifiedBundle] = [
            Bundle.read(path).verify(trusted(), **options(name)),
            receive(file, trusted(), **options(name)),
        ]
    for verified in verdicts:
        assert verified.code == (make.CODE,)
        assert [verified.state, *verified.buffers, verified.preview] == make.VIEWS[1:]
        assert [view.readonly for view in verified.writable_buffers()] == [False, False]
        manifest = verified.manifest
        assert manifest.to_bytes() == (HERE / f"{name}.manifest.json").read_bytes()
        if manifest.sealed is None:
            assert manifest.to_bytes() == make.manifest(verified.passport.epoch)
        else:
            assert manifest.to_bytes() == make.manifest(1, manifest.sealed)
        assert manifest.suspension is not None and manifest.suspension.text == "yield place"
        assert verified.passport.birth.certificate.manifest == hashlib.sha256(make.manifest(0)).digest()


@pytest.mark.parametrize("name", ["born-v1", "moved-v1", "bare-v1"])
def test_written_again_to_the_bit(name: str) -> None:
    """Reading and writing keep every byte; and so does making it anew, but for what a seal draws at random."""
    data = (HERE / f"{name}.sojourn").read_bytes()
    assert Bundle.from_bytes(data).to_bytes() == data == make.made()[name].to_bytes()


def test_refused_as_they_should_be() -> None:
    """A golden file is no way around the checks."""
    moved, sealed = (Bundle.read(HERE / f"{name}.sojourn") for name in ("moved-v1", "sealed-v1"))
    refused(Expired, lambda: moved.verify(trusted(), **{**options("moved-v1"), "now": make.BORN + 2000}))
    refused(WrongAudience, lambda: moved.verify(trusted(), **{**options("moved-v1"), "audience": "oslo"}))
    refused(SealedBundle, lambda: sealed.verify(trusted(), **{**options("sealed-v1"), "identity": None}))


def test_one_bit_of_each_byte() -> None:
    """Also of what an older version wrote."""
    data = bytearray((HERE / "moved-v1.sojourn").read_bytes())
    for at in range(len(data)):
        data[at] ^= 1 << at % 8
        with pytest.raises(MobilityError):
            Bundle.from_bytes(data).verify(trusted(), **options("moved-v1"))
        data[at] ^= 1 << at % 8


def test_a_suspended_agent_of_format_version_1_goes_on() -> None:
    """Code, values and execution state as version 0.1.0 wrote them, on whichever Python runs this."""
    bundle = Bundle.read(HERE / "unit-v1.sojourn")
    verified = bundle.verify(trusted(), now=make.BORN)
    suspension = verified.manifest.suspension
    assert suspension is not None and suspension.text.endswith("yield from measure(place)")
    agent, yielded = unpack(verified), []
    try:
        while True:
            yielded.append(agent.send(True))
    except StopIteration as end:
        result = end.value
    assert yielded == [(0, 11), ("oslo", 0), ("oslo", 1), ("oslo", 2), (1, 12)]
    values = [0.0, 0.5, 1.0]
    assert result == ([("baku", values, "clouds"), ("oslo", values, "clouds")], ["baku", "oslo"], 13)
