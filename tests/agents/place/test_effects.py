"""Each effect: what its yield gives, what it raises, before and after hops, and in loops."""

from __future__ import annotations

import time

import pytest

from agents import agent, ask, call, checkpoint, clone, hop, receive, reply, send, sleep, spawn
from agents.errors import AgentEnded, NotAnEffect, UnknownAgent, UnknownPlace, ValueNotPlain

ROUND = ["oslo", "lima", "baku"]


@agent
def hops(here, places):
    seen = []
    for place in places:
        here = yield hop(place)
        seen.append((here.name, here.resource("number")))
    return seen


def test_hop_gives_the_present_place_at_each_stop(platform):
    """The very line goes on there, with the resources of that place."""
    told = platform.launch(hops, ["oslo", "oslo", "lima", "baku", "lima"], at="baku").result(timeout=20)
    assert told == [("oslo", 1), ("oslo", 1), ("lima", 2), ("baku", 0), ("lima", 2)]


@agent
def tries(here, effect, places):
    """Yields the effect at each place, and tells what it got or what was raised."""
    told = []
    for place in [None, *places]:
        if place is not None:
            here = yield hop(place)
        try:
            told.append(("gave", repr((yield effect))))
        except Exception as error:
            told.append(("raised", type(error).__name__))
    return told


@pytest.mark.parametrize(
    ("effect", "outcome"),
    [
        (None, ("gave", "None")),
        (checkpoint(), ("gave", "None")),
        (sleep(0.01), ("gave", "None")),
        (sleep(0), ("gave", "None")),
        (receive(0.01), ("gave", "None")),
        (receive(0), ("gave", "None")),
        (hop("atlantis"), ("raised", "UnknownPlace")),
        (clone("atlantis"), ("raised", "UnknownPlace")),
        (send("nobody", 1), ("raised", "UnknownAgent")),
        (send("0123456789abcdef", 1), ("raised", "UnknownAgent")),
        (ask("nobody", 1), ("raised", "UnknownAgent")),
        (send("nobody", object), ("raised", "ValueNotPlain")),
        (7, ("raised", "NotAnEffect")),
        ("hop", ("raised", "NotAnEffect")),
        (call(len, [1, 2]), ("gave", "2")),
        (call(int, "x"), ("raised", "ValueError")),
    ],
)
def test_each_effect_at_home_and_after_each_hop(platform, effect, outcome):
    """What is raised reaches the agent at its yield, and it goes on: four times the same."""
    assert platform.launch(tries, effect, ROUND, at="baku").result(timeout=20) == [outcome] * 4


@agent
def shouts(here):
    yield send("nobody", 1)


@agent
def misunderstands(here):
    yield {"hop": "oslo"}


@agent
def forgets_the_name(here):
    yield hop("atlantis")


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        (shouts, UnknownAgent, ["no agent 'nobody'", "unknown-agent", "sojourn ps"]),
        (misunderstands, NotAnEffect, ["builtins.dict", "not-an-effect", "hop()"]),
        (forgets_the_name, UnknownPlace, ["'atlantis'", "has ended on baku", "baku, lima, oslo"]),
    ],
)
def test_an_error_that_is_not_handled_is_the_agents_own(platform, function, kind, words):
    """It ends the agent; result() raises it with the sentence, the agent's own line and the places."""
    with pytest.raises(kind) as raised:
        platform.launch(function, at="baku").result(timeout=20)
    for word in words:
        assert word in str(raised.value)
    assert "yield" in str(raised.value.__cause__)
    assert any("baku" in note for note in raised.value.__notes__)
    assert raised.value.remedy


@agent
def clones_itself(here, place):
    born = "parent"
    before = here.name
    made = yield clone(place)
    if made.is_clone:
        message = yield receive(10)
        yield send(made.other, [here.name, before, born, message.value])
        return "clone"
    yield send(made.other, "hello")
    answer = yield receive(10)
    return answer.value, here.name


@pytest.mark.parametrize("place", [None, "baku", "oslo"])
def test_a_clone_has_the_state_and_the_two_know_each_other(platform, place):
    handle = platform.launch(clones_itself, place, at="baku")
    told, where = handle.result(timeout=20)
    assert told == [place or "baku", place or "baku" if False else told[1], "parent", "hello"] and where == "baku"
    children = [row for row in platform.agents(ended=True) if row.parent == handle.agent]
    assert len(children) == 1
    assert platform.get(children[0].agent).result(timeout=10) == "clone"


@agent
def breeds(here, count):
    children = []
    for index in range(count):
        made = yield clone("oslo" if index % 2 else None)
        if made.is_clone:
            here = yield hop("lima")
            return index, here.name
        children.append(made.other.agent)
    here = yield hop("oslo")
    return children


def test_clones_in_a_loop_each_go_their_own_way(platform):
    children = platform.launch(breeds, 6, at="baku").result(timeout=30)
    assert len(set(children)) == 6
    assert [platform.get(child).result(timeout=20) for child in children] == [(index, "lima") for index in range(6)]


@agent
def child(here, parent, number, *, scale=1):
    here = yield hop("lima")
    yield send(parent, number * scale)


@agent
def spawns(here, count):
    for index in range(count):
        handle = yield spawn(child, here.agent, index, at="oslo" if index % 2 else None, scale=10)
        assert handle.agent != here.agent
    here = yield hop("oslo")
    total = 0
    for _ in range(count):
        total += (yield receive(10)).value
    return total


