"""Where a data node answers queries: judged before data is touched, spent and written down before an answer leaves.

In this order, and one at a time for each data set:

1. the policy allows the query, and the ledger has enough left for it;
2. the owner's loader gives the columns, and the statistic is computed and gets its noise;
3. the answer is kept on the disk;
4. it is reserved in the ledger, and the audit log has an entry of it;
5. it is committed, and leaves.

A query that comes again, by its id and asker, gets the answer that was kept, and is paid once, wherever the node was
killed in between. What is kept and was never reserved has not left; it is paid when the query comes again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from federated.accounting import Cost
from federated.auditrecords import AuditKind
from federated.columns import Loading
from federated.custody import Custodian
from federated.dataset import Dataset
from federated.errors import BudgetSpent, FederatedError, NotReleased, QueryInvalid
from federated.guarding import CustodianGate
from federated.messages import pack_message
from federated.policy import ReleasePolicy
from federated.queries import Query, QueryNoise
from federated.queryrules import QueryRule
from federated.statistics import cost_of, measured
from federated.verdicts import Rule

__all__ = ["QueryDesk"]

#: As which type of message the ledger counts them.
_TYPE: Final = "statistics"
_ID: Final = range(1, 129)  # letters of an id
_TABLE: Final = """CREATE TABLE IF NOT EXISTS answers (dataset TEXT, asker TEXT, id TEXT, request BLOB NOT NULL,
    answer BLOB NOT NULL, PRIMARY KEY (dataset, asker, id)) WITHOUT ROWID"""


class QueryDesk:
    """Of one node; safe to share among threads.

    Parameters
    ----------
    folder
        Where the answers are kept; None: in memory.

    Raises
    ------
    sqlite3.DatabaseError
        If there is a file that is damaged; it is left as it is.
    """

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, tuple[threading.Lock, Loading]] = {}
        path = ":memory:" if folder is None else folder / "queries.sqlite"
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        with closing(self._database.cursor()) as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute(_TABLE)

    def answer(self, name: str, dataset: Dataset, request: dict[str, Any], asker: str, sha256: bytes) -> bytes:
        """Answer a request ``query`` on a data set.

        Parameters
        ----------
        asker
            Key id of who has signed the request.
        sha256
            Of the request.

        Raises
        ------
        QueryInvalid, NotReleased, BudgetSpent, LoaderFailed
        LedgerError, AuditError
            Then nothing has left.
        """
        gate = dataset.gate
        policy = gate.custodian.policies.get(name) if isinstance(gate, CustodianGate) else None
        if policy is None or not isinstance(gate, CustodianGate):
            raise NotReleased(name, ["it has no policy, so no query is answered"], [Rule.QUERY])
        if len(request["id"]) not in _ID or not request["id"].isprintable():
            raise QueryInvalid("the id of a query is a text of 1 to 128 letters")
        query = Query.from_plain(request["query"])
        noise = None if request["noise"] is None else QueryNoise.from_plain(request["noise"])
        with self._lock:
            turn, loading = self._turns.setdefault(name, (threading.Lock(), Loading(name)))
        started = time.monotonic()
        if not turn.acquire(timeout=dataset.seconds):
            raise QueryInvalid(f"others are being answered, for longer than {dataset.seconds:g} seconds")
        try:
            left = dataset.seconds - (time.monotonic() - started)
            asked = _Asked(gate.custodian, policy, name, request["id"], asker, query, noise)
            return self._answered(asked, dataset, loading, sha256, left)
        finally:
            turn.release()

    def _answered(self, asked: _Asked, dataset: Dataset, loading: Loading, sha256: bytes, seconds: float) -> bytes:
        rule = asked.judged()
        kept = self._kept(asked)
        if kept is not None and kept[0] != sha256:
            raise QueryInvalid(f"another query came under the id {asked.id!r}, which was answered")
        if kept is not None and asked.has_left:
            return kept[1]
        if kept is None or not asked.is_reserved:
            asked.check_budget()
        if kept is not None:
            answer = kept[1]
        else:
            answer = self._computed(asked, rule, dataset, loading, seconds)
            with self._lock:
                row = (asked.dataset, asked.asker, asked.id, sha256, answer)
                self._database.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", row)
        asked.release(answer)
        return answer

    def _computed(self, asked: _Asked, rule: QueryRule, dataset: Dataset, loading: Loading, seconds: float) -> bytes:
        query = asked.query
        names = query.columns_by if query.column is None else query.columns_by | {query.column}
        began, outcome = time.monotonic(), "answered"
        try:
            columns = loading.columns(dataset, names, seconds)
            bounds = rule.bounds_of(query) if query.is_clipped else None
            found = measured(
                query, columns, bounds=bounds, asked=asked.noise, least=rule.least, noise=asked.custodian.noise
            )
        except FederatedError as error:
            outcome = error.slug
            raise
        finally:
            asked.note(AuditKind.EXECUTED, outcome=outcome, seconds=time.monotonic() - began)
        return pack_message("answered", dataset=asked.dataset, result=found.to_plain())

    def _kept(self, asked: _Asked) -> tuple[bytes, bytes] | None:
        with self._lock:
            row = self._database.execute(
                "SELECT request, answer FROM answers WHERE dataset=? AND asker=? AND id=?",
                (asked.dataset, asked.asker, asked.id),
            ).fetchone()
        return None if row is None else (bytes(row[0]), bytes(row[1]))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


class _Asked:
    """One query, before policy, ledger and log."""

    def __init__(
        self,
        custodian: Custodian,
        policy: ReleasePolicy,
        dataset: str,
        id: str,
        asker: str,
        query: Query,
        noise: QueryNoise | None,
    ) -> None:
        self.custodian = custodian
        self.policy = policy
        self.dataset = dataset
        self.id = id
        self.asker = asker
        self.query = query
        self.noise = noise
        self.run = f"query {id}"
        self.cost: Cost = cost_of(noise)

    def judged(self) -> QueryRule:
        """The rule that allows it."""
        ruling, rule = self.policy.judge_query(self.asker, self.query, self.noise)
        if rule is None:
            self.note(AuditKind.REFUSED, rules=[Rule.QUERY.value])
            ruling.require()
        assert rule is not None
        return rule

    @property
    def has_left(self) -> bool:
        """Whether its answer has."""
        return self.custodian.ledger.has_released(self.dataset, self.run, self.asker)

    @property
    def is_reserved(self) -> bool:
        """Whether its answer is paid, and the node ended before it left."""
        return self.custodian.ledger.reserved(self.dataset, self.run, self.asker) is not None

    def check_budget(self) -> None:
        """Refuse what the ledger has no room for."""
        spent = self.custodian.ledger.spent(self.dataset, self.run, _TYPE)
        lack = self.policy.allowance.lacking(spent, self.cost)
        if lack is not None:
            self.note(AuditKind.REFUSED, rules=[lack.what])
            raise BudgetSpent(self.dataset, lack.what, spent=lack.spent, needed=lack.needed, allowed=lack.allowed)

    def release(self, answer: bytes) -> None:
        """Spend it, unless that was done before the node ended, and write it down."""
        ledger = self.custodian.ledger
        try:
            row = ledger.reserved(self.dataset, self.run, self.asker) or ledger.reserve(
                self.dataset, self.run, self.asker, _TYPE, self.cost, self.policy.allowance
            )
        except BudgetSpent as error:
            self.note(AuditKind.WITHHELD, rules=[error.what])
            raise
        self.note(
            AuditKind.RELEASED,
            policy=self.policy.digest,
            bytes=len(answer),
            sha256=hashlib.sha256(answer).hexdigest(),
            rho=float(self.cost.rho),
            epsilon=float(self.cost.epsilon),
            ledger=row.number,
        )
        ledger.commit(row)

    def note(self, kind: AuditKind, **facts: Any) -> None:
        """Write an entry about it."""
        noise = None if self.noise is None else self.noise.to_plain()
        asked = json.dumps({"query": self.query.to_plain(), "noise": noise}, sort_keys=True)
        about = {"dataset": self.dataset, "run": self.run, "type": _TYPE, "asker": self.asker, "asked": asked}
        self.custodian.audit.note(kind, **about, **facts)
