"""The nine cells of the table of bindings, and their alternatives, each on real nodes: named after the cell.

Each test has resources of its own, as some are moved: the places offer one of every kind for each test.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents import Platform, agent, clone, hop, receive, reply
from agents.errors import MoveFailed, ResourceRefused, ResourceUnreachable
from agents.resources import Resource
from tests.support.ray_cluster import eventually, platform_here

pytestmark = pytest.mark.timeout(180)
PLACES = ("baku", "oslo", "lima")
CONTENT = [21.4, 20.9]
LIKE = [5.0]
TESTS = ("preferred", "MV", "GR", "CP", "clone", "refused")


def resources() -> dict[str, dict[str, Any]]:
    """At oslo, for each test, one of each attachment, each of a type of its own; at lima one like each."""
    oslo: dict[str, Any] = {}
    lima: dict[str, Any] = {}
    for kind in ("identifier", "value", "type"):
        for attachment in ("unattached", "fastened", "fixed"):
            for test in TESTS:
                name = f"{kind}-{attachment}-{test}"
                oslo[name] = Resource(list(CONTENT), attachment=attachment, type=name)
                lima[f"like-{name}"] = Resource(list(LIKE), type=name)
    oslo["closed"] = Resource(
        list(CONTENT), attachment="unattached", may_leave=False, exports=("__getitem__", "__len__", "append", "copy")
    )
    oslo["kept"] = Resource(list(CONTENT), may_leave=False)
    return {"oslo": oslo, "lima": lima}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home: Path = tmp_path_factory.mktemp("home")
    with platform_here(resources=resources(), home=home, lease_seconds=3.0) as made:
        yield made


@agent
def visits(here, name, by, otherwise, to, prefer=None):
    """Binds at oslo, goes, and tells what became of it; what it appends tells whose content it has."""
    bound = here.bind(name, by=by, otherwise=otherwise, prefer=prefer)
    try:
        here = yield hop(to)
    except MoveFailed as error:
        return {"stayed": here.name, "why": error.why, "how": bound.how, "content": list(bound)}
    before = [bound[index] for index in range(len(bound))]
    bound.append(99.0)
    return {"how": bound.how, "resource": bound.resource, "place": bound.place, "read": before, "content": bound.value}


@agent
def looks(here, name):
    """What a place offers under a name; None: nothing."""
    return list(here.resource(name)) if name in here.resources else None
    yield


@agent
def clones(here, name, by, otherwise, to):
    bound = here.bind(name, by=by, otherwise=otherwise)
    both = yield clone(to)
    if both.is_clone:
        return bound.how, bound.value
    return bound.how, bound.value, both.other.result(timeout=30)


def went(platform: Platform, name: str, otherwise: list[str], to: str, prefer: str | None = None) -> dict[str, Any]:
    by = name.partition("-")[0]
    told: dict[str, Any] = platform.launch(visits, name, by, otherwise, to, prefer, at="oslo").result(timeout=60)
    return told


def offered(platform: Platform, place: str, name: str) -> list[float] | None:
    found: list[float] | None = platform.launch(looks, name, at=place).result(timeout=60)
    return found


def moved(platform: Platform, name: str, otherwise: list[str], to: str, prefer: str | None = None) -> None:
    """MV: it works there, and its old place has it no more."""
    told = went(platform, name, otherwise, to, prefer)
    assert (told["how"], told["place"], told["resource"]) == ("local", to, f"oslo/{name}")
    assert told["read"] == CONTENT
    assert offered(platform, to, name) == [*CONTENT, 99.0], "it stays when the agent has ended"
    assert eventually(lambda: offered(platform, "oslo", name) is None), "the old place has it no more"


def referred(platform: Platform, name: str, otherwise: list[str], to: str, prefer: str | None = None) -> None:
    """GR: calls travel to the place that holds it."""
    told = went(platform, name, otherwise, to, prefer)
    assert (told["how"], told["place"], told["resource"]) == ("reference", "oslo", f"oslo/{name}")
    assert told["read"] == CONTENT and told["content"] == [*CONTENT, 99.0]
    assert offered(platform, "oslo", name) == [*CONTENT, 99.0], "what it did was done there"
    assert offered(platform, to, name) is None


def copied(platform: Platform, name: str, otherwise: list[str], to: str, prefer: str | None = None) -> None:
    """CP: a content of its own."""
    told = went(platform, name, otherwise, to, prefer)
    assert told["how"] == "copy" and told["read"] == CONTENT and told["content"] == [*CONTENT, 99.0]
    assert offered(platform, "oslo", name) == CONTENT
    assert offered(platform, to, name) is None


def rebound(platform: Platform, name: str) -> None:
    """RB: to the one that is there; the old one stays as it is."""
    told = went(platform, name, [], "lima")
    assert (told["how"], told["place"], told["resource"]) == ("local", "lima", f"lima/like-{name}")
    assert told["read"] == LIKE
    assert offered(platform, "oslo", name) == CONTENT


def refused(platform: Platform, name: str, to: str) -> None:
    """Nothing has moved, and the agent goes on where it was."""
    told = went(platform, name, [], to)
    assert told == {"stayed": "oslo", "why": "binding-refused", "how": "local", "content": CONTENT}
    assert offered(platform, "oslo", name) == CONTENT


# -- by identifier: exactly that one ----------------------------------------------------------------------------------


def test_by_identifier_unattached_moves(platform: Platform) -> None:
    moved(platform, "identifier-unattached-preferred", [], "lima")


def test_by_identifier_unattached_refers_where_it_may_not_leave(platform: Platform) -> None:
    """The alternative, as the agent has declared it."""
    handle = platform.launch(visits, "closed", "identifier", ["reference"], "lima", at="oslo")
    with pytest.raises(ResourceRefused, match="its content may not leave") as raised:
        handle.result(timeout=60)  # it has read and appended, and then asks for the whole
    assert raised.value.place == "oslo"
    assert offered(platform, "oslo", "closed") == [*CONTENT, 99.0]
    assert went(platform, "identifier-unattached-GR", [], "lima", prefer="reference")["how"] == "reference"


def test_by_identifier_unattached_stays_with_the_original_of_a_clone(platform: Platform) -> None:
    name = "identifier-unattached-clone"
    mine, value, its = platform.launch(clones, name, "identifier", [], "lima", at="oslo").result(timeout=60)
    assert (mine, value, its) == ("local", CONTENT, ("reference", CONTENT))


def test_by_identifier_fastened_refers(platform: Platform) -> None:
    referred(platform, "identifier-fastened-preferred", [], "lima")


def test_by_identifier_fastened_moves_if_that_is_wanted(platform: Platform) -> None:
    moved(platform, "identifier-fastened-MV", [], "lima", prefer="move")


def test_by_identifier_fixed_refers(platform: Platform) -> None:
    referred(platform, "identifier-fixed-preferred", [], "lima")


# -- by value: its content --------------------------------------------------------------------------------------------


def test_by_value_unattached_copies(platform: Platform) -> None:
    copied(platform, "value-unattached-preferred", [], "lima")


def test_by_value_unattached_moves_if_that_is_wanted(platform: Platform) -> None:
    moved(platform, "value-unattached-MV", [], "lima", prefer="move")


def test_by_value_unattached_refers_if_that_is_wanted(platform: Platform) -> None:
    referred(platform, "value-unattached-GR", [], "lima", prefer="reference")


def test_by_value_fastened_copies_if_that_is_wanted(platform: Platform) -> None:
    copied(platform, "value-fastened-CP", [], "lima", prefer="copy")


def test_by_value_fastened_refers(platform: Platform) -> None:
    referred(platform, "value-fastened-preferred", [], "lima")


def test_by_value_fixed_refers(platform: Platform) -> None:
    referred(platform, "value-fixed-preferred", [], "lima")


def test_by_value_fixed_that_may_not_leave_is_refused(platform: Platform) -> None:
    handle = platform.launch(visits, "kept", "value", [], "lima", at="oslo")
    with pytest.raises(Exception, match="its content may not leave oslo") as raised:
        handle.result(timeout=60)
    assert getattr(raised.value, "slug", "") == "binding-refused"


# -- by type: one like it ---------------------------------------------------------------------------------------------


def test_by_type_unattached_rebinds(platform: Platform) -> None:
    rebound(platform, "type-unattached-preferred")


def test_by_type_unattached_moves_where_there_is_none(platform: Platform) -> None:
    moved(platform, "type-unattached-MV", ["move"], "baku")


def test_by_type_unattached_copies_where_there_is_none(platform: Platform) -> None:
    copied(platform, "type-unattached-CP", ["copy"], "baku")


def test_by_type_unattached_is_refused_where_there_is_none(platform: Platform) -> None:
    refused(platform, "type-unattached-refused", "baku")


def test_by_type_fastened_rebinds(platform: Platform) -> None:
    rebound(platform, "type-fastened-preferred")


def test_by_type_fastened_refers_where_there_is_none(platform: Platform) -> None:
    referred(platform, "type-fastened-GR", ["reference"], "baku")


def test_by_type_fastened_copies_where_there_is_none(platform: Platform) -> None:
    copied(platform, "type-fastened-CP", ["copy", "reference"], "baku")


def test_by_type_fastened_is_refused_where_there_is_none(platform: Platform) -> None:
    refused(platform, "type-fastened-refused", "baku")


def test_by_type_fixed_rebinds(platform: Platform) -> None:
    rebound(platform, "type-fixed-preferred")


def test_by_type_fixed_refers_where_there_is_none(platform: Platform) -> None:
    referred(platform, "type-fixed-GR", ["reference"], "baku")


def test_by_type_fixed_is_refused_where_there_is_none(platform: Platform) -> None:
    refused(platform, "type-fixed-refused", "baku")


# -- processes that are killed ----------------------------------------------------------------------------------------


@agent
def refers(here, name):
    """Uses it at each message; what each use gave."""
    bound = here.bind(name, prefer="reference", timeout=5.0)
    here = yield hop("lima")
    got = []
    while (message := (yield receive())).value != "end":
        try:
            got.append(bound[0])
        except ResourceUnreachable as error:
            got.append(error.slug)
        yield reply(message, got[-1])
    return got, here.name


def killed(platform: Platform, place: str) -> None:
    """``kill -9`` of a place's process; back when another one serves."""
    before = pid_of(platform, place)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: pid_of(platform, place) not in (None, before), 60)


