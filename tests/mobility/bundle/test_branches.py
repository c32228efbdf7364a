"""Clones, spawned children, and luggage, through real bundles: packed, sent as bytes, verified and unpacked."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mobility import Birth, Branch, Bundle, Identity, TrustStore, VerifiedBundle, capture, pack, resumable, unpack
from mobility.bundle import SegmentKind, UnitKind, receive
from mobility.bundle.errors import CodeAltered, ManifestMismatch, SegmentMismatch
from mobility.code import ForeignCode
from mobility.environment import Needs
from mobility.trust.errors import BrokenChain, HopLimitReached, TooLarge
from mobility.trust.limits import Limits
from mobility.trust.trustlist import TrustedKey
from tests.mobility.bundle.bundles import refused

LUGGAGE = bytes(range(256)) * 5


@resumable
def count(first: int, seen: list[Any]) -> Iterator[int]:
    for number in range(first, first + 3):
        seen.append(number)
        yield number


@resumable
def survey(start: int) -> Iterator[Any]:
    total = start
    while True:
        total += 1
        yield total, count, Point


@resumable
def stranger() -> Iterator[type]:
    yield Point


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


class World:
    """An owner, two places, and who trusts them."""

    def __init__(self, folder: Path) -> None:
        self.owner = Identity.generate("owner", "owner")
        self.oslo, self.lima = (Identity.generate(name, "place") for name in ("oslo", "lima"))
        self.trust = TrustStore(folder)
        for one in (self.owner, self.oslo, self.lima):
            self.trust.trust(one.public)

    def key(self, place: Identity) -> TrustedKey:
        return self.trust.lookup(place.key_id, "place", 2_000_000_000, 0)

    def taken(self, bundle: Bundle, at: str, **options: Any) -> VerifiedBundle:
        """As bytes, and verified."""
        return Bundle.from_bytes(bytearray(bundle.to_bytes())).verify(self.trust, audience=at, **options)

    def arrived(self, **birth: Any) -> tuple[VerifiedBundle, Any]:
        """The surveyor at oslo, and its generator after a step there."""
        verified = self.taken(
            pack(survey(10), by=self.owner, birth=Birth(agent="surveyor", home="oslo", **birth)), "oslo"
        )
        agent = unpack(verified)
        next(agent)
        return verified, agent


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "trust")


# -- branches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [False, True], ids=["generator", "captured"])
def test_clone(world: World, frozen: bool) -> None:
    """The clone goes on from the same suspension under an id of its own, and so does the agent under its own."""
    first, agent = world.arrived()
    options: dict[str, Any] = {"by": world.oslo, "passport": first.passport, "to": "lima"}
    bundle = pack(capture(agent) if frozen else agent, branch=Branch(child="clone"), **options)
    clone = world.taken(bundle, "lima", next_only=True, last_epoch=0)
    assert (clone.passport.agent, clone.passport.parent, clone.passport.epoch) == ("clone", "surveyor", 1)
    assert (clone.manifest.agent, clone.manifest.unit) == ("clone", UnitKind.GENERATOR)
    assert clone.passport.entry_point == clone.manifest.entry_point == first.manifest.entry_point
    assert clone.manifest.code == first.manifest.code
    there = unpack(clone)
    assert [next(agent)[0], next(agent)[0], next(there)[0]] == [12, 13, 12]
    original = world.taken(pack(agent, **options), "lima", next_only=True, last_epoch=0)
    assert (original.passport.agent, original.passport.lineage) == ("surveyor", ("surveyor",))
    assert next(unpack(original))[0] == 14


def test_a_clone_goes_on_and_has_children(world: World) -> None:
    """Its own hops follow the branch, and its children name the whole line."""
    first, agent = world.arrived()
    clone = world.taken(
        pack(agent, by=world.oslo, passport=first.passport, to="lima", branch=Branch(child="clone")), "lima"
    )
    there = unpack(clone)
    next(there)
    onward = world.taken(pack(there, by=world.lima, passport=clone.passport, to="oslo"), "oslo", last_epoch=1)
    assert (onward.passport.agent, onward.manifest.epoch) == ("clone", 2)
    again = unpack(onward)
    next(again)
    child = world.taken(
        pack(again, by=world.oslo, passport=onward.passport, to="oslo", branch=Branch(child="third")), "oslo"
    )
    assert child.passport.lineage == ("surveyor", "clone", "third")
    with pytest.raises(BrokenChain, match="ancestor"):
        pack(again, by=world.oslo, passport=onward.passport, to="lima", branch=Branch(child="surveyor"))


def test_spawn_from_the_code_that_came(world: World) -> None:
    """A function of the agent's own code begins as another agent, with the arguments that it is given."""
    first, agent = world.arrived()
    _, spawned, _ = next(agent)
    bundle = pack(
        spawned, args=(5,), kwargs={"seen": [1]}, by=world.oslo, passport=first.passport, to="lima",
        branch=Branch(child="counter"),
    )  # fmt: skip
    child = world.taken(bundle, "lima")
    assert (child.passport.agent, child.manifest.unit) == ("counter", UnitKind.FUNCTION)
    assert child.passport.entry_point.endswith(":count") and child.passport.entry_point == child.manifest.entry_point
    assert child.passport.birth.certificate.entry_point.endswith(":survey")
    assert child.manifest.code == first.manifest.code
    unit = unpack(child)
    assert isinstance(unit, functools.partial) and list(unit()) == [5, 6, 7]
    assert next(unpack(child, weak=True)(9, [])) == 9
    # It moves on under its own entry point, as a generator.
    going = unpack(child)()
    next(going)
    onward = world.taken(pack(going, by=world.lima, passport=child.passport, to="oslo"), "oslo", last_epoch=1)
    assert list(unpack(onward)) == [6, 7]


