"""Bindings of agents to resources, in one process: what is refused, what is taken away, clones, files, restarts.

The nine cells are tested on a real cluster, in ``tests/taxonomy/test_bindings.py``; what a crash may do in
``test_bindings_crashes.py``.
"""

from __future__ import annotations

import pickle
import threading
import time

import pytest

from agents import agent, checkpoint, clone, hop, receive
from agents.errors import (
    BindingRefused,
    BindingReleased,
    MoveFailed,
    MoveRefused,
    ResourceFailed,
    ResourceGone,
    ResourceMissing,
    ResourceRefused,
    ResourceUnreachable,
)
from agents.eventlog import EventKind
from agents.place import PlaceOptions
from agents.protocol import Transfer, TransferRefused, UseResource
from agents.resources import Made, Resource
from agents.testing.local import LocalPlatform
from mobility.bundle import Bundle
from tests.agents.place.conftest import PLACES, defects, until

QUICK = PlaceOptions(transfer_seconds=4.0, retry_seconds=0.05)


class Odd(Exception):
    """Of which a place elsewhere would know nothing."""

    def __init__(self, one, two):
        super().__init__(f"{one}{two}")


class Station:
    """A resource with everything that can go wrong."""

    def __init__(self):
        self.number = 7
        self.entered = threading.Event()
        self.leave = threading.Event()

    def add(self, more=0):
        self.number += more
        return self.number

    def slow(self):
        self.entered.set()
        self.leave.wait(10)
        return "slow"

    def fails(self, kind):
        raise {"key": KeyError("k"), "odd": Odd(1, 2), "exit": SystemExit(3)}[kind]

    def odd(self):
        return Station

    def hidden(self):
        return "hidden"

    def _private(self):
        return "private"


def offered():
    return {
        "oslo": {
            "readings": Resource([1, 2], attachment="unattached", type="readings"),
            "archive": Resource([3, 4], attachment="fastened", type="readings"),
            "station": Resource(Made(Station), exports=("add", "slow", "fails", "odd", "number", "missing")),
            "secret": Resource([9], may_leave=False, type="secret"),
            "closed": Resource([9], attachment="unattached", may_leave=False),
            "lock": Resource({"lock": threading.Lock()}, attachment="unattached", type="lock"),
            "plain": 5,
        },
        "lima": {"local": Resource([5], type="readings")},
    }


@pytest.fixture
def platform():
    with LocalPlatform(PLACES, resources=offered(), options=QUICK) as platform:
        yield platform
        assert not defects(platform)


def holders(platform, resource):
    """The places at which it can be used."""
    return [name for name, place in platform.running.items() if place.binding.holdings.has(resource)]


def waits(platform, handle):
    """Where an agent waits for a message; it has read all of them."""
    for name, place in platform.running.items():
        for row in place.describe(agents=True).agents:
            if row["agent"] == handle.agent and row["standing"] == "receives" and not row["mail"] and row["steps"]:
                return None if row["computing"] else name
    return None


def launched(platform, function, *args):
    """An agent at oslo that has bound what it binds, and waits."""
    handle = platform.launch(function, *args, at="oslo")
    assert until(lambda: waits(platform, handle))
    return handle


@agent
def told(here, name, by, otherwise, to, method=None, args=()):
    """Binds, goes, and tells what has become of it."""
    bound = here.bind(name, by=by, otherwise=otherwise)
    try:
        here = yield hop(to)
    except MoveFailed as error:
        return "stayed", here.name, error.why, str(error), bound.how
    if method is None:
        return bound.how, bound.resource, bound.place
    return bound.how, bound.call(method, *args)


def went(platform, *args, at="oslo"):
    return platform.launch(told, *args, at=at).result(timeout=30)


# -- what cannot be bound ---------------------------------------------------------------------------------------------


@agent
def tries_to_bind(here, name, keywords):
    try:
        here.bind(name, **keywords)
    except Exception as error:
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        return type(error).__name__, str(error)
    return "bound", ""
    yield


