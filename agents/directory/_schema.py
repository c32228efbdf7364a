"""The tables of the directory, and its file's errors."""

from __future__ import annotations

from typing import Final

from agents.directory.database import Faults, Tables
from agents.directory.errors import DirectoryDiskFull, DirectoryInUse, DirectoryNewer, DirectoryUnusable

__all__ = ["FAULTS", "FILE", "SCHEMA"]

FILE: Final = "directory.sqlite"

FAULTS: Final = Faults(DirectoryDiskFull, DirectoryUnusable, DirectoryInUse, DirectoryNewer)

SCHEMA: Final = Tables(
    application=0x536A4472,  # SjDr
    version=1,
    statements=(
        # The fence needs the row of each agent for ever: it stays small. Papers lie apart, and can be dropped.
        """CREATE TABLE agents (
            agent TEXT PRIMARY KEY NOT NULL,
            epoch INTEGER NOT NULL,
            status TEXT NOT NULL,
            place TEXT,
            writer TEXT,
            since INTEGER NOT NULL,
            record BLOB NOT NULL,
            burned BLOB NOT NULL,
            ended_at REAL,
            name TEXT, owner TEXT, parent TEXT, entry_point TEXT, born REAL
        )""",
        "CREATE UNIQUE INDEX living_names ON agents (name) WHERE name IS NOT NULL AND status <> 'ended'",
        "CREATE INDEX names ON agents (name) WHERE name IS NOT NULL",
        "CREATE INDEX living ON agents (status) WHERE status <> 'ended'",
        "CREATE INDEX held ON agents (place, writer) WHERE status = 'held'",
        "CREATE INDEX ends ON agents (ended_at) WHERE ended_at IS NOT NULL",
        "CREATE TABLE passports (agent TEXT PRIMARY KEY NOT NULL, passport BLOB NOT NULL)",
        "CREATE TABLE outcomes (agent TEXT PRIMARY KEY NOT NULL, outcome BLOB NOT NULL)",
        # A place is whoever registered last under its name; `joined` is when that was.
        """CREATE TABLE places (
            place TEXT PRIMARY KEY NOT NULL,
            writer TEXT NOT NULL,
            key BLOB NOT NULL,
            about TEXT NOT NULL,
            joined REAL NOT NULL,
            "left" REAL
        )""",
        # Each process that ever was a place. `over`: it is known to have no lease and never to get one again.
        # `lapsed`: somebody has made use of that its lease had run out, and it has not looked yet what it still holds.
        """CREATE TABLE writers (
            place TEXT NOT NULL,
            writer TEXT NOT NULL,
            over INTEGER NOT NULL DEFAULT 0,
            lapsed INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (place, writer)
        ) WITHOUT ROWID""",
        "CREATE TABLE replies (question TEXT PRIMARY KEY NOT NULL, reply BLOB NOT NULL, expires REAL NOT NULL)",
        "CREATE INDEX expiries ON replies (expires)",
        "CREATE TABLE settings (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)",
        "CREATE TABLE counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL)",
        "INSERT INTO counters VALUES ('members', 0)",
    ),
)
