"""Names of places, who came and who went: laws of the pure part, and a real cluster."""

from __future__ import annotations

import math
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents._ray.cluster import OwnCluster, Reached
from agents._ray.membership import (
    MembershipUnknown,
    Node,
    RayGcs,
    Record,
    Watch,
    differences,
    name_places,
    named_actor,
    nodes,
    undecided,
)
from tests.support.ray_cluster import PLACES, drive, environment, eventually

IDS = st.text("0123456789abcdef", min_size=8, max_size=8)
#: Few ids, starts and labels, and labels that look like derived names, so that they collide.
ALIKE = st.sampled_from(["aaaaaa00", "aaaaaa01", "aaaaaa10", "bbbbbb00", "bbbbbb01"])


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Nodes of a cluster, some dead, in no order."""
    ids = draw(st.lists(ALIKE | IDS, unique=True, max_size=8))
    records = []
    for node_id in ids:
        label = draw(st.sampled_from(["", "oslo", "lima", "node-aaaaaa", "oslo-aaaaaa", f"oslo-{node_id}", "node"]))
        started = draw(st.integers(0, 6))
        ended = draw(st.none() | st.integers(started, 8))
        records.append(Record(node_id, "10.0.0.1", label, started, ended))
    return records


def living(records: Sequence[Record], when: int) -> list[Record]:
    return [record for record in records if record.started <= when and (record.ended is None or record.ended > when)]


class Told:
    """A control service that says what a test wants."""

    def __init__(self, records: Sequence[Record], draining: Mapping[str, int] | None = None) -> None:
        self.told, self.leaving = tuple(records), dict(draining or {})

    def records(self) -> Sequence[Record]:
        if not self.told:
            raise MembershipUnknown("its nodes", "silence", 1.0)
        return self.told

    def draining(self) -> Mapping[str, int]:
        return self.leaving


# -- names


def record(node_id: str, label: str, started: int, ended: int | None = None) -> Record:
    return Record(node_id, "10.0.0.1", label, started, ended)


#: Of the times in `histories`, from none to all of them.
SUCCESSIONS = st.sampled_from([0, 1, 3, 9])


def known_at(records: Sequence[Record], now: int) -> list[Record]:
    """What the service tells at a time; of nodes that start in the same millisecond all, since the id decides."""
    return [
        replace(record, ended=record.ended if record.ended is not None and record.ended <= now else None)
        for record in records
        if record.started <= now
    ]


@given(histories(), SUCCESSIONS, st.integers(0, 8))
def test_no_two_places_of_one_moment_share_a_name(records: list[Record], succession: int, now: int) -> None:
    """Else an agent could be sent to the wrong one."""
    known = known_at(records, now)
    names, unnamed = name_places(known, succession), undecided(known, now, succession)
    alive = [names[record.node_id] for record in living(known, now) if record.node_id not in unnamed]
    assert len(alive) == len(set(alive))


@given(histories(), SUCCESSIONS, st.randoms())
def test_every_process_comes_to_the_same_names(records: list[Record], succession: int, luck: random.Random) -> None:
    """The service lists its nodes in no order."""
    shuffled = luck.sample(records, len(records))
    assert name_places(shuffled, succession) == name_places(records, succession)
    assert undecided(shuffled, 5, succession) == undecided(records, 5, succession)


@given(histories(), SUCCESSIONS, st.integers(0, 8))
@example([record("aaaaaa00", "node", 6, 6), record("aaaaaa10", "node", 0, 7)], 1, 6)
@example([record("aaaaaa00", "node", 0, 5), record("bbbbbb00", "node", 2, 4), record("bbbbbb11", "", 3)], 9, 4)
def test_a_node_keeps_its_name_whatever_happens_later(records: list[Record], succession: int, now: int) -> None:
    """An agent's way names places: nodes that come and go must not rename those that stay."""
    known = known_at(records, now)
    final = name_places(records, succession)
    for node_id, name in name_places(known, succession).items():
        if node_id not in undecided(known, now, succession):
            assert final[node_id] == name