@pytest.mark.parametrize(
    ("name", "keywords", "error", "part"),
    [
        ("none", {}, "ResourceMissing", "oslo has no resource 'none'"),
        ("lima/none", {}, "ResourceMissing", "lima has no resource 'none'"),
        ("nowhere/none", {}, "ResourceUnreachable", "there is no place 'nowhere'"),
        ("oslo/none", {}, "ResourceMissing", "It has: "),
        ("readings", {"by": "name"}, "ValueError", "name"),
        ("readings", {"otherwise": ["rebind"]}, "BindingRefused", "move (MV), reference (GR), and no rebind"),
        ("archive", {"by": "value", "otherwise": ["move"]}, "BindingRefused", "and no move"),
        ("archive", {"prefer": "copy"}, "BindingRefused", "and no copy"),
        ("plain", {"otherwise": ["copy"]}, "BindingRefused", "a resource that is fixed"),
        ("readings", {"otherwise": ["fly"]}, "BindingRefused", "fly"),
        ("plain", {"by": "value"}, "BindingRefused", "its content may not leave oslo"),
        ("secret", {"by": "value"}, "BindingRefused", "its content may not leave oslo"),
        ("plain", {"by": "type"}, "BindingRefused", "it is of no type"),
        ("archive", {"by": "type", "type": "other"}, "BindingRefused", "not 'other'"),
        (None, {"by": "type", "type": "other"}, "ResourceMissing", "of type other"),
        (None, {}, "ValueError", "a resource, or its type"),
        ("readings", {"timeout": 0}, "ValueError", "above 0"),
        ("readings", {"timeout": float("nan")}, "ValueError", "above 0"),
    ],
)
def test_what_cannot_be_bound(platform, name, keywords, error, part):
    found, text = platform.launch(tries_to_bind, name, keywords, at="oslo").result(timeout=20)
    assert found == error and part in text


@agent
def binds_one_elsewhere(here):
    bound = here.bind("oslo/readings")
    before = bound.how, bound.place, bound[1]
    here = yield hop("oslo")
    return before, bound.how, bound.value


def test_one_elsewhere_is_bound_by_its_id(platform):
    handle = platform.launch(binds_one_elsewhere, at="lima")
    assert handle.result(timeout=20) == (("reference", "oslo", 2), "local", [1, 2])


@agent
def uses_a_path(here):
    bound = here.bind("data/table", by="identifier")
    here = yield hop("lima")
    return bound.how, bound.resource, bound.value, here.resources


def test_a_name_with_a_stroke_in_it(platform):
    """As it could always be called."""
    platform.running["oslo"]._resources.offer("data/table", Resource([7], attachment="unattached"))
    assert platform.running["oslo"].resource("x", "data/table") == [7]
    how, resource, value, names = platform.launch(uses_a_path, at="oslo").result(timeout=20)
    assert (how, resource, value, names) == ("local", "oslo/data/table", [7], ("data/table", "local"))
    assert holders(platform, "oslo/data/table") == ["lima"]
    for name in ("data/table", "oslo/data/table"):
        assert platform.running["lima"].resource("x", name) == [7]
    assert platform.running["lima"].binding.holdings.declared()["data/table"]["resource"] == "oslo/data/table"


@agent
def uses_an_array(here):
    bound = here.bind("matrix")
    here = yield hop("lima")
    return bound.how, bound.sum(), bound[1], bound[1:3].tolist(), len(bound)


def test_arrays(platform):
    numpy = pytest.importorskip("numpy")
    platform.running["oslo"]._resources.offer("matrix", Resource(numpy.arange(4), attachment="fastened"))
    assert platform.launch(uses_an_array, at="oslo").result(timeout=20) == ("reference", 6, 1, [1, 2], 4)


# -- what a move is refused for ---------------------------------------------------------------------------------------


def test_a_value_that_cannot_travel_refuses_the_move(platform):
    """By moving and by copying; the agent is unharmed, and so is the resource."""
    for by in ("identifier", "value"):
        kind, place, why, text, how = went(platform, "lock", by, [], "lima")
        assert (kind, place, how) == ("stayed", "oslo", "local") and "lock" in text.lower(), text
    assert holders(platform, "oslo/lock") == ["oslo"]
    assert went(platform, "lock", "identifier", ["reference"], "lima") == ("reference", "oslo/lock", "oslo")


def test_what_may_not_leave_is_not_moved(platform):
    kind, _, why, text, _ = went(platform, "closed", "identifier", [], "lima")
    assert (kind, why) == ("stayed", "binding-refused") and "its content may not leave" in text
    assert "otherwise=['reference']" in text
    assert went(platform, "closed", "identifier", ["GR"], "lima")[0] == "reference"


