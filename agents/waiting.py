"""What an agent waits for, in a few words for people."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from agents.luggage import Luggage
from agents.standing import Asks, Fresh, Gathers, Receives

__all__ = ["awaited"]


def awaited(luggage: Luggage) -> str | None:
    """What it waits for, as in "waiting for a message"; None: for nothing but its turn, or it sleeps."""
    match luggage.standing:
        case Fresh():
            return _start(luggage)
        case Receives():
            return "a message"
        case Asks() as asks:
            return f"the answer of {asks.asked}"
        case Gathers() as gathers:
            return f"{len(set(gathers.agents))} agents to end"
    return None


def _start(luggage: Luggage) -> str | None:
    terms = luggage.terms
    if terms.start_at is not None and terms.start_at > time.time():
        then = f", and {terms.start_when!r} to be true" if terms.start_when is not None else ""
        return f"its start at {_moment(terms.start_at)}{then}"
    return f"{terms.start_when!r} to be true" if terms.start_when is not None else None


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):  # beyond the calendar
        return f"{seconds:g} s after 1970"