@given(histories(), SUCCESSIONS)
@example([record("a0", "oslo-aaaaaa", 0), record("b0", "oslo-aaaaaa", 0), record("c0", "oslo", 1)], 9)
def test_nobody_stays_without_a_name(records: list[Record], succession: int) -> None:
    """Only a young node waits for what becomes of an older one, and a label that nobody has is had at once."""
    assert not undecided(records, 8 + succession, succession)
    labels = [record.label for record in records]
    for record in records:
        if record.label and labels.count(record.label) == 1 and "-" not in record.label:
            assert record.node_id not in undecided(known_at(records, 8), 8, succession)
            assert name_places(records, succession)[record.node_id] == record.label


@given(histories())
def test_the_oldest_keeps_its_label(records: list[Record]) -> None:
    """And so does everybody whose label nobody else had at the time."""
    names = name_places(records, 0)
    ages = sorted(records, key=lambda record: (record.started, record.node_id))
    for index, record in enumerate(ages):
        before = living(ages[:index], record.started)
        if record.label and all(names[other.node_id] != record.label for other in before):
            assert names[record.node_id] == record.label
        else:
            assert names[record.node_id].startswith(f"{record.label or 'node'}-{record.node_id[:6]}")


def test_names_as_documented() -> None:
    """The examples of the rules."""
    records = [
        Record("abcdef0123", "h", "oslo", 2),
        Record("1234560000", "h", "oslo", 1),
        Record("9876543210", "h", "", 3),
        Record("9876540000", "h", "", 4),
    ]
    assert name_places(records) == {
        "1234560000": "oslo",
        "abcdef0123": "oslo-abcdef",
        "9876543210": "node-987654",
        "9876540000": "node-9876540",
    }


def test_a_node_that_replaces_a_dead_one_gets_its_label() -> None:
    """A machine that was restarted is the same place for every itinerary that names it."""
    dead = Record("aaaaaa", "h", "oslo", 1, 50_000)
    assert name_places([dead, Record("bbbbbb", "h", "oslo", 60_000)])["bbbbbb"] == "oslo"
    assert name_places([dead, Record("bbbbbb", "h", "oslo", 10_000)])["bbbbbb"] == "oslo-bbbbbb"


def test_a_node_that_is_started_before_the_old_one_counts_as_dead_follows_it() -> None:
    """Ray takes seconds to notice a sudden death: whoever starts the node again need not know how many."""
    silent, follower = Record("aaaaaa", "h", "oslo", 1), Record("bbbbbb", "h", "oslo", 50_000)
    assert undecided([silent, follower], 51_000) == {"bbbbbb"}
    assert undecided([silent, follower], 70_000) == set() and name_places([silent, follower])["bbbbbb"] == "oslo-bbbbbb"
    dead = replace(silent, ended=64_000)
    assert undecided([dead, follower], 64_100) == set() and name_places([dead, follower])["bbbbbb"] == "oslo"


def test_who_died_young_leaves_open_what_those_are_called_that_it_met() -> None:
    """It may have been a successor, or not: then the name that it had instead was taken when the last one started."""
    silent, short = record("aaaaaa", "node", 1), record("bbbbbb00", "node", 50_000, 52_000)
    last = record("bbbbbb11", "", 51_000)
    assert undecided([silent, short, last], 53_000) == {"bbbbbb00", "bbbbbb11"}
    assert undecided([silent, short, last], 71_000) == set()
    assert name_places([silent, short, last])["bbbbbb11"] == "node-bbbbbb1"
    assert name_places([replace(silent, ended=60_000), short, last])["bbbbbb11"] == "node-bbbbbb"


# -- differences