def test_spawning_cannot_bring_other_code(world: World) -> None:
    """Neither a function of the host, nor one of the agent's code with arguments from elsewhere."""
    first, agent = world.arrived()
    _, spawned, point = next(agent)
    options: dict[str, Any] = {"by": world.oslo, "passport": first.passport, "branch": Branch(child="counter")}
    for foreign in (count, print):
        with pytest.raises(CodeAltered):
            pack(foreign, args=(1, []), **options)
    with pytest.raises(ForeignCode, match="Point"):
        pack(spawned, args=(1, [Point(1)]), **options)
    assert pack(spawned, args=(1, [point(1)]), **options)
    other = unpack(world.taken(pack(stranger(), by=world.owner, birth=Birth(home="oslo")), "oslo"))
    with pytest.raises(ForeignCode, match="Point"):
        pack(spawned, args=(1, [next(other)(1)]), **options)


def test_another_entry_point_needs_a_branch(world: World) -> None:
    """An agent stays what its owner launched, unless a place signs for a child."""
    first, agent = world.arrived()
    _, spawned, _ = next(agent)
    hopping = pack(spawned, args=(1, []), by=world.oslo, passport=first.passport, to="lima")
    assert refused(ManifestMismatch, lambda: world.taken(hopping, "lima")).field == "entry_point"


def test_a_sealed_branch(world: World) -> None:
    """The seal binds the payload to the child."""
    first, agent = world.arrived()
    bundle = pack(
        agent, by=world.oslo, passport=first.passport, to="lima", branch=Branch(child="clone"),
        seal_to=world.key(world.lima), luggage=LUGGAGE,
    )  # fmt: skip
    verified = world.taken(bundle, "lima", identity=world.lima)
    assert verified.luggage == LUGGAGE and next(unpack(verified))[0] == 12


