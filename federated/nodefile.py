"""A database of a data node's own: in a file of its folder, or in memory alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["open_node_file"]


def open_node_file(path: Path | None, tables: str, *, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open it, with its tables; its owner sees to it that one thread at a time uses it.

    Parameters
    ----------
    path
        Of the file; None: in memory.
    tables
        Statements that make what is not there yet.
    synchronous
        ``"FULL"`` waits for the disk at each change; ``"NORMAL"`` may lose the last ones with the power.

    Raises
    ------
    sqlite3.DatabaseError
        If there is a file that is damaged; it is left as it is.
    """
    database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
    with closing(database.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.executescript(tables)
    return database
