"""The owner's side of a place: policy, ledger and audit log, in the one order in which nothing is lost.

A message is judged before the app runs, and its reply is released after. On the way out, in this order:

1. the policy looks at the reply, clips it and adds noise (`federated.releasing`);
2. the release is *reserved* in the ledger, which has it on its disk;
3. the audit log has an entry of it on its disk;
4. the reply leaves;
5. the release is *committed*.

Wherever the process is killed: what has left is spent and written down. What was spent may not have left; that errs on
the side of the data.

`Custodian.open` holds the two files against each other. A ledger that lacks a row which the log names is an old copy; a
log that lacks a release which the ledger has committed was cut. Who replaces both by copies of one moment is not found
out here, but by whoever was given a later `AuditHead`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from federated.accounting import Cost, Spent
from federated.audit import AuditLog, verify_audit
from federated.auditrecords import AuditEntry, AuditHead, AuditKind
from federated.errors import AlreadyReleased, AuditCorrupt, BudgetSpent
from federated.ledger import Ledger
from federated.ledgerrows import LedgerRow, RowKind
from federated.noise import Noise
from federated.policy import AppRequest, ReleasePolicy
from federated.releasing import Released, released
from federated.verdicts import Objection, Rule, Ruling
from mobility.plain import encode
from mobility.trust.keys import Identity

__all__ = ["Custodian", "Departed"]


@dataclass(frozen=True, slots=True)
class Departed:
    """How a reply fared.

    Attributes
    ----------
    released
        What the policy made of it; its ruling says whether anything has left.
    head
        How far the audit log had come with it: to be given to whoever wants to check the log later.
    """

    released: Released
    head: AuditHead


class Custodian:
    """Decides for the data sets of one place, and writes down what it decided; safe to share among threads.

    Parameters
    ----------
    policies
        By data set; one that is not here is closed.
    noise
        By default from the system's random bytes.
    """

    def __init__(
        self, policies: Mapping[str, ReleasePolicy], ledger: Ledger, audit: AuditLog, *, noise: Noise | None = None
    ) -> None:
        self.policies = dict(policies)
        self.ledger = ledger
        self.audit = audit
        self.noise = noise or Noise()
        self._lock = threading.Lock()
        self._leaving: set[tuple[str, str, str]] = set()

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        place: Identity,
        policies: Mapping[str, ReleasePolicy],
        *,
        noise: Noise | None = None,
        accept: str | None = None,
    ) -> Custodian:
        """Open, or make, ``ledger.sqlite`` and ``audit.log`` in a folder of the place.

        Parameters
        ----------
        place
            Signs the log.
        accept
            The owner's reason to go on with files that do not agree, after a repair: it is written into both. What was
            spent and is not in the ledger is forgotten by that.

        Raises
        ------
        LedgerCorrupt, AuditCorrupt
            If one of them is not what was written, or is older than the other.
        LedgerUnusable, AuditUnusable
        """
        ledger_path, audit_path = Path(folder) / "ledger.sqlite", Path(folder) / "audit.log"
        with ExitStack() as opened:
            audit = opened.enter_context(AuditLog(audit_path, place))
            if accept is not None:
                ledger = opened.enter_context(Ledger.accept(ledger_path, accept))
                audit.note(AuditKind.ACCEPTED, reason=accept, ledger=ledger.head.number)
            else:
                noted = _noted(verify_audit(audit_path).entries)
                ledger = opened.enter_context(Ledger(ledger_path, at_least=max(noted, default=0)))
                _require_noted(audit_path, ledger.rows(), noted)
            opened.pop_all()
        return cls(policies, ledger, audit, noise=noise)

    def close(self) -> None:
        """Close both files; closing twice does no harm."""
        self.ledger.close()
        self.audit.close()

    def __enter__(self) -> Custodian:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def admit(self, dataset: str, digest: str, signers: tuple[str, ...], asker: str = "") -> Ruling:
        """Whether an app may run on a data set; written down either way.

        Parameters
        ----------
        signers
            Key ids whose signatures over the app have been verified.
        asker
            Key id of who wants to run it, for the audit.

        Raises
        ------
        AuditUnusable
            Then it must not run.
        """
        policy = self.policies.get(dataset)
        ruling = _closed(dataset) if policy is None else policy.admits(digest, signers)
        kind = AuditKind.ADMITTED if ruling.allowed else AuditKind.REFUSED
        about = {"dataset": dataset, "app": digest, "signers": list(signers), **_asked_by(asker)}
        self.audit.note(kind, **about, **_reasons(ruling), **_policy(policy))
        return ruling

    def judge(self, dataset: str, run: str, message: str, request: AppRequest) -> Ruling:
        """Whether a message may be answered at all, before the app runs for it; a refusal is written down.

        Parameters
        ----------
        message
            Its id.

        Raises
        ------
        LedgerCorrupt, LedgerUnusable, AuditUnusable
            Then the app must not run.
        """
        policy = self.policies.get(dataset)
        if policy is None:
            ruling = _closed(dataset)
        else:
            ruling = policy.judge(request, self.ledger.spent(dataset, run, request.message))
        if not ruling.allowed:
            self.audit.note(AuditKind.REFUSED, **_about(dataset, run, message, request), **_reasons(ruling))
        return ruling

    def ran(self, dataset: str, run: str, message: str, request: AppRequest, outcome: str, seconds: float) -> AuditHead:
        """Write down that the app has run for a message, and how that ended: ``"answered"``, or what went wrong.

        Raises
        ------
        AuditUnusable
            Then its reply must not leave.
        """
        about = _about(dataset, run, message, request)
        return self.audit.note(AuditKind.EXECUTED, **about, outcome=outcome, seconds=float(seconds))

    def release(
        self,
        dataset: str,
        run: str,
        message: str,
        request: AppRequest,
        reply: Mapping[str, Any],
        sent: Mapping[str, Any] | None,
        send: Callable[[bytes], object],
    ) -> Departed:
        """Let the reply to a message leave, as far as the policy allows it.

        Parameters
        ----------
        reply, sent
            As for `federated.releasing.released`.
        send
            Called once, with the reply in the plain codec; not if nothing may leave. What it raises is passed on, and
            the release stays spent.

        Raises
        ------
        AlreadyReleased
            If the answer to this message has left before, or is just leaving.
        LedgerCorrupt, LedgerUnusable, AuditUnusable
            Nothing has left then.
        """
        with self._once(dataset, run, message):
            return self._release(dataset, run, message, request, reply, sent, send)

    @contextmanager
    def _once(self, dataset: str, run: str, message: str) -> Iterator[None]:
        """Two threads that answer the same message would both find it unanswered."""
        with self._lock:
            if (dataset, run, message) in self._leaving:
                raise AlreadyReleased(dataset, run, message)
            self._leaving.add((dataset, run, message))
        try:
            yield
        finally:
            with self._lock:
                self._leaving.discard((dataset, run, message))

    def _release(
        self,
        dataset: str,
        run: str,
        message: str,
        request: AppRequest,
        reply: Mapping[str, Any],
        sent: Mapping[str, Any] | None,
        send: Callable[[bytes], object],
    ) -> Departed:
        about = _about(dataset, run, message, request)
        policy = self.policies.get(dataset)
        if policy is None:
            return self._withheld(about, Released(_closed(dataset)))
        # The policy may have changed, or the budget ended, since the message came.
        ruling = policy.judge(request, Spent())
        if not ruling.allowed:
            return self._withheld(about, Released(ruling))
        result = released(policy, reply, sent, self.noise)
        if result.reply is None:
            return self._withheld(about, result)
        data = encode(result.reply)
        try:
            reservation = self.ledger.reserve(dataset, run, message, request.message, result.cost, policy.allowance)
        except BudgetSpent as error:
            refused = Ruling(dataset, (Objection(Rule(error.what), "", error.reason),))
            return self._withheld(about, replace(result, ruling=refused, reply=None, cost=Cost()))
        head = self.audit.note(
            AuditKind.RELEASED,
            **about,
            **_policy(policy),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            rho=float(result.cost.rho),
            epsilon=float(result.cost.epsilon),
            ledger=reservation.number,
        )
        send(data)
        self.ledger.commit(reservation)
        return Departed(result, head)

    def _withheld(self, about: dict[str, Any], result: Released) -> Departed:
        return Departed(result, self.audit.note(AuditKind.WITHHELD, **about, **_reasons(result.ruling)))


def _noted(entries: Sequence[AuditEntry]) -> set[int]:
    """The ledger's rows that the log names, since the owner has last accepted both."""
    noted: set[int] = set()
    for entry in entries:
        row = entry.facts.get("ledger")
        if entry.kind is AuditKind.ACCEPTED:
            noted.clear()
        if entry.kind in (AuditKind.ACCEPTED, AuditKind.RELEASED) and type(row) is int:
            noted.add(row)
    return noted


