"""Attacks on the chain of hops: each breaks it where it should."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.trust.envelope import Envelope
from mobility.trust.errors import (
    BadSignature,
    BrokenChain,
    EnvelopeInvalid,
    Expired,
    HopLimitReached,
    NotYetValid,
    OffItinerary,
    Rollback,
    SchemaError,
    SkippedEpoch,
    StaleEpoch,
    TooLarge,
    TrustError,
    UntrustedSigner,
    WrongAudience,
    WrongPayloadType,
)
from mobility.trust.limits import Limits
from mobility.trust.passport import Passport
from mobility.trust.store import TrustStore
from tests.mobility.trust.people import (
    BAKU,
    DAY,
    LIMA,
    NOW,
    OSLO,
    OWNER,
    STRANGER,
    born,
    entry,
    hopped,
    refused,
    travelled,
    trusted,
)


def check(passport: Passport, audience: str | None = None, **options: object) -> object:
    return passport.verify(trusted(), now=NOW, audience=audience, **options)  # type: ignore[arg-type]  # any of its options


WHOLE = travelled("oslo", "lima", "baku")


def test_the_whole_chain_is_accepted() -> None:
    """Else the attacks below would be refused for another reason."""
    verified = WHOLE.verify(trusted(), now=NOW, audience="baku", last_epoch=2)
    assert (verified.epoch, verified.place, str(verified.sender)) == (3, "baku", "place:lima")
    assert [hop.destination for hop in verified.hops] == ["oslo", "lima", "baku"]
    assert [str(sender) for sender in verified.senders] == ["place:baku", "place:oslo", "place:lima"]


def test_last_hop_dropped() -> None:
    """What is left is an older bundle: addressed to another place, and behind the fence of its own."""
    cut = replace(WHOLE, hops=WHOLE.hops[:-1])
    refused(WrongAudience, lambda: check(cut, "baku"))
    refused(StaleEpoch, lambda: check(cut, "lima", last_epoch=3))
    refused(StaleEpoch, lambda: check(cut, last_epoch=2))


def test_middle_hop_dropped() -> None:
    """The epochs show the gap; renumbering needs the signature of the place that is to be hidden from."""
    for gone in (0, 1):
        cut = replace(WHOLE, hops=WHOLE.hops[:gone] + WHOLE.hops[gone + 1 :])
        error = refused(SkippedEpoch, lambda: check(cut))
        assert (error.epoch, error.expected) == (gone + 2, gone + 1)
    first = travelled("oslo")
    bridged = hopped(first, by=LIMA, origin="lima", destination="baku")
    assert "sent from lima" in str(refused(BrokenChain, lambda: check(bridged)))
    renumbered = replace(WHOLE.hops[2], body=WHOLE.hops[2].body.replace(b'"epoch":3', b'"epoch":2'))
    refused(BadSignature, lambda: check(replace(WHOLE, hops=(WHOLE.hops[0], renumbered))))


def test_reordered() -> None:
    """Any two hops exchanged."""
    first, second, third = WHOLE.hops
    refused(SkippedEpoch, lambda: check(replace(WHOLE, hops=(second, first, third))))
    refused(SkippedEpoch, lambda: check(replace(WHOLE, hops=(first, third, second))))
    refused(SkippedEpoch, lambda: check(replace(WHOLE, hops=(third, second, first))))


def test_doubled() -> None:
    """A hop that occurs twice."""
    first, second, third = WHOLE.hops
    refused(StaleEpoch, lambda: check(replace(WHOLE, hops=(first, first, second, third))))
    refused(StaleEpoch, lambda: check(replace(WHOLE, hops=(first, second, third, third))))


def test_spliced_from_another_agent() -> None:
    """Hops of another agent, or of another life of an agent with the same id."""
    other = travelled("oslo", "lima", "baku", agent="surveyor-2")
    for at in range(3):
        hops = (*WHOLE.hops[:at], other.hops[at], *WHOLE.hops[at + 1 :])
        assert "surveyor-2" in str(refused(BrokenChain, lambda: check(replace(WHOLE, hops=hops))))
    refused(BrokenChain, lambda: check(replace(WHOLE, birth=other.birth)))
    twin = travelled("oslo", "lima", "baku", hop_limit=9)
    for at in range(1, 3):
        hops = (*WHOLE.hops[:at], *twin.hops[at:])
        assert "does not continue" in str(refused(BrokenChain, lambda: check(replace(WHOLE, hops=hops))))
    refused(BrokenChain, lambda: check(replace(WHOLE, birth=twin.birth)))


def test_spliced_from_the_same_agent_with_another_state() -> None:
    """Of two hops of one epoch with different manifests, the next one continues only one."""
    before = travelled("oslo")
    here, there = (hopped(before, destination="lima", manifest=hashlib.sha256(one).digest()) for one in (b"1", b"2"))
    onward = hopped(here, destination="baku")
    assert check(onward, "baku")
    mixed = replace(onward, hops=(*there.hops, onward.hops[-1]))
    refused(BrokenChain, lambda: check(mixed))


def test_history_rewritten() -> None:
    """A chain that is whole in itself, but differs from the one that was here before."""
    seen = travelled("oslo").verify(trusted(), now=NOW, audience="oslo")
    known = {"last_epoch": 1, "last_record": seen.digest}
    assert check(WHOLE, "baku", **known)
    other = travelled("lima", "oslo", "baku")
    refused(BrokenChain, lambda: check(other, "baku", **known))


def test_itinerary_edited() -> None:
    """The owner signed it; and a hop that leaves it is refused, also when trusted places have signed it."""
    passport = travelled("oslo", "lima", places=("oslo", "lima"))
    assert check(passport, "lima")
    edited = replace(passport.birth, body=passport.birth.body.replace(b'["oslo","lima"]', b'["oslo","baku"]'))
    assert edited != passport.birth
    refused(BadSignature, lambda: check(replace(passport, birth=edited)))
    astray = hopped(passport, destination="baku")
    error = refused(OffItinerary, lambda: check(astray, "baku"))
    assert (error.place, error.allowed, error.hop) == ("baku", ("oslo", "lima"), 3)


def test_itinerary_in_order() -> None:
    """Stop by stop, and no further than the last."""
    plan = {"places": ("lima", "oslo"), "in_order": True}
    assert check(travelled("lima", "oslo", **plan), "oslo")
    refused(OffItinerary, lambda: check(travelled("oslo", **plan)))
    refused(OffItinerary, lambda: check(travelled("lima", "baku", **plan)))
    refused(OffItinerary, lambda: check(travelled("lima", "lima", "baku", **plan)))  # what stays uses up no stop
    refused(OffItinerary, lambda: check(travelled("lima", "oslo", "lima", **plan)))


def test_no_place_allowed() -> None:
    """An empty itinerary is not the same as none."""
    assert check(travelled("oslo", places=None), "oslo")
    refused(OffItinerary, lambda: check(travelled("oslo", places=())))


def test_hop_limit() -> None:
    """The owner's, and the receiver's."""
    assert check(travelled("oslo", "lima", hop_limit=2))
    error = refused(HopLimitReached, lambda: check(travelled("oslo", "lima", hop_limit=1)))
    assert (error.hops, error.limit) == (2, 1)
    assert refused(TooLarge, lambda: check(WHOLE, limits=Limits(hops=2))).field == "hops"


def test_sent_from_where_it_was_not() -> None:
    """Each hop starts where the one before it led."""
    jumped = hopped(travelled("oslo"), by=LIMA, origin="lima", destination="baku")
    refused(BrokenChain, lambda: check(jumped))


def test_signed_by_another_place() -> None:
    """A trusted place cannot sign for another, whatever the record says."""
    forged = hopped(travelled("oslo"), by=LIMA, origin="oslo", destination="lima")
    assert "lima has signed" in str(refused(BrokenChain, lambda: check(forged, "lima")))


def test_signed_by_nobody_that_is_trusted() -> None:
    """One such hop is enough."""
    refused(UntrustedSigner, lambda: check(hopped(travelled("oslo"), by=STRANGER, destination="lima")))


def test_born_elsewhere() -> None:
    """The first hop starts at home: whoever sees a birth certificate cannot start a second life of the agent."""
    refused(BrokenChain, lambda: check(hopped(born(), by=OSLO, origin="oslo", destination="lima")))


def test_times_run_backwards() -> None:
    """A place that dates its hop back could use a key that has expired since."""
    backdated = hopped(travelled("oslo"), destination="lima", time=NOW - 1000)
    refused(BrokenChain, lambda: check(backdated))
    refused(BrokenChain, lambda: check(hopped(born(), time=NOW - DAY - 61)))


def test_expired_key_of_a_past_hop() -> None:
    """What a place signed while its key was valid stays good; the last sender's key must be good today."""
    passport = travelled("oslo", "lima")
    later = trusted(entry(BAKU, not_after=NOW - 99))
    assert passport.verify(later, now=NOW + 1000, audience="lima")
    refused(Expired, lambda: passport.verify(trusted(entry(BAKU, not_after=NOW - 200)), now=NOW, audience="lima"))
    sender = trusted(entry(OSLO, not_after=NOW))
    assert passport.verify(sender, now=NOW + 60, audience="lima")
    refused(Expired, lambda: passport.verify(sender, now=NOW + 61, audience="lima"))


