"""Attacks on branches: a child shows whence it comes, and can be neither invented nor exchanged nor hidden."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.bundle import Bundle
from mobility.bundle.errors import CodeAltered, ManifestMismatch
from mobility.trust.envelope import Envelope
from mobility.trust.errors import (
    BadSignature,
    BrokenChain,
    EnvelopeInvalid,
    HopLimitReached,
    OffItinerary,
    SchemaError,
    SkippedEpoch,
    StaleEpoch,
    TooLarge,
    TrustError,
    UntrustedSigner,
    WrongAudience,
    WrongPayloadType,
    WrongRole,
)
from mobility.trust.passport import Passport, VerifiedPassport
from mobility.trust.records import BRANCH_RECORD_TYPE, HOP_RECORD_TYPE
from tests.mobility.bundle.bundles import SMALL, check, manifest_of
from tests.mobility.bundle.bundles import refused as refused_bundle
from tests.mobility.trust.people import (
    LIMA,
    NOW,
    OSLO,
    OWNER,
    STRANGER,
    born,
    branched,
    hopped,
    refused,
    travelled,
    trusted,
)


def seen(passport: Passport, audience: str | None = None, **options: Any) -> VerifiedPassport:
    return passport.verify(trusted(), now=NOW, audience=audience, **options)


PARENT = travelled("oslo")
BRANCH = branched(PARENT, "child")
CHILD = hopped(BRANCH, destination="lima")
GRANDCHILD = hopped(branched(CHILD, "grandchild", destination="baku", entry_point="survey:rest"), destination="oslo")


def test_the_whole_line_is_accepted() -> None:
    """Else the attacks below would be refused for another reason."""
    verified = seen(GRANDCHILD, "oslo", last_epoch=4)
    assert (verified.agent, verified.parent, verified.epoch, verified.place) == ("grandchild", "child", 5, "oslo")
    assert verified.lineage == ("surveyor-1", "child", "grandchild") and verified.entry_point == "survey:rest"
    child = seen(CHILD, "lima")
    assert (child.agent, child.parent, child.entry_point) == ("child", "surveyor-1", "survey:count")
    parent = seen(hopped(PARENT, destination="baku"), "baku")
    assert (parent.agent, parent.parent, parent.lineage) == ("surveyor-1", None, ("surveyor-1",))
    assert parent.entry_point == "survey:survey"


# -- the record -------------------------------------------------------------------------------------------------------


def test_branch_of_another_agents() -> None:
    """Who branches is the agent whose chain it is."""
    for stranger in ("surveyor-2", "child"):
        error = refused(BrokenChain, lambda: seen(branched(PARENT, "child", agent=stranger)))
        assert f"branch of agent {stranger}, not of surveyor-1" in str(error) and error.hop == 2
    error = refused(BrokenChain, lambda: seen(branched(CHILD, "grandchild", agent="surveyor-1")))
    assert "branch of agent surveyor-1, not of child" in str(error)


def test_branch_spliced_from_another_chain() -> None:
    """Of another agent, of another life of the same one, or of the same life at another time."""
    for other in (travelled("oslo", agent="surveyor-2"), travelled("oslo", hop_limit=9), hopped(born(), time=NOW - 90)):
        record = branched(other, "child").hops[1]
        refused(BrokenChain, lambda: seen(replace(PARENT, hops=(*PARENT.hops, record))))
    early = branched(born(), "child").hops[0]
    refused(StaleEpoch, lambda: seen(replace(PARENT, hops=(*PARENT.hops, early))))
    refused(SkippedEpoch, lambda: seen(replace(born(), hops=(BRANCH.hops[1],))))


def test_a_childs_hop_in_the_chain_of_its_twin() -> None:
    """Two children of one moment: what the one did afterwards is not what the other did."""
    twin = branched(PARENT, "child", manifest=hashlib.sha256(b"another state").digest())
    error = refused(BrokenChain, lambda: seen(replace(twin, hops=(*twin.hops, CHILD.hops[-1]))))
    assert "does not continue" in str(error)


def test_child_with_the_id_of_an_ancestor() -> None:
    """It would be behind that one's fence, or take its place."""
    for before, taken, whose in (
        (PARENT, "surveyor-1", "its own parent"),
        (CHILD, "child", "its own parent"),
        (CHILD, "surveyor-1", "an ancestor"),
        (GRANDCHILD, "child", "an ancestor"),
        (GRANDCHILD, "surveyor-1", "an ancestor"),
    ):
        passport = branched(before, taken)
        for chain in (passport, hopped(passport, destination="lima")):
            error = refused(BrokenChain, lambda: seen(chain))
            assert f"the id of {whose}" in str(error) and error.hop == len(passport.hops)
        here = seen(before).place or ""
        by = {"oslo": OSLO, "lima": LIMA}[here]
        common: dict[str, Any] = {"origin": here, "destination": here, "manifest": bytes(32), "time": NOW}
        refused(BrokenChain, lambda: seen(before).stamped(by, child=taken, entry_point="a:b", **common))


