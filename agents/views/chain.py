"""The chain of hops as a picture: each link with what is known of it, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mobility.display.elements import Element, element
from mobility.display.picture import Picture, cut_text, svg_text
from mobility.display.sheet import BLUE, GREY, PALETTE, size_text

if TYPE_CHECKING:
    from agents.trail import Trail

__all__ = ["chain_picture"]

_MOST: Final = 60
_ROW: Final = 4
_BOX: Final = 112.0
_GAP: Final = 78.0
_HEIGHT: Final = 80.0


def chain_picture(trail: Trail) -> Picture:
    """Draw a trail, row by row; the first links are left out of a very long one, and counted."""
    if not trail.verified:
        text = f"✗ not verified: {trail.problem}"
        body = (svg_text(cut_text(trail.name, 60), 8, 20, font_weight=600), svg_text(cut_text(text, 110), 8, 44))
        return Picture(f"Hop chain of {trail.name}", text, 760, 60, body)
    links = trail.links[-_MOST:]
    hidden = len(trail.links) - len(links)
    head = f"{cut_text(trail.name, 50)}: {len(trail.links)} hop{'' if len(trail.links) == 1 else 's'}, each verified"
    drawn = [svg_text(head, 8, 20, font_size=14, font_weight=600)]
    first = links[0].origin if links else "at its first place"
    under = f"born, {trail.owner}" if not hidden else f"after {hidden} hops"
    drawn += _box(0, first, under)
    for number, link in enumerate(links, 1):
        took = [one for one in (link.freeze_ms, link.ship_ms, link.thaw_ms) if one is not None]
        told = [size_text(link.bytes)] if link.bytes is not None else []
        told += [f"{sum(took):.1f} ms"] if took else []
        drawn += _arrow(number, link.number, told)
        branch = f" (branch {link.child})" if link.child is not None else ""
        drawn += _box(number, f"{link.destination or 'a file'}{branch}", f"✓ {link.signed_by}")
    rows = len(links) // _ROW + 1
    width = 16 + _ROW * _BOX + _ROW * _GAP
    way = ", ".join(f"{link.origin} to {link.destination or 'a file'}, signed by {link.signed_by}" for link in links)
    return Picture(
        f"Hop chain of {trail.name}", f"All verified: {way or 'no hops'}", width, 20 + rows * _HEIGHT, tuple(drawn)
    )


def _at(number: int) -> tuple[float, float]:
    return 8 + (number % _ROW) * (_BOX + _GAP), 36 + (number // _ROW) * _HEIGHT


def _box(number: int, name: str, under: str) -> list[Element]:
    x, y = _at(number)
    edge = element(
        "rect",
        element("title", f"{name}, {under}"),
        x=x, y=y, width=_BOX, height=44, rx=6, fill=BLUE, fill_opacity=0.12, stroke=BLUE, stroke_opacity=0.8,
    )  # fmt: skip
    middle = x + _BOX / 2
    return [
        edge,
        svg_text(cut_text(name, 15), middle, y + 19, text_anchor="middle", font_weight=600),
        svg_text(cut_text(under, 19), middle, y + 35, text_anchor="middle", font_size=10),
    ]


def _arrow(number: int, hop: int, told: list[str]) -> list[Element]:
    """From the box before to this one; at the beginning of a row from the left edge, marked as going on."""
    x, y = _at(number)
    end = x - 3
    start = x - _GAP + 3
    line = y + 22
    if number % _ROW == 0:
        before, above = _at(number - 1)
        down = f"M {before + _BOX / 2:.0f} {above + 44:.0f} v 20 H {x + _BOX / 2:.0f} V {y - 3:.0f}"
        path = element("path", d=down, fill="none", stroke=PALETTE[1], stroke_width=1.5)
        tip = f"{x + _BOX / 2 - 4:.0f},{y - 8:.0f} {x + _BOX / 2 + 4:.0f},{y - 8:.0f} {x + _BOX / 2:.0f},{y - 1:.0f}"
        label = svg_text(
            " · ".join([f"#{hop}", *told]), (x + before + _BOX) / 2, above + 61, text_anchor="middle", font_size=10
        )
        return [path, element("polygon", points=tip, fill=PALETTE[1]), label]
    middle = (start + end) / 2
    tip = f"{end - 7:.0f},{line - 4:.0f} {end - 7:.0f},{line + 4:.0f} {end:.0f},{line:.0f}"
    drawn = [
        element("line", x1=start, y1=line, x2=end - 6, y2=line, stroke=PALETTE[1], stroke_width=1.5),
        element("polygon", points=tip, fill=PALETTE[1]),
        svg_text(f"#{hop}", middle, line - 6, text_anchor="middle", font_size=10, fill=GREY),
    ]
    drawn += [
        svg_text(text, middle, line + 13 + 11 * row, text_anchor="middle", font_size=9) for row, text in enumerate(told)
    ]
    return drawn
