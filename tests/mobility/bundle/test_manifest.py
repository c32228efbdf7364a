"""A manifest has one reading, and none if anything in it does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.bundle import Encoding, Manifest, SealedPart, SegmentEntry, SegmentKind, Suspension, UnitKind
from mobility.bundle.chunks import CHUNK, digest_of
from mobility.environment import Accelerator, Distribution, Needs
from mobility.trust.errors import SchemaError, TooLarge
from mobility.trust.limits import Limits
from tests.mobility.bundle.bundles import SMALL, SOURCE, manifest_of, refused

CODE, STATE, BUFFER, PREVIEW, LUGGAGE = SegmentKind
OPEN = manifest_of(SMALL, 3, suspension=Suspension("survey", "survey.py", 12, "here = yield place"))
PART = SealedPart("ab" * 32, 2 * CHUNK + 1, (b"1" * 32, b"2" * 32, b"3" * 32))
SEALED = manifest_of(SMALL, 3, PART)


def changed(change: Callable[[Any], object], manifest: Manifest = OPEN) -> bytes:
    """The text of a manifest after something was done to its JSON."""
    value = json.loads(manifest.to_bytes())
    change(value)
    return json.dumps(value).encode()


def put(*path: Any) -> Callable[[Any], None]:
    """Puts the last argument at a place that the others lead to."""

    def change(value: Any) -> None:
        *way, last, new = path
        for step in way:
            value = value[step]
        value[last] = new

    return change


def without(*path: Any) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        *way, last = path
        for step in way:
            value = value[step]
        del value[last]

    return change


@pytest.mark.parametrize("manifest", [OPEN, SEALED], ids=["open", "sealed"])
def test_round_trip(manifest: Manifest) -> None:
    """Every field comes back, and the text is canonical."""
    data = manifest.to_bytes()
    assert Manifest.from_bytes(data) == manifest
    assert json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode() == data


QUALIFIED = ["f", "C.m", "f.<locals>.g", "<lambda>", "f.<locals>.<lambda>"]
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
digest = st.binary(min_size=32, max_size=32)


@st.composite
def entries(draw: st.DrawFn, kind: SegmentKind, hidden: bool) -> SegmentEntry:
    size = draw(st.sampled_from([0, 1, CHUNK]) if kind is CODE else st.integers(0, 3 * CHUNK))
    count = max(1, -(-size // CHUNK))
    chunks = () if hidden else tuple(draw(st.lists(digest, min_size=count, max_size=count)))
    return SegmentEntry(kind, size, draw(st.booleans()) if kind is BUFFER else False, chunks)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Any manifest that can be made."""
    sealed = draw(st.sampled_from([None, PART]))
    hidden = sealed is not None
    code = draw(st.lists(entries(CODE, False), max_size=3, unique_by=lambda entry: entry.chunks))
    buffers = draw(st.lists(entries(BUFFER, hidden), max_size=4))
    shown = (draw(st.lists(entries(kind, hidden), max_size=1)) for kind in (PREVIEW, LUGGAGE))
    previews = [entry for kind in shown for entry in kind]
    dotted = st.lists(names, min_size=1, max_size=3).map(".".join)
    unit = draw(st.sampled_from(UnitKind))
    text = st.text(max_size=700)
    suspension = st.builds(Suspension.shown, function=text, file=text, line=st.integers(0, 10**6), text=text)
    words = st.lists(names, max_size=3, unique=True).map(tuple)
    distributions = st.builds(Distribution, names.map(lambda name: f"x{name}x"), st.just("1.0rc1+cpu"), words)
    accelerators = st.builds(Accelerator, names, st.integers(1, 8), st.none() | st.integers(0, 2**53 - 1))
    needs = st.builds(
        Needs,
        python_minor=st.none() | st.just("3.11"),
        distributions=st.lists(distributions, max_size=3, unique=True).map(tuple),
        modules=words,
        memory=st.none() | st.integers(0, 2**53 - 1),
        processors=words,
        operating_systems=words,
        accelerators=st.lists(accelerators, max_size=3).map(tuple),
    )
    return Manifest(
        agent=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,20}", fullmatch=True)),
        epoch=draw(st.integers(0, 2**53 - 1)),
        unit=unit,
        entry_point=f"{draw(dotted)}:{draw(st.sampled_from(QUALIFIED))}",
        python=draw(st.sampled_from(["3.11.7", "3.13.0rc1", "3.14.0a1+", "3.11"])),
        implementation="CPython",
        encodings=tuple(draw(st.lists(st.sampled_from(Encoding), max_size=4, unique=True))),
        needs=draw(needs),
        suspension=draw(st.none() | suspension) if unit is UnitKind.GENERATOR else None,
        segments=(*code, draw(entries(STATE, hidden)), *buffers, *previews),
        sealed=sealed,
    )