def test_branch_presented_as_a_hop_and_the_reverse() -> None:
    """The type is signed; and under the other type the fields are not those of that form."""
    branch, hop = BRANCH.hops[1], CHILD.hops[2]
    for record, other, before in ((branch, HOP_RECORD_TYPE, PARENT), (hop, BRANCH_RECORD_TYPE, BRANCH)):
        renamed = replace(record, payload_type=other)
        refused(BadSignature, lambda: seen(replace(before, hops=(*before.hops, renamed))))
        signed = Envelope.sign(other, record.body, OSLO)
        refused(SchemaError, lambda: seen(replace(before, hops=(*before.hops, signed))))
    refused(WrongPayloadType, lambda: seen(Passport(branch)))
    other_version = Envelope.sign(BRANCH_RECORD_TYPE.replace("v1", "v2"), branch.body, OSLO)
    refused(WrongPayloadType, lambda: seen(replace(PARENT, hops=(*PARENT.hops, other_version))))


def test_branch_with_another_form() -> None:
    """Signed by the right place, and not a branch record."""
    body = BRANCH.hops[1].body
    for old, new in (
        (b'"child":"child"', b'"child":null'),
        (b'"child":"child"', b'"child":""'),
        (b'"child":"child"', b'"child":"../child"'),
        (b'"child":"child",', b""),
        (b'"entry_point":"survey:count"', b'"entry_point":null'),
        (b'"child":"child","entry_point":"survey:count"', b'"child":null,"entry_point":null'),
        (b'"entry_point":"survey:count"', b'"entry_point":"a\\u202eb"'),
        (b'"entry_point":"survey:count",', b""),
        (b'"version":1', b'"version":2'),
        (b'"version":1', b'"version":1,"x":1'),
    ):
        assert body.count(old) == 1
        odd = Envelope.sign(BRANCH_RECORD_TYPE, body.replace(old, new), OSLO)
        refused(SchemaError, lambda: seen(replace(PARENT, hops=(*PARENT.hops, odd))))
    for half in ({"child": "child"}, {"entry_point": "survey:count"}):
        with pytest.raises(ValueError, match="both"):
            hopped(PARENT, **half)


def test_entry_point_altered() -> None:
    """What is run as the child is part of what the place signed where it branched."""
    record = BRANCH.hops[1]
    other = record.body.replace(b"survey:count", b"survey:other")
    assert other != record.body
    altered = replace(record, body=other)
    refused(BadSignature, lambda: seen(replace(BRANCH, hops=(*PARENT.hops, altered))))
    by_another = Envelope.sign(BRANCH_RECORD_TYPE, other, LIMA)
    error = refused(BrokenChain, lambda: seen(replace(BRANCH, hops=(*PARENT.hops, by_another))))
    assert "lima has signed" in str(error)
    # The right place could have meant it; but not after the child went on.
    again = Envelope.sign(BRANCH_RECORD_TYPE, other, OSLO)
    assert seen(replace(BRANCH, hops=(*PARENT.hops, again))).entry_point == "survey:other"
    refused(BrokenChain, lambda: seen(replace(CHILD, hops=(*PARENT.hops, again, CHILD.hops[2]))))


def test_signed_by_who_may_not() -> None:
    """By a stranger, by the owner, by a place where the agent is not."""
    refused(UntrustedSigner, lambda: seen(branched(PARENT, "child", by=STRANGER)))
    refused(WrongRole, lambda: seen(branched(PARENT, "child", by=OWNER)))
    elsewhere = branched(PARENT, "child", by=LIMA, origin="lima", destination="lima")
    assert "sent from lima, and the agent was at oslo" in str(refused(BrokenChain, lambda: seen(elsewhere)))