def test_spawned_agents_begin_at_their_entry_and_write_to_their_parent(platform):
    assert platform.launch(spawns, 5, at="baku").result(timeout=30) == 100


@agent
def spawns_badly(here):
    told = []
    for effect in (spawn(child, object(), 1), spawn(len, [1]), spawn(child, here.agent, 1, at="atlantis")):
        try:
            handle = yield effect
            told.append("born")
        except Exception as error:
            told.append(type(error).__name__)
    return told


def test_what_cannot_be_spawned_is_told_at_the_yield(platform):
    told = platform.launch(spawns_badly, at="baku").result(timeout=20)
    assert told[2] == "UnknownPlace" and set(told[:2]) <= {"born", "MoveFailed", "MoveRefused"}, told


@agent
def echoes(here, places):
    for place in places:
        here = yield hop(place)
        message = yield receive()
        yield reply(message, [message.value, here.name])
    return "done"


@agent
def asks(here, whom, count):
    told = []
    for number in range(count):
        told.append((yield ask(whom, number, timeout=15)))
        here = yield hop("oslo" if here.name == "baku" else "baku")
    return told


def test_ask_and_reply_between_agents_that_both_move(platform):
    echo = platform.launch(echoes, ["oslo", "lima", "baku", "oslo"], at="baku", name="echo")
    asker = platform.launch(asks, "echo", 4, at="baku")
    assert asker.result(timeout=30) == [[0, "oslo"], [1, "lima"], [2, "baku"], [3, "oslo"]]
    assert echo.result(timeout=10) == "done"


def test_ask_from_outside_and_the_question_of_a_handle(platform):
    echo = platform.launch(echoes, ["oslo", "lima"], at="baku")
    assert echo.ask("a", timeout=15) == ["a", "oslo"]
    assert echo.ask({"b": 1}, timeout=15) == [{"b": 1}, "lima"]
    assert echo.result(timeout=10) == "done"
    with pytest.raises(AgentEnded, match="has ended"):
        echo.send(1)
    with pytest.raises(ValueNotPlain, match="plain data"):
        echo.send(object())


@agent
def hears_nothing(here, whom):
    try:
        yield ask(whom, "?", timeout=0.3)
    except TimeoutError as error:
        late = str(error)
    # the answer that comes later is dropped, and is no message
    message = yield receive(1.0)
    return late, message


@agent
def answers_late(here):
    message = yield receive()
    yield sleep(0.6)
    yield reply(message, "late")


def test_an_answer_that_comes_too_late_is_dropped(platform):
    late = platform.launch(answers_late, at="oslo")
    told, message = platform.launch(hears_nothing, late.agent, at="baku").result(timeout=20)
    assert "0.3 seconds" in told and "dropped" in told and message is None


@agent
def replies_to_no_question(here):
    message = yield receive()
    try:
        yield reply(message, 1)
    except ValueError as error:
        return str(error)


def test_a_message_that_is_no_question_cannot_be_answered(platform):
    handle = platform.launch(replies_to_no_question, at="baku")
    handle.send("hello")
    assert "no question" in handle.result(timeout=10)


@agent
def calls(here, seconds):
    import threading
    import time

    def block():
        time.sleep(seconds)
        return threading.current_thread().name

    first = yield call(block)
    here = yield hop("oslo")
    second = yield call(block)
    return first, second


def test_call_runs_beside_the_pool(platform):
    """A nested function, before and after a hop."""
    names = platform.launch(calls, 0.05, at="baku").result(timeout=20)
    assert all(name.startswith("sojourn-call") for name in names)


@agent
def calls_for_something_odd(here):
    thing = yield call(object)
    try:
        here = yield hop("oslo")
    except Exception as error:
        return type(error).__name__
    return here.name, type(thing).__name__


def test_what_a_call_gives_need_not_be_plain_as_long_as_it_does_not_leave(platform):
    assert platform.launch(calls_for_something_odd, at="baku").result(timeout=10) == ("oslo", "object")


@agent
def sleeps_and_tells(here, seconds):
    import time

    began = time.time()
    yield sleep(seconds)
    return time.time() - began


def test_sleep_lasts_as_long_as_it_was_told(platform):
    assert 0.3 <= platform.launch(sleeps_and_tells, 0.3, at="baku").result(timeout=10) < 5


@agent
def counts_messages(here, count):
    got = []
    while len(got) < count:
        message = yield receive(10)
        if message is None:
            return got
        got.append(message.value)
        if len(got) % 7 == 0:
            here = yield hop("oslo" if here.name == "baku" else "baku")
        if len(got) % 5 == 0:
            yield checkpoint()
    return got


def test_messages_by_name_and_by_id_are_one_sequence(platform):
    """An agent that is written to under its name and under its id loses nothing and gets nothing twice."""
    reader = platform.launch(counts_messages, 40, at="baku", name="reader")
    writer = platform.launch(writes_by_both, reader.agent, "reader", 40, at="oslo")
    assert writer.result(timeout=30) == 40
    assert reader.result(timeout=30) == list(range(40))


@agent
def writes_by_both(here, agent_id, name, count):
    for number in range(count):
        yield send(name if number % 2 else agent_id, number)
    return count


def test_a_sleeping_agent_costs_no_thread(platform):
    """Fifty agents that wait, and not one thread more."""
    import threading

    for index in range(5):
        platform.launch(waits_forever, at="baku")
    before = threading.active_count()
    for index in range(50):
        platform.launch(waits_forever, at="baku")
    time.sleep(0.3)
    assert threading.active_count() <= before + 6


@agent
def waits_forever(here):
    yield receive()
