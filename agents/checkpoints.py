"""What a place keeps on disk, so that its agents outlive its process: checkpoints, and the messages since.

Rules
-----
1. A checkpoint is a bundle, without its code, as it came in or as the place has packed it for itself. It is verified
   again before it is used.
2. It names the stay, the directory's epoch from which the agent is here. A checkpoint of an earlier stay is of no use.
3. Messages that were acknowledged after it are in the journal, in order. A new checkpoint and the end of the journal
   are one transaction.
4. Resources that came from or went to other places are kept by their ids: a record, and beside it the content. What
   else there is (what is published, which fragments are installed) is kept by room and key.
5. Code is kept by its SHA-256, once, and checked by whoever uses it.
6. What the store has accepted survives the end of the process by ``kill -9``. Against loss of power, pass
   ``synchronous="FULL"``, which waits for the disk.

`SqliteCheckpoints` keeps bundles above `LARGE` bytes in files of their own, since a database would write them twice.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from agents.blackbox import BlackBox
from agents.errors import StoreFailed
from agents.mailbox import Message

__all__ = ["LARGE", "Checkpoint", "CheckpointStore", "KeptResource", "MemoryCheckpoints", "SqliteCheckpoints"]

#: Bundles of more bytes have a file of their own.
LARGE: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is kept of one agent.

    Attributes
    ----------
    stay
        The directory's epoch from which the agent is here.
    bundle
        Without its code.
    journal
        Messages that were acknowledged since, in order; their values are bytes of the plain codec.
    """

    agent: str
    stay: int
    bundle: bytes = field(repr=False)
    journal: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptResource:
    """What is kept of one resource.

    Attributes
    ----------
    record
        How it stands, as `agents.place.holdings` writes it; None: it is to be forgotten.
    content
        Its bytes; None, in what is to be kept: those that are kept already.
    """

    resource: str
    record: bytes | None
    content: bytes | None = field(default=None, repr=False)


@runtime_checkable
class CheckpointStore(Protocol):
    """Keeps what has to outlive a place's process; used by many threads at once.

    Implementations are tested by ``tests/conformance/checkpoints.py``. Each method raises `StoreFailed` if the system
    refuses, and has changed nothing then.
    """

    def sign_in(self, writer: str) -> frozenset[str]:
        """Note that this process works in the store now; returns those that did so before. None of them lives."""
        ...

    def save(self, agent: str, stay: int, bundle: bytes | memoryview) -> None:
        """Keep a checkpoint instead of the one before, and end the journal of what it contains already."""
        ...

    def load(self, agent: str) -> Checkpoint | None:
        """What is kept of an agent."""
        ...

    def drop(self, agent: str, *, up_to: int | None = None) -> None:
        """Forget an agent; only if its checkpoint is of that stay or an earlier one, if `up_to` is given."""
        ...

    def agents(self) -> dict[str, int]:
        """The agents of which something is kept, and the stay of each."""
        ...

    def stay(self, agent: str) -> int | None:
        """The stay of an agent's checkpoint, if one is kept."""
        ...

    def note(self, agent: str, message: Message) -> None:
        """Write a message into the journal, before it is acknowledged."""
        ...

    def save_code(self, digest: bytes, data: bytes) -> None:
        """Keep a code segment."""
        ...

    def code(self, digest: bytes) -> bytes | None:
        """A code segment, if it is kept."""
        ...

    def keep(self, room: str, key: str, data: bytes) -> None:
        """Keep something of a room of the place under a key, instead of what was there."""
        ...

    def kept(self, room: str, key: str) -> bytes | None:
        """What is kept of a room under a key."""
        ...

    def keys(self, room: str) -> list[str]:
        """Under which keys something of a room is kept, in order."""
        ...

    def give_up(self, room: str, key: str) -> None:
        """Keep it no more."""
        ...

    def keep_resources(self, kept: Iterable[KeptResource]) -> None:
        """Keep the records of resources instead of those before, all or none."""
        ...

    def resources(self) -> tuple[KeptResource, ...]:
        """Of all resources of which a record is kept."""
        ...

    def step(self, agent: str) -> AbstractContextManager[None]:
        """While an agent is stepped: so that is known, should the process end within."""
        ...

    def deaths(self, agent: str) -> int:
        """How often a process has ended within a step of this agent, since its checkpoint was written."""
        ...

    def close(self) -> None:
        """Write no more."""
        ...


