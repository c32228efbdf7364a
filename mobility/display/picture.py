"""A picture made of elements of SVG: shown in a notebook, or saved to a file that needs nothing else.

Text stays text. A title and a description are there for whoever does not see it.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mobility.display.elements import Element, Piece, element, legible, long_text
from mobility.display.sheet import page

__all__ = ["Picture", "cut_text", "svg_text"]

_NAMESPACE: Final = "http://www.w3.org/2000/svg"
_FONT: Final = "system-ui, sans-serif"


def cut_text(text: object, most: int) -> str:
    """A label of at most so many characters."""
    shown = legible(text, most + 1)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def svg_text(text: object, x: float, y: float, **attributes: object) -> Element:
    """A line of text; its colour is that of what is around the picture, unless another is given."""
    return element("text", text, **{"x": x, "y": y, "fill": "currentColor", "font_size": 12, **attributes})


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """A picture.

    Attributes
    ----------
    title, description
        What it shows, and what there is to be seen.
    width, height
        In pixels; it shrinks to fit.
    body
        What is drawn, in that order.
    """

    title: str
    description: str
    width: float
    height: float
    body: tuple[Element, ...]

    def element(self) -> Element:
        """To be put into a page."""
        return self._drawn("max-width:100%; height:auto; overflow:visible", {})

    def svg(self) -> str:
        """A document of its own, with a ground: light, or dark where the reader wants that."""
        dark = "color-scheme:light dark; background:light-dark(#ffffff, #111418); color:light-dark(#1f2328, #e6e8eb)"
        return str(self._drawn(dark, {"xmlns": _NAMESPACE}))

    def _drawn(self, style: str, more: dict[str, object]) -> Element:
        children: list[Piece] = [element("title", self.title), element("desc", *long_text(self.description, 4000))]
        return element(
            "svg",
            *children,
            *self.body,
            **more,
            view_box=f"0 0 {self.width:.0f} {self.height:.0f}",
            width=f"{self.width:.0f}",
            height=f"{self.height:.0f}",
            role="img",
            aria_label=self.title,
            font_family=_FONT,
            style=style,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a ``.svg`` or ``.html`` file; one that is there is replaced, whole.

        Raises
        ------
        ValueError
            For a name that ends otherwise.
        OSError
        """
        target = Path(path)
        if target.suffix.lower() not in (".svg", ".html"):
            raise ValueError(f"a picture is saved as .svg or .html, and {target.name!r} ends otherwise")
        text = self.svg() + "\n" if target.suffix.lower() == ".svg" else page(self.title, self.element())
        partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            with open(partial, "x", encoding="utf-8") as file:  # never through a link that somebody has put there
                file.write(text)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)

    def _repr_html_(self) -> str:
        return str(self.element())

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"<Picture: {legible(self.title, 80)}; save it with .save('picture.svg')>"
