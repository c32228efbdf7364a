"""Agents that begin later: at a time, or when something at the place is true."""

from __future__ import annotations

import threading
import time

import pytest

from agents import agent, clone, hop, receive
from agents.errors import AgentStopped, MoveRefused
from agents.place import PlaceOptions
from agents.resources import Made, Resource
from agents.terms import LaunchTerms
from agents.testing.local import LocalPlatform
from mobility.bundle import Birth
from tests.agents.place.conftest import PLACES, until

QUICK = PlaceOptions(transfer_seconds=3.0, retry_seconds=0.03, directory_seconds=1.0, held_seconds=0.1)


@agent
def begins(here, told=None):
    """When and where it began, and what it was told before."""
    import time

    began = time.time()
    message = yield receive(0)
    return here.name, began, message.value if message else told


class Bell:
    """What agents wait for at one place."""

    def __init__(self, rings=False):
        self.rings = rings
        self.asked = 0

    def __call__(self):
        self.asked += 1
        if isinstance(self.rings, Exception):
            raise self.rings
        return self.rings


@pytest.fixture
def bells():
    return {place: Bell() for place in PLACES}


@pytest.fixture
def platform(bells):
    resources = {place: {"bell": bells[place], "open": 1, "shut": 0} for place in PLACES}
    resources["oslo"]["only"] = True
    with LocalPlatform(PLACES, resources=resources, options=QUICK) as platform:
        yield platform
    assert not sum(place._defects for place in platform.running.values())


# -- at a time


@agent
def takes_away(here, name):
    bound = here.bind(name)
    here = yield hop("oslo")
    return bound.how


def test_a_condition_that_another_agent_takes_along():
    """It is the place's no more, and that of the place to which it went."""
    offered = {"baku": {"inbox": Resource([1], attachment="unattached")}}
    with LocalPlatform(PLACES, resources=offered) as platform:
        assert platform.launch(takes_away, "inbox", at="baku").result(timeout=20) == "local"
        with pytest.raises(MoveRefused, match="no such resource"):
            platform.launch(begins, at="baku", start_when="inbox")
        assert platform.launch(begins, at="oslo", start_when="inbox").result(timeout=20) is not None


def test_begins_at_its_time(platform):
    start = time.time() + 1.0
    handle = platform.launch(begins, at="baku", start_at=start)
    status = handle.status()
    assert (status.state, status.place, status.steps) == ("waiting", "baku", 0)
    assert "for its start at 20" in str(status) and "UTC" in str(status)
    assert next(row for row in platform.agents() if row.agent == handle.agent).waits_for == status.waits_for
    where, began, _ = handle.result(timeout=10)
    assert where == "baku" and start <= began < start + 0.9


def test_a_time_that_has_passed_is_now(platform):
    assert platform.launch(begins, at="baku", start_at=time.time() - 1e6).result(timeout=5)[0] == "baku"
    assert platform.launch(begins, at="baku", start_at=0).result(timeout=5)[0] == "baku"


@pytest.mark.parametrize(
    "options",
    [
        {"start_at": float("nan")},
        {"start_at": float("inf")},
        {"start_at": "soon"},
        {"start_at": True},
        {"start_when": ""},
        {"start_when": 5},
    ],
)
def test_no_time_and_no_name(platform, options):
    """Refused before anything is sent, and by whoever reads terms that somebody else has written."""
    with pytest.raises(ValueError, match="start_"):
        platform.launch(begins, at="baku", **options)
    with pytest.raises(ValueError, match="start_"):
        LaunchTerms(**options)
    assert platform.agents(ended=True) == []


def test_a_time_after_its_life(platform):
    with pytest.raises(MoveRefused, match="after the end of its lifetime") as raised:
        platform.launch(begins, at="baku", start_at=time.time() + 3600, birth=Birth(lifetime=60))
    assert raised.value.why == "never-began" and "birth=Birth(lifetime=" in str(raised.value)


# -- when something is true


