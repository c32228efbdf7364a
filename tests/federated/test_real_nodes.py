"""Places of a real cluster and a driver of its own process, killed by ``kill -9``: the run ends as if nothing had been.

That a place which is killed fails its own reply alone is in `test_places`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy
import pytest

from agents import Platform
from federated.app import AppBundle
from federated.audit import verify_audit
from federated.ledger import Ledger
from federated.linking import PlatformNodes
from federated.running import RunResult, run_app
from mobility.trust import Identity
from tests.federated.probes import CONFIG, write
from tests.support.ray_cluster import end_platform, environment, eventually, platform_here

pytestmark = pytest.mark.timeout(240)
PLACES = ("baku", "lima", "oslo")
ROUNDS = 3

CLIENT = """
values = msg.content["arrays"]["0"].numpy()
number, part = msg.content["config"]["server-round"], context.node_config["partition-id"]
seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
with open(context.node_config["trained"], "a") as file: file.write(f"{context.run_id} {part} {number}\\n")
while os.path.exists(f"{context.run_config['hold']}.{part}.{number}"): time.sleep(0.02)
return answer(msg, values * 0.7 + numpy.sin(numpy.arange(4)) / (part + 3) + seen["n"] / 3)
"""

DRIVER = """
import sys
from pathlib import Path
import numpy
from agents import connect
from federated import PlatformNodes, run_app
from mobility.trust import Identity

address, key, folder, name, hold = sys.argv[1:]
folder = Path(folder)
with connect(address, owner=Identity.load(key), home=folder / "home", progress=lambda line: None) as platform:
    ada = platform.client.owner
    result = run_app(folder / "app", nodes=PlatformNodes(platform, ["baku", "lima", "oslo"]), author=ada, seed=4,
                     dataset="ward", run_config={"hold": hold}, journal=folder / f"{name}.journal")
numpy.save(folder / f"{name}.npy", result.arrays["0"])
print(result.tally.asked, result.tally.recalled, len(result.failures))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("real")
    write(made / "app", CLIENT, project=CONFIG.format(f'rounds = {ROUNDS}\ntimeout = 60.0\nhold = "/nowhere"'))
    return made


@pytest.fixture(scope="module")
def platform(folder: Path, ada: Identity) -> Iterator[Platform]:
    """In each ward what leaves is clipped, and in each clinic it gets noise, which is enough for two rounds."""
    ada.save(folder / "ada.key")
    files = {}
    for name in PLACES:
        files[name] = folder / f"{name}.toml"
        rules = f"""
            signers = ["{ada.key_id}"]
            messages = ["train"]
            keys = ["arrays.arrays.*", "metrics.metrics.*"]
            exact = ["metrics.metrics.*"]
            clip_norm = 100.0
            """
        files[name].write_text(
            f"""
            [place.datasets.ward]
            config = {{ trained = "{folder / "trained"}" }}
            seconds = 60
            [place.datasets.ward.policy]{rules}
            [place.datasets.clinic]
            config = {{ trained = "{folder / "trained"}" }}
            tell = true
            [place.datasets.clinic.policy]{rules}
            noise = {{ epsilon = 1.0, delta = 1e-5 }}
            allowance = {{ epsilon = {1.8 if name == "lima" else 100.0}, delta = 1e-5 }}
            """
        )
    with platform_here(
        place_files=files, owner=ada, home=folder / "home", state=folder / "state", lease_seconds=3.0, timeout=120.0
    ) as made:
        yield made


def driver(platform: Platform, folder: Path, name: str, hold: Path) -> subprocess.Popen[str]:
    arguments = [platform.address, str(folder / "ada.key"), str(folder), name, str(hold)]
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def trained(folder: Path) -> list[Counter[str]]:
    """By run, in their order: who has trained in which round, how often."""
    found: dict[str, Counter[str]] = {}
    for line in (folder / "trained").read_text().splitlines() if (folder / "trained").exists() else []:
        run, _, what = line.partition(" ")
        found.setdefault(run, Counter())[what] += 1
    return list(found.values())


