"""Data nodes at the places of a real cluster: policies from files, a place that is killed, and what is on its disk."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy
import psutil
import pytest

from agents import Platform
from federated.app import AppBundle
from federated.audit import verify_audit
from federated.ledger import Ledger
from federated.linking import PlatformNodes
from federated.messages import read_answer
from federated.results import RunResult
from federated.running import run_app
from mobility.plain import PlainLimits
from mobility.trust import Identity
from tests.federated.probes import probe
from tests.support.ray_cluster import end_platform, eventually, platform_here

pytestmark = pytest.mark.timeout(240)
PLACES = ("baku", "lima", "oslo")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("places")


@pytest.fixture(scope="module")
def platform(folder: Path, ada: Identity) -> Iterator[Platform]:
    """Three places with a ward each; two of them have x-rays too."""
    files = {}
    for name in PLACES:
        files[name] = folder / f"{name}.toml"
        table = f"""
            [place.datasets.ward]
            config = {{ mark = "{folder / name}.mark" }}
            seconds = 60
            tell = true
            [place.datasets.ward.policy]
            signers = ["{ada.key_id}"]
            messages = ["train"]
            keys = ["arrays.arrays.*", "metrics.metrics.*"]
            exact = ["metrics.metrics.*"]
            clip_norm = 10.0
            noise = {{ multiplier = 0.001 }}
            allowance = {{ epsilon = 1e9, delta = 1e-5 }}
            """
        files[name].write_text(table + (table.replace(".ward", ".xrays") if name != "baku" else ""))
    with platform_here(
        place_files=files, owner=ada, home=folder / "home", state=folder / "state", lease_seconds=3.0, timeout=120.0
    ) as made:
        yield made


@pytest.fixture(scope="module")
def app(folder: Path) -> AppBundle:
    """In the second round it waits for as long as there is a mark, and it counts its rounds in its context."""
    return probe(
        folder / "app",
        """
        if msg.content["config"]["server-round"] == 2 and context.run_config["deep.value"] == "wait":
            mark = context.node_config["mark"]
            open(mark, "w").close()
            while os.path.exists(mark): time.sleep(0.02)
        seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
        context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
        ray = sum(name.startswith("RAY_") for name in os.environ) + sum(name == "ray" for name in sys.modules)
        return answer(msg, msg.content["arrays"]["0"].numpy() + 1.0, ray=ray, seen=seen["n"])
        """,
    )


def data(folder: Path, place: str) -> Path:
    return folder / "state" / "places" / place / "extensions" / "datasets"


def children(platform: Platform) -> list[psutil.Process]:
    """Of the places: the processes of apps."""
    places = [psutil.Process(one.about["pid"]) for one in platform.places(details=True)]
    found = [child for place in places for child in place.children(recursive=True)]
    return [child for child in found if "federated._flower.clientapp" in child.cmdline()]


def test_an_app_at_three_places(platform: Platform, app: AppBundle, ada: Identity) -> None:
    """As on nodes of one process; and nothing of Ray reaches the app."""
    result = run_app(app, nodes=PlatformNodes(platform), author=ada, run_config={"rounds": 2}, dataset="ward")
    assert result.nodes == PLACES and not result.failures
    assert result.arrays["0"] == pytest.approx(2.0, abs=0.2)
    assert result.metrics["train"][2] == {"ray": 0.0, "seen": 1.0}
    assert eventually(lambda: not children(platform))


def test_a_place_without_the_dataset_is_not_there(platform: Platform, app: AppBundle, ada: Identity) -> None:
    """Nor is any, if nobody says which of two."""
    result = run_app(app, nodes=PlatformNodes(platform), author=ada, dataset="xrays")
    assert result.nodes == ("lima", "oslo") and not result.failures and "dataset" in result.refused["baku"]
    result = run_app(app, nodes=PlatformNodes(platform), author=ada)
    assert result.nodes == ("baku",) and set(result.refused) == {"lima", "oslo"}


def test_who_is_no_owner_is_refused(platform: Platform, app: AppBundle, ada: Identity) -> None:
    """Whoever has the cluster can call the service; without an owner's key nothing is done for him."""
    answer = PlatformNodes(platform).ask("oslo", b"\0\0\0\0", 10.0)
    assert read_answer(answer, "oslo", PlainLimits())["why"] == "unsigned"
    eve = Identity.generate("eve", "owner")
    result = run_app(app, nodes=PlatformNodes(platform), author=ada, asker=ada, dataset="xrays")
    assert len(result.nodes) == 2
    with pytest.raises(Exception, match="untrusted-signer"):
        run_app(app, nodes=PlatformNodes(platform), author=ada, asker=eve, dataset="xrays", patience=0.0)


def test_two_hundred_megabytes(platform: Platform) -> None:
    """Refused, as it is unsigned; but it has come through."""
    request = numpy.random.default_rng(1).bytes(200 << 20)
    answer = PlatformNodes(platform).ask("oslo", b"\0\0\0\0" + request, 60.0)
    assert read_answer(answer, "oslo", PlainLimits())["why"] == "unsigned"


def test_a_place_is_killed_in_the_middle_of_a_round(
    platform: Platform, app: AppBundle, ada: Identity, folder: Path
) -> None:
    """It fails its own reply alone, and is back for the next round with the state that the app had."""
    marks = [folder / f"{name}.mark" for name in PLACES]
    before = next(one.about["pid"] for one in platform.places(details=True) if one.name == "lima")
    results: list[RunResult] = []

    def run() -> None:
        config = {"rounds": 3, "timeout": 60.0, "deep.value": "wait"}
        nodes = PlatformNodes(platform)
        results.append(run_app(app, nodes=nodes, author=ada, run_config=config, dataset="ward"))

    running = threading.Thread(target=run)
    running.start()
    try:
        assert eventually(lambda: all(mark.exists() for mark in marks), 60.0)
        training = [child for child in children(platform) if child.ppid() == before]
        os.kill(before, signal.SIGKILL)

        def serves() -> bool:
            rows = platform.places(details=True)
            return any(one.name == "lima" and one.about.get("pid") not in (None, before) for one in rows)

        assert eventually(serves, 60.0)
        # What it had begun has ended with it, though it computed.
        assert training and eventually(lambda: not any(child.is_running() for child in training))
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)
        running.join(120.0)
    (result,) = results
    assert [(node, kind) for node, kind, *_ in result.failures] == [("lima", "train")]
    assert result.nodes == PLACES
    # Two places have seen two rounds before the third, and the one that was killed has seen one.
    assert result.metrics["train"][3]["seen"] == pytest.approx(5 / 3)
    assert result.arrays["0"] == pytest.approx(3.0, abs=0.2)


def test_what_stays_on_disk(platform: Platform, ada: Identity, folder: Path) -> None:
    """The log verifies with the key of the place, across the kill; the ledger has what was released, and no more."""
    released = {}
    for name in PLACES:
        key = Identity.load(folder / "state" / "places" / name / "place.key").public
        report = verify_audit(data(folder, name) / "audit.log", place=key)
        assert report.sound and all(
            entry.facts["asker"] == ada.key_id for entry in report.entries if "app" in entry.facts
        )
        wards = [entry for entry in report.entries if entry.facts.get("dataset") == "ward"]
        released[name] = [entry.kind.value for entry in wards].count("released")
    platform.close()
    end_platform()
    for name in PLACES:
        with Ledger(data(folder, name) / "ledger.sqlite") as ledger:
            assert ledger.spent("ward", "", "train").rounds_in_all == released[name]
    assert released["oslo"] - released["lima"] == 1