# -- what comes after it ----------------------------------------------------------------------------------------------


def test_hop_of_the_parent_after_the_branch() -> None:
    """Behind its branch record a chain is the child's: the parent's goes on without the record."""
    for onward in (
        hopped(BRANCH, agent="surveyor-1", destination="lima"),
        branched(BRANCH, "second", agent="surveyor-1"),
    ):
        error = refused(BrokenChain, lambda: seen(onward))
        assert "of agent surveyor-1, not of child" in str(error) and error.hop == 3
    back = hopped(GRANDCHILD, agent="child", destination="lima")
    refused(BrokenChain, lambda: seen(back))


def test_branch_record_left_out() -> None:
    """A child cannot pass as its parent, nor hide that it is one."""
    error = refused(BrokenChain, lambda: seen(hopped(PARENT, agent="child", destination="lima")))
    assert "hop of agent child, not of surveyor-1" in str(error)
    hidden = replace(PARENT, hops=(*PARENT.hops, CHILD.hops[2]))
    refused(BrokenChain, lambda: seen(hidden))
    cut = replace(CHILD, hops=CHILD.hops[:-1])
    refused(WrongAudience, lambda: seen(cut, "lima"))
    refused(StaleEpoch, lambda: seen(cut, "oslo", last_epoch=3))
    refused(BrokenChain, lambda: seen(replace(CHILD, hops=(*BRANCH.hops, BRANCH.hops[1], CHILD.hops[2]))))


def test_branch_beyond_the_hop_limit() -> None:
    """It counts as a hop, so a line of children is bounded by what the owner allowed, also where it stays."""
    before = travelled("oslo", hop_limit=2)
    child = branched(before, "child")
    assert seen(child, "oslo").epoch == 2
    error = refused(HopLimitReached, lambda: seen(branched(child, "grandchild")))
    assert (error.hops, error.limit) == (3, 2)
    common: dict[str, Any] = {"origin": "oslo", "destination": "oslo", "manifest": bytes(32), "time": NOW}
    refused(HopLimitReached, lambda: seen(child).stamped(OSLO, child="grandchild", entry_point="a:b", **common))
    refused(HopLimitReached, lambda: seen(child).stamped(OSLO, **common))


def test_branch_off_the_itinerary() -> None:
    """A child may be where its parent is; beyond that it goes where a hop might."""
    plan: dict[str, Any] = {"places": ("oslo",)}
    start = travelled("oslo", **plan)
    assert seen(branched(start, "child", destination="oslo"), "oslo")
    assert seen(branched(born(**plan), "child", destination="baku"), "baku")  # at home, which is no stop
    for astray in ("lima", None):
        error = refused(OffItinerary, lambda: seen(branched(start, "child", destination=astray)))
        assert (error.place, error.allowed, error.hop) == (astray, ("oslo",), 2)
        common: dict[str, Any] = {"origin": "oslo", "destination": astray, "manifest": bytes(32), "time": NOW}
        refused(OffItinerary, lambda: seen(start).stamped(OSLO, child="child", entry_point="a:b", **common))
    # Nor may a hop lead elsewhere; to stay, for a checkpoint, is always allowed.
    assert seen(hopped(born(**plan), destination="baku"), "baku")
    refused(OffItinerary, lambda: seen(hopped(born(**plan), destination="rome")))


def test_branches_skip_no_stop() -> None:
    """Of an itinerary in order a child has what is left, from the next stop on: branching on the spot skips none."""
    plan: dict[str, Any] = {"places": ("oslo", "lima", "baku"), "in_order": True}
    child = branched(branched(travelled("oslo", **plan), "child"), "grandchild")
    onward = hopped(hopped(child, destination="lima"), destination="baku")
    assert seen(onward, "baku").epoch == 5
    error = refused(OffItinerary, lambda: seen(hopped(child, destination="baku")))
    assert error.allowed == ("lima",)
    stayed = hopped(child, destination="oslo")  # a checkpoint of its place's own, which uses up no stop either
    assert seen(stayed, "oslo") and seen(hopped(stayed, destination="lima"), "lima")
    refused(OffItinerary, lambda: seen(hopped(stayed, destination="baku")))
    away = branched(travelled("oslo", **plan), "child", destination="lima")
    assert seen(hopped(away, destination="baku"), "baku")
    refused(OffItinerary, lambda: seen(branched(travelled("oslo", **plan), "child", destination="baku")))
    refused(OffItinerary, lambda: seen(hopped(onward, destination="oslo")))