class MemoryCheckpoints:
    """Keeps it as long as this process lives: for tests, and for places whose agents need not outlive them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Checkpoint] = {}
        self._codes: dict[bytes, bytes] = {}
        self._rooms: dict[tuple[str, str], bytes] = {}
        self._writers: set[str] = set()
        self._resources: dict[str, KeptResource] = {}

    def sign_in(self, writer: str) -> frozenset[str]:
        with self._lock:
            before = frozenset(self._writers)
            self._writers.add(writer)
            return before

    def save(self, agent: str, stay: int, bundle: bytes | memoryview) -> None:
        with self._lock:
            self._kept[agent] = Checkpoint(agent, stay, bytes(bundle))

    def load(self, agent: str) -> Checkpoint | None:
        with self._lock:
            return self._kept.get(agent)

    def drop(self, agent: str, *, up_to: int | None = None) -> None:
        with self._lock:
            kept = self._kept.get(agent)
            if kept is not None and (up_to is None or kept.stay <= up_to):
                del self._kept[agent]

    def agents(self) -> dict[str, int]:
        with self._lock:
            return {agent: kept.stay for agent, kept in self._kept.items()}

    def stay(self, agent: str) -> int | None:
        with self._lock:
            kept = self._kept.get(agent)
            return None if kept is None else kept.stay

    def note(self, agent: str, message: Message) -> None:
        with self._lock:
            kept = self._kept.get(agent)
            if kept is not None:
                self._kept[agent] = Checkpoint(agent, kept.stay, kept.bundle, (*kept.journal, message))

    def save_code(self, digest: bytes, data: bytes) -> None:
        with self._lock:
            self._codes.setdefault(digest, data)

    def code(self, digest: bytes) -> bytes | None:
        with self._lock:
            return self._codes.get(digest)

    def keep(self, room: str, key: str, data: bytes) -> None:
        with self._lock:
            self._rooms[room, key] = data

    def kept(self, room: str, key: str) -> bytes | None:
        with self._lock:
            return self._rooms.get((room, key))

    def keys(self, room: str) -> list[str]:
        with self._lock:
            return sorted(key for where, key in self._rooms if where == room)

    def give_up(self, room: str, key: str) -> None:
        with self._lock:
            self._rooms.pop((room, key), None)

    def keep_resources(self, kept: Iterable[KeptResource]) -> None:
        with self._lock:
            for each in kept:
                before = self._resources.pop(each.resource, None)
                if each.record is not None:
                    content = before.content if each.content is None and before is not None else each.content
                    self._resources[each.resource] = KeptResource(each.resource, each.record, content)

    def resources(self) -> tuple[KeptResource, ...]:
        with self._lock:
            return tuple(self._resources.values())

    def step(self, agent: str) -> AbstractContextManager[None]:
        return nullcontext()

    def deaths(self, agent: str) -> int:
        return 0

    def close(self) -> None:
        return


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS checkpoints (
    agent TEXT PRIMARY KEY, stay INTEGER NOT NULL, bundle BLOB, file TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    id INTEGER PRIMARY KEY, agent TEXT NOT NULL, sender TEXT NOT NULL, number INTEGER NOT NULL,
    body BLOB NOT NULL, question TEXT, answers TEXT
);
CREATE INDEX IF NOT EXISTS journal_of ON journal (agent);
CREATE TABLE IF NOT EXISTS deaths (agent TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writers (writer TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS resources (
    resource TEXT PRIMARY KEY, record BLOB NOT NULL, content BLOB
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS codes (digest BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rooms (
    room TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (room, key)
) WITHOUT ROWID;
"""


