"""Events of the log as a list that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Iterable

from agents.eventlog import LogEvent

__all__ = ["EventList", "names_in"]


def names_in(events: Iterable[LogEvent]) -> dict[str, str]:
    """What agents are called, by their ids, as far as the events say it."""
    return {event.agent: str(event.data["name"]) for event in events if event.agent and event.data.get("name")}


class EventList(list[LogEvent]):
    """A list of events, in order; as text it has a line for each."""

    __slots__ = ()

    def __str__(self) -> str:
        from agents.views.telling import event_line

        names = names_in(self)
        return "\n".join(event_line(event, names) for event in sorted(self, key=lambda event: event.time))

    def _repr_html_(self) -> str:
        from agents.views.cards import log_card
        from mobility.display.sheet import safe_html

        return safe_html("log", "", lambda: log_card(self))
