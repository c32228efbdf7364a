"""Places and the directory killed at every moment of a hop, and at random: each agent is there once, with its state."""

from __future__ import annotations

import random
import threading
import time

import pytest

from agents import agent, checkpoint, clone, hop, receive, sleep
from agents.errors import MoveFailed
from agents.handoff import Granted, Take
from agents.place import PlaceOptions
from agents.protocol import FetchCode, Transfer
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, until
from tests.agents.place.test_messages import converse, expected

QUICK = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.03, directory_seconds=1.0, held_seconds=0.1)


@agent
def carries(here, to):
    """Collects what it is told; at "go" it goes, however often that fails; at the end it tells all."""
    got = []
    while True:
        message = yield receive()
        if message.value == "end":
            return got, here.name
        if message.value != "go":
            got.append(message.value)
            continue
        while here.name != to:
            try:
                here = yield hop(to)
            except MoveFailed:
                yield sleep(0.02)


class KillsAt:
    """Kills one party at the n-th request of the kinds that count, before or after it is delivered."""

    def __init__(self, platform, number, when, victim):
        self.platform, self.number, self.when, self.victim = platform, number, when, victim
        self.lock = threading.Lock()
        self.seen = 0
        self.struck = threading.Event()

    def __call__(self, whom, request, deliver):
        counts = (
            request[0] in ("submit", "locate") if whom == "directory" else isinstance(request, (Transfer, FetchCode))
        )
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
        if self.victim == "directory":
            self.platform.kill_directory()
        else:
            self.platform.kill(self.victim)
        self.struck.set()


def revive(platform, victim):
    if victim == "directory":
        platform.start_directory()
    else:
        platform.start(victim)


def running_copies(platform, agent_id):
    """How many places would step it."""
    residents = [place.core.known(agent_id) for place in platform.running.values()]
    return sum(resident is not None and resident.machine.visit.runs for resident in residents)


