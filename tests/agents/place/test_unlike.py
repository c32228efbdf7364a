"""Unlike machines: what a place says before anything is sent, what becomes of it, and what a landing says again."""

from __future__ import annotations

import json
import pickle
import platform as machine
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

import pytest

from agents import agent, clone, hop, receive, spawn
from agents.declared import DeclaredEnvironment, bytes_of, read_environment_file
from agents.errors import EnvironmentInvalid, MoveFailed, MoveRefused, NoEntry, ResourceFileInvalid, ValueNotPlain
from agents.eventlog import EventKind
from agents.handoff import Take
from agents.place import PlaceOptions
from agents.protocol import Judged, Judges, Transfer
from agents.testing.local import LocalPlatform
from agents.verdicts import Verdicts
from mobility.bundle import Bundle
from mobility.environment import Accelerator, Distribution, Environment, Mobility, Needs, Verdict
from tests.agents.place.conftest import until

GIB = 1 << 30
PLACES = ("baku", "oslo", "lima")
OPTIONS = PlaceOptions(transfer_seconds=4.0, retry_seconds=0.05)
OTHER = "sparc64" if machine.machine() != "sparc64" else "alpha"


@pytest.fixture
def made() -> Iterator[Any]:
    """Makes a platform; each must end without a defect of a place."""
    open_: list[LocalPlatform] = []

    def make(**environments: Any) -> LocalPlatform:
        open_.append(LocalPlatform(PLACES, environments=environments, options=OPTIONS))
        return open_[-1]

    yield make
    count = 0
    for platform in open_:
        count += sum(place._defects for place in platform.running.values())
        platform.close()
    assert not count, "a place has met a defect: see its standard error above"


class Wire:
    """What was asked of places and of the directory."""

    def __init__(self, platform: LocalPlatform) -> None:
        self.platform = platform
        self.seen: list[tuple[str, Any]] = []
        platform.net.tamper = self

    def __call__(self, whom, request, deliver):
        self.seen.append((whom, request))
        return deliver()

    def to(self, place: str, kind: type[Any] = Transfer) -> list[Any]:
        return [request for whom, request in self.seen if whom == place and isinstance(request, kind)]

    @property
    def takes(self) -> list[Any]:
        """What the directory was asked to grant: each is a landing that asks to commit."""
        asked = [request for whom, request in self.seen if whom == "directory" and isinstance(request, tuple)]
        return [args[0] for method, args in asked if method == "submit" and isinstance(args[0], Take)]


@agent
def tries(here, places):
    """Goes to the first place that takes it; what the others said."""
    told = []
    for place in places:
        try:
            here = yield hop(place)
        except MoveRefused as error:
            told.append((error.place, error.verdict, [reason["code"] for reason in error.reasons], here.name))
        else:
            break
    return here.name, told


@agent
def carries_bytecode(here, places):
    """Holds a code object: only its bytecode describes it."""
    made = compile("number + 1", "<made>", "eval")
    told = []
    for place in places:
        try:
            here = yield hop(place)
        except MoveRefused as error:
            told.append((error.verdict, sorted(reason["code"] for reason in error.reasons)))
        else:
            break
    return here.name, eval(made, {"number": 1}), told


@agent
def starts(here, place, mark="kept"):
    """Where it has come to, each time that it starts; it waits to be told to go on."""
    began = here.name
    bound = compile("number + 1", "<made>", "eval")
    message = yield receive()
    if message.value == "hop" and here.name != place:
        here = yield hop(place)
        return "went on", began, here.name, eval(bound, {"number": 1}), mark
    return "told", began, here.name, mark, message.value


@agent
def plain_tries(here, place):
    began = here.name
    try:
        here = yield hop(place)
    except MoveFailed as error:
        return began, here.name, error.why, error.verdict
    return began, here.name, None, None


@agent
def clones(here, place):
    bound = compile("number + 1", "<made>", "eval")
    try:
        twin = yield clone(place)
    except MoveRefused as error:
        return error.verdict, eval(bound, {"number": 1})
    return "clone" if twin.is_clone else "original", eval(bound, {"number": 1})


@agent
def child(here):
    return here.name


