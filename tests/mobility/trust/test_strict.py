"""JSON has one reading: what is written is read back, and nothing else is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.trust.errors import SchemaError, TooLarge
from mobility.trust.limits import Limits
from mobility.trust.strict import (
    MAX_INTEGER,
    Array,
    Boolean,
    Choice,
    Hexadecimal,
    Integer,
    Maybe,
    Record,
    Text,
    _depth,
    canonical_bytes,
    load_strict,
    parse_strict,
    write_canonical,
)
from tests.mobility.trust.people import refused

STRICT = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=30,
)


@given(STRICT)
def test_what_is_written_is_read(value: Any) -> None:
    """The canonical form is strict, and the same for equal values."""
    data = canonical_bytes(value)
    assert load_strict(data, Limits(depth=200)) == value
    assert canonical_bytes(load_strict(data, Limits(depth=200))) == data


@given(STRICT)
def test_any_spelling_of_a_strict_value_is_read(value: Any) -> None:
    """White space and escapes are no offence: the bytes are signed, and are not written again."""
    for text in (json.dumps(value, indent=2), json.dumps(value, ensure_ascii=False)):
        assert load_strict(text.encode(), Limits(depth=200)) == value


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\\u0d81ef+-.ENaInty \n', max_size=60).map(str.encode))
def test_either_a_value_or_the_right_error(data: bytes) -> None:
    """And whatever is read is also read by the usual parser, as the same."""
    try:
        value = load_strict(data)
    except (SchemaError, TooLarge):
        return
    assert json.loads(data) == value


def test_canonical_form() -> None:
    """Sorted by code point, no spaces, UTF-8 without escapes."""
    assert (
        canonical_bytes({"b": [1, None], "a": "é\u2028\n", "B": True})
        == '{"B":true,"a":"é\u2028\\n","b":[1,null]}'.encode()
    )


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), 2**53, -(2**53), b"x", {1: 2}, {"a": (1, 2)}, {None: 1}, "\ud800", object(), {"a": {3}}],
)
def test_what_has_no_strict_form_is_not_written(value: Any) -> None:
    """Else somebody would sign what nobody reads."""
    refused(SchemaError, lambda: canonical_bytes(value))


def test_depth_is_counted_exactly() -> None:
    """As many as the limit, and no more."""
    for limit in (1, 2, 32):
        assert load_strict(b"[" * limit + b"]" * limit, Limits(depth=limit)) is not None
        error = refused(TooLarge, lambda: load_strict(b"[" * (limit + 1) + b"]" * (limit + 1), Limits(depth=limit)))
        assert (error.field, error.size) == ("depth", limit + 1)
    assert load_strict(b"[[],[],{}]", Limits(depth=2)) == [[], [], {}]


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('[]{}"\\ a,:'), max_size=40))
def test_depth_of_any_text(text: str) -> None:
    """Counted before parsing, so also where brackets do not match, or stand in strings with escapes or without end."""
    deepest = depth = 0
    quoted = escaped = False
    for char in text:
        if quoted:
            quoted = char != '"' or escaped
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted, escaped = True, False
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    assert _depth(text.encode()) == deepest
    assert _depth(b"[" * 70 + text.encode()) == 70 + deepest


def test_depth_beyond_the_interpreter() -> None:
    """A limit that somebody set too high ends in an error of the tree, too."""
    refused(SchemaError, lambda: load_strict(b"[" * 200_000 + b"]" * 200_000, Limits(depth=10**6)))


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1.0",
        "1e2",
        "1E-2",
        "-0",
        "0.0",
        "9007199254740992",
        "-9007199254740992",
        "1" * 5000,
    ]
    + ['{"a":1,"a":1}', '"\\ud800"', "\ufeff1", "1 1", "01", "'a'", "[1,]", '"\t"', "", " ", "nul", '"a'],
)
def test_what_is_not_read_at_all(text: str) -> None:
    """Before any schema: so a schema cannot forget it."""
    for wrapped in (text, f"[{text}]", f'{{"x":{text}}}'):
        if text.strip() or wrapped != f"[{text}]":
            refused(SchemaError, lambda: load_strict(wrapped.encode()))
    assert load_strict(b"[9007199254740991, -9007199254740991, 0]") == [MAX_INTEGER, -MAX_INTEGER, 0]


def test_long_numbers_are_not_computed() -> None:
    """Their length is enough: converting takes quadratic time where the interpreter allows it."""
    assert "not between" in refused(SchemaError, lambda: load_strict(b"1" * 5000)).problem


def test_size_comes_first() -> None:
    """Nothing is read of what is too large."""
    assert refused(TooLarge, lambda: load_strict(b"x" * 11, Limits(body_bytes=10))).field == "body_bytes"


# -- schemas ----------------------------------------------------------------------------------------------------------


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Part:
    size: int
    digest: bytes


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...]
    colour: Colour
    note: str | None
    done: bool

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise ValueError("this name is forbidden")


PART = Record(Part, {"size": Integer(1, 10), "sha": Hexadecimal(2)}, attributes={"sha": "digest"})
WHOLE = Record(
    Whole,
    {
        "name": Text(),
        "parts": Array(PART, most=2, unique=True),
        "colour": Choice(Colour),
        "note": Maybe(Text()),
        "done": Boolean(),
    },
    constants={"version": 1},
)
GOOD = Whole("x", (Part(1, b"ab"), Part(2, b"cd")), Colour.RED, None, True)


def test_round_trip() -> None:
    """Frozen dataclasses in, the same out."""
    data = write_canonical(GOOD, WHOLE)
    assert data == (
        b'{"colour":"red","done":true,"name":"x","note":null,'
        b'"parts":[{"sha":"6162","size":1},{"sha":"6364","size":2}],"version":1}'
    )
    assert parse_strict(data, WHOLE) == GOOD


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('"size":2', '"size":11', "parts[1].size"),
        ('"size":2', '"size":true', "parts[1].size"),
        ('"size":2', '"size":"2"', "parts[1].size"),
        ('"size":2', '"length":2', "parts[1]"),
        ('"size":2', '"size":2,"x":1', "parts[1]"),
        ('{"sha":"6364","size":2}', '{"sha":"6162","size":1}', "parts"),
        ('{"sha":"6364","size":2}', "5", "parts[1]"),
        ('"6364"', '"636"', "parts[1].sha"),
        ('"6364"', '"636G"', "parts[1].sha"),
        ('"6364"', '"63AF"', "parts[1].sha"),
        ('"6364"', '"63641"', "parts[1].sha"),
        ('"6364"', '" 636"', "parts[1].sha"),
        ('"red"', '"green"', "colour"),
        ('"red"', "[]", "colour"),
        ('"done":true', '"done":1', "done"),
        ('"note":null', '"note":""', "note"),
        ('"note":null', '"note":"a\\u0007"', "note"),
        ('"note":null', '"note":"a\\u202eb"', "note"),
        ('"name":"x"', '"name":"forbidden"', ""),
        ('"name":"x"', '"name":null', "name"),
        ('"version":1', '"version":true', ""),
        ('"version":1', '"version":2', ""),
        (',"version":1', "", ""),
    ],
)
def test_mismatches_name_the_place(old: str, new: str, path: str) -> None:
    """Exactly the form that is described, and the error says where it is not."""
    text = write_canonical(GOOD, WHOLE).decode()
    assert text.count(old) == 1
    error = refused(SchemaError, lambda: parse_strict(text.replace(old, new).encode(), WHOLE))
    assert error.path == path, error


def test_too_many_entries() -> None:
    """Lists are bounded by their schema."""
    text = '{"sha":"%04x","size":1}'
    parts = ",".join(text % number for number in range(3))
    data = write_canonical(GOOD, WHOLE).decode().partition('"parts":[')[0] + f'"parts":[{parts}],"version":1}}'
    assert refused(SchemaError, lambda: parse_strict(data.encode(), WHOLE)).path == "parts"


def test_nothing_is_written_that_would_not_be_read() -> None:
    """Found by the signer, not by the receiver."""
    for bad in (Part(0, b"ab"), Part(1, b"abc"), Part(True, b"ab")):
        refused(SchemaError, lambda: write_canonical(bad, PART))
