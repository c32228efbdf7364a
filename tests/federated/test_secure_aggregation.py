"""Secure aggregation at nodes that do not believe the server: an honest one gets its sum, each lie its own refusal.

The nodes and their processes serve all runs of this module; the app's clients are Flower's, unmodified, and so is its
workflow but for the lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import pytest

from federated.apperrors import TooFewNodes
from federated.audit import AuditLog, verify_audit
from federated.dataset import AppAdmission, Dataset
from federated.local import LocalNodes
from federated.running import RunResult, run_app
from federated.witnessing import AuditWitness
from mobility.trust import Identity, TrustEntry, TrustList
from tests.federated.conftest import APPS
from tests.federated.probes import probe

NAMES = ("amal", "bela", "cara")


@dataclass
class Hospitals:
    """Three nodes that demand each other, and their audit logs."""

    ada: Identity
    nodes: LocalNodes
    logs: dict[str, Path] = field(default_factory=dict)

    def run(self, app: str, **config: str) -> RunResult:
        return run_app(APPS / app, nodes=self.nodes, author=self.ada, seed=1, run_config=config)

    def refusals(self, run: int) -> set[str]:
        rows = [row for path in self.logs.values() for row in verify_audit(path).rows()]
        return {row["why"] for row in rows if row["kind"] != "opened" and row["run"] == str(run)}


@pytest.fixture(scope="module")
def hospitals(ada: Identity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospitals]:
    folder = tmp_path_factory.mktemp("audit")
    logs = {name: AuditLog(folder / f"{name}.log", Identity.generate(name, "place")) for name in NAMES}
    admission = AppAdmission(signers=frozenset({ada.key_id}))
    datasets = {
        name: {"data": Dataset(admission=admission, tell=True, least=3, witness=AuditWitness(logs[name]))}
        for name in NAMES
    }
    trust = TrustList().trusting(TrustEntry(ada.public, "ada", (ada.public.role,)))
    with LocalNodes(datasets, trust) as nodes:
        yield Hospitals(ada, nodes, {name: folder / f"{name}.log" for name in NAMES})
    for log in logs.values():
        log.close()


def test_the_sum_is_right(hospitals: Hospitals) -> None:
    """Flower's own app, workflow and mod, two rounds: each node has checked roster, keys and consents."""
    result = hospitals.run("secagg")
    assert not result.failures and not result.refused
    (mean,) = result.arrays.values()
    assert numpy.allclose(mean, 1.0, atol=4e-4)  # of 0, 1 and 2; Flower's quantization is off by less
    assert hospitals.refusals(result.run) == set()


#: And why it is refused.
LIES = {
    "none": "",
    "old-keys": "forged-key",
    "threshold-1": "threshold",
    "weights": "another-setup",
    "forged-key": "forged-key",
    "made-up-node": "forged-key",
    "too-few-keys": "too-few-keys",
    "other-model": "not-agreed",
    "both-shares": "both-shares",
    "lone-survivor": "too-few",
}


@pytest.fixture(scope="module")
def lied(hospitals: Hospitals) -> RunResult:
    """One run, with another lie in each round."""
    return hospitals.run("lying", lies=" ".join(LIES))


@pytest.mark.parametrize(("number", "lie"), list(enumerate(LIES, 1)))
def test_a_lie_is_refused_with_its_reason(hospitals: Hospitals, lied: RunResult, number: int, lie: str) -> None:
    """In the failures of the run, and in the audit logs of the nodes; what is asked without a lie is answered."""
    reasons = [reason for _, _, group, reason in lied.failures if group == str(number)]
    if lie == "none":
        assert not reasons
        return
    assert any(f"({LIES[lie]})" in reason for reason in reasons), reasons
    assert LIES[lie] in hospitals.refusals(lied.run)


def test_lies_got_the_server_nothing(lied: RunResult) -> None:
    """What it has at the end is what the one honest round gave."""
    (mean,) = lied.arrays.values()
    assert numpy.allclose(mean, 1.0, atol=4e-4)


def test_an_app_that_masks_nothing_has_its_roster_too(ada: Identity, hospitals: Hospitals, tmp_path: Path) -> None:
    """Others take part by their own word; what each returns is then the owner's policy's affair."""
    app = probe(tmp_path / "app", "return answer(msg, numpy.ones(4))")
    result = run_app(app, nodes=hospitals.nodes, author=ada)
    assert set(result.nodes) == set(NAMES) and not result.failures


def test_without_enough_others_nothing_begins(ada: Identity, tmp_path: Path) -> None:
    """Two of three demanded; and three, of whom one is no fellow of the others. The run says who refused, and why."""
    admission = AppAdmission(signers=frozenset({ada.key_id}))
    app = probe(tmp_path / "app", "return answer(msg, numpy.ones(4))").signed_by(ada)
    with LocalNodes.admitting(ada, NAMES[:2], dataset=lambda _: Dataset(admission=admission, least=3)) as nodes:
        with pytest.raises(TooFewNodes, match="needs 3 nodes"):
            run_app(app, nodes=nodes, patience=1.0)
        fellows = frozenset(one.key_id for one in nodes.identities.values()) - {nodes.identities["bela"].key_id}
        nodes["amal"].set_dataset("data", Dataset(admission=admission, least=2, fellows=fellows | {"0" * 64}))
        nodes["bela"].set_dataset("data", Dataset(admission=admission, least=2))
        with pytest.raises(TooFewNodes, match="by a signed roster") as told:
            run_app(app, nodes=nodes, patience=1.0)
        assert "untrusted-signer" in told.value.refused["amal"]
        assert "not-endorsed" in told.value.refused["bela"]
