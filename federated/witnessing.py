"""A place's audit log as the witness of its datasets: also what was refused before a policy was asked stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from federated.audit import AuditLog
from federated.auditrecords import AuditKind

__all__ = ["AuditWitness"]

#: A custodian has written these down itself, with its reasons.
_BY_CUSTODIAN: Final = frozenset({"not-released", "budget-spent", "already-released"})
_KINDS: Final = {"refused": AuditKind.REFUSED, "withheld": AuditKind.WITHHELD}


class AuditWitness:
    """Writes down what a node has refused or withheld, beside the entries of a `CustodianGate`.

    Parameters
    ----------
    audit
        The log; the custodian's, as a rule.
    """

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """One event of a node.

        Raises
        ------
        AuditUnusable
        """
        kind = _KINDS.get(event)
        if kind is not None and facts.get("why") not in _BY_CUSTODIAN:
            # Runs have numbers of 62 bits, and JSON's have 53; the custodian writes them as text, too.
            self._audit.note(kind, **{name: str(value) for name, value in facts.items()})
