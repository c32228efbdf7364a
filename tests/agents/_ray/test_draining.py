"""A real node gets notice that it will be taken away: its agents are elsewhere before that, none lost, none doubled."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import Platform
from agents._ray.cluster import OwnCluster
from tests.agents._ray import travellers
from tests.support.ray_cluster import PLACES, environment, eventually, platform_here

pytestmark = pytest.mark.timeout(180)
NOTICE = 15


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home: Path = tmp_path_factory.mktemp("home")
    with platform_here(home=home, lease_seconds=3.0) as made:
        yield made


def give_notice(cluster: OwnCluster, node: str) -> None:
    """As the autoscaler does, or a cloud's agent when a spot instance is about to be reclaimed."""
    command = [
        *(str(Path(sys.executable).with_name("ray")), "drain-node", "--address", cluster.address, "--node-id", node),
        *("--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "reclaimed"),
        *("--deadline-remaining-seconds", str(NOTICE)),
    ]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_agents_of_a_node_that_is_given_up_go_on_elsewhere(platform: Platform, ray_cluster: OwnCluster) -> None:
    """In the middle of a loop, at the line where they are; nobody asks for it. Then the node goes for good."""
    ray_cluster.add_node("rome", {"num_cpus": 1}, 60)
    assert eventually(lambda: "rome" in {place.name for place in platform.places()})
    handles = [platform.launch(travellers.ticks, at="rome") for _ in range(5)]
    asked = [platform.launch(travellers.answers, at="rome") for _ in range(2)]
    node = platform.client.describe_place("rome").about["node"]
    began = time.monotonic()
    give_notice(ray_cluster, node)
    everybody = [*handles, *asked]
    assert eventually(lambda: all(handle.place() in (*PLACES, None) for handle in everybody), NOTICE + 5)
    assert time.monotonic() - began < NOTICE + 5
    assert platform.client.describe_place("rome").about["draining"] is True
    ray_cluster.remove_node("rome", 30)
    for handle in handles:
        handle.send("end", timeout=60)
        (first, before), (_, after) = handle.result(timeout=60)
        assert first == "rome" and before > 0 and after > 0
        assert handle.trail().verified
    for handle in asked:
        assert handle.ask(21)[0] == 42
        handle.send("end")
        handle.result(timeout=60)
    told = [event.data.get("text", "") for event in platform.logs()]
    assert any("its node is to be taken away" in text for text in told)
    ray_cluster.add_node("rome", {"num_cpus": 1}, 60)  # with the folder of the former one, as a pod that comes again
    try:

        def open_again() -> bool:
            about = {place.name: place.about for place in platform.places(details=True)}.get("rome", {})
            return about.get("node", node) != node and about["draining"] is False

        assert eventually(open_again, 60)
    finally:
        ray_cluster.remove_node("rome", 30)
