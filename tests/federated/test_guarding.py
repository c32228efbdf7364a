"""The owner's policy, ledger and audit log around an unmodified Flower app, on real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from federated.accounting import Allowance
from federated.app import AppBundle
from federated.audit import AuditLog, verify_audit
from federated.custody import Custodian
from federated.dataset import AppAdmission, Dataset
from federated.guarding import CustodianGate
from federated.ledger import Ledger
from federated.local import LocalNodes
from federated.policy import NoiseRule, ReleasePolicy
from federated.results import RunResult
from federated.running import run_app
from mobility.trust import Identity, TrustEntry, TrustList

ROUNDS = 3


class Place:
    """A node's owner with files of his own, and what he says about his data."""

    def __init__(self, name: str, folder: Path, ada: Identity, policy: ReleasePolicy | None) -> None:
        self.key = Identity.generate(name, "place")
        folder.mkdir()
        self.ledger, self.audit_path = Ledger(folder / "ledger.sqlite"), folder / "audit.log"
        self.audit = AuditLog(self.audit_path, self.key)
        policies = {} if policy is None else {"data": policy}
        gate = CustodianGate(Custodian(policies, self.ledger, self.audit))
        self.dataset = Dataset(admission=AppAdmission(signers=frozenset({ada.key_id})), gate=gate)

    def story(self) -> list[str]:
        report = verify_audit(self.audit_path, place=self.key.public)
        assert report.sound
        return [entry.kind.value for entry in report.entries[1:]]

    def close(self) -> None:
        self.ledger.close()
        self.audit.close()


def policy(ada: Identity, **changes: object) -> ReleasePolicy:
    rules: dict[str, object] = {
        "dataset": "data",
        "signers": (ada.key_id,),
        "messages": ("train", "evaluate"),
        "keys": ("arrays.arrays.*", "metrics.metrics.*"),
        "exact": ("metrics.metrics.*",),
        "clip_norm": 1.0,
        "noise": NoiseRule(multiplier=0.01),
        **changes,
    }
    return ReleasePolicy(**rules)  # type: ignore[arg-type] # its own types are checked when it is made


@pytest.fixture
def places(tmp_path: Path, ada: Identity) -> Iterator[dict[str, Place]]:
    made = {
        "amal": Place("amal", tmp_path / "amal", ada, policy(ada)),
        "bela": Place(
            "bela", tmp_path / "bela", ada, policy(ada, allowance=Allowance(rounds=2, epsilon=1e9, delta=1e-5))
        ),
        "cara": Place("cara", tmp_path / "cara", ada, None),
    }
    yield made
    for place in made.values():
        place.close()


def run(places: dict[str, Place], ada: Identity, app: AppBundle) -> RunResult:
    trust = TrustList().trusting(TrustEntry(ada.public, "ada", (ada.public.role,)))
    with LocalNodes({name: {"data": place.dataset} for name, place in places.items()}, trust) as nodes:
        config = {"num-server-rounds": ROUNDS, "min-nodes": 1, "local-epochs": 20}
        return run_app(app, nodes=nodes, author=ada, run_config=config, seed=1)


def test_a_run_under_policies(ada: Identity, digits: AppBundle, places: dict[str, Place]) -> None:
    """A closed dataset takes no part; a budget ends in the middle of the run, for that node alone."""
    result = run(places, ada, digits)
    assert set(result.refused) == {"cara"} and "no policy" in result.refused["cara"]
    assert {node for node, *_ in result.failures} == {"bela"}
    assert any("rounds" in reason for *_, reason in result.failures)
    assert places["cara"].story() == ["refused"]
    told = places["amal"].story()
    assert told[0] == "admitted" and told.count("executed") == told.count("released") == 2 * ROUNDS
    assert places["bela"].story().count("released") < 2 * ROUNDS
    # Each update has a norm of at most 1, and so has their average; the noise is small here.
    weights = numpy.concatenate([one.ravel() for one in result.arrays.values()])
    assert 0.5 < float(numpy.linalg.norm(weights)) < ROUNDS * 1.5


def test_a_policy_that_forbids_what_the_app_returns(ada: Identity, digits: AppBundle, tmp_path: Path) -> None:
    """The app runs, and nothing leaves; the server learns the rule, and not the names."""
    place = Place("dora", tmp_path / "dora", ada, policy(ada, keys=("metrics.metrics.*",)))
    try:
        result = run({"dora": place}, ada, digits)
        reasons = {reason for _, kind, _, reason in result.failures if kind == "train"}
        assert reasons and all("not-released" in one and "coef" not in one for one in reasons)
        assert "withheld" in place.story()
    finally:
        place.close()