def test_last_hop_from_before_its_key() -> None:
    """A key that is good today signs nothing for yesterday."""
    new = trusted(entry(OSLO, not_before=NOW - 10))
    refused(NotYetValid, lambda: travelled("oslo", "lima").verify(new, now=NOW, audience="lima"))


def test_hop_after_the_end() -> None:
    """A hop that is dated after the certificate's end, and is looked at in time by a slow clock."""
    for late in (60, 61):
        passport = hopped(born(not_after=NOW), time=NOW + late)
        if late == 60:
            assert passport.verify(trusted(), now=NOW + 59, audience="oslo")
        else:
            refused(Expired, lambda: passport.verify(trusted(), now=NOW + 59, audience="oslo"))


def test_bodies_in_each_others_place() -> None:
    """A hop is no certificate and a certificate is no hop."""
    refused(WrongPayloadType, lambda: check(Passport(WHOLE.hops[0])))
    refused(WrongPayloadType, lambda: check(replace(WHOLE, hops=(WHOLE.birth,))))


def test_hop_with_another_form() -> None:
    """Signed by a trusted place, and not a hop record."""
    body = WHOLE.hops[0].body
    for edited in (body.replace(b'"epoch":1', b'"epoch":1.0'), body[:-1], body[:-1] + b',"x":1}', b"null"):
        odd = Envelope.sign(WHOLE.hops[0].payload_type, edited, BAKU)
        refused(SchemaError, lambda: check(replace(WHOLE, hops=(odd,))))
    zero = Envelope.sign(WHOLE.hops[0].payload_type, body.replace(b'"epoch":1', b'"epoch":0'), BAKU)
    refused(SchemaError, lambda: check(replace(WHOLE, hops=(zero,))))