def begun(folder: Path, number: str) -> bool:
    """Whether all three work on this round of the second run, or have."""
    runs = trained(folder)
    return len(runs) == 2 and runs[1].keys() >= {f"{part} {number}" for part in "012"}


def rests(path: Path) -> bool:
    """Whether a file does not grow for a moment."""
    before = path.stat().st_size
    time.sleep(1.5)
    return path.stat().st_size == before


def test_a_driver_that_is_killed_in_mid_round_ends_with_the_same_bits(platform: Platform, folder: Path) -> None:
    """Two have answered and one is at work; nobody trains twice, the one that was at work neither."""
    hold = folder / "hold"
    undisturbed = driver(platform, folder, "undisturbed", folder / "hold")
    assert undisturbed.wait(120) == 0, undisturbed.communicate()[1][-3000:]
    assert undisturbed.communicate()[0] == "9 0 0\n"
    held = [Path(f"{hold}.{part}.{number}") for part, number in ((1, 2), (2, 3))]
    try:
        for mark in held:
            mark.touch()
            one = driver(platform, folder, "killed", hold)
            assert eventually(partial(begun, folder, mark.name[-1]), 60.0)
            # The two that are not held have answered, and the journal has it.
            assert eventually(partial(rests, folder / "killed.journal"), 20.0)
            one.kill()
            one.communicate()
            assert one.returncode == -signal.SIGKILL
            mark.unlink()
        last = driver(platform, folder, "killed", hold)
        out, err = last.communicate(timeout=120)
        assert last.returncode == 0, err[-3000:]
    finally:
        for mark in held:
            mark.unlink(missing_ok=True)
    asked, recalled, failures = map(int, out.split())
    assert asked + recalled == 9 and recalled == 8 and failures == 0
    assert numpy.load(folder / "killed.npy").tobytes() == numpy.load(folder / "undisturbed.npy").tobytes()
    first, second = trained(folder)
    assert first == second and set(second.values()) == {1} and len(second) == 9


def clinic(platform: Platform, folder: Path, ada: Identity) -> RunResult:
    bundle = AppBundle.from_dir(folder / "app")
    return run_app(bundle, nodes=PlatformNodes(platform, PLACES), author=ada, dataset="clinic", seed=1)


def test_epsilon_that_ends_in_mid_run_stays_spent_after_the_place_was_killed(
    platform: Platform, folder: Path, ada: Identity
) -> None:
    """The others go on; the log, which the place has signed across the kill, tells it all."""
    first = clinic(platform, folder, ada)
    assert [node for node, *_ in first.failures] == ["lima"] and first.nodes == PLACES
    reason = first.failures[0][3]
    assert "not-released" in reason and "of 1.8 epsilon are spent" in reason and "Ask the owner of the data" in reason
    assert set(first.metrics["train"]) == {1, 2, 3}
    before = next(one.about["pid"] for one in platform.places(details=True) if one.name == "lima")
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        rows = platform.places(details=True)
        return any(one.name == "lima" and one.about.get("pid") not in (None, before) for one in rows)

    assert eventually(back, 60.0)
    second = clinic(platform, folder, ada)
    assert [node for node, *_ in second.failures] == ["lima"] * 3 and second.nodes == PLACES
    data = folder / "state" / "places" / "lima" / "extensions" / "datasets"
    report = verify_audit(
        data / "audit.log", place=Identity.load(folder / "state" / "places" / "lima" / "place.key").public
    )
    assert report.sound
    story = [one.kind.value for one in report.entries if one.facts.get("dataset") == "clinic"]
    assert story == [
        "admitted", *("executed", "released") * 2, "refused", "admitted", "refused", "refused", "refused",
    ]  # fmt: skip
    platform.close()
    end_platform()
    with Ledger(data / "ledger.sqlite") as ledger:
        spent = ledger.spent("clinic", "", "train")
        assert spent.rounds_in_all == 2 and spent.cost.rho > 0
