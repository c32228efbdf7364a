"""What code ran on what data, asked by whom, and what left: one line for each, chained and signed by the place.

::

    {"entry":{"facts":{...},"kind":"released","log":"...","number":7,"previous":"...","time":...},"signature":"..."}

Rules
-----
1. A line is written, and the disk has it, before what it tells of goes on: `AuditLog.note` returns after ``fsync``.
2. Each entry has a number, the digest of the one before it, and the place's signature (Ed25519 over DSSE's
   pre-authentication encoding). Entry 0 says which place writes, with its public key.
3. A line that was not finished when the process was killed is cut off when the log is opened again, and an entry says
   so, with the digest of what was cut. Nothing had gone on by it, because `note` had not returned.
4. A log that is otherwise not what was written is refused by `AuditLog`, and `verify_audit` says what is wrong. So is a
   file that holds an unfinished line alone: that may be all that is left of a log. The place can be killed at its very
   first entry, too; then its owner moves the file away. Only a file that is missing or has no bytes is a new log.

What a file alone proves: that the place with this key has written these entries, in this order, and that none within
was changed, taken out or put in. What it cannot prove: that its last entries are still there, since a shorter log is as
well formed; that the place has not kept two logs; that it tells the truth. For the first two there is `AuditHead`, a
signed statement of how far the log had come. Give one away with each release, to whoever asked for it:
`verify_audit(file, heads=...)` then shows what is missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from federated.auditrecords import NOTHING, AuditEntry, AuditHead, AuditKind, Chain
from federated.errors import AuditCorrupt, AuditUnusable
from mobility.trust.errors import TrustError
from mobility.trust.keys import PUBLIC_IDENTITY, Identity, PublicIdentity
from mobility.trust.strict import Json, load_strict

__all__ = ["AuditLog", "AuditReport", "verify_audit"]

_MOST_BYTES: Final = 1 << 20  # of a line


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a file holds, and what is wrong with it.

    Attributes
    ----------
    entries
        Those before the first problem, each verified.
    problems
        Sentences; none if all is well.
    place
        Who has signed; None if the file does not say so credibly.
    torn
        Bytes of a last line that was not finished: the process was killed, or is just writing.
    """

    entries: tuple[AuditEntry, ...]
    problems: tuple[str, ...]
    place: PublicIdentity | None
    torn: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def rows(self) -> list[dict[str, Any]]:
        """The entries as flat rows, for a table or as JSON."""
        return [
            {"number": one.number, "time": one.time / 1000, "kind": one.kind.value, **one.facts} for one in self.entries
        ]