def test_every_signature_is_checked_before_any_body_is_parsed() -> None:
    """A broken signature at the end is found though the body at the beginning is no certificate."""
    odd = Envelope.sign(WHOLE.birth.payload_type, b"null", OWNER)
    torn = replace(WHOLE.hops[-1], body=WHOLE.hops[-1].body + b" ")
    refused(BadSignature, lambda: check(Passport(odd, (*WHOLE.hops[:-1], torn))))
    refused(SchemaError, lambda: check(Passport(odd, WHOLE.hops)))


# -- hops that are addressed to nobody --------------------------------------------------------------------------------


def test_sent_to_whoever_has_it() -> None:
    """Any place may take it in, and is where the next hop starts: nobody else can say where it was."""
    bearer = hopped(born(), destination=None)
    for audience in ("oslo", "lima", None):
        assert check(bearer, audience)
    verified = bearer.verify(trusted(), now=NOW, audience="lima")
    assert verified.place is None and verified.manifest == verified.hops[-1].manifest
    onward = verified.stamped(LIMA, origin="lima", destination="oslo", manifest=bytes(32), time=NOW - 90)
    assert check(onward, "oslo", last_epoch=1, next_only=True)
    refused(WrongAudience, lambda: check(onward, "baku"))
    forged = hopped(bearer, by=LIMA, origin="oslo", destination="baku")
    assert "lima has signed" in str(refused(BrokenChain, lambda: check(forged)))


def test_sent_to_whoever_has_it_against_the_itinerary() -> None:
    """An owner who limits the places has not allowed everybody; the sender hears it before it packs."""
    for plan in ({"places": ("oslo",)}, {"places": ()}, {"places": ("oslo",), "in_order": True}):
        error = refused(OffItinerary, lambda: check(hopped(born(**plan), destination=None)))
        assert error.place is None and "whoever has the bundle" in str(error)
        home = born(**plan).verify(trusted(), now=NOW, audience="baku")
        common = {"origin": "baku", "destination": None, "manifest": bytes(32), "time": NOW}
        refused(OffItinerary, lambda: home.stamped(BAKU, **common))


def test_destination_left_out_or_of_another_type() -> None:
    """Addressed to nobody is said, not implied."""
    body = hopped(born(), destination=None).hops[0].body
    assert b'"to":null' in body
    for edited in (body.replace(b',"to":null', b""), body.replace(b"null", b'""'), body.replace(b"null", b"false")):
        odd = Envelope.sign(WHOLE.hops[0].payload_type, edited, BAKU)
        refused(SchemaError, lambda: check(Passport(born().birth, (odd,))))


def test_the_manifest_is_that_of_the_last_link() -> None:
    """Which signs what is sent: the owner's certificate at birth, later the sending place's record."""
    assert born().verify(trusted(), now=NOW, audience="baku").manifest == hashlib.sha256(b"manifest 0").digest()
    arrived = WHOLE.verify(trusted(), now=NOW, audience="baku")
    assert arrived.manifest == hashlib.sha256(b"manifest 3").digest()


# -- a place that stamps ----------------------------------------------------------------------------------------------