@agent
def spawns(here, place):
    try:
        yield spawn(child, at=place)
    except MoveRefused as error:
        return error.verdict, [reason["code"] for reason in error.reasons]
    return "spawned", []


@agent
def waits(here):
    message = yield receive()
    return here.name, message.value


def distribution_of(module: str) -> str:
    from mobility.environment import needs_of_modules

    return needs_of_modules([module])[0].name


# -- refused for each of the causes, before anything has left ----------------------------------------------------------

CAUSES = {
    "package missing": (
        Needs(distributions=(Distribution("sojourn-no-such-package", "1.0"),)),
        {"distributions": {}},
        "distribution-missing",
    ),
    "package too far": (
        Needs(distributions=(Distribution("sojourn-no-such-package", "1.0"),)),
        {"distributions": {"Sojourn.No_Such-Package": "3.1"}},
        "distribution-far",
    ),
    "memory too small": (Needs(memory=4 * GIB), {"memory": "1 GiB"}, "memory-too-small"),
    "memory taken": (Needs(memory=4 * GIB), {"memory": "8 GiB", "memory_available": "2 GiB"}, "memory-taken"),
    "processor": (Needs(processors=(machine.machine(),)), {"processor": OTHER}, "processor"),
    "system": (Needs(operating_systems=(machine.system(),)), {"operating_system": "Plan9"}, "operating-system"),
    "accelerator": (
        Needs(accelerators=(Accelerator("cuda", 2),)),
        {"accelerators": {"cuda": 1}},
        "accelerator-missing",
    ),
    "Python too old": (Needs(), {"python": "3.10.4"}, "python-too-old"),
    "interpreter": (Needs(), {"implementation": "PyPy"}, "implementation"),
}
GOOD = {
    "memory": "64 GiB",
    "memory_available": "60 GiB",
    "accelerators": {"cuda": 2},
    "distributions": {"sojourn-no-such-package": "1.0"},
}


@pytest.mark.parametrize("cause", CAUSES)
def test_refused_before_it_leaves_and_goes_elsewhere(made, cause):
    """No bundle has left for that place, and the directory was not asked; the agent goes on, and to another place."""
    needs, declared, code = CAUSES[cause]
    platform = made(baku=GOOD, oslo={**GOOD, **declared}, lima=GOOD)
    wire = Wire(platform)
    handle = platform.launch(tries, ["oslo", "lima"], at="baku", needs=needs)
    where, told = handle.result(timeout=10)
    assert where == "lima" and [row[0] for row in told] == ["oslo"]
    _, verdict, codes, here = told[0]
    assert verdict == ("weak" if cause in ("package too far", "interpreter") else "refuse")
    assert codes[0] == code and here == "baku"
    assert wire.to("oslo", Judges) and not wire.to("oslo", Transfer)
    assert len(wire.takes) == 2  # born on baku, come to lima
    failed = until(lambda: [event for event in handle.logs() if event.kind is EventKind.MOVE_FAILED])
    assert failed[0].data["why"] == "environment-refused" and code in failed[0].data["reasons"]


@pytest.mark.parametrize("cause", CAUSES)
def test_the_landing_says_the_same_if_the_place_has_changed(made, cause, monkeypatch):
    """The verdict let it go, and the place has changed since: refused before the commit, for the same reasons."""
    needs, declared, code = CAUSES[cause]
    platform = made(baku=GOOD, oslo={**GOOD, **declared}, lima=GOOD)
    monkeypatch.setattr(Verdicts, "_judged", lambda *given: Judged(_STRONG))
    wire = Wire(platform)
    handle = platform.launch(tries, ["oslo", "lima"], at="baku", needs=needs)
    where, told = handle.result(timeout=10)
    assert where == "lima"
    assert told[0][1:] == ("weak" if cause in ("package too far", "interpreter") else "refuse", told[0][2], "baku")
    assert told[0][2][0] == code
    assert len(wire.to("oslo", Transfer)) == 1 and not wire.to("oslo", Judges)
    assert len(wire.takes) == 2
    refused = until(lambda: [event.place for event in handle.logs() if event.kind is EventKind.REFUSED])
    assert refused == ["oslo"]
    assert platform.running["oslo"].core.store.stay(handle.agent) is None  # and nothing of it is on its disk


