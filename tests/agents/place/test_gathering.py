"""Gathering the ends of agents: results in order, failures, the first of several; moved and killed meanwhile."""

from __future__ import annotations

import random
import threading
import time

import pytest

from agents import agent, clone, gather, hop, receive, sleep, spawn
from agents.errors import AgentLost, AgentsError, AgentStopped, DirectoryUnreachable
from agents.handoff import NEVER, Fence, Holder
from agents.place import PlaceOptions
from agents.place.tally import SMALL
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, until

QUICK = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.03, directory_seconds=1.0, held_seconds=0.1)


class Odd(Exception):
    """An exception of the agents' own project."""


@agent
def gives_when_told(here, value):
    yield receive()
    return value


@agent
def gives(here, value, seconds=0.0):
    """Returns a value, later; raises it, if it is an exception's name."""
    if seconds:
        yield sleep(seconds)
    if value == "ValueError":
        raise ValueError("no good")
    if value == "Odd":
        raise Odd("odd")
    if value == "large":
        return "x" * (5 * SMALL)
    if value == "large failure":
        raise ValueError("y" * 9_000, ["z" * 90_000])
    return value


@agent
def gathers(here, agents, first=None, timeout=20.0, failures="raise"):
    """What it gathers, where; or what was raised."""
    try:
        got = yield gather(agents, first=first, timeout=timeout, failures=failures)
    except Exception as error:
        return here.name, type(error).__name__, str(error), getattr(error, "__notes__", [])
    return here.name, [one if not isinstance(one, Exception) else repr(type(one).__name__) for one in got]


@pytest.fixture(params=["agent", "outside"])
def gathered(request, platform):
    """Both ways to gather."""

    def within(agents, first=None, timeout=20.0, failures="raise"):
        return platform.launch(gathers, agents, first, timeout, failures, at="baku").result(timeout=30)[1:]

    def outside(agents, **options):
        try:
            got = platform.gather(agents, **{"timeout": 20.0, **options})
        except Exception as error:
            return type(error).__name__, str(error), getattr(error, "__notes__", [])
        return ([one if not isinstance(one, Exception) else repr(type(one).__name__) for one in got],)

    return within if request.param == "agent" else outside


def launched(platform, *values, at=PLACES):
    """One agent for each value, or pair of a value and the seconds after which it returns that."""
    return [
        platform.launch(gives, *(value if isinstance(value, tuple) else (value,)), at=at[number % len(at)])
        for number, value in enumerate(values)
    ]


# -- what it gives


def test_results_are_in_the_order_given(platform, gathered):
    """Whatever the order in which they end; ids and names do as well as handles."""
    one, two, three = launched(platform, (1, 0.4), (2, 0.2), 3)
    named = platform.launch(gives, 4, 0.3, at="lima", name="fourth")
    assert gathered([one.agent, two.agent, three.agent, named.name]) == ([1, 2, 3, 4],)
    assert gathered([three.agent, one.agent, three.agent]) == ([3, 1, 3],), "after their ends, and one of them twice"


def test_nothing_is_gathered_from_nobody(platform, gathered):
    assert gathered([]) == ([],)


@pytest.mark.parametrize("failures", ["raise", "collect"])
def test_large_results(platform, gathered, failures):
    """They are fetched one by one when it goes on."""
    agents = [handle.agent for handle in launched(platform, "large", ("small", 0.2), ("large", 0.1))]
    ((large, small, other),) = gathered(agents, failures=failures)
    assert len(large) == len(other) == 5 * SMALL and small == "small"


def test_the_first_failure_is_raised_at_once(platform, gathered):
    """Long before the others end; with the id of the child, and where it had been."""
    slow, bad = launched(platform, ("slow", 8.0), ("ValueError", 0.1))
    began = time.monotonic()
    kind, text, notes = gathered([slow.agent, bad.agent])
    assert (kind, text) == ("ValueError", "no good") and time.monotonic() - began < 5
    assert any(bad.agent in note and "oslo" in note for note in notes)
    assert slow.status().state == "sleeping", "the others go on"
    slow.stop()


def test_a_large_failure_is_raised_at_once_too(platform, gathered):
    """Its outcome has to be fetched to see what it is."""
    slow, bad = launched(platform, ("slow", 8.0), "large failure")
    began = time.monotonic()
    assert gathered([slow.agent, bad.agent])[0] == "ValueError" and time.monotonic() - began < 5
    slow.stop()


