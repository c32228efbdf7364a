"""The directory and the event log behind one door: what transports call by name.

Only the methods of the table can be called; a wait is cut to what one thread may spend on it, and is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from agents.directory import Directory, Ending, EndingKind
from agents.eventlog import EventLog, LogEvent
from agents.sockets import traffic

__all__ = ["DIRECTORY_METHODS", "DirectoryService", "WAITING_METHODS"]

#: What waits, and is to have threads of its own wherever calls are served.
WAITING_METHODS: Final = frozenset({"wait_ended", "take_reply", "wait_events", "fate"})
DIRECTORY_METHODS: Final = frozenset(
    {
        *WAITING_METHODS,
        *("submit", "register", "renew", "leave", "members", "holdings", "orphans", "abandoned"),
        *("find", "entries", "locate", "outcome", "put_reply", "setting", "set_setting", "tidy"),
        *("log", "events", "last_events", "endings", "traffic"),
    }
)
_LONGEST_WAIT: Final = 10.0


class DirectoryService:
    """Directory and event log in one folder.

    Parameters
    ----------
    folder
        Where both are kept.
    lease_seconds
        Of the places' leases.

    Raises
    ------
    DirectoryError, EventLogError
    """

    def __init__(self, folder: Path, *, lease_seconds: float = 10.0, synchronous: str = "NORMAL") -> None:
        self.directory = Directory(folder, lease_seconds=lease_seconds, synchronous=synchronous)
        try:
            self.log_book = EventLog(folder)
        except BaseException:
            self.directory.close()
            raise
        self._lease_seconds = lease_seconds

    def call(self, method: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call a method by its name.

        Raises
        ------
        AttributeError
            If there is no such method.
        mobility.errors.MobilityError
            What it raises.
        """
        if method not in DIRECTORY_METHODS:
            raise AttributeError(f"the directory has no method {method!r}")
        own: Callable[..., Any] | None = getattr(self, f"_{method}", None)
        return (own or getattr(self.directory, method))(*args, **kwargs)

    def close(self) -> None:
        """Close both."""
        self.log_book.close()
        self.directory.close()

    # -- what is not the directory's own

    def _log(self, events: Sequence[LogEvent]) -> int:
        return self.log_book.append(events)

    def _events(self, **wanted: Any) -> list[LogEvent]:
        return self.log_book.read(**wanted)

    def _last_events(self, count: int, **wanted: Any) -> list[LogEvent]:
        return self.log_book.tail(count, **wanted)

    def _wait_events(self, after: int, timeout: float) -> int:
        return self.log_book.wait(after, min(timeout, _LONGEST_WAIT))

    def _wait_ended(self, agents: Sequence[str], timeout: float) -> bool:
        return self.directory.wait_ended(agents, min(timeout, _LONGEST_WAIT))

    def _take_reply(self, question: str, timeout: float) -> bytes | None:
        return self.directory.take_reply(question, min(timeout, _LONGEST_WAIT))

    def _traffic(self) -> dict[str, int]:
        """Bytes that this process has sent and received."""
        return {"sent": traffic.sent, "received": traffic.received}

    def _fate(self, agent: str, timeout: float) -> tuple[Any, bytes | None, bool]:
        """What became of an agent: its row, its outcome if it has ended, and whether its place is without a lease."""
        self.directory.wait_ended([agent], min(timeout, _LONGEST_WAIT))
        _, row = self.directory.locate(agent)
        outcome = self.directory.outcome(agent)
        grace = 3 * self._lease_seconds
        gone = any(abandoned.agent == agent for abandoned in self.directory.abandoned(grace)) if row else False
        return row, outcome, gone

    def _endings(self, agents: Sequence[str], at_most: int, lost: bool = False) -> list[Ending]:
        """Of these agents, those of which nothing is to be waited for; with `lost` also the abandoned ones."""
        found = self.directory.endings(agents, at_most)
        if lost:
            wanted = set(agents)
            for row in self.directory.abandoned(3 * self._lease_seconds):
                if row.agent in wanted and row.holder is not None:
                    found.append(Ending(row.agent, EndingKind.ABANDONED, place=row.holder.place))
        return found