_STRONG = Verdict(Mobility.STRONG)


def test_before_and_at_the_landing_the_words_are_the_same(made, monkeypatch):
    platform = made(oslo={"memory": "1 GiB"})
    handle = platform.launch(waits, at="baku", needs=Needs(memory=4 * GIB))
    with pytest.raises(MoveRefused) as before:
        handle.move("oslo")
    monkeypatch.setattr(Verdicts, "_judged", lambda *given: Judged(_STRONG))
    with pytest.raises(MoveRefused) as after:
        handle.move("oslo")
    assert str(before.value) == str(after.value)
    assert before.value.reasons == after.value.reasons and before.value.verdict == after.value.verdict == "refuse"
    assert "oslo cannot run it: The unit needs 4.0 GiB of memory, and this host has 1.0 GiB in all" in str(after.value)
    assert "still runs on baku" in str(after.value)
    handle.send(1)
    assert handle.result(timeout=10) == ("baku", 1)


def test_another_processor_and_bytecode_by_value(made):
    """Another processor refuses such a state, another Python could only start it anew, a like place takes it."""
    minor = f"3.{sys.version_info[1] + 1}.0"
    platform = made(oslo={"processor": OTHER}, lima={"python": minor})
    wire = Wire(platform)
    handle = platform.launch(carries_bytecode, ["oslo", "lima"], at="baku")
    assert handle.result(timeout=10) == ("baku", 2, [("refuse", ["processor"]), ("weak", ["python-minor"])])
    assert not wire.to("oslo") and not wire.to("lima")
    handle = made().launch(carries_bytecode, ["oslo", "lima"], at="baku")
    assert handle.result(timeout=10) == ("oslo", 2, [])
    plain = platform.launch(tries, ["oslo", "lima"], at="baku")  # without bytecode nothing binds it
    assert plain.result(timeout=10) == ("oslo", [])


def test_a_package_that_is_imported(made):
    """What the code shows, and nobody has declared: the place lacks the distribution."""
    module = types.ModuleType("tests_agents_unlike_numpy")
    sys.modules[module.__name__] = module
    name = distribution_of("numpy")
    platform = made(oslo={"distributions": {name: False}})
    handle = platform.launch(uses_numpy, ["oslo", "lima"], at="baku")
    where, total, told = handle.result(timeout=10)
    assert (where, total) == ("lima", 3) and told == [("refuse", [("distribution-missing", None)])]
    del sys.modules[module.__name__]


@agent
def uses_numpy(here, places):
    import numpy

    data = numpy.arange(3)
    told = []
    for place in places:
        try:
            here = yield hop(place)
        except MoveRefused as error:
            told.append((error.verdict, [(reason["code"], reason["found"]) for reason in error.reasons]))
        else:
            break
    return here.name, int(data.sum()), told


# -- launching, cloning, spawning, thawing, asking from outside --------------------------------------------------------


def test_launch_is_refused_before_it_is_sent(made):
    platform = made(oslo={"memory": "1 GiB"})
    wire = Wire(platform)
    with pytest.raises(MoveRefused) as raised:
        platform.launch(waits, at="oslo", needs=Needs(memory=4 * GIB))
    assert raised.value.verdict == "refuse" and raised.value.reasons[0]["code"] == "memory-too-small"
    assert "No agent was born." in str(raised.value) and not wire.to("oslo") and not wire.takes
    copied = pickle.loads(pickle.dumps(raised.value))
    assert copied.reasons == raised.value.reasons and copied.verdict == "refuse" and str(copied) == str(raised.value)
    json.dumps(raised.value.reasons)


