"""The rows of a ledger: what one says, how they are chained, and what they come to."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from federated.accounting import FREE, Cost, Spent
from federated.errors import LedgerCorrupt

__all__ = ["LedgerHead", "LedgerRow", "Reservation", "RowKind", "Sums", "row_of"]


class RowKind(StrEnum):
    """What a row says."""

    #: The first row; its message is a random number, by which the ledger is known.
    BEGUN = "begun"
    RESERVED = "reserved"
    #: That of the reservation which it `answers` has left.
    COMMITTED = "committed"
    #: The owner goes on with the ledger as it is.
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row.

    Attributes
    ----------
    number
        From 1 on, without gaps.
    time
        Unix time, in seconds.
    dataset, run, message, type
        What was released: the answer to this message, of this type.
    cost
        What is reserved.
    answers
        The number of the reservation that is committed; 0 otherwise.
    digest
        SHA-256 over the row and the digest before it.
    """

    number: int
    time: float
    kind: RowKind
    dataset: str
    run: str
    message: str
    type: str
    cost: Cost
    answers: int
    digest: bytes

    def digest_after(self, before: bytes) -> bytes:
        """What `digest` has to be."""
        facts = [
            *(self.number, float(self.time).hex(), self.kind.value, self.dataset, self.run, self.message, self.type),
            *(float(self.cost.rho).hex(), float(self.cost.epsilon).hex(), self.answers),
        ]
        return hashlib.sha256(before + json.dumps(facts, separators=(",", ":")).encode("ascii")).digest()


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The last row's number and digest: whoever keeps it can tell later whether anything before it is gone."""

    number: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Reservation:
    """What may be released now, once."""

    number: int
    dataset: str
    run: str
    message: str
    cost: Cost


class Sums:
    """What the rows come to, and up to which they were read."""

    def __init__(self) -> None:
        self.head = LedgerHead(0, bytes(32))
        self.cost: dict[str, Cost] = {}
        self.run_cost: dict[tuple[str, str], Cost] = {}
        self.rounds: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.rounds_in_all: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.open: dict[int, LedgerRow] = {}
        self.committed: set[tuple[str, str, str]] = set()

    def spent(self, dataset: str, run: str, type: str) -> Spent:
        """Of a data set, and for messages of this type in this run and in all."""
        rounds, in_all = self.rounds.get((dataset, run, type), 0), self.rounds_in_all.get((dataset, type), 0)
        return Spent(rounds, in_all, self.cost.get(dataset, FREE))

    def add(self, row: LedgerRow) -> str | None:
        """Take one more row; returns what is wrong with it."""
        if row.number != self.head.number + 1:
            return f"has the row {row.number} where {self.head.number + 1} is due"
        if row.digest != row.digest_after(self.head.digest):
            return f"has a row {row.number} whose digest does not fit: it, or one before it, was altered"
        if (row.number == 1) != (row.kind is RowKind.BEGUN):
            return f"has the row {row.number} of the kind {row.kind}"
        if row.kind is RowKind.RESERVED:
            self.cost[row.dataset] = self.cost.get(row.dataset, FREE) + row.cost
            of_run = (row.dataset, row.run)
            self.run_cost[of_run] = self.run_cost.get(of_run, FREE) + row.cost
            self.rounds[row.dataset, row.run, row.type] += 1
            self.rounds_in_all[row.dataset, row.type] += 1
            self.open[row.number] = row
        elif row.kind is RowKind.COMMITTED:
            reserved = self.open.pop(row.answers, None)
            if reserved is None:
                return f"has the row {row.number}, which commits {row.answers}, and that is no open reservation"
            self.committed.add((reserved.dataset, reserved.run, reserved.message))
        self.head = LedgerHead(row.number, row.digest)
        return None


def row_of(values: Any, path: Path) -> LedgerRow:
    """A row as sqlite gives it, in the order of the columns; refused if it cannot be one."""
    try:
        number, moment, kind, dataset, run, message, type, rho, epsilon, answers, digest = values
        return LedgerRow(
            int(number), float(moment), RowKind(kind), dataset, run, message, type, Cost(rho, epsilon), answers, digest
        )
    except (ValueError, TypeError) as error:
        raise LedgerCorrupt(path, f"has a row {values[0]} that cannot be: {error}") from None
