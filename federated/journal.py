"""What a server asked its nodes, and what came back: a server that was killed goes on from there.

All that a server app learns from outside passes through the grid, so a restarted server that is asked to do the same
again (same app, configuration and seed) asks for the same things in the same order. What the journal has of them is
given back, byte for byte; only the rest is asked for. The result is then bit for bit that of an undisturbed run.

Rules
-----
1. What happens is a sequence of *events*: an `Exchange` (requests to nodes, and the replies), or a value that was
   `remembered <RoundJournal.remember>`. A restarted server meets them in the same order, or is told `JournalDiverged`.
2. An answer is in the file before the server sees it. The first one to a request counts; another one is dropped, and so
   is one that comes after the exchange was closed. Which requests had no answer then, stays so after a restart.
3. A journal belongs to one run: to the digest of app, configuration and seed. With another run it is refused.
4. An end that is not whole is what ``kill -9`` in the middle of a write leaves: it is cut off, and `torn` says how long
   it was. Anything else that does not fit is refused (`federated.frames`).
5. Bytes go in, bytes come out; what they mean is not known here. Requests are kept as digests, since the server can
   make them again. They must be the same bytes for the same request: leave out times and random ids.

Not handled: a file that was cut between two frames. It is a shorter journal, and what is missing is asked again. Nor
what somebody writes into it on purpose: it lies with the server, which can say what it likes anyway.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Final

from federated.errors import JournalCorrupt, JournalDiverged
from federated.frames import FrameFile, Stored

__all__ = ["Exchange", "RoundJournal", "run_digest"]

_MAGIC: Final = b"sojourn round journal 1\n"


class _Kind(IntEnum):
    OPENED = 1
    ANSWER = 2
    CLOSED = 3
    REMEMBERED = 4


def run_digest(app: str | bytes, run_config: bytes, seed: int) -> bytes:
    """By which a journal knows its run.

    Parameters
    ----------
    app
        Digest of the app.
    run_config
        In one spelling, as bytes.
    """
    parts = (app.encode("utf-8") if isinstance(app, str) else app, run_config, str(seed).encode("ascii"))
    digest = hashlib.sha256(b"sojourn federated run 1")
    for part in parts:
        digest.update(struct.pack(">Q", len(part)) + part)
    return digest.digest()


class _Event:
    """One event as the file has it."""

    def __init__(self, kind: _Kind, content: bytes) -> None:
        self.kind = kind
        self.content = content
        self.answers: dict[int, Stored] = {}
        self.order: list[int] = []
        self.closed = False


class Exchange:
    """Requests that went out together, and their replies; made by `RoundJournal.exchange`.

    Attributes
    ----------
    number
        Of the event in the journal.
    nodes
        To whom, by index.
    replayed
        Whether it was in the journal already.
    """

    def __init__(self, journal: RoundJournal, number: int, nodes: tuple[str, ...], event: _Event) -> None:
        self.number = number
        self.nodes = nodes
        self.replayed = False
        self._journal = journal
        self._event = event

    @property
    def answered(self) -> tuple[int, ...]:
        """The indices of the requests that have an answer, in the order in which those came."""
        return tuple(self._event.order)

    @property
    def closed(self) -> bool:
        """Whether no more answers count."""
        return self._event.closed

    @property
    def to_ask(self) -> tuple[int, ...]:
        """The indices of the requests that are still to be asked; none once it is closed."""
        if self._event.closed:
            return ()
        return tuple(index for index in range(len(self.nodes)) if index not in self._event.answers)

    def reply(self, index: int) -> bytes | None:
        """The answer to a request; None if there is none.

        Raises
        ------
        JournalCorrupt, JournalUnusable
        """
        return self._journal._read_answer(self._event, index)

    def replies(self) -> list[bytes | None]:
        """All answers in the order of the requests: whoever adds floating-point numbers needs one order."""
        return [self.reply(index) for index in range(len(self.nodes))]

    def answer(self, index: int, reply: bytes | memoryview) -> bool:
        """Write an answer down, before anybody acts on it.

        Returns
        -------
        bool
            Whether it counts: not if there is one already, or if the exchange is closed.

        Raises
        ------
        IndexError
            If there is no such request.
        JournalUnusable
        """
        if not 0 <= index < len(self.nodes):
            raise IndexError(f"the exchange {self.number} has {len(self.nodes)} requests, and no request {index}")
        return self._journal._write_answer(self.number, self._event, index, reply)

    def close(self) -> None:
        """From now on no answer counts; what has none stays without, also after a restart."""
        self._journal._close_exchange(self.number, self._event)


class RoundJournal:
    """The journal of one run, for many threads of one process.

    Parameters
    ----------
    path
        The file; made if it is not there.
    run
        `run_digest` of the run.
    durable
        Whether each frame waits for the disk, so that it survives the loss of power too. Otherwise that is done at the
        end of each exchange, and the end of the process by ``kill -9`` costs nothing either way.

    Attributes
    ----------
    torn
        Bytes that were cut off the file's end, because the write was not finished.

    Raises
    ------
    JournalMismatch
        If it belongs to another run.
    JournalCorrupt, JournalUnusable
    """

    def __init__(self, path: str | os.PathLike[str], run: bytes, *, durable: bool = False) -> None:
        if len(run) != 32:
            raise ValueError("run is a digest of 32 bytes: see run_digest")
        self.path = Path(path)
        self._durable = durable
        self._lock = threading.RLock()
        self._events: list[_Event] = []
        self._next = 0
        self._frames = FrameFile(self.path, _MAGIC, run)
        try:
            for frame in self._frames.frames:
                if not self._take(frame):
                    raise JournalCorrupt(self.path, f"has a frame at byte {frame.offset} that does not belong there")
        except BaseException:
            self.close()
            raise
        self._frames.frames.clear()
        self.torn = self._frames.torn
        self._recorded = len(self._events)

    # -- asking

    @property
    def resumes(self) -> bool:
        """Whether there are events of before that the server has not met again yet."""
        return self._next < self._recorded

    def exchange(self, requests: Sequence[tuple[str, bytes]]) -> Exchange:
        """The next event: these requests.

        Parameters
        ----------
        requests
            For each the node, and the request in one spelling.

        Returns
        -------
        Exchange
            With the answers that are known already.

        Raises
        ------
        JournalDiverged
            If something else came next before.
        JournalUnusable
        """
        nodes = tuple(node for node, _ in requests)
        listed = [[node, hashlib.sha256(request).hexdigest()] for node, request in requests]
        content = json.dumps(listed, separators=(",", ":")).encode("ascii")
        with self._lock:
            number = self._next
            event = self._known(_Kind.OPENED, content)
            replayed = event is not None
            if event is None:
                event = self._add(_Kind.OPENED, content)
            exchange = Exchange(self, number, nodes, event)
            exchange.replayed = replayed
            return exchange

    def remember(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The next event: a value from outside, made now, or as it was made before.

        Parameters
        ----------
        name
            What it is; a restarted server must ask for the same.
        make
            Called only if the journal does not have it.

        Raises
        ------
        JournalDiverged, JournalUnusable
        """
        head = name.encode("utf-8") + b"\0"
        with self._lock:
            if not self.resumes:
                value = make()
                self._add(_Kind.REMEMBERED, head + value)
                return value
            event = self._known(_Kind.REMEMBERED, head)
            assert event is not None
            return event.content[len(head) :]

    def _known(self, kind: _Kind, content: bytes) -> _Event | None:
        """The next event of before, if there is one; it has to be this one."""
        if not self.resumes:
            return None
        event = self._events[self._next]
        same = event.content.startswith(content) if kind is _Kind.REMEMBERED else event.content == content
        if event.kind is not kind or not same:
            problem = f"{_described(event)} was asked for, and now it is {_described(_Event(kind, content))}"
            raise JournalDiverged(self.path, self._next, problem)
        self._next += 1
        return event

    def _add(self, kind: _Kind, content: bytes) -> _Event:
        self._frames.append(kind, len(self._events), 0, content, durable=self._durable)
        event = _Event(kind, content)
        self._events.append(event)
        self._next = self._recorded = len(self._events)
        return event

    # -- answers

    def _write_answer(self, number: int, event: _Event, index: int, reply: bytes | memoryview) -> bool:
        with self._lock:
            if event.closed or index in event.answers:
                return False
            event.answers[index] = self._frames.append(_Kind.ANSWER, number, index, reply, durable=self._durable)
            event.order.append(index)
            return True

    def _close_exchange(self, number: int, event: _Event) -> None:
        with self._lock:
            if event.closed:
                return
            self._frames.append(_Kind.CLOSED, number, 0, b"", durable=True)
            event.closed = True

    def _read_answer(self, event: _Event, index: int) -> bytes | None:
        with self._lock:
            found = event.answers.get(index)
            return None if found is None else self._frames.read(found)

    # -- the file

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        with self._lock:
            self._frames.close()

    def __enter__(self) -> RoundJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, frame: Stored) -> bool:
        """Read a frame that was there; whether it can stand there."""
        kind, number = frame.kind, frame.number
        if kind in (_Kind.OPENED, _Kind.REMEMBERED):
            self._events.append(_Event(_Kind(kind), self._frames.read(frame)))
            return number == len(self._events) - 1
        if kind not in (_Kind.ANSWER, _Kind.CLOSED) or number >= len(self._events):
            return False
        event = self._events[number]
        if event.kind is not _Kind.OPENED or event.closed:
            return False
        if kind == _Kind.CLOSED:
            event.closed = True
            return True
        if frame.index in event.answers:
            return False
        event.answers[frame.index] = frame
        event.order.append(frame.index)
        return True


def _described(event: _Event) -> str:
    if event.kind is _Kind.REMEMBERED:
        name = event.content.partition(b"\0")[0].decode("utf-8", "replace")
        return f"the value {name!r}"
    listed = json.loads(event.content)
    digest = hashlib.sha256(event.content).hexdigest()[:8]
    nodes = ", ".join(node for node, _ in listed[:5]) + (", ..." if len(listed) > 5 else "")
    return f"an exchange with {nodes or 'no node'} (requests {digest})"
