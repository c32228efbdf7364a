"""Client-server: services of a place, called from outside and by agents."""

from __future__ import annotations

import pickle
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import agent, hop
from agents.errors import (
    BindingRefused,
    PlaceUnreachable,
    ResourceFileInvalid,
    ResourceMissing,
    ResultNotPlain,
    ServiceFailed,
    ServiceUnusable,
    UnknownPlace,
    UnknownService,
    ValueNotPlain,
    WaitedTooLong,
)
from agents.paradigms import request
from agents.place import PlaceOptions
from agents.protocol import CallService, Failure
from agents.resources import Resource
from agents.services import packed_services, read_service_file, shipped_services
from agents.testing.local import LocalPlatform
from mobility.trust import Identity
from tests.agents.place.conftest import until

GATE = threading.Event()
RUNNING: list[str] = []


class Odd(Exception):
    """Of a kind that the caller has as well."""


def mean(here, column, *, scale=1.0):
    values = here.resource(column)
    return {"place": here.name, "mean": scale * sum(values) / len(values)}


def echo(here, *args, **kwargs):
    return [list(args), kwargs]


def hangs(here, name):
    RUNNING.append(name)
    GATE.wait(30)
    return name


def raises(here, what):
    if what == "odd":
        raise Odd("odd", 7)
    if what == "exit":
        raise SystemExit(3)
    if what == "own":
        raise type("Nowhere", (Exception,), {"__module__": "nowhere"})("to be found")
    raise {"zero": ZeroDivisionError, "key": KeyError}[what](what)


def odd_result(here, what):
    return {"object": object(), "generator": (n for n in range(3)), "function": echo, "recursion": [[object()]]}[what]


SERVICES = {
    "*": {"echo": echo},
    "oslo": {"mean": mean, "hangs": hangs, "raises": raises, "odd": odd_result},
    "lima": {"mean": lambda here: "another one"},
}


@pytest.fixture
def platform():
    GATE.clear()
    RUNNING.clear()
    options = PlaceOptions(most_service_calls=3, transfer_seconds=4.0)
    resources = {"oslo": {"readings": [1.0, 2.0, 6.0]}}
    with LocalPlatform(resources=resources, services=SERVICES, options=options) as platform:
        yield platform
        GATE.set()
        assert not sum(place._defects for place in platform.running.values())


@agent
def asks_around(here, way):
    """Calls the services of all places from each."""
    seen = []
    for place in way:
        here = yield hop(place)
        oslo = yield request("oslo", "mean", "readings", scale=2.0)
        seen.append((here.name, oslo, (yield request("lima", "mean"))))
    return seen


@agent
def tries(here, service, *args, place="oslo", timeout=5.0):
    """What a call raises at the yield, and that the agent goes on."""
    try:
        value = yield request(place, service, *args, timeout=timeout)
    except Exception as error:
        return type(error).__name__, str(error), here.name
    return "value", value, here.name


def test_the_function_runs_at_the_place_beside_its_resource(platform):
    """The same name is another function at another place; the caller has neither."""
    assert platform.call("oslo", "mean", "readings") == {"place": "oslo", "mean": 3.0}
    assert platform.call(platform.places()[2], "mean", "readings", scale=2) == {"place": "oslo", "mean": 6.0}
    assert platform.call("lima", "mean") == "another one"
    about = {place.name: place.about["services"] for place in platform.places(details=True)}
    assert about == {"baku": ["echo"], "lima": ["echo", "mean"], "oslo": ["echo", "hangs", "mean", "odd", "raises"]}


TEXT = st.text(st.characters(codec="utf-8"))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PLAIN, max_size=3), st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), PLAIN, max_size=3))
def test_arguments_and_results_arrive_as_they_were(platform, args, kwargs):
    """Whatever is plain data, of the very types; `timeout` alone is the caller's own."""
    kwargs.pop("timeout", None)
    assert platform.call("baku", "echo", *args, **kwargs) == [args, kwargs]


def test_within_an_agent_wherever_that_is(platform):
    """An effect, which takes no part of the code along."""
    found = platform.launch(asks_around, ["oslo", "lima", "baku"], at="baku").result(timeout=20)
    assert found == [(name, {"place": "oslo", "mean": 6.0}, "another one") for name in ("oslo", "lima", "baku")]


