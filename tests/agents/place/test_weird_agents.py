"""Agents that do what one would not expect: each ends as its author can understand, and none harms its place."""

from __future__ import annotations

import gc

import pytest

from agents import agent, checkpoint, clone, hop, receive, send, sleep
from agents.errors import AgentFailed, AgentStopped, MoveFailed, ResultNotPlain
from tests.agents.place.conftest import until


class Upset(Exception):
    """An agent's own exception, with arguments of its own."""

    def __init__(self, what, level):
        super().__init__(f"{what} at level {level}")
        self.what = what
        self.level = level


@agent
def bare(here, count):
    for _ in range(count):
        yield
    return here.name


def test_bare_yields_are_cheap_and_end(platform):
    assert platform.launch(bare, 5000, at="baku").result(timeout=20) == "baku"


@agent
def within_a_handler(here):
    try:
        raise KeyError("lost")
    except KeyError as error:
        here = yield hop("oslo")
        try:
            raise
        except KeyError as again:
            same = again.args
        here = yield hop("lima")
        return same, error.args, here.name


def test_a_handler_in_progress_travels(platform):
    assert platform.launch(within_a_handler, at="baku").result(timeout=10) == (("lost",), ("lost",), "lima")


class Opened:
    def __init__(self, story):
        self.story = story

    def __enter__(self):
        self.story.append("in")
        return self

    def __exit__(self, *problem):
        self.story.append("out")
        return False


@agent
def within_a_block(here):
    story = []
    with Opened(story) as outer:
        here = yield hop("oslo")
        with Opened(outer.story):
            here = yield hop("lima")
            story.append(here.name)
        story.append("between")
        here = yield hop("baku")
    return story


def test_open_blocks_travel_and_close_once(platform):
    assert platform.launch(within_a_block, at="baku").result(timeout=10) == [
        "in",
        "in",
        "lima",
        "out",
        "between",
        "out",
    ]


@agent
def finally_counts(here, places):
    try:
        for place in places:
            here = yield hop(place)
    finally:
        here.log(f"finally on {here.name}")
    return here.name


def test_a_finally_block_runs_once_and_where_the_agent_ends(platform):
    """Not at the places that it leaves, whose copies are let go without running anything."""
    handle = platform.launch(finally_counts, ["oslo", "lima", "oslo", "baku"], at="baku")
    assert handle.result(timeout=10) == "baku"
    said = until(lambda: [event.data["text"] for event in handle.logs() if event.kind == "said"])
    assert said == ["finally on baku"]


@agent
def closes_over(here):
    where = [here]

    def name():
        return where[0].name + here.name

    told = [name()]
    yield hop("oslo")
    told.append(name())
    yield hop("lima")
    told.append(name())
    return told


def test_closures_see_the_present_place(platform):
    assert platform.launch(closes_over, at="baku").result(timeout=10) == ["bakubaku", "oslooslo", "limalima"]


class Case:
    def __init__(self, place):
        self.place = place
        self.all = {"here": [place]}


@agent
def keeps_here(here):
    case, pair, one = Case(here), (here, [here]), here
    told = []
    for place in ("oslo", "oslo", "atlantis", "lima"):
        before = case.place
        try:
            yield hop(place)
        except Exception:
            assert case.place is before
        told.append({case.place.name, case.all["here"][0].name, pair[0].name, pair[1][0].name, one.name, here.name})
        assert case.place == here and hash(case.place) == hash(here)
    return [sorted(names) for names in told]


def test_here_is_the_present_place_wherever_it_is_kept(platform):
    """In attributes, lists and tuples; and the same object after a move that failed."""
    assert platform.launch(keeps_here, at="baku").result(timeout=10) == [["oslo"], ["oslo"], ["oslo"], ["lima"]]


@agent
def inner(here, places):
    names = []
    for place in places:
        here = yield hop(place)
        names.append(here.name)
    return names


@agent
def outer(here, places):
    first = yield from inner(here, places)
    second = yield from inner(here, reversed(places))
    return first + second