def test_no_like_one_at_the_destination(platform):
    """Told at the source, which asks before anything moves."""
    kind, place, why, text, _ = went(platform, "archive", "type", [], "baku")
    assert (kind, place, why) == ("stayed", "oslo", "binding-refused") and "none of type 'readings'" in text
    assert went(platform, "archive", "type", ["copy"], "baku", "__getitem__", (0,)) == ("copy", 3)
    assert went(platform, "archive", "type", ["reference", "copy"], "baku", "__getitem__", (0,)) == ("reference", 3)
    assert went(platform, "readings", "type", ["move"], "baku") == ("local", "oslo/readings", "baku")


def test_the_destination_looks_again_before_the_commit(platform):
    """What it had when it was asked is gone when the agent comes."""
    lima = platform.running["lima"]

    def withdraws(whom, request, deliver):
        if whom == "lima" and isinstance(request, Transfer) and "local" in lima._resources.names:
            lima._resources.withdraw("local")
        return deliver()

    handle = platform.launch(waits_and_goes, "archive", "type", [], "lima", at="oslo")
    platform.net.tamper = withdraws
    handle.send("go")
    kind, name, why, text = handle.result(timeout=20)
    assert (kind, name, why) == ("MoveRefused", "oslo", "binding-refused")
    assert "lima refused the bundle: it has no resource of type 'readings'" in text


@agent
def waits_and_goes(here, name, by, otherwise, to):
    bound = here.bind(name, by=by, otherwise=otherwise)
    yield receive()
    try:
        here = yield hop(to)
    except MoveFailed as error:
        return type(error).__name__, here.name, error.why, str(error)
    return bound.how, here.name, bound.place, bound.resource


def test_a_move_that_is_refused_leaves_the_resource_here(platform):
    """It was reserved, and written down as leaving; then the destination says no."""

    def says_no(whom, request, deliver):
        if isinstance(request, Transfer):
            assert holders(platform, "oslo/readings") == [], "it is under way"
            assert len(platform.running["oslo"].core.store.resources()) == 1
            return TransferRefused(request.epoch, "full", "there is no room", "Go elsewhere.")
        return deliver()

    handle = platform.launch(waits_and_goes, "readings", "identifier", [], "lima", at="oslo")
    platform.net.tamper = says_no
    handle.send("go")
    assert handle.result(timeout=20)[:3] == ("MoveRefused", "oslo", "full")
    assert holders(platform, "oslo/readings") == ["oslo"]
    assert platform.running["oslo"].core.store.resources() == (), "nothing is left of it on disk"


def test_an_agent_that_cannot_be_captured_leaves_the_resource_here(platform):
    assert platform.launch(holds_a_lock, at="oslo").result(timeout=20) == ("local", [1, 2])
    assert holders(platform, "oslo/readings") == ["oslo"]


@agent
def holds_a_lock(here):
    bound = here.bind("readings")
    lock = threading.Lock()
    try:
        here = yield hop("lima")
    except MoveFailed:
        del lock
    return bound.how, bound.value


# -- two at once ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("otherwise", [[], ["reference"]])
def test_two_agents_that_take_the_same_resource_along(platform, otherwise):
    """Exactly one gets it; the other stays with a clear error, or takes a reference, if it has said so."""
    arrived, go = threading.Event(), threading.Event()

    def holds_the_first(whom, request, deliver):
        if isinstance(request, Transfer) and not arrived.is_set():
            arrived.set()
            go.wait(10)
        return deliver()

    handles = [launched(platform, waits_and_goes, "readings", "identifier", otherwise, to) for to in ("lima", "baku")]
    platform.net.tamper = holds_the_first
    handles[0].send("go")
    assert arrived.wait(10)
    handles[1].send("go")
    if otherwise:
        assert handles[1].result(timeout=20)[:2] == ("reference", "baku")
        go.set()
    else:
        kind, name, why, text = handles[1].result(timeout=20)
        assert (kind, name, why) == ("MoveFailed", "oslo", "resource-gone") and "just leaving" in text
        go.set()
    assert handles[0].result(timeout=20) == ("local", "lima", "lima", "oslo/readings")
    assert holders(platform, "oslo/readings") == ["lima"]


@agent
def races(here, to):
    bound = here.bind("readings")
    yield receive()
    try:
        here = yield hop(to)
    except MoveFailed as error:
        return "not", error.why
    return "got", bound.value


def test_many_agents_that_take_the_same_resource_along(platform):
    handles = [launched(platform, races, PLACES[2 * (number % 2)]) for number in range(12)]
    for handle in handles:
        handle.send("go")
    results = [handle.result(timeout=30) for handle in handles]
    assert sorted(results).count(("got", [1, 2])) == 1, results
    assert {why for kind, why in results if kind == "not"} == {"resource-gone"}
    assert len(holders(platform, "oslo/readings")) == 1