def test_failures_can_be_collected(platform, gathered):
    """They stand in their places, and all others are waited for."""
    agents = [handle.agent for handle in launched(platform, (1, 0.3), "ValueError", "large failure", 4)]
    assert gathered(agents, failures="collect") == ([1, "'ValueError'", "'ValueError'", 4],)


@agent
def catches_its_own(here):
    """A child's exception is the parent's own class, since both are of one code."""
    child = yield spawn(gives, "Odd", 0.1)
    try:
        yield gather([child])
    except Odd as error:
        caught = str(error)
    collected = yield gather([child], failures="collect")
    here = yield hop("oslo")  # it travels with what it has collected
    return caught, isinstance(collected[0], Odd), here.name


def test_a_failure_is_of_the_class_that_the_parent_knows(platform):
    assert platform.launch(catches_its_own, at="baku").result(timeout=20) == ("odd", True, "oslo")


def test_an_exception_that_looks_like_trouble_of_the_platform(platform, gathered):
    """A child that raised what the directory could raise has failed; it is not asked for again and again."""
    bad = platform.launch(raises_unreachable, at="oslo")
    began = time.monotonic()
    kind, text, _ = gathered([bad.agent])
    assert kind == "DirectoryUnreachable" and "of my own" in text and time.monotonic() - began < 5
    assert gathered([bad.agent], failures="collect") == (["'DirectoryUnreachable'"],)


@agent
def raises_unreachable(here):
    from agents.errors import DirectoryUnreachable

    yield
    raise DirectoryUnreachable("of my own")


# -- the first of several


def test_the_first_n(platform, gathered):
    """The others' places are None; they go on."""
    agents = launched(platform, ("slow", 8.0), ("quick", 0.1), ("late", 8.0), ("large", 0.2))
    ((slow, quick, late, large),) = gathered([handle.agent for handle in agents], first=2)
    assert (slow, quick, late, len(large)) == (None, "quick", None, 5 * SMALL)
    for handle in (agents[0], agents[2]):
        assert handle.status().state == "sleeping"
        handle.stop()


def test_the_first_n_are_those_that_ended_first(platform, gathered):
    """Also when all have ended before anybody looked."""
    agents = [platform.launch(gives_when_told, number, at=place) for number, place in enumerate(PLACES, 1)]
    for number in (2, 3, 1):
        agents[number - 1].send("now")
        assert agents[number - 1].result(timeout=10) == number
    assert gathered([handle.agent for handle in agents], first=2) == ([None, 2, 3],)


def test_failures_count_when_the_first_n_cannot_be_reached(platform, gathered):
    """Not before that."""
    agents = [handle.agent for handle in launched(platform, "ValueError", (2, 0.2), (3, 0.3), "large failure")]
    assert gathered(agents, first=2) == ([None, 2, 3, None],)
    assert gathered(agents, first=3)[0] == "ValueError"
    assert gathered(agents, first=3, failures="collect") == (["'ValueError'", 2, 3, "'ValueError'"],)
    assert gathered(agents, first=1, failures="collect")[0][1] == 2


# -- what cannot be gathered


def test_what_has_no_result(platform, gathered):
    """Each says so, by its own error; nobody waits for it."""
    stopped, frozen = launched(platform, ("a", 60.0), ("b", 60.0))
    stopped.stop()
    frozen.freeze()
    assert gathered([stopped.agent])[0] == "AgentStopped"
    kind, text, _ = gathered([frozen.agent])
    assert kind == "AgentFrozen" and "thaw" in text
    assert gathered(["0123456789abcdef"])[0] == "UnknownAgent"
    assert gathered(["nobody"])[0] == "UnknownAgent"
    everyone = [stopped.agent, frozen.agent, "0123456789abcdef"]
    assert gathered(everyone, failures="collect") == (["'AgentStopped'", "'AgentFrozen'", "'UnknownAgent'"],)


def test_more_than_the_directory_is_asked_for_at_once(platform):
    (done,) = launched(platform, 1)
    strangers = [f"{number:016x}" for number in range(1200)]
    got = platform.gather([*strangers, done], failures="collect", timeout=20)
    assert got[-1] == 1 and len(got) == 1201 and {type(one).__name__ for one in got[:-1]} == {"UnknownAgent"}