@pytest.mark.parametrize(
    ("place", "service", "args", "kind", "says"),
    [
        ("oslo", "nothing", (), UnknownService, "echo, hangs, mean, odd, raises"),
        ("baku", "mean", ("readings",), UnknownService, "It has: echo"),
        ("nowhere", "mean", (), UnknownPlace, "baku, lima, oslo"),
        ("oslo", "mean", ("temperatures",), ResourceMissing, "readings"),
        ("oslo", "mean", (), TypeError, "column"),
        ("oslo", "mean", (object(),), ValueNotPlain, "service mean of oslo"),
        ("oslo", "mean", (echo,), ValueNotPlain, "function"),
        ("oslo", "raises", ("zero",), ZeroDivisionError, "zero"),
        ("oslo", "raises", ("key",), KeyError, "key"),
        ("oslo", "raises", ("odd",), Odd, "odd"),
        ("oslo", "raises", ("exit",), ServiceFailed, "SystemExit"),
        ("oslo", "raises", ("own",), ServiceFailed, "nowhere.Nowhere: to be found"),
        ("oslo", "odd", ("object",), ResultNotPlain, "service odd of oslo"),
        ("oslo", "odd", ("generator",), ResultNotPlain, "generator"),
        ("oslo", "odd", ("function",), ResultNotPlain, "function"),
        ("oslo", "odd", ("recursion",), ResultNotPlain, "[0][0]"),
    ],
)
def test_what_goes_wrong_is_told_to_whoever_called(platform, place, service, args, kind, says):
    """Outside as it is; within an agent at its yield, and the agent goes on. The place serves on."""
    with pytest.raises(kind) as caught:
        platform.call(place, service, *args)
    assert says in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value) and str(again) == str(caught.value)
    if kind is not ValueNotPlain:  # such a value cannot be given to the agent either
        name, text, where = platform.launch(tries, service, *args, place=place, at="lima").result(timeout=20)
        assert name == kind.__name__ and says in text and where == "lima"
    assert platform.call("oslo", "echo", 1) == [[1], {}]


def test_the_traceback_is_that_of_the_service(platform):
    """Its own lines, and none of the platform's."""
    with pytest.raises(ZeroDivisionError) as caught:
        platform.call("oslo", "raises", "zero")
    trace = str(caught.value.__cause__)
    assert "in raises" in trace and "place/serving.py" not in trace


def test_one_that_hangs_keeps_nobody_else_waiting(platform):
    """Its own callers hear of it at their deadline; other services, and agents that arrive, go on meanwhile."""

    def call():
        try:
            platform.call("oslo", "hangs", "first", timeout=0.4)
        except WaitedTooLong as error:
            heard.append(error)

    heard: list[WaitedTooLong] = []
    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    assert until(lambda: len(RUNNING) == 3), "as many as are to run at once"
    began = time.monotonic()
    assert platform.call("oslo", "mean", "readings")["mean"] == 3.0
    assert platform.launch(asks_around, ["oslo"], at="baku").result(timeout=10)
    assert time.monotonic() - began < 3
    for caller in callers:
        caller.join(10)
    assert len(heard) == 8
    states = [error.state for error in heard]
    assert [sum(text in state for state in states) for text in ("had not begun", "still runs")] == [5, 3]
    GATE.set()
    assert until(lambda: platform.call("oslo", "hangs", "again", timeout=2) == "again")
    assert RUNNING.count("first") == 3, "what had not begun is not begun later"


def test_an_agent_hears_of_a_deadline_and_holds_no_thread_of_the_pool(platform):
    """More agents wait than may be stepped at once, and others are stepped."""
    waiting = [platform.launch(tries, "hangs", "x", timeout=1.5, at="baku") for _ in range(70)]
    assert until(lambda: len(RUNNING) == 3)
    began = time.monotonic()
    assert platform.launch(tries, "echo", 1, at="baku").result(timeout=10)[0] == "value"
    assert time.monotonic() - began < 5
    GATE.set()
    kinds = {handle.result(timeout=30)[0] for handle in waiting}
    assert kinds <= {"value", "WaitedTooLong"}


def test_a_place_that_dies_while_it_serves(platform):
    """Whoever waits hears that it is not known whether the service ran; started again, it serves."""
    errors: list[Exception] = []

    def call():
        try:
            platform.call("oslo", "hangs", "x", timeout=20)
        except PlaceUnreachable as error:
            errors.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    assert until(lambda: RUNNING)
    platform.kill("oslo")
    caller.join(10)
    assert "not known" in errors[0].state
    with pytest.raises(PlaceUnreachable, match="killed"):
        platform.call("oslo", "echo", 1)
    platform.start("oslo")
    assert platform.call("oslo", "echo", 1) == [[1], {}]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x00" * 40])
def test_arguments_that_nobody_encoded(platform, data):
    """Whatever comes is refused before the service is looked at."""
    reply = platform.client.transport.ask_place("oslo", CallService("echo", data, 1.0, "somebody"), timeout=5)
    assert isinstance(reply, Failure) and isinstance(reply.error, ValueNotPlain)


