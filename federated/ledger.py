"""What each data set of a node has spent, of all runs, in a file that forgets nothing.

Rules
-----
1. *Reserve, release, commit.* A release is reserved before it leaves, and committed after. What is reserved is spent: a
   process that is killed between the two has spent a release that may not have left, and never the other way round.
2. A release that is reserved again after such an end, for the same message, is another release and costs again. One
   that was committed is refused: the node sends the answer that it kept, or none.
3. What the allowance says is checked in the transaction that reserves, so that two processes never spend the same rest.
4. Rows are only added. Each has a digest over itself and the row before; a row that was changed, removed or put in
   shows. Triggers keep programs from it that mean no harm.
5. The *mark* beside the file has the number and digest of the last row that was promised. A ledger that is older than
   its mark, or is missing while there is a mark, is refused: an old copy would have forgotten what was spent since.
6. A ledger that is damaged is refused, and never begun anew. `Ledger.accept` goes on with one as it is, by the owner's
   decision, and writes that down.
7. What `reserve` has returned survives ``kill -9`` and the loss of power (sqlite's WAL with ``synchronous = FULL``).

Not handled: somebody who may write the folder, and replaces ledger and mark together by older ones. `at_least` holds
the ledger against a number that is known from elsewhere; `federated.custody` takes that from the audit log.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from federated.accounting import FREE, Allowance, Cost, Spent
from federated.errors import AlreadyReleased, BudgetSpent, LedgerCorrupt, LedgerUnusable
from federated.ledgerrows import LedgerHead, LedgerRow, Reservation, RowKind, Sums, row_of

__all__ = ["Ledger"]

#: How long a process waits for another one's transaction, in seconds.
_PATIENCE: Final = 30.0
_APPLICATION: Final = 0x536A4C67  # SjLg
_VERSION: Final = 1
_COLUMNS: Final = "number, time, kind, dataset, run, message, type, rho, epsilon, answers, digest"
_ROWS: Final = f"SELECT {_COLUMNS} FROM rows WHERE number > ? ORDER BY number"
_TABLES: Final = (
    """CREATE TABLE rows (
        number INTEGER PRIMARY KEY NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL, dataset TEXT NOT NULL,
        run TEXT NOT NULL, message TEXT NOT NULL, type TEXT NOT NULL, rho REAL NOT NULL, epsilon REAL NOT NULL,
        answers INTEGER NOT NULL, digest BLOB NOT NULL
    )""",
    """CREATE TRIGGER no_change BEFORE UPDATE ON rows
        BEGIN SELECT RAISE(ABORT, 'the ledger only grows: nothing in it is changed'); END""",
    """CREATE TRIGGER no_deletion BEFORE DELETE ON rows
        BEGIN SELECT RAISE(ABORT, 'the ledger only grows: nothing in it is deleted'); END""",
    # INSERT OR REPLACE deletes without asking the trigger above, unless the connection wishes otherwise.
    """CREATE TRIGGER no_gap BEFORE INSERT ON rows
        WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM rows)
        BEGIN SELECT RAISE(ABORT, 'the ledger only grows: nothing in it is replaced'); END""",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)


class Ledger:
    """The ledger of a node; safe to share among threads, and among processes that open it each for itself.

    Parameters
    ----------
    path
        The file; made if neither it nor its mark is there.
    at_least
        The number of a row that is known from elsewhere to have been written.

    Raises
    ------
    LedgerCorrupt, LedgerUnusable
    """

    def __init__(self, path: str | os.PathLike[str], *, at_least: int = 0) -> None:
        self._prepare(Path(path))
        try:
            with self._alone():
                self._open(self._read_mark(), at_least)
        except BaseException:
            self.close()
            raise

    def _prepare(self, path: Path) -> None:
        self.path = path
        self._mark_path = path.with_name(path.name + ".mark")
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._sums = Sums()
        self._added: list[LedgerRow] = []

    @classmethod
    def accept(cls, path: str | os.PathLike[str], reason: str) -> Ledger:
        """Go on with a ledger whose mark is missing or newer, after restoring it from a copy.

        What was spent since that copy is forgotten: only the data's owner can decide that. The decision is written
        into the ledger.

        Parameters
        ----------
        reason
            Why, for whoever reads the ledger.

        Raises
        ------
        LedgerCorrupt
            If the rows themselves do not fit together.
        LedgerUnusable
        """
        self = cls.__new__(cls)
        self._prepare(Path(path))
        try:
            with self._alone():
                if not self.path.exists():
                    raise LedgerCorrupt(self.path, "is missing: there is nothing to go on with")
                self._mark_path.unlink(missing_ok=True)
                self._open(LedgerHead(0, bytes(32)), 0)
                with self._change() as database:
                    self._append(database, RowKind.ACCEPTED, message=reason)
                self._write_mark()
        except BaseException:
            self.close()
            raise
        return self

    # -- asking

    @property
    def head(self) -> LedgerHead:
        """Of everything that any process has written."""
        with self._look():
            return self._sums.head

    def spent(self, dataset: str, run: str = "", type: str = "") -> Spent:
        """What a data set has spent, and how often messages of this type were answered, in this run and in all."""
        with self._look():
            return self._sums.spent(dataset, run, type)

    def spent_by(self, dataset: str, run: str) -> Cost:
        """What one run has cost a data set."""
        with self._look():
            return self._sums.run_cost.get((dataset, run), FREE)

    def datasets(self) -> tuple[str, ...]:
        """Of which something was released, or reserved."""
        with self._look():
            return tuple(sorted(self._sums.cost))

    def has_released(self, dataset: str, run: str, message: str) -> bool:
        """Whether the answer to this message was committed."""
        with self._look():
            return (dataset, run, message) in self._sums.committed

    def reserved(self, dataset: str, run: str, message: str) -> Reservation | None:
        """The reservation for the answer to this message that was not committed, the last one of several."""
        with self._look():
            for row in reversed(self._sums.open.values()):
                if (row.dataset, row.run, row.message) == (dataset, run, message):
                    return Reservation(row.number, dataset, run, message, row.cost)
        return None

    def rows(self) -> list[LedgerRow]:
        """All rows, read and verified anew.

        Raises
        ------
        LedgerCorrupt, LedgerUnusable
        """
        with self._look() as database:
            found = [row_of(values, self.path) for values in database.execute(_ROWS, (0,))]
        sums = Sums()
        for row in found:
            self._take(sums, row)
        return found

    # -- spending

    def reserve(
        self, dataset: str, run: str, message: str, type: str, cost: Cost = FREE, allowance: Allowance | None = None
    ) -> Reservation:
        """Spend one release, before it leaves; on return it is on the disk.

        Parameters
        ----------
        message, type
            The id of the message that is answered, and its type.
        cost
            What `federated.releasing.released` says.
        allowance
            What the policy allows in all.

        Raises
        ------
        BudgetSpent
            If there is not so much left; nothing was written.
        AlreadyReleased
            If the answer to this message has left.
        ValueError
            For names that are no Unicode text.
        LedgerCorrupt, LedgerUnusable
        """
        for text in (dataset, run, message, type):
            text.encode("utf-8")  # a lone surrogate, which sqlite would refuse in the middle
        with self._change() as database:
            sums = self._sums
            if (dataset, run, message) in sums.committed:
                raise AlreadyReleased(dataset, run, message)
            lack = None if allowance is None else allowance.lacking(sums.spent(dataset, run, type), cost)
            if lack is not None:
                raise BudgetSpent(dataset, lack.what, spent=lack.spent, needed=lack.needed, allowed=lack.allowed)
            row = self._append(
                database, RowKind.RESERVED, dataset=dataset, run=run, message=message, type=type, cost=cost
            )
        self._write_mark()
        return Reservation(row.number, dataset, run, message, cost)

    def commit(self, reservation: Reservation) -> None:
        """Note that the release has left; doing it twice does no harm.

        Raises
        ------
        ValueError
            For a reservation that this ledger has not made.
        LedgerCorrupt, LedgerUnusable
        """
        with self._change() as database:
            made = self._sums.open.get(reservation.number)
            of = (reservation.dataset, reservation.run, reservation.message)
            if made is None and of in self._sums.committed:
                return
            if made is None or (made.dataset, made.run, made.message) != of:
                raise ValueError(f"the reservation {reservation.number} is not one of {self.path}")
            self._append(
                database,
                RowKind.COMMITTED,
                dataset=made.dataset,
                run=made.run,
                message=made.message,
                type=made.type,
                answers=made.number,
            )
        self._write_mark()

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- opening

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While a ledger is opened no other process opens it: it might be the one that makes it."""
        with self._translated():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            guard = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(guard, fcntl.LOCK_EX)
                yield
            finally:
                os.close(guard)

    def _open(self, mark: LedgerHead | None, at_least: int) -> None:
        there = self.path.exists() and self.path.stat().st_size > 0
        if not there and (mark is not None or at_least > 0):
            raise LedgerCorrupt(self.path, "is missing or empty, and something was written into it before")
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        self._connection = database
        new = self._is_new(database)
        if new and (mark is not None or at_least > 0):
            raise LedgerCorrupt(self.path, "has no rows, and something was written into it before")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        if new:
            with self._change(begun=False) as database:
                for statement in _TABLES:
                    database.execute(statement)
                self._append(database, RowKind.BEGUN, message=os.urandom(16).hex())
            self._write_mark()
            return
        for (problem,) in database.execute("PRAGMA quick_check").fetchall():
            if problem != "ok":
                raise LedgerCorrupt(self.path, f"is damaged: {problem}")
        with self._look():
            head = self._sums.head
        if mark is None and head.number > 1:
            raise LedgerCorrupt(self.path, "has lost its mark, the file beside it that says how far it has come")
        self._check_mark(mark)
        if head.number < at_least:
            raise LedgerCorrupt(self.path, f"ends with row {head.number}, and row {at_least} was written once")
        self._write_mark()

    def _is_new(self, database: sqlite3.Connection) -> bool:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not (version or application or tables):
            return True
        if application != _APPLICATION:
            raise LedgerCorrupt(self.path, "is a database of another kind")
        if version != _VERSION:
            raise LedgerUnusable(self.path, f"is of version {version}, and this program knows {_VERSION}")
        return False

    def _check_mark(self, mark: LedgerHead | None) -> None:
        if mark is None or mark.number == 0:
            return
        database = self._opened()
        row = database.execute("SELECT digest FROM rows WHERE number = ?", (mark.number,)).fetchone()
        if row is None:
            last = self._sums.head.number
            raise LedgerCorrupt(
                self.path, f"ends with row {last}, and row {mark.number} was written: it is an old copy"
            )
        if row[0] != mark.digest:
            raise LedgerCorrupt(self.path, f"has another row {mark.number} than was written")

    # -- the mark

    def _read_mark(self) -> LedgerHead | None:
        try:
            text = self._mark_path.read_bytes()
        except FileNotFoundError:
            return None
        if not text:
            return None  # killed between making and writing it, when there was nothing to lose yet
        fields = text.split()
        with suppress(ValueError, IndexError):
            head = LedgerHead(int(fields[0]), bytes.fromhex(fields[1].decode("ascii")))
            if text == _mark(head):
                return head
        raise LedgerCorrupt(self.path, f"has a mark that is damaged: {self._mark_path}")

    def _write_mark(self) -> None:
        """Note what is promised: never less than another process has noted."""
        with self._translated(), self._lock:
            file = os.open(self._mark_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                noted = os.pread(file, 200, 0).split()
                if not noted or int(noted[0]) <= self._sums.head.number:
                    os.pwrite(file, _mark(self._sums.head), 0)
            except ValueError:
                raise LedgerCorrupt(self.path, f"has a mark that is damaged: {self._mark_path}") from None
            finally:
                os.close(file)

    # -- transactions

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise LedgerUnusable(self.path, "was closed")
        return self._connection

    @contextmanager
    def _look(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            database = self._opened()
            database.execute("BEGIN")
            try:
                self._catch_up(database)
                yield database
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")

    @contextmanager
    def _change(self, *, begun: bool = True) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            database = self._opened()
            database.execute("BEGIN IMMEDIATE")
            self._added.clear()
            try:
                if begun:
                    self._catch_up(database)
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    with suppress(sqlite3.Error):
                        database.execute("ROLLBACK")
                raise
            for row in self._added:
                self._take(self._sums, row)

    def _catch_up(self, database: sqlite3.Connection) -> None:
        """Read what other processes have written, and see that what was read is still there."""
        before = self._sums.head
        if before.number:
            last = database.execute("SELECT digest FROM rows WHERE number = ?", (before.number,)).fetchone()
            if last is None or last[0] != before.digest:
                raise LedgerCorrupt(self.path, f"has lost its row {before.number} while it was open")
        for values in database.execute(_ROWS, (before.number,)):
            self._take(self._sums, row_of(values, self.path))
        if self._sums.head.number == 0:
            raise LedgerCorrupt(self.path, "has no rows, not even its first")

    def _take(self, sums: Sums, row: LedgerRow) -> None:
        problem = sums.add(row)
        if problem is not None:
            raise LedgerCorrupt(self.path, problem)

    def _append(
        self,
        database: sqlite3.Connection,
        kind: RowKind,
        *,
        dataset: str = "",
        run: str = "",
        message: str = "",
        type: str = "",
        cost: Cost = FREE,
        answers: int = 0,
    ) -> LedgerRow:
        head = self._sums.head
        facts = (head.number + 1, time.time(), kind, dataset, run, message, type, cost, answers)
        row = LedgerRow(*facts, LedgerRow(*facts, b"").digest_after(head.digest))
        values = (
            *(row.number, row.time, row.kind.value, dataset, run, message, type),
            *(float(cost.rho), float(cost.epsilon), answers, row.digest),
        )
        database.execute(f"INSERT INTO rows ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        self._added.append(row)
        return row

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            # The tables are made with the first row, so whatever is not there has been removed.
            gone = code == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column"))
            if damaged or gone:
                raise LedgerCorrupt(self.path, f"is damaged: {error}") from error
            raise LedgerUnusable(self.path, f"cannot be used: {error}") from error
        except OSError as error:
            raise LedgerUnusable(self.path, f"cannot be used: {error.strerror or error}") from error


def _mark(head: LedgerHead) -> bytes:
    """Of one length, so that one short write replaces another."""
    text = b"%020d %s" % (head.number, head.digest.hex().encode("ascii"))
    return text + b" " + hashlib.sha256(text).hexdigest()[:16].encode("ascii") + b"\n"
