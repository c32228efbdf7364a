"""Clones: whose child each is, whose letters are whose, and that this holds while letters and wishes come at random."""

from __future__ import annotations

import random
import threading

import pytest

from agents import agent, clone, gather, receive, reply, send, sleep, spawn
from agents.errors import AgentsError, PlaceUnreachable
from agents.handoff import Fence
from agents.place import PlaceOptions
from agents.protocol import Transfer
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, until

QUICK = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.03, directory_seconds=1.0, held_seconds=0.1)


@agent
def keeps(here, got=()):
    """Keeps what it is told, in order; tells all at the end, and what it is called."""
    got = list(got)
    while True:
        message = yield receive()
        if message.value == "end":
            return here.agent, got
        got.append(message.value)


@pytest.mark.parametrize("seed", range(3))
def test_letters_of_the_original_while_it_is_cloned_and_moved(seed):
    """Each letter is read by the original, once and in order. A clone knows what had been read when it was made, and
    nothing that came after; what is written to the clone, it alone reads."""
    chance = random.Random(seed)
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(keeps, at="baku")
        done = threading.Event()
        clones, troubles = [], []

        def disturb():
            while not done.is_set():
                try:
                    if chance.random() < 0.5:
                        clones.append(handle.clone(chance.choice(PLACES), timeout=20))
                    else:
                        handle.move(chance.choice(PLACES), timeout=20)
                except AgentsError as error:
                    troubles.append(error)
                done.wait(chance.uniform(0, 0.02))

        disturber = threading.Thread(target=disturb)
        disturber.start()
        for number in range(150):
            handle.send(number, timeout=20)
        until(lambda: len(clones) >= 3)
        done.set()
        disturber.join(30)
        handle.send("end")
        agent_id, got = handle.result(timeout=20)
        assert (agent_id, got) == (handle.agent, list(range(150))) and not troubles and clones
        for number, other in enumerate(clones):
            assert other.status().parent == handle.agent and other.status().mail == 0
            other.send(f"to clone {number}")
            other.send("end")
            its_id, known = other.result(timeout=20)
            assert its_id == other.agent and known[-1] == f"to clone {number}"
            assert known[:-1] == list(range(len(known) - 1)), "what the original had read by then"
            assert other.trail().verified
        assert len({other.agent for other in clones}) == len(clones)


@agent
def line(here, generations):
    """A clone of a clone of a clone: each knows its parent, and writes to it."""
    told = []
    for generation in range(generations):
        made = yield clone(PLACES[generation % len(PLACES)])
        if not made.is_clone:
            message = yield receive(20)
            assert message.sender == made.other.agent
            (below,) = yield gather([made.other])
            return [here.agent, *below]
        told.append(made.other.agent)
        yield send(made.other, f"from {here.agent}")
    return [told]


def test_a_line_of_clones(platform):
    """Lineage in ids, in the directory, and in the passports, which all verify."""
    handle = platform.launch(line, 6, at="lima")
    *ids, told = handle.result(timeout=30)
    assert ids[0] == handle.agent and told == ids, "the last one was told of each of its ancestors by that itself"
    youngest = next(row.agent for row in platform.agents(ended=True) if row.agent not in ids)
    for older, younger in zip(ids, [*ids[1:], youngest], strict=True):
        child = platform.get(younger)
        assert child.status().parent == older and younger.startswith(f"{older}.")
        assert child.trail().verified
    passport = platform.client.find(youngest).passport
    assert passport is not None and passport.count(b'"child"') >= 6


@agent
def asked_before(here):
    """It is asked, is cloned with the question in hand, and both answer."""
    question = yield receive(10)
    made = yield clone("oslo")
    if made.is_clone:
        yield sleep(0.3)
        yield reply(question, "the clone")
        return "clone"
    yield reply(question, "the original")
    (other,) = yield gather([made.other])
    return "original", other


def test_a_question_that_both_answer(platform):
    """The first answer counts, and the second does no harm."""
    handle = platform.launch(asked_before, at="baku")
    assert handle.ask("who?", timeout=10) == "the original"
    assert handle.result(timeout=10) == ("original", "clone")


@agent
def writes_and_splits(here, to):
    """Writes, is cloned, and both go on writing."""
    yield send(to, ["both", 0])
    made = yield clone("oslo")
    who = "clone" if made.is_clone else "original"
    for number in range(1, 4):
        yield send(to, [who, number])
    if not made.is_clone:
        yield gather([made.other])
        yield send(to, "end")
    return who


def test_what_clones_write_is_theirs(platform):
    """The recipient takes each letter of both: a clone counts its own letters anew, under its own id."""
    recipient = platform.launch(keeps, at="lima")
    handle = platform.launch(writes_and_splits, recipient.agent, at="baku")
    assert handle.result(timeout=20) == "original"
    _, got = recipient.result(timeout=20)
    assert sorted(map(tuple, got)) == sorted(
        [("both", 0), *[(who, number) for who in ("clone", "original") for number in range(1, 4)]]
    )
    for who in ("clone", "original"):
        assert [number for name, number in got if name == who] == [1, 2, 3]


