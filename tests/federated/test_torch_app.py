"""An app of PyTorch, written as Flower's quickstart is: its parts start in time, and keep within their memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from federated.app import AppBundle
from federated.dataset import AppAdmission, Dataset
from federated.local import LocalNodes
from federated.running import run_app
from mobility.trust import Identity, TrustEntry, TrustList
from tests.federated.conftest import APPS

pytest.importorskip("torch", reason="PyTorch is an extra: pip install sojourn[torch]")
pytest.importorskip("sklearn", reason="the data is scikit-learn's")

CENTRAL = """
import torch
from torchdigits.task import Net, load_data, test, train
torch.manual_seed(0)
net = Net()
loader, held = load_data(0, 1)
train(net, loader, 9, 0.2)
print(test(net, held))
"""


def test_it_runs_unmodified_and_learns_as_central_training_does(ada: Identity) -> None:
    """float32 weights, running means, and the counter of batch normalisation."""
    app = AppBundle.from_dir(APPS / "torchdigits").signed_by(ada)
    with LocalNodes.admitting(ada, ["amal", "bela"]) as nodes:
        first = run_app(app, nodes=nodes, seed=1, least=2)
    assert not first.failures
    dtypes = {name: str(array.dtype) for name, array in first.arrays.items()}
    assert dtypes["hidden.weight"] == "float32" and len(dtypes) == 9
    accuracy = first.metrics["evaluate"][3]["eval_acc"]
    central = subprocess.run(
        [sys.executable, "-c", CENTRAL], cwd=APPS / "torchdigits", capture_output=True, text=True, timeout=120
    )
    assert central.returncode == 0, central.stderr
    assert accuracy > 0.85 and accuracy > float(central.stdout) - 0.06


def test_memory_is_a_limit_of_one_node_alone(ada: Identity) -> None:
    """What has too little says so, and the run goes on with the other."""
    app = AppBundle.from_dir(APPS / "torchdigits").signed_by(ada)
    admission = AppAdmission(signers=frozenset({ada.key_id}))
    trust = TrustList().trusting(TrustEntry(ada.public, ada.name, (ada.public.role,)))
    small = Dataset(admission=admission, memory_bytes=300 << 20)
    large = Dataset(admission=admission, memory_bytes=8 << 30)
    with LocalNodes({"small": {"data": small}, "large": {"data": large}}, trust) as nodes:
        result = run_app(app, nodes=nodes, seed=1, run_config={"num-server-rounds": 1, "min-nodes": 1})
    assert result.nodes == ("large",) and not result.failures and len(result.arrays) == 9
    assert "small cannot load the app: loading it raised ImportError" in result.refused["small"]
