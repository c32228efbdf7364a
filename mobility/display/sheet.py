"""How things look: cards, tables, marks and pages, of the elements of `mobility.display.elements`.

Everything is styled in place, with no sheet and no script, so that it looks the same in a notebook that was saved, in a
file, and without a server. Text has the colour of what is around it; lines and grounds are translucent; the few other
colours have about the same contrast with white and with a dark page, 3.9 : 1 at least. So nothing has to know whether
it is dark. No mark is told by its colour alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final

from mobility.display.elements import Element, Piece, element, long_text
from mobility.errors import MobilityError

__all__ = [
    "AMBER",
    "BLUE",
    "GREEN",
    "GREY",
    "PALETTE",
    "PURPLE",
    "RED",
    "TEAL",
    "Sign",
    "badge",
    "card",
    "details",
    "fact_table",
    "mono",
    "muted",
    "page",
    "paragraph",
    "rows_of_table",
    "safe_html",
    "section",
    "time_text",
    "unbroken",
    "when_text",
    "size_text",
]

BLUE: Final = "#3b78d6"
GREEN: Final = "#23863b"
RED: Final = "#d8414a"
AMBER: Final = "#a46c00"
PURPLE: Final = "#8f63d2"
TEAL: Final = "#17858b"
GREY: Final = "#767676"
#: For things that are told apart by number.
PALETTE: Final = (BLUE, AMBER, PURPLE, TEAL, GREEN, "#c2479b", RED, GREY)

_LINE: Final = "rgba(128,128,128,0.35)"
_GROUND: Final = "rgba(128,128,128,0.08)"
_FONT: Final = "var(--jp-ui-font-family, system-ui), system-ui, sans-serif"
_MONO: Final = "var(--jp-code-font-family, ui-monospace), ui-monospace, monospace"
_CELL: Final = (
    "text-align:left; vertical-align:top; padding:3px 14px 3px 0; border:0; background:none; "
    "overflow-wrap:anywhere; white-space:normal"
)
#: One that is as wide as its longest word: beside a column that takes all it can get, `anywhere` would cut words.
_WORDS: Final = _CELL.replace("anywhere", "break-word")


class Sign(StrEnum):
    """How far something is to be believed, or how it fares."""

    GOOD = "good"
    BAD = "bad"
    OPEN = "open"
    PLAIN = "plain"


_MARKS: Final = {
    Sign.GOOD: ("✓", GREEN),
    Sign.BAD: ("✗", RED),
    Sign.OPEN: ("?", AMBER),
    Sign.PLAIN: ("•", GREY),
}


# -- words ------------------------------------------------------------------------------------------------------------


def size_text(size: int) -> str:
    """A number of bytes, for people."""
    if size < 1000:
        return f"{size} B"
    scaled, units = size / 1000, ["PB", "TB", "GB", "MB", "kB"]
    while scaled >= 999.95 and len(units) > 1:
        scaled, _ = scaled / 1000, units.pop()
    return f"{scaled:.1f} {units[-1]}"


def time_text(seconds: float) -> str:
    """A length of time, for people."""
    if seconds < 1:
        shown = seconds * 1000
        return f"{shown:.0f} ms" if shown >= 10 else f"{shown:.1f} ms"
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def when_text(moment: float | None) -> str:
    """A Unix time, for people; one that no calendar has stays a number."""
    if moment is None:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
    except (ValueError, OverflowError, OSError):
        return f"{moment} s"


# -- pieces -----------------------------------------------------------------------------------------------------------


def badge(mark: Sign, text: object) -> Element:
    """A mark: a sign, and words."""
    sign, colour = _MARKS[mark]
    style = f"color:{colour}; font-weight:600; white-space:nowrap"
    return element("span", element("span", f"{sign} ", style=style), element("bdi", text, style=f"color:{colour}"))


def muted(text: object) -> Element:
    """What matters less."""
    return element("span", element("bdi", text), style="opacity:0.72")


def mono(text: object) -> Element:
    """Code, an id, or a digest."""
    return element("code", text, style=f"font-family:{_MONO}; font-size:0.94em; background:none; padding:0")


def unbroken(text: object) -> Element:
    """What stays on one line, as a time does."""
    return element("span", text, style="white-space:nowrap")


def paragraph(*children: Piece) -> Element:
    """A sentence or two."""
    return element("p", *children, style="margin:6px 0")


def fact_table(rows: Iterable[tuple[str, Piece]]) -> Element:
    """Names and values, in two columns."""
    name_style = f"{_CELL}; font-weight:400; opacity:0.72; white-space:nowrap"
    listed = [
        element("tr", element("th", name, style=name_style, scope="row"), element("td", value, style=_CELL), style=_ROW)
        for name, value in rows
    ]
    return _table(element("tbody", *listed))


def rows_of_table(columns: Sequence[str], rows: Iterable[Sequence[Piece]], *, most: int = 200) -> Element:
    """A table with a head; words are broken in the last column only.

    Of more than `most` rows the last ones are left out, and counted.
    """
    listed = list(rows)
    # A heading is one word or two, which a long neighbour must not break in the middle.
    head_style = f"{_CELL}; white-space:nowrap; font-weight:600; opacity:0.72; border-bottom:1px solid {_LINE}"
    head = element("tr", *(element("th", name, style=head_style, scope="col") for name in columns), style=_ROW)
    last = len(columns) - 1
    body = [
        element(
            "tr",
            *(element("td", cell, style=_CELL if number == last else _WORDS) for number, cell in enumerate(row)),
            style=_ROW,
        )
        for row in listed[:most]
    ]
    if len(listed) > most:
        body.append(element("tr", element("td", muted(f"and {len(listed) - most} more"), colspan=len(columns))))
    return _table(element("thead", head), element("tbody", *body))


_ROW: Final = "background:none; border:0"


def _table(*parts: Element) -> Element:
    style = "border-collapse:collapse; border:0; margin:4px 0; font-size:inherit; table-layout:auto; background:none"
    return element("div", element("table", *parts, style=style), style="overflow-x:auto")


def section(title: str, *children: Element | None) -> Element:
    """A part of a card, under a heading of its own."""
    heading = element("div", title, style="font-weight:600; margin:10px 0 2px 0")
    return element("div", heading, *children)


def details(summary: str, *children: Element) -> Element:
    """What is opened by a click, without a script."""
    return element("details", element("summary", summary, style="cursor:pointer"), *children, style="margin:8px 0")


def card(kind: str, name: object, *children: Element | None, mark: Element | None = None) -> Element:
    """A thing: what it is, what it is called, a mark, and what else there is to see."""
    title = element("bdi", name, style="font-weight:600; font-size:1.1em; overflow-wrap:anywhere")
    head = element("div", muted(kind), " ", title, *((" ", mark) if mark is not None else ()))
    style = (
        f"font-family:{_FONT}; font-size:13px; line-height:1.5; color:var(--jp-ui-font-color1, inherit); "
        f"border:1px solid {_LINE}; border-radius:6px; padding:10px 14px; margin:4px 0; max-width:62em; text-align:left"
    )
    return element("div", head, *children, style=style)


def safe_html(kind: str, name: object, build: Callable[[], Element]) -> str:
    """A representation that never raises: what went wrong is shown in the place of the thing."""
    try:
        return str(build())
    except MobilityError as error:
        problem = badge(Sign.BAD, f"cannot be shown: {error.slug}")
        return str(card(kind, name, paragraph(*long_text(error, 2000)), mark=problem))
    except Exception as error:
        problem = badge(Sign.BAD, f"cannot be shown: {type(error).__name__}")
        return str(card(kind, name, mark=problem))


def page(title: str, *children: Element) -> str:
    """A whole document, which fetches nothing and follows the reader's choice of light or dark."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
    )
    style = f"font-family:{_FONT}; line-height:1.5; max-width:72em; margin:0 auto; padding:24px; color:CanvasText"
    whole = element("html", head, element("body", *children, style=style), lang="en", style=_SCHEME)
    return f"<!DOCTYPE html>\n{whole}\n"


_SCHEME: Final = "color-scheme:light dark; background:Canvas"