def test_frozen_while_it_is_waited_for(platform, gathered):
    (slow,) = launched(platform, ("a", 60.0))
    threading.Timer(0.5, slow.freeze).start()
    assert gathered([slow.agent])[0] == "AgentFrozen"


@pytest.mark.alone
def test_timeout(platform, gathered):
    """Says which have not ended; what has ended can be gathered again."""
    quick, slow = launched(platform, "quick", ("slow", 1.5))
    until(lambda: quick.status().state == "ended")
    began = time.monotonic()
    kind, text, _ = gathered([quick.agent, slow.agent], timeout=0.3)
    assert kind == "WaitedTooLong" and 0.25 < time.monotonic() - began < 1.4
    assert "within 0.3 seconds" in text and "1 of them have ended" in text and slow.agent in text
    assert gathered([quick.agent, slow.agent], timeout=0)[0] == "WaitedTooLong"
    assert gathered([quick.agent, slow.agent]) == (["quick", "slow"],)
    assert gathered([quick.agent, slow.agent], timeout=0) == (["quick", "slow"],), "one look is always taken"


def test_an_outcome_that_is_kept_no_more(platform, gathered):
    """A week after the end it is dropped, and there is nothing to be waited for."""
    (done,) = launched(platform, 1)
    done.result(timeout=10)
    database = platform.directory.directory._database
    with database.change() as db:
        db.execute("DELETE FROM outcomes")
    assert gathered([done.agent])[0] == "AgentEnded"


def test_lost_with_its_place(monkeypatch):
    """A place that is gone for long: its agents are missed for a while, and then called lost."""
    monkeypatch.setattr("agents.place.tally._MISSED", 0.5)
    monkeypatch.setattr("agents.place.tally.LOOK_FOR_LOST", 0.2)
    monkeypatch.setattr("agents.place.gathering.LOOK_FOR_LOST", 0.2)
    monkeypatch.setattr("agents.gathering.LOOK_FOR_LOST", 0.2)
    with LocalPlatform(PLACES, lease_seconds=0.5, options=QUICK) as platform:
        slow, other = launched(platform, ("a", 60.0), ("b", 2.0), at=("oslo", "lima"))
        waits = platform.launch(gathers, [slow, other], None, 30.0, at="baku")
        until(lambda: waits.status().state == "waiting")
        platform.kill("oslo")
        with pytest.raises(AgentLost, match="oslo"):
            platform.gather([slow, other], timeout=20)
        assert waits.result(timeout=20)[1] == "AgentLost"
        platform.start("oslo")
        platform.gather([other], timeout=20)


def test_not_lost_while_its_place_answers(monkeypatch):
    """A place that cannot renew its lease still has its agents."""
    monkeypatch.setattr("agents.place.tally._MISSED", 0.5)
    monkeypatch.setattr("agents.place.gathering.LOOK_FOR_LOST", 0.2)
    monkeypatch.setattr("agents.gathering.LOOK_FOR_LOST", 0.2)
    with LocalPlatform(PLACES, lease_seconds=0.5, options=QUICK) as platform:
        slow = platform.launch(gives, 7, 1.0, at="oslo")
        waits = platform.launch(gathers, [slow], None, 30.0, at="baku")
        until(lambda: waits.status().state == "waiting")

        def tamper(whom, request, deliver):
            if whom == "directory" and request[0] == "renew" and request[1][0] == "oslo":
                raise DirectoryUnreachable("the cable is loose")
            return deliver()

        platform.net.tamper = tamper
        threading.Timer(4.0, lambda: setattr(platform.net, "tamper", None)).start()
        assert platform.gather([slow], timeout=20) == [7]
        assert waits.result(timeout=20) == ("baku", [7])