def test_sub_generators_travel_with_their_caller(platform):
    assert platform.launch(outer, ["oslo", "lima"], at="baku").result(timeout=10) == ["oslo", "lima", "lima", "oslo"]


@agent
def raises_at_once(here):
    raise Upset("first step", 3)
    yield


@agent
def raises_elsewhere(here):
    here = yield hop("oslo")
    raise Upset("elsewhere", 4)  # the line of the author


def test_its_own_exception_comes_out_of_result(platform):
    """With its attributes, the remote traceback down to the author's line, and the places."""
    with pytest.raises(Upset, match="first step at level 3") as raised:
        platform.launch(raises_at_once, at="baku").result(timeout=10)
    assert (raised.value.what, raised.value.level) == ("first step", 3)
    with pytest.raises(Upset) as raised:
        platform.launch(raises_elsewhere, at="baku").result(timeout=10)
    trace = str(raised.value.__cause__)
    assert 'raise Upset("elsewhere", 4)  # the line of the author' in trace, trace
    assert "test_weird_agents.py" in trace and "agents/place" not in trace.replace("tests/agents/place", "")
    assert "baku -> oslo" in raised.value.__notes__[-1]


@agent
def leaves_the_interpreter(here, kind):
    here = yield hop("oslo")
    raise {"exit": SystemExit, "interrupt": KeyboardInterrupt, "close": GeneratorExit}[kind](7)


@pytest.mark.parametrize("kind", ["exit", "interrupt", "close"])
def test_an_agent_cannot_end_its_place(platform, kind):
    with pytest.raises(AgentFailed) as raised:
        platform.launch(leaves_the_interpreter, kind, at="baku").result(timeout=10)
    assert raised.value.places == ("baku", "oslo") and "raise" in raised.value.trace
    assert platform.launch(bare, 1, at="oslo").result(timeout=10) == "oslo"


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("not even this")

    __repr__ = __str__


class HalfCharacters(Exception):
    pass


@agent
def raises_the_unspeakable(here, kind):
    yield
    raise {"unspeakable": Unspeakable, "half": HalfCharacters}[kind]("\ud800", object)


@pytest.mark.parametrize(("kind", "error"), [("unspeakable", Unspeakable), ("half", HalfCharacters)])
def test_an_exception_that_cannot_be_told_is_told_as_far_as_it_can(platform, kind, error):
    with pytest.raises((error, AgentFailed)):
        platform.launch(raises_the_unspeakable, kind, at="baku").result(timeout=10)


class Thing:
    pass


@agent
def returns_a_thing(here):
    here = yield hop("oslo")
    return Thing()


def test_a_result_that_is_not_plain_is_an_error_with_its_sentence(platform):
    with pytest.raises(ResultNotPlain) as raised:
        platform.launch(returns_a_thing, at="baku").result(timeout=10)
    text = str(raised.value)
    assert (
        "Thing" in text and "result-not-plain" in text and "ended without a result" in text and "Return numbers" in text
    )


def plain_function(here, number):
    return here.name, number


@agent
def no_yield(here):
    return here.agent


def test_functions_without_yield_are_born_and_end(platform):
    assert platform.launch(plain_function, 3, at="lima").result(timeout=10) == ("lima", 3)
    handle = platform.launch(no_yield, at="lima")
    assert handle.result(timeout=10) == handle.agent


def not_decorated(here):
    try:
        here = yield hop("oslo")
    except MoveFailed as error:
        return str(error)
    return here.name


def test_a_generator_that_is_not_resumable_stays_and_says_why(platform):
    told = platform.launch(not_decorated, at="baku").result(timeout=10)
    assert "still runs on baku" in told and "captured" in told, told


@agent
def takes_a_lock_along(here):
    import threading

    lock = threading.Lock()
    told = []
    for effect in (hop("oslo"), clone("oslo"), checkpoint()):
        try:
            yield effect
        except MoveFailed as error:
            told.append(str(error))
    del lock
    here = yield hop("oslo")
    return told, here.name


