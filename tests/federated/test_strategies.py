"""Every strategy and wrapper of Flower's runs to the end on nodes' processes, by an app that knows nothing of us."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import flwr.serverapp.strategy as strategies
import numpy
import pytest

from federated.app import AppBundle
from federated.grid import GridExchange
from federated.local import LocalNodes
from federated.requests import SignedLink
from federated.results import RunResult
from federated.running import run_app
from mobility.trust import Identity
from tests.federated.conftest import APPS

WRAPPERS = {
    "DifferentialPrivacyServerSideFixedClipping": "digits.client_app:app",
    "DifferentialPrivacyServerSideAdaptiveClipping": "digits.client_app:app",
    "DifferentialPrivacyClientSideFixedClipping": "digits.client_mods:fixed",
    "DifferentialPrivacyClientSideAdaptiveClipping": "digits.client_mods:adaptive",
}
TREES = ["FedXgbBagging", "FedXgbCyclic"]
PLAIN = sorted(set(strategies.__all__) - set(WRAPPERS) - set(TREES) - {"Result", "Strategy"})
ROUNDS = 4
NODES = ["amal", "bela", "cara", "dora"]


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, str]]:
    """What each came to, printed at the end."""
    rows: dict[str, str] = {}
    yield rows
    print()
    for name, row in rows.items():
        print(f"{name:<50}{row}")


@pytest.fixture(scope="module")
def nodes(ada: Identity, digits: AppBundle) -> Iterator[LocalNodes]:
    """Four nodes, on which a run of the same app goes on all the time: so its processes stay, and tests are fast."""
    with LocalNodes.admitting(ada, NODES) as link:
        settings = digits.config.with_overrides({})
        bundle = digits.signed_by(ada).to_bytes()
        GridExchange(SignedLink(link, ada), 5, bundle=bundle, app=digits.digest, settings=settings).begin()
        yield link


def last(result: RunResult, name: str = "accuracy") -> float:
    server = result.metrics["server"]
    return float(server[max(server)][name])


def digits_with(tmp_path: Path, client: str) -> AppBundle:
    """The same app with another of its ClientApps."""
    folder = tmp_path / "digits"
    shutil.copytree(APPS / "digits", folder, ignore=shutil.ignore_patterns("__pycache__"))
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace("digits.client_app:app", client))
    return AppBundle.from_dir(folder)


def test_the_list_of_strategies_is_whole() -> None:
    """A strategy of a later Flower is run as well, or this fails."""
    assert set(PLAIN) | set(TREES) | set(WRAPPERS) == set(strategies.__all__) - {"Result", "Strategy"}
    assert len(PLAIN) >= 12


@pytest.mark.parametrize("name", PLAIN)
def test_strategy(name: str, ada: Identity, digits: AppBundle, nodes: LocalNodes, table: dict[str, str]) -> None:
    """It trains: far better than the tenth that guessing gives."""
    config = {"strategy": name, "num-server-rounds": ROUNDS, "min-nodes": len(NODES)}
    result = run_app(digits, nodes=nodes, author=ada, run_config=config, seed=1)
    assert result.strategy == name
    assert not result.failures
    assert set(result.metrics["train"]) == set(result.metrics["evaluate"]) == set(range(1, ROUNDS + 1))
    assert all(numpy.isfinite(one).all() for one in result.arrays.values())
    table[name] = f"{last(result):.3f}"
    assert last(result) > 0.3


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrapper(name: str, ada: Identity, nodes: LocalNodes, table: dict[str, str], tmp_path: Path) -> None:
    """Differential privacy by the server and by the clients' mods, around FedAvg."""
    app = digits_with(tmp_path, WRAPPERS[name])
    config = {"wrapper": name, "num-server-rounds": ROUNDS, "min-nodes": len(NODES)}
    result = run_app(app, nodes=nodes, author=ada, run_config=config, seed=1)
    assert result.strategy == name
    assert not result.failures
    table[name] = f"{last(result):.3f}"
    assert last(result) > 0.3


@pytest.mark.parametrize("mod", ["local", "sizes"])
def test_client_mod(mod: str, ada: Identity, nodes: LocalNodes, table: dict[str, str], tmp_path: Path) -> None:
    """LocalDpMod, and the mods that only look."""
    app = digits_with(tmp_path, f"digits.client_mods:{mod}")
    config = {"num-server-rounds": ROUNDS, "min-nodes": len(NODES)}
    result = run_app(app, nodes=nodes, author=ada, run_config=config, seed=1)
    assert not result.failures
    table[f"FedAvg with the mods of {mod!r}"] = f"{last(result):.3f}"
    assert last(result) > 0.3


@pytest.mark.skipif(importlib.util.find_spec("xgboost") is None, reason="xgboost is not installed here")
@pytest.mark.parametrize("name", TREES)
def test_trees(name: str, ada: Identity, nodes: LocalNodes, table: dict[str, str]) -> None:
    """Boosted trees, whose model is text in an array of bytes and grows by round."""
    result = run_app(APPS / "trees", nodes=nodes, author=ada, run_config={"strategy": name}, seed=1)
    assert result.strategy == name
    assert not result.failures
    table[name] = f"{last(result):.3f}"
    assert last(result) > 0.85


def test_secure_aggregation(ada: Identity, table: dict[str, str]) -> None:
    """SecAgg+: four messages a round, state in the context between them; the server sees the mean alone."""
    with LocalNodes.admitting(ada, ["amal", "bela", "cara"]) as link:
        result = run_app(APPS / "secagg", nodes=link, author=ada, seed=1)
    assert result.strategy == "FedAvg"
    assert not result.failures
    (mean,) = result.arrays.values()
    # The mean of 0, 1 and 2. Flower rounds at random to steps of 16 / 2**22, of numbers that it has made smaller by
    # 10 examples in 1000: the mean of three is off by less than one step of 3.8e-4.
    assert numpy.allclose(mean, 1.0, atol=4e-4)
    assert result.metrics["evaluate"][2]["loss"] == pytest.approx(8.0, abs=8 * 4e-4)
    table["SecAggPlusWorkflow, secaggplus_mod"] = f"mean {float(mean.mean()):.5f} of 0, 1, 2"