@pytest.mark.parametrize("arguments", [[[], {}, 1], [1, {}], [[], []], [[], {1: 2}], None, {"a": 1}])
def test_arguments_of_another_form(platform, arguments):
    """They are plain data, and no arguments."""
    from mobility.plain import encode

    reply = platform.client.transport.ask_place("oslo", CallService("echo", encode(arguments), 1.0, "x"), timeout=5)
    assert isinstance(reply, Failure) and isinstance(reply.error, ValueNotPlain)


@pytest.mark.parametrize(("name", "function"), [("", echo), ("a b", echo), ("x" * 101, echo), ("ok", 3), ("é", echo)])
def test_what_cannot_be_offered(name, function):
    """Told before anything is started, with place and service."""
    with pytest.raises(ServiceUnusable, match="Nothing was started"):
        LocalPlatform(["baku"], services={"baku": {name: function}})


# -- as they travel to their places


def test_services_travel_signed_with_their_code():
    """A place of another process has no module of the caller's; a namespace keeps what a service changes."""
    owner = Identity.generate("tester", "owner")
    packed = packed_services({"*": {"echo": echo}, "oslo": {"mean": mean, "odd": odd_result}}, owner)
    made = shipped_services(packed, "oslo", [owner.public])
    assert sorted(made) == ["echo", "mean", "odd"] and sorted(shipped_services(packed, "lima", [])) == ["echo"]
    function = made["mean"]()
    assert function.func is not mean and function.func.__module__.startswith("sojourn_")
    stranger = Identity.generate("stranger", "owner")
    with pytest.raises(ServiceUnusable, match="not trusted"):
        shipped_services(packed, "oslo", [stranger.public])["mean"]()
    data = bytearray(packed["oslo"]["mean"])
    data[-20] ^= 1
    with pytest.raises(ServiceUnusable, match="cannot be loaded"):
        shipped_services({"oslo": {"mean": bytes(data)}}, "oslo", [owner.public])["mean"]()


def test_what_cannot_travel_to_its_place_is_told_at_once():
    """With place, name, and the value that is in the way."""
    lock = threading.Lock()
    with pytest.raises(ServiceUnusable, match="'bad' of oslo cannot be sent there") as caught:
        packed_services({"oslo": {"bad": lambda here, lock=lock: lock}}, Identity.generate("tester", "owner"))
    assert "Nothing was started" in str(caught.value)


def test_services_of_a_file(tmp_path):
    """Imported when they are first called, and tried again when that failed."""
    file = tmp_path / "oslo.toml"
    file.write_text(
        '[place.services.sum]\nfunction = "statistics:fsum"\n'
        '[place.services.gone]\nfunction = "nowhere_to_be_found:f"\n'
        '[place.services.data]\nfunction = "math:pi"\n'
    )
    made = read_service_file(file, "oslo")
    assert made["sum"]()([1.0, 2.0]) == 3.0
    for name, problem in (("gone", "ModuleNotFoundError"), ("data", "cannot be called")):
        with pytest.raises(ServiceUnusable, match=problem):
            made[name]()


@pytest.mark.parametrize(
    "text",
    [
        "[place]\nservices = 3\n",
        "[place.services]\nmean = 3\n",
        '[place.services.mean]\nfunction = "nothing"\n',
        '[place.services.mean]\nfunction = ":f"\n',
        "[place.services.mean]\nfunction = 3\n",
        '[place.services.mean]\nfactory = "a:b"\n',
        '[place.services.mean]\nfunction = "a:b"\nmore = 1\n',
        '[place.services."a b"]\nfunction = "a:b"\n',
        "[place.services",
    ],
)
def test_a_file_that_says_something_else(tmp_path, text):
    """Says which entry is wrong."""
    file = tmp_path / "oslo.toml"
    file.write_text(text)
    with pytest.raises(ResourceFileInvalid):
        read_service_file(file, "oslo")


def binds(here):
    here.bind("readings")


@agent
def is_bound_by_others(here):
    try:
        yield request("oslo", "binds")
    except BindingRefused as error:
        problem = error.problem
    here = yield hop("lima")
    return problem, here.resources


def test_a_service_binds_nobody(platform):
    """It runs for whoever calls, and not in that one's name: what is bound to an agent would go along with it."""
    with LocalPlatform(
        ["oslo", "lima"],
        resources={"oslo": {"readings": Resource([1], attachment="unattached")}},
        services={"oslo": {"binds": binds}},
    ) as own:
        problem, there = own.launch(is_bound_by_others, at="oslo").result(timeout=20)
        assert "only an agent" in problem and there == ()
        with pytest.raises(BindingRefused):
            own.call("oslo", "binds")
