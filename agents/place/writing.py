"""Writing down the state of an agent where it stands, so that what it has done is not done again after a crash."""

from __future__ import annotations

from agents.eventlog import EventKind
from agents.luggage import Luggage
from agents.place.core import PlaceCore
from agents.place.moving import Moving
from agents.place.resident import Resident
from agents.standing import Standing
from mobility.errors import MobilityError

__all__ = ["write_down"]


def write_down(core: PlaceCore, moving: Moving, resident: Resident, luggage: Luggage, standing: Standing) -> None:
    """Keep the present state of an agent that stands, or is about to stand, so.

    What cannot be written, for one since it holds what cannot travel, is told in the log: the agent goes on.
    """
    try:
        with resident.lock:
            if resident.luggage is not luggage or resident.cell is None:  # lost just now, with the lease
                return
            outbound = moving.capture(resident, core.name, standing)
            core.store.save(resident.agent, resident.machine.visit.stay, outbound.bundle)
            size, epoch = len(outbound.bundle), resident.machine.visit.epoch
    except MobilityError as error:
        text = f"its state was not written down, and it goes back to an earlier one if this place dies: {error}"
        core.event(EventKind.SAID, resident.agent, text=text)
    else:
        core.event(EventKind.CHECKPOINTED, resident.agent, epoch, bytes=size)
