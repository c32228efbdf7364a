"""The place's lease: renewed in good time; when it runs out, nothing runs until it is back.

The place counts from when it has asked, the directory from when the question arrived, so the place stops first. The
margin is for clocks that do not run equally fast, and for a thread that is woken late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from agents.errors import DirectoryUnreachable
from agents.eventlog import EventKind
from agents.handoff import Row, State, Status, is_rubbish
from agents.handoff import events as on
from agents.place.core import PlaceCore
from agents.place.landing import Landing
from agents.place.moving import Moving
from agents.place.resident import Resident
from mobility.errors import MobilityError

__all__ = ["Lease", "clock"]

#: Of its length, the part that a place believes in.
_BELIEVED: Final = 0.8
#: After so many deaths within its steps an agent is not stepped any more, and after so many not even decoded.
_POISON: Final = 5
_HOPELESS: Final = 8
_RENEWALS: Final = 4
#: Seconds for which a resident's lock is waited for while others wait.
_BRIEFLY: Final = 0.2


def clock() -> float:
    """Seconds that also pass while the machine sleeps, where the system counts them: a lease does not wait for it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(slots=True, eq=False)
class Lease:
    """Of one place.

    Attributes
    ----------
    seconds
        Its length, as the directory says.
    members_changed
        Called when the directory says that places have come or gone.
    superseded
        Called when another process is the place now.
    """

    core: PlaceCore
    moving: Moving
    landing: Landing
    seconds: float
    members_changed: Callable[[int], None]
    superseded: Callable[[], None]
    asked: float = field(default_factory=clock)
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _tidied: bool = field(default=False, init=False)
    _told_lost: set[tuple[str, int]] = field(default_factory=set, init=False)

    def start(self) -> None:
        """Renew from now on."""
        self._thread = threading.Thread(target=self._run, name="sojourn-lease", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Renew no more."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    @property
    def left(self) -> float:
        """Seconds for which the place may believe in it."""
        return self.asked + self.seconds * _BELIEVED - clock()

    def _run(self) -> None:
        pause = self.seconds / _RENEWALS
        while not self._stop.wait(max(0.01, min(pause, self.left))):
            try:
                renewed = self._renew()
            except BaseException as error:  # a place without this thread would stop without a word
                self.core.failed(error)
                renewed = False
            pause = self.seconds / _RENEWALS if renewed else min(0.25, self.seconds / 10)
            if not renewed and self.left <= 0 and self.core.leased:
                self._lost()

    def _renew(self) -> bool:
        asked = clock()
        # Whatever the directory's answer would be, it is of no use after the lease has run out.
        seconds = max(0.2, min(self.seconds / 2, self.left if self.core.leased else self.seconds / 2))
        try:
            told: Any = self.core.transport.ask_directory("renew", self.core.name, self.core.writer, timeout=seconds)
        except DirectoryUnreachable:
            return False
        if told.stop:
            self._lost()
            self._stop.set()
            self.superseded()
            return False
        self.asked = asked
        if told.expired or not self.core.leased:
            if self.core.leased:
                self._lost()
            self.core.leased = True
            self.core.event(EventKind.LEASE_HELD, None)
        self._wake()
        self.members_changed(told.members_version)
        if told.orphans:
            self.core.soon(self.take_back)
        return True

    def _lost(self) -> None:
        self.core.leased = False
        self.core.event(EventKind.LEASE_LOST, None)
        for resident in self.core.residents():
            self._tell(resident, partial(self.moving.feed, resident, on.LeaseLost()))

    def _wake(self) -> None:
        """After each renewal: what does not know yet that there is a lease again."""
        for resident in self.core.residents():
            if not resident.machine.visit.leased:
                self._tell(resident, partial(self._wakes, resident))
        self._wake_halted()

    def _wakes(self, resident: Resident) -> None:
        if resident.machine.state is not State.SUSPENDED and self.core.leased:
            self.moving.feed(resident, on.LeaseHeld(True))

    def _tell(self, resident: Resident, what: Callable[[], None]) -> None:
        """Tell a resident's machine; one whose lock is held, as by a capture that comes to no end, keeps no other
        waiting, and is told later: without the directory it cannot leave meanwhile."""
        if not resident.lock.acquire(timeout=_BRIEFLY):
            self.core.soon(lambda: self._tell(resident, what), after=1.0)
            return
        try:
            what()
        finally:
            resident.lock.release()

    def _wake_halted(self) -> None:
        """Let go on what the directory says is still held. Only those are meant that were halted before it was asked:
        what it has granted since is not in its answer, and is asked for anew."""
        before: dict[str, int] | None = None
        while halted := self._halted():
            if halted == before:  # their locks are held
                self.core.soon(self._wake_halted, after=1.0)
                return
            before = halted
            try:
                held: dict[str, int] = self.core.transport.ask_directory(
                    "holdings", self.core.name, self.core.writer, timeout=self.core.options.directory_seconds
                )
            except DirectoryUnreachable:
                self.core.soon(self._wake_halted, after=self.core.options.retry_seconds)
                return
            for agent, epoch in halted.items():
                resident = self.core.resident(agent)
                if not resident.lock.acquire(timeout=_BRIEFLY):
                    continue  # never later by this answer, which may be over then
                try:
                    visit = resident.machine.visit
                    if self.core.leased and (visit.state, visit.epoch) == (State.SUSPENDED, epoch):
                        self.moving.feed(resident, on.LeaseHeld(held.get(agent) == epoch))
                finally:
                    resident.lock.release()

    def _halted(self) -> dict[str, int]:
        """The agents that wait for the lease, and at which epoch."""
        visits = [resident.machine.visit for resident in self.core.residents()]
        return {visit.agent: visit.epoch for visit in visits if visit.state is State.SUSPENDED}

    # -- what an earlier process of this place has left

    def take_back(self) -> int:
        """Restore the agents that this place holds under an earlier writer, each from its checkpoint; how many."""
        rows = self.core.transport.ask_directory(
            "orphans", self.core.name, self.core.writer, timeout=self.core.options.directory_seconds
        )
        count = 0
        for row in rows:
            resident = self.core.resident(row.agent)
            deaths = self.core.store.deaths(row.agent)
            if deaths >= _HOPELESS:
                self._tell_lost(row, f"{deaths} processes of this place have ended while it was decoded or stepped")
                continue
            resident.held_back = deaths >= _POISON
            if self.landing.recover(resident, row.epoch):
                count += 1
                if resident.held_back:
                    why = f"held back: {deaths} processes of this place have ended within its steps; freeze or stop it"
                    self.core.event(EventKind.SUSPENDED, row.agent, row.epoch, why=why)
            else:
                self._tell_lost(row, "no checkpoint")
        if rows or not self._tidied:
            self._tidied = True
            self.core.soon(self._tidy)
        return count

    def _tell_lost(self, row: Row, why: str) -> None:
        if (row.agent, row.epoch) not in self._told_lost:
            self._told_lost.add((row.agent, row.epoch))
            self.core.event(EventKind.LOST, row.agent, row.epoch, why=why)

    def _tidy(self) -> None:
        """Drop checkpoints from which no agent can be restored any more."""
        for agent, stay in self.core.store.agents().items():
            resident = self.core.known(agent)
            if resident is not None and not resident.is_away:
                continue
            try:
                _, row = self.core.transport.ask_directory("locate", agent, timeout=self.core.options.directory_seconds)
            except MobilityError:
                return
            frozen = row is not None and row.status is Status.FROZEN  # kept for whoever did not get the bundle
            if not frozen and is_rubbish(row, self.core.name, stay):
                self.core.store.drop(agent, up_to=stay)