def test_a_place_that_comes_back_has_lost_nothing():
    """Its agents are waited for; they go on from their checkpoints."""
    with LocalPlatform(PLACES, lease_seconds=1.0, options=QUICK) as platform:
        slow = platform.launch(gives, 7, 1.0, at="oslo")
        waits = platform.launch(gathers, [slow], None, 30.0, at="baku")
        until(lambda: waits.status().state == "waiting")
        platform.kill("oslo")
        time.sleep(0.5)
        platform.start("oslo")
        assert waits.result(timeout=20) == ("baku", [7])
        assert platform.gather([slow], timeout=20) == [7]


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("text",), {}, "several agents"),
        ((5,), {}, "several agents"),
        (([5],), {}, "recipient"),
        ((["a"],), {"first": 0}, "from 1 to 1"),
        ((["a"],), {"first": 2}, "from 1 to 1"),
        ((["a"],), {"first": True}, "from 1 to 1"),
        (([],), {"first": 1}, "from 1 to 0"),
        ((["a"],), {"failures": "ignore"}, "'raise' or 'collect'"),
        ((["a"],), {"timeout": -1}, "seconds"),
        ((["a"],), {"timeout": float("nan")}, "seconds"),
        ((["a"],), {"timeout": None}, "seconds"),
    ],
)
def test_bad_wishes(arguments, options, error):
    with pytest.raises((TypeError, ValueError), match=error):
        gather(*arguments, **options)


@agent
def gathers_itself(here):
    try:
        yield gather([here.agent])
    except ValueError as error:
        return str(error)


def test_an_agent_does_not_wait_for_itself(platform):
    assert "its own end" in platform.launch(gathers_itself, at="baku").result(timeout=10)


# -- what happens to whoever waits


@agent
def waits_for(here, agents):
    got = yield gather(agents, timeout=30)
    after = yield receive(5)
    return here.name, got, after.value if after else None


def waiting(platform, seconds=1.2, at="baku", **options):
    children = launched(platform, ("large", 0.05), (2, seconds), at=("oslo", "lima"))
    handle = platform.launch(waits_for, children, at=at, **options)
    assert until(lambda: handle.status().state == "waiting")
    return handle


def expected(where, got):
    place, (large, two), after = got
    assert (place, len(large), two, after) == (where, 5 * SMALL, 2, "hello")


def test_it_costs_no_thread_and_says_for_what_it_waits(platform):
    """A hundred that gather: as many threads as before."""
    child = platform.launch(gives_when_told, 1, at="baku")
    launched_before = [platform.launch(gathers, [child], at="baku") for _ in range(3)]
    until(lambda: all(handle.status().state == "waiting" for handle in launched_before))
    before = platform.client.describe_place("baku").about["threads"]
    asked = count_endings(platform)
    many = [platform.launch(gathers, [child], at="baku") for _ in range(100)]
    until(lambda: all(row.state == "waiting" for row in platform.agents() if row.agent != child.agent))
    assert platform.client.describe_place("baku").about["threads"] <= max(before, QUICK.usual_steps)
    assert str(many[0].status()).endswith("is waiting on baku for 1 agents to end")
    child.send("now")
    assert [row[1] for row in platform.gather(many, timeout=20)] == [[1]] * 100
    assert asked() < 400, "they share a question"


def count_endings(platform):
    """How often places ask the directory for ends."""
    count = []

    def tamper(whom, request, deliver):
        if whom == "directory" and request[0] == "endings":
            count.append(request)
        return deliver()

    platform.net.tamper = tamper
    return lambda: len(count)


def test_moved_while_it_gathers(platform):
    """It goes on waiting where it comes to be; messages wait for it; results are not in its luggage."""
    handle = waiting(platform)
    time.sleep(0.3)  # the large result is known here
    handle.send("hello")
    report = handle.move("lima")
    assert report["bytes"] < 5 * SMALL
    assert handle.status().state == "waiting"
    expected("lima", handle.result(timeout=20))


def test_moved_to_and_fro_while_it_gathers(platform):
    handle = waiting(platform)
    for place in ("oslo", "baku", "oslo", "baku"):
        handle.move(place)
    handle.send("hello")
    expected("baku", handle.result(timeout=20))


def test_moved_away_and_back_it_is_heard_anew(platform):
    """What its place knew of it before it left counts no more; nothing else wakes it."""
    (child,) = launched(platform, (1, 1.0))
    handle = platform.launch(gathers, [child], at="baku")
    assert until(lambda: handle.status().state == "waiting")
    time.sleep(0.2)  # the pauses have grown
    handle.move("oslo")
    handle.move("baku")
    assert handle.result(timeout=8) == ("baku", [1])


