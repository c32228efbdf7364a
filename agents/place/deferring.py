"""Agents that are not to begin yet: until a time has come, or until something at the place is true.

They lie here as agents that have not begun: they take in messages, and can be moved, cloned, frozen and stopped. What
they wait for is in their terms, so it holds at whichever place they are. It is struck out when they begin: one that is
started anew elsewhere, as a weak agent is, does not wait again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agents.cell import Raised, describe
from agents.errors import LandingRefused, NeverBegan
from agents.eventlog import EventKind
from agents.luggage import Luggage
from agents.place.core import PlaceCore
from agents.place.moving import Moving
from agents.place.outcomes import failed
from agents.place.resident import Ended, Resident
from agents.place.writing import write_down
from agents.standing import Fresh
from mobility.trust import VerifiedPassport

__all__ = ["Deferring", "check_start"]

#: Seconds between two looks at a condition, which grow; and never less than it takes to look.
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0


def check_start(place: str, resources: Sequence[str], luggage: Luggage, passport: VerifiedPassport) -> None:
    """That what an agent waits for, which is about to come in, can come about at a place that has these resources.

    Raises
    ------
    LandingRefused
    """
    terms = luggage.terms
    if not isinstance(luggage.standing, Fresh):
        return
    if terms.start_when is not None and terms.start_when not in resources:
        listed = ", ".join(resources) or "none"
        raise LandingRefused(
            place,
            "resource-missing",
            f"it is to begin when {terms.start_when!r} is true, and there is no such resource",
            f"Name one of its resources ({listed}), or launch it elsewhere.",
        )
    if terms.start_at is not None and terms.start_at > passport.birth.certificate.not_after:
        raise LandingRefused(
            place,
            "never-began",
            "it is to begin after the end of its lifetime",
            "Let it begin earlier, or launch it with birth=Birth(lifetime=...) for a longer life.",
        )


@dataclass(slots=True, eq=False)
class _Condition:
    """A resource for which agents wait.

    Attributes
    ----------
    told
        Those whose log has the reason why it cannot be looked at.
    """

    waiting: dict[str, Resident] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    pause: float = _FIRST_PAUSE


@dataclass(slots=True, eq=False)
class Deferring:
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
    _conditions: dict[str, _Condition] = field(default_factory=dict, init=False)

    def look(self, resident: Resident, luggage: Luggage, waits: Callable[[float], bool]) -> bool:
        """Whether an agent that has not begun begins now; its lock is held. If not, it is run when it may.

        Parameters
        ----------
        waits
            Whether a time has come; if not, it has the resident run then.
        """
        terms = luggage.terms
        if terms.start_at is not None and not waits(terms.start_at):
            return False
        if terms.start_when is None:
            luggage.terms = replace(terms, start_at=None)
            return True
        resident.scheduled = False
        with self._lock:
            condition = self._conditions.get(terms.start_when)
            if condition is None:
                condition = self._conditions[terms.start_when] = _Condition()
                self.core.call(lambda: self._check(terms.start_when or ""))
            condition.waiting[resident.agent] = resident
        return False

    # -- looking at a condition, once for all that wait for it, where functions run that may block

    def _check(self, name: str) -> None:
        began = time.monotonic()
        problem: BaseException | None = None
        holds = False
        try:
            holds = self._holds(name)
        except BaseException as error:  # of whoever offers the resource; it is tried again
            problem = error
        took = time.monotonic() - began
        with self._lock:
            condition = self._conditions[name]
            waiting = list(condition.waiting.values())
        for resident in waiting:
            if self._settled(resident, name, holds):
                with self._lock:
                    condition.waiting.pop(resident.agent, None)
            elif problem is not None and resident.agent not in condition.told:
                condition.told.add(resident.agent)
                kind, text = describe(problem)
                self._say(resident, f"cannot begin yet: {name!r} raised {kind}: {text[:1000]}; it is asked again")
        with self._lock:
            if not condition.waiting:
                del self._conditions[name]
                return
            pause = max(condition.pause, took)
            condition.pause = min(condition.pause * 1.5, _LONGEST_PAUSE)
        self.core.timers.after(pause, lambda: self.core.call(lambda: self._check(name)))

    def _holds(self, name: str) -> bool:
        value: Any = self.moving.binding.holdings.get(name)
        return bool(value() if callable(value) else value)

    def _settled(self, resident: Resident, name: str, holds: bool) -> bool:
        """Whether one of them waits here no more: it begins now, its life is over, or it has left."""
        with resident.lock:
            luggage, passport = resident.luggage, resident.passport
            if luggage is None or passport is None or not resident.machine.visit.runs:
                return True  # when it runs here again, it looks again
            if not isinstance(luggage.standing, Fresh) or luggage.terms.start_when != name:
                return True
            if holds:
                luggage.terms = replace(luggage.terms, start_at=None, start_when=None)
                # So that after a crash it does not wait for what was true before.
                write_down(self.core, self.moving, resident, luggage, Fresh())
            elif time.time() > passport.birth.certificate.not_after:
                error = NeverBegan(resident.agent, f"{name!r} was not true on {self.core.name} while it lived")
                raised = Raised(error, f"{type(error).__name__}: {error}")
                resident.ended = Ended(failed(raised, luggage.visited), EventKind.FAILED)
            else:
                return False
        if holds:
            self._say(resident, f"begins: {name!r} is true")
        self.core.schedule(resident, self.run)
        return True

    def _say(self, resident: Resident, text: str) -> None:
        self.core.event(EventKind.SAID, resident.agent, text=text)