def test_begins_when_something_is_true(platform, bells):
    """Asked at a sane pace, once for all that wait for it."""
    handles = [platform.launch(begins, at="baku", start_when="bell") for _ in range(20)]
    time.sleep(0.8)
    status = handles[0].status()
    assert (status.state, status.steps, status.waits_for) == ("waiting", 0, "'bell' to be true")
    assert 2 <= bells["baku"].asked <= 20
    rung = time.time()
    bells["baku"].rings = True
    assert all(rung <= handle.result(timeout=10)[1] < rung + 3 for handle in handles)
    asked = bells["baku"].asked
    time.sleep(0.3)
    assert bells["baku"].asked == asked, "nobody waits any more"
    assert any("'bell' is true" in event.data.get("text", "") for event in handles[0].logs())


def test_a_value_that_is_true(platform):
    """It need not be a function; one that is offered anew counts."""
    assert platform.launch(begins, at="baku", start_when="open").result(timeout=5)[0] == "baku"
    handle = platform.launch(begins, at="baku", start_when="shut")
    time.sleep(0.3)
    assert handle.status().state == "waiting"
    platform.running["baku"].core.resources.offer("shut", [0])
    assert handle.result(timeout=5)[0] == "baku"


def test_both(platform, bells):
    """First the time, then the condition."""
    bells["baku"].rings = True
    start = time.time() + 0.7
    handle = platform.launch(begins, at="baku", start_at=start, start_when="bell")
    assert "and 'bell' to be true" in handle.status().waits_for
    time.sleep(0.3)
    assert bells["baku"].asked == 0
    assert handle.result(timeout=10)[1] >= start


def test_a_resource_that_is_not_there(platform):
    """Refused before the commit: there was never such an agent; nor does one leave for there that waits for it."""
    with pytest.raises(MoveRefused, match="no such resource") as raised:
        platform.launch(begins, at="baku", start_when="only")
    assert raised.value.why == "resource-missing" and "bell, open, shut" in str(raised.value)
    assert platform.agents(ended=True) == []
    platform.running["oslo"].core.resources.offer("only", False)
    handle = platform.launch(begins, at="oslo", start_when="only")
    with pytest.raises(MoveRefused, match="no such resource"):
        handle.move("lima")
    with pytest.raises(MoveRefused, match="no such resource"):
        handle.clone("lima")
    assert handle.status().state == "waiting" and handle.place() == "oslo"
    handle.stop()


def test_a_condition_that_raises(platform, bells):
    """Told once, and asked again: it may work later. So with one that is taken away."""
    bells["baku"].rings = ValueError("the rope is torn")
    handle = platform.launch(begins, at="baku", start_when="bell")
    until(lambda: bells["baku"].asked > 3)
    platform.running["baku"].core.resources.withdraw("bell")
    time.sleep(0.5)
    assert handle.status().state == "waiting"
    told = [event.data["text"] for event in handle.logs() if "cannot begin yet" in event.data.get("text", "")]
    assert len(told) == 1 and "ValueError: the rope is torn" in told[0]
    platform.running["baku"].core.resources.offer("bell", True)
    assert handle.result(timeout=5)[0] == "baku"


def test_a_condition_without_a_truth(platform):
    """As of an array: an error of the condition, and none of the platform."""

    class Neither:
        def __bool__(self):
            raise ValueError("ambiguous")

    platform.running["baku"].core.resources.offer("neither", Neither())
    handle = platform.launch(begins, at="baku", start_when="neither")
    assert until(lambda: any("ambiguous" in event.data.get("text", "") for event in handle.logs()))
    handle.stop()


def test_a_condition_that_blocks(platform):
    """Agents of the place are stepped all the same, and whoever waits can be stopped."""
    opened = threading.Event()
    platform.running["baku"].core.resources.offer("stuck", lambda: opened.wait(20))
    handle = platform.launch(begins, at="baku", start_when="stuck")
    assert platform.launch(begins, at="baku").result(timeout=5)[0] == "baku"
    assert platform.launch(begins, at="baku", start_when="open").result(timeout=5)[0] == "baku"
    handle.stop(timeout=5)
    opened.set()


def test_a_condition_of_a_resource_that_is_made(bells):
    """It is made when it is first looked at."""
    made = []

    def make():
        made.append(1)
        return lambda: True

    with LocalPlatform(["baku"]) as platform:
        core = platform.running["baku"].core
        core.resources._made["bell"] = Made(make).function
        assert platform.launch(begins, at="baku", start_when="bell").result(timeout=5)[0] == "baku"
    assert made == [1]


