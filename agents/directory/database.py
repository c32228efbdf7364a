"""One sqlite file with one owner: opened under a lock, changed in short transactions, its failures as our errors.

Rules
-----
1. A lock beside the file is held from the opening to the closing, by the kernel: it ends with the process, however
   that ends.
2. A change is one transaction. What raises inside it leaves nothing behind.
3. The file's schema has a version, written in the same transaction as the tables. A later one is refused, untouched.
4. A full disk is no end: the transaction is taken back, and the next one may succeed.

Not handled: a file on a network disk. sqlite's write-ahead log needs memory that all its users share.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from mobility.errors import MobilityError

__all__ = ["Database", "Faults", "Tables"]

#: Somebody who looks into the file from outside may hold it for a moment.
_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Tables:
    """What the file holds.

    Attributes
    ----------
    application
        By which files of this kind are known to sqlite: 4 bytes, as an integer.
    version
        From 1 on.
    statements
        Which make the tables in an empty file.
    """

    application: int
    version: int
    statements: tuple[str, ...]


class _MakesFault(Protocol):
    def __call__(self, path: object, problem: str, /) -> MobilityError: ...


class _MakesUnusable(Protocol):
    def __call__(self, path: object, problem: str, /, *, state: str | None = None) -> MobilityError: ...


@dataclass(frozen=True, slots=True)
class Faults:
    """The errors that are raised: no room; refused; open elsewhere; of a later version."""

    full: _MakesFault
    unusable: _MakesUnusable
    in_use: _MakesFault
    newer: _MakesFault


class Database:
    """A file, one connection, and the lock by which threads take turns.

    Parameters
    ----------
    path
        Its folder is made if need be.
    synchronous
        sqlite's word. With ``NORMAL`` what was committed survives the end of the process, and the last of it may be
        lost when the machine loses power; with ``FULL`` it survives that too.

    Attributes
    ----------
    lock
        Held during `look` and `change`; may be taken before them, to do more in one go.
    """

    def __init__(self, path: Path, schema: Tables, faults: Faults, *, synchronous: str = "NORMAL") -> None:
        if synchronous not in ("NORMAL", "FULL", "EXTRA"):
            raise ValueError(f"synchronous is NORMAL, FULL or EXTRA, not {synchronous}")
        self.path = path
        self.lock = threading.RLock()
        self._faults = faults
        self._connection: sqlite3.Connection | None = None
        self._guard = self._take_folder()
        try:
            self._open(schema, synchronous)
        except BaseException:
            self.close()
            raise

    def _take_folder(self) -> int:
        guard = self.path.with_suffix(".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(guard, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # What agents returned is nobody else's to read; sqlite gives its other files the rights of this one.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise self._refused(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise self._faults.in_use(self.path, f"another process holds the lock {guard}") from error
            raise self._refused(error) from error
        return descriptor

    def _open(self, schema: Tables, synchronous: str) -> None:
        with self._translated():
            connection = sqlite3.connect(
                self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            self._connection = connection
            self._check(connection, schema)
            # First the journal's kind, which no transaction can change; a file with that and no tables is still empty.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            # A log that grew once, while somebody was reading, shall not stay so.
            connection.execute(f"PRAGMA journal_size_limit = {16 << 20}")
        if self._number("user_version") == 0:
            with self.change() as connection:
                for statement in schema.statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {schema.application}")
                connection.execute(f"PRAGMA user_version = {schema.version}")

    def _check(self, connection: sqlite3.Connection, schema: Tables) -> None:
        version, application = self._number("user_version"), self._number("application_id")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != schema.application and (application or version or tables):
            raise self._faults.unusable(self.path, "it is a database of another kind")
        if version > schema.version:
            raise self._faults.newer(
                self.path, f"it is of version {version}, and this program knows versions up to {schema.version}"
            )

    def _number(self, pragma: str) -> int:
        with self.look() as connection:
            (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
        return int(value)

    # -- use

    @contextmanager
    def look(self) -> Iterator[sqlite3.Connection]:
        """Read; the lock is held."""
        with self.lock, self._translated():
            yield self._opened()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Change, in one transaction; the lock is held. If anything raises, nothing is changed."""
        with self.lock, self._translated():
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # after some failures sqlite has taken it back itself
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file and give the folder back; closing twice does no harm."""
        with self.lock:
            connection, self._connection = self._connection, None
            guard, self._guard = getattr(self, "_guard", -1), -1
            try:
                if connection is not None:
                    connection.close()
            finally:
                if guard >= 0:
                    os.close(guard)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise self._faults.unusable(self.path, "it was closed")
        return self._connection

    # -- failures

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise  # a rule of the schema was broken: a defect of ours, or somebody changes what must not be changed
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> MobilityError:
        kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if kind == sqlite3.SQLITE_FULL or (kind == sqlite3.SQLITE_IOERR and self._is_full()):
            return self._faults.full(self.path, str(error))
        # A write that failed in the middle may be found complete after the next start.
        unsure = "Whether the change was kept is not known; agents stay where they are, and asking again does no harm."
        return self._faults.unusable(self.path, str(error), state=unsure if kind == sqlite3.SQLITE_IOERR else None)

    def _is_full(self) -> bool:
        try:
            return os.statvfs(self.path.parent).f_bavail == 0
        except OSError:  # then it is not for want of room
            return False

    def _refused(self, error: OSError) -> MobilityError:
        problem = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return self._faults.full(self.path, problem)
        return self._faults.unusable(self.path, problem)