@given(histories(), histories(), st.dictionaries(ALIKE | IDS, st.integers(0, 9000)))
def test_changes_lead_from_one_look_to_the_next(
    first: list[Record], second: list[Record], draining: dict[str, int]
) -> None:
    """Whoever applies what a watch tells, knows what the watch knows."""
    gcs = Told([*first, Record("cccccccc", "h", "", 0)])
    watch = Watch(gcs)
    mirror: dict[str, Node] = {}
    for records in (gcs.told, tuple(second), gcs.told):
        if not records:
            continue
        gcs.told, gcs.leaving = records, draining
        changes = watch.poll()
        assert not {node.node_id for node in changes.joined} & mirror.keys()
        for node in changes.left:
            assert not node.alive and replace(node, alive=True) == mirror.pop(node.node_id)
        mirror.update((node.node_id, node) for node in changes.joined)
        for node in changes.draining:
            mirror[node.node_id] = node
        assert {node.node_id for node in watch.known} == mirror.keys()
        assert mirror.keys() == {record.node_id for record in records if record.ended is None}
        assert {node.node_id for node in watch.known if node.draining_until is not None} == {
            node.node_id for node in mirror.values() if node.draining_until is not None
        }
        mirror = {node.node_id: node for node in watch.known}
        assert not watch.poll()


def test_draining_is_told_once_and_with_its_deadline() -> None:
    """A place is evacuated when it is first heard of, in seconds and not in Ray's milliseconds."""
    gcs = Told([Record("aaaaaa", "h", "oslo", 1), Record("bbbbbb", "h", "lima", 1)])
    watch = Watch(gcs)
    assert [node.place for node in watch.poll().joined] == ["lima", "oslo"]
    gcs.leaving = {"aaaaaa": 12_500, "bbbbbb": 0}
    assert [(node.place, node.draining_until) for node in watch.poll().draining] == [("lima", math.inf), ("oslo", 12.5)]
    gcs.leaving["aaaaaa"] = 13_000
    assert not watch.poll()
    assert differences({}, {}) == differences({"a": Node("a", "x", "h")}, {"a": Node("a", "x", "h")})


def test_silence_is_no_departure() -> None:
    """A service that does not answer must not look like a cluster whose nodes are gone."""
    gcs = Told([Record("aaaaaa", "h", "oslo", 1)])
    watch = Watch(gcs)
    watch.poll()
    gcs.told, told = (), gcs.told
    with pytest.raises(MembershipUnknown):
        watch.poll()
    assert [node.place for node in watch.known] == ["oslo"]
    gcs.told = told
    assert not watch.poll()


# -- deadlines


