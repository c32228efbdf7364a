"""Emptying a place whose node is about to go: nobody comes in any more, and whoever is there moves to others.

Rules
-----
1. That a place is being emptied is on its disk before the first agent leaves. A place that is killed meanwhile takes
   its agents back, is closed as before, and goes on moving them while the time lasts. If it was emptied because its
   node was to go, it is open again on another node: that one was not given up. Of a place whose process alone is to
   end nothing is written: started again, it is open or closed as it was.
2. The place does it, so that it goes on when whoever asked for it is gone.
3. An agent is moved as `move` does it: at its next suspension, and only to a place that admits it. One place after the
   other is tried, the one with the fewest agents first.
4. What is born here meanwhile, as a clone or a child of an agent that is here, is let in, and moved like the others.
5. Services, published units and resources stay. Agents that cannot leave stay too, and go on, until the node goes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Final

from agents.errors import AgentsError, DirectoryUnreachable, NoOtherPlace, UnknownPlace
from agents.eventlog import EventKind
from agents.place.core import PlaceCore
from agents.protocol import Control, Description, Done, Drain, Failure, HeldBack, LooksAt, NotHere, PlaceReply, Verb
from mobility.plain import decode, encode

__all__ = ["Draining"]

_ROOM: Final = "draining"
_KEY: Final = "wish"
#: Agents that are moved at once.
_AT_ONCE: Final = 16
#: Seconds between two looks at who is left.
_PAUSE: Final = 0.05
#: Seconds until those are asked again that could not be reached.
_AGAIN: Final = 0.5
#: Seconds for another place to say how many agents it has.
_LOOK: Final = 2.0
#: Seconds that are kept for the answer, of those that whoever asked waits.
_SPARE: Final = 0.2
#: Seconds that a drain takes at most; more can be waited for by no lock.
_LONGEST: Final = 30 * 86400.0


@dataclass(slots=True)
class _Case:
    """How it fares with one agent."""

    agent: str
    name: str
    to: str = ""
    ms: float = 0.0
    why: str = ""
    problem: str = ""
    refused: dict[str, str] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """As `agents.draining.Evacuated` takes it."""
        return {
            "agent": self.agent,
            "name": self.name,
            "to": None if self.why else self.to,
            "ms": self.ms,
            "why": self.why,
            "problem": self.problem,
            "refused": dict(self.refused),
        }


class Draining:
    """Of one place.

    Parameters
    ----------
    wish
        Has something done to an agent of this place.
    """

    def __init__(self, core: PlaceCore, wish: Callable[[Control], PlaceReply]) -> None:
        self._core = core
        self._wish = wish
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._load: dict[str, int] = {}
        self._wished: dict[str, Any] | None = None

    def load(self) -> None:
        """Be closed, if an earlier process of this place was; unless that was for the sake of a node that has gone."""
        wished = self._kept()
        if wished is None:
            return
        if wished.get("node", "") not in ("", self._core.about.get("node")):
            self._core.store.give_up(_ROOM, _KEY)
            return
        self._wished = wished
        self._core.draining = True

    def _kept(self) -> dict[str, Any] | None:
        data = self._core.store.kept(_ROOM, _KEY)
        return None if data is None else decode(data)

    def go_on(self) -> None:
        """Move the agents that an earlier process did not get round to, if there is time left."""
        if self._wished is not None:
            self._core.soon(self._resume)

    def _resume(self) -> None:
        wished = self._wished or {}
        left = float(wished.get("until", 0.0)) - time.time()
        if left <= 0 or not self._core.draining:
            return
        try:
            self.drain(Drain(tuple(wished["to"]), left, wished.get("node", "")))
        except (NoOtherPlace, UnknownPlace, DirectoryUnreachable):  # they may be started again just now, too
            self._core.soon(self._resume, after=_AGAIN)

    def reopen(self) -> None:
        """Let agents in again."""
        self._core.store.give_up(_ROOM, _KEY)
        self._core.draining = False
        self._core.event(EventKind.PLACE_REOPENED, None)

    def drain(self, request: Drain) -> Done:
        """Close the place, and move its agents while the time lasts; what became of each.

        Raises
        ------
        NoOtherPlace, UnknownPlace
            Nothing has begun.
        """
        seconds = max(0.0, min(_LONGEST, request.seconds))
        until = time.monotonic() + seconds
        others = self._others(request.to)
        for place in request.to:
            self._core.check_place(place)
        before = self._kept()
        # Who has closed it by hand is who opens it again, whatever becomes of its node.
        node = request.node if before is None else before.get("node", "") and request.node
        wished = {"to": list(request.to), "until": time.time() + seconds, "node": node}
        self._core.store.keep(_ROOM, _KEY, encode(wished))
        return Done(self._closed_and_emptied(others, seconds, until))

    def leave(self, seconds: float) -> None:
        """Move the agents while the time lasts, since this process is about to end; until then nobody is let in.

        Raises
        ------
        NoOtherPlace
        DirectoryUnreachable
        """
        seconds = max(0.0, min(_LONGEST, seconds))
        until = time.monotonic() + seconds
        self._closed_and_emptied(self._others(()), seconds, until)

    def _others(self, wanted: Sequence[str]) -> list[str]:
        others = [place for place in wanted or self._core.transport.places() if place != self._core.name]
        if not others:
            raise NoOtherPlace(self._core.name)
        return others

    def _closed_and_emptied(self, others: Sequence[str], seconds: float, until: float) -> list[dict[str, Any]]:
        first = not self._core.draining
        self._core.draining = True
        if first:
            self._core.event(EventKind.PLACE_DRAINING, None, seconds=round(seconds, 3))
        if not self._turn.acquire(timeout=max(0.0, until - time.monotonic())):
            return []
        try:
            return self._emptied(others, until)
        finally:
            self._turn.release()

    def _emptied(self, others: Sequence[str], until: float) -> list[dict[str, Any]]:
        cases: dict[str, _Case] = {}
        busy: dict[str, Future[None]] = {}
        self._load = self._asked(others)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sojourn-drain") as threads:
            while self._core.draining and not self._core.closed:
                for agent, name in self._here().items():
                    if agent not in busy and (agent not in cases or not cases[agent].why):
                        cases[agent] = _Case(agent, name)
                        busy[agent] = threads.submit(self._moved, cases[agent], until)
                if time.monotonic() >= until or not (busy or self._unsettled()):
                    break
                wait(busy.values(), timeout=_PAUSE)
                if not busy:
                    time.sleep(_PAUSE)
                busy = {agent: future for agent, future in busy.items() if not future.done()}
        return [case.as_data() for case in cases.values()]

    def _here(self) -> dict[str, str]:
        """The agents that are here, with their names."""
        found = {}
        for resident in self._core.residents():
            if resident.machine.visit.runs and resident.ended is None:
                luggage = resident.luggage
                found[resident.agent] = luggage.name if luggage is not None else resident.agent
        return found

    def _unsettled(self) -> bool:
        """Whether somebody is just arriving or leaving, and may yet be here in the end."""
        return any(not one.is_away and not one.machine.visit.runs for one in self._core.residents())

    def _asked(self, others: Sequence[str]) -> dict[str, int]:
        """How many agents each of the others has; those that do not answer come last."""
        found = dict.fromkeys(others, 1 << 30)

        def look(place: str) -> None:
            try:
                told = self._core.transport.ask_place(place, LooksAt(), timeout=_LOOK)
            except AgentsError:
                return
            if isinstance(told, Description):
                found[place] = int(told.about.get("agents", 0)) + (1 << 20 if told.about.get("draining") else 0)

        with ThreadPoolExecutor(min(16, len(others)), thread_name_prefix="sojourn-drain-look") as threads:
            list(threads.map(look, others))
        return found

    def _next(self, tried: dict[str, str]) -> str | None:
        with self._lock:
            left = [place for place in self._load if place not in tried]
            if not left:
                return None
            place = min(left, key=lambda name: (self._load[name], name))
            self._load[place] += 1
            return place

    def _moved(self, case: _Case, until: float) -> None:
        """Move one agent; its case tells how that went."""
        try:
            self._move(case, until)
        except Exception as error:  # a defect of the platform: the agent is still here, and the case is to say so
            self._core.failed(error)
            case.why, case.problem = AgentsError.slug, f"moving it broke off: {error!r}"

    def _move(self, case: _Case, until: float) -> None:
        began = time.monotonic()
        passing = False  # whether one of those that have not taken it may do so later
        while True:
            place = self._next(case.refused)
            if place is None and passing and time.monotonic() + _AGAIN < until:
                passing = False
                case.refused.clear()
                time.sleep(_AGAIN)
                continue
            if place is None:
                break
            left = until - time.monotonic() - _SPARE
            if left <= 0:
                case.why, case.problem = case.why or "no-time", case.problem or "the time was over before its turn"
                return
            reply = self._wish(Control(case.agent, Verb.MOVE, place, left))
            if isinstance(reply, Done):
                case.to, case.ms = place, round((time.monotonic() - began) * 1000, 3)
                return
            with self._lock:
                self._load[place] -= 1
            if isinstance(reply, NotHere):
                case.to = reply.hint or ""  # it has left or ended by itself
                return
            if isinstance(reply, HeldBack):
                time.sleep(_PAUSE)
                if case.agent not in self._here():
                    return
                continue
            error = reply.error if isinstance(reply, Failure) else AgentsError(f"it was not moved: {reply!r}")
            case.refused[place] = str(getattr(error, "reason", error))
            passing = passing or error.slug in ("move-failed", "place-unreachable")
            if error.slug in ("agent-busy", "timed-out"):
                case.why, case.problem = error.slug, str(getattr(error, "reason", error))
                return
        told = "; ".join(case.refused.values()) or "there is no other place"
        case.why, case.problem = "refused-by-all", told