@pytest.mark.parametrize("victim", ["baku", "oslo", "directory"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(4))
def test_a_party_of_a_hop_killed_at_each_of_its_requests(number, when, victim):
    """Started again, the agent is there once, knows what it was told, and arrives; what was acknowledged is not lost,
    and what was not is sent again."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(carries, "oslo", at="baku")
        for value in range(3):
            handle.send(value)
        # The go is the last thing that is acknowledged before the kill.
        killer = platform.net.tamper = KillsAt(platform, number, when, victim)
        handle.client._hints[handle.agent] = "baku"
        handle.send("go", timeout=20)
        if killer.struck.wait(1.0):
            time.sleep(0.1)
            assert running_copies(platform, handle.agent) <= 1
            revive(platform, victim)
        platform.net.tamper = None
        for value in range(3, 6):
            handle.send(value, timeout=20)
        assert until(lambda: handle.place() == "oslo", 15)
        assert until(lambda: running_copies(platform, handle.agent) == 1, 15)
        handle.send("end", timeout=20)
        assert handle.result(timeout=20) == ([0, 1, 2, 3, 4, 5], "oslo")
        for place in platform.running.values():
            assert until(lambda: not place.core.store.agents(), 5), "nothing of it is left on any disk"


@pytest.mark.parametrize("victim", ["baku", "oslo", "lima"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(3))
def test_a_party_of_a_clone_killed_at_each_of_its_requests(number, when, victim):
    """There is one child or none, and the parent goes on."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(breeds_once, "oslo", at="baku")
        killer = platform.net.tamper = KillsAt(platform, number, when, victim)
        handle.client._hints[handle.agent] = "baku"
        handle.send("go", timeout=20)
        if killer.struck.wait(1.0):
            time.sleep(0.1)
            revive(platform, victim)
        platform.net.tamper = None
        assert handle.result(timeout=20) == "parent"
        time.sleep(0.1)
        children = [row for row in platform.agents(ended=True) if row.parent == handle.agent]
        for child in children:
            assert platform.get(child.agent).result(timeout=10) == "child"


@agent
def breeds_once(here, to):
    yield receive()
    while True:
        try:
            made = yield clone(to)
            return "child" if made.is_clone else "parent"
        except MoveFailed as error:
            yield sleep(0.05)


@agent
def computes_with_checkpoints(here, mark):
    step = 0
    while step < 10:
        step += 1
        if step == mark:
            yield checkpoint()
        if step == 7:
            message = yield receive()
    return step, mark, message.value


@pytest.mark.parametrize("mark", [0, 4, 7])
def test_from_a_checkpoint_it_goes_on(mark):
    """Also from the bundle by which it came, if it made none; and with the messages that came since."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(computes_with_checkpoints, mark, at="baku")
        assert until(lambda: handle.status().state == "waiting")
        for _ in range(3):
            platform.kill("baku")
            assert platform.start("baku").name == "baku"
            assert until(lambda: handle.status().state == "waiting")
        handle.send("on")
        assert handle.result(timeout=10) == (10, mark, "on")
        assert until(lambda: not platform.running["baku"].core.store.agents())


def test_after_a_restart_it_can_hop_clone_and_freeze(tmp_path):
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(carries, "lima", at="baku")
        handle.send(1)
        for _ in range(2):
            platform.kill("baku")
            platform.start("baku")
        other = handle.clone("oslo")
        bundle = handle.freeze()
        platform.thaw(bundle, at="baku")
        platform.kill("baku")
        platform.start("baku")
        handle.move("oslo")
        platform.kill("oslo")
        platform.start("oslo")
        for one in (handle, other):
            one.send(2)
            one.send("go")
            one.send("end")
            assert one.result(timeout=10) == ([1, 2], "lima")
        assert handle.trail().verified, handle.trail().problem


def test_messages_that_were_acknowledged_survive():
    """Read or not, they are there after the place was killed; in order, and once."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(carries, "oslo", at="baku")
        for value in range(30):
            handle.send(value)
            if value % 10 == 9:
                platform.kill("baku")
                platform.start("baku")
        handle.send("go")
        handle.send("end")
        assert handle.result(timeout=10) == (list(range(30)), "oslo")


def test_an_old_bundle_at_a_place_that_was_just_restarted_destroys_nothing():
    """The very bundle by which the agent came, again: it must not replace the checkpoint and its journal."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        sent = []

        def watch(whom, request, deliver):
            if isinstance(request, Transfer) and whom == "oslo":
                sent.append(request)
            return deliver()

        platform.net.tamper = watch
        handle = platform.launch(carries, "oslo", at="baku")
        handle.send("go")
        assert until(lambda: handle.place() == "oslo")
        handle.send("written down")
        real = platform.running["oslo"]
        platform.kill("oslo")
        platform.net.tamper = None
        # Between its registration and the moment when it takes back what it had, the bundle comes in.
        from agents.place.lease import Lease

        taking = Lease.take_back

        def late(lease):
            assert lease.core.name != "oslo" or not isinstance(platform.running["oslo"].serve(sent[0]), type(None))
            return taking(lease)

        Lease.take_back = late
        try:
            platform.start("oslo")
        finally:
            Lease.take_back = taking
        handle.send("end", timeout=5)
        assert handle.result(timeout=10) == (["written down"], "oslo")
        assert real is not platform.running["oslo"]


def test_two_claims_for_one_epoch():
    """Of all that ask for the same agent at the same epoch, one gets it."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        submit = platform.net.ask_directory
        for round_ in range(20):
            holders = [place.core.holder for place in platform.running.values()]
            barrier = threading.Barrier(len(holders))
            answers = []

            def claim(holder):
                barrier.wait(5)
                answers.append(submit("submit", Take(f"agent-{round_}", -1, holder, b"link"), timeout=5))

            threads = [threading.Thread(target=claim, args=(holder,)) for holder in holders]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
            assert sum(isinstance(answer, Granted) for answer in answers) == 1


@pytest.mark.parametrize("seed", range(3))
def test_random_kills_while_agents_hop_and_write(seed):
    """Places and the directory die and come back, again and again: nothing is lost, doubled or out of order."""
    dice = random.Random(seed)
    stop = threading.Event()
    kills = 0
    with LocalPlatform(PLACES, options=QUICK) as platform:

        def murder():
            nonlocal kills
            while not stop.wait(0.02 + dice.random() * 0.2):
                victim = dice.choice([*PLACES, "directory"])
                if victim == "directory":
                    platform.kill_directory()
                else:
                    platform.kill(victim)
                kills += 1
                time.sleep(dice.random() * 0.1)
                revive(platform, victim)

        murderer = threading.Thread(target=murder)
        murderer.start()
        try:
            told = converse(platform, 5, 25, timeout=60, pause=0.05)
        finally:
            stop.set()
            murderer.join(20)
        assert not murderer.is_alive()
        assert told == [expected(number, 5, 25) for number in range(5)]
        assert kills > 5