# -- taken away -------------------------------------------------------------------------------------------------------


@agent
def stays_and_uses(here, name, by="identifier"):
    bound = here.bind(name, by=by)
    got = []
    while (message := (yield receive())).value != "end":
        try:
            got.append(("ok", bound[0]))
        except Exception as error:
            got.append((type(error).__name__, getattr(error, "to", None), str(error)))
            assert here.resource("plain") == 5, "it goes on"
    got.append(bound.how)
    bound.release()
    here = yield hop("baku")
    return got, here.name


def test_a_resource_that_another_agent_has_taken_along(platform):
    """The next use says where it went; released, the agent moves on."""
    staying = platform.launch(stays_and_uses, "readings", at="oslo")
    staying.send("use")
    assert until(lambda: waits(platform, staying))
    assert went(platform, "readings", "identifier", [], "lima")[0] == "local"
    staying.send("use")
    staying.send("end")
    got, place = staying.result(timeout=20)
    assert got[0] == ("ok", 1) and got[1][:2] == ("ResourceGone", "lima")
    assert "no longer on oslo: it moved to lima" in got[1][2] and got[2] == "gone" and place == "baku"


def test_a_resource_that_its_place_has_withdrawn(platform):
    staying = platform.launch(stays_and_uses, "archive", at="oslo")
    staying.send("use")
    assert until(lambda: waits(platform, staying))
    platform.running["oslo"]._resources.withdraw("archive")
    staying.send("use")
    staying.send("end")
    got, _ = staying.result(timeout=20)
    assert got[0] == ("ok", 3) and got[1][0] == "ResourceMissing" and got[2] == "gone"


def test_one_that_was_withdrawn_cannot_go_along(platform):
    handle = platform.launch(waits_and_goes, "readings", "identifier", ["reference"], "lima", at="oslo")
    assert until(lambda: waits(platform, handle))
    platform.running["oslo"]._resources.withdraw("readings")
    handle.send("go")
    kind, name, why, text = handle.result(timeout=20)
    assert (kind, name, why) == ("MoveFailed", "oslo", "resource-missing") and "offered no more" in text


@agent
def keeps_the_place(here):
    try:
        return here.resource("readings")
    except ResourceMissing as error:
        return type(error).__name__, here.resources, str(error)
    yield


def test_what_has_moved_is_offered_there_and_here_no_more(platform):
    """Also after both places were started again."""
    assert went(platform, "readings", "identifier", [], "lima")[0] == "local"
    for _ in range(2):
        kind, names, text = platform.launch(keeps_the_place, at="oslo").result(timeout=20)
        assert kind == "ResourceGone" and "readings" not in names and "it moved to lima" in text
        assert platform.launch(keeps_the_place, at="lima").result(timeout=20) == [1, 2]
        told = {place.name: place.about for place in platform.places(details=True)}
        assert "readings" not in told["oslo"]["resources"] and "readings" in told["lima"]["resources"]
        assert told["lima"]["declared"]["readings"]["attachment"] == "unattached"
        for place in ("oslo", "lima"):
            platform.kill(place)
            platform.start(place)


def test_a_name_that_both_places_use(platform):
    """What comes in is known by its id where its name stands for something else."""
    platform.running["lima"]._resources.offer("readings", "lima's own")
    assert went(platform, "readings", "identifier", [], "lima", "__getitem__", (0,)) == ("local", 1)
    assert platform.running["lima"].resource_names() == ("local", "oslo/readings", "readings")
    assert platform.running["lima"].resource("x", "readings") == "lima's own"
    assert platform.running["lima"].resource("x", "oslo/readings") == [1, 2]


# -- references -------------------------------------------------------------------------------------------------------


@agent
def refers(here, name, to, steps):
    """Does one step for each message; what each gave."""
    bound = here.bind(name, otherwise=["reference"], timeout=3.0)
    here = yield hop(to)
    got = []
    for method, *args in steps:
        yield receive()
        began = time.monotonic()
        try:
            got.append(bound.value if method == "value" else bound.call(method, *args))
        except Exception as error:
            got.append([type(error).__name__, str(error)])
            assert not hasattr(error, "slug") or str(pickle.loads(pickle.dumps(error))) == str(error)
        assert time.monotonic() - began < 6
    got.append(bound.place)
    return got


def referred(platform, name, *steps):
    handle = platform.launch(refers, name, "lima", list(steps), at="oslo")
    for _ in steps:
        handle.send("go")
    return handle.result(timeout=40)