class AuditLog:
    """The log of one place, for many threads of one process.

    Parameters
    ----------
    path
        The file; made if it is not there.
    place
        Who signs; must be the one that began the log.
    at_least
        So many entries are known from elsewhere to have been written.

    Raises
    ------
    AuditCorrupt
        If the file is not what was written.
    AuditUnusable
    """

    def __init__(self, path: str | os.PathLike[str], place: Identity, *, at_least: int = 0) -> None:
        self.path = Path(path)
        self._place = place
        self._lock = threading.Lock()
        self._file = -1
        with self._translated():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                self._take_over(at_least)
            except BaseException:
                self.close()
                raise

    def _take_over(self, at_least: int) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AuditUnusable(self.path, "is open in another process, or twice in this one") from None
        chain = Chain()
        data = self.path.read_bytes()
        whole, torn = _lines(data)
        if torn and not whole:
            raise AuditCorrupt(
                self.path,
                f"has no entry, and {len(torn)} bytes of an unfinished one",
                remedy="If the place has never worked with it, it was killed at the first entry: move the file away, "
                "and start the place anew. Else restore the file from a copy.",
            )
        for line in whole:
            problem = chain.take(line)
            if problem is not None:
                raise AuditCorrupt(self.path, f"is not what was written: {problem}")
        if chain.place is not None and chain.place.key != self._place.public.key:
            raise AuditCorrupt(self.path, f"was begun by {chain.place}, and {self._place.public} would go on with it")
        if len(chain.entries) < at_least:
            raise AuditCorrupt(self.path, f"has {len(chain.entries)} entries, and at least {at_least} were written")
        self._log = chain.entries[0].log if chain.entries else os.urandom(16)
        self._number = len(chain.entries)
        self._digest = chain.digests[-1] if chain.digests else NOTHING
        if torn:
            os.ftruncate(self._file, len(data) - len(torn))
        if not chain.entries:
            facts = PUBLIC_IDENTITY.write(self._place.public)
            assert isinstance(facts, dict)
            self._write(AuditKind.OPENED, facts)
            self._sync_folder()
        if torn:
            digest = hashlib.sha256(torn).hexdigest()
            self._write(AuditKind.RECOVERED, {"bytes": len(torn), "sha256": digest})

    def note(self, kind: AuditKind, **facts: Json | float) -> AuditHead:
        """Write an entry; on return it is on the disk.

        Parameters
        ----------
        facts
            As JSON. Fractions are written as text, since signed JSON has none.

        Returns
        -------
        AuditHead
            How far the log has come with it, to be given away.

        Raises
        ------
        ValueError
            For facts that JSON cannot hold.
        AuditUnusable
            Then what it tells of must not go on.
        """
        if kind in (AuditKind.OPENED, AuditKind.RECOVERED):
            raise ValueError(f"the log itself writes entries of the kind {kind}")
        written = {name: repr(value) if type(value) is float else value for name, value in facts.items()}
        with self._lock:
            return self._write(kind, written)

    @property
    def head(self) -> AuditHead:
        """How far the log has come."""
        with self._lock:
            return self._signed_head()

    def _signed_head(self) -> AuditHead:
        return AuditHead.sign(self._place, self._log, self._number - 1, self._digest)

    def _write(self, kind: AuditKind, facts: Any) -> AuditHead:
        entry = AuditEntry(self._number, self._log, time.time_ns() // 1_000_000, AuditKind(kind), facts, self._digest)
        try:
            line = entry.line(self._place) + b"\n"
            load_strict(line)
        except TrustError as error:
            raise ValueError(f"these facts cannot be written: {error.reason}") from None
        if len(line) > _MOST_BYTES:
            raise ValueError(f"these facts have {len(line)} bytes, and an entry has {_MOST_BYTES} at most")
        with self._translated():
            if self._file < 0:
                raise AuditUnusable(self.path, "was closed")
            start = os.fstat(self._file).st_size
            try:
                written = os.write(self._file, line)
                if written != len(line):
                    raise OSError(None, f"{written} of {len(line)} bytes were written: the disk is full")
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, start)
                raise
        self._number += 1
        self._digest = hashlib.sha256(entry.signed()).digest()
        return self._signed_head()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AuditUnusable(self.path, f"cannot be written: {error.strerror or error}") from error


def _lines(data: bytes) -> tuple[list[bytes], bytes]:
    """The lines that have an end, and what stands after the last one."""
    whole, _, torn = data.rpartition(b"\n")
    return (whole.split(b"\n") if whole else []), torn


def verify_audit(
    path: str | os.PathLike[str],
    *,
    place: PublicIdentity | None = None,
    heads: Iterable[AuditHead] = (),
    at_least: int = 0,
) -> AuditReport:
    """Read a log, and find any entry that was altered, taken out, put in, or reordered.

    Parameters
    ----------
    place
        Who is expected to have signed it; None: whoever the file names, which proves only that it is of one hand.
    heads
        Statements that were given away: what they name must be there.
    at_least
        So many entries must be there.

    Raises
    ------
    AuditUnusable
        If the file cannot be read at all.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise AuditUnusable(path, f"cannot be read: {error.strerror or error}") from error
    chain = Chain()
    problems: list[str] = []
    whole, torn = _lines(data)
    for number, line in enumerate(whole):
        problem = chain.take(line)
        if problem is not None:
            problems.append(f"{problem}; {len(whole) - number} lines from there on were not looked at")
            break
    if not whole:
        problems.append("it has no entries, not even its first")
    if torn:
        problems.append(f"its last line is not finished: {len(torn)} bytes")
    if place is not None and chain.place is not None and chain.place.key != place.key:
        problems.append(f"it is signed by {chain.place}, and {place} was expected")
    if len(chain.entries) < at_least:
        problems.append(f"it has {len(chain.entries)} entries, and at least {at_least} were written")
    problems += _missing(chain, heads)
    return AuditReport(tuple(chain.entries), tuple(problems), chain.place, len(torn))


def _missing(chain: Chain, heads: Iterable[AuditHead]) -> Iterator[str]:
    for head in heads:
        if chain.place is not None and not head.is_signed_by(chain.place):
            yield f"the statement about entry {head.number} is not signed by {chain.place}"
        elif chain.entries and head.log != chain.entries[0].log:
            yield f"entry {head.number} was written into another log of this place"
        elif head.number >= len(chain.entries):
            yield f"entry {head.number} was written, and the log ends with {len(chain.entries) - 1}"
        elif chain.digests[head.number] != head.digest:
            yield f"entry {head.number} is another one than was written"
