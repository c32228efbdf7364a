"""The platform on a real cluster: several drivers, nodes that come and go, processes that are killed."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents import Platform, connect
from agents._ray.cluster import OwnCluster
from agents._ray.membership import PLATFORM_NAMESPACE
from agents._ray.transport import DIRECTORY
from agents.errors import AgentsError, MoveRefused, ResourceUnusable, UnknownPlace
from mobility.trust import Identity, TrustStore
from tests.agents._ray import travellers
from tests.conformance.handoff import HandoffSuite
from tests.support.ray_cluster import PLACES, drive, eventually, platform_here

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def platform(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    file = tmp_path_factory.mktemp("places") / "lima.toml"
    file.write_text('[place.resources.site]\nvalue = "south"\n[place.resources.limits]\nvalue = { most = 3 }\n')
    with platform_here(
        resources={"*": {"site": "north"}, "oslo": {"only": 1}, "lima": {"site": "south"}},
        place_files={"lima": file},
        home=home,
        lease_seconds=3.0,
    ) as made:
        yield made


def directory_pid() -> int:
    import ray

    return int(ray.get(ray.get_actor(DIRECTORY, namespace=PLATFORM_NAMESPACE).pid.remote(), timeout=20))


def test_one_place_on_each_node_with_its_resources(platform: Platform) -> None:
    """From Python and from a TOML file."""
    about = {place.name: place.about for place in platform.places(details=True)}
    assert sorted(about) == sorted(PLACES)
    assert len({row["pid"] for row in about.values()}) == len({row["node"] for row in about.values()}) == 3
    assert about["lima"]["resources"] == ["limits", "site"] and about["oslo"]["resources"] == ["only", "site"]
    handle = platform.launch(travellers.visits, ["oslo", "lima", "baku"], at="baku")
    assert handle.result(timeout=60) == [("oslo", "north"), ("lima", "south"), ("baku", "north")]
    assert handle.trail().verified and len(handle.trail()) == 3


def test_a_second_driver_finds_writes_and_waits(platform: Platform, ray_cluster: OwnCluster, home: Path) -> None:
    """By name, and by a handle that was pickled; its messages are its own."""
    handle = platform.launch(travellers.answers, at="oslo", name="answers")
    handle.send(1)
    done = drive(
        """
        import pickle, sys
        from pathlib import Path
        from agents import connect
        with connect(sys.argv[1], home=Path(sys.argv[2]), progress=lambda line: None) as platform:
            pickled = pickle.loads(bytes.fromhex(sys.argv[3]))
            named = platform.get("answers")
            assert pickled == named, (pickled, named)
            pickled.send(10)
            print(named.ask(4), named.place())
            named.move("lima")
            print(named.ask("x"), named.place(), platform.launch.__name__)
        """,
        ray_cluster.address,
        str(home),
        pickle.dumps(handle).hex(),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["[8, 'oslo'] oslo", "['xx', 'lima'] lima launch"]
    handle.send("end")
    assert handle.result(timeout=60) == 11
    assert [place.name for place in platform.places()] == sorted(PLACES)  # the other one has shut nothing down


def test_a_handle_works_in_a_task_of_ray(platform: Platform) -> None:
    """Such a process is no driver, and was never connected by hand."""
    import ray

    handle = platform.launch(travellers.answers, at="baku")

    def in_a_task(there):
        there.send(7)
        return there.ask(1), there.status().place

    task = ray.remote(in_a_task)
    assert ray.get(task.remote(handle), timeout=60) == ([2, "baku"], "baku")
    handle.send("end")
    assert handle.result(timeout=60) == 7


def test_an_agent_outlives_its_creator(platform: Platform, ray_cluster: OwnCluster, home: Path) -> None:
    """The driver that launched it has ended; its name is enough."""
    done = drive(
        """
        import sys
        from pathlib import Path
        from agents import connect
        from tests.agents._ray import travellers
        with connect(sys.argv[1], home=Path(sys.argv[2]), progress=lambda line: None) as platform:
            platform.launch(travellers.naps, 2.0, at="lima", name="sleeper")
        """,
        ray_cluster.address,
        str(home),
    )
    assert done.returncode == 0, done.stderr
    assert platform.get("sleeper").result(timeout=60) == "lima"


def test_large_state_can_be_changed_where_it_arrives(platform: Platform) -> None:
    """16 MB go through Ray's object store, whose memory is read-only."""
    handle = platform.launch(travellers.carries, "oslo", 2_000_000, at="baku")
    assert handle.result(timeout=60) == (2_000_000.0 + 4.0, True)


def test_an_owner_whom_nobody_trusts(platform: Platform, home: Path) -> None:
    """Refused with what to do; and let in, by the places that run already, once that has been done."""
    stranger = Identity.generate("survey-lab", "owner")
    with pytest.raises(MoveRefused) as caught:
        platform.launch(travellers.naps, 0.0, at="lima", owner=stranger)
    error = caught.value
    assert error.why == "untrusted-signer" and "lima refused the bundle" in str(error)
    assert "sojourn key trust" in error.remedy
    TrustStore(home / "trust").trust(stranger.public)
    assert platform.launch(travellers.naps, 0.0, at="lima", owner=stranger).result(timeout=60) == "lima"


def test_unknown_place(platform: Platform) -> None:
    """At the launch, and at the yield of an agent that goes on."""
    with pytest.raises(UnknownPlace, match="there is no place 'paris'"):
        platform.launch(travellers.naps, 0.0, at="paris")
    handle = platform.launch(travellers.hops_until_told, "paris", at="oslo")
    handle.send("go")
    slug, text, where = handle.result(timeout=60)
    assert (slug, where) == ("unknown-place", "oslo") and "still runs on oslo" in text


