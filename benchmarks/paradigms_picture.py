"""The sweeps of `benchmarks.paradigms` as one SVG: four panels, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from agents.advising import Paradigm

__all__ = ["drawn"]

_WIDTH: Final = 430
_HEIGHT: Final = 260
_LEFT: Final = 62
_TOP: Final = 34
_RIGHT: Final = 16
_BOTTOM: Final = 44
#: A colour and a dash for each, told apart without colours too (Okabe and Ito's palette).
_LINES: Final = {
    Paradigm.CLIENT_SERVER: ("#0072B2", ""),
    Paradigm.REMOTE_EVALUATION: ("#D55E00", "7 3"),
    Paradigm.CODE_ON_DEMAND: ("#009E73", "2 3"),
    Paradigm.MOBILE_AGENT: ("#CC79A7", "9 3 2 3"),
}
_TITLES: Final = {
    "interactions": "interactions with each place",
    "data_bytes": "bytes of data at each place",
    "selectivity": "part of the data that is selected",
    "places": "places",
}
_STYLE: Final = """
  text { font: 12px system-ui, sans-serif; fill: #222; }
  .axis { stroke: #888; fill: none; } .grid { stroke: #ddd; } .line { fill: none; stroke-width: 2; }
  .back { fill: #fff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd; } .grid { stroke: #444; } .back { fill: #1b1b1b; }
  }
"""


def drawn(sweeps: Mapping[str, Mapping[str, Any]]) -> str:
    """The picture; `sweeps` as the benchmark makes them."""
    width, height = 2 * _WIDTH, 2 * _HEIGHT + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        'aria-label="Time of the four paradigms against interactions, data, selectivity and places">',
        f"<style>{_STYLE}</style>",
        f'<rect class="back" width="{width}" height="{height}"/>',
    ]
    for number, (axis, told) in enumerate(sweeps.items()):
        x, y = number % 2 * _WIDTH, number // 2 * _HEIGHT
        parts += [f'<g transform="translate({x},{y})">', *_panel(axis, told["rows"]), "</g>"]
    parts += [*_legend(2 * _HEIGHT + 22), "</svg>", ""]
    return "\n".join(parts)


def _panel(axis: str, rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    times = [row["measured"][way.value]["seconds"] * 1e3 for row in rows for way in Paradigm]
    low_x, high_x = math.log10(rows[0][axis]), math.log10(rows[-1][axis])
    low_y, high_y = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))

    def at_x(value: float) -> float:
        return _LEFT + (math.log10(value) - low_x) / (high_x - low_x) * (_WIDTH - _LEFT - _RIGHT)

    def at_y(value: float) -> float:
        return _TOP + (high_y - math.log10(value)) / (high_y - low_y) * (_HEIGHT - _TOP - _BOTTOM)

    for power in range(low_y, high_y + 1):
        y = at_y(10.0**power)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} ms</text>'
    for row in rows:
        x = at_x(row[axis])
        yield f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{_short(row[axis])}</text>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{_TITLES[axis]}</text>'
    yield f'<path class="axis" d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}"/>'
    for way, (colour, dash) in _LINES.items():
        points = [(at_x(row[axis]), at_y(row["measured"][way.value]["seconds"] * 1e3)) for row in rows]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline class="line" stroke="{colour}" stroke-dasharray="{dash}" points="{path}"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in points)


def _legend(y: int) -> Iterable[str]:
    for number, (way, (colour, dash)) in enumerate(_LINES.items()):
        x = 40 + number * 200
        yield f'<path class="line" stroke="{colour}" stroke-dasharray="{dash}" d="M{x} {y}h34"/>'
        yield f'<text x="{x + 42}" y="{y + 4}">{way.value}</text>'


def _short(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
