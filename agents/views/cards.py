"""Platform, place, handle, trail and log as cards for a notebook. What was seen says as of when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from agents.draining import Drained, Evacuated
from agents.eventlist import names_in
from agents.eventlog import LogEvent
from agents.status import AgentStatus
from agents.views.looking import GLANCE, Overview, all_within
from agents.views.places_map import places_map
from agents.views.telling import clock_text, event_text
from mobility.display.elements import Element, Piece, element
from mobility.display.papers import variable_table
from mobility.display.sheet import (
    Sign,
    badge,
    card,
    details,
    fact_table,
    mono,
    muted,
    paragraph,
    rows_of_table,
    section,
    size_text,
    time_text,
    unbroken,
    when_text,
)
from mobility.errors import MobilityError

if TYPE_CHECKING:
    from agents.advising import Advice
    from agents.handle import Handle
    from agents.platform import PlaceInfo
    from agents.trail import Trail

__all__ = [
    "advice_card",
    "agent_table",
    "drained_card",
    "handle_card",
    "log_card",
    "log_table",
    "look_card",
    "place_card",
    "place_table",
    "trail_card",
]

_STATES: Final = {"ended": Sign.PLAIN, "frozen": Sign.PLAIN, "unreachable": Sign.BAD, "held back": Sign.BAD}


# -- platform and places ----------------------------------------------------------------------------------------------


def look_card(look: Overview, kind: str = "platform", name: str = "") -> Element:
    """What was seen of a platform."""
    silent = [place.name for place in look.places if "problem" in place.about]
    said = f"{_counted(len(look.places), 'place')}, {_counted(len(look.agents), 'agent')}"
    mark = badge(Sign.BAD, f"{len(silent)} do not answer") if silent else badge(Sign.GOOD, "all places answer")
    problems = [paragraph(badge(Sign.BAD, problem)) for problem in look.problems]
    return card(
        kind,
        name or said,
        paragraph(muted(f"{said}, as of {when_text(look.time)}")),
        *problems,
        places_map(look).element(),
        details("Places", place_table(look.places)),
        details("Agents", agent_table(look.agents)),
        mark=mark if look.places else None,
    )


def place_table(places: Sequence[PlaceInfo]) -> Element:
    """Places, one in a row."""
    rows: list[tuple[Piece, ...]] = []
    for place in places:
        about = place.about
        mark = _place_mark(about)
        offered = about.get("resources")
        resources = ", ".join(map(str, offered)) if isinstance(offered, (list, tuple)) and offered else "-"
        rows.append((place.name, mark, *(_said(about, key) for key in ("agents", "host", "pid", "python")), resources))
    return rows_of_table(("place", "", "agents", "host", "pid", "python", "resources"), rows)


def _place_mark(about: Mapping[str, Any]) -> Element:
    if "problem" in about:
        return badge(Sign.BAD, f"does not answer ({about['problem']})")
    if not about.get("leased", True):
        return badge(Sign.BAD, "halted: no lease")
    return badge(Sign.OPEN, "lets nobody in") if about.get("draining") else badge(Sign.GOOD, "answers")


def _said(about: Mapping[str, Any], key: str) -> str:
    return str(about[key]) if key in about else "-"


def place_card(place: PlaceInfo) -> Element:
    """A place, by what it has told; nobody is asked."""
    if not place.about:
        return card("place", place.name, paragraph(muted("platform.places(details=True) asks it for more.")))
    rows = [(str(key), _fact(str(key), value)) for key, value in list(place.about.items())[:40] if key != "problem"]
    return card("place", place.name, fact_table(rows), mark=_place_mark(place.about))


def _fact(key: str, value: Any) -> str:
    """What a place has told, for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_fact('', each)}" for name, each in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        named = [str(each)[:16] if key == "owners" else str(each) for each in value]
        return (":" if key == "socket" else ", ").join(named) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return size_text(value) if key == "memory" and isinstance(value, int) else str(value)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def agent_table(agents: Sequence[AgentStatus]) -> Element:
    """Agents, one in a row."""
    if not agents:
        return paragraph(muted("no agents"))
    rows = [
        (
            element("bdi", status.name),
            badge(_STATES.get(status.state, Sign.GOOD), _state(status)),
            status.place or "-",
            unbroken(when_text(status.born)),
            "-" if status.mail is None else str(status.mail),
            mono(status.agent),
        )
        for status in agents
    ]
    return rows_of_table(("name", "state", "place", "born", "mail", "agent"), rows)


def _state(status: AgentStatus) -> str:
    return f"{status.state} for {status.waits_for}" if status.waits_for else status.state


def drained_card(drained: Drained) -> Element:
    """What became of the agents of a place that was emptied."""
    rows = [
        (
            element("bdi", one.name),
            badge(Sign.BAD, f"stays ({one.why})") if one.to is None else badge(Sign.GOOD, _whereto(one)),
            "-" if not one.to else f"{one.ms:.1f} ms",
            mono(one.agent),
        )
        for one in drained.agents
    ]
    left, stayed = len(drained.moved), len(drained.stayed)
    said = f"{left} of {len(drained.agents)} agents have left, in {time_text(drained.seconds)}; nobody is let in"
    problems = [paragraph(element("bdi", one.name), f" stays: {_reasons(one)}") for one in drained.stayed]
    table = rows_of_table(("name", "", "took", "agent"), rows) if rows else None
    mark = badge(Sign.BAD, f"{stayed} stay") if stayed else badge(Sign.GOOD, "empty")
    return card("drained", drained.place, paragraph(muted(said)), table, *problems, mark=mark)