@settings(max_examples=150, deadline=None)
@given(manifests())
def test_what_can_be_made_comes_back(manifest: Manifest) -> None:
    """Also from odd text, as far as it can be shown."""
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


WRONG: dict[str, Callable[[Any], object]] = {
    "unknown field": put("comment", "x"),
    "missing field": without("needs"),
    "unknown field of a segment": put("segments", 0, "name", "../../etc/passwd"),
    "missing field of a segment": without("segments", 0, "writable"),
    "other format": put("format", "sojourn-manifest-2"),
    "later version": put("version", 2),
    "version as truth": put("version", True),
    "unknown unit": put("unit", "module"),
    "unknown kind of segment": put("segments", 1, "kind", "result"),
    "kind in capitals": put("segments", 1, "kind", "STATE"),
    "unknown encoding": put("encodings", ["marshal"]),
    "encoding twice": put("encodings", ["pickle", "pickle"]),
    "no state": without("segments", 1),
    "two states": lambda value: value["segments"].insert(1, value["segments"][1]),
    "two previews": lambda value: value["segments"].append(value["segments"][-1]),
    "two pieces of luggage": lambda value: value["segments"].extend([{**value["segments"][-1], "kind": "luggage"}] * 2),
    "luggage before the preview": lambda value: value["segments"].insert(
        -1, {**value["segments"][1], "kind": "luggage"}
    ),
    "writable luggage": lambda value: value["segments"].append(
        {**value["segments"][-1], "kind": "luggage", "writable": True}
    ),
    "code twice": lambda value: value["segments"].insert(0, value["segments"][0]),
    "segments reordered": lambda value: value["segments"].reverse(),
    "no segments": put("segments", []),
    "writable code": put("segments", 0, "writable", True),
    "writable state": put("segments", 1, "writable", True),
    "writable as a number": put("segments", 2, "writable", 1),
    "size of -1": put("segments", 1, "bytes", -1),
    "size of 2**53": put("segments", 1, "bytes", 2**53),
    "size of 2**63": put("segments", 1, "bytes", 2**63),
    "size as truth": put("segments", 1, "bytes", True),
    "size as a fraction": put("segments", 1, "bytes", 5.0),
    "size as text": put("segments", 1, "bytes", "5"),
    "size as null": put("segments", 1, "bytes", None),
    "size needs more chunks": put("segments", 1, "bytes", CHUNK + 1),
    "code of more than a chunk": lambda value: value["segments"][0].update(bytes=CHUNK + 1, chunks=["ab" * 32] * 2),
    "no digest": put("segments", 1, "chunks", []),
    "no digest of code": put("segments", 0, "chunks", []),
    "one digest too many": put("segments", 1, "chunks", ["ab" * 32, "cd" * 32]),
    "truncated digest": put("segments", 1, "chunks", ["ab" * 31]),
    "digest in capitals": put("segments", 1, "chunks", ["AB" * 32]),
    "digest that is none": put("segments", 1, "chunks", ["zz" * 32]),
    "digest with blanks": put("segments", 1, "chunks", [" " + "a" * 62 + " "]),
    "digest as one text": put("segments", 1, "chunks", "ab" * 32),
    "sealed, and digests of what is secret": put("sealed", json.loads(SEALED.to_bytes())["sealed"]),
    "suspended function": put("unit", "function"),
    "agent that is a path": put("agent", "../x"),
    "entry point without a module": put("entry_point", ":survey"),
    "entry point without a name": put("entry_point", "survey"),
    "python of another form": put("python", "three"),
    "minor version with a patch": put("needs", "python_minor", "3.11.1"),
    "need of less than nothing": put("needs", "memory", -1),
    "no accelerator needed": put("needs", "accelerators", [{"kind": "cuda", "count": 0, "memory": None}]),
    "distribution twice": lambda value: value["needs"]["distributions"].append(value["needs"]["distributions"][0]),
    "distribution that is an address": put("needs", "distributions", 0, "name", "x@https://example.org/x"),
    "needs as null": put("needs", None),
    "unprintable source line": put("suspension", "text", "a\x1b[2Jb"),
    "direction of text turned": put("suspension", "file", "a\u202eb"),
    "negative line": put("suspension", "line", -1),
    "not an object": lambda value: value.clear(),
}


