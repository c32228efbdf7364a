"""A custodian as the gate of a node's datasets: policy, ledger and audit log between Flower's apps and the server.

A policy's keys are those of records: ``arrays.arrays.coef`` is the array ``coef`` of the ArrayRecord ``arrays``,
``metrics.metrics.loss`` a number of the MetricRecord ``metrics``, ``configs.NAME.KEY`` a value of a ConfigRecord.
"""

from __future__ import annotations

from typing import Any

from federated.custody import Custodian
from federated.dataset import Execution, Records
from federated.errors import NotReleased
from federated.policy import AppRequest
from mobility.plain import decode

__all__ = ["CustodianGate"]


class CustodianGate:
    """The gate of all datasets for which a custodian has policies.

    What leaves has been reserved in the ledger and written down before; a node that dies in between has spent it all
    the same, and answers the repeated message with an error.
    """

    def __init__(self, custodian: Custodian) -> None:
        self.custodian = custodian

    def admit(self, dataset: str, app: str, author: str, asker: str) -> None:
        """Refuse an app that the policy does not list.

        Raises
        ------
        NotReleased, AuditUnusable
        """
        self.custodian.admit(dataset, app, (author,), asker).require()

    def before(self, execution: Execution) -> None:
        """Refuse a message that the policy or the ledger has no room for, before the app runs.

        Raises
        ------
        NotReleased, LedgerError, AuditUnusable
        """
        run = str(execution.run)
        self.custodian.judge(execution.dataset, run, execution.message, _request(execution)).require()

    def ended(self, execution: Execution, outcome: str, seconds: float) -> None:
        """Write down that the app has run.

        Raises
        ------
        AuditUnusable
        """
        run = str(execution.run)
        self.custodian.ran(execution.dataset, run, execution.message, _request(execution), outcome, seconds)

    def after(self, execution: Execution, content: Records) -> Records:
        """What the policy makes of a reply: clipped, noised, spent, written down.

        Raises
        ------
        NotReleased, AlreadyReleased, LedgerError, AuditUnusable
        """
        left: list[bytes] = []
        departed = self.custodian.release(
            execution.dataset,
            str(execution.run),
            execution.message,
            _request(execution),
            _nested(content),
            _nested(execution.content),
            left.append,
        )
        departed.released.ruling.require()
        if not left:
            raise NotReleased(execution.dataset, ["nothing of the reply may leave"], [])
        return _records(decode(left[0]), content)


def _request(execution: Execution) -> AppRequest:
    return AppRequest(execution.app, (execution.author,), execution.message_type, execution.asker)


def _nested(records: Records) -> dict[str, Any]:
    result: dict[str, Any] = {"arrays": {}, "metrics": {}, "configs": {}}
    for kind, name, items in records:
        result[kind][name] = dict(items)
    return {kind: named for kind, named in result.items() if named}


def _records(nested: dict[str, Any], returned: Records) -> Records:
    """In the order in which the app has returned them: strategies pair arrays by it."""
    result: Records = []
    for kind, name, items in returned:
        released = nested.get(kind, {}).get(name)
        if released is not None:
            result.append([kind, name, {key: released[key] for key in items if key in released}])
    return result