@agent
def takes_its_name(here):
    made = yield clone("lima", name="second")
    if made.is_clone:
        yield receive(20)
        return here.agent
    (other,) = yield gather(["second"])
    return other == made.other.agent


def test_a_clone_that_has_a_name_is_gathered_by_it(platform):
    handle = platform.launch(takes_its_name, at="baku")
    assert until(lambda: handle.status().state == "waiting")
    platform.get("second").send("go")
    assert handle.result(timeout=20) is True


# -- a place that dies meanwhile


@agent
def breeds(here, to, count):
    """Makes clones one after another; each says which it is, and the original gathers them."""
    children = []
    while len(children) < count:
        try:
            made = yield clone(to)
        except AgentsError:
            yield sleep(0.05)
            continue
        if made.is_clone:
            yield sleep(0.1)
            return len(children)
        children.append(made.other)
    got = yield gather(children, timeout=60)
    return got


class Strikes:
    """Kills a place at the n-th submission or transfer, before or after that is delivered."""

    def __init__(self, platform, number, when, victim):
        self.platform, self.number, self.when, self.victim = platform, number, when, victim
        self.lock, self.seen, self.struck = threading.Lock(), 0, threading.Event()

    def __call__(self, whom, request, deliver):
        counts = request[0] == "submit" if whom == "directory" else isinstance(request, Transfer)
        with self.lock:
            mine = counts and self.seen == self.number
            self.seen += counts
        if mine and self.when == "before":
            self.strike()
        answer = deliver()
        if mine and self.when == "after":
            self.strike()
        return answer

    def strike(self):
        self.platform.kill(self.victim)
        self.struck.set()


@pytest.mark.parametrize("victim", ["baku", "oslo"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(7))
def test_a_clone_is_made_once_whenever_a_place_dies(number, when, victim):
    """At each request of three clones, at home and at the other place: there are three children, and no fourth."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(breeds, "oslo", 3, at="baku")
        killer = platform.net.tamper = Strikes(platform, number, when, victim)
        if killer.struck.wait(1.5):
            until(lambda: victim not in platform.running)
            platform.start(victim)
        platform.net.tamper = None
        assert handle.result(timeout=30) == [0, 1, 2]
        assert sum(row.parent == handle.agent for row in platform.agents(ended=True)) == 3


@pytest.mark.parametrize("to", ["baku", "oslo"])
@pytest.mark.parametrize("seed", range(3))
def test_clones_are_made_once_while_their_place_dies_at_random(seed, to):
    """Again and again, also when the clones are made at the same place."""
    chance = random.Random(seed)
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(breeds, to, 12, at="baku")
        for _ in range(4):
            until(lambda: False, chance.uniform(0.0, 0.08))
            platform.kill("baku")
            platform.start("baku")
        assert handle.result(timeout=40) == list(range(12))
        assert sum(row.parent == handle.agent for row in platform.agents(ended=True)) == 12


@agent
def spawns(here):
    child = yield spawn(slow, at="oslo")
    yield receive(20)
    return child.agent


@agent
def slow(here):
    yield sleep(1.0)
    return "child"


def test_a_spawned_child_is_not_started_again():
    """It is written down when it has begun."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(spawns, at="baku")
        assert until(lambda: [row for row in platform.agents() if row.parent == handle.agent])
        until(lambda: any(event.kind == "checkpointed" for event in handle.logs()))
        platform.kill("baku")
        platform.start("baku")
        handle.send("go", timeout=20)
        (child,) = [row.agent for row in platform.agents(ended=True) if row.parent == handle.agent]
        assert handle.result(timeout=20) == child and platform.get(child).result(timeout=10) == "child"


def test_a_clone_that_could_not_be_made_before_its_place_died():
    """The other place did not answer, so the directory was told that the clone is not to come; then the first one died.
    It is not taken for born."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        killer = platform.net.tamper = FencesThenDies(platform)
        handle = platform.launch(breeds, "oslo", 2, at="baku")
        assert killer.struck.wait(20)
        until(lambda: "baku" not in platform.running)
        platform.net.tamper = None
        platform.start("baku")
        assert handle.result(timeout=30) == [0, 1]
        assert sum(row.parent == handle.agent for row in platform.agents(ended=True)) == 2


class FencesThenDies:
    """Loses what is sent to the other place, and kills the first one when the directory has granted its fence."""

    def __init__(self, platform):
        self.platform, self.struck = platform, threading.Event()

    def __call__(self, whom, request, deliver):
        if whom == "oslo" and isinstance(request, Transfer):
            raise PlaceUnreachable("oslo", "no answer")
        answer = deliver()
        if whom == "directory" and request[0] == "submit" and isinstance(request[1][0], Fence):
            if not self.struck.is_set():
                self.platform.kill("baku")
                self.struck.set()
        return answer
