"""The four paradigms, each named after its row of the table, on a real cluster.

A, at site SA, starts it; the resource is at SB, in code on demand at SA. Each test asks who has what before and after.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import Platform
from agents.errors import (
    AgentsError,
    PlaceUnreachable,
    ResourceMissing,
    ServiceFailed,
    ServiceTaken,
    UnknownPlace,
    UnknownService,
    UnknownUnit,
    VersionTaken,
    WaitedTooLong,
)
from tests.support.ray_cluster import eventually, platform_here
from tests.taxonomy import paradigm_units as units

pytestmark = pytest.mark.timeout(180)
READINGS = {"baku": [20.5, 21.5], "oslo": [3.5, 4.5], "lima": [19.0, 20.5]}
SA, SB = "baku", "oslo"


def raises(here, what):
    raise {"value": ValueError, "system": SystemExit}[what](what)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("paradigms")
    (folder / "lima.toml").write_text('[place.services.shown]\nfunction = "reprlib:repr"\n')
    with platform_here(
        resources={place: {"readings": values} for place, values in READINGS.items()},
        services={SB: {"mean": units.mean, "slow": units.slow_mean}, "*": {"raises": raises}},
        place_files={"lima": folder / "lima.toml"},
        home=folder / "home",
        lease_seconds=3.0,
    ) as made:
        yield made


def about(platform: Platform, place: str) -> dict:
    """What a place tells of itself; nothing while it is being started again."""
    return dict(next((one.about for one in platform.places(details=True) if one.name == place), {}))


def pid(platform: Platform, place: str) -> int:
    return int(about(platform, place)["pid"])


def died(platform: Platform, place: str) -> None:
    """Kill the process of a place, and wait until Ray has started it again."""
    before = pid(platform, place)
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        found = about(platform, place)
        return found.get("pid") not in (None, before) and bool(found.get("leased"))

    assert eventually(back, 60)


def test_client_server(platform: Platform) -> None:
    """Before: A at SA; code, resource and B at SB. After: the same. It is executed at SB."""
    before = [about(platform, place)["services"] for place in (SA, SB)]
    told = platform.call(SB, "mean", "readings")
    assert (told["mean"], told["place"], told["pid"]) == (4.0, SB, pid(platform, SB))
    answer, where = platform.launch(units.asks_a_server, SB, at=SA).result(timeout=60)
    assert answer == told and (where["place"], where["pid"]) == (SA, pid(platform, SA)), "A has stayed"
    assert before == [["raises"], ["mean", "raises", "slow"]]
    with pytest.raises(UnknownService):
        platform.call(SA, "mean", "readings")  # SA has no code of it


def test_remote_evaluation(platform: Platform) -> None:
    """Before: code and A at SA; resource at SB. After: the code at SB as well, where it is executed; A has stayed."""
    assert "largest" not in about(platform, SB)["services"]

    def largest(here, column):
        return max(here.resource(column)), os.getpid(), here.name

    assert platform.evaluate(SB, largest, "readings") == (4.5, pid(platform, SB), SB)
    told, where = platform.launch(units.evaluates_there, SB, at=SA).result(timeout=60)
    assert (told["mean"], told["place"], told["pid"]) == (4.0, SB, pid(platform, SB))
    assert told["module"].startswith("sojourn_"), "shipped, not installed there"
    assert (where["place"], where["pid"]) == (SA, pid(platform, SA))


def test_code_on_demand(platform: Platform) -> None:
    """Before: resource and A at SA; code and B at SB. After: the code at SA as well, where it is executed."""
    told = platform.publish(units.from_values, "from_values", version="1.0", at=SB)
    assert about(platform, SB)["units"] == ["from_values 1.0"] and about(platform, SA)["units"] == []
    found, where, known = platform.launch(units.demands_code, SB, at=SA).result(timeout=60)
    assert found["mean"] == 21.0, "of the resource at SA"
    assert found["pid"] == where["pid"] == pid(platform, SA) and known == []
    here = platform.fetch("from_values", from_=SB)
    assert here([1.0, 2.0])["pid"] == os.getpid() and here.digest == told.digest
    died(platform, SB)  # what it has said that it has is on its disk
    assert platform.fetch("from_values", from_=SB).digest == told.digest
    with pytest.raises(VersionTaken):
        platform.publish(units.mean, "from_values", version="1.0", at=SB)


def test_mobile_agent(platform: Platform) -> None:
    """Before: code and A at SA; resource at SB. After: all three at SB, where it is executed; nothing is at SA."""
    handle = platform.launch(units.goes_there, SB, at=SA)
    value, before, after = handle.result(timeout=60)
    assert value == 4.0
    assert (before["place"], before["pid"]) == (SA, pid(platform, SA))
    assert (after["place"], after["pid"]) == (SB, pid(platform, SB))
    assert [(link.origin, link.destination) for link in handle.trail()] == [(SA, SB)]


def test_two_versions_in_one_process(platform: Platform) -> None:
    """Of one name, in the process of a place and in this one."""

    def doubled(values):
        return [2 * value for value in values]

    def tripled(values):
        return [3 * value for value in values]

    platform.publish(doubled, "scaled", version="1.9", at="lima")
    platform.publish(tripled, "scaled", version="1.10", at="lima")

    def both(here):
        return os.getpid()

    old, new = platform.fetch("scaled", version="1.9"), platform.fetch("scaled")
    assert (old([1]), new([1]), new.version) == ([2], [3], "1.10")
    assert platform.evaluate("baku", both) == pid(platform, "baku")
    with pytest.raises(UnknownUnit, match="version 1.10"):
        platform.fetch("scaled", version="2.0")


def test_a_unit_goes_with_an_agent_by_its_name(platform: Platform) -> None:
    """And is fetched at each place where it is used."""
    seen, place = platform.launch(units.holds_unit, SA, ["oslo", "lima", "baku"], at=SA).result(timeout=60)
    assert seen == [("oslo", 4.0), ("lima", 19.8), ("baku", 21.0)] and place == SA


def test_a_service_of_a_file(platform: Platform) -> None:
    """Described at the place; it gets the place first, as any other."""
    assert "shown" in about(platform, "lima")["services"]
    assert platform.call("lima", "shown") == "<Here: lima>"


def test_bad_input(platform: Platform) -> None:
    """Told as what it is, over a real wire."""
    for kind, call in [
        (UnknownPlace, lambda: platform.call("nowhere", "mean")),
        (UnknownService, lambda: platform.call(SB, "nothing")),
        (ResourceMissing, lambda: platform.call(SB, "mean", "nothing")),
        (ValueError, lambda: platform.call(SB, "raises", "value")),
        (ServiceFailed, lambda: platform.call(SB, "raises", "system")),
        (WaitedTooLong, lambda: platform.call(SB, "slow", "readings", 3.0, timeout=0.3)),
        (UnknownUnit, lambda: platform.fetch("nothing")),
        (UnknownPlace, lambda: platform.fetch("nothing", from_="nowhere")),
        (ServiceTaken, lambda: platform.install(SB, units.mean, "mean", replace=True)),
    ]:
        with pytest.raises(kind):
            call()


def test_a_place_that_dies_while_it_serves(platform: Platform) -> None:
    """Whoever waits hears it at once, and the place serves again when Ray has started it."""
    import threading

    problems: list[AgentsError] = []
    heard: list[float] = []

    def call() -> None:
        try:
            platform.call(SB, "slow", "readings", 80.0, timeout=100)
        except AgentsError as error:
            problems.append(error)
            heard.append(time.monotonic())

    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(1.0)
    began = time.monotonic()
    died(platform, SB)
    caller.join(30)
    assert heard[0] - began < 60
    assert isinstance(problems[0], PlaceUnreachable) and "not known" in problems[0].state
    assert platform.call(SB, "mean", "readings")["mean"] == 4.0


def test_no_code_of_a_service_is_needed_where_it_is_called_from(platform: Platform, tmp_path: Path) -> None:
    """A second driver calls by name."""
    from tests.support.ray_cluster import drive

    done = drive(
        """
        import sys
        from pathlib import Path
        from agents import connect
        with connect(sys.argv[1], home=Path(sys.argv[2]), progress=lambda line: None) as platform:
            print(platform.call("oslo", "mean", "readings")["mean"])
        """,
        str(platform.address),
        str(tmp_path),
    )
    assert (done.returncode, done.stdout) == (0, "4.0\n"), done.stderr
