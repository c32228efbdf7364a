"""A tour over the places of a real cluster, of which one refuses, and one is killed by ``kill -9`` under the agent."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import Platform
from federated.accounting import Allowance
from federated.audit import verify_audit
from federated.dataset import Dataset
from federated.ledger import Ledger
from federated.policy import ReleasePolicy
from federated.queries import Query, QueryNoise
from federated.queryrules import QueryRule
from federated.tour import TourResult, tour
from mobility.trust import Identity
from tests.support.ray_cluster import eventually, platform_here

pytestmark = pytest.mark.timeout(240)
PLACES = ("oslo", "baku", "lima")
ADA = Identity.generate("ada", "owner")


def ward(number: int, mark: Path, asker: str) -> Dataset:
    """Its loader waits as long as there is a mark, and says by another file that it does."""

    def load(config: Any) -> Any:
        import os
        import time

        import numpy

        if os.path.exists(config["mark"]):
            open(config["mark"] + ".seen", "w").close()
        while os.path.exists(config["mark"]):
            time.sleep(0.02)
        return {"age": numpy.random.default_rng(number).normal(40, 10, 500)}

    rule = QueryRule(kinds=("mean",), askers=(asker,), columns=("age",))
    policy = ReleasePolicy(dataset="ward", queries=(rule,), allowance=Allowance(counting_epsilon=10.0))
    return Dataset(loader=load, config={"mark": str(mark)}, policy=policy)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tour")


@pytest.fixture(scope="module")
def platform(folder: Path) -> Iterator[Platform]:
    """Three places with a ward each; that of baku answers somebody else alone."""
    given = {
        name: {"datasets": {"ward": ward(number, folder / name, "0" * 64 if name == "baku" else ADA.key_id)}}
        for number, name in enumerate(PLACES)
    }
    with platform_here(
        extensions=given, owner=ADA, home=folder / "home", state=folder / "state", lease_seconds=3.0, timeout=120.0
    ) as made:
        yield made


def spent(folder: Path, place: str) -> tuple[float, list[str]]:
    """Of the ward of a place: epsilon, and the kinds of the entries in its log."""
    data = folder / "state" / "places" / place / "extensions" / "datasets"
    with Ledger(data / "ledger.sqlite") as ledger:
        return ledger.spent("ward").cost.epsilon, [one.kind.value for one in verify_audit(data / "audit.log").entries]


def test_one_place_refuses_and_one_is_killed(platform: Platform, folder: Path) -> None:
    """The agent comes back with its place, asks again with the next of its requests, and goes on."""
    (folder / "lima").touch()
    before = next(one.about["pid"] for one in platform.places(details=True) if one.name == "lima")
    results: list[TourResult] = []
    query = Query.mean("age", bounds=(0, 100))

    def run() -> None:
        results.append(tour(platform, PLACES, query, noise=QueryNoise(2.0), timeout=120.0))

    asking = threading.Thread(target=run)
    asking.start()
    assert eventually((folder / "lima.seen").exists, 60.0)
    os.kill(before, signal.SIGKILL)
    (folder / "lima").unlink()
    asking.join(130)
    (result,) = results
    assert [site.place for site in result.sites] == ["oslo", "lima"]
    assert [(one.place, one.why) for one in result.refused] == [("baku", "not-released")]
    right = np.mean([np.random.default_rng(number).normal(40, 10, 500) for number in (0, 2)])
    assert abs(result.value - right) < 8 * result.error
    assert result.trail.verified
    for place, epsilon in (("oslo", 2.0), ("lima", 2.0), ("baku", 0.0)):
        cost, kinds = spent(folder, place)
        assert cost == epsilon and kinds.count("released") == (1 if epsilon else 0)
    assert spent(folder, "baku")[1][-1] == "refused"