def test_its_deadline_is_not_put_off_by_a_crash(platform):
    """It is written down when it begins to wait."""
    (child,) = launched(platform, (1, 30.0), at=("oslo",))
    began = time.monotonic()
    handle = platform.launch(gathers, [child], None, 2.0, at="baku")
    assert until(lambda: handle.status().state == "waiting")
    time.sleep(1.2)
    platform.kill("baku")
    platform.start("baku")
    assert handle.result(timeout=20)[1] == "WaitedTooLong" and time.monotonic() - began < 3.0
    child.stop()


def test_results_that_cannot_be_fetched_in_time(platform):
    """All have ended, and the directory gives away no large outcome: the agent hears of it at its deadline."""

    def tamper(whom, request, deliver):
        if whom == "directory" and request[0] == "outcome":
            raise DirectoryUnreachable("it is busy")
        return deliver()

    (child,) = launched(platform, "large")
    platform.wait([child], timeout=10)
    platform.net.tamper = tamper
    handle = platform.launch(tells_when, [child], 0.5, at="baku")
    kind, waited = handle.result(timeout=10)
    assert kind == "WaitedTooLong" and 0.4 < waited < 3
    platform.net.tamper = None
    assert len(platform.launch(gathers, [child], at="baku").result(timeout=10)[1][0]) == 5 * SMALL


def test_one_that_was_never_born(platform, gathered):
    """The directory has a row of it, which keeps it from being born: it is unknown, not ended."""
    fence = Fence("0123456789abcdef", NEVER, Holder("outside", "x"), b"link")
    platform.client.transport.ask_directory("submit", fence, timeout=5)
    assert gathered(["0123456789abcdef"])[0] == "UnknownAgent"


def test_frozen_and_thawed_while_it_gathers(platform, tmp_path):
    handle = waiting(platform, 0.6)
    handle.freeze(tmp_path / "a.sojourn")
    time.sleep(0.8)
    platform.thaw(tmp_path / "a.sojourn", at="oslo")
    handle.send("hello")
    expected("oslo", handle.result(timeout=20))


def test_cloned_while_it_gathers(platform):
    """Both get what is gathered."""
    handle = waiting(platform)
    other = handle.clone("lima")
    handle.send("hello")
    other.send("hello")
    expected("baku", handle.result(timeout=20))
    expected("lima", other.result(timeout=20))


def test_stopped_while_it_gathers(platform):
    """Those it waits for go on."""
    children = launched(platform, (1, 1.0))
    handle = platform.launch(waits_for, children, at="baku")
    until(lambda: handle.status().state == "waiting")
    handle.stop()
    with pytest.raises(AgentStopped):
        handle.result(timeout=5)
    assert platform.gather(children, timeout=10) == [1]


def test_killed_while_it_gathers(platform):
    """It waits on from there, and knows what it was told."""
    handle = waiting(platform)
    handle.send("hello")
    platform.kill("baku")
    time.sleep(0.2)
    platform.start("baku")
    expected("baku", handle.result(timeout=20))


def test_the_directory_dies_while_it_gathers(platform):
    handle = waiting(platform)
    platform.kill_directory()
    time.sleep(0.5)
    platform.start_directory()
    handle.send("hello")
    expected("baku", handle.result(timeout=20))


def test_the_directory_is_away_when_the_time_is_over(platform):
    """The agent hears of it at its deadline, not when the directory is back."""
    (child,) = launched(platform, (1, 0.2))
    handle = platform.launch(tells_when, [child], 1.0, at="baku")
    assert until(lambda: handle.status().state == "waiting")
    platform.kill_directory()
    time.sleep(2.0)
    platform.start_directory()
    kind, waited = handle.result(timeout=20)
    assert kind == "WaitedTooLong" and waited < 1.9


def test_the_directory_hangs_when_the_time_is_over(platform):
    """It answers late, not never: the deadline holds, and what has ended meanwhile is heard of soon after."""
    (child,) = launched(platform, (1, 2.5))
    patient = platform.launch(gathers, [child], at="baku")
    handle = platform.launch(tells_when, [child], 1.0, at="baku")
    assert until(lambda: handle.status().state == patient.status().state == "waiting")
    hangs = threading.Event()

    def tamper(whom, request, deliver):
        if whom == "directory" and request[0] == "endings" and not hangs.is_set():
            hangs.wait(20)
        return deliver()

    platform.net.tamper = tamper
    kind, waited = handle.result(timeout=20)
    assert kind == "WaitedTooLong" and 0.9 < waited < 3.5
    hangs.set()
    began = time.monotonic()
    assert patient.result(timeout=20) == ("baku", [1]) and time.monotonic() - began < 7