def test_a_place_does_not_stamp_what_nobody_would_accept() -> None:
    """Known before the agent is packed, so that it can stay where it is."""
    verified = travelled("oslo", places=("oslo", "lima"), hop_limit=2).verify(trusted(), now=NOW, audience="oslo")
    common = {"manifest": hashlib.sha256(b"").digest(), "time": NOW}
    onward = verified.stamped(OSLO, origin="oslo", destination="lima", **common)
    arrived = onward.verify(trusted(), now=NOW, audience="lima", last_epoch=1, next_only=True)
    assert arrived.hops[-1].previous == verified.digest
    refused(OffItinerary, lambda: verified.stamped(OSLO, origin="oslo", destination="baku", **common))
    refused(BrokenChain, lambda: verified.stamped(LIMA, origin="lima", destination="lima", **common))
    refused(HopLimitReached, lambda: arrived.stamped(LIMA, origin="lima", destination="oslo", **common))


# -- bytes ------------------------------------------------------------------------------------------------------------


def test_cut_at_every_byte() -> None:
    """A part of a passport is none."""
    data = WHOLE.to_bytes()
    assert Passport.from_bytes(data) == Passport.from_bytes(memoryview(bytearray(data))) == WHOLE
    for end in range(len(data)):
        refused(EnvelopeInvalid, lambda: Passport.from_bytes(data[:end]))
    for more in (b"\0", data):
        refused(EnvelopeInvalid, lambda: Passport.from_bytes(data + more))


def test_flip_every_bit() -> None:
    """Of every envelope of the chain; a key id is a hint to the list, and another one is not in it."""
    data = travelled("oslo").to_bytes()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TrustError) as caught:
            check(Passport.from_bytes(bytes(flipped)))
        assert type(caught.value) in (EnvelopeInvalid, TooLarge, BadSignature, UntrustedSigner)


def test_declared_count_allocates_nothing() -> None:
    """Compared with the limit first."""
    data = b"SJP1" + (2**32 - 1).to_bytes(4, "big")
    assert refused(TooLarge, lambda: Passport.from_bytes(data)).field == "hops"
    refused(EnvelopeInvalid, lambda: Passport.from_bytes(b"SJP1" + bytes(4)))
    refused(EnvelopeInvalid, lambda: Passport.from_bytes(b"SJP1" + b"\0\0\0\1" + b"\xff" * 4 + bytes(40)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_hypothesis_mutates_hop_records(data: st.DataObject) -> None:
    """Hops that the right place signed, with any field changed: only the honest record is let in."""
    before = travelled("oslo")
    honest = hopped(before, destination="lima").hops[-1]
    changes = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "agent": st.sampled_from(["surveyor-1", "surveyor-2", "x"]),
                "epoch": st.integers(1, 4),
                "previous": st.sampled_from([before.hops[0].digest, before.birth.digest, bytes(32)]),
                "origin": st.sampled_from(["baku", "oslo", "lima"]),
                "time": st.sampled_from([0, NOW - DAY, NOW - 98, NOW + 61]),
            },
        )
    )
    passport = hopped(before, by=OSLO, **{"destination": "lima", **changes})
    if passport.hops[-1] == honest:
        assert check(passport, "lima")
    else:
        with pytest.raises(TrustError):
            check(passport, "lima")


# -- after a restart --------------------------------------------------------------------------------------------------


def test_trust_list_rolled_back_after_a_host_restart(tmp_path: Path) -> None:
    """The folder is put back to a copy from before a revocation: what was known elsewhere still counts."""
    import shutil

    store = TrustStore(tmp_path / "trusted")
    for one in (OWNER, BAKU, OSLO, LIMA):
        store.trust(one.public)
    shutil.copytree(tmp_path / "trusted", tmp_path / "copy")
    store.revoke(OSLO.key_id, 2)
    version = store.version
    shutil.rmtree(tmp_path / "trusted")
    shutil.copytree(tmp_path / "copy", tmp_path / "trusted")
    refused(Rollback, store.current)
    refused(Rollback, lambda: TrustStore(tmp_path / "trusted", at_least=version).current())
    assert TrustStore(tmp_path / "trusted", at_least=version - 1).version == version - 1


def test_agent_rolled_back_after_a_host_restart() -> None:
    """A host that was put back to yesterday offers the agent as it was then: the epoch that was seen still counts."""
    yesterday, today = travelled("oslo"), travelled("oslo", "lima", "oslo")
    seen = today.verify(trusted(), now=NOW, audience="oslo")
    refused(StaleEpoch, lambda: check(yesterday, "oslo", last_epoch=seen.epoch, last_record=seen.digest))
    # Nor does it help to let it travel on from there until the epoch is high enough.
    replayed = hopped(hopped(hopped(yesterday, destination="baku"), destination="oslo"), destination="oslo")
    known = {"last_epoch": seen.epoch, "last_record": seen.digest}
    refused(BrokenChain, lambda: check(replayed, "oslo", **known))
