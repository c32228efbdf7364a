"""An event of the log, in a few words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from agents.eventlog import LogEvent
from mobility.display.elements import legible
from mobility.display.sheet import size_text

__all__ = ["clock_text", "event_line", "event_text"]

#: Characters of an event on one line.
_LONGEST: Final = 400


def clock_text(moment: float) -> str:
    """The time of day, to the millisecond; a number that no calendar has stays one."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(moment)) + f".{int(moment % 1 * 1000):03d}"
    except (ValueError, OverflowError, OSError):
        return f"{moment} s"


def event_text(event: LogEvent) -> str:
    """What happened."""
    data = dict(event.data)
    match event.kind.value:
        case "said":
            return str(data.get("text", ""))
        case "departed":
            took = f", frozen in {data['freeze_ms']:.1f} ms" if _is_number(data.get("freeze_ms")) else ""
            return f"left for {data.get('to') or 'a file'}{_size(data)}{took}"
        case "arrived":
            took = f", thawed in {data['thaw_ms']:.1f} ms" if _is_number(data.get("thaw_ms")) else ""
            return f"arrived from {data.get('source') or 'outside'}{took}{_took(data)}"
        case "born":
            return f"born{_size(data)}{_took(data)}"
        case "restored":
            return f"read from the disk of its place{_size(data)}{_took(data)}"
        case "frozen":
            return f"frozen into a file{_size(data)}"
        case "ended":
            return "stopped" if data.get("stopped") else "ended"
        case "failed" if data.get("why"):
            return f"failed: {_brief(data['why'])}"
        case "place-joined":
            return "place joined"
        case "place-left":
            return f"place left{_listed(data)}"
        case kind:
            return f"{kind.replace('-', ' ')}{_listed(data)}"


def event_line(event: LogEvent, names: Mapping[str, str]) -> str:
    """Time, place, agent and what happened, as one line without control characters."""
    agent = names.get(event.agent or "", event.agent or "-")
    line = f"{clock_text(event.time)}  {event.place or '-'}  {agent}  {event_text(event)}"
    return legible(line, _LONGEST)


def _size(data: Mapping[str, Any]) -> str:
    size = data.get("bytes")
    return f", {size_text(size)}" if isinstance(size, int) else ""


def _took(data: Mapping[str, Any]) -> str:
    return f", {data['total_ms']:.1f} ms in all" if _is_number(data.get("total_ms")) else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(data: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name} {_brief(value)}" for name, value in data.items() if value not in (None, "", [], {}))
    return f": {told}" if told else ""


def _brief(value: Any) -> str:
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