def test_calls_over_the_network(platform):
    got = referred(
        platform,
        "station",
        ("add", 3),
        ("number",),
        ("hidden",),
        ("_private",),
        ("__class__",),
        ("missing",),
        ("fails", "key"),
        ("fails", "exit"),
        ("odd",),
        ("add", "x"),
        ("value",),
        ("add",),
    )
    assert got[:2] == [10, 10] and got[-2:] == [10, "oslo"]
    for index, name in ((2, "hidden"), (3, "_private"), (4, "__class__")):
        assert got[index][0] == "ResourceRefused" and f"'{name}' is not exported" in got[index][1]
    assert got[5][0] == "AttributeError"
    assert got[6] == ["KeyError", "'k'"]
    assert got[7][0] == "ResourceFailed" and "SystemExit: 3" in got[7][1], "the place lives"
    assert got[8][0] == "ResourceRefused" and "what odd returned is no plain data" in got[8][1]
    assert got[9][0] == "TypeError"
    assert got[10][0] == "ResourceRefused" and "is no plain data" in got[10][1]


def test_an_exception_whose_class_cannot_be_made_here(platform):
    (kind, text), _ = referred(platform, "station", ("fails", "odd"))
    assert kind in ("ResourceFailed", "Odd") and "12" in text


def test_nothing_of_what_is_not_declared_is_reached_from_elsewhere(platform):
    """A resource never leaves its place unasked."""
    got = referred(platform, "plain", ("value",), ("bit_length",))
    assert [each[0] for each in got[:2]] == ["ResourceRefused"] * 2
    assert "may not leave" in got[0][1] and "'bit_length' is not exported" in got[1][1]
    got = referred(platform, "secret", ("value",), ("__getitem__", 0), ("copy",))
    assert [each[0] for each in got[:3]] == ["ResourceRefused"] * 3


def test_arguments_that_cannot_cross(platform):
    handle = platform.launch(gives_a_lock, at="oslo")
    kind, text = handle.result(timeout=20)
    assert kind == "ResourceRefused" and "an argument is no plain data" in text


@agent
def gives_a_lock(here):
    bound = here.bind("archive")
    here = yield hop("lima")
    try:
        bound.append(threading.Lock())
    except ResourceRefused as error:
        return type(error).__name__, str(error)


def test_a_reference_whose_place_died(platform):
    """A clear error, an unharmed agent; it works again when the place is back."""
    handle = platform.launch(refers, "archive", "lima", [("__getitem__", 0)] * 3, at="oslo")

    def did_what_it_was_told():
        """It has read its message, and waits for the next one."""
        status = handle.status()
        return status.mail == 0 and status.state == "waiting" and status.place == "lima"

    handle.send("go")
    assert until(did_what_it_was_told)
    platform.kill("oslo")
    handle.send("go")
    assert until(did_what_it_was_told)
    platform.start("oslo")
    handle.send("go")
    first, second, third, place = handle.result(timeout=30)
    assert (first, third, place) == (3, 3, "oslo")
    assert second[0] == "ResourceUnreachable" and "on oslo, which cannot be asked" in second[1]
    assert "works again as soon as oslo does" in second[1]


def test_a_reference_to_what_does_not_answer_in_time(platform):
    def swallows(whom, request, deliver):
        if isinstance(request, UseResource):
            time.sleep(3.5)
        return deliver()

    platform.net.tamper = swallows
    (kind, text), place = referred(platform, "archive", ("__getitem__", 0))
    assert kind == "ResourceUnreachable" and "Whether it was done there is not known" in text


def test_a_reference_is_sent_on_from_place_to_place(platform):
    handle = platform.launch(clones_and_waits, at="oslo")
    other = handle.ask("other", timeout=20)
    carrier = platform.get(handle.agent)
    for to in ("baku", "oslo", "baku"):
        carrier.ask(["go", to], timeout=20)
    clone_of = platform.get(other)
    assert clone_of.ask("use", timeout=20) == ["reference", [1, 2], "baku"]
    carrier.send("end")
    clone_of.send("end")


@agent
def clones_and_waits(here):
    """The clone goes to lima with a reference, the original keeps the resource."""
    bound = here.bind("readings")
    both = yield clone("lima")
    while True:
        message = yield receive()
        if message.value == "end":
            return bound.how
        if message.value == "other":
            answer = both.other.agent
        elif message.value == "use":
            answer = [bound.how, bound.value, bound.place]
        else:
            here = yield hop(message.value[1])
            answer = bound.how
        from agents import reply

        yield reply(message, answer)


