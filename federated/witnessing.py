"""A place's audit log as the witness of its datasets: also what was refused before a policy was asked stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from federated.audit import AuditLog
from federated.auditrecords import AuditKind

__all__ = ["AuditWitness"]

#: A custodian has written these down itself, with its reasons.
_BY_CUSTODIAN: Final = frozenset({"not-released", "budget-spent", "already-released", "raised"})


class AuditWitness:
    """Writes down what happens at a node's datasets.

    Parameters
    ----------
    audit
        The log; the custodian's, as a rule.
    guarded
        Whether a `CustodianGate` stands before them, which writes down itself what it decides and what is executed.
    """

    def __init__(self, audit: AuditLog, *, guarded: bool = True) -> None:
        self._audit = audit
        self._guarded = guarded

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """One event of a node.

        Raises
        ------
        AuditUnusable
        """
        if self._guarded and (event not in ("refused", "withheld") or facts.get("why") in _BY_CUSTODIAN):
            return
        # Runs have numbers of 62 bits, and JSON's have 53; the custodian writes them as text, too.
        self._audit.note(AuditKind(event), **{name: str(v) if name == "run" else v for name, v in facts.items()})
