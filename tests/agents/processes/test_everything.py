"""All that an agent can yield and ask of its place, in the place's process and in one of its own: the same in both."""

from __future__ import annotations

import functools
import os
import sys
import time
import typing

import pytest

from agents import (
    agent,
    ask,
    call,
    checkpoint,
    clone,
    done,
    gather,
    hop,
    onward,
    ordered,
    receive,
    reply,
    send,
    sleep,
    spawn,
    visit,
)
from agents import effects as does
from agents.errors import AgentFailed, CellDied, MoveRefused, NotAFragment, UnknownUnit
from agents.paradigms import RemoteEffect, evaluate, fetch, publish, pull, request
from agents.place import PlaceOptions
from agents.processes import effects as travelling
from agents.resources import Made, Resource
from agents.testing.local import LocalPlatform
from tests.agents.place.conftest import PLACES, until
from tests.agents.processes.test_process_agents import children

pytestmark = pytest.mark.timeout(120)
STEP = [0]


class Own(Exception):
    """Of the agents' own code."""

    def __init__(self, text, number=0):
        super().__init__(text, number)
        self.number = number


class Meter:
    """A resource that is no plain data."""

    def __init__(self):
        self.value = 0

    def add(self, n):
        self.value += n
        return self.value

    def parts(self):
        return Part(self)

    def fails(self):
        raise LookupError("of the meter's own")

    def raises_own(self):
        raise Own("of the meter's", 4)


class Part:
    def __init__(self, meter):
        self._meter = meter

    def read(self):
        return self._meter.value


def doubles(here, n):
    return here.name, 2 * n


def breaks(here):
    raise Own("of the service", 5)


@pytest.fixture
def platform():
    def offered(n):
        return {
            "number": n,
            "gate": [],
            "readings": Resource([n, n + 1], attachment="unattached", type="readings"),
            "meter": Resource(
                Made(Meter), attachment="fastened", type="meter", exports=("add", "parts", "fails", "raises_own")
            ),
        }

    resources = {place: offered(index) for index, place in enumerate(PLACES)}
    services = {"*": {"doubles": doubles, "breaks": breaks}}
    options = PlaceOptions(transfer_seconds=8.0, retry_seconds=0.05)
    with LocalPlatform(PLACES, resources=resources, services=services, options=options) as platform:
        yield platform
        count = sum(place._defects for place in platform.running.values())
    assert not count, "a place has met a defect: see its standard error above"
    assert until(lambda: not children()), "no process is left"


@pytest.fixture(params=[False, True], ids=["inline", "process"])
def process(request):
    return request.param


def ran(platform, process, unit, *args, at="baku", **kwargs):
    """Its result; and that it ran where it should."""
    handle = platform.launch(unit, *args, at=at, process=process, **kwargs)
    result, pid = handle.result(timeout=40)
    assert (pid == os.getpid()) is not process
    return result


def pid():
    import os

    return os.getpid()


# -- what there is


def test_every_effect_can_be_sent():
    """Whoever adds one is to see that it works from a process, too."""
    kinds = {*typing.get_args(does.Effect), *typing.get_args(RemoteEffect)}
    assert kinds == set(travelling._KINDS)
    yielded = [hop("x"), sleep(1), receive(2), checkpoint(), onward(), clone("x"), gather(["a", "b"], first=1)]
    yielded += [request("x", "s", 1, deep={"a": (1, 2)}), fetch("n"), pull("x", "n", 1, start_when="ready", k=2)]
    for effect in yielded:
        how, data, header, _ = travelling.packed("me", effect)
        assert (how, header) == ("effect", None) and travelling.unpacked(data) == effect


# -- effects of agents.effects


def partner(here):
    while True:
        message = yield receive(20)
        if message.value == "end":
            return "ended"
        if message.question:
            yield reply(message, ["answer to", message.value])


def child(here, n):
    yield sleep(0.01)
    return here.name, n + 1, pid()


class Child:
    """A class agent that is spawned."""

    def __init__(self, n):
        self.n = n

    def arrive(self, here):
        return done((here.name, self.n + 1, pid()))