def test_clones_and_children(made):
    """A clone is set into the same state, so only a place that can take that over gets one."""
    minor = f"3.{sys.version_info[1] + 1}.0"
    platform = made(oslo={"python": minor, "implementation": "PyPy"}, lima={"python": "3.10.1"})
    wire = Wire(platform)
    for accepts in ("strong", "either"):
        assert platform.launch(clones, "oslo", at="baku", mobility=accepts).result(timeout=10) == ("weak", 2)
    assert not wire.to("oslo")
    assert platform.launch(spawns, "lima", at="baku").result(timeout=10) == (
        "refuse",
        ["python-too-old", "python-syntax"],
    )
    assert platform.launch(spawns, "oslo", at="baku").result(timeout=10) == ("spawned", [])  # it has no state yet
    assert not wire.to("lima")
    handle = platform.launch(clones, "baku", at="baku")
    assert handle.result(timeout=10) == ("original", 2)


def test_thaw_is_refused_before_it_is_sent(made, tmp_path):
    platform = made(oslo={"memory": "1 GiB"})
    handle = platform.launch(waits, at="baku", needs=Needs(memory=GIB // 2))
    frozen = handle.freeze(tmp_path / "a.sojourn")
    platform.kill("oslo")
    platform.environments["oslo"] = {"memory": "100 MiB"}
    platform.start("oslo")
    wire = Wire(platform)
    with pytest.raises(MoveRefused) as raised:
        platform.thaw(frozen, at="oslo")
    assert raised.value.verdict == "refuse" and "lies in its file" in str(raised.value)
    assert not wire.to("oslo") and not wire.takes
    platform.thaw(frozen, at="lima").send(3)
    assert handle.result(timeout=10) == ("lima", 3)


def test_verdict_without_moving(made):
    platform = made(oslo={"memory": "1 GiB"}, lima={"python": f"3.{sys.version_info[1] + 1}.0"})
    wire = Wire(platform)
    decided = platform.verdict(waits, "oslo", needs=Needs(memory=4 * GIB))
    assert decided.kind is Mobility.REFUSE and decided.reasons[0].code == "memory-too-small"
    assert platform.verdict(waits, "baku").fits
    handle = platform.launch(starts, "lima", at="baku")
    assert until(lambda: handle.status().steps == 1)
    decided = platform.verdict(handle, "lima")
    assert decided.kind is Mobility.WEAK and [reason.code for reason in decided.reasons] == ["python-minor"]
    assert platform.verdict(handle, "oslo") == platform.verdict(handle, "baku") == Verdict(Mobility.STRONG)
    assert not wire.to("lima") and handle.place() == "baku"
    assert Verdict.from_data(json.loads(json.dumps(decided.as_data()))) == decided
    handle.send("stay")
    assert handle.result(timeout=10) == ("told", "baku", "baku", "kept", "stay")


# -- weak --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", [False, True], ids=["inline", "process"])
@pytest.mark.parametrize("cause", ["python", "processor"])
def test_either_starts_anew_where_its_state_does_not_fit(made, cause, process):
    """At its entry, with its arguments: its variables and its line stay behind, and so does the bytecode."""
    other = {"python": f"3.{sys.version_info[1] + 1}.0"} if cause == "python" else {"processor": OTHER}
    platform = made(lima=other)
    wire = Wire(platform)
    handle = platform.launch(starts, "lima", at="baku", mobility="either", process=process, mark="given")
    handle.send("hop")
    assert until(lambda: handle.place() == "lima")
    (sent,) = wire.to("lima")
    claims = Bundle.from_bytes(sent.bundle).claims()
    assert claims.unit == "function" and claims.needs == Needs() and claims.suspension is None
    handle.send("there")
    assert handle.result(timeout=10) == ("told", "lima", "lima", "given", "there")
    departed = until(lambda: [event for event in handle.logs() if event.kind is EventKind.DEPARTED])
    assert departed[0].data["mobility"] == "weak"
    assert handle.trail().verified


def test_either_goes_on_where_it_can(made):
    platform = made()
    handle = platform.launch(starts, "lima", at="baku", mobility="either")
    handle.send("hop")
    assert handle.result(timeout=10) == ("went on", "baku", "lima", 2, "kept")


def test_either_keeps_its_arguments_after_strong_hops(made):
    """Two moves on, the place that cannot take the state over starts it with what it was launched with."""
    platform = made(lima={"implementation": "PyPy"})
    handle = platform.launch(starts, "nowhere", at="baku", mobility="either", mark=("a", {"b": 2}))
    assert until(lambda: handle.status().steps == 1)  # it has begun at baku
    assert "mobility" not in handle.move("oslo")
    assert handle.state()["variables"][0][2] == "'baku'"
    report = handle.move("lima")
    assert report["mobility"] == "weak" and "starts anew" in str(report)
    handle.send(0)
    assert handle.result(timeout=10) == ("told", "lima", "lima", ("a", {"b": 2}), 0)


def test_either_is_refused_where_not_even_its_code_can_run(made):
    platform = made(lima={"python": "3.10.2"})
    wire = Wire(platform)
    told = platform.launch(plain_tries, "lima", at="baku", mobility="either").result(timeout=10)
    assert told == ("baku", "baku", "environment-refused", "refuse") and not wire.to("lima")


def test_strong_is_refused_where_only_a_start_anew_is_possible(made):
    platform = made(lima={"implementation": "PyPy"})
    handle = platform.launch(waits, at="baku")
    assert until(lambda: handle.status().steps == 1)
    with pytest.raises(MoveRefused, match='launch it with mobility="either"') as raised:
        handle.move("lima")
    assert raised.value.verdict == "weak" and raised.value.reasons[0]["code"] == "implementation"


def test_weak_starts_anew_at_each_place(made):
    """Also where its state would fit."""
    platform = made()
    handle = platform.launch(starts, "nowhere", at="baku", mobility="weak")
    for place in ("oslo", "lima", "oslo"):
        assert handle.move(place)["mobility"] == "weak"
        assert until(lambda: handle.status().steps >= 1)
    handle.send(1)
    assert handle.result(timeout=10) == ("told", "oslo", "oslo", "kept", 1)
    assert [link.destination for link in handle.trail()] == ["oslo", "lima", "oslo"]


def test_messages_of_a_weak_agent_wait_for_its_start(made):
    platform = made(lima={"implementation": "PyPy"})
    handle = platform.launch(asleep, "lima", at="baku", mobility="either")
    for number in range(3):
        handle.send(number)
    handle.send("go")
    assert handle.result(timeout=10) == ("lima", ["left over", "after"])


@agent
def asleep(here, place):
    seen = []
    while here.name != place:
        message = yield receive()
        if message.value == "go":
            from agents import send

            yield send(here.agent, "left over")
            yield send(here.agent, "after")
            here = yield hop(place)
            raise AssertionError("it starts anew")
    for _ in range(2):
        message = yield receive()
        seen.append(message.value)
    return here.name, seen


def test_a_weak_start_survives_a_killed_place(made):
    """What lies on the disk of the new place starts at its entry as well."""
    platform = made(lima={"implementation": "PyPy"})
    handle = platform.launch(starts, "nowhere", at="baku", mobility="either")
    handle.move("lima")
    platform.kill("lima")
    platform.start("lima")
    handle.send("after")
    assert handle.result(timeout=20) == ("told", "lima", "lima", "kept", "after")


@pytest.mark.parametrize("process", [False, True], ids=["inline", "process"])
def test_either_thawed_where_its_state_does_not_fit(made, tmp_path, process):
    """Nobody outside can pack it anew: the place that has verified the file starts it at its entry; killed, again."""
    other = f"3.{sys.version_info[1] + 1}.0"
    platform = made(lima={"python": other}, oslo={"processor": OTHER})
    handle = platform.launch(starts, "nowhere", at="baku", mobility="either", process=process, mark="old")
    assert until(lambda: handle.status().steps == 1)
    frozen = handle.freeze(tmp_path / "a.sojourn")
    assert frozen.claims().needs.python_minor and frozen.claims().needs.processors
    platform.thaw(tmp_path / "a.sojourn", at="lima")
    platform.kill("lima")
    platform.start("lima")
    handle.freeze(tmp_path / "b.sojourn")
    platform.thaw(tmp_path / "b.sojourn", at="oslo").send("x")
    assert handle.result(timeout=20) == ("told", "oslo", "oslo", "old", "x")
    strong = platform.launch(starts, "nowhere", at="baku")
    assert until(lambda: strong.status().steps == 1)
    file = strong.freeze()
    with pytest.raises(MoveRefused) as raised:
        platform.thaw(file, at="lima")
    assert raised.value.verdict == "weak"


def test_a_clone_accepts_what_its_original_accepts(made):
    """And has the arguments with which that was launched."""
    platform = made(lima={"implementation": "PyPy"})
    handle = platform.launch(starts, "nowhere", at="baku", mobility="either", mark="both")
    assert until(lambda: handle.status().steps == 1)
    twin = handle.clone("oslo")
    assert twin.move("lima")["mobility"] == "weak"
    for one in (twin, handle):
        one.send("x")
    assert twin.result(timeout=10) == ("told", "lima", "lima", "both", "x")
    assert handle.result(timeout=10) == ("told", "baku", "baku", "both", "x")


def test_weak_frozen_holds_no_state(made, tmp_path):
    platform = made()
    handle = platform.launch(starts, "nowhere", at="baku", mobility="weak")
    assert until(lambda: handle.status().steps == 1)
    claims = handle.freeze(tmp_path / "a.sojourn").claims()
    assert claims.unit == "function" and claims.suspension is None
    platform.thaw(tmp_path / "a.sojourn", at="oslo").send(2)
    assert handle.result(timeout=10) == ("told", "oslo", "oslo", "kept", 2)


def test_what_cannot_start_anew_is_told_at_launch(made):
    """Arguments that are no plain data, and a function that has no name elsewhere."""
    platform = made()

    @agent
    def within(here):
        yield receive()

    for accepts in ("weak", "either"):
        with pytest.raises(ValueNotPlain, match="start anew"):
            platform.launch(starts, threading.Lock, at="baku", mobility=accepts)
        with pytest.raises(NoEntry, match="within another function"):
            platform.launch(within, at="baku", mobility=accepts)
    with pytest.raises(ValueError, match="'strong', 'weak' or 'either'"):
        platform.launch(starts, "x", at="baku", mobility="stong")  # type: ignore[arg-type]  # what is tested
    platform.launch(within, at="baku").stop()


# -- how the place is asked --------------------------------------------------------------------------------------------


@agent
def goes_round(here, times):
    for number in range(times):
        here = yield hop(("oslo", "baku")[number % 2])
    return here.name


def test_a_place_is_asked_once(made):
    """What lets in is remembered, so that a hop costs one message; what depends on free memory is asked each time."""
    platform = made()
    wire = Wire(platform)
    assert platform.launch(goes_round, 10, at="baku").result(timeout=10) == "baku"
    assert len(wire.to("oslo", Judges)) == 1 and len(wire.to("baku", Judges)) <= 2  # at the launch, too
    wire.seen.clear()
    assert platform.launch(goes_round, 10, at="baku", needs=Needs(memory=1)).result(timeout=10) == "baku"
    assert len(wire.to("oslo", Judges)) == 5


def test_what_was_refused_is_asked_again(made):
    """A package that is installed meanwhile counts at once."""
    needs = Needs(distributions=(Distribution("sojourn-no-such-package", "1.0"),))
    platform = made(baku=GOOD)
    handle = platform.launch(waits, at="baku", needs=needs)
    wire = Wire(platform)
    for _ in range(2):
        with pytest.raises(MoveRefused):
            handle.move("oslo")
    assert len(wire.to("oslo", Judges)) == 2 and not wire.to("oslo", Transfer)
    judging = platform.running["oslo"].judging
    judging.declared = DeclaredEnvironment.of("oslo", GOOD)
    handle.move("oslo")
    # It is remembered on baku that oslo lets it in; the landing knows better, and that is remembered no more.
    handle.move("baku")
    judging.declared = DeclaredEnvironment()
    wire = Wire(platform)
    for _ in range(2):
        with pytest.raises(MoveRefused) as raised:
            handle.move("oslo")
        assert raised.value.reasons[0]["code"] == "distribution-missing"
    assert len(wire.to("oslo", Transfer)) == 1 and len(wire.to("oslo", Judges)) == 1


def test_a_place_that_is_another_process_is_asked_again(made):
    platform = made()
    handle = platform.launch(waits, at="baku")
    handle.move("oslo")
    handle.move("baku")
    platform.kill("oslo")
    platform.environments["oslo"] = {"python": "3.10.0"}
    platform.start("oslo")
    verdicts = platform.running["baku"].moving.verdicts
    assert until(lambda: not verdicts._known)
    wire = Wire(platform)
    with pytest.raises(MoveRefused):
        handle.move("oslo")
    assert not wire.to("oslo", Transfer)


def test_a_place_that_does_not_answer(made):
    """It is not sent there, and goes on where it is."""
    platform = made()
    platform.kill("oslo")
    told = platform.launch(plain_tries, "oslo", at="baku").result(timeout=20)
    assert told == ("baku", "baku", "place-unreachable", None)


def test_a_message_that_comes_while_the_place_is_asked_is_not_lost(made):
    """The agent was captured without it, and is captured again."""
    platform = made()
    handle = platform.launch(waits, at="baku")
    assert until(lambda: handle.status().steps == 1)
    asked = threading.Event()

    def tamper(whom, request, deliver):
        if whom == "oslo" and isinstance(request, Judges) and not asked.is_set():
            asked.set()
            platform.net.tamper = None
            handle.send("meanwhile")
        return deliver()

    platform.net.tamper = tamper
    handle.move("oslo")
    assert asked.is_set()
    assert handle.result(timeout=10)[1] == "meanwhile"


@pytest.mark.parametrize("dies", ["baku", "oslo"])
def test_killed_while_the_place_is_asked(made, dies):
    """Nothing has left: one agent is left, on its old place."""
    platform = made()
    handle = platform.launch(waits, at="baku")
    assert until(lambda: handle.status().steps == 1)

    killed = threading.Event()

    def tamper(whom, request, deliver):
        if whom == "oslo" and isinstance(request, Judges):
            platform.net.tamper = None
            platform.kill(dies)
            killed.set()
        return deliver()

    platform.net.tamper = tamper
    with pytest.raises(MoveFailed if dies == "oslo" else Exception):
        handle.move("oslo", timeout=5)
    assert killed.wait(10)
    platform.start(dies)
    handle.send("still")
    assert handle.result(timeout=30) == ("baku", "still")


def test_an_agent_comes_back_though_memory_is_taken(made):
    """A place that is started again has less free than the agent has asked for: it has nowhere else to go."""
    platform = made(baku={"memory": "8 GiB", "memory_available": "8 GiB"})
    handle = platform.launch(waits, at="baku", needs=Needs(memory=4 * GIB))
    assert until(lambda: handle.status().steps == 1)
    platform.kill("baku")
    platform.environments["baku"] = {"memory": "8 GiB", "memory_available": "1 GiB"}
    platform.start("baku")
    handle.send(1)
    assert handle.result(timeout=20) == ("baku", 1)


# -- what is declared --------------------------------------------------------------------------------------------------


def test_places_tell_of_their_environment(made):
    platform = made(oslo={"memory": "1 GiB", "accelerators": {"cuda": 2}, "labels": {"rack": "b3"}})
    about = {place.name: place.about for place in platform.places(details=True)}
    assert about["oslo"]["memory"] == GIB and about["oslo"]["rack"] == "b3"
    assert about["oslo"]["accelerators"] == [{"kind": "cuda", "count": 2, "memory": None}]
    assert about["baku"]["processor"] == machine.machine() and about["baku"]["system"] == machine.system()
    assert about["baku"]["implementation"] == machine.python_implementation()
    assert platform.launch(rack, at="oslo").result(timeout=10) == "b3"
    members = platform.net.ask_directory("members", timeout=5.0)
    assert {member.place: member.about["processor"] for member in members} == dict.fromkeys(PLACES, machine.machine())


@agent
def rack(here):
    return here.labels["rack"]


@pytest.mark.parametrize(
    ("size", "count"),
    [(0, 0), (17, 17), ("1024", 1024), ("8 GiB", 8 << 30), ("8gib", 8 << 30), ("1.5 MiB", 3 << 19), ("2 kB", 2000),
     ("1 TB", 10**12), ("3 bytes", 3)],
)  # fmt: skip
def test_sizes(size, count):
    assert bytes_of(size) == count


@pytest.mark.parametrize("size", [-1, True, 1.5, "", "GiB", "-1 GiB", "8 XiB", "1e9", "8 Gi B", None, [], "9" * 40])
def test_sizes_that_are_none(size):
    with pytest.raises(ValueError, match="a size is"):
        bytes_of(size)


@pytest.mark.parametrize(
    "declared",
    [
        {"memroy": 1},
        {"memory": "much"},
        {"memory_available": -1},
        {"python": "three"},
        {"python": 3.12},
        {"processor": ""},
        {"accelerators": "cuda"},
        {"accelerators": 3},
        {"accelerators": {"cuda": -1}},
        {"accelerators": {"cuda": True}},
        {"accelerators": [{"count": 1}]},
        {"accelerators": [{"kind": "cuda", "size": 1}]},
        {"accelerators": [{"kind": "cuda", "memory": "big"}]},
        {"distributions": ["torch"]},
        {"distributions": {"torch": 2}},
        {"distributions": {"torch": True}},
        {"labels": {"rack": 3}},
        {"labels": "b3"},
    ],
)
def test_a_declaration_that_cannot_be_used(declared, tmp_path):
    with pytest.raises(EnvironmentInvalid, match="oslo") as raised:
        DeclaredEnvironment.of("oslo", declared)
    assert pickle.loads(pickle.dumps(raised.value)).place == "oslo"
    with pytest.raises(EnvironmentInvalid):
        LocalPlatform(["oslo"], environments={"oslo": declared})


def test_from_a_file(tmp_path):
    file = tmp_path / "oslo.toml"
    file.write_text(
        '[place.environment]\nmemory = "8 GiB"\nprocessor = "aarch64"\n'
        'distributions = { torch = "2.4", scipy = false }\n'
        '[[place.environment.accelerators]]\nkind = "cuda"\ncount = 2\nmemory = "24 GiB"\n'
        '[place.environment.labels]\nrack = "b3"\n'
    )
    found = read_environment_file(file)
    assert found == DeclaredEnvironment(
        processor="aarch64",
        memory=8 * GIB,
        accelerators=(Accelerator("cuda", 2, 24 * GIB),),
        distributions=(("scipy", None), ("torch", "2.4")),
        labels=(("rack", "b3"),),
    )
    file.write_text("[place.resources.n]\nvalue = 1\n")
    assert read_environment_file(file) == DeclaredEnvironment()
    for wrong in ("[place]\nenvironment = 3\n", '[place.environment]\nmemory = "x"\n', "[[place", ""):
        file.write_text(wrong)
        if wrong:
            with pytest.raises(ResourceFileInvalid, match="oslo.toml"):
                read_environment_file(file)
        else:
            assert read_environment_file(file) == DeclaredEnvironment()
    with pytest.raises(ResourceFileInvalid):
        read_environment_file(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("declared", "total", "free", "offered"),
    [
        (1 << 30, 64 << 30, 10 << 30, (1 << 30, 1 << 30)),  # a container on a large host
        (32 << 30, 64 << 30, 10 << 30, (32 << 30, 10 << 30)),
        (128 << 30, 64 << 30, 10 << 30, (128 << 30, 74 << 30)),  # more than the host tells: what is in use is taken off
        (1 << 30, None, None, (1 << 30, 1 << 30)),
        (None, 64 << 30, 10 << 30, (64 << 30, 10 << 30)),
    ],
)
def test_declared_memory_over_that_of_the_host(declared, total, free, offered):
    host = Environment("3.12.1", memory_total=total, memory_available=free)
    found = DeclaredEnvironment(memory=declared).applied(host, Needs())
    assert (found.memory_total, found.memory_available) == offered


def test_one_declaration_over_another():
    one = DeclaredEnvironment.of("a", {"memory": 1, "labels": {"x": "1"}, "distributions": {"a": "1"}})
    other = DeclaredEnvironment.of("a", {"memory": 2, "python": "3.12", "labels": {"x": "2", "y": "2"}})
    both = one.over(other)
    assert (both.memory, both.python, dict(both.labels)) == (1, "3.12", {"x": "1", "y": "2"})
    assert both.distributions == (("a", "1"),) and DeclaredEnvironment().over(both) == both
