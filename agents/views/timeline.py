"""The moves of an agent as a picture: where it was and when, and what each move took.

Times are those of the places, each by its own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents.eventlog import EventKind, LogEvent
from mobility.display.elements import Element, element
from mobility.display.picture import Picture, cut_text, svg_text
from mobility.display.sheet import BLUE, GREY, PALETTE, time_text

__all__ = ["TOLD", "Leg", "Stay", "moves_of", "stays_of", "timeline"]

#: Of what the log must tell.
TOLD: Final = (
    EventKind.BORN,
    EventKind.DEPARTED,
    EventKind.ARRIVED,
    EventKind.RESTORED,
    EventKind.FROZEN,
    EventKind.MOVE_FAILED,
    EventKind.ENDED,
    EventKind.FAILED,
)
_COMES: Final = (EventKind.BORN, EventKind.ARRIVED, EventKind.RESTORED)
_ENDS: Final = (EventKind.ENDED, EventKind.FAILED, EventKind.FROZEN)
_SIGNS: Final = {
    EventKind.ENDED: "■ ended",
    EventKind.FAILED: "✗ failed",
    EventKind.FROZEN: "❄ frozen",
    EventKind.MOVE_FAILED: "✗",
}
_PHASES: Final = ("freeze", "ship", "verify", "thaw")
_COLOURS: Final = dict(zip(_PHASES, (PALETTE[0], PALETTE[7], PALETTE[2], PALETTE[1]), strict=True))
_MOST_LANES: Final = 16
_MOST_STAYS: Final = 200
_MOST_MOVES: Final = 24
_WIDTH: Final = 760.0
_LEFT: Final = 130.0
_RIGHT: Final = 90.0


@dataclass(frozen=True, slots=True)
class Stay:
    """At one place: from when until when; `end` is None if the log tells of none."""

    place: str
    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class Leg:
    """One move: what each of its phases took, in milliseconds, as far as the places have told."""

    number: int
    origin: str
    destination: str
    phases: tuple[tuple[str, float], ...]

    @property
    def total(self) -> float:
        return sum(took for _, took in self.phases)


def _number(value: Any) -> float:
    right = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e12
    return float(value) if right else 0.0


def stays_of(events: Sequence[LogEvent]) -> list[Stay]:
    """Where an agent was; by the directory's epoch, since each place writes to the log for itself."""
    comes = sorted(
        (event for event in events if event.kind in _COMES and event.place is not None),
        key=lambda event: (event.epoch or 0, event.time),
    )
    leaves = [event for event in events if event.kind in (EventKind.DEPARTED, *_ENDS)]
    stays: list[Stay] = []
    for number, come in enumerate(comes):
        following = comes[number + 1].time if number + 1 < len(comes) else None
        left = [
            event.time - _number(event.data.get("ms")) / 1000
            for event in leaves
            if event.place == come.place and (event.epoch or 0) >= (come.epoch or 0) and event.time >= come.time
        ]
        end = min(left, default=following)
        if end is not None:
            end = max(come.time, end if following is None else min(end, following))
        stays.append(Stay(str(come.place), come.time, end))
    return stays


def moves_of(events: Sequence[LogEvent]) -> list[Leg]:
    """What its moves took, in their order."""
    came = {event.epoch: event for event in events if event.kind is EventKind.ARRIVED}
    left = sorted((event for event in events if event.kind is EventKind.DEPARTED), key=lambda event: event.epoch or 0)
    moves = []
    for number, event in enumerate(left, 1):
        arrival = came.get(event.epoch)
        told = arrival.data if arrival is not None else {}
        freeze, total = _number(event.data.get("freeze_ms")), _number(told.get("total_ms"))
        verify, thaw = _number(told.get("verify_ms")), _number(told.get("thaw_ms"))
        ship = max(0.0, total - freeze - verify - thaw)
        phases = tuple(zip(_PHASES, (freeze, ship, verify, thaw), strict=True))
        moves.append(Leg(number, str(event.place), str(event.data.get("to") or "a file"), phases))
    return moves


