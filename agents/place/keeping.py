"""What an agent does once is not to be done twice after a crash: its state is written down before it goes on.

A clone is announced on disk before it is sent. After a crash the directory says whether it was born: if so, it is the
one that was meant; if not, that it will not be any more, and it is made anew.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from agents import effects as does
from agents.errors import MoveFailed
from agents.handoff import NEVER, Fence, Granted
from agents.luggage import Luggage
from agents.patience import ask_patiently
from agents.place.branching import Branching
from agents.place.core import PlaceCore
from agents.place.moving import Moving
from agents.place.resident import Resident
from agents.place.writing import write_down
from agents.standing import Branches, Cloned, Spawned, Standing
from mobility.errors import MobilityError

__all__ = ["Keeping"]


@dataclass(slots=True, eq=False)
class Keeping:
    """Of one place: children that agents make, each once."""

    core: PlaceCore
    moving: Moving
    branching: Branching

    def clone(self, resident: Resident, luggage: Luggage, place: str, name: str | None) -> Standing:
        """Make a clone; how the original stands then.

        Raises
        ------
        MoveRefused, MoveFailed
        """
        with resident.lock:
            child = self.branching.next_id(resident)
        write_down(self.core, self.moving, resident, luggage, Branches(child, place, name))
        return Cloned(False, self.branching.clone(resident, place, name))

    def spawn(self, resident: Resident, luggage: Luggage, effect: does.Spawn, place: str) -> Standing:
        """Start a child; how its parent stands then. What it was started with is not kept, so it is written down after.

        Raises
        ------
        MoveRefused, MoveFailed
        """
        spawned = Spawned(self.branching.spawn(resident, effect, place))
        write_down(self.core, self.moving, resident, luggage, spawned)
        return spawned

    def settled(self, resident: Resident, luggage: Luggage, branches: Branches) -> Standing:
        """How an agent stands that was just making a clone when its place died.

        Raises
        ------
        MoveRefused, MoveFailed
        """
        mark = hashlib.sha256(f"never born: {branches.child}".encode()).digest()
        deadline = time.monotonic() + self.core.options.transfer_seconds
        try:
            answer = ask_patiently(
                self.core.transport,
                "submit",
                Fence(branches.child, NEVER, self.core.holder, mark),
                deadline=deadline,
                at_most=self.core.options.directory_seconds,
            )
        except MobilityError as error:
            raise MoveFailed(
                branches.place,
                f"{self.core.name} died while {branches.child} was sent to {branches.place}, and the directory does "
                f"not say whether it has arrived: {error}",
                why="undecided",
                here=self.core.name,
                remedy=f"Ask later whether {branches.child} lives, before you try again.",
            ) from error
        if not isinstance(answer, Granted) and answer.row is not None and answer.row.since > NEVER:
            return Cloned(False, branches.child)
        return self.clone(resident, luggage, branches.place, branches.name)
