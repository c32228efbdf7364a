"""Nothing that is shown becomes markup, whatever it is."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility.display import Element, Picture, element, legible
from mobility.display.picture import cut_text, svg_text
from mobility.display.sheet import Sign, badge, card, fact_table, mono, page, rows_of_table, safe_html
from mobility.errors import MobilityError

HOSTILE = [
    "<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", "\"'><svg onload=alert(1)>", "]]>&amp;<!--",
    "\x00\x1b]0;owned\x07\x9b31m\r\n", "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe\N{LINE SEPARATOR}", "\ud800", "x" * 1_000_000,
]  # fmt: skip


def whole(text: str) -> str:
    body = card(
        "kind", text, fact_table([(text, mono(text))]), rows_of_table((text,), [(text,)]), mark=badge(Sign.BAD, text)
    )
    drawn = Picture(text, text, 10, 10, (svg_text(text, 1, 2), svg_text(cut_text(text, 9), 1, 2))).element()
    return page(text, body, drawn)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str) -> None:
    said = whole(text)
    root = ElementTree.fromstring(said.removeprefix("<!DOCTYPE html>"))
    assert {one.tag for one in root.iter()} <= {
        "html", "head", "meta", "title", "body", "div", "span", "bdi", "table", "tbody", "thead", "tr", "td", "th",
        "code", "svg", "desc", "text",
    }  # fmt: skip
    assert not any(name.startswith("on") for one in root.iter() for name in one.attrib)
    assert all(one.isprintable() or one == "\n" for one in said) and len(said) < 30_000


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_read_back(text: str) -> None:
    root = ElementTree.fromstring(str(element("span", text, aria_label=text)))
    assert (root.text or "") == legible(text) and root.attrib["aria-label"] == legible(text, 1600)


@pytest.mark.parametrize(
    ("tag", "attributes"),
    [("script", {}), ("iframe", {}), ("p", {"onclick": "x"}), ("p", {"src": "x"}), ("a", {"href": "javascript:x"}),
     ("p", {"style": "background:url(x)"}), ("p", {"style": 'x"'}), ("p", {"style": "a\\75rl"}), ("p", {"id": "A b"}),
     ("svg", {"xmlns": "other"}), ("br", {})],
)  # fmt: skip
def test_what_loads_or_runs_cannot_be_made(tag: str, attributes: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        Element(tag, ("x",) if tag == "br" else (), attributes)


def test_a_picture_is_saved_whole_or_not_at_all(tmp_path) -> None:
    picture = Picture("a", "b", 10, 10, (svg_text("<&", 1, 2),))
    picture.save(tmp_path / "a.svg")
    ElementTree.parse(tmp_path / "a.svg")
    picture.save(tmp_path / "a.html")
    with pytest.raises(ValueError):
        picture.save(tmp_path / "a.png")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.html", "a.svg"]


def test_a_representation_never_raises() -> None:
    def fails() -> Element:
        raise RuntimeError("<b>")

    assert "RuntimeError" in safe_html("kind", "<i>", fails) and "<i>" not in safe_html("kind", "<i>", fails)


def test_what_is_longer_than_a_line_is_cut_once() -> None:
    """A description of a picture and the text of an error say more than one line, and how much there was."""
    words = "".join(f"{number:05}" for number in range(900))
    root = ElementTree.fromstring(Picture("a", words, 10, 10, ()).svg())
    assert (root.findtext("{*}desc") or "") == legible(words, 4000)
    error = MobilityError(words[:1900])

    def fails() -> Element:
        raise error

    assert words[:1900] in "".join(ElementTree.fromstring(safe_html("kind", "name", fails)).itertext())


def test_a_picture_is_not_written_through_a_link(tmp_path: Path) -> None:
    """In a folder where others write, too, they could guess a name."""
    other = tmp_path / "other"
    other.write_text("as it was")
    (tmp_path / f".a.svg.{os.getpid()}").symlink_to(other)
    Picture("a", "b", 10, 10, ()).save(tmp_path / "a.svg")
    assert other.read_text() == "as it was" and not (tmp_path / "a.svg").is_symlink()
