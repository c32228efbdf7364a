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
4. Each frame has a digest over its head and one over its content, chained to the frame before. An end that is not
   whole is what ``kill -9`` in the middle of a write leaves: it is cut off, and `torn` says how long it was. Anything
   else that does not fit is refused.
5. Bytes go in, bytes come out; what they mean is not known here. Requests are kept as digests, since the server can
   make them again. They must be the same bytes for the same request: leave out times and random ids.

Not handled: a file that was cut between two frames. It is a shorter journal, and what is missing is asked again. Nor
what somebody writes into it on purpose: it lies with the server, which can say what it likes anyway.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Final

from federated.errors import JournalCorrupt, JournalDiverged, JournalMismatch, JournalUnusable

__all__ = ["Exchange", "RoundJournal", "run_digest"]

_MAGIC: Final = b"sojourn round journal 1\n"
_HEAD: Final = struct.Struct(">BQIQ")  # kind, event, index, length of the content
_CHECK: Final = 16
_START: Final = len(_MAGIC) + 32 + _CHECK
_PIECE: Final = 1 << 20


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


@dataclass(frozen=True, slots=True)
class _Content:
    """Where a frame's content lies in the file."""

    offset: int
    length: int
    digest: bytes
    before: bytes


class _Event:
    """One event as the file has it."""

    def __init__(self, kind: _Kind, content: bytes) -> None:
        self.kind = kind
        self.content = content
        self.answers: dict[int, _Content] = {}
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
        self.torn = 0
        self._run = run
        self._durable = durable
        self._lock = threading.RLock()
        self._events: list[_Event] = []
        self._next = 0
        self._chain = b""
        self._end = 0
        self._file = -1
        with self._translated():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._take_over()
            except BaseException:
                self.close()
                raise
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
        self._append(kind, len(self._events), 0, content)
        event = _Event(kind, content)
        self._events.append(event)
        self._next = self._recorded = len(self._events)
        return event

    # -- answers

    def _write_answer(self, number: int, event: _Event, index: int, reply: bytes | memoryview) -> bool:
        with self._lock:
            if event.closed or index in event.answers:
                return False
            event.answers[index] = self._append(_Kind.ANSWER, number, index, reply)
            event.order.append(index)
            return True

    def _close_exchange(self, number: int, event: _Event) -> None:
        with self._lock:
            if event.closed:
                return
            self._append(_Kind.CLOSED, number, 0, b"")
            event.closed = True
            with self._translated():
                os.fsync(self._file)

    def _read_answer(self, event: _Event, index: int) -> bytes | None:
        with self._lock, self._translated():
            found = event.answers.get(index)
            if found is None:
                return None
            self._require_open()
            data = _read(self._file, found.offset, found.length)
        if hashlib.sha256(found.before + data).digest() != found.digest:
            raise JournalCorrupt(self.path, f"was altered while it was open, at byte {found.offset}")
        return data

    # -- the file

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        with self._lock:
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)

    def __enter__(self) -> RoundJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_open(self) -> None:
        if self._file < 0:
            raise JournalUnusable(self.path, "was closed")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JournalUnusable(self.path, f"cannot be used: {error.strerror or error}") from error

    def _append(self, kind: _Kind, number: int, index: int, content: bytes | memoryview) -> _Content:
        with self._translated():
            self._require_open()
            head = _HEAD.pack(kind, number, index, len(content))
            check = hashlib.sha256(self._chain + head).digest()[:_CHECK]
            before = self._chain + head
            hashed = hashlib.sha256(before)
            hashed.update(content)
            digest = hashed.digest()
            try:
                end = self._end
                for part in (head + check, content, digest):
                    end += _write(self._file, end, part)
                if self._durable:
                    os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, self._end)
                raise
            found = _Content(self._end + _HEAD.size + _CHECK, len(content), digest, before)
            self._end, self._chain = end, digest
            return found

    def _take_over(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalUnusable(self.path, "is open in another process, or twice in this one") from None
        size = os.fstat(self._file).st_size
        start = _MAGIC + self._run
        start += hashlib.sha256(start).digest()[:_CHECK]
        found = _read(self._file, 0, min(size, _START))
        if len(found) < _START and start.startswith(found):
            self.torn = len(found)
            os.ftruncate(self._file, 0)
            _write(self._file, 0, start)
            os.fsync(self._file)
        elif not found.startswith(_MAGIC) or hashlib.sha256(found[:-_CHECK]).digest()[:_CHECK] != found[-_CHECK:]:
            raise JournalCorrupt(self.path, "does not begin as a journal")
        elif found != start:
            raise JournalMismatch(self.path, "belongs to another run: another app, configuration or seed")
        self._chain = hashlib.sha256(start).digest()
        self._end = _START
        while self._end < size and self._take_frame(size):
            pass
        if self._end < size:
            self.torn = size - self._end
            os.ftruncate(self._file, self._end)

    def _take_frame(self, size: int) -> bool:
        """Read the next frame; False if it is not whole."""
        start = self._end
        content_start = start + _HEAD.size + _CHECK
        if content_start > size:
            return False
        both = _read(self._file, start, _HEAD.size + _CHECK)
        head, check = both[: _HEAD.size], both[_HEAD.size :]
        before = self._chain + head
        if hashlib.sha256(before).digest()[:_CHECK] != check:
            raise JournalCorrupt(self.path, f"is damaged at byte {start}")
        kind, number, index, length = _HEAD.unpack(head)
        end = content_start + length + 32
        if end > size:
            return False
        keep = bytearray()
        hashed = hashlib.sha256(before)
        for at in range(content_start, content_start + length, _PIECE):
            piece = _read(self._file, at, min(_PIECE, content_start + length - at))
            hashed.update(piece)
            if kind != _Kind.ANSWER:
                keep += piece
        digest = hashed.digest()
        if _read(self._file, end - 32, 32) != digest:
            raise JournalCorrupt(self.path, f"is damaged between the bytes {content_start} and {end}")
        content = _Content(content_start, length, digest, before)
        if not self._take(kind, number, index, content, bytes(keep)):
            raise JournalCorrupt(self.path, f"has a frame at byte {start} that does not belong there")
        self._end, self._chain = end, digest
        return True

    def _take(self, kind: int, number: int, index: int, content: _Content, data: bytes) -> bool:
        if kind in (_Kind.OPENED, _Kind.REMEMBERED):
            self._events.append(_Event(_Kind(kind), data))
            return number == len(self._events) - 1
        if kind not in (_Kind.ANSWER, _Kind.CLOSED) or number >= len(self._events):
            return False
        event = self._events[number]
        if event.kind is not _Kind.OPENED or event.closed:
            return False
        if kind == _Kind.CLOSED:
            event.closed = True
            return True
        if index in event.answers:
            return False
        event.answers[index] = content
        event.order.append(index)
        return True


def _described(event: _Event) -> str:
    if event.kind is _Kind.REMEMBERED:
        name = event.content.partition(b"\0")[0].decode("utf-8", "replace")
        return f"the value {name!r}"
    listed = json.loads(event.content)
    digest = hashlib.sha256(event.content).hexdigest()[:8]
    nodes = ", ".join(node for node, _ in listed[:5]) + (", ..." if len(listed) > 5 else "")
    return f"an exchange with {nodes or 'no node'} (requests {digest})"


def _read(file: int, start: int, length: int) -> bytes:
    parts = []
    while length:
        part = os.pread(file, min(length, 1 << 30), start)
        if not part:
            raise OSError(None, f"the file ends at byte {start}")
        parts.append(part)
        start += len(part)
        length -= len(part)
    return b"".join(parts)


def _write(file: int, start: int, data: bytes | memoryview) -> int:
    view = memoryview(data).cast("B")
    written = 0
    while written < len(view):
        written += os.pwrite(file, view[written : written + (1 << 30)], start + written)
    return written
