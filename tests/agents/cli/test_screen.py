"""Text on the screen: nothing in it that could steer a terminal, whatever it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.cli.jsonable import as_json
from agents.cli.screen import Screen, amount, count, escaped, escaped_lines, moment, write_json

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_escaped_text_is_printable_and_one_line(text: str) -> None:
    """The law; surrogates too, which no stream could write."""
    shown = escaped(text)
    assert shown.isprintable()
    shown.encode("utf-8")


@given(st.text(st.characters(exclude_categories=("C", "Z"))))
def test_what_can_be_shown_stays_as_it_is(text: str) -> None:
    """Names in other scripts are no attack."""
    assert escaped(text) == text


@given(ANY_TEXT)
def test_escaped_lines_keep_line_feeds_alone(text: str) -> None:
    """A traceback has lines; nothing else in it may move the cursor."""
    assert {character for character in escaped_lines(text) if not character.isprintable()} <= {"\n"}
    assert escaped_lines(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x07", "\x08", "\r", "\x1b", "\x7f", "\x9b", "\xad", "\u061c", "\u200b", "\u202e", "\u2028", "\u2066",
     "\ufeff", "\U000e0041"],
    ids=ascii,
)  # fmt: skip
def test_what_moves_the_cursor_or_hides_is_escaped(character: str) -> None:
    """By name: controls, C1 controls, direction marks, invisible characters."""
    assert character not in escaped(f"a{character}b")
    assert "\\" in escaped(character)


def test_tables_are_plain_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns of text, and no hostile cell breaks a line."""
    screen = Screen()
    screen.table(["name", "n"], [("a\nb", 1), ("[bold]c[/bold]", 22)])
    screen.pairs([("x", "y\r"), ("longer", "")])
    assert capsys.readouterr().out.splitlines() == [
        "name            n",
        "a\\x0ab          1",
        "[bold]c[/bold]  22",
        "  x       y\\x0d",
        "  longer",
    ]


def test_amounts_and_moments() -> None:
    """Sizes as people read them, in powers of a thousand."""
    sizes = (0, 999, 1000, 999_949, 999_950, 1_500_000_000, 10**18)
    assert [amount(size) for size in sizes] == ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.5 GB", "1000.0 PB"]
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert (count(1, "hop"), count(2, "hop")) == ("1 hop", "2 hops")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_json_has_is_itself(value: Any) -> None:
    """A program gets exactly what the agent yielded."""
    assert json.loads(json.dumps(as_json(value), allow_nan=False)) == value


@given(
    st.recursive(st.floats() | st.binary() | st.complex_numbers(), lambda inner: st.lists(inner) | st.sets(st.text()))
)
def test_everything_else_is_json_too(value: Any) -> None:
    """No value breaks the line."""
    json.dumps(as_json(value), allow_nan=False)


def test_json_is_one_line_of_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    """So that no terminal and no reader of lines is led astray."""
    write_json({"a": "\x1b\n\u2028\x7f\x9bé"})
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and line.isascii() and line.rstrip("\n").isprintable()