def test_its_life_is_over_before_it_begins(platform):
    """It ends with an error that says so, and does not lie there for ever."""
    handle = platform.launch(begins, at="baku", start_when="shut", birth=Birth(lifetime=1))
    with pytest.raises(Exception, match="has never begun: 'shut' was not true") as raised:
        handle.result(timeout=10)
    assert raised.value.slug == "never-began"


# -- what happens to it meanwhile


WAYS = {"time": {"start_at": 1.2}, "condition": {"start_when": "bell"}}


@pytest.fixture(params=WAYS)
def deferred(request, platform, bells):
    """Launches one that waits; `ring` lets it begin at a place."""
    options = dict(WAYS[request.param])
    if "start_at" in options:
        options["start_at"] += time.time()

    def launch(*args, **more):
        return platform.launch(begins, *args, **{"at": "baku", **options, **more})

    def ring(place):
        bells[place].rings = True

    launch.ring = ring
    return launch


def test_messages_wait(deferred):
    handle = deferred()
    handle.send("early")
    assert handle.status().mail == 1 and handle.status().state == "waiting"
    deferred.ring("baku")
    assert handle.result(timeout=10)[2] == "early"


def test_stopped_before_it_begins(deferred):
    handle = deferred()
    handle.stop()
    with pytest.raises(AgentStopped):
        handle.result(timeout=5)


def test_moved_before_it_begins(deferred, bells):
    """The condition is that of the place where it is then."""
    handle = deferred()
    handle.send("early")
    handle.move("oslo")
    assert handle.status().state == "waiting" and handle.place() == "oslo"
    if handle.status().waits_for == "'bell' to be true":
        deferred.ring("baku")
        time.sleep(0.5)
        assert handle.status().state == "waiting", "that of the place where it was counts no more"
    deferred.ring("oslo")
    where, _, told = handle.result(timeout=10)
    assert (where, told) == ("oslo", "early")


def test_frozen_and_thawed_before_it_begins(platform, deferred, tmp_path):
    handle = deferred()
    handle.freeze(tmp_path / "a.sojourn")
    platform.thaw(tmp_path / "a.sojourn", at="lima")
    assert handle.status().state == "waiting"
    deferred.ring("lima")
    assert handle.result(timeout=10)[0] == "lima"


def test_cloned_before_it_begins(deferred):
    """Both wait, each where it is."""
    handle = deferred()
    other = handle.clone("lima")
    assert other.status().state == handle.status().state == "waiting"
    deferred.ring("lima")
    assert other.result(timeout=10)[0] == "lima"
    deferred.ring("baku")
    assert handle.result(timeout=10)[0] == "baku"


def test_killed_before_it_begins(platform, deferred):
    """It waits on, with its mail."""
    handle = deferred()
    handle.send("early")
    platform.kill("baku")
    time.sleep(0.2)
    platform.start("baku")
    assert handle.status().state == "waiting"
    deferred.ring("baku")
    assert handle.result(timeout=10)[::2] == ("baku", "early")


def test_it_costs_no_thread(platform, bells):
    many = [platform.launch(begins, at="baku", start_when="bell") for _ in range(100)]
    assert platform.client.describe_place("baku").about["threads"] <= QUICK.usual_steps
    assert {row.state for row in platform.agents()} == {"waiting"}
    bells["baku"].rings = True
    assert {handle.result(timeout=20)[0] for handle in many} == {"baku"}


# -- once it has begun


@agent
def goes_on(here, other):
    """Travels, clones itself, and is told when to end."""
    yield receive()
    here = yield hop(other)
    made = yield clone("lima")
    if made.is_clone:
        return "clone"
    return here.name, made.other.agent


def test_a_condition_holds_only_before_the_first_step(platform, bells):
    """Neither its moves, nor its clones, nor a restart of its place wait again."""
    bells["baku"].rings = True
    handle = platform.launch(goes_on, "oslo", at="baku", start_when="bell")
    until(lambda: handle.status().waits_for == "a message")
    bells["baku"].rings = False
    platform.kill("baku")
    platform.start("baku")
    assert until(lambda: handle.status().waits_for == "a message"), "it had begun, and does not wait anew"
    handle.send("go")
    where, child = handle.result(timeout=10)
    assert where == "oslo" and platform.get(child).result(timeout=10) == "clone"
    assert bells["oslo"].asked == bells["lima"].asked == 0
