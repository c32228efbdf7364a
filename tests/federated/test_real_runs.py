"""Real data, skewed by label: what strategies achieve here is what they achieve in Flower's own engine.

``reference_runs.json`` holds what Flower's simulation engine came to, with its actors on Ray: ``python -m
benchmarks.federated --reference tests/federated/reference_runs.json`` writes it. The app sorts the replies of a round,
so that the weights are the same bits on one machine; on another one the linear algebra may round otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from benchmarks.engines import APPS, Outcome
from benchmarks.federated import REFERENCE, accuracy, central, rows, speed
from federated.app import AppBundle
from federated.grid import GridExchange
from federated.local import LocalNodes
from federated.requests import SignedLink
from federated.running import RunResult, run_app
from mobility.trust import Identity

KNOWN = json.loads((Path(__file__).parent / "reference_runs.json").read_text(encoding="utf-8"))
NAMES = [f"node-{number:02}" for number in range(KNOWN["nodes"])]


@pytest.fixture(scope="module")
def tabular() -> AppBundle:
    """Softmax regression."""
    return AppBundle.from_dir(APPS / "tabular")


@pytest.fixture(scope="module")
def nodes(ada: Identity, tabular: AppBundle) -> Iterator[LocalNodes]:
    """On which a run goes on all the time, so that the processes of the app stay for the next."""
    with LocalNodes.admitting(ada, NAMES) as link:
        settings = tabular.config.with_overrides({})
        bundle = tabular.signed_by(ada).to_bytes()
        GridExchange(SignedLink(link, ada), 5, bundle=bundle, app=tabular.digest, settings=settings).begin()
        yield link


@pytest.fixture(scope="module")
def runs(ada: Identity, tabular: AppBundle, nodes: LocalNodes, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each strategy once: the result, and the report of the app itself."""
    done: dict[str, tuple[RunResult, dict[str, Any]]] = {}

    def run(strategy: str) -> tuple[RunResult, dict[str, Any]]:
        if strategy not in done:
            report = tmp_path_factory.mktemp("report") / "report.json"
            config = {**KNOWN["settings"], "strategy": strategy, "min-nodes": len(NAMES), "report": str(report)}
            result = run_app(tabular, nodes=nodes, author=ada, run_config=config, seed=1)
            done[strategy] = result, json.loads(report.read_text())
        return done[strategy]

    return run


@pytest.fixture(scope="module")
def tabular_modules() -> Iterator[Any]:
    """The app's own modules, as its processes have them."""
    import importlib

    sys.path.insert(0, str(APPS / "tabular"))
    try:
        yield importlib.import_module("tabular.partition"), importlib.import_module("tabular.task")
    finally:
        sys.path.remove(str(APPS / "tabular"))
        for name in [name for name in sys.modules if name.partition(".")[0] == "tabular"]:
            del sys.modules[name]


# -- what strategies achieve


@pytest.mark.parametrize("strategy", REFERENCE)
def test_a_strategy_comes_to_what_it_comes_to_in_flowers_engine(strategy: str, runs: Any) -> None:
    """Same partitions, same seeds: the same weights, and the same accuracy in every round."""
    result, report = runs(strategy)
    known = KNOWN["results"][strategy]
    assert result.strategy == strategy and not result.failures and len(result.nodes) == len(NAMES)
    assert numpy.allclose(report["sums"], known["sums"], rtol=1e-6, atol=1e-9)
    assert numpy.allclose(report["accuracies"], known["accuracies"], rtol=0, atol=1.5 / 360)
    assert report["accuracies"][-1] > 0.8


def test_the_strategies_differ(runs: Any) -> None:
    """Else a strategy that is not chosen would go unnoticed."""
    assert len({runs(strategy)[1]["weights"] for strategy in REFERENCE}) == len(REFERENCE)


def test_a_run_done_again_has_the_same_bits(ada: Identity, runs: Any, nodes: LocalNodes, tabular: AppBundle) -> None:
    """Whatever the order in which nodes answer, and whatever ran before."""
    before, _ = runs("FedAvg")
    config = {**KNOWN["settings"], "min-nodes": len(NAMES)}
    again = run_app(tabular, nodes=nodes, author=ada, run_config=config, seed=2)
    assert {name: one.tobytes() for name, one in again.arrays.items()} == {
        name: one.tobytes() for name, one in before.arrays.items()
    }


def test_central_training_is_the_yardstick(runs: Any) -> None:
    """Trained as long on all the data in one place, the model is better, and not by miles."""
    best = central(KNOWN["settings"])
    reached = {strategy: runs(strategy)[1]["accuracies"][-1] for strategy in REFERENCE}
    assert best > 0.93
    assert all(best - 0.15 < one < best + 0.02 for one in reached.values()), (best, reached)


