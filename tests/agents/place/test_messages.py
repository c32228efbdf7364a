"""Every message once and in order per sender, over any number of moves of both sides, whatever is lost."""

from __future__ import annotations

import random
import threading
import time

import pytest

from agents import agent, hop, receive, send, sleep
from agents.errors import AgentEnded, AgentFrozen, DirectoryUnreachable, MoveFailed, PlaceUnreachable, WaitedTooLong
from agents.mailbox import Delivery, Mailbox, Message
from agents.place import PlaceOptions
from agents.protocol import Deliver, HeldBack, NotHere
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, until

QUICK = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.03, directory_seconds=1.0, held_seconds=0.1)


@agent
def talks(here, seed, rounds, places, pause):
    """Writes its numbers to all the others, hops in between, and collects what comes, by sender."""
    import random

    dice = random.Random(seed)
    got = {}
    me = here.agent

    def keep(message):
        got.setdefault(message.value[0], []).append(message.value[1])

    peers = None
    while peers is None:
        message = yield receive()
        if isinstance(message.value, dict):
            peers = message.value["peers"]
        else:
            keep(message)
    for number in range(rounds):
        for peer in peers:
            value = [seed, number]
            while value is not None:
                try:
                    yield send(peer, value, timeout=2)
                    value = None
                except WaitedTooLong:
                    value = None  # it goes before the next one
                except AgentEnded:
                    value = None  # this one went back to a checkpoint, and the other had it all before that
                except DirectoryUnreachable:
                    yield sleep(0.05)
            while (message := (yield receive(0))) is not None:
                keep(message)
        if pause:
            yield sleep(pause)
        if dice.random() < 0.5:
            try:
                here = yield hop(dice.choice(places))
            except MoveFailed:
                yield
    ends = 0
    for peer in peers:
        while True:
            try:
                yield send(peer, [seed, "end"], timeout=5)
                break
            except AgentEnded:
                break  # the one before had come, though nobody had said so, and was the last that it waited for
            except (WaitedTooLong, DirectoryUnreachable):
                yield sleep(0.05)
    while sum(row[-1] == "end" for row in got.values()) < len(peers):
        keep((yield receive()))
        if dice.random() < 0.1:
            try:
                here = yield hop(dice.choice(places))
            except MoveFailed:
                yield
    assert here.agent == me
    return got


def expected(own: int, count: int, rounds: int) -> dict:
    """With "end" perhaps more than once: an agent that is not sure sends it again."""
    return {number: list(range(rounds)) for number in range(count) if number != own}


def launched(platform, *args, **options):
    """Launched, though the place may be down at that moment."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return platform.launch(*args, **options)
        except MoveFailed:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def converse(platform, count, rounds, timeout, pause=0.0, tamper=None):
    """Let `count` agents talk; what each got, without the ends."""
    names = [f"talker-{number}" for number in range(count)]
    handles = [
        launched(platform, talks, number, rounds, list(PLACES), pause, at=PLACES[number % 3], name=names[number])
        for number in range(count)
    ]
    platform.net.tamper = tamper
    for number, handle in enumerate(handles):
        handle.send({"peers": [other.agent for other in handles if other is not handle]}, timeout=20)
    told = []
    for handle in handles:
        got = handle.result(timeout=timeout)
        told.append({sender: [value for value in row if value != "end"] for sender, row in got.items()})
    return told


class Losses:
    """Loses requests and answers at random, of places and of the directory; renewals of leases get through."""

    def __init__(self, seed, part):
        self.dice = random.Random(seed)
        self.part = part
        self.lock = threading.Lock()
        self.lost = 0

    def __call__(self, whom, request, deliver):
        with self.lock:
            lot = self.dice.random()
        quiet = whom == "directory" and request[0] not in ("submit", "locate", "find")
        if quiet or lot > self.part:
            return deliver()
        self.lost += 1
        if lot > self.part / 2:
            deliver()
        if whom == "directory":
            raise DirectoryUnreachable("it was lost")
        raise PlaceUnreachable(whom, "it was lost")


@pytest.mark.parametrize("seed", range(8))
def test_exactly_once_and_in_order_whatever_is_lost(seed):
    """Six agents that all write to all, hop at random, and lose every twelfth request or answer."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        losses = Losses(seed, 1 / 12 if seed else 0.0)
        told = converse(platform, 6, 12, timeout=50, tamper=losses)
        assert told == [expected(number, 6, 12) for number in range(6)]
        assert (losses.lost > 20) == bool(seed)
        platform.net.tamper = None


@agent
def listens_and_hops(here, count, pause):
    got = []
    while len(got) < count:
        message = yield receive()
        got.append(message.value)
        if len(got) % 5 == 0:
            here = yield hop({"baku": "oslo", "oslo": "lima", "lima": "baku"}[here.name])
            yield sleep(pause)
    return got


def test_handles_on_several_threads_to_one_agent_that_hops(platform):
    """Of one handle's process the messages are one sequence; none is lost, and each thread's are in order."""
    handle = platform.launch(listens_and_hops, 120, 0.001, at="baku")

    def write(thread):
        for number in range(30):
            handle.send([thread, number], timeout=30)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    got = handle.result(timeout=40)
    for thread in threads:
        thread.join(10)
    for number in range(4):
        assert [row[1] for row in got if row[0] == number] == list(range(30))