def _reasons(one: Evacuated) -> str:
    return "; ".join([one.problem, *(f"{place}: {why}" for place, why in one.refused.items())])


def _whereto(one: Evacuated) -> str:
    return f"goes on on {one.to}" if one.to else "has left by itself"


# -- an agent ---------------------------------------------------------------------------------------------------------


def handle_card(handle: Handle, seconds: float = GLANCE) -> Element:
    """Where an agent is, and, if it can be looked at in time, the line at which it is suspended and its variables."""
    import time

    asked = [handle.status, lambda: handle.state(timeout=seconds / 2)]
    status, state = all_within(seconds, asked)
    rows: list[tuple[str, Piece]] = [("agent", mono(handle.agent)), ("as of", when_text(time.time()))]
    mark = badge(Sign.BAD, f"cannot be seen: {_why(status)}")
    if isinstance(status, AgentStatus):
        mark = badge(_STATES.get(status.state, Sign.GOOD), _state(status))
        rows += [("place", status.place or "none"), ("owner", status.owner or "-"), ("born", when_text(status.born))]
        rows += [("parent", mono(status.parent))] if status.parent else []
        rows += [("ended", when_text(status.ended))] if status.ended else []
    suspended: Element | None = None
    if isinstance(state, dict):
        where = f"{state.get('line')}  {state.get('text') or ''}"
        title = f"Suspended in {state.get('function')}, {state.get('file')}"
        suspended = section(title, paragraph(mono(where)), variable_table(_triples(state.get("variables"))))
    elif isinstance(status, AgentStatus) and status.place is not None:
        suspended = paragraph(muted(f"Its variables cannot be seen at the moment: {_why(state)}."))
    return card("agent", handle.name, fact_table(rows), suspended, mark=mark)


def _triples(told: Any) -> list[list[str]]:
    rows = told if isinstance(told, (list, tuple)) else []
    return [[str(one) for one in row] for row in rows if isinstance(row, (list, tuple)) and len(row) == 3]


def _why(error: object) -> str:
    return error.slug if isinstance(error, MobilityError) else type(error).__name__


def trail_card(trail: Trail) -> Element:
    """The chain of hops, with a mark for each link; of one that is not verified nothing is told but that."""
    from agents.views.chain import chain_picture

    if not trail.verified:
        return card("trail of", trail.name, paragraph(trail.problem), mark=badge(Sign.BAD, "not verified"))
    rows = [
        (
            str(link.number),
            link.origin,
            (link.destination or "a file") + (f" (branch {link.child})" if link.child is not None else ""),
            "-" if link.bytes is None else size_text(link.bytes),
            _ms(link.freeze_ms),
            _ms(link.ship_ms),
            _ms(link.thaw_ms),
            link.signed_by,
            badge(Sign.GOOD, "verified"),
        )
        for link in trail.links
    ]
    facts = fact_table([("agent", mono(trail.agent)), ("owner", trail.owner), ("born", when_text(trail.born))])
    columns = ("#", "from", "to", "state", "freeze", "ship", "thaw", "signed by", "")
    parts = (
        [chain_picture(trail).element(), rows_of_table(columns, rows)] if rows else [paragraph(muted("no hops yet"))]
    )
    return card("trail of", trail.name, facts, *parts, mark=badge(Sign.GOOD, "every link verified"))


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"


# -- the log ----------------------------------------------------------------------------------------------------------


def log_table(events: Sequence[LogEvent], names: Mapping[str, str], *, most: int = 200) -> Element:
    """Events in the order of their times; of very many, the last ones."""
    shown = sorted(events[-most:], key=lambda event: event.time)
    rows = [
        (
            mono(clock_text(event.time)),
            event.place or "-",
            names.get(event.agent or "", event.agent or "-"),
            muted(event.kind.value),
            element("bdi", event_text(event)),
        )
        for event in shown
    ]
    table = rows_of_table(("time", "place", "agent", "", "what"), rows, most=most)
    left_out = len(events) - len(shown)
    return element("div", paragraph(muted(f"{left_out} earlier ones are left out")), table) if left_out else table


def log_card(events: Sequence[LogEvent]) -> Element:
    """A log."""
    names = names_in(events)
    said = f"{len(events)} event{'' if len(events) == 1 else 's'}"
    return card("log", said, log_table(events, names) if events else paragraph(muted("nothing has happened")))


# -- advice -----------------------------------------------------------------------------------------------------------


def advice_card(advice: Advice) -> Element:
    """What each paradigm would take for a task, the fastest first."""
    task = advice.workload
    rows = []
    for way in sorted(advice.seconds, key=advice.seconds.__getitem__):
        marks = [text for text, is_it in (("fastest", advice.best), ("leanest", advice.leanest)) if is_it is way]
        mark = badge(Sign.GOOD, ", ".join(marks)) if marks else ""
        rows.append((way.value, time_text(advice.seconds[way]), size_text(round(advice.bytes[way])), mark))
    said = (
        f"{task.interactions:,} interaction{'' if task.interactions == 1 else 's'} with {size_text(task.data_bytes)} "
        f"at {'one place' if task.places == 1 else f'each of {task.places} places'}; "
        f"each selects {task.selectivity:.3g} of the data"
    )
    table = rows_of_table(("paradigm", "time", "moved", ""), rows)
    return card("advice", advice.best.value, paragraph(said), table)
