"""Agents that wait for the ends of others: one question to the directory for all of them, and no thread of theirs.

What an agent waits for is in its standing, and travels. What is known of it is here, and is asked for anew wherever the
agent comes to be: results are fetched when it goes on, and never lie in its luggage.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from agents import effects as does
from agents.errors import AgentsError
from agents.luggage import Luggage
from agents.place.core import PlaceCore
from agents.place.moving import Moving
from agents.place.posting import resolved
from agents.place.resident import Resident
from agents.place.tally import LOOK_FOR_LOST, SMALL, Enough, Tally, judged, overdue, results_of
from agents.place.writing import write_down
from agents.protocol import Description, LooksAt
from agents.standing import Gathers
from mobility.errors import MobilityError

__all__ = ["Gathering"]

#: Seconds between two questions: short after news, longer while there are none, and never much of the directory's time.
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.5
_SHARE: Final = 5.0
_LOOK: Final = 3.0
#: Seconds that the directory gets for an answer, and for an outcome, also if the deadline is nearer.
_MOMENT: Final = 1.0
_LEAST_FETCH: Final = 5.0


@dataclass(slots=True, eq=False)
class _Watch:
    """One agent that gathers.

    Attributes
    ----------
    answer
        What its ``yield`` gives, or raises; None: not yet.
    making
        Whether a thread is just making that.
    """

    resident: Resident
    gathers: Gathers
    answer: tuple[Any, BaseException | None] | None = None
    making: bool = False

    @property
    def lives(self) -> bool:
        """Whether the agent still stands there; it may have left, ended, or gone on."""
        luggage = self.resident.luggage
        return luggage is not None and luggage.standing is self.gathers


@dataclass(slots=True, eq=False)
class Gathering:
    """Of one place.

    Attributes
    ----------
    run
        Steps a resident.
    """

    core: PlaceCore
    moving: Moving
    run: Callable[[Resident], None]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _watches: dict[str, _Watch] = field(default_factory=dict, init=False)
    _tally: Tally = field(default_factory=Tally, init=False)
    _reading: set[str] = field(default_factory=set, init=False)
    _pause: float = field(default=_FIRST_PAUSE, init=False)
    #: The number of the round that is to come, and when that is; one that was planned before it is dropped.
    _round: int = field(default=0, init=False)
    _due: float | None = field(default=None, init=False)
    _asking: bool = field(default=False, init=False)
    _looking: bool = field(default=False, init=False)
    _looked: float = field(default=0.0, init=False)

    # -- for whoever steps it

    def begin(self, resident: Resident, luggage: Luggage, effect: does.Gather) -> Gathers:
        """How an agent stands that gathers. Its state is written down: what it has made, it does not make again.

        Raises
        ------
        UnknownAgent, DirectoryUnreachable
            Of one that is given by its name.
        ValueError
            It would wait for itself.
        """
        until = time.time() + effect.timeout
        agents = [resolved(self.core.transport, to, timeout=max(1.0, effect.timeout)) for to in effect.agents]
        if resident.agent in agents:
            raise ValueError("an agent cannot gather itself: it would wait for its own end")
        gathers = Gathers(agents, effect.first, effect.failures == "collect", effect.timeout, until)
        if agents:
            write_down(self.core, self.moving, resident, luggage, gathers)
        return gathers

    def look(self, resident: Resident, gathers: Gathers) -> tuple[bool, Any, BaseException | None]:
        """Whether what it gathers is there, and what its ``yield`` gives; its lock is held. If not, it is run then."""
        with self._lock:
            watch = self._watches.get(resident.agent)
            if watch is not None and watch.gathers is gathers:
                if watch.answer is not None:
                    del self._watches[resident.agent]
                    return True, *watch.answer
            else:
                self._watches[resident.agent] = _Watch(resident, gathers)
                self._pause = _FIRST_PAUSE
                self._plan(0.0)
        resident.scheduled = False
        return False, None, None

    # -- asking; the lock is held where it is not said otherwise

    def _plan(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        if self._due is not None and self._due <= due:
            return
        self._due = due
        self._round += 1
        number = self._round
        self.core.timers.after(seconds, lambda: self.core.soon(lambda: self._ask(number)))

    def _ask(self, number: int) -> None:
        """One round, on a thread of its own, without the lock."""
        with self._lock:
            if number != self._round:
                return
            self._due = None
            if self._asking:  # whoever asks plans the next one
                return
            self._asking = True
        took = 0.0
        try:
            began = time.monotonic()
            self._ask_directory()
            took = time.monotonic() - began
        finally:
            with self._lock:
                self._asking = False
                self._watches = {agent: watch for agent, watch in self._watches.items() if watch.lives}
                if self._watches:
                    pause = max(self._pause, min(_SHARE * took, _LONGEST_PAUSE))
                    left = _left(self._watches.values())
                    self._plan(max(_FIRST_PAUSE, min(pause, left) if left > 0 else pause))
                    self._pause = min(self._pause * 1.5, _LONGEST_PAUSE)
                else:
                    self._tally.keep(set())

    def _ask_directory(self) -> None:
        with self._lock:
            watches = [watch for watch in self._watches.values() if watch.lives and watch.answer is None]
            self._tally.keep({agent for watch in watches for agent in watch.gathers.agents})
            pending = self._tally.open(agent for watch in watches for agent in watch.gathers.agents)
        if pending:
            try:
                seconds = max(_MOMENT, min(self.core.options.directory_seconds, _left(watches)))
                told = self.core.transport.ask_directory("endings", pending, SMALL, timeout=seconds)
            except MobilityError:
                told = ()  # asked again, as long as somebody waits
            with self._lock:
                if self._tally.note(told):
                    self._pause = _FIRST_PAUSE
                if not self._looking and time.monotonic() - self._looked > LOOK_FOR_LOST:
                    self._looking = True
                    self.core.soon(self._look_for_lost)
        for watch in watches:
            self._judge(watch)

    def _judge(self, watch: _Watch) -> None:
        """See whether there is enough for one of them; without the lock."""
        gathers = watch.gathers
        with self._lock:
            if watch.making or watch.answer is not None:
                return
            enough = judged(gathers.agents, gathers.first, gathers.collects, self._tally.fates)
            if enough is not None:
                watch.making = True
                self.core.soon(lambda: self._make(watch, enough))
                return
            if gathers.first is not None or not gathers.collects:
                for agent in self._tally.unread(gathers.agents):
                    if agent not in self._reading:
                        self._reading.add(agent)
                        self.core.soon(partial(self._read, agent, gathers.until))
            if time.time() < gathers.until:
                return
            watch.answer = (None, overdue(gathers.agents, self._tally.fates, gathers.seconds))
        self.core.schedule(watch.resident, self.run)

    # -- what takes longer, each on a thread of its own

    def _fetch(self, agent: str, until: float) -> bytes | None:
        seconds = max(_LEAST_FETCH, min(self.core.options.transfer_seconds, until - time.time()))
        outcome: bytes | None = self.core.transport.ask_directory("outcome", agent, timeout=seconds)
        return outcome

    def _make(self, watch: _Watch, enough: Enough) -> None:
        """Fetch and decode what one of them gets."""
        gathers = watch.gathers
        with self._lock:
            fates = {agent: self._tally.fates[agent] for agent in gathers.agents if agent in self._tally.fates}
        answer: tuple[Any, BaseException | None] | None
        try:
            cell = watch.resident.cell
            package = None if cell is None else cell.package

            def fetch(agent: str) -> bytes | None:
                return self._fetch(agent, gathers.until)

            answer = results_of(gathers.agents, gathers.collects, enough, fates, fetch, package)
        except AgentsError:  # the directory does not answer
            answer = None
            if time.time() > gathers.until:
                answer = (None, overdue(gathers.agents, fates, gathers.seconds))
        except BaseException as error:  # what is too large for this process: it is told, and is not to hang
            answer = (None, error)
        with self._lock:
            watch.making = False
            watch.answer = answer
        if answer is not None:
            self.core.schedule(watch.resident, self.run)

    def _read(self, agent: str, until: float) -> None:
        """See how one with a large outcome has ended, which is not kept: it may be long until it is wanted."""
        try:
            outcome = self._fetch(agent, until)
        except MobilityError:
            return  # asked again
        else:
            with self._lock:
                self._tally.note_read(agent, outcome)
                self._pause = _FIRST_PAUSE
                self._plan(0.0)
        finally:
            with self._lock:
                self._reading.discard(agent)

    def _look_for_lost(self) -> None:
        """See which of them are at places that have gone, apart from the rounds: such a place may be slow to answer."""
        looks: dict[str, frozenset[str] | None] = {}

        def has(place: str, agent: str) -> bool:
            if place not in looks:
                looks[place] = self._agents_at(place)
            there = looks[place]
            return there is not None and agent in there

        try:
            with self._lock:
                pending = self._tally.open(agent for watch in self._watches.values() for agent in watch.gathers.agents)
                scratch = Tally(missed=dict(self._tally.missed))
            told = self.core.transport.ask_directory(
                "endings", pending, SMALL, True, timeout=self.core.options.directory_seconds
            )
            scratch.note_abandoned(told, pending, has)
            with self._lock:
                self._tally.note(told)
                self._tally.missed = scratch.missed
                self._tally.fates = scratch.fates | self._tally.fates  # what was heard meanwhile counts
        except MobilityError:
            return  # looked for again
        finally:
            with self._lock:
                self._looking = False
                self._looked = time.monotonic()

    def _agents_at(self, place: str) -> frozenset[str] | None:
        """Who is at a place; None if it does not answer."""
        try:
            told = self.core.transport.ask_place(place, LooksAt(agents=True), timeout=_LOOK)
        except MobilityError:
            return None
        return frozenset(row["agent"] for row in told.agents) if isinstance(told, Description) else None


def _left(watches: Iterable[_Watch]) -> float:
    """Seconds to the next deadline of those that have no answer yet; negative if it is over."""
    return min((watch.gathers.until for watch in watches if watch.answer is None), default=math.inf) - time.time()
