"""Places, agents and events as rows: for people, and as data for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from agents.cli.jsonable import as_json

if TYPE_CHECKING:
    from agents.eventlog import LogEvent
    from agents.platform import PlaceInfo
    from agents.status import AgentStatus

__all__ = [
    "AGENT_COLUMNS",
    "PLACE_COLUMNS",
    "agent_as_data",
    "agent_row",
    "event_as_data",
    "event_line",
    "lasted",
    "place_as_data",
    "place_row",
]

PLACE_COLUMNS: Final = ("place", "agents", "host", "pid", "python", "resources")
AGENT_COLUMNS: Final = ("name", "agent", "state", "place", "age", "mail", "steps", "parent")


def lasted(seconds: float) -> str:
    """A length of time for people."""
    seconds = max(0.0, seconds)
    if seconds < 60:
        return f"{seconds:.0f} s"
    for unit, size in (("d", 86400), ("h", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} min"


def place_row(place: PlaceInfo) -> tuple[object, ...]:
    """One of ``sojourn places``."""
    about = place.about
    if "problem" in about:
        return (place.name, "-", f"does not answer ({about['problem']})", "-", "-", "-")
    resources = ", ".join(_with_attachment(str(name), about) for name in about.get("resources", ())) or "none"
    halted = "" if about.get("leased", True) else " (halted: no lease)"
    halted += " (lets nobody in)" if about.get("draining") else ""
    return (
        place.name,
        f"{about.get('agents')}{halted}",
        about.get("host"),
        about.get("pid"),
        about.get("python"),
        resources,
    )


def _with_attachment(name: str, about: Mapping[str, Any]) -> str:
    """A resource, and how it is tied to its place unless it is fixed, as most are."""
    attachment = about.get("declared", {}).get(name, {}).get("attachment", "fixed")
    return name if attachment == "fixed" else f"{name} ({attachment})"


def place_as_data(place: PlaceInfo) -> dict[str, Any]:
    """The same for programs."""
    about = {key: as_json(value) for key, value in place.about.items()}
    return {"place": place.name, "answers": "problem" not in about, **about}


def agent_row(status: AgentStatus) -> tuple[object, ...]:
    """One of ``sojourn ps``."""
    until = status.ended if status.ended is not None else time.time()
    return (
        status.name if status.name != status.agent else "-",
        status.agent,
        f"{status.state} for {status.waits_for}" if status.waits_for else status.state,
        status.place or "-",
        lasted(until - status.born) if status.born is not None else "-",
        "-" if status.mail is None else status.mail,
        "-" if status.steps is None else status.steps,
        status.parent or "-",
    )


def agent_as_data(status: AgentStatus) -> dict[str, Any]:
    """The same for programs."""
    return {name: as_json(getattr(status, name)) for name in type(status).__dataclass_fields__}


def event_as_data(event: LogEvent, names: Mapping[str, str]) -> dict[str, Any]:
    """One of ``sojourn logs`` for programs."""
    return {
        "number": event.number,
        "time": event.time,
        "place": event.place,
        "agent": event.agent,
        "name": names.get(event.agent or ""),
        "kind": event.kind.value,
        "epoch": event.epoch,
        "data": as_json(dict(event.data)),
    }


def event_line(event: LogEvent, names: Mapping[str, str], *, of_one: bool) -> str:
    """The same for people; without the agent's name where all lines are `of_one`."""
    from agents.views.telling import clock_text, event_text

    who = "" if of_one or event.agent is None else f"{names.get(event.agent, event.agent)}  "
    return f"{clock_text(event.time)}  {(event.place or '-').ljust(8)}  {who}{event_text(event)}".rstrip()