# -- fences -----------------------------------------------------------------------------------------------------------


def test_both_sides_of_a_fork_are_let_in() -> None:
    """The parent goes on from the epoch at which the child began, and each has a fence of its own."""
    onward = hopped(PARENT, destination="lima")
    known: dict[str, Any] = {"last_epoch": 1, "last_record": seen(PARENT).digest, "next_only": True}
    parent, child = seen(onward, "lima", **known), seen(BRANCH, "oslo", **known)
    assert (parent.agent, parent.epoch, child.agent, child.epoch) == ("surveyor-1", 2, "child", 2)
    assert parent.digest != child.digest
    fence: dict[str, Any] = {"last_epoch": 2, "last_record": child.digest}
    assert seen(CHILD, "lima", **fence)
    error = refused(StaleEpoch, lambda: seen(BRANCH, "oslo", **fence))
    assert error.agent == "child"
    # Whoever gives a child the id of an agent that was seen here has not its history.
    usurper = hopped(branched(travelled("oslo", agent="surveyor-2"), "child"), destination="lima")
    refused(BrokenChain, lambda: seen(usurper, "lima", **fence))


# -- what the child carries -------------------------------------------------------------------------------------------


def bundle_of(changes: dict[str, Any], code: bytes | None = None) -> Bundle:
    """The child's first bundle, as oslo signs it, with whatever in its manifest is to be wrong."""
    content = SMALL if code is None else replace(SMALL, code=(code,))
    usual = {"agent": "child", "entry_point": "survey:count"}
    manifest = manifest_of(content, 2, **{**usual, **changes}).to_bytes()
    codes = tuple(hashlib.sha256(one).digest() for one in SMALL.code)
    digest = hashlib.sha256(manifest).digest()
    passport = branched(travelled("oslo", code=codes), "child", manifest=digest)
    return Bundle.assemble(passport, manifest, content.views)


def test_branch_whose_manifest_names_the_parent() -> None:
    """The bundle is the child's: with the parent's id, entry point or epoch it would be two agents at once."""
    verified = check(bundle_of({}), audience="oslo")
    assert (verified.manifest.agent, verified.passport.agent) == ("child", "child")
    for wrong, field in (
        ({"agent": "surveyor-1"}, "agent"),
        ({"entry_point": "survey:survey"}, "entry_point"),
    ):
        error = refused_bundle(ManifestMismatch, lambda: check(bundle_of(wrong), audience="oslo"))
        assert error.field == field


def test_branch_that_brings_other_code() -> None:
    """The owner signed what any child can be."""
    other = bundle_of({}, code=b"def survey(places): ...\n")
    refused_bundle(CodeAltered, lambda: check(other, audience="oslo"))


# -- bytes ------------------------------------------------------------------------------------------------------------


def test_flip_every_bit_of_a_branch() -> None:
    """None is left uncovered."""
    head, data = len(PARENT.to_bytes()), BRANCH.to_bytes()
    for bit in range(8 * head, 8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TrustError) as caught:
            seen(Passport.from_bytes(bytes(flipped)))
        assert type(caught.value) in (EnvelopeInvalid, TooLarge, BadSignature, UntrustedSigner)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "agent": st.sampled_from(["surveyor-1", "surveyor-2", "child"]),
            "child": st.sampled_from(["surveyor-1", "child", "other"]),
            "epoch": st.integers(1, 4),
            "previous": st.sampled_from([PARENT.hops[0].digest, PARENT.birth.digest, bytes(32)]),
            "origin": st.sampled_from(["baku", "oslo", "lima"]),
            "time": st.sampled_from([0, NOW - 98, NOW + 61]),
        },
    )
)
def test_hypothesis_mutates_branch_records(changes: dict[str, Any]) -> None:
    """Signed by the right place, with any field changed, before an honest hop of the child: only the honest one is."""
    passport = branched(PARENT, **{"child": "child", "by": OSLO, **changes})
    chain = replace(passport, hops=(*passport.hops, CHILD.hops[-1]))
    if passport == BRANCH:
        assert seen(chain, "lima")
    else:
        with pytest.raises(TrustError):
            seen(chain, "lima")
