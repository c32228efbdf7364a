"""Attacks on a place that lets agents in: each by its name, with what keeps it out; and the agent lives on."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from agents import agent, checkpoint, hop, receive, sleep
from agents.errors import MoveFailed, MoveRefused
from agents.handoff import Denied, Finish, Holder, Release, Restore, Take
from agents.luggage import Luggage
from agents.place import PlaceOptions
from agents.protocol import FetchCode, Fetched, Transfer, TransferAccepted, TransferRefused
from agents.testing.local import LocalPlatform
from mobility.bundle import Birth, Bundle, pack
from mobility.trust import Identity
from tests.agents.place.conftest import PLACES, until

QUICK = PlaceOptions(transfer_seconds=2.0, retry_seconds=0.03, directory_seconds=1.0)


@agent
def courier(here, route):
    """Goes where it is told by mail; at the end it tells where it was."""
    seen = [here.name]
    while True:
        message = yield receive()
        if message.value == "end":
            return seen
        try:
            here = yield hop(message.value)
        except MoveFailed:
            yield sleep(0.01)
        seen.append(here.name)


@pytest.fixture
def platform():
    with LocalPlatform(PLACES, options=QUICK) as platform:
        platform.sent = []

        def watch(whom, request, deliver):
            if isinstance(request, Transfer):
                platform.sent.append((whom, request))
            return deliver()

        platform.net.tamper = watch
        yield platform


@pytest.fixture
def traveller(platform):
    """At lima, after oslo; what it was sent as is in `platform.sent`."""
    handle = platform.launch(courier, [], at="baku")
    for place in ("oslo", "lima"):
        handle.send(place)
        assert until(lambda place=place: handle.place() == place)
    assert until(lambda: handle.status().state == "waiting")
    return handle


def offer(platform, place, transfer):
    """What a place answers to a transfer that somebody brings."""
    return platform.running[place].serve(transfer)


def lives_on(handle, *route):
    """It is the one that it was."""
    handle.send("end", timeout=10)
    assert handle.result(timeout=10) == list(route)


def refused(reply, *reasons):
    assert isinstance(reply, TransferRefused) and reply.why in reasons, reply


def test_the_same_bundle_again(platform, traveller):
    """Replayed where the agent was, and where it is: it neither comes back nor is there twice."""
    for whom, request in platform.sent[1:]:
        reply = offer(platform, whom, request)
        assert reply == TransferAccepted(request.epoch), "by this one it came, long ago: nothing happens"
        platform.kill(whom)
        platform.start(whom)  # now the place does not remember it
        reply = offer(platform, whom, request)
        if whom == "oslo":
            refused(reply, "stale-epoch")
        else:
            refused(reply, "stale-epoch", "recovering")
    lives_on(traveller, "baku", "oslo", "lima")


def test_an_old_bundle_under_a_new_epoch(platform, traveller):
    """Whoever carries it says that it was sent under the present epoch: the epoch is signed with it."""
    _, row = platform.net.ask_directory("locate", traveller.agent, timeout=5)
    whom, request = platform.sent[1]
    for epoch in (row.epoch, row.epoch + 1, row.epoch + 1000):
        refused(offer(platform, "oslo", replace(request, epoch=epoch)), "stale-epoch")
    lives_on(traveller, "baku", "oslo", "lima")


def test_an_epoch_that_never_was_does_not_keep_out_the_true_one(platform, traveller):
    """Somebody claims a very high epoch; afterwards the agent comes under its own."""
    whom, request = platform.sent[1]
    refused(offer(platform, "baku", replace(request, epoch=10**9)), "stale-epoch", "wrong-audience", "off-itinerary")
    traveller.send("baku")
    assert until(lambda: traveller.place() == "baku")
    lives_on(traveller, "baku", "oslo", "lima", "baku")


def test_a_bundle_for_another_place(platform, traveller):
    """A bundle for lima is of no use at baku."""
    whom, request = platform.sent[2]
    reply = offer(platform, "baku", request)
    assert isinstance(reply, TransferRefused), reply
    lives_on(traveller, "baku", "oslo", "lima")


def test_an_agent_under_another_ones_id(platform, traveller):
    """A bundle is announced as another agent, whose place it would take."""
    victim = platform.launch(courier, [], at="baku")
    whom, request = platform.sent[2]
    refused(offer(platform, "lima", replace(request, agent=victim.agent)), "another-agent")
    whom, request = platform.sent[0]
    fresh = replace(request, agent="f" * 16)
    refused(offer(platform, "baku", fresh), "another-agent")
    lives_on(victim, "baku")
    lives_on(traveller, "baku", "oslo", "lima")


def test_a_checkpoint_as_a_bundle(platform, traveller):
    """What a place keeps for itself is signed by it, and leads to it; offered as if it had been sent, it is refused."""
    marks = platform.launch(writes_down, at="baku")
    assert until(lambda: marks.status().state == "waiting")
    kept = platform.running["baku"].core.store.load(marks.agent)
    marks.send("go")
    assert until(lambda: marks.place() == "oslo")
    _, row = platform.net.ask_directory("locate", marks.agent, timeout=5)
    for epoch in (0, row.epoch, row.epoch - 1):
        refused(offer(platform, "baku", Transfer(marks.agent, epoch, kept.bundle, "baku", 0.0)), "stale-epoch")
    marks.send("end")
    assert marks.result(timeout=10) == "oslo"


@agent
def writes_down(here):
    yield checkpoint()
    yield receive()
    here = yield hop("oslo")
    yield receive()
    return here.name


@pytest.mark.parametrize("who", ["stranger", "place", "impostor"])
def test_an_agent_of_a_stranger(platform, who):
    """Signed by somebody unknown; by a place, as if it were an owner; by an owner of the same name with another key."""
    signer = {
        "stranger": Identity.generate("stranger", "owner"),
        "place": platform.running["oslo"].core.identity,
        "impostor": Identity.generate("tester", "owner"),
    }[who]
    luggage = Luggage("f" * 16, -1).to_bytes()
    try:
        bundle = pack(courier, by=signer, args=([],), birth=Birth(agent="f" * 16, hop_limit=9), luggage=luggage)
    except Exception as error:  # a place cannot even sign a birth
        assert who == "place", error
        return
    reply = offer(platform, "baku", Transfer("f" * 16, -1, bundle.to_bytes(), None, 0.0))
    assert isinstance(reply, TransferRefused), reply
    assert platform.net.ask_directory("locate", "f" * 16, timeout=5) == (None, None)


def test_code_that_the_owner_did_not_sign(platform, traveller):
    """The sender gives other code than the digest says, when it is asked for it."""

    def swap(whom, request, deliver):
        answer = deliver()
        return Fetched(answer.data + b"\n") if isinstance(request, FetchCode) else answer

    stays = platform.launch(other_code, at="baku")
    platform.net.tamper = swap
    with pytest.raises(MoveFailed, match="still runs on baku"):
        stays.move("lima")
    platform.net.tamper = None
    stays.move("lima")
    stays.send("end")
    assert stays.result(timeout=10) == "lima"


@agent
def other_code(here):
    yield receive()
    return here.name


@pytest.mark.parametrize("flip", [0, 7, 100, -1, -200, "half"])
def test_bytes_changed_on_the_way(platform, traveller, flip):
    """Anywhere in the bundle: nothing is decoded."""
    data = bytearray(platform.sent[2][1].bundle)
    data[len(data) // 2 if flip == "half" else flip] ^= 1
    before = platform.running["lima"].core.store.stay(traveller.agent)
    for place in PLACES:
        for epoch in (3, 50):
            reply = offer(platform, place, Transfer(traveller.agent, epoch, bytes(data), "oslo", 0.0))
            assert isinstance(reply, TransferRefused), reply
    assert platform.running["lima"].core.store.stay(traveller.agent) == before
    lives_on(traveller, "baku", "oslo", "lima")


@pytest.mark.parametrize("at", [-1, -150, -300, 200])
def test_a_byte_changed_in_a_file(platform, traveller, at):
    """It is the place that says why, also where the client cannot read what it looks at before it sends."""
    data = bytearray(traveller.freeze().to_bytes())
    data[at] ^= 1
    with pytest.raises(MoveRefused) as caught:
        platform.thaw(Bundle.from_bytes(data), at="oslo")
    assert caught.value.why in ("segment-mismatch", "manifest-mismatch", "bad-signature")
    data[at] ^= 1
    lives_on(platform.thaw(Bundle.from_bytes(data), at="oslo"), "baku", "oslo", "lima")


@pytest.mark.parametrize("rubbish", [b"", b"\0" * 100, b"SJB", bytes(range(256)) * 50], ids=range(4))
def test_rubbish_instead_of_a_bundle(platform, traveller, rubbish):
    for place in PLACES:
        reply = offer(platform, place, Transfer("e" * 16, -1, rubbish, "oslo", 0.0))
        assert isinstance(reply, TransferRefused), reply
    lives_on(traveller, "baku", "oslo", "lima")


def test_luggage_of_another_agent_cannot_be_swapped(platform, traveller):
    """It is signed with the rest: a bundle with another mailbox is another bundle."""
    bundle = Bundle.from_bytes(platform.sent[2][1].bundle)
    other = Bundle.from_bytes(platform.sent[1][1].bundle)
    assert bundle.to_bytes() != other.to_bytes()
    mixed = bytearray(bundle.to_bytes())
    tail = other.to_bytes()[-64:]
    mixed[-64:] = tail
    reply = offer(platform, "lima", Transfer(traveller.agent, 77, bytes(mixed), "oslo", 0.0))
    assert isinstance(reply, TransferRefused)
    lives_on(traveller, "baku", "oslo", "lima")


# -- claims at the directory


def claim(platform, request, **papers):
    return platform.net.ask_directory("submit", request, timeout=5, **papers)


def test_two_places_claim_the_same_epoch(platform, traveller):
    """At the same moment, with the same bundle: one gets it; the other's copy never runs."""
    for round_ in range(10):
        barrier = threading.Barrier(3)
        answers = []

        def ask(place):
            barrier.wait(5)
            answers.append(claim(platform, Take(f"new-{round_}", -1, place.core.holder, b"link")))

        threads = [threading.Thread(target=ask, args=(place,)) for place in platform.running.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert sorted(type(answer).__name__ for answer in answers) == ["Denied", "Denied", "Granted"]
    lives_on(traveller, "baku", "oslo", "lima")


def test_a_claim_of_what_another_place_holds(platform, traveller):
    """Taken without its link, restored while its holder lives, ended or released by somebody else: denied."""
    _, row = platform.net.ask_directory("locate", traveller.agent, timeout=5)
    thief = platform.running["baku"].core.holder
    for request in (
        Take(row.agent, row.epoch, thief, b"forged link", b"forged previous"),
        Restore(row.agent, row.epoch, thief, row.epoch, row.record),
        Finish(row.agent, row.epoch, thief),
        Release(row.agent, row.epoch, thief, b"link"),
        Finish(row.agent, row.epoch, Holder("lima", "another writer")),
        Take(row.agent, row.epoch, Holder("nowhere", "nobody"), b"link", row.record),
    ):
        papers = {"outcome": b"x"} if isinstance(request, Finish) else {}
        assert isinstance(claim(platform, request, **papers), Denied), request
    lives_on(traveller, "baku", "oslo", "lima")


def test_a_process_that_was_superseded_claims_nothing(platform, traveller):
    """After a restart the former process of a place has no say, whatever it still has in memory."""
    former = platform.running["lima"].core.holder
    platform.kill("lima")
    platform.start("lima")
    _, row = platform.net.ask_directory("locate", traveller.agent, timeout=5)
    for request in (Finish(row.agent, row.epoch, former), Restore(row.agent, row.epoch, former, row.since, row.record)):
        papers = {"outcome": b"x"} if isinstance(request, Finish) else {}
        assert isinstance(claim(platform, request, **papers), Denied)
    lives_on(traveller, "baku", "oslo", "lima")


def test_a_copy_that_was_never_granted_is_no_checkpoint(platform, traveller):
    """A bundle that was fenced at its source, brought in where it was to go, is not restored there after a restart."""
    whom, request = platform.sent[2]
    platform.kill("oslo")
    platform.running["lima"].core.store.save("0" * 16, 1, request.bundle)
    platform.start("oslo")
    platform.kill("lima")
    platform.start("lima")
    assert until(lambda: "0" * 16 not in platform.running["lima"].core.store.agents()), "it is tidied away"
    lives_on(traveller, "baku", "oslo", "lima")