def test_a_place_whose_process_is_killed_comes_back_with_its_agents(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ray starts it again; what it had is on disk. Messages that were acknowledged are not lost."""
    handle = platform.launch(travellers.answers, at="oslo")
    for number in range(5):
        handle.send(number)
    pid = platform.client.describe_place("oslo").about["pid"]
    os.kill(pid, signal.SIGKILL)
    handle.send(100, timeout=60)
    assert handle.ask(3, timeout=60) == [6, "oslo"]
    assert platform.client.describe_place("oslo").about["pid"] != pid
    handle.send("end")
    assert handle.result(timeout=60) == 110
    assert eventually(lambda: "restored" in [event.kind for event in handle.logs()], 10)
    assert capsys.readouterr().out == "", "Ray told a program's reader of it, on standard output"


def test_the_directory_is_killed_while_agents_move(platform: Platform) -> None:
    """It comes back by itself with all that it had decided."""
    handles = [platform.launch(travellers.counts, list(PLACES), 60, at=place) for place in PLACES]
    for _ in range(3):
        time.sleep(0.7)
        os.kill(directory_pid(), signal.SIGKILL)
        assert eventually(_answers(platform), 30)
    assert [handle.result(timeout=90)[0] for handle in handles] == [60, 60, 60]


def _answers(platform: Platform):
    def holds() -> bool:
        try:
            return platform.client.entries() is not None
        except AgentsError:
            return False

    return holds


def test_a_node_that_joins_and_one_that_dies(platform: Platform, ray_cluster: OwnCluster) -> None:
    """Its place is there and used at once; when it has died an agent that wants to go there is told so, and goes on."""
    ray_cluster.add_node("rome", {"num_cpus": 1}, 60)
    assert eventually(lambda: "rome" in [place.name for place in platform.places()], 30)
    assert platform.launch(travellers.naps, 0.0, at="rome").result(timeout=60) == "rome"
    waiting = platform.launch(travellers.hops_until_told, "rome", at="baku")
    lost = platform.launch(travellers.naps, 2.0, at="rome")
    for pids in ray_cluster.node_processes("rome", 10).values():
        for pid in pids:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)
    waiting.send("go")
    slug, text, where = waiting.result(timeout=90)
    assert (slug, where) == ("move-failed", "baku") and "still runs on baku" in text
    assert eventually(lambda: "place-left" in [event.kind for event in platform.logs()], 30)
    ray_cluster.remove_node("rome", 30)
    # The machine is started again: the same place, and what it has on disk.
    ray_cluster.add_node("rome", {"num_cpus": 1}, 60)
    assert lost.result(timeout=90) == "rome"
    ray_cluster.remove_node("rome", 30)
    assert eventually(lambda: "rome" not in [place.name for place in platform.places()], 30)


def test_a_place_that_could_not_start_is_started_again(platform: Platform) -> None:
    """Ray gives up on an actor whose construction failed, or that was killed for good; its node is to have a place."""
    import ray

    about = platform.client.describe_place("lima").about
    handle = platform.launch(travellers.naps, 1.0, at="lima")
    ray.kill(ray.get_actor(about["actor"], namespace=PLATFORM_NAMESPACE), no_restart=True)
    assert handle.result(timeout=60) == "lima"
    assert eventually(lambda: platform.places(details=True)[1].about.get("pid", about["pid"]) != about["pid"], 30)


class Killable:
    """The platform, with what the suite asks for beyond it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def __getattr__(self, name: str) -> Any:
        return getattr(self._platform, name)

    #: Ray starts a place again without being asked.
    revives = True

    def kill(self, place: str) -> None:
        self._dead = self._platform.client.describe_place(place).about["pid"]
        os.kill(self._dead, signal.SIGKILL)

    def start(self, place: str) -> None:
        """Ray does."""

        def is_back() -> bool:
            try:
                return bool(self._platform.client.describe_place(place, timeout=5.0).about["pid"] != self._dead)
            except AgentsError:
                return False

        assert eventually(is_back, 60)


class TestRayHandoff(HandoffSuite):
    """What is promised of handoffs, over Ray."""

    @pytest.fixture
    def platform(self, platform: Platform) -> Killable:
        return Killable(platform)


def test_what_cannot_be_sent_or_read_is_said_before_anything_is_started(tmp_path: Path) -> None:
    """With the name of the resource, or of the file."""
    with pytest.raises(ResourceUnusable, match="the resource 'lock' of oslo cannot be sent there"):
        connect("local", resources={"oslo": {"lock": threading.Lock()}}, home=tmp_path)


def test_a_cluster_that_follows_another_has_its_places_before_it_is_connected(tmp_path: Path) -> None:
    """In a state folder that is kept the places of yesterday have leases yet, of processes that are gone."""
    answer = drive(
        """
        import sys
        from agents import connect
        from agents._ray.cluster import reach
        from tests.agents._ray import travellers

        actors = []
        for _ in range(2):
            with (
                reach("local", places=["solo"]),
                connect(home=sys.argv[1], state=sys.argv[1] + "/state", progress=lambda line: None) as made,
            ):
                (member,) = made.client.transport.ask_directory("members", timeout=5.0)
                actors.append(member.about["actor"])
                assert made.launch(travellers.naps, 0.0, at="solo").result(timeout=30) == "solo"
        assert actors[0] != actors[1], actors
        """,
        str(tmp_path),
    )
    assert answer.returncode == 0, answer.stderr


def test_a_closed_platform_can_be_shown() -> None:
    """As the last line of a notebook's cell, or in a log."""
    from agents.testing import LocalPlatform

    with LocalPlatform(["oslo"]) as made:
        assert repr(made) == "<Platform: oslo>"
    assert repr(made) == "<Platform, closed>"
