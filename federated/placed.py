"""The data node of a place: an extension of places (`agents.extensions`), asked by the service ``federated``.

All datasets of a place are in one node. Its folder has the ledger, the audit log that the place signs, the state of
runs, the requests that were made, and what apps print. The node is as lasting as the folder: after ``kill -9`` of its
place it goes on with its runs, and what was spent stays spent.

Datasets are described in the place's TOML file (`federated.policyfile`), or given in Python as
``{"ward": Dataset(policy=...)}``. Of a name that is given twice the last one counts: first come files for all places,
then those of this one, then what Python gives. Files are read when the place starts; a policy that is changed holds
from its next start on.

A ledger or a log that is not what was written keeps the node from being opened: who asks it is told why, until the
owner has looked, and the place serves all else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from agents.extensions import Premises
from federated.audit import AuditLog
from federated.auditrecords import AuditKind
from federated.custody import Custodian
from federated.dataset import Dataset
from federated.errors import PolicyInvalid
from federated.guarding import CustodianGate
from federated.node import DataNode
from federated.policyfile import datasets_from_table

__all__ = ["SERVICE", "PlacedDatasets", "open_datasets"]

#: By which a place is asked for its data node.
SERVICE: Final = "federated"


class PlacedDatasets:
    """The data node of one place, open.

    Raises
    ------
    federated.errors.FederatedError
        For datasets that cannot be, and for a ledger or an audit log that cannot be used.
    sqlite3.DatabaseError
        If the state of runs is damaged.
    """

    def __init__(self, premises: Premises) -> None:
        datasets: dict[str, Dataset] = {}
        for table, file in premises.tables:
            datasets |= datasets_from_table(table, path=file)
        for given in premises.given:
            datasets |= _checked(given)
        policies = {name: one.policy for name, one in datasets.items() if one.policy is not None}
        with ExitStack() as opened:
            self.custodian = opened.enter_context(Custodian.open(premises.folder, premises.identity, policies))
            guarded = {name: _guarded(one, self.custodian) for name, one in datasets.items()}
            self.node = DataNode(premises.place, guarded, premises.trust, folder=premises.folder)
            opened.pop_all()

    @property
    def services(self) -> Mapping[str, Callable[..., Any]]:
        """One: bytes in, bytes out."""
        return {SERVICE: self._handle}

    def _handle(self, here: Any, request: bytes) -> bytes:
        return self.node.handle(request)

    def close(self) -> None:
        """End the processes of apps, then close ledger and log."""
        self.node.close()
        self.custodian.close()


class _Opening:
    """What the entry point names."""

    def __call__(self, premises: Premises) -> PlacedDatasets:
        return PlacedDatasets(premises)

    def check(self, value: Any, file: Path | None) -> None:
        """Refuse what cannot be used.

        Raises
        ------
        PolicyInvalid
        """
        if file is None:
            _checked(value)
        else:
            datasets_from_table(value, path=file)


#: Opens the datasets of a place.
open_datasets: Final = _Opening()


def _checked(given: Any) -> dict[str, Dataset]:
    if not isinstance(given, Mapping):
        raise PolicyInvalid("what is given as datasets", f"is a {type(given).__qualname__}, and no dict of Dataset")
    for name, one in given.items():
        if type(name) is not str or not name or not isinstance(one, Dataset):
            raise PolicyInvalid(f"what is given as dataset {name!r:.80}", "is no Dataset under a name")
        if one.policy is not None and one.policy.dataset != name:
            raise PolicyInvalid(f"the policy of the dataset {name!r:.80}", f"is that of {one.policy.dataset!r:.80}")
    return dict(given)


def _guarded(dataset: Dataset, custodian: Custodian) -> Dataset:
    """With the place's gate and audit log, unless Python has given others.

    One that is admitted to by Python, and has no policy, is open to whom it admits; that is written down, too.
    """
    closed = dataset.policy is None and not (dataset.admission.signers or dataset.admission.digests)
    gate = dataset.gate
    if gate is None and (dataset.policy is not None or closed):
        gate = CustodianGate(custodian)
    witness = dataset.witness or _AuditWitness(custodian.audit, guarded=isinstance(gate, CustodianGate))
    return replace(dataset, gate=gate, witness=witness)


class _AuditWitness:
    """Writes down what the gate does not."""

    def __init__(self, audit: AuditLog, *, guarded: bool) -> None:
        self._audit = audit
        self._guarded = guarded

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        if self._guarded and (event not in ("refused", "withheld") or facts.get("why") in ("not-released", "raised")):
            return
        # Runs are written as the gate writes them: the numbers are larger than JSON's.
        self._audit.note(AuditKind(event), **{name: str(v) if name == "run" else v for name, v in facts.items()})