def test_a_circle_of_references_ends(platform):
    """Places that send each other's callers back and forth do not keep them for ever."""
    for name, other in (("oslo", "baku"), ("baku", "oslo")):
        holdings = platform.running[name].binding.holdings
        holdings.leave({"lima/ghost": _content()}, "x", 0, other)
        holdings.settle("x", 0, True)
    with pytest.raises(ResourceUnreachable, match="more than 8 times"):
        platform.running["lima"].binding.referring.use(_tie("lima/ghost", "oslo"), "x", (), {})


def _content():
    from agents.place.holdings import Content

    return Content.of(1)


def _tie(resource, place):
    from agents.place.ties import Tie
    from mobility.bindings import Attachment, BindingKind

    return Tie("t", BindingKind.IDENTIFIER, None, (), resource, Attachment.FIXED, None, 5.0, "reference", place)


def test_a_resource_in_use_does_not_leave_meanwhile(platform):
    """A call that came over the network ends first: what it does is not lost."""
    station = Station()
    oslo = platform.running["oslo"]
    oslo._resources.offer("busy", Resource(Slow(station), attachment="unattached"))
    caller = platform.launch(calls_slow, at="lima")
    assert station.entered.wait(10)
    mover = platform.launch(waits_and_goes, "busy", "identifier", [], "baku", at="oslo")
    mover.send("go")
    time.sleep(0.3)
    assert mover.place() == "oslo"
    station.leave.set()
    assert caller.result(timeout=20) == "slow"
    assert mover.result(timeout=20)[0] == "local"
    assert platform.running["baku"].resource("x", "busy").done == 1


class Slow:
    """Notes at the end of a call that it was made."""

    station = None

    def __init__(self, station):
        Slow.station = station
        self.done = 0

    def slow(self):
        self.station.slow()
        self.done += 1
        return "slow"


@agent
def calls_slow(here):
    bound = here.bind("oslo/busy")
    return bound.slow()
    yield


# -- clones, files, checkpoints ---------------------------------------------------------------------------------------


@agent
def clones_with(here, name, by, otherwise, to):
    bound = here.bind(name, by=by, otherwise=otherwise)
    both = yield clone(to)
    if both.is_clone:
        return bound.how, bound.value, bound.place
    return bound.how, bound.value, both.other.result(timeout=20)


@pytest.mark.parametrize(
    ("name", "by", "otherwise", "to", "how"),
    [
        ("readings", "identifier", [], "lima", "reference"),
        ("readings", "value", [], "lima", "copy"),
        ("readings", "value", ["move"], "lima", "copy"),
        ("readings", "type", [], "lima", "local"),
        ("readings", "type", ["move"], "baku", "copy"),
        ("archive", "identifier", ["move"], "lima", "reference"),
        ("archive", "value", ["copy"], "lima", "reference"),
        ("archive", "type", ["reference"], "baku", "reference"),
        ("readings", "identifier", [], "oslo", "local"),
        ("readings", "value", [], "oslo", "local"),
    ],
)
def test_a_clone_has_bindings_of_its_own(platform, name, by, otherwise, to, how):
    """And takes nothing away from the original."""
    content = [1, 2] if name == "readings" else [3, 4]
    mine, value, (its, other, place) = platform.launch(clones_with, name, by, otherwise, to, at="oslo").result(
        timeout=30
    )
    assert (mine, value) == ("local", content)
    assert its == how and other == ([5] if (by, to) == ("type", "lima") else content)
    assert holders(platform, f"oslo/{name}") == ["oslo"]


@agent
def copies_and_clones(here):
    bound = here.bind("readings", by="value")
    here = yield hop("lima")
    bound.append("mine")
    both = yield clone()
    bound.append("clone" if both.is_clone else "original")
    if both.is_clone:
        return bound.value
    return bound.value, both.other.result(timeout=20)


def test_a_copy_is_each_ones_own(platform):
    handle = platform.launch(copies_and_clones, at="oslo")
    assert handle.result(timeout=20) == ([1, 2, "mine", "original"], [1, 2, "mine", "clone"])
    assert platform.running["oslo"].resource("x", "readings") == [1, 2]


@agent
def is_frozen(here, name, by, otherwise):
    bound = here.bind(name, by=by, otherwise=otherwise)
    yield receive()
    return bound.how, bound.value, bound.place, bound.resource


