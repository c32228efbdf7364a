"""What a person sees of a platform: whatever agents say is text, and a dead place keeps nobody waiting."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from io import StringIO
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from agents import agent, hop, receive
from agents.draining import Drained, Evacuated
from agents.eventlist import EventList
from agents.eventlog import EventKind, LogEvent
from agents.platform import PlaceInfo
from agents.testing.local import LocalPlatform
from agents.views.chain import chain_picture
from agents.views.looking import Overview, all_within
from agents.views.places_map import places_map
from agents.views.report import PlatformReport, report_of
from agents.views.timeline import timeline
from agents.watching import Journey, show_journey
from tests.mobility.display.test_elements import HOSTILE


@agent
def wanders(here, words):
    held = words * 2
    here = yield hop("lima")
    here = yield hop("oslo")
    here.log(words[0])
    yield receive()
    return len(held)


@agent
def says(here, place=None):
    if place is not None:
        here = yield hop(place)
    here.log("here")


@pytest.fixture(scope="module")
def seen():
    with LocalPlatform(["oslo", "lima"]) as platform:
        handle = platform.launch(wanders, HOSTILE, at="oslo", name="wanderer")
        deadline = time.monotonic() + 30
        while handle.place() != "oslo" or len(handle.trail()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield platform, handle


def parsed(text):
    root = ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))
    tags = {one.tag.rpartition("}")[2] for one in root.iter()}
    assert not tags & {"script", "img", "style", "link", "iframe"}
    return "".join(root.itertext())


def test_each_thing_shows_itself(seen):
    platform, handle = seen
    told = parsed(handle._repr_html_())
    assert "wanderer" in told and "yield receive()" in told and "held" in told and "waiting" in told
    assert "2 places, 1 agent," in parsed(platform._repr_html_()) and "oslo" in parsed(platform.map().svg())
    trail = handle.trail()
    assert "every link verified" in parsed(trail._repr_html_())
    assert "freeze" in parsed(trail.timeline().svg()) and "2 hops" in parsed(trail.chain().svg())
    assert "arrived from" in parsed(handle.logs()._repr_html_()) and type(platform.logs()) is EventList
    assert all(parsed(place._repr_html_()) for place in platform.places(details=True))


def test_a_report_is_one_page_and_tells_what_did_not_verify(seen):
    platform, handle = seen
    report = report_of(platform)
    assert "wanderer" in parsed(report.html()) and report.warnings == ()
    bad = replace(report.agents[0].trail, verified=False, problem="<forged>")
    told = parsed(replace(report, agents=(replace(report.agents[0], trail=bad),)).html())
    assert "not verified" in told and "<forged>" in told


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_logs_and_names_are_drawn_as_text(text):
    def event(kind, epoch, **data):
        return LogEvent(str(epoch), float(epoch), text, text, kind, epoch, {"name": text, "text": text, **data})

    events = [
        event(EventKind.BORN, 0), event(EventKind.SAID, 0),
        event(EventKind.DEPARTED, 1, to=text, freeze_ms=text, ms=-1),
        event(EventKind.ARRIVED, 1, source=text, total_ms=float("inf"), thaw_ms=True), event(EventKind.ENDED, 2),
    ]  # fmt: skip
    parsed(EventList(events)._repr_html_())
    parsed(timeline(text, events).svg())
    parsed(show_journey([*events, event(EventKind.ARRIVED, 3, total_ms=text)], text, StringIO()).picture().svg())
    for offered in (text, None, 1.5, [text]):  # whatever a place tells of itself
        place = PlaceInfo(text, {"resources": offered, "agents": text, "python": [text], "owners": text})
        assert "cannot be shown" not in parsed(place._repr_html_())
        parsed(PlatformReport(Overview(0.0, (place,), ()), (), (text,)).html())


def test_what_was_restored_is_drawn_and_told():
    events = [
        LogEvent("1", 1.0, "oslo", "a", EventKind.BORN, 0),
        LogEvent("2", 5.0, "oslo", "a", EventKind.RESTORED, 1, {"name": "walker", "bytes": 2712, "total_ms": 12.2}),
        LogEvent("3", 6.0, "oslo", "a", EventKind.ENDED, 1),
    ]
    told = parsed(timeline("walker", events).svg())
    assert "↻ restored" in told and "ended" in told
    assert "read from the disk of its place, 2.7 kB, 12.2 ms in all" in parsed(EventList(events)._repr_html_())


def test_of_an_agent_that_has_ended_the_log_is_read_to_its_end(seen, monkeypatch):
    """Whoever has its result asks at once; its place tells of the end a moment later."""
    platform, _ = seen
    handle = platform.launch(says, at="oslo")
    assert handle.result(timeout=30) is None
    ask, asked = platform.client.events, []

    def late(**wanted):
        asked.append(wanted)
        found = ask(**wanted)
        return found if len(asked) > 3 else [event for event in found if event.kind is not EventKind.ENDED]

    monkeypatch.setattr(platform.client, "events", late)
    assert handle.logs()[-1].kind == "ended"
    asked.clear()
    assert "ended" in parsed(handle.trail().timeline().svg())


def test_a_map_without_arrivals_has_no_room_for_arcs():
    with LocalPlatform(["oslo", "lima"]) as platform:
        before = platform.map()
        handle = platform.launch(says, "lima", at="oslo")
        handle.result(timeout=30)
        deadline = time.monotonic() + 30
        while not any(event.kind == "arrived" for event in handle.logs()):
            assert time.monotonic() < deadline
        after = platform.map()
    assert before.height < after.height and "Arcs" not in parsed(before.svg()) and "Arcs" in parsed(after.svg())


def test_a_log_that_is_printed_has_a_line_for_each_event():
    """In the order of times, with names; what an agent says stays on its line."""
    about = {"place": "oslo", "agent": "a1", "epoch": 0}
    said = LogEvent(id="o:2", time=12.0, kind=EventKind.SAID, data={"text": "one\ntwo\x1b[2J"}, **about)
    born = LogEvent(id="o:1", time=11.0, kind=EventKind.BORN, data={"name": "surveyor"}, **about)
    first, second = str(EventList([said, born])).split("\n")
    assert first.endswith("oslo  surveyor  born") and "one" in second and "two" in second
    assert second.isprintable()


def test_a_place_that_was_emptied_shows_who_went_where_and_who_stays():
    went = Evacuated("a1", "<b>one</b>", "oslo", 12.5)
    stays = Evacuated("a2", "two", None, why="no-other-place", problem="nobody else has room")
    drawn = parsed(Drained("lima", (went, stays, Evacuated("a3", "three", "")), 1.5)._repr_html_())
    for part in ("goes on on oslo", "12.5 ms", "has left by itself", "nobody else has room", "1 stay", "2 of 3 agents"):
        assert part in drawn, part
    assert "empty" in parsed(Drained("lima", (went,), 1.5)._repr_html_())


def test_the_map_tells_which_place_lets_nobody_in():
    """It stays so when it has been emptied: "no agents" alone would look like a place to go to."""
    closed, opened = PlaceInfo("oslo", {"draining": True}), PlaceInfo("lima", {"draining": False})
    assert parsed(str(places_map(Overview(0.0, (closed, opened), ())).element())).count("lets nobody in") == 1
    assert "lets nobody in" not in parsed(str(places_map(Overview(0.0, (opened,), ())).element()))


def test_a_trail_that_does_not_hold_is_drawn_as_such(seen):
    trail = replace(seen[1].trail(), verified=False, problem=HOSTILE[0])
    told = parsed(chain_picture(trail).svg()) + parsed(trail._repr_html_())
    assert "not verified" in told and "lima" not in told


def test_who_hangs_is_not_waited_for():
    began = time.monotonic()
    found = all_within(0.2, [lambda: 1, lambda: time.sleep(1.5), lambda: 1 / 0])
    assert time.monotonic() - began < 1.2
    assert found[0] == 1 and isinstance(found[1], TimeoutError) and isinstance(found[2], ZeroDivisionError)


def test_a_report_is_there_in_time_whoever_hangs():
    """Of an agent that the directory does not tell of in time there is a warning, and the rest is there."""
    with LocalPlatform(["oslo"]) as platform:
        platform.launch(wanders, HOSTILE, at="oslo", name="slow")

        def tamper(whom, request, deliver):
            if whom == "directory" and request[0] == "find":
                time.sleep(4)
            return deliver()

        platform.net.tamper = tamper
        began = time.monotonic()
        report = report_of(platform, seconds=1.5)
        assert time.monotonic() - began < 3
        platform.net.tamper = None
        assert any("slow cannot be seen: timed-out" in warning for warning in report.warnings)
        assert "slow" in parsed(report.html())


@pytest.mark.parametrize("text", HOSTILE[4:6], ids=["controls", "order"])
def test_what_is_printed_is_one_line_for_each_and_moves_no_cursor(seen, text):
    """At a prompt or with print(): names of agents, and what places say, come from elsewhere."""
    status, trail = seen[1].status(), seen[1].trail()
    link = replace(trail.links[0], origin=text)
    stays = Evacuated("a", text, None, why="x", problem=text)
    journey = Journey(text, {0: (text, 1.0)})
    printed = [
        *(str(one) for one in (replace(status, name=text), journey, stays, Evacuated("a", text, text))),
        *str(replace(trail, name=text, links=(link,))).split("\n"),
        str(replace(trail, name=text, verified=False, problem=text)),
        *str(Drained("baku", (stays,), 1.0)).split("\n"),
    ]
    assert all(line.isprintable() and line.strip() for line in printed) and len(printed) == 4 + 3 + 1 + 2


def test_a_dead_place_is_shown_as_such_and_a_closed_platform_too():
    with LocalPlatform(["oslo", "lima"]) as platform:
        place = "lima"

        def tamper(whom, request, deliver):
            if whom == place:
                time.sleep(4)
            return deliver()

        platform.net.tamper = tamper
        began = time.monotonic()
        assert "does not answer" in parsed(platform._repr_html_())
        assert time.monotonic() - began < 8
        platform.net.tamper = None
    platform.client.transport.places = lambda: pytest.fail("it was asked for its places")
    assert "closed" in parsed(platform._repr_html_()) and "closed" in repr(platform)


def test_a_platform_whose_directory_hangs_is_told_of_in_time(monkeypatch):
    """At a prompt, and in whatever writes down what it has."""
    with LocalPlatform(["oslo"]) as platform:
        assert repr(platform) == "<Platform: oslo>"
        monkeypatch.setattr(platform.client.transport, "places", lambda: time.sleep(8))
        began = time.monotonic()
        assert repr(platform).startswith("<Platform")
        assert time.monotonic() - began < 5


class Kernel:
    """As much of a notebook as is asked for."""

    kernel = True
    execution_count = 1


def test_watching_in_a_notebook_replaces_one_output(seen, monkeypatch):
    shown = []

    class Output:
        def update(self, picture):
            shown[0] = picture

    def display(picture, display_id=False):
        shown.append(picture)
        return Output() if display_id else None

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=Kernel))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    journey = seen[1].watch(seconds=1)
    assert len(shown) == 1 and journey.places == ["oslo", "lima", "oslo"]
    assert "lima" in parsed(shown[0].svg()) and "under way" in parsed(shown[0].svg())
    journey._ipython_display_()  # as the value of the cell that has watched: that has the picture already
    assert len(shown) == 1
    monkeypatch.setattr(Kernel, "execution_count", 2)
    journey._ipython_display_()
    assert len(shown) == 2 and "lima" in parsed(shown[1].svg())


def test_an_interruption_leaves_the_last_state_and_goes_on(capsys):
    def events():
        yield LogEvent("1", 1.0, "oslo", "a", EventKind.BORN, 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show_journey(events(), "walker")
    assert "walker  oslo" in capsys.readouterr().err


def test_what_became_of_an_emptied_place():
    """Of each agent where it is now, or why it stays; whatever it is called."""
    cases = [
        {"agent": "a", "name": "<b>gone</b>", "to": "lima", "ms": 2.0},
        {
            "agent": "b",
            "name": "kept",
            "to": None,
            "why": "busy",
            "problem": "it computes",
            "refused": {"lima": "full"},
        },
    ]
    told = parsed(Drained.of("oslo", cases, 0.5)._repr_html_())
    assert all(text in told for text in ("<b>gone</b>", "1 of 2 agents have left", "stays: it computes; lima: full"))
    assert "empty" in parsed(Drained.of("oslo", cases[:1], 0.5)._repr_html_())
    assert "0 of 0 agents" in parsed(Drained.of("oslo", (), 0.0)._repr_html_())


def test_a_place_tells_for_people():
    about = {
        "memory": 25_000_000_000,
        "resources": [],
        "leased": True,
        "owners": ["ab" * 32],
        "socket": ["10.0.0.1", 7],
    }
    told = parsed(PlaceInfo("oslo", {**about, "traffic": {"sent": 1}})._repr_html_())
    for text in ("25.0 GB", "none", "yes", "sent: 1", "10.0.0.1:7"):
        assert text in told
    assert "ab" * 8 in told and "ab" * 9 not in told
