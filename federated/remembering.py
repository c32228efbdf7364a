"""What a node keeps of its runs: the state that an app left in its context, and the last replies, together.

State and reply are written in one transaction, so that a message that is repeated, also after the node was killed, is
answered as before and trained once.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from federated.nodefile import open_node_file

__all__ = ["RunMemory"]

_KEPT: Final = 8  # replies per run: who resumes a run has all but those of the last round
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS state (run INTEGER, dataset TEXT, app TEXT, asker TEXT, data BLOB NOT NULL,
    PRIMARY KEY (run, dataset, app, asker));
CREATE TABLE IF NOT EXISTS replies (number INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER, dataset TEXT, app TEXT,
    asker TEXT, message TEXT, request BLOB NOT NULL, reply BLOB NOT NULL,
    UNIQUE (run, dataset, app, asker, message));
"""


class RunMemory:
    """In a file, or in memory alone.

    Parameters
    ----------
    path
        Of the file; None: in memory.

    Raises
    ------
    sqlite3.DatabaseError
        If there is a file that is damaged; it is left as it is.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._database = open_node_file(path, _TABLES)

    def state(self, run: int, dataset: str, app: str, asker: str) -> bytes | None:
        """What the app left in its context."""
        with self._lock:
            row = self._database.execute(
                "SELECT data FROM state WHERE run=? AND dataset=? AND app=? AND asker=?", (run, dataset, app, asker)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def reply(self, run: int, dataset: str, app: str, asker: str, message: str) -> tuple[bytes, bytes] | None:
        """The digest of a request that was answered, and the answer."""
        with self._lock:
            row = self._database.execute(
                "SELECT request, reply FROM replies WHERE run=? AND dataset=? AND app=? AND asker=? AND message=?",
                (run, dataset, app, asker, message),
            ).fetchone()
        return None if row is None else (bytes(row[0]), bytes(row[1]))

    def note(self, key: tuple[int, str, str, str], message: str, request: bytes, reply: bytes, state: bytes) -> None:
        """Keep an answer, and the state after it; the key is run, dataset, app and asker."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?)", (*key, state))
                self._database.execute(
                    "INSERT INTO replies (run, dataset, app, asker, message, request, reply)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*key, message, request, reply),
                )
                self._database.execute(
                    "DELETE FROM replies WHERE run=? AND dataset=? AND app=? AND asker=? AND number NOT IN"
                    " (SELECT number FROM replies WHERE run=? AND dataset=? AND app=? AND asker=?"
                    " ORDER BY number DESC LIMIT ?)",
                    (*key, *key, _KEPT),
                )
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def forget(self, run: int, dataset: str, app: str, asker: str) -> None:
        """A run has ended."""
        with self._lock:
            for table in ("state", "replies"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE run=? AND dataset=? AND app=? AND asker=?", (run, dataset, app, asker)
                )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