def _require_noted(audit_path: Path, rows: Sequence[LedgerRow], noted: set[int]) -> None:
    accepted = max((row.number for row in rows if row.kind is RowKind.ACCEPTED), default=0)
    for row in rows:
        if row.kind is RowKind.COMMITTED and row.answers > accepted and row.answers not in noted:
            raise AuditCorrupt(audit_path, f"lacks the release that is row {row.answers} of the ledger: it was cut")


def _closed(dataset: str) -> Ruling:
    return Ruling(dataset, (Objection(Rule.ADMISSION, "", "this data set has no policy here, so it is closed"),))


def _about(dataset: str, run: str, message: str, request: AppRequest) -> dict[str, Any]:
    about = {"dataset": dataset, "run": run, "message": message, "type": request.message, "app": request.digest}
    return {**about, **_asked_by(request.asker)}


def _asked_by(asker: str) -> dict[str, Any]:
    return {"asker": asker} if asker else {}


def _policy(policy: ReleasePolicy | None) -> dict[str, Any]:
    return {} if policy is None else {"policy": policy.digest}


def _reasons(ruling: Ruling) -> dict[str, Any]:
    """The rules, and where: not the problems, which may repeat what the app has chosen to say there."""
    if ruling.allowed:
        return {}
    return {"rules": sorted({one.rule.value for one in ruling.objections})}
