"""What a place tells the event log: collected, and sent in batches, so that no step of an agent waits for it.

Each event has an id, so that a batch that is sent again after an answer was lost is written once. While the log does
not answer, events are kept, up to a bound; what is dropped beyond it is counted and told.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from agents.errors import DirectoryUnreachable
from agents.eventlog import EventKind, LogEvent
from agents.transport import Transport
from mobility.errors import MobilityError

__all__ = ["Notebook"]

_PAUSE: Final = 0.1
_BATCH: Final = 500
_MOST: Final = 100_000


class Notebook:
    """Of one place."""

    def __init__(self, place: str, writer: str, transport: Transport) -> None:
        self._place = place
        self._writer = writer
        self._transport = transport
        self._serial = itertools.count(1)
        self._events: deque[LogEvent] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._pause = threading.Event()
        self._closed = False
        self._abandoned = False
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="sojourn-notes", daemon=True)
        self._thread.start()

    def note(self, kind: EventKind, agent: str | None, epoch: int, data: Mapping[str, Any], time: float) -> None:
        """Have an event written soon."""
        with self._lock:
            if len(self._events) >= _MOST:
                self._dropped += 1
                return
            number = next(self._serial)
            self._events.append(
                LogEvent(
                    id=f"{self._place}:{self._writer}:{number}",
                    time=time,
                    place=self._place,
                    agent=agent,
                    kind=kind,
                    epoch=epoch,
                    data=dict(data),
                )
            )
        self._wake.set()

    def close(self, timeout: float) -> None:
        """Send what is left, if that can be done in time."""
        self._closed = True
        self._pause.set()
        self._wake.set()
        self._thread.join(timeout)

    def abandon(self) -> None:
        """Send nothing more."""
        self._abandoned = True
        self.close(0.5)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if not self._closed:
                self._pause.wait(_PAUSE)  # more may come
            self._wake.clear()
            while self._events and not self._abandoned:
                if not self._sent() and self._closed:
                    return
            if self._closed:
                return

    def _sent(self) -> bool:
        with self._lock:
            batch = [self._events[index] for index in range(min(_BATCH, len(self._events)))]
        try:
            self._transport.ask_directory("log", batch, timeout=5.0)
        except DirectoryUnreachable:
            self._pause.wait(_PAUSE * 3)
            return False
        except MobilityError:  # the log is full or broken: what cannot be written is counted, and agents go on
            self._dropped += len(batch)
        with self._lock:
            for _ in batch:
                self._events.popleft()
        return True

    @property
    def dropped(self) -> int:
        """How many events could not be kept."""
        return self._dropped