@agent
def does_all(here, other):
    seen = [here.name]
    here = yield hop("oslo")
    seen.append(here.name)
    yield send(other, "hello")
    seen.append((yield ask(other, 1)))
    seen.append((yield receive(0.02)))
    seen.append((yield call(lambda n: n + 1, 4)))
    yield sleep(0.01)
    yield checkpoint()
    yield
    two = yield clone("lima")
    if two.is_clone:
        return ["clone", here.name == "lima", two.other.agent == seen[0]], pid()
    seen.append(type(two).__name__)
    children = [(yield spawn(child, 4, at="lima")), (yield spawn(Child(5))), (yield spawn(Child, 6, at="baku"))]
    found = yield gather([two.other, *children], timeout=30)
    seen.append(found[0][0])
    seen.append([row[:2] for row in found[1:]])
    seen.append({row[2] == pid() for row in found[1:]})
    yield send(other, "end")
    seen.append((yield gather([other])))
    yield done((seen, pid()))


def test_effects_among_agents(platform, process):
    other = platform.launch(partner, at="lima", process=process)
    assert ran(platform, process, does_all, other.agent) == [
        "baku",
        "oslo",
        ["answer to", 1],
        None,
        5,
        "Clone",
        ["clone", True, False],
        [("lima", 5), ("oslo", 6), ("baku", 7)],
        {not process},
        ["ended"],
    ]


# -- client-server


@agent
def requests(here):
    found = [(yield request("oslo", "doubles", 4)), (yield request(here, "doubles", n=5))]
    for wrong in (request("oslo", "none"), request("oslo", "doubles", object()), request("nowhere", "doubles", 1)):
        try:
            yield wrong
        except Exception as error:
            found.append(type(error).__name__)
    try:
        yield request("oslo", "breaks")
    except Own as error:
        found.append((error.args, error.number, "RemoteTrace" in repr(error.__cause__)))
    return found, pid()


def test_request(platform, process):
    assert ran(platform, process, requests) == [
        ("oslo", 8),
        ("baku", 10),
        "UnknownService",
        "ValueNotPlain",
        "UnknownPlace",
        (("of the service", 5), 5, True),
    ]


# -- remote evaluation, and what it raises


def reads(here, name, plus=0):
    return here.name, here.resource(name) + plus, pid()


def fails(here, number):
    raise Own("from there", number)


def odd_error(here):
    class Hidden(Exception):
        pass

    raise Hidden("nobody has it")


@agent
def evaluates(here):
    seen = []
    offset = 3
    for place in ("oslo", "lima"):
        value = yield evaluate(place, reads, "number", plus=offset)
        seen.append((*value[:2], value[2] == pid()))
    seen.append((yield evaluate("lima", lambda here: here.name + str(offset))))
    other = yield evaluate("oslo", reads, "number", process=True)
    seen.append(other[2] != pid())
    try:
        yield evaluate("oslo", fails, 7)
    except Own as error:
        note = error.__notes__[0]
        seen.append((error.args, error.number, "was on: oslo" in note, "fails" in str(error.__cause__)))
    try:
        yield evaluate("oslo", odd_error)
    except Exception as error:
        seen.append((type(error).__name__, "nobody has it" in str(error)))
    try:
        yield evaluate("nowhere", reads, "number")
    except Exception as error:
        seen.append(type(error).__name__)
    return seen, pid()


def test_evaluate(platform, process):
    assert ran(platform, process, evaluates) == [
        ("oslo", 4, not process),
        ("lima", 5, not process),
        "lima3",
        True,
        (("from there", 7), 7, True, True),
        ("AgentFailed", True),
        "UnknownPlace",
    ]


@agent
class Catches:
    """A class agent that catches what is its own, from all that can raise it."""

    def __init__(self):
        self.seen = []

    def arrive(self, here):
        try:
            yield evaluate("oslo", fails, 1)
        except Own as error:
            self.seen.append(("evaluate", error.number))
        try:
            yield gather([(yield spawn(fails, 2))])
        except Own as error:
            self.seen.append(("gather", error.number))
        try:
            yield request("lima", "breaks")
        except Own as error:
            self.seen.append(("request", error.number))
        return done((self.seen, pid()))