def test_a_question_that_hangs_ends_at_its_deadline_and_is_asked_once() -> None:
    """Polling four times a second, hung calls would pile up as threads; and after the hang it must go on."""
    gcs, release = RayGcs(timeout=0.2), threading.Event()
    before = threading.active_count()
    for _ in range(3):
        begun = time.monotonic()
        with pytest.raises(MembershipUnknown, match="its nodes"):
            gcs.ask("its nodes", release.wait)
        assert time.monotonic() - begun < 5
    assert threading.active_count() == before + 1
    release.set()
    assert gcs.ask("its nodes", lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        gcs.ask("its nodes", lambda: 1 // 0)


def test_an_unconnected_process_is_told_so() -> None:
    """Instead of Ray starting a cluster behind the user's back, as it does for some calls."""
    answer = drive(
        """
        import pickle, sys
        from agents._ray.membership import MembershipUnknown, RayGcs, named_actor, nodes
        # The first one imports Ray, which takes longer than the usual two seconds where others are at work.
        gcs = RayGcs(30.0)
        for question in (gcs.records, gcs.draining, lambda: named_actor("keeper", timeout=30.0)):
            try:
                question()
            except MembershipUnknown as error:
                assert "not connected" in str(error), error
            else:
                sys.exit("no error")
        import ray
        assert not ray.is_initialized()
        """
    )
    assert answer.returncode == 0, answer.stderr


def test_the_error_says_what_to_do_and_pickles() -> None:
    """As all errors of the tree."""
    error = MembershipUnknown("its nodes", "no answer within 2 s", 2.0)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.slug, again.timeout) == (str(error), "membership-unknown", 2.0)
    assert "membership-unknown" in str(error) and "no agent was touched" in str(error)


# -- a real cluster


class Guest:
    """An actor that says on which node it is."""

    def node(self) -> str:
        import ray

        return ray.get_runtime_context().get_node_id()


def test_nodes_of_a_real_cluster(ray_driver: Reached) -> None:
    """Labels become names; ids are Ray's own."""
    import ray

    found = nodes(RayGcs(10.0))
    assert {node.place for node in found} >= set(PLACES)
    assert {node.node_id for node in found} == {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    assert all(node.alive and node.draining_until is None and node.host for node in found)


def test_nodes_that_join_and_die_are_noticed(
    ray_driver: Reached, ray_cluster: OwnCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node with a label that is taken, one without a label, and the sudden death of each."""
    for function in (name_places, undecided):  # the first one has its name after that, and not after 20 s
        monkeypatch.setattr(function, "__defaults__", (2_000,))
    watch = Watch(RayGcs(10.0))
    assert {node.place for node in watch.poll().joined} == set(PLACES)
    for place in ("oslo", ""):
        node_id = ray_cluster.add_node(place, {"num_cpus": 1}, 60)
        name = f"{place or 'node'}-{node_id[:6]}"
        try:
            (joined,) = eventually(lambda: watch.poll().joined)
            assert (joined.node_id, joined.place) == (node_id, name)
            assert {node.place for node in watch.known} == {*PLACES, name}
            (raylet,) = ray_cluster.node_processes(place, 10)["raylet"]
            os.kill(raylet, signal.SIGKILL)
            (left,) = eventually(lambda: watch.poll().left)
            assert (left.node_id, left.place, left.alive) == (node_id, name, False)
        finally:
            ray_cluster.remove_node(place, 30)
    assert {node.place for node in watch.known} == set(PLACES)


def test_a_draining_node_is_noticed(ray_driver: Reached, ray_cluster: OwnCluster) -> None:
    """Ray announces a preemption nowhere else. A node that does nothing would be gone at once, hence the actor."""
    import ray

    watch = Watch(RayGcs(10.0))
    node_id = ray_cluster.add_node("rome", {"num_cpus": 1}, 60)
    try:
        guest = ray.remote(Guest).options(num_cpus=0, label_selector={"place": "rome"}).remote()
        assert ray.get(guest.node.remote(), timeout=60) == node_id
        watch.poll()
        asked = time.time()
        command = ["drain-node", "--address", ray_cluster.address, "--node-id", node_id]
        command += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test"]
        command += ["--deadline-remaining-seconds", "60"]
        subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", *command],
            env=environment(),
            check=True,
            capture_output=True,
            timeout=60,
        )
        (draining,) = eventually(lambda: watch.poll().draining)
        assert draining.place == "rome"
        assert asked < draining.draining_until < time.time() + 61
    finally:
        ray_cluster.remove_node("rome", 30)


def test_actors_are_found_by_name_from_another_driver(ray_driver: Reached, ray_cluster: OwnCluster) -> None:
    """Directory and places are detached actors: the driver that made them has gone, another one uses them."""
    assert named_actor("keeper", timeout=10) is None
    made = drive(
        """
        import sys
        from agents._ray.cluster import reach
        from agents._ray.membership import PLATFORM_NAMESPACE

        with reach(sys.argv[1]):
            import ray

            class Keeper:
                def answer(self):
                    return 42

            actor = ray.remote(Keeper).options(
                name="keeper", namespace=PLATFORM_NAMESPACE, lifetime="detached", num_cpus=0
            ).remote()
            ray.get(actor.answer.remote(), timeout=60)
        """,
        ray_cluster.address,
    )
    assert made.returncode == 0, made.stderr
    import ray

    keeper = named_actor("keeper", timeout=10)
    assert keeper is not None
    assert ray.get(keeper.answer.remote(), timeout=60) == 42
    assert named_actor("keeper", "elsewhere", timeout=10) is None
    ray.kill(keeper)
    assert eventually(lambda: named_actor("keeper", timeout=10) is None)
