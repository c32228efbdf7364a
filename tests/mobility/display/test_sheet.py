"""How things look where the page is dark: colours that are read on either ground, and no ground of their own."""

from __future__ import annotations

import re

import pytest

from mobility.display import sheet
from mobility.display.elements import element
from mobility.display.picture import Picture
from mobility.display.sheet import PALETTE, Sign, badge, card, page, paragraph

#: A white page, and the darkest ground of ours and of JupyterLab.
GROUNDS = ("#ffffff", "#111418", "#111111")


def luminance(colour: str) -> float:
    """Of WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", sorted({*PALETTE, *(colour for _, colour in sheet._MARKS.values())}))
def test_every_colour_is_read_on_white_and_on_a_dark_page(colour: str) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert min(contrast(colour, ground) for ground in GROUNDS) > 3.9


def test_a_card_has_the_ground_and_the_text_of_what_is_around_it() -> None:
    """Only marks have a colour of their own."""
    text = str(card("place", "oslo", paragraph("it answers"), *(badge(sign, "so") for sign in Sign)))
    grounds = set(re.findall(r"background(?:-color)?:([^;\"]+)", text))
    assert all(ground == "none" or ground.startswith("rgba(") for ground in grounds), grounds
    colours = set(re.findall(r"(?<![-\w])color:(#\w+)", text))
    assert colours <= {colour for _, colour in sheet._MARKS.values()}


def test_a_page_and_a_picture_follow_the_reader() -> None:
    assert 'name="color-scheme" content="light dark"' in page("report")
    assert "light-dark(" in Picture("map", "of places", 10, 10, (element("g"),)).svg()
