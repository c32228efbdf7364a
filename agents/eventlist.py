"""Events of the log as a list that a notebook shows as a table."""

from __future__ import annotations

from agents.eventlog import LogEvent

__all__ = ["EventList"]


class EventList(list[LogEvent]):
    """A list of events, in order."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from agents.views.cards import log_card
        from mobility.display.sheet import safe_html

        return safe_html("log", "", lambda: log_card(self))
