"""The seams of a run: to the nodes, to the journal, to the server part; and the count of what went over.

They are Protocols, so that a transport, a journal or a test need nothing of ours to be one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Journal", "JournalEntry", "MessageCourier", "NodeLink", "RunTally"]


class NodeLink(Protocol):
    """Whatever carries bytes to nodes and back; what data nodes take is signed (`federated.requests.SignedLink`).

    A link may have an `asker`, in whose name `run_app` makes requests if nobody else is named.
    """

    def nodes(self) -> Sequence[str]:
        """The names of all nodes that might take part, whether or not they are up."""
        ...

    def ask(self, node: str, request: bytes, timeout: float) -> bytes:
        """What the node answers, within so many seconds; called by many threads at once.

        Raises
        ------
        NodeUnreachable
        """
        ...


class JournalEntry(Protocol):
    """Requests that went out together; see `federated.journal.Exchange`."""

    @property
    def to_ask(self) -> tuple[int, ...]:
        """The indices of those that have no answer yet."""
        ...

    def reply(self, index: int) -> bytes | None:
        """The answer of before, if there is one."""
        ...

    def answer(self, index: int, reply: bytes) -> bool:
        """Keep an answer; it is written when this returns. False, if there is one already."""
        ...


class Journal(Protocol):
    """What has been answered in a run, so that a server that was killed goes on where it was.

    A server does the same again, in the same order; `federated.journal.RoundJournal` notices if it does not.
    """

    def exchange(self, requests: Sequence[tuple[str, bytes]]) -> JournalEntry:
        """The next thing that the server does: send these to these nodes."""
        ...

    def remember(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The next thing: a value from outside, made now or as it was made before."""
        ...


class MessageCourier(Protocol):
    """What a grid needs: messages are Flower's, as plain data; nodes are Flower's numbers."""

    def nodes(self, *, waiting: bool) -> list[int]: ...

    def push(self, messages: Sequence[Mapping[str, Any]], seconds: float | None) -> None: ...

    def pull(self, ids: Sequence[str]) -> list[dict[str, Any]]: ...

    def collect(self, ids: Sequence[str], seconds: float | None) -> list[dict[str, Any]]: ...


@dataclass(slots=True)
class RunTally:
    """What went over the link.

    Attributes
    ----------
    sent, received
        Bytes.
    asked, recalled, failed, late
        Messages: sent to nodes, taken from the journal, answered by an error, answered too late.
    """

    sent: int = 0
    received: int = 0
    asked: int = 0
    recalled: int = 0
    failed: int = 0
    late: int = 0