def test_state_that_cannot_move_is_named_and_the_agent_goes_on(platform):
    told, where = platform.launch(takes_a_lock_along, at="baku").result(timeout=10)
    assert where == "oslo" and len(told) == 3
    for text in told:
        assert "'lock'" in text and "still runs on baku" in text and text.count("runs on") == 1, text


class Sulks:
    """Raises when it is captured."""

    def __reduce__(self):
        raise RuntimeError("I do not want to go")


@agent
def takes_a_sulker_along(here):
    sulker = Sulks()
    try:
        yield hop("oslo")
    except MoveFailed as error:
        return str(error), type(sulker).__name__


def test_a_class_that_raises_at_capture_is_the_agents_own_problem(platform):
    text, _ = platform.launch(takes_a_sulker_along, at="baku").result(timeout=10)
    assert "I do not want to go" in text and "still runs on baku" in text


def _land(place):
    raise RuntimeError(f"no landing with {place}")


class CannotLand:
    """Raises when it is made at the other side."""

    def __reduce__(self):
        return _land, ("luck",)


@agent
def lands_badly(here, safe):
    story = []
    try:
        luggage = CannotLand()
        if safe:
            story.append(here)
        try:
            yield hop("oslo")
        except MoveFailed as error:
            del luggage
            return str(error), error.why, here.name
    finally:
        here.log(f"finally on {here.name}")


@pytest.mark.parametrize("safe", [True, False])
def test_an_agent_that_raises_while_landing_goes_on_where_it_was(platform, safe):
    """And nothing of it runs at the place that could not make it: its finally block runs once, at home."""
    text, why, where = platform.launch(lands_badly, safe, at="baku").result(timeout=10)
    assert where == "baku" and "oslo refused" in text and "no landing with luck" in text
    assert "still runs on baku" in text and why, text
    gc.collect()
    said = until(lambda: [event.data["text"] for event in platform.logs() if event.kind == "said"])
    assert said == ["finally on baku"]
    entry = until(lambda: [event.data for event in platform.logs() if event.kind == "refused"])
    assert len(entry) == 1 and entry[0]["source"] == "baku"


@agent
def refuses_to_stop(here):
    try:
        yield receive()
    finally:
        yield sleep(1)


@agent
def raises_when_stopped(here):
    try:
        yield receive()
    finally:
        raise Upset("stopped", 1)


@agent
def cleans_up(here):
    try:
        yield receive()
    finally:
        here.log("cleaned up")


def test_stop_runs_the_finally_blocks_and_what_they_raise_is_told(platform):
    handle = platform.launch(cleans_up, at="baku")
    assert until(lambda handle=handle: handle.status().state == "waiting"), "it has begun"
    handle.stop(timeout=10)
    with pytest.raises(AgentStopped, match="was stopped on baku"):
        handle.result(timeout=10)
    assert until(lambda: [event for event in handle.logs() if event.data.get("text") == "cleaned up"])
    handle = platform.launch(raises_when_stopped, at="baku")
    assert until(lambda handle=handle: handle.status().state == "waiting"), "it has begun"
    handle.stop(timeout=10)
    with pytest.raises(Upset, match="stopped"):
        handle.result(timeout=10)
    handle = platform.launch(refuses_to_stop, at="baku")
    assert until(lambda handle=handle: handle.status().state == "waiting"), "it has begun"
    handle.stop(timeout=10)
    with pytest.raises(RuntimeError, match="GeneratorExit"):
        handle.result(timeout=10)


@agent
def sends_to_itself(here):
    yield send(here.agent, "me")
    here = yield hop("oslo")
    message = yield receive(5)
    yield send(here.agent, "again")
    return message.value, (yield receive(5)).value


def test_an_agent_can_write_to_itself_also_across_a_hop(platform):
    assert platform.launch(sends_to_itself, at="baku").result(timeout=10) == ("me", "again")


@agent
def grows(here, size, places):
    data = bytes(size)
    for place in places:
        here = yield hop(place)
    return len(data)


@pytest.mark.parametrize("size", [10, 300_000, 3_000_000])
def test_states_of_all_sizes_travel(platform, size):
    assert platform.launch(grows, size, ["oslo", "lima", "baku"], at="baku").result(timeout=20) == size
