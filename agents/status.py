"""How an agent fares, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agents.client import Client
from agents.directory import Entry
from agents.errors import AgentsError
from agents.handoff import Status as RowStatus
from mobility.display.elements import legible

__all__ = ["AgentStatus", "status_of"]


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """Of one agent.

    Attributes
    ----------
    state
        ``"running"``, ``"waiting"``, ``"sleeping"``, ``"moving"``, ``"suspended"``, ``"held back"`` (processes of its
        place have ended within its steps), ``"frozen"``, ``"ended"``; and
        ``"unreachable"`` if its place does not answer.
    place
        Where it is; None if it has ended or is frozen.
    epoch
        The directory's.
    mail
        Messages that it has not read, if its place tells.
    steps
        How often it was stepped at its present place, if that tells.
    waits_for
        Of one that waits: for what, in words.
    """

    agent: str
    name: str
    state: str
    place: str | None
    epoch: int
    owner: str
    parent: str | None
    born: float | None
    ended: float | None
    mail: int | None = None
    steps: int | None = None
    waits_for: str | None = None

    def __str__(self) -> str:
        where = f" on {self.place}" if self.place else ""
        return legible(f"{self.name} is {self.state}{where}{f' for {self.waits_for}' if self.waits_for else ''}")


_WAITING = ("receives", "asks", "gathers", "evaluates", "travels")
_STANDINGS = {"sleeps": "sleeping", **dict.fromkeys(_WAITING, "waiting")}
_MOVING = frozenset({"admitting", "staged", "frozen", "reclaiming", "releasing"})


def status_of(client: Client, agent: str) -> AgentStatus:
    """Ask the directory, and the agent's place.

    Raises
    ------
    UnknownAgent, DirectoryUnreachable
    """
    entry = client.find(agent)
    row: dict[str, Any] | None = None
    place = _place(entry)
    if place is not None:
        try:
            told = client.describe_place(place, agents=True, timeout=5.0)
            row = next((dict(found) for found in told.agents if found["agent"] == entry.row.agent), {})
        except AgentsError:
            row = None
    return combined(entry, row)


def _place(entry: Entry) -> str | None:
    held = entry.row.status is RowStatus.HELD and entry.row.holder is not None
    return entry.row.holder.place if held and entry.row.holder is not None else None


def combined(entry: Entry, row: dict[str, Any] | None) -> AgentStatus:
    """What directory and place say together; `row` is None if the place does not answer, empty if it knows nothing."""
    info = entry.info
    state = _state(entry, row)
    return AgentStatus(
        agent=entry.row.agent,
        name=(info.name if info is not None else None) or entry.row.agent,
        state=state,
        place=_place(entry),
        epoch=entry.row.epoch,
        owner=info.owner if info is not None else "",
        parent=info.parent if info is not None else None,
        born=info.born if info is not None else None,
        ended=entry.ended_at,
        mail=row.get("mail") if row else None,
        steps=row.get("steps") if row else None,
        waits_for=row.get("waits_for") if row and state == "waiting" else None,
    )


def _state(entry: Entry, row: dict[str, Any] | None) -> str:
    if entry.row.status is not RowStatus.HELD:
        return entry.row.status.value
    if row is None:
        return "unreachable"
    if not row or row["state"] in _MOVING:
        return "moving"
    if row["state"] == "suspended":
        return "suspended"
    if row.get("held_back"):
        return "held back"
    if row["computing"]:
        return "running"
    usual = "waiting" if row.get("waits_for") else "running"
    return _STANDINGS.get(row["standing"] or "", usual)