def pid_of(platform: Platform, place: str) -> int | None:
    for one in platform.places(details=True):
        if one.name == place and "pid" in one.about:
            return int(one.about["pid"])
    return None


def test_a_reference_works_again_when_its_place_is_back(platform: Platform) -> None:
    """While it is not, there is a clear error or a late answer, and an agent that goes on."""
    handle = platform.launch(refers, "identifier-unattached-refused", at="oslo")
    assert handle.ask("use", timeout=60) == CONTENT[0]
    before = pid_of(platform, "oslo")
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert handle.ask("use", timeout=60) in ("resource-unreachable", CONTENT[0])
    assert eventually(lambda: pid_of(platform, "oslo") not in (None, before), 60)
    assert eventually(lambda: handle.ask("use", timeout=60) == CONTENT[0], 60)
    handle.send("end")
    got, place = handle.result(timeout=60)
    assert place == "lima" and got[0] == CONTENT[0]


def test_what_has_moved_stays_moved_when_all_processes_are_killed(platform: Platform) -> None:
    """It was given in Python, and is not offered again by its old place; the new one still has it."""
    name = "value-unattached-refused"
    moved(platform, name, [], "baku", prefer="move")
    for place in ("oslo", "baku"):
        killed(platform, place)
    assert eventually(lambda: offered(platform, "baku", name) == [*CONTENT, 99.0], 60), "as the agent has left it"
    assert offered(platform, "oslo", name) is None
