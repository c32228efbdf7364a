"""A client of Flower whose training is suspended when its time is over, and goes on with the next message."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from federated.app import AppBundle
from federated.apperrors import ServerAppFailed
from federated.journal import RoundJournal, run_digest
from federated.local import LocalNodes
from federated.running import RunResult, run_app
from mobility.trust import Identity
from tests.federated.conftest import APPS

pytest.importorskip("sklearn", reason="the data is scikit-learn's")
NODES = ["amal", "bela"]
STEPS = 2 * 2 * 15  # two nodes, two epochs of 285 or 284 patients, 20 at a time


@pytest.fixture(scope="module")
def app(ada: Identity) -> AppBundle:
    return AppBundle.from_dir(APPS / "sittings").signed_by(ada)


def run(app: AppBundle, nodes: LocalNodes, **options: Any) -> RunResult:
    return run_app(app, nodes=nodes, seed=1, least=2, **options)


@pytest.fixture(scope="module")
def undisturbed(app: AppBundle, ada: Identity) -> RunResult:
    """All in one sitting."""
    with LocalNodes.admitting(ada, NODES) as nodes:
        result = run(app, nodes, run_config={"sitting-steps": 0})
    assert result.metrics["train"][1]["sittings"] == 1
    return result


def check(result: RunResult, undisturbed: RunResult) -> Any:
    """The same bits; each patient once in each epoch; and something was learnt."""
    assert list(result.arrays) == list(undisturbed.arrays)
    for name, array in undisturbed.arrays.items():
        assert result.arrays[name].tobytes() == array.tobytes(), name
    for number in range(2):
        assert (result.arrays[f"seen-{number}"] == 2).all() and len(result.arrays[f"seen-{number}"]) > 280
    counts = result.metrics["train"][1]
    assert counts["accuracy"] > 0.93 and counts["steps"] == STEPS and counts["failed"] == 0
    return counts


def test_in_sittings_of_no_time(app: AppBundle, ada: Identity, undisturbed: RunResult) -> None:
    """One batch each: suspended after every one of them."""
    with LocalNodes.admitting(ada, NODES) as nodes:
        config = {"sitting-seconds": 0.0, "sitting-steps": 0}
        counts = check(run(app, nodes, run_config=config), undisturbed)
    assert counts["sittings"] == 31 and counts["taken-up"] == 60


def test_the_nodes_and_the_server_end_and_the_next_day_all_go_on_at_that_batch(
    app: AppBundle, ada: Identity, undisturbed: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an epoch; what the nodes have done is on their disks, and what they said in the journal."""
    stop = tmp_path / "stop"
    monkeypatch.setenv("STOP_HERE", str(stop))
    stop.touch()
    admitted = LocalNodes.admitting(ada, NODES)
    admitted.close()

    def day() -> LocalNodes:
        return LocalNodes(admitted._datasets, admitted._trust, folder=tmp_path / "nodes", asker=admitted.asker)

    def journal() -> RoundJournal:
        return RoundJournal(tmp_path / "run.journal", run_digest(app.digest, b"", 1))

    with day() as nodes, journal() as written, pytest.raises(ServerAppFailed, match="has ended with code 9"):
        run(app, nodes, journal=written)
    stop.unlink()
    time.sleep(0.1)
    with day() as nodes, journal() as written:
        result = run(app, nodes, journal=written)
    counts = check(result, undisturbed)
    assert counts["sittings"] == 5 and counts["taken-up"] == 8
    assert result.tally.recalled == 4 and result.tally.asked == 6  # what was answered before was not trained again


def test_a_node_that_is_killed_between_two_sittings(
    app: AppBundle, ada: Identity, undisturbed: RunResult, tmp_path: Path
) -> None:
    """It comes back with what it has on disk, and its client goes on."""
    admitted = LocalNodes.admitting(ada, NODES)
    admitted.close()

    class Killing(LocalNodes):
        asked = 0

        def ask(self, node: str, request: bytes, timeout: float) -> bytes:
            answer = super().ask(node, request, timeout)
            self.asked += node == "bela"
            if node == "bela" and self.asked == 3:
                self.kill(node)
                self.start(node)
            return answer

    with Killing(admitted._datasets, admitted._trust, folder=tmp_path / "nodes") as nodes:
        result = run(app, nodes)
        assert nodes.asked > 4
    check(result, undisturbed)
