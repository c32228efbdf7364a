"""HTML and SVG as a tree, from which text is made in one place: nothing that is shown can become markup.

Rules
-----
1. Text is escaped, and every character in it that is not printable is made visible: control characters, line ends,
   surrogates, and the format characters by which text is shown in another order than it has (Boucher, Anderson 2021,
   "Trojan Source").
2. Long text is cut, and says so.
3. Only the tags and attributes that are listed here can be made: no script, no link, nothing that is fetched. What
   stands in a style or a path is made of few characters, so that no text from outside has a place there.
4. What is made is well-formed as HTML and as XML.

Not handled: letters that look like others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Final, TypeAlias

__all__ = ["MOST_SHOWN", "Piece", "Element", "element", "legible", "long_text"]

#: Characters of one text that are shown.
MOST_SHOWN: Final = 400

_HTML: Final = frozenset(
    "a b bdi body br caption code details div h1 h2 h3 head html li main meta nav ol p pre section span strong summary "
    "table tbody td th thead title tr ul".split()
)
_SVG: Final = frozenset("circle desc g line path polygon polyline rect svg text tspan".split())
_VOID: Final = frozenset({"br", "meta"})
_ATTRIBUTES: Final = frozenset(
    "aria-label charset class colspan content cx cy d dir fill fill-opacity font-family font-size font-style "
    "font-weight height href id lang name open points r role rx scope stroke stroke-dasharray stroke-linecap "
    "stroke-opacity stroke-width style text-anchor viewBox width x x1 x2 xmlns y y1 y2".split()
)
#: What decides how something looks, and never what it says.
_MACHINE: Final = re.compile(r"[A-Za-z0-9 .,:;#%()+*/_-]*")
_LOADING: Final = re.compile(r"url|image|expression|import|/\*", re.IGNORECASE)
_ID: Final = re.compile(r"[a-z][a-z0-9-]*")
_SPOKEN: Final = frozenset({"aria-label", "content"})

#: Text, or an element.
Piece: TypeAlias = "Element | str"


def legible(text: object, most: int = MOST_SHOWN) -> str:
    """One line of text, cut to so many characters, in which every character can be seen.

    Parameters
    ----------
    most
        Characters of `text` that are kept.
    """
    whole = str(text)
    kept = whole[:most]
    if not kept.isprintable():
        kept = "".join(one if one.isprintable() else _visible(one) for one in kept)
    return kept if len(whole) <= most else f"{kept}… ({len(whole):,} characters)"


def long_text(text: object, most: int) -> tuple[str, ...]:
    """The same for longer text: in pieces, none of which is cut when an element is made of them."""
    shown = legible(text, most)
    return tuple(shown[start : start + MOST_SHOWN] for start in range(0, len(shown), MOST_SHOWN))


def _visible(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


@dataclass(frozen=True, slots=True)
class Element:
    """One element; `element` makes it.

    Attributes
    ----------
    tag
        Its name, one of those that can be made.
    children
        Elements and texts.
    attributes
        By name; values that are shown or read aloud are text as any other.

    Raises
    ------
    ValueError
        For a tag or an attribute that is not listed, and a value that could be more than looks.
    """

    tag: str
    children: tuple[Piece, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.tag not in _HTML and self.tag not in _SVG:
            raise ValueError(f"no element {self.tag!r} can be made")
        if self.tag in _VOID and self.children:
            raise ValueError(f"an element {self.tag} holds nothing")
        for name, value in self.attributes.items():
            _check(name, value)

    def __str__(self) -> str:
        return "".join(self.pieces())

    def pieces(self) -> Iterator[str]:
        """The text, piece by piece."""
        yield f"<{self.tag}"
        for name, value in self.attributes.items():
            yield f' {name}="{escape(legible(value, 4 * MOST_SHOWN) if name in _SPOKEN else value)}"'
        if self.tag in _VOID or (self.tag in _SVG and not self.children):
            yield "/>"
            return
        yield ">"
        for child in self.children:
            if isinstance(child, Element):
                yield from child.pieces()
            else:
                yield escape(legible(child))
        yield f"</{self.tag}>"


def _check(name: str, value: str) -> None:
    if name not in _ATTRIBUTES:
        raise ValueError(f"no attribute {name!r} can be made")
    if name == "xmlns":
        right = value == "http://www.w3.org/2000/svg"
    elif name in ("id", "href"):
        right = _ID.fullmatch(value.removeprefix("#") if name == "href" else value) is not None
        right = right and value.startswith("#") == (name == "href")
    else:
        right = name in _SPOKEN or (_MACHINE.fullmatch(value) is not None and _LOADING.search(value) is None)
    if not right:
        raise ValueError(f"the attribute {name} cannot be {value!r}")


def element(tag: str, *children: Piece | object | None, **attributes: object) -> Element:
    """Make an element.

    Parameters
    ----------
    children
        Elements; anything else is shown as text. None is left out.
    attributes
        With ``_`` for ``-`` (``font_size``), and ``view_box`` for ``viewBox``. None is left out, and numbers are
        written with at most two digits after the point.

    Raises
    ------
    ValueError
        As `Element`.
    """
    named = {
        ("viewBox" if name == "view_box" else name.replace("_", "-")): _written(value)
        for name, value in attributes.items()
        if value is not None
    }
    held = tuple(child if isinstance(child, Element) else str(child) for child in children if child is not None)
    return Element(tag, held, named)


def _written(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