def test_a_class_agent_catches_its_own(platform, process):
    for unit in ((Catches,), (Catches(),)):
        assert ran(platform, process, *unit) == [("evaluate", 1), ("gather", 2), ("request", 5)]


@agent
def evaluates_and_moves(here):
    try:
        yield evaluate("lima", fails_late, 0.8)
    except Own as error:
        return [error.number, here.name], pid()


def fails_late(here, seconds):
    yield sleep(seconds)
    raise Own("late", 9)


def test_an_own_exception_is_caught_where_the_agent_has_moved_meanwhile(platform, process):
    handle = platform.launch(evaluates_and_moves, at="baku", process=process)
    assert until(lambda: "evaluates" in str(handle.status().waits_for) or handle.status().state == "waiting")
    handle.move("oslo", timeout=10)
    result, where = handle.result(timeout=20)
    assert result == [9, "oslo"] and (where == os.getpid()) is not process


# -- gather


@agent
def gathers(here):
    agents = []
    for n in (1, 2):
        agents.append((yield spawn(child, n, at="lima")))
    for unit in (fails, builtin_error):
        agents.append((yield spawn(unit, 3)))
    found = yield gather(agents, failures="collect", timeout=30)
    seen = [row[:2] for row in found[:2]]
    own, other = found[2:]
    seen.append((type(own) is Own, own.number, len(own.__notes__), "fails" in str(own.__cause__)))
    seen.append((type(other).__name__, other.args))
    try:
        yield gather(agents)
    except (Own, KeyError) as error:
        seen.append(type(error).__name__ in ("Own", "KeyError"))
    first = yield gather(agents[:2], first=1)
    seen.append(sum(one is None for one in first))
    try:
        yield gather(["agent-nobody"])
    except Exception as error:
        seen.append(type(error).__name__)
    try:
        yield gather([(yield spawn(waits_for_ever))], timeout=0.1)
    except Exception as error:
        seen.append(type(error).__name__)
    return seen, pid()


def builtin_error(here, n):
    return {}[n]


def waits_for_ever(here):
    yield receive(15)


def test_gather(platform, process):
    result = ran(platform, process, gathers)
    for handle in platform.agents():
        platform.get(handle.agent).stop(force=True)
    assert result == [
        ("lima", 2),
        ("lima", 3),
        (True, 3, 1, True),
        ("KeyError", (3,)),
        True,
        1,
        "UnknownAgent",
        "WaitedTooLong",
    ]


# -- code on demand


def scaled(values, factor=2):
    STEP[0] += 1
    return [factor * value for value in values], pid(), STEP[0], scaled.__module__.partition(".")[0]


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def of(self, value):
        return self.factor * value


@agent
def publishes(here):
    told = yield publish(scaled, "scaled", "1.5")
    again = yield publish(Scale, "scale")
    seen = [(told.name, told.version, told.place, len(told.digest)), again.name]
    bound = functools.partial(scaled, factor=3)
    for wrong in (publish(3, "three"), publish(bound, "bound"), publish(scaled, "no name"), publish(scaled, "s", "x")):
        try:
            yield wrong
        except Exception as error:
            seen.append(type(error).__name__)
    return seen, pid()


def test_publish(platform, process):
    assert ran(platform, process, publishes) == [
        ("scaled", "1.5", "baku", 64),
        "scale",
        *["NotPublishable"] * 4,
    ]
    assert platform.fetch("scaled")([3], factor=3)[0] == [9]
    assert platform.fetch("scale", from_="baku")(4).of(5) == 20


@agent
def fetches(here):
    unit = yield fetch("scaled", from_="oslo")
    first = unit([1, 2])
    seen = [(unit.name, unit.version, unit.place), first[0], first[1] == pid(), first[2]]
    seen.append(first[3].startswith("sojourn_"))
    older = yield fetch("scaled", version="0.1")
    seen.append((older.version, older([5])))
    kind = yield fetch("scale")
    scale = kind(3)
    seen.append(scale.of(4))
    scale = None  # its class is not of the agent's own code
    here = yield hop("lima")
    second = unit([7], factor=1)
    seen.append((second[0], second[1] == pid(), second[2]))
    seen.append((yield call(unit, [1]))[0])
    for wrong in (fetch("nothing"), fetch(digest="ab" * 32), fetch("scaled", from_="nowhere"), fetch("far")):
        try:
            yield wrong
        except Exception as error:
            seen.append(type(error).__name__)
    return seen, pid()