class SqliteCheckpoints:
    """Keeps it in a folder that one process has to itself.

    Parameters
    ----------
    folder
        Made if it is not there.
    place
        The place's name, for errors.
    synchronous
        ``"NORMAL"``: survives the end of the process. ``"FULL"``: survives loss of power, and waits for the disk.

    Raises
    ------
    StoreFailed
        If the folder cannot be used, or another process has it.
    """

    def __init__(self, folder: str | os.PathLike[str], *, place: str, synchronous: str = "NORMAL") -> None:
        if synchronous not in ("NORMAL", "FULL"):
            raise ValueError(f"synchronous is NORMAL or FULL, not {synchronous!r}")
        self.folder = Path(folder)
        self.place = place
        self._files = self.folder / "large"
        self._lock = threading.RLock()
        self._durable = synchronous == "FULL"
        self._codes: dict[bytes, bytes] = {}
        with self._guarded():
            self._files.mkdir(parents=True, exist_ok=True)
            self._owner = self._owned()
            self._inode = os.fstat(self._owner).st_ino
            self._database = sqlite3.connect(
                self.folder / "checkpoints.sqlite", isolation_level=None, check_same_thread=False, timeout=10
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(f"PRAGMA synchronous = {synchronous}")
            self._database.executescript(_SCHEMA)
            self._tidy()
            self._box = BlackBox(self.folder / "steps")
            self._note_deaths()

    def _owned(self) -> int:
        """The lock that shows that no other process works in the folder: the system gives it up when one ends."""
        file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise StoreFailed(self.place, f"another process works in {self.folder}") from None
        return file

    def _tidy(self) -> None:
        """Remove the files of writers that were killed before their transaction."""
        kept = {name for (name,) in self._database.execute("SELECT file FROM checkpoints WHERE file IS NOT NULL")}
        for file in self._files.iterdir():
            if file.name not in kept:
                self._remove(file.name)

    def _note_deaths(self) -> None:
        for agent in self._box.interrupted:
            self._database.execute(
                "INSERT INTO deaths VALUES (?, 1) ON CONFLICT (agent) DO UPDATE SET count = count + 1", (agent,)
            )

    def keep_resources(self, kept: Iterable[KeptResource]) -> None:
        with self._transaction() as database:
            for each in kept:
                if each.record is None:
                    database.execute("DELETE FROM resources WHERE resource = ?", (each.resource,))
                else:
                    database.execute(
                        "INSERT INTO resources VALUES (?, ?, ?) ON CONFLICT (resource) DO UPDATE"
                        " SET record = excluded.record, content = coalesce(excluded.content, content)",
                        (each.resource, each.record, each.content),
                    )

    def resources(self) -> tuple[KeptResource, ...]:
        with self._guarded(), self._lock:
            rows = self._database.execute("SELECT resource, record, content FROM resources").fetchall()
        return tuple(KeptResource(*row) for row in rows)

    def step(self, agent: str) -> AbstractContextManager[None]:
        return self._box.step(agent)

    def deaths(self, agent: str) -> int:
        with self._guarded(), self._lock:
            row = self._database.execute("SELECT count FROM deaths WHERE agent = ?", (agent,)).fetchone()
        return 0 if row is None else int(row[0])

    def sign_in(self, writer: str) -> frozenset[str]:
        with self._transaction() as database:
            before = frozenset(name for (name,) in database.execute("SELECT writer FROM writers"))
            database.execute("INSERT OR IGNORE INTO writers VALUES (?)", (writer,))
        return before

    def save(self, agent: str, stay: int, bundle: bytes | memoryview) -> None:
        large = len(bundle) > LARGE
        name = self._write_file(agent, stay, bundle) if large else None
        try:
            with self._transaction() as database:
                before = self._file_of(agent)
                database.execute("DELETE FROM journal WHERE agent = ?", (agent,))
                database.execute("DELETE FROM deaths WHERE agent = ?", (agent,))
                database.execute(
                    "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)",
                    (agent, stay, None if large else bundle, name),
                )
        except BaseException:
            self._remove(name)
            raise
        if before != name:
            self._remove(before)

    def load(self, agent: str) -> Checkpoint | None:
        with self._guarded(), self._lock:
            row = self._database.execute(
                "SELECT stay, bundle, file FROM checkpoints WHERE agent = ?", (agent,)
            ).fetchone()
            if row is None:
                return None
            stay, bundle, name = row
            rows = self._database.execute(
                "SELECT sender, number, body, question, answers FROM journal WHERE agent = ? ORDER BY id", (agent,)
            ).fetchall()
            if name is not None:
                bundle = (self._files / name).read_bytes()
        return Checkpoint(agent, stay, bundle, tuple(Message(*values) for values in rows))

    def drop(self, agent: str, *, up_to: int | None = None) -> None:
        with self._transaction() as database:
            row = database.execute("SELECT stay, file FROM checkpoints WHERE agent = ?", (agent,)).fetchone()
            if row is None or (up_to is not None and row[0] > up_to):
                return
            database.execute("DELETE FROM checkpoints WHERE agent = ?", (agent,))
            database.execute("DELETE FROM journal WHERE agent = ?", (agent,))
            database.execute("DELETE FROM deaths WHERE agent = ?", (agent,))
        self._remove(row[1])

    def agents(self) -> dict[str, int]:
        with self._guarded(), self._lock:
            return dict(self._database.execute("SELECT agent, stay FROM checkpoints").fetchall())

    def stay(self, agent: str) -> int | None:
        with self._guarded(), self._lock:
            row = self._database.execute("SELECT stay FROM checkpoints WHERE agent = ?", (agent,)).fetchone()
        return None if row is None else int(row[0])

    def note(self, agent: str, message: Message) -> None:
        with self._transaction() as database:
            database.execute(
                "INSERT INTO journal (agent, sender, number, body, question, answers) VALUES (?, ?, ?, ?, ?, ?)",
                (agent, message.sender, message.number, message.value, message.question, message.answers),
            )

    def save_code(self, digest: bytes, data: bytes) -> None:
        if digest in self._codes:
            return
        with self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO codes VALUES (?, ?)", (digest, data))
        self._codes[digest] = data

    def code(self, digest: bytes) -> bytes | None:
        known = self._codes.get(digest)
        if known is not None:
            return known
        with self._guarded(), self._lock:
            row = self._database.execute("SELECT data FROM codes WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            return None
        data: bytes = row[0]
        self._codes[digest] = data
        return data

    def keep(self, room: str, key: str, data: bytes) -> None:
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO rooms VALUES (?, ?, ?)", (room, key, data))

    def kept(self, room: str, key: str) -> bytes | None:
        with self._guarded(), self._lock:
            row = self._database.execute("SELECT data FROM rooms WHERE room = ? AND key = ?", (room, key)).fetchone()
        return None if row is None else bytes(row[0])

    def keys(self, room: str) -> list[str]:
        with self._guarded(), self._lock:
            rows = self._database.execute("SELECT key FROM rooms WHERE room = ? ORDER BY key", (room,)).fetchall()
        return [key for (key,) in rows]

    def give_up(self, room: str, key: str) -> None:
        with self._transaction() as database:
            database.execute("DELETE FROM rooms WHERE room = ? AND key = ?", (room, key))

    def close(self) -> None:
        with self._lock:
            self._database.close()
            if self._owner >= 0:
                os.close(self._owner)
                self._owner = -1

    # -- helpers

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(self.place, getattr(error, "strerror", None) or str(error)) from error

    def _check_folder(self) -> None:
        """That what is written is found again: somebody may have removed the folder, and sqlite would not notice."""
        try:
            there = os.stat(self.folder / "lock").st_ino
        except FileNotFoundError:
            there = -1
        if there != self._inode:
            raise StoreFailed(self.place, f"its folder {self.folder} was removed while it worked there")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guarded(), self._lock:
            self._check_folder()
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back by itself
                    self._database.execute("ROLLBACK")
                raise

    def _file_of(self, agent: str) -> str | None:
        row = self._database.execute("SELECT file FROM checkpoints WHERE agent = ?", (agent,)).fetchone()
        return row[0] if row is not None else None

    def _write_file(self, agent: str, stay: int, bundle: bytes | memoryview) -> str:
        # Named by a random number: an agent's id is somebody else's text.
        name = f"{os.urandom(12).hex()}.{stay}"
        with self._guarded():
            try:
                with open(self._files / name, "wb", buffering=0) as file:
                    view = memoryview(bundle)
                    while view:
                        view = view[file.write(view) :]
                    if self._durable:
                        os.fsync(file.fileno())
            except OSError:
                self._remove(name)
                raise
        return name

    def _remove(self, name: str | None) -> None:
        if name is not None:
            with suppress(OSError):
                (self._files / name).unlink()
