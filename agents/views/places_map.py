"""Places and agents as a picture: who is where, and who went from where to where lately."""

from __future__ import annotations

from collections import Counter
from typing import Final

from agents.platform import PlaceInfo
from agents.status import AgentStatus
from agents.views.looking import Overview
from mobility.display.elements import Element, element
from mobility.display.picture import Picture, cut_text, svg_text
from mobility.display.sheet import AMBER, BLUE, GREEN, GREY, PURPLE, RED, TEAL

__all__ = ["places_map"]

_COLUMNS: Final = 3
_BOX: Final = 218.0
_GAP: Final = 44.0
_ROW_GAP: Final = 64.0
_MOST_AGENTS: Final = 6
_MOST_PLACES: Final = 30
_MOST_ARROWS: Final = 40
_STATES: Final = {
    "running": ("▶", GREEN),
    "waiting": ("…", BLUE),
    "sleeping": ("z", PURPLE),
    "moving": ("→", AMBER),
    "suspended": ("‖", AMBER),
    "held back": ("!", RED),
    "unreachable": ("✗", RED),
}


def places_map(look: Overview) -> Picture:
    """Draw what was seen."""
    places = look.places[:_MOST_PLACES]
    by_place: dict[str, list[AgentStatus]] = {place.name: [] for place in places}
    elsewhere = 0
    for status in look.agents:
        if status.place in by_place:
            by_place[status.place].append(status)
        elif status.place is not None:
            elsewhere += 1
    most = max((min(len(held), _MOST_AGENTS + 1) for held in by_place.values()), default=0)
    height = 46.0 + 19 * max(1, most)
    arrivals = Counter((str(event.data.get("source")), str(event.place)) for event in look.moves)
    names = {place.name for place in places}
    ways = [(way, count) for way, count in arrivals.most_common() if names.issuperset(way) and way[0] != way[1]]
    top = 58 if ways else 12
    spots = {
        place.name: (12 + (number % _COLUMNS) * (_BOX + _GAP), top + (number // _COLUMNS) * (height + _ROW_GAP))
        for number, place in enumerate(places)
    }
    body: list[Element] = []
    for (origin, destination), count in ways[:_MOST_ARROWS]:
        body += _way(spots[origin], spots[destination], height, f"{origin} to {destination}: {count}", count)
    for place in places:
        body += _place(place, by_place[place.name], *spots[place.name], height)
    rows = max(1, -(-len(places) // _COLUMNS))
    total = top + rows * (height + _ROW_GAP) - _ROW_GAP + 34
    notes = [f"{len(look.places) - len(places)} places are not drawn"] if len(look.places) > len(places) else []
    notes += [f"{elsewhere} agents are elsewhere"] if elsewhere else []
    notes += [] if places else ["no places"]
    notes += ["Arcs: arrivals in the log, latest 400"] if ways else []
    body.append(svg_text(". ".join(notes), 12, total - 8, font_size=10))
    width = 24 + _COLUMNS * _BOX + (_COLUMNS - 1) * _GAP
    told = "; ".join(
        f"{place.name}{' (does not answer)' if 'problem' in place.about else ''}: "
        f"{', '.join(status.name for status in by_place[place.name][:_MOST_AGENTS]) or 'no agents'}"
        for place in places
    )
    return Picture("Places and agents", told, width, total, tuple(body))


def _place(place: PlaceInfo, agents: list[AgentStatus], x: float, y: float, height: float) -> list[Element]:
    problem = place.about.get("problem")
    colour = RED if problem else BLUE
    edge = element(
        "rect",
        element("title", place.name),
        x=x, y=y, width=_BOX, height=height, rx=8, fill=colour, fill_opacity=0.08, stroke=colour, stroke_width=1.5,
        stroke_dasharray="5 4" if problem else None,
    )  # fmt: skip
    closed = bool(place.about.get("draining"))
    name = cut_text(place.name, 14 if closed else 24)
    drawn = [edge, svg_text(name, x + 12, y + 21, font_size=14, font_weight=600)]
    if closed:
        drawn.append(svg_text("lets nobody in", x + _BOX - 12, y + 21, font_size=11, fill=AMBER, text_anchor="end"))
    if problem:
        drawn.append(svg_text(cut_text(f"✗ does not answer ({problem})", 34), x + 12, y + 40, font_size=11, fill=RED))
    elif not agents:
        drawn.append(svg_text("no agents", x + 12, y + 40, font_size=11, fill=GREY))
    start = y + (40 if not problem else 58)
    for row, status in enumerate(agents[:_MOST_AGENTS]):
        sign, colour = _STATES.get(status.state, ("•", TEAL))
        drawn.append(svg_text(sign, x + 16, start + 19 * row, text_anchor="middle", fill=colour, font_weight=700))
        drawn.append(
            svg_text(
                cut_text(f"{cut_text(status.name, 18)}, {status.state}", 30), x + 28, start + 19 * row, font_size=11
            )
        )
    if len(agents) > _MOST_AGENTS:
        drawn.append(
            svg_text(f"and {len(agents) - _MOST_AGENTS} more", x + 28, start + 19 * _MOST_AGENTS, font_size=11)
        )
    return drawn


def _way(origin: tuple[float, float], end: tuple[float, float], height: float, title: str, count: int) -> list[Element]:
    """An arc above the boxes of one row; from row to row, a curve between them."""
    (x1, y1), (x2, y2) = origin, end
    if y1 == y2:
        shift = 14.0 if x1 < x2 else -14.0
        start, stop = x1 + _BOX / 2 + shift, x2 + _BOX / 2 - shift
        lift = min(50.0, 22 + abs(x2 - x1) / 20 + (0 if x1 < x2 else 12))
        path = f"M {start:.0f} {y1:.0f} Q {(start + stop) / 2:.0f} {y1 - 2 * lift + 10:.0f} {stop:.0f} {y2 - 5:.0f}"
        tip = (stop, y2 - 1, 1)
    else:
        down = y2 > y1
        begin, finish = (y1 + height, y2 - 5) if down else (y1, y2 + height + 5)
        start, stop = x1 + _BOX / 2 + (9 if down else -9), x2 + _BOX / 2 + (9 if down else -9)
        half = f"{(begin + finish) / 2:.0f}"
        path = f"M {start:.0f} {begin:.0f} C {start:.0f} {half} {stop:.0f} {half} {stop:.0f} {finish:.0f}"
        tip = (stop, y2 - 1, 1) if down else (stop, y2 + height + 1, -1)
    x, y, way = tip
    points = f"{x - 4:.0f},{y - 7 * way:.0f} {x + 4:.0f},{y - 7 * way:.0f} {x:.0f},{y:.0f}"
    width = min(4.0, 1 + count / 4)
    return [
        element(
            "path", element("title", title), d=path, fill="none", stroke=AMBER, stroke_width=width, stroke_opacity=0.8
        ),
        element("polygon", points=points, fill=AMBER),
    ]