@agent
def tells_when(here, agents, timeout):
    began = time.time()
    try:
        yield gather(agents, timeout=timeout)
    except AgentsError as error:
        return type(error).__name__, time.time() - began
    return "results", time.time() - began


def test_what_cannot_travel_does_not_keep_it_from_gathering(platform):
    """It is only not written down, and the log says so."""
    (child,) = launched(platform, (1, 0.3))
    handle = platform.launch(holds_a_lock, child, at="baku")
    assert handle.result(timeout=10) == ([1], True)
    assert until(lambda: any("was not written down" in e.data.get("text", "") for e in handle.logs()))


@agent
def holds_a_lock(here, child):
    lock = threading.Lock()
    got = yield gather([child])
    return got, lock.acquire()


# -- trees of clones


@agent
def searches(here, levels, breadth, slow=0.0):
    """A tree: at each level each clone takes its part; what they have found is merged on the way back."""
    part, children = [], []
    for level in range(levels):
        children = []
        split = False
        for number in range(breadth):
            made = yield clone(PLACES[(len(part) + number) % len(PLACES)])
            if made.is_clone:
                part, split = [*part, number], True
                break
            children.append(made.other)
        if not split:
            found = yield gather(children, timeout=60)
            return sorted(leaf for leaves in found for leaf in leaves)
    yield sleep(slow)
    return [part]


def leaves(levels, breadth):
    found = [[]]
    for _ in range(levels):
        found = [[*part, number] for part in found for number in range(breadth)]
    return sorted(found)


def test_a_tree_of_clones(platform):
    """Depth 3, 1 + 3 + 9 + 27 agents; each leaf once; each knows whose child it is."""
    handle = platform.launch(searches, 3, 3, at="baku")
    assert handle.result(timeout=60) == leaves(3, 3)
    everyone = platform.agents(ended=True)
    assert len(everyone) == 1 + 3 + 9 + 27
    parents = {row.agent: row.parent for row in everyone}
    for one, parent in parents.items():
        assert parent == (one.rpartition(".")[0] or None)


@pytest.mark.parametrize("seed", range(4))
def test_a_tree_of_clones_whose_places_are_killed(seed):
    """At random moments, one after another: each leaf is in the result once, and each clone was made once."""
    chance = random.Random(seed)
    with LocalPlatform(PLACES, lease_seconds=2.0, options=QUICK) as platform:
        handle = platform.launch(persists, 2, 3, at="baku")
        for _ in range(3):
            time.sleep(chance.uniform(0.05, 0.8))
            victim = chance.choice(PLACES)
            platform.kill(victim)
            time.sleep(chance.uniform(0.0, 0.3))
            platform.start(victim)
        assert handle.result(timeout=90) == leaves(2, 3)
        assert len(platform.agents(ended=True)) == 1 + 3 + 9


@agent
def persists(here, levels, breadth):
    """The same, of an agent that tries again where a place is just away."""
    part, children = [], []
    for level in range(levels):
        children = []
        split = False
        while len(children) < breadth and not split:
            number = len(children)
            try:
                made = yield clone(PLACES[(len(part) + number) % len(PLACES)])
            except AgentsError:
                yield sleep(0.05)
                continue
            if made.is_clone:
                part, split = [*part, number], True
            else:
                children.append(made.other)
        if not split:
            found = yield gather(children, timeout=60)
            return sorted(leaf for leaves in found for leaf in leaves)
    yield sleep(0.5)
    return [part]


def test_killed_while_it_gathers_no_child_is_made_again():
    """What it had made is written down when it begins to wait: the tree has as many agents as without the kill."""
    with LocalPlatform(PLACES, options=QUICK) as platform:
        handle = platform.launch(searches, 2, 3, 1.5, at="baku")
        assert until(lambda: sum(row.state == "sleeping" for row in platform.agents()) == 9)
        for place in PLACES:
            platform.kill(place)
            platform.start(place)
        assert handle.result(timeout=60) == leaves(2, 3)
        assert len(platform.agents(ended=True)) == 1 + 3 + 9