def older(values):
    return "older"


@pytest.fixture
def telling(tmp_path):
    """A module of whose loading something is left: a lock, which cannot travel, is made anew wherever that happens."""
    written = tmp_path / "pids"
    (tmp_path / "telling_unit.py").write_text(f"""
import os, threading

class Trouble(Exception):
    pass

def made():
    if os.path.exists({str(written)!r} + "-stuck"):
        raise RuntimeError("it cannot be made here")
    with open({str(written)!r}, "a") as file:
        file.write(str(os.getpid()) + " ")
    return threading.Lock()

LOCK = made()

def tells(*given):
    with LOCK:
        return os.getpid()

def dies(here):
    with LOCK:
        os._exit(3)

def troubles(here):
    with LOCK:
        raise Trouble("of no module that a place has")
""")
    sys.path.insert(0, str(tmp_path))
    import telling_unit

    written.write_text("")
    telling_unit.stuck = tmp_path / "pids-stuck"
    yield telling_unit, lambda: {int(one) for one in written.read_text().split()}
    sys.path.remove(str(tmp_path))
    sys.modules.pop("telling_unit", None)


@agent
def fetches_one_that_tells(here):
    unit = yield fetch("tells")
    return unit(), pid()


def test_what_is_fetched_is_loaded_in_the_agents_process_alone(platform, process, telling):
    module, loaded = telling
    platform.publish(module.tells, "tells", at="oslo")
    result = ran(platform, process, fetches_one_that_tells)
    assert (result == os.getpid()) is not process
    assert loaded() == {result}


@agent
def fetches_what_cannot_be_loaded(here):
    try:
        unit = yield fetch("tells")
    except Exception as error:
        return [type(error).__name__, "it cannot be made here" in str(error)], pid()
    return [unit.name], pid()


def test_what_cannot_be_loaded_is_refused_at_the_yield(platform, process, telling):
    module, loaded = telling
    platform.publish(module.tells, "tells", at="oslo")
    module.stuck.touch()
    assert ran(platform, process, fetches_what_cannot_be_loaded) == ["LoadFailed", True]
    assert not loaded()


def test_what_is_evaluated_pulled_or_a_fragment_is_loaded_in_a_process_of_its_own_alone(platform, process, telling):
    module, loaded = telling
    platform.publish(module.tells, "tells", at="oslo")
    results = [
        platform.evaluate("oslo", module.tells, process=process),
        platform.pull("lima", "tells", 4, process=process).result(timeout=20),
        platform.install("oslo", module.tells, "pushed", process=process) and platform.call("oslo", "pushed"),
        platform.pull("lima", "tells", fragment="pulled", process=process).result(timeout=20)
        and platform.call("lima", "pulled"),
    ]
    assert [result == os.getpid() for result in results] == [not process] * 4
    assert (os.getpid() in loaded()) is not process and loaded() >= {*results}


def test_a_fragment_that_dies_or_raises_in_its_process(platform, telling):
    """The place and its other services go on."""
    module, loaded = telling
    for name in ("dies", "troubles", "tells"):
        platform.install("oslo", getattr(module, name), name, process=True)
    with pytest.raises(CellDied, match="has ended itself, with the status 3"):
        platform.call("oslo", "dies")
    with pytest.raises(module.Trouble, match="that a place has") as caught:
        platform.call("oslo", "troubles")
    assert "in troubles" in str(caught.value.__cause__)
    assert platform.call("oslo", "tells") != os.getpid() and os.getpid() not in loaded()


@agent
def pulls(here):
    handle = yield pull("lima", "doubles", 8, from_="oslo", called="pulled", process=True)
    found = yield gather([handle])
    told = yield gather([(yield pull("lima", "doubles", fragment="doubled"))])
    used = yield request("lima", "doubled", 21)
    try:
        yield pull("lima", "nothing")
    except Exception as error:
        return [found, told[0]["service"], used, type(error).__name__], pid()


def test_pull(platform, process):
    platform.publish(doubles, "doubles", at="oslo")
    assert ran(platform, process, pulls) == [[("lima", 16)], "doubled", ("lima", 42), "UnknownUnit"]