@pytest.mark.parametrize(
    ("name", "by", "otherwise", "at", "expected"),
    [
        ("readings", "identifier", [], "oslo", ("local", [1, 2], "oslo", "oslo/readings")),
        ("readings", "identifier", [], "lima", ("reference", [1, 2], "oslo", "oslo/readings")),
        ("readings", "value", [], "lima", ("copy", [1, 2], "lima", "oslo/readings")),
        ("readings", "type", [], "lima", ("local", [5], "lima", "lima/local")),
        ("readings", "type", ["copy"], "baku", ("copy", [1, 2], "baku", "oslo/readings")),
        ("readings", "type", ["copy"], "lima", ("local", [5], "lima", "lima/local")),
        ("archive", "value", [], "lima", ("reference", [3, 4], "oslo", "oslo/archive")),
    ],
)
def test_a_frozen_agent_takes_nothing_out_of_its_place(platform, name, by, otherwise, at, expected):
    """A file is no place: what would move is referred to, and what is copied lies in the file."""
    handle = launched(platform, is_frozen, name, by, otherwise)
    bundle = handle.freeze()
    assert holders(platform, f"oslo/{name}") == ["oslo"]
    thawed = platform.thaw(bundle if isinstance(bundle, Bundle) else Bundle.from_bytes(bundle), at=at)
    thawed.send("go")
    assert thawed.result(timeout=20) == expected


def test_a_file_that_cannot_be_thawed_where_there_is_none_like_it(platform):
    bundle = launched(platform, is_frozen, "readings", "type", []).freeze()
    with pytest.raises(MoveRefused, match="no resource of type 'readings'"):
        platform.thaw(bundle, at="baku")
    thawed = platform.thaw(bundle, at="lima")
    thawed.send("go")
    assert thawed.result(timeout=20)[0] == "local"


def test_a_resource_that_cannot_be_copied_keeps_its_agent_from_being_frozen(platform):
    handle = launched(platform, is_frozen, "lock", "value", [])
    with pytest.raises(MoveFailed, match="cannot go to a file"):
        handle.freeze()
    handle.stop()


@agent
def checkpoints(here):
    copied = here.bind("readings", by="value")
    taken = here.bind("archive", otherwise=["move"])
    referred = here.bind("station")
    here = yield hop("lima")
    copied.append("kept")
    yield checkpoint()
    yield receive()
    return copied.value, copied.how, taken.how, referred.how, referred.add()


def test_bindings_come_back_from_a_checkpoint(platform):
    handle = platform.launch(checkpoints, at="oslo")
    assert until(lambda: waits(platform, handle) == "lima")
    for place in ("lima", "oslo"):
        platform.kill(place)
        platform.start(place)
    handle.send("go")
    assert handle.result(timeout=20) == ([1, 2, "kept"], "copy", "reference", "reference", 7)


@agent
def takes_and_changes(here):
    bound = here.bind("readings")
    here = yield hop("lima")
    bound.append("changed")
    yield checkpoint()
    here = yield hop("baku")
    return bound.value


def test_what_an_agent_changed_stays_changed(platform):
    assert platform.launch(takes_and_changes, at="oslo").result(timeout=20) == [1, 2, "changed"]
    platform.kill("baku")
    platform.start("baku")
    assert holders(platform, "oslo/readings") == ["baku"]
    assert platform.running["baku"].resource("x", "readings") == [1, 2, "changed"]


@agent
def takes_changes_and_ends(here):
    bound = here.bind("readings")
    here = yield hop("lima")
    bound.append("changed")
    return bound.how


def test_what_an_agent_changed_before_it_ended_stays_changed(platform):
    assert platform.launch(takes_changes_and_ends, at="oslo").result(timeout=20) == "local"
    platform.kill("lima")
    platform.start("lima")
    assert platform.running["lima"].resource("x", "readings") == [1, 2, "changed"]


@agent
def changes_without_a_binding(here):
    here.resource("readings").append("unbound")
    yield checkpoint()
    yield receive()


@agent
def changes_from_afar(here):
    bound = here.bind("oslo/readings", prefer="reference")
    bound.append("from afar")
    yield checkpoint()
    yield receive()


def test_what_was_changed_before_a_checkpoint_or_an_answer_stays_changed(platform):
    """By whoever has used it, bound to it or not, here or from elsewhere: agents do not come back with less than they
    had done."""
    assert went(platform, "readings", "identifier", [], "lima")[0] == "local"
    for number, (unit, place) in enumerate([(changes_without_a_binding, "lima"), (changes_from_afar, "baku")], 3):
        platform.launch(unit, at=place)
        assert until(lambda: len(platform.running["lima"].resource("x", "readings")) == number)
        assert until(lambda: platform.client.events(kinds=[EventKind.CHECKPOINTED], limit=99)[number - 3 :])
    platform.kill("lima")
    platform.start("lima")
    assert platform.running["lima"].resource("x", "readings") == [1, 2, "unbound", "from afar"]


