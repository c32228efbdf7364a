"""Who owns which agent at which epoch: one linearizable ledger on disk.

Rules
-----
1. What becomes of a row is decided by `agents.handoff.decide` alone. A transaction reads the row, decides, and writes
   it with all that belongs to it: the agent's description, its passport, its outcome. A denied or repeated request
   writes nothing, so what comes late never replaces anything.
2. An answer is given only when it has been committed.
3. A lease is counted from when the request for it arrives, by this process's clock; a place counts its own from before
   it asked. So the directory believes in a lease at least as long as the place does.
4. After a restart each process that may have a lease is taken as just renewed: how long its lease had still to run was
   known only to the memory that is gone. To give something away a few seconds late is harmless, too early is not.
5. A process that was superseded, or has left, never gets a lease again.
6. A place whose lease had run out is told so until it has asked for its holdings, over a restart of the directory
   too if somebody has taken an agent of it meanwhile.

Not handled: who may ask. Whoever reaches the directory is one of the platform's own processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from agents.directory import _agents
from agents.directory._lookups import Lookups
from agents.directory._membership import Membership
from agents.directory._schema import FAULTS, FILE, SCHEMA
from agents.directory.database import Database
from agents.directory.records import Info
from agents.handoff.ledger import (
    Answer,
    Denied,
    Finish,
    Release,
    Request,
    Restore,
    Status,
    Take,
    decide,
)

__all__ = ["Directory"]

_WEEK: Final = 7 * 24 * 3600.0
_TEN_MINUTES: Final = 600.0


class Directory(Membership, Lookups):
    """The owner ledger, for many threads of one process.

    Parameters
    ----------
    folder
        Where its file is, ``directory.sqlite``; made if need be. One directory at a time can have it open.
    lease_seconds
        For which a lease is given.
    clock
        Seconds that never run backwards; for leases.
    now
        Time of day, in seconds; for what people read, and for what is dropped some day.
    synchronous
        ``NORMAL``: a grant survives the end of this process. ``FULL``: also a power failure, at the price of waiting
        for the disk at each.
    keep_seconds
        For so long after an agent's end its outcome and passport are kept; its row is kept for ever.
    reply_seconds
        For so long replies are kept.

    Raises
    ------
    DirectoryInUse, DirectoryNewer, DirectoryUnusable, DirectoryDiskFull
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        lease_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        synchronous: str = "NORMAL",
        keep_seconds: float = _WEEK,
        reply_seconds: float = _TEN_MINUTES,
    ) -> None:
        database = Database(Path(folder) / FILE, SCHEMA, FAULTS, synchronous=synchronous)
        try:
            Membership.__init__(self, database, lease_seconds, clock, now)
            Lookups.__init__(self, database, now, keep_seconds, reply_seconds)
        except BaseException:
            database.close()
            raise

    def submit(
        self,
        request: Request,
        *,
        info: Info | None = None,
        outcome: bytes | None = None,
        passport: bytes | None = None,
    ) -> Answer:
        """Decide a request, and keep what belongs to it if it is granted and new.

        Parameters
        ----------
        info
            With a `Take`; kept if by it the agent is born.
        outcome
            With a `Finish`; of the plain codec, and opaque here.
        passport
            With a `Take`, `Restore` or `Release`: the agent's latest.

        Raises
        ------
        AgentNameTaken
            Instead of granting a birth.
        ValueError
            If something was handed over that does not belong to such a request.
        DirectoryDiskFull, DirectoryUnusable
            Nothing was decided; ask again.
        """
        _check_papers(request, info, outcome, passport)
        with self._database.lock:
            with self._database.change() as db:
                before = _agents.read(db, request.agent)
                moment = self._clock()
                after, answer = decide(before, request, lambda holder: self._leases.runs(holder, moment))
                if isinstance(answer, Denied) or after is None or after is before:
                    return answer
                ended = after.status is Status.ENDED
                _agents.write(db, after, info, self._now() if ended else None)
                if passport is not None:
                    _agents.keep_passport(db, request.agent, passport)
                if outcome is not None:
                    _agents.keep_outcome(db, request.agent, outcome)
                robbed = before.holder if before is not None and isinstance(request, Restore) else None
                if robbed is not None and robbed != request.by:
                    self._mark_lapsed(db, robbed)
            if ended:
                self._ends.arrived(request.agent)
            return answer

    def close(self) -> None:
        """Close the file; whoever asks then gets `DirectoryUnusable`."""
        self._database.close()

    def __enter__(self) -> Directory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_papers(request: Request, info: Info | None, outcome: bytes | None, passport: bytes | None) -> None:
    if info is not None and not isinstance(request, Take):
        raise ValueError(f"an agent is described when it is born, not with a {request.kind.value}")
    if outcome is not None and not isinstance(request, Finish):
        raise ValueError(f"an outcome comes with the end, not with a {request.kind.value}")
    if passport is not None and not isinstance(request, Take | Restore | Release):
        raise ValueError(f"no passport comes with a {request.kind.value}")