def test_a_branch_is_refused_before_anything_is_sent(world: World) -> None:
    """Where no agent is, and where no place would take the child."""
    with pytest.raises(ValueError, match="passport"):
        pack(survey(1), by=world.owner, branch=Branch(child="clone"))
    first, agent = world.arrived(hop_limit=0)
    with pytest.raises(HopLimitReached):
        pack(agent, by=world.oslo, passport=first.passport, to="oslo", branch=Branch(child="clone"))
    assert next(agent)[0] == 12


# -- luggage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("luggage", [None, b"", LUGGAGE], ids=["none", "empty", "some"])
@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
def test_luggage(world: World, luggage: bytes | None, sealed: bool) -> None:
    """It arrives as it was given, from bytes and from a stream, and none is not the same as an empty one."""
    first, agent = world.arrived()
    seal = {"seal_to": world.key(world.lima)} if sealed else {}
    bundle = pack(agent, by=world.oslo, passport=first.passport, to="lima", luggage=luggage, **seal)
    data = bundle.to_bytes()
    options: dict[str, Any] = {"audience": "lima", "identity": world.lima}
    for verified in (
        bundle.verify(world.trust, **options),
        Bundle.from_bytes(bytearray(data)).verify(world.trust, **options),
        receive(io.BytesIO(data), world.trust, **options),
    ):
        found = verified.luggage
        assert (None if found is None else bytes(found)) == luggage
        assert found is None or found.readonly
        assert [entry.kind for entry in verified.manifest.segments].count(SegmentKind.LUGGAGE) == (luggage is not None)
        assert next(unpack(verified))[0] == 12


def test_luggage_stays_when_the_code_is_left_out(world: World) -> None:
    first, agent = world.arrived()
    bundle = pack(agent, by=world.oslo, passport=first.passport, to="lima", luggage=LUGGAGE).without_code()
    known = dict(zip(first.manifest.code, first.code, strict=True))
    verified = world.taken(bundle, "lima", codes=known.get)
    assert verified.luggage == LUGGAGE and verified.bundle.omits_code


def test_altered_luggage_is_noticed(world: World) -> None:
    """It is the last segment, so the last byte of the bundle is its own."""
    data = bytearray(pack(survey(1), by=world.owner, luggage=LUGGAGE).to_bytes())
    data[-1] ^= 1
    for take in (lambda: Bundle.from_bytes(data).verify(world.trust), lambda: receive(io.BytesIO(data), world.trust)):
        assert refused(SegmentMismatch, take).kind == "luggage"


def test_luggage_counts_for_the_limits(world: World) -> None:
    with pytest.raises(TooLarge, match="together"):
        pack(survey(1), by=world.owner, luggage=bytes(100_000), limits=Limits(total_bytes=50_000))


def test_luggage_beside_buffers(world: World) -> None:
    """A bundle that is padded for its buffers keeps what lies behind them."""
    import numpy

    for length in range(1, 9):
        unit = functools.partial(len, [numpy.zeros(10_000 + length), "x" * length])
        verified = Bundle.from_bytes(
            bytearray(pack(unit, by=world.owner, luggage=LUGGAGE, needs=Needs()).to_bytes())
        ).verify(world.trust)
        assert verified.buffers and verified.luggage == LUGGAGE


# -- the preview ------------------------------------------------------------------------------------------------------


def test_preview_is_left_out_if_nobody_wants_it(world: World) -> None:
    """A place that moves agents all day shows nobody their variables; what is sent is otherwise the same."""
    _, agent = world.arrived()
    for unit in (agent, capture(agent)):
        shown, hidden = (pack(unit, by=world.owner, preview=preview).claims() for preview in (True, False))
        kinds = [entry.kind for entry in shown.segments]
        assert kinds == [SegmentKind.CODE, SegmentKind.STATE, SegmentKind.PREVIEW]
        assert [entry.kind for entry in hidden.segments] == kinds[:2] and hidden.segments == shown.segments[:2]
        assert hidden.suspension == shown.suspension
