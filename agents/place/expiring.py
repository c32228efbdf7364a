"""The end of an agent whose lifetime is over: at its next suspension, also while it sleeps or waits.

Its owner has signed until when it may live. At that moment it is woken; its ``finally`` blocks run, and its result is
`AgentExpired`. One that was down with its place then ends when the place is back. One that computes on, or whose
``finally`` blocks do, is ended by force after a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from agents.cell import Raised, describe
from agents.errors import AgentExpired
from agents.eventlog import EventKind
from agents.place.core import PlaceCore
from agents.place.forcing import Forcing
from agents.place.moving import Moving
from agents.place.outcomes import failed
from agents.place.resident import Ended, Resident

__all__ = ["Expiring"]

#: Seconds beyond its lifetime that an agent has to come to a suspension, and to an end.
_GRACE: Final = 5.0
#: Seconds: who lives longer has no timer yet, and is looked at again so often.
_NEAR: Final = 3600.0


@dataclass(slots=True, eq=False)
class Expiring:
    """Of one place.

    Attributes
    ----------
    run
        Steps a resident.
    """

    core: PlaceCore
    moving: Moving
    forcing: Forcing
    run: Callable[[Resident], None]
    _set: set[str] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def start(self) -> None:
        """Look after the agents that are here and will be."""
        self.core.timers.after(_NEAR / 2, self._look)

    def _look(self) -> None:
        for resident in self.core.residents():
            self.watch(resident)
        self.start()

    def watch(self, resident: Resident) -> None:
        """Have a resident woken when its lifetime is over."""
        left = self._left(resident)
        if left is None or left > _NEAR:
            return
        with self._lock:
            if resident.agent in self._set:
                return
            self._set.add(resident.agent)
        agent = resident.agent
        self.core.timers.after(max(0.0, left) + 0.01, lambda: self._over(agent))

    def _over(self, agent: str) -> None:
        with self._lock:
            self._set.discard(agent)
        resident = self.core.known(agent)
        if resident is not None:
            self.core.schedule(resident, self.run)
            self.core.timers.after(_GRACE, lambda: self.core.soon(lambda: self._force(agent)))

    def _force(self, agent: str) -> None:
        """End one that has not come to an end by itself."""
        resident = self.core.known(agent)
        if resident is None:
            return
        with resident.lock:
            luggage, passport = resident.luggage, resident.passport
            if luggage is None or passport is None or resident.ended is not None or not self.is_over(resident):
                return
            problem = f"it did not come to an end within {_GRACE:g} seconds more, and was broken off"
            error = AgentExpired(agent, self.core.name, passport.birth.certificate.not_after, problem)
            raised = Raised(error, f"{type(error).__qualname__}: {error}")
            ended = Ended(failed(raised, luggage.visited), EventKind.FAILED, forced=True)
            begun = self.forcing.begin(resident, ended)
        if begun is not None:
            self.forcing.carry_out(resident, begun)
        else:  # it is just leaving, or comes back
            self.core.timers.after(_GRACE, lambda: self.core.soon(lambda: self._force(agent)))

    def _left(self, resident: Resident) -> float | None:
        passport = resident.passport
        # The last second is within, so that it lives no shorter than its owner has said.
        return None if passport is None else passport.birth.certificate.not_after + 1 - time.time()

    def is_over(self, resident: Resident) -> bool:
        """Whether its lifetime is over, by the clock of this place."""
        left = self._left(resident)
        return left is not None and left <= 0

    def end(self, resident: Resident) -> None:
        """End it; nothing more of it runs."""
        with resident.lock:
            cell, luggage, passport = resident.cell, resident.luggage, resident.passport
            if cell is None or luggage is None or passport is None or not resident.machine.visit.runs:
                return
            resident.in_step = True
        try:
            with self.core.store.step(resident.agent):
                raised = cell.close()
        finally:
            with resident.lock:
                resident.in_step = False
                if resident.breaking is cell:
                    resident.breaking = None
        with resident.lock:
            if resident.cell is not cell:  # the lease was lost meanwhile, and somebody else has it
                return
            problem = "" if raised is None else f"while it ended, it raised {': '.join(describe(raised.error))}"
            not_after = passport.birth.certificate.not_after
            error = AgentExpired(resident.agent, self.core.name, not_after, problem)
            trace = raised.trace if raised is not None else f"{type(error).__qualname__}: {error}"
            resident.ended = Ended(failed(Raised(error, trace), luggage.visited), EventKind.FAILED)
        self.moving.finish(resident)