def timeline(name: str, events: Sequence[LogEvent], *, note: str = "", until: float | None = None) -> Picture:
    """Draw it.

    Parameters
    ----------
    events
        Of one agent, of the kinds `TOLD`.
    note
        What must be said beside the name, as that something was not verified.
    until
        Unix time to which the last stay goes on, if the log tells no end of it.
    """
    stays, moves = stays_of(events), moves_of(events)
    shown = moves if len(moves) <= _MOST_MOVES else [*moves[: _MOST_MOVES // 2], *moves[-_MOST_MOVES // 2 :]]
    body = [svg_text(cut_text(f"{name}{f', {note}' if note else ''}", 90), 8, 20, font_size=14, font_weight=600)]
    if not stays:
        body.append(svg_text("The log tells of no place where it was.", 8, 46, fill=GREY))
        return Picture(f"Timeline of {name}", "nothing is known", _WIDTH, 60, tuple(body))
    drawn, top = _lanes(stays, events, 40.0, until)
    body += drawn
    if shown:
        left_out = len(moves) - len(shown)
        drawn, top = _bars(shown, left_out, top + 26)
        body += drawn
    way = ", ".join(f"{stay.place} for {time_text((stay.end or stay.start) - stay.start)}" for stay in stays[:40])
    took = ", ".join(f"{move.origin} to {move.destination} in {move.total:.1f} ms" for move in shown)
    return Picture(f"Timeline of {name}", f"It was on {way}. Moves: {took or 'none'}.", _WIDTH, top + 12, tuple(body))


def _lanes(
    stays: Sequence[Stay], events: Sequence[LogEvent], top: float, until: float | None
) -> tuple[list[Element], float]:
    places = list(dict.fromkeys(stay.place for stay in stays))[:_MOST_LANES]
    lanes = {place: top + 26 * number for number, place in enumerate(places)}
    first = min(stay.start for stay in stays)
    last = max([stay.end or stay.start for stay in stays] + [event.time for event in events if event.kind in TOLD])
    if until is not None and stays[-1].end is None:
        last = max(last, until)
    span = max(last - first, 1e-3)

    def x(moment: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(1.0, max(0.0, (moment - first) / span))

    body = []
    for place, y in lanes.items():
        body.append(svg_text(cut_text(place, 17), _LEFT - 10, y + 13, text_anchor="end"))
        body.append(_line(_LEFT, y + 9, _WIDTH - _RIGHT, y + 9, GREY, 0.35))
    before: Stay | None = None
    for stay in stays[-_MOST_STAYS:]:
        if stay.place not in lanes:
            continue
        y = lanes[stay.place]
        if before is not None and before.place != stay.place and before.place in lanes:
            start = x(before.end if before.end is not None else stay.start)
            body.append(_line(start, lanes[before.place] + 9, x(stay.start), y + 9, PALETTE[1], 0.9))
        begin, end = x(stay.start), x(stay.end if stay.end is not None else last)
        what = f"on {stay.place} for {time_text((stay.end if stay.end is not None else last) - stay.start)}"
        body.append(
            element(
                "rect",
                element("title", what),
                x=begin,
                y=y + 2,
                width=max(3.0, end - begin),
                height=14,
                rx=3,
                fill=BLUE,
                fill_opacity=0.75,
            )
        )
        before = stay
    for event in events:
        if event.kind is EventKind.RESTORED and event.place in lanes:  # above its bar, which has a seam there
            seam = {"text_anchor": "middle", "font_size": 10}
            body.append(svg_text("↻ restored", x(event.time), lanes[str(event.place)], **seam))
        if event.kind in _SIGNS and event.place in lanes:
            sign = _SIGNS[event.kind]
            body.append(svg_text(sign, x(event.time) + 5, lanes[str(event.place)] + 13, font_size=11))
    bottom = top + 26 * len(lanes)
    for part in range(5):
        moment = first + span * part / 4
        body.append(_line(x(moment), top, x(moment), bottom, GREY, 0.2))
        body.append(svg_text(time_text(moment - first), x(moment), bottom + 13, text_anchor="middle", font_size=10))
    if len({stay.place for stay in stays}) > len(lanes) or len(stays) > _MOST_STAYS:
        bottom += 14
        body.append(svg_text("not all places and stays are drawn", _LEFT, bottom + 13, font_size=10))
    return body, bottom + 16


def _bars(moves: Sequence[Leg], left_out: int, top: float) -> tuple[list[Element], float]:
    body = [svg_text("What each move took", 8, top, font_weight=600)]
    at = _LEFT + 60
    for phase in _PHASES:
        body.append(element("rect", x=at, y=top - 9, width=10, height=10, rx=2, fill=_COLOURS[phase]))
        body.append(svg_text(phase, at + 15, top, font_size=11))
        at += 75
    longest = max(move.total for move in moves) or 1.0
    room = _WIDTH - _LEFT - 60 - _RIGHT
    y = top + 10
    for row, move in enumerate(moves):
        if left_out and row == len(moves) // 2:
            body.append(svg_text(f"{left_out} moves are left out here", _LEFT + 60, y + 13, font_size=11))
            y += 20
        body.append(svg_text(f"#{move.number}", 8, y + 12, font_size=11))
        way = f"{cut_text(move.origin, 10)} → {cut_text(move.destination, 10)}"
        body.append(svg_text(way, 44, y + 12, font_size=11))
        x = _LEFT + 60
        for phase, took in move.phases:
            width = room * took / longest
            if width > 0:
                title = element("title", f"{phase}: {took:.1f} ms")
                body.append(element("rect", title, x=x, y=y + 2, width=width, height=12, fill=_COLOURS[phase]))
            x += width
        total = f"{move.total:.1f} ms" if move.total else "not told"
        body.append(svg_text(total, x + 6, y + 12, font_size=11))
        y += 20
    return body, y


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, opacity: float) -> Element:
    return element(
        "line",
        x1=x1,
        y1=y1,
        x2=x2,
        y2=y2,
        stroke=colour,
        stroke_opacity=opacity,
        stroke_width=1.5 if opacity > 0.5 else 1,
    )