def test_a_closed_place_has_written_down_what_was_changed(tmp_path):
    with LocalPlatform(PLACES, resources=offered(), options=QUICK, folder=tmp_path) as platform:
        assert went(platform, "readings", "identifier", [], "lima")[0] == "local"
        platform.running["lima"].resource("x", "readings").append("late")
        platform.running["lima"].close()
        del platform.running["lima"]
        platform.start("lima")
        assert platform.running["lima"].resource("x", "readings") == [1, 2, "late"]


# -- handles ----------------------------------------------------------------------------------------------------------


@agent
def uses_every_operator(here, name, to):
    bound = here.bind(name, otherwise=["reference"])
    here = yield hop(to)
    bound[0] = "zero"
    del bound[1]
    same = pickle.loads(pickle.dumps([bound]))
    found = [len(bound), bound[0], "zero" in bound, bool(bound), list(bound)]
    found += [bound.count("zero"), bound.call("count", 1)]
    return [*found, repr(bound).startswith("<Bound: oslo/"), same != [bound], bound == bound, len({bound, bound})]


@pytest.mark.parametrize(("name", "to"), [("readings", "lima"), ("archive", "lima"), ("archive", "oslo")])
def test_every_operator_works_whatever_it_has_become(platform, name, to):
    found = platform.launch(uses_every_operator, name, to, at="oslo").result(timeout=20)
    assert found == [1, "zero", True, True, ["zero"], 1, 0, True, True, True, 1]


@agent
def releases(here):
    bound = here.bind("readings")
    bound.release()
    got = []
    for use in (lambda: bound.value, lambda: bound.how, bound.release, lambda: bound[0]):
        try:
            use()
        except BindingReleased as error:
            got.append(error.slug)
    here = yield hop("lima")
    return got, here.name


def test_what_was_released_stays(platform):
    assert platform.launch(releases, at="oslo").result(timeout=20) == (["binding-released"] * 4, "lima")
    assert holders(platform, "oslo/readings") == ["oslo"]


@agent
def is_moved(here):
    bound = here.bind("readings")
    yield receive()
    return bound.how, here.name, bound.value


def test_who_is_moved_by_somebody_else_takes_it_along_too(platform):
    """An operator, a balancer, a place that is drained."""
    handle = launched(platform, is_moved)
    handle.move("lima")
    handle.send("go")
    assert handle.result(timeout=20) == ("local", "lima", [1, 2])
    assert holders(platform, "oslo/readings") == ["lima"]


def test_a_move_by_somebody_else_that_a_binding_forbids(platform):
    handle = launched(platform, is_frozen, "archive", "type", [])
    with pytest.raises(MoveFailed, match="none of type 'readings'"):
        handle.move("baku")
    handle.send("go")
    assert handle.result(timeout=20)[0] == "local"


@agent
def two_bindings_to_one(here):
    moved = here.bind("readings")
    again = here.bind("readings", otherwise=["reference"])
    copied = here.bind("readings", by="value")
    here = yield hop("lima")
    moved.append(3)
    return moved.how, again.how, copied.how, again.value, copied.value


def test_two_bindings_to_the_same_resource(platform):
    """It goes along once, both work, and a copy is a copy."""
    found = platform.launch(two_bindings_to_one, at="oslo").result(timeout=20)
    assert found == ("local", "local", "copy", [1, 2, 3], [1, 2])


def test_an_owner_cannot_bring_a_resource_in(platform):
    """A bundle that no place has sent has no bindings: else its owner could put something in the place of another
    one's resource."""
    from agents.errors import LandingRefused
    from agents.luggage import LuggageInvalid

    row = {"id": "x"}
    with pytest.raises(LuggageInvalid, match="cannot be read"):
        platform.running["oslo"].binding.landing([row], restored=False, by_place=True)
    from agents.place.ties import TravellingTie

    good = TravellingTie(_tie("oslo/readings", "oslo")).to_plain()
    with pytest.raises(LuggageInvalid, match="was never at a place"):
        platform.running["oslo"].binding.landing([good], restored=False, by_place=False)
    assert LandingRefused and ResourceFailed and BindingRefused and ResourceGone