def test_what_was_not_sure_goes_before_the_next(platform):
    """A message whose sending timed out, delivered or not, comes once, and before what is sent after it."""
    handle = platform.launch(listens_and_hops, 3, 0, at="baku")
    handle.send(0)

    def lose(whom, request, deliver):
        if isinstance(request, Deliver):
            if delivered:
                deliver()
            raise PlaceUnreachable(whom, "it was lost")
        return deliver()

    for delivered, value in ((True, 1),):
        platform.net.tamper = lose
        with pytest.raises(WaitedTooLong, match="goes before the next message"):
            handle.send(value, timeout=0.3)
        platform.net.tamper = None
    handle.send(2)
    assert handle.result(timeout=10) == [0, 1, 2]


def test_no_request_follows_more_than_two_marks():
    """However long the chain of marks is: after two, the directory is asked."""
    names = [f"place{number}" for number in range(8)]
    with LocalPlatform(names, options=QUICK) as platform:
        handle = platform.launch(visits_all, names[1:], at=names[0])
        until(lambda: handle.place() == names[-1])
        until(lambda: handle.status().state == "waiting")
        asked = []

        def watch(whom, request, deliver):
            if isinstance(request, Deliver) or (whom == "directory" and request[0] == "locate"):
                asked.append(whom)
            return deliver()

        platform.net.tamper = watch
        handle.client._hints[handle.agent] = names[0]
        handle.send("found")
        platform.net.tamper = None
        assert handle.result(timeout=10) == "found"
        assert asked == [*names[:3], "directory", names[-1]]


@agent
def visits_all(here, places):
    for place in places:
        here = yield hop(place)
    return (yield receive()).value


def test_who_has_nothing_to_say_keeps_no_thread(platform):
    """Senders to an agent that cannot take mail just now neither block others nor pile up threads for ever."""
    handle = platform.launch(listens_and_hops, 30, 0, at="baku")
    gate = threading.Event()

    def slow(whom, request, deliver):
        if whom == "directory" and request[0] == "submit":
            gate.wait(3)
        return deliver()

    platform.net.tamper = slow
    mover = threading.Thread(target=handle.move, args=("oslo",))
    mover.start()
    time.sleep(0.1)
    writers = [threading.Thread(target=handle.send, args=(number,)) for number in range(30)]
    for writer in writers:
        writer.start()
    other = platform.net  # another agent is not kept waiting meanwhile
    assert other.ask_place("lima", Deliver("0" * 16, "somebody", 0, b""), timeout=2) == NotHere()
    gate.set()
    platform.net.tamper = None
    for thread in (mover, *writers):
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(handle.result(timeout=10)) == list(range(30))


def test_a_message_ahead_of_its_turn_is_held_back(platform):
    """Whoever carries it cannot overtake: number 1 is not taken before number 0; and 0 twice is taken once."""
    handle = platform.launch(listens_and_hops, 2, 0, at="baku")
    until(lambda: handle.status().state == "waiting")
    from mobility.plain import encode

    place = platform.running["baku"]
    assert isinstance(place.serve(Deliver(handle.agent, "client-x", 1, encode("b"))), HeldBack)
    first = place.serve(Deliver(handle.agent, "client-x", 0, encode("a")))
    again = place.serve(Deliver(handle.agent, "client-x", 0, encode("other")))
    assert (first.repeated, again.repeated) == (False, True)
    assert place.serve(Deliver(handle.agent, "client-x", 1, encode("b"))).place == "baku"
    assert handle.result(timeout=10) == ["a", "b"]


def test_a_message_that_cannot_be_read_harms_nobody(platform):
    handle = platform.launch(listens_and_hops, 1, 0, at="baku")
    until(lambda: handle.status().state == "waiting")
    platform.running["baku"].serve(Deliver(handle.agent, "client-x", 0, b"\xff\x00rubbish"))
    handle.send("fine")
    assert handle.result(timeout=10) == ["fine"]


def test_an_agent_that_was_frozen_meanwhile_gets_no_gap(platform, tmp_path):
    """What an agent could not send to one that is frozen is not counted; after the thaw its messages arrive."""
    reader = platform.launch(listens_and_hops, 2, 0, at="baku")
    bundle = reader.freeze()
    writer = platform.launch(writes_until_it_works, reader.agent, at="oslo")
    time.sleep(0.3)
    platform.thaw(bundle, at="lima")
    assert writer.result(timeout=10) >= 1
    assert reader.result(timeout=10) == ["first", "second"]


@agent
def writes_until_it_works(here, whom):
    failures = 0
    for value in ("first", "second"):
        while True:
            try:
                yield send(whom, value)
                break
            except AgentFrozen:
                failures += 1
                yield sleep(0.05)
    return failures


def test_the_mailbox_alone():
    """Once, in order, and answers apart; the same as plain data."""
    box = Mailbox()
    assert box.deliver(Message("a", 1)) is Delivery.AHEAD
    assert [box.deliver(Message("a", number, number)) for number in (0, 1, 1, 0)] == [
        Delivery.TAKEN,
        Delivery.TAKEN,
        Delivery.REPEATED,
        Delivery.REPEATED,
    ]
    box.deliver(Message("b", 0, "late", None, "q1"))
    box.deliver(Message("b", 1, "wanted", None, "q2"))
    box = Mailbox.from_plain(box.to_plain())
    assert box.take_answer("q2").value == "wanted" and box.take_answer("q2") is None
    assert box.take().value == 0 and box.take_answer("q1") is None, "nobody waits for an answer while it receives"
    assert box.take().value == 1 and box.take() is None