@agent
def uses_foreign_code(here):
    """What is fetched is not the agent's own code, under which it could be launched."""
    unit = yield fetch("doubles")
    seen = []
    for wrong in (evaluate("oslo", unit.unit, 1), spawn(unit.unit, 1), publish(unit.unit, "mine")):
        try:
            yield wrong
        except Exception as error:
            seen.append((type(error).__name__, getattr(error, "why", None) or getattr(error, "slug", "")))
    return seen, pid()


def test_what_was_fetched_does_not_go_on_under_the_agents_name(platform):
    platform.publish(older, "doubles", at="oslo")
    inline = ran(platform, False, uses_foreign_code)
    assert len(inline) == 3 and ran(platform, True, uses_foreign_code) == inline


# -- bindings


@agent
def binds(here):
    readings = here.bind("readings", by="identifier")
    meter = here.bind("meter", by="identifier")
    seen = [readings.how, readings.resource, readings[1], len(readings), meter.add(2), meter.add(3), meter.how]
    seen.append((1 in readings, meter.parts().read(), meter.place))
    for wrong in (meter.fails, meter.none, lambda: here.bind("nothing"), lambda: here.bind("number", by="type")):
        try:
            wrong()
        except Exception as error:
            seen.append(type(error).__name__)
    here = yield hop("oslo")
    readings.append(9)
    seen.append((readings.how, readings.value, meter.how, meter.place, meter.add(5)))
    try:
        meter.raises_own()
    except Exception as error:
        seen.append((type(error).__name__, error.args, error.number))
    like = here.bind(type="meter", by="type")
    seen.append((like.how, like.resource))
    here = yield hop("lima")
    seen.append((readings.value, readings.place, like.how, like.resource, meter.add(1)))
    twin = yield clone()
    if twin.is_clone:
        return [meter.add(10), readings.how], pid()
    seen.append((yield gather([twin.other]))[0][0])
    meter.release()
    try:
        meter.add(1)
    except Exception as error:
        seen.append(type(error).__name__)
    return seen, pid()


def test_bindings(platform, process):
    result = ran(platform, process, binds)
    assert result == [
        *["local", "baku/readings", 1, 2, 2, 5, "local"],
        (True, 5, "baku"),
        *["LookupError", "AttributeError", "ResourceMissing", "BindingRefused"],
        ("local", [0, 1, 9], "reference", "baku", 10),
        ("Own", ("of the meter's", 4), 4),
        ("local", "oslo/meter"),
        ([0, 1, 9], "lima", "local", "lima/meter", 11),
        [21, "local"],
        "BindingReleased",
    ]


@agent
class Carries:
    """A class agent with a binding among its attributes."""

    def __init__(self, places):
        self.left = list(places)
        self.bound = None
        self.seen = []

    def arrive(self, here):
        if self.bound is None:
            self.bound = here.bind("readings", by="value")
        self.seen.append((here.name, self.bound.how, self.bound.value))
        return hop(self.left.pop()) if self.left else done((self.seen, pid()))


def test_bindings_of_a_class_agent(platform, process):
    assert ran(platform, process, Carries(["lima", "oslo"])) == [
        ("baku", "local", [0, 1]),
        ("oslo", "copy", [0, 1]),
        ("lima", "copy", [0, 1]),
    ]


# -- itineraries


@agent
def goes_by_it(here):
    seen = [(here.name, here.way.left, here.way.next, here.way.done)]
    while (there := (yield onward())) is not None:
        seen.append((there.name, here.name == there.name, here.way.left))
    way = here.way
    seen.append((way.done, way.turned_back, [(one.place, one.why, bool(one.text)) for one in way.skipped]))
    try:
        yield hop("oslo")
    except Exception as error:
        seen.append(type(error).__name__)
    return seen, pid()


def test_onward_and_the_way(platform, process):
    platform.kill("oslo")
    route = ordered("lima", visit("oslo", on_failure="skip"), visit("rome", on_failure="skip"), "baku")
    assert ran(platform, process, goes_by_it, itinerary=route) == [
        ("baku", ("lima", "oslo", "rome", "baku"), ("lima",), False),
        ("lima", True, ("oslo", "rome", "baku")),
        ("baku", True, ()),
        (True, None, [("oslo", "place-unreachable", True), ("rome", "unknown-place", True)]),
        "MoveRefused",
    ]


