"""What others do to an agent: move, clone, freeze, stop and look, whatever it is just doing; and files, and thaws."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from agents import agent, ask, call, hop, receive, reply, sleep
from agents.errors import AgentEnded, AgentFrozen, AgentsError, AgentStopped, Busy, MoveFailed, MoveRefused
from agents.place import PlaceOptions
from agents.testing.local import LocalPlatform
from mobility.errors import MobilityError
from mobility.trust import TrustEntry, TrustList
from tests.agents.place.conftest import PLACES, until


@agent
def does(here, what, partner):
    """Does one thing for about half a second, and tells where it was then, and for how long."""
    import time

    began = time.time()
    if what == "waits":
        got = (yield receive(0.5)) is None
    elif what == "sleeps":
        got = yield sleep(0.5)
    elif what == "asks":
        got = yield ask(partner, "?", timeout=5)
    elif what == "calls":
        got = yield call(time.sleep, 0.5)
    elif what == "computes":
        for _ in range(50):
            time.sleep(0.01)
            yield
        got = None
    return here.name, got, round(time.time() - began, 1)


@agent
def answers_after(here, seconds):
    message = yield receive()
    yield sleep(seconds)
    yield reply(message, "answer")


DOINGS = {"waits": True, "sleeps": None, "asks": "answer", "calls": None, "computes": None}


@pytest.mark.parametrize("what", DOINGS)
def test_move_whatever_it_does(platform, what):
    """It goes on with it at the other place: deadlines and answers are not lost, and it does not last longer."""
    partner = platform.launch(answers_after, 0.5, at="lima").agent if what == "asks" else None
    handle = platform.launch(does, what, partner, at="baku")
    time.sleep(0.1)
    report = handle.move("oslo", timeout=10)
    assert report["to"] == "oslo" and report["bytes"] > 0 and "bytes" in str(report)
    where, got, seconds = handle.result(timeout=15)
    assert (where, got) == ("oslo", DOINGS[what]) and 0.4 <= seconds < 3
    assert len(handle.trail()) == 1


@pytest.mark.parametrize("what", ["waits", "sleeps", "calls", "computes"])
def test_clone_whatever_it_does(platform, what):
    handle = platform.launch(does, what, None, at="baku")
    time.sleep(0.1)
    other = handle.clone("oslo", timeout=10)
    assert other.agent != handle.agent
    assert handle.result(timeout=15)[:2] == ("baku", DOINGS[what])
    assert other.result(timeout=15)[:2] == ("oslo", DOINGS[what])


@pytest.mark.parametrize("what", ["waits", "sleeps", "asks", "calls", "computes"])
def test_stop_whatever_it_does(platform, what):
    partner = platform.launch(answers_after, 0.5, at="lima").agent if what == "asks" else None
    handle = platform.launch(does, what, partner, at="baku")
    time.sleep(0.1)
    handle.stop(timeout=10)
    with pytest.raises(AgentStopped, match="stopped on baku"):
        handle.result(timeout=10)
    for do in (handle.stop, handle.freeze, handle.state, lambda: handle.move("oslo")):
        with pytest.raises(AgentEnded, match="has ended"):
            do()


@pytest.mark.parametrize("what", ["waits", "sleeps", "calls", "computes"])
def test_freeze_and_thaw_whatever_it_does(platform, what, tmp_path):
    handle = platform.launch(does, what, None, at="baku")
    time.sleep(0.1)
    handle.freeze(tmp_path / "a.sojourn", timeout=10)
    assert handle.status().state == "frozen" and handle.place() is None
    with pytest.raises(AgentFrozen, match="lies in its file"):
        handle.result(timeout=5)
    assert handle.freeze(timeout=5).to_bytes() == (tmp_path / "a.sojourn").read_bytes(), "the place has kept it"
    again = platform.thaw(tmp_path / "a.sojourn", at="lima")
    assert again == handle
    assert again.result(timeout=15)[:2] == ("lima", DOINGS[what])


@agent
def computes(here, seconds, rounds):
    import time

    for number in range(rounds):
        time.sleep(seconds)
        yield
    return here.name, number + 1


def test_busy_after_the_timeout_and_the_request_is_withdrawn(platform):
    handle = platform.launch(computes, 0.8, 1, at="baku")
    time.sleep(0.1)
    for do in (
        lambda: handle.move("oslo", timeout=0.2),
        lambda: handle.state(timeout=0.2),
        lambda: handle.stop(timeout=0.1),
    ):
        with pytest.raises(Busy) as raised:
            do()
        text = str(raised.value)
        assert "has not come to a yield" in text and "goes on undisturbed" in text and "withdrawn" in text
    assert handle.result(timeout=10) == ("baku", 1), "what was withdrawn is not done later"


def test_state_shows_line_and_variables(platform):
    handle = platform.launch(looks_around, 41, at="baku")
    until(lambda: handle.status().state == "waiting")
    told = handle.state()
    assert told["text"] == "message = yield receive()  # here it waits" and told["function"] == "looks_around"
    assert ["number", "int", "42"] in told["variables"] and told["standing"] == "receives" and told["place"] == "baku"


@agent
def looks_around(here, number):
    number += 1
    message = yield receive()  # here it waits
    return message.value


def test_state_of_an_agent_that_has_ended_or_never_was(platform):
    handle = platform.launch(computes, 0, 1, at="baku")
    handle.result(timeout=10)
    with pytest.raises(AgentEnded):
        handle.state()


@agent
def carries_on(here):
    count = 0
    while True:
        message = yield receive(0.005)
        if message is not None:
            return count, here.name
        count += 1


def test_many_wishes_at_once_are_all_answered(platform):
    """Moves, looks and clones from many threads: each is done, or refused with a reason; the agent is one and lives."""
    handle = platform.launch(carries_on, at="baku")
    clones = []

    def wish(number):
        try:
            if number % 5 == 4:
                clones.append(handle.clone(PLACES[number % 3], timeout=15))
            elif number % 5 == 3:
                handle.state(timeout=15)
            else:
                handle.move(PLACES[number % 3], timeout=15)
        except AgentsError as error:
            return error.slug
        return "done"

    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(wish, range(40)))
    assert told == ["done"] * 40, told
    handle.send("end")
    assert handle.result(timeout=10)[1] in PLACES
    assert len(clones) == 8
    for other in clones:
        other.send("end")
        other.result(timeout=10)


@agent
def travels(here):
    hops = 0
    while (yield receive(0.03)) is None:  # 256 hops, which are the most, take longer than the test
        here = yield hop({"baku": "oslo", "oslo": "lima", "lima": "baku"}[here.name])
        hops += 1
    return hops


def test_wishes_find_an_agent_that_is_always_on_its_way(platform):
    handle = platform.launch(travels, at="baku")
    looked = 0
    while looked < 10 or handle.status().epoch <= 20:  # each hop is an epoch
        assert handle.state(timeout=15)["place"] in PLACES
        looked += 1
    handle.send("end", timeout=15)
    assert handle.result(timeout=15) > 10


def test_deadlines_survive_many_moves(platform):
    """A sleep of a second, moved twenty times, is a sleep of a second; and so is a receive."""
    sleeper = platform.launch(naps, 1.0, at="baku")
    waiter = platform.launch(listens, 1.0, at="baku")
    moves = 0
    try:
        for number in range(20):
            for handle in (sleeper, waiter):
                handle.move(PLACES[number % 3], timeout=5)
                moves += 1
    except AgentEnded:
        pass
    assert moves > 10
    for handle in (sleeper, waiter):
        assert 0.95 <= handle.result(timeout=10) < 4


@agent
def naps(here, seconds):
    import time

    began = time.time()
    yield sleep(seconds)
    return time.time() - began


@agent
def listens(here, seconds):
    import time

    began = time.time()
    message = yield receive(seconds)
    assert message is None
    return time.time() - began


# -- files


@agent
def keeps(here, number):
    while True:
        message = yield receive()
        number += message.value
        if number > 100:
            return number, here.name


def test_mail_that_was_not_read_lies_in_the_file_too(platform, tmp_path):
    handle = platform.launch(reads_later, at="baku")
    for number in range(5):
        handle.send(number)
    handle.freeze(tmp_path / "a.sojourn")
    with pytest.raises(AgentFrozen, match="frozen, and cannot be written to"):
        handle.send(5)
    platform.thaw(tmp_path / "a.sojourn", at="oslo")
    handle.send(6, timeout=10)  # what could not be sent has left no gap
    assert handle.result(timeout=10) == [0, 1, 2, 3, 4, 6]


@agent
def reads_later(here):
    yield sleep(0.7)
    got = []
    while len(got) < 6:
        got.append((yield receive()).value)
    return got


def test_a_file_is_thawed_once(platform, tmp_path):
    handle = platform.launch(keeps, 1, at="baku")
    bundle = handle.freeze(tmp_path / "a.sojourn")
    platform.thaw(bundle, at="oslo")
    for place in PLACES:
        with pytest.raises(AgentsError) as raised:
            platform.thaw(tmp_path / "a.sojourn", at=place)
        assert "not frozen" in str(raised.value) and "on oslo" in str(raised.value)
    handle.send(200)
    assert handle.result(timeout=10) == (201, "oslo")
    with pytest.raises(AgentEnded, match="thawed again"):
        platform.thaw(bundle, at="baku")


@pytest.mark.parametrize("same_place", [True, False])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_of_simultaneous_thaws_exactly_one_wins(platform, tmp_path, same_place, elsewhere):
    """At one place and at several, where it was frozen and in another platform: one runs, the others are told so."""
    for round_ in range(3):
        file = tmp_path / f"{round_}.sojourn"
        frozen = platform.launch(keeps, round_, at="baku")
        frozen.freeze(file)
        with _another(platform) if elsewhere else nullcontext(platform) as target:
            places = [place.name for place in target.places()]
            barrier = threading.Barrier(4)

            def thaw(number):
                barrier.wait(10)
                try:
                    return target.thaw(file, at=places[0] if same_place else places[number % 3])
                except MobilityError as error:
                    assert "thawed" in str(error) or "refused" in str(error), str(error)
                    return None

            with ThreadPoolExecutor(4) as pool:
                handles = [handle for handle in pool.map(thaw, range(4)) if handle is not None]
            assert len(handles) == 1
            handles[0].send(1000)
            assert handles[0].result(timeout=10)[0] == round_ + 1000
            rows = [row for row in target.agents() if row.agent == frozen.agent]
            assert not rows


class Trusting:
    """A list with the owner and the places of another platform."""

    def __init__(self, platform):
        keys = [platform.owner.public, *(place.core.identity.public for place in platform.running.values())]
        self.list = TrustList.of(0, [TrustEntry(key, key.name, (key.role,)) for key in keys])

    def current(self):
        return self.list


def _another(platform):
    places = ("rome", "cairo", "quito")
    return LocalPlatform(places, owner=platform.owner, trusts=dict.fromkeys(places, Trusting(platform)))


def test_thaw_that_was_refused_can_be_tried_again(platform, tmp_path):
    """A refusal in a foreign platform leaves the file as good as it was."""
    file = tmp_path / "a.sojourn"
    platform.launch(keeps, 1, at="baku").freeze(file)
    with LocalPlatform(["oslo", "rome"]) as other:  # another owner: it trusts neither owner nor places of the first
        with pytest.raises(MoveRefused) as raised:
            other.thaw(file, at="oslo")
        assert "lies in its file" in str(raised.value) and "sojourn key trust" in str(raised.value)
        other.kill("oslo")
        with pytest.raises(MoveFailed):
            other.thaw(file, at="oslo", timeout=2)
    with LocalPlatform(["rome"], owner=platform.owner) as other:
        with pytest.raises(MoveRefused, match="untrusted-signer"):  # nor does one that trusts the owner alone
            other.thaw(file, at="rome")
        other.running["rome"].trust.own = Trusting(platform)
        handle = other.thaw(file, at="rome")  # now it does
        handle.send(100)
        assert handle.result(timeout=10) == (101, "rome")


@pytest.mark.parametrize("where", [40, -40, "middle"])
def test_a_file_with_changed_bytes_is_refused(platform, tmp_path, where):
    file = tmp_path / "a.sojourn"
    handle = platform.launch(keeps, 1, at="baku")
    data = bytearray(handle.freeze().to_bytes())
    good = bytes(data)
    data[len(data) // 2 if where == "middle" else where] ^= 0x40
    file.write_bytes(data)
    with pytest.raises(MobilityError) as raised:
        platform.thaw(file, at="oslo", timeout=5)
    assert str(raised.value)
    file.write_bytes(good)
    platform.thaw(file, at="oslo")
    handle.send(100)
    assert handle.result(timeout=10) == (101, "oslo")


def test_waiting_with_await_and_for_many(platform):
    import asyncio

    handles = [platform.launch(computes, 0.01, 2, at=place) for place in PLACES]

    async def all_of_them():
        return await asyncio.gather(*(_awaited(handle) for handle in handles))

    async def _awaited(handle):
        return await handle

    assert [row[0] for row in asyncio.run(all_of_them())] == list(PLACES)
    assert platform.wait(handles, timeout=5)


@agent
def blocks_then(here, seconds, leaves):
    import time

    yield
    time.sleep(seconds)
    if leaves:
        here = yield hop("oslo")
        yield receive()


def test_a_wish_that_waits_follows_an_agent_that_leaves(platform):
    """What is wanted of it while it computes is done where it has gone, and refused if it has ended."""
    for leaves in (True, False):
        handle = platform.launch(blocks_then, 0.5, leaves, at="baku")
        until(lambda: handle.status().state == "running")
        time.sleep(0.1)
        if leaves:
            with ThreadPoolExecutor(3) as pool:
                looks = [pool.submit(handle.state, 10) for _ in range(3)]
                assert [look.result(15)["place"] for look in looks] == ["oslo"] * 3
            handle.stop()
        else:
            with pytest.raises(AgentEnded, match="has ended"):
                handle.state(10)


@agent
def crosses(here):
    yield receive()
    while here.name != "oslo":
        try:
            here = yield hop("oslo")
        except MoveFailed:
            yield sleep(0.05)
    return here.name


def test_a_full_disk_under_the_directory():
    """What wants to move or to end waits, and goes on when there is room; who launches is told why in good time."""
    options = PlaceOptions(transfer_seconds=1.0, retry_seconds=0.05, directory_seconds=1.0)
    with LocalPlatform(PLACES, options=options) as platform:
        handle = platform.launch(crosses, at="baku")
        disk = platform.directory.directory._database._connection
        disk.execute(f"PRAGMA max_page_count = {disk.execute('PRAGMA page_count').fetchone()[0]}")
        with pytest.raises(AgentsError) as raised:
            for number in range(50):
                platform.launch(crosses, at="lima", name=f"{number:099d}", timeout=1)
        assert "no room on the disk of the directory" in str(raised.value), str(raised.value)
        handle.send("go")
        time.sleep(0.5)
        disk.execute("PRAGMA max_page_count = 1000000")
        assert handle.result(timeout=15) == "oslo"