# -- how the data is dealt


@pytest.mark.parametrize("data", ["digits", "breast-cancer"])
@pytest.mark.parametrize("nodes_", [3, 5, 10])
def test_a_partition_is_whole_and_a_function_of_its_arguments(data: str, nodes_: int, tabular_modules: Any) -> None:
    """Each example has one node; each node has enough; another seed, alpha or number of nodes deals otherwise."""
    partition, task = tabular_modules
    (_, labels), _ = task.load_whole(data)
    owner = partition.owners(labels, nodes_, 0.3, 7)
    counts = numpy.bincount(owner, minlength=nodes_)
    assert len(counts) == nodes_ and counts.sum() == len(labels) and counts.min() >= partition.LEAST
    assert (owner == partition.owners(labels, nodes_, 0.3, 7)).all()
    for other in ((nodes_, 0.3, 8), (nodes_, 0.4, 7), (nodes_ + 1, 0.3, 7)):
        assert (owner != partition.owners(labels, *other)).any()
    parts = [task.load_part(data, number, nodes_, 0.3, 7) for number in range(nodes_)]
    assert sum(len(train[1]) + len(held[1]) for train, held in parts) == len(labels)


def test_a_small_alpha_skews_and_a_large_one_does_not(tabular_modules: Any) -> None:
    """The share of the most frequent label at a node, on average."""
    partition, task = tabular_modules
    (_, labels), _ = task.load_whole("digits")

    def share(alpha: float) -> float:
        owner = partition.owners(labels, 5, alpha, 7)
        return float(
            numpy.mean([numpy.bincount(labels[owner == node]).max() / (owner == node).sum() for node in range(5)])
        )

    assert share(0.3) > 0.25 > 0.13 > share(1000.0)


def test_too_few_examples_are_refused(tabular_modules: Any) -> None:
    """Rather than drawn for without end."""
    partition, _ = tabular_modules
    with pytest.raises(ValueError, match="not enough for 4 nodes"):
        partition.owners(numpy.zeros(47, dtype=int), 4, 0.3, 7)


# -- the benchmark


def test_the_table_has_every_strategy() -> None:
    """One of a later Flower too; boosted trees have an app of their own."""
    import flwr.serverapp.strategy as strategies

    named = {row.name for row in rows()}
    trees = {"FedXgbBagging", "FedXgbCyclic"}
    assert set(strategies.__all__) - {"Result", "Strategy"} - trees <= named
    assert len(named) == len(rows()) >= 20


def test_speed_is_the_ratio_of_runs_that_took_turns() -> None:
    """By engines whose seconds are known: each first in every other pair, first rounds left out."""
    turns: list[str] = []

    def engine(name: str, seconds: float) -> Any:
        def run(app: Path, nodes: int, settings: dict[str, Any]) -> Outcome:
            turns.append(name)
            assert (app.name, nodes) == ("speed", 10)
            return Outcome.of({"weights": "same", "seconds": [99.0, *[seconds] * settings["num-server-rounds"]]}, 200.0)

        return run

    found = speed(10, 100, 3, (engine("ours", 0.25), engine("theirs", 1.0)))
    assert found["ratio"] == 0.25 and found["aim"] == 0.2 and found["ratios"] == [0.25] * 3
    assert found["flower"]["first"] == 99.0 and found["flower"]["beside"] == 200 - 99 - 20
    assert turns in (
        ["ours", "theirs", "theirs", "ours", "ours", "theirs"],
        ["theirs", "ours", "ours", "theirs", "theirs", "ours"],
    )


def test_engines_that_come_to_different_weights_are_not_compared() -> None:
    """Whoever loses a message is fast."""

    def engine(weights: str) -> Any:
        return lambda app, nodes, settings: Outcome.of({"weights": weights, "seconds": [1.0, 1.0]}, 3.0)

    with pytest.raises(RuntimeError, match="different weights"):
        speed(10, 100, 2, (engine("one"), engine("two")))


def test_a_row_of_the_table_runs_an_app_with_other_parts() -> None:
    """SecAgg+ has a server and a client of its own."""
    seen: list[str] = []

    def engine(app: Path, nodes: int, settings: dict[str, Any]) -> Outcome:
        seen.append(AppBundle.from_dir(app).config.clientapp)
        return Outcome.of({"weights": "", "seconds": [1.0, 1.0]}, 3.0)

    for row in rows():
        accuracy(row, engine)
    assert set(seen) == {"tabular.client_app:app", "tabular.secure_client:app"}
    assert seen.count("tabular.secure_client:app") == 1