@agent
def without_one(here):
    try:
        yield onward()
    except Exception as error:
        return [here.way, type(error).__name__], pid()


def test_no_itinerary(platform, process):
    assert ran(platform, process, without_one) == [None, "NoItinerary"]


# -- weak, either, deferred


@agent
def starts_anew(here, places):
    """Of a function that is launched as weak nothing arrives but its arguments."""
    begun_at = here.name
    if here.name == "baku":
        here = yield hop("oslo")
    yield sleep(0)
    return [begun_at, here.name, places], pid()


@pytest.mark.parametrize(("mobility", "begun"), [("strong", "baku"), ("weak", "oslo"), ("either", "baku")])
def test_what_it_accepts(platform, process, mobility, begun):
    assert ran(platform, process, starts_anew, ["x"], mobility=mobility) == [begun, "oslo", ["x"]]


@agent
def tells_when(here):
    import time

    return time.time(), pid()


def test_start_at_and_start_when(platform, process):
    """Pushed and pulled."""
    platform.publish(tells_when, "tells_when", at="lima")
    starters = [
        lambda **terms: platform.launch(tells_when, at="oslo", process=process, **terms),
        lambda **terms: platform.pull("oslo", "tells_when", process=process, **terms),
    ]
    for start in starters:
        when_true = start(start_when="gate")
        for ahead in (1.2, 6.0, 30.0):
            moment = time.time() + ahead
            at_a_time = start(start_at=moment)
            state = at_a_time.status().state
            if time.time() < moment:
                break  # else the host is so busy that the state tells nothing
        assert [state, when_true.status().state] == ["waiting", "waiting"]
        began, where = at_a_time.result(timeout=30)
        assert began >= moment and (where == os.getpid()) is not process
        opened = time.time()
        assert when_true.status().state == "waiting"
        platform.evaluate("oslo", opens)
        began, where = when_true.result(timeout=30)
        assert began >= opened and (where == os.getpid()) is not process
        platform.evaluate("oslo", shuts)
        with pytest.raises(MoveRefused, match="no such resource"):
            start(start_when="nothing of it")
        with pytest.raises(ValueError, match="start_at"):
            start(start_at="soon")


def opens(here):
    here.resource("gate").append(1)


def shuts(here):
    here.resource("gate").clear()


# -- fragments, and evaluation from outside


def counts(here, n=1):
    STEP[0] += n
    return here.name, pid(), here.resource("number")


def yields(here):
    yield


def own_error(here):
    raise Own("of the fragment", 6)


def test_fragments(platform, process):
    assert platform.install("oslo", counts, "counts", process=process)["service"] == "counts"
    for _ in range(2):
        place, where, number = platform.call("oslo", "counts", n=2)
        assert (place, number) == ("oslo", 1) and (where == os.getpid()) is not process
    platform.install("lima", own_error, "own_error", process=process)
    with pytest.raises(Own) as caught:
        platform.call("lima", "own_error")
    assert caught.value.number == 6
    with pytest.raises(NotAFragment):
        platform.install("oslo", yields, "yields", process=process)
    with pytest.raises(NotAFragment):
        platform.install("oslo", Catches, "catches", process=process)
    platform.kill("oslo")
    platform.start("oslo")
    place, where, number = platform.call("oslo", "counts")
    assert (place, number) == ("oslo", 1) and (where == os.getpid()) is not process


def test_evaluation_from_outside(platform, process):
    place, value, where = platform.evaluate("oslo", reads, "number", plus=5, process=process)
    assert (place, value) == ("oslo", 6) and (where == os.getpid()) is not process
    assert platform.evaluate("lima", Child, 3, process=process)[:2] == ("lima", 4)
    with pytest.raises(Own):
        platform.evaluate("lima", fails, 1, process=process)
    with pytest.raises(AgentFailed):
        platform.evaluate("lima", odd_error, process=process)
    with pytest.raises(UnknownUnit):
        platform.pull("lima", "nothing", process=process)