def test_luggage_is_the_last() -> None:
    """What the three above do wrong can also be done right."""
    more = {**json.loads(OPEN.to_bytes())["segments"][-1], "kind": "luggage"}
    read = Manifest.from_bytes(changed(lambda value: value["segments"].append(more)))
    assert [entry.kind for entry in read.segments] == [CODE, STATE, BUFFER, BUFFER, BUFFER, PREVIEW, LUGGAGE]


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused(name: str) -> None:
    """Each alone, in a text that is otherwise good."""
    refused(SchemaError, lambda: Manifest.from_bytes(changed(WRONG[name])))


SEALED_WRONG: dict[str, Callable[[Any], object]] = {
    "recipient that is no key id": put("sealed", "recipient", "lima"),
    "ciphertext with a chunk too few": lambda value: value["sealed"]["chunks"].pop(),
    "ciphertext with a chunk too many": lambda value: value["sealed"]["chunks"].append("ab" * 32),
    "ciphertext of -1": put("sealed", "bytes", -1),
    "ciphertext as truth": put("sealed", "bytes", True),
    "unknown field": put("sealed", "key", "ab" * 32),
    "not sealed, and without digests": put("sealed", None),
    "a digest of the state": put("segments", 1, "chunks", ["ab" * 32]),
    "no digest of the code": put("segments", 0, "chunks", []),
}


@pytest.mark.parametrize("name", SEALED_WRONG)
def test_what_does_not_fit_a_seal_is_refused(name: str) -> None:
    """A sealed bundle names the digests of its ciphertext and of its code, and no others."""
    assert Manifest.from_bytes(changed(lambda value: None, SEALED)) == SEALED
    refused(SchemaError, lambda: Manifest.from_bytes(changed(SEALED_WRONG[name], SEALED)))


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"{}", b"\xef\xbb\xbf{}", b'{"agent":1,"agent":2}', b"NaN"])
def test_other_texts_are_refused(text: bytes) -> None:
    """The strict reader's own rules have their tests with it; here that it is used."""
    refused(SchemaError, lambda: Manifest.from_bytes(text))
    refused(SchemaError, lambda: Manifest.from_bytes(OPEN.to_bytes() + text if text else b" "))


def test_limits() -> None:
    """Each by its field."""
    data = OPEN.to_bytes()
    sizes = [entry.size for entry in OPEN.segments]
    for field, most in (
        ("body_bytes", len(data)),
        ("depth", 5),
        ("segments", len(sizes)),
        ("code_bytes", len(SOURCE)),
        ("chunk_bytes", max(sizes)),
        ("total_bytes", sum(sizes)),
    ):
        assert Manifest.from_bytes(data, Limits(**{field: most})) == OPEN
        error = refused(TooLarge, lambda: Manifest.from_bytes(data, Limits(**{field: most - 1})))
        assert error.field == field


def test_what_cannot_travel_is_not_written() -> None:
    """Found by who packs, not by who receives."""
    refused(SchemaError, lambda: manifest_of(SMALL, 0, entry_point="../x:y").to_bytes())
    refused(SchemaError, lambda: manifest_of(SMALL, 2**53).to_bytes())
    with pytest.raises(ValueError, match="order"):
        manifest_of(SMALL, 0, segments=OPEN.segments[::-1])
    with pytest.raises(ValueError, match="one must|there must be one"):
        manifest_of(SMALL, 0, segments=OPEN.segments[:1])


def test_suspension_of_any_text() -> None:
    """A line of source may have tabs and be longer than a screen."""
    shown = Suspension.shown(function="", file="a\nb" * 900, line=3, text="\tyield  # \x07" + "x" * 9000)
    manifest = manifest_of(SMALL, 0, suspension=shown)
    assert Manifest.from_bytes(manifest.to_bytes()).suspension == shown
    assert shown.text.startswith("yield  # \N{REPLACEMENT CHARACTER}x") and shown.function == "?"


def test_digest_of_an_entry() -> None:
    """Known where the chunks are."""
    assert OPEN.segments[0].digest == OPEN.code[0]
    assert SegmentEntry(STATE, CHUNK + 1, chunks=(b"1" * 32, b"2" * 32)).digest == digest_of((b"1" * 32, b"2" * 32))
    assert SEALED.segments[1].digest is None
