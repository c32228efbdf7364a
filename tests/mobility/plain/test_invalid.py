"""Whatever the bytes are, decoding ends with plain data or with `PlainInvalid`, soon, and in bounded memory."""

from __future__ import annotations

import copyreg
import dataclasses
import datetime
import decimal
import os
import pickle
import random
import tracemalloc
import zoneinfo
from array import array
from typing import Any

import pytest

from mobility.errors import MobilityError
from mobility.plain import PlainInvalid, PlainLimits, Registry, decode, encode, encode_buffers
from mobility.plain.atoms import KINDS
from mobility.plain.wire import MAGIC, Kind, pack_integer, pack_text, pack_varint
from tests.mobility.plain.graphs import Access, Colour, Identity, Level, Node, Point, registry
from tests.mobility.plain.messages import message, references, refused

PLAIN = {list, tuple, dict, set, frozenset, bytes, bytearray, slice, str, int, float, bool, *KINDS} | {
    Node, Identity, Point, Colour, Level, Access, zoneinfo.ZoneInfo,
}  # fmt: skip


def sample() -> Any:
    shared = [1, 2.5]
    return {
        "shared": [shared, shared],
        "point": Point(frozenset({1, "a"}), (None, True, 2**70, -1.5)),
        (1, 2): {Colour.RED, "x"},
        "times": [datetime.datetime(2025, 1, 2, tzinfo=datetime.timezone.utc), decimal.Decimal("1.5")],
        "node": Node(b"bytes", slice(1, None)),
        "texts": ["a", "bé", "\U0001f600"],
    }


def check_plain(value: Any) -> None:
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        assert type(value) in PLAIN or type(value).__module__ == "numpy", type(value)
        if type(value) is dict:
            waiting += [*value, *value.values()]
        elif type(value) in (list, tuple, set, frozenset):
            waiting += value
        elif type(value) in (Node, Point):
            waiting += vars(value).values()


def test_cut_at_every_byte() -> None:
    """No prefix of a message is a message."""
    data = encode(sample(), registry=registry)
    for end in range(len(data)):
        error = refused(data[:end])
        assert error.__cause__ is None, f"cut at {end}: {error}"
        assert 0 <= error.offset <= end


def test_every_bit_flipped() -> None:
    """Damage gives an error of ours or another plain value, never anything else."""
    data = encode(sample(), registry=registry)
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            check_plain(decode(bytes(damaged), registry=registry))
        except PlainInvalid:
            continue


def test_random_bytes() -> None:
    """With and without the beginning that makes the decoder go on reading."""
    chance = random.Random(1)
    for size in range(400):
        refused(chance.randbytes(size))
        kinds = bytes(chance.choices(range(34), k=size % 30))
        data = MAGIC + b"\1" + pack_varint(len(kinds)) + kinds + chance.randbytes(size)
        try:
            check_plain(decode(data, registry=registry))
        except PlainInvalid:
            continue


@pytest.mark.parametrize(
    ("data", "reason", "offset"),
    [
        (b"", "of which 0 are there", 0),
        (b"{}xx", "does not begin like one", 0),
        (MAGIC + b"\2", "format 2", 4),
        (message([]), "no node", 6),
        (message([Kind.NONE]) + b"x", "1 bytes follow", 7),
        (message([33]), "kind 33", 7),
        (message([Kind.LIST], references(1)), "node 1 of 1", 7),
        (message([Kind.LIST], b"\x09\0"), "code 9", 7),
        (message([Kind.LIST], b"\0" + b"\xff" * 9), "nine bytes", 8),
        (message([Kind.INTEGER], b"\3\0"), "not the values", 7),
        (message([Kind.INTEGER], b"\7\1" + b"\0" * 8), "not the values", 7),
        (message([Kind.TEXT], b"\x08\0\1\1\x02\xff\xfe"), "no UTF-8", 12),
        (message([Kind.TEXT], b"\x08\0\1\2\1a"), "2 code points", 11),
        (message([Kind.TEXT], b"\x08\x08"), "packed as lengths", 8),
        (message([Kind.DICT], b"\2"), "keys number 2 of 0", 7),
        (message([Kind.DICT, Kind.NONE], b"\1" + references(1)), "not text", 8),
        (message([Kind.DICT], b"\1\x08\0\2\1\1\2aa\0\0"), "occurs twice", 7),
        (message([Kind.DICT], b"\0\3\2\1\1\3\2\1\1"), "occurs twice", 7),
        (message([Kind.DICT], b"\0\3\1\1\0\0"), "0 values for 1", 7),
        (message([Kind.SET], b"\3\2\1\1"), "occurs twice", 7),
        (message([Kind.SET, Kind.LIST], references(1) + references()), "cannot be hashed", 8),
        (message([Kind.TUPLE], references(0)), "cycle of immutable", 7),
        (message([Kind.TUPLE, Kind.FROZENSET], references(1) + references(0)), "cycle of immutable", 8),
        (message([Kind.SLICE], b"\3\1\1"), "slice", 7),
        (message([Kind.SLICE, Kind.NONE, Kind.LIST], references(1, 1, 2) + references()), "slice", 9),
        (message([Kind.INSTANCE], b"\1"), "class number 1 of 0", 7),
        (message([Kind.INSTANCE], b"\0" + pack_text("os.system")), "no dataclass is registered as 'os.system'", 8),
        (message([Kind.INSTANCE], b"\0" + pack_text("test.Colour")), "no dataclass", 8),
        (message([Kind.INSTANCE], b"\0" + pack_text("test.Node") + b"\0\0"), "other fields", 7),
        (message([Kind.MEMBER], pack_text("test.Colour") + pack_text("__class__")), "no member", 19),
        (message([Kind.MEMBER], pack_text("test.Access") + pack_text("READ")), "no enum", 7),
        (message([Kind.FLAG], pack_text("test.Access") + pack_integer(4)), "no such flags", 19),
        (message([Kind.FLAG], pack_text("test.Access") + pack_integer(-1)), "no such flags", 19),
        (message([Kind.ZONE], pack_text("../../etc/passwd")), "no time zone", 7),
        (message([Kind.ZONE], pack_text("this")), "no time zone", 7),
        (message([Kind.FRACTION], pack_integer(2) + pack_integer(4)), "lowest terms", 7),
        (message([Kind.FRACTION], pack_integer(1) + pack_integer(0)), "lowest terms", 7),
        (message([Kind.DECIMAL], b"\0" + pack_integer(0) + pack_text("1_0")), "digits", 7),
        (message([Kind.DECIMAL], b"\0" + pack_integer(10**30) + pack_text("1")), "exponent", 7),
        (message([Kind.DECIMAL], b"\2" + pack_text("1")), "digits", 7),
        (message([Kind.DATE], b"\xe9\x07\2\x1e"), "day is out of range", 7),
        (message([Kind.TIMEDELTA], b"\0" * 4 + b"\xff" * 8), "duration", 19),
        (message([Kind.RANGE], pack_integer(0) * 3), "must not be zero", 7),
        (message([Kind.BYTES], b"\x03"), "0 buffers", 7),
    ],
)
def test_damage_is_named_with_its_offset(data: bytes, reason: str, offset: int) -> None:
    """Somebody has to find out what went wrong, with nothing but this sentence."""
    error = refused(data, reason)
    assert error.offset == offset
    assert f"(at byte {error.offset})" in str(error)


# -- gadgets


class Exploit:
    def __reduce__(self) -> Any:
        return os.putenv, ("EXPLOITED", "1")


class Extension:
    pass


def build_gadget() -> bytes:
    # BUILD on a class would change it for everybody.
    return b"\x80\x04cbuiltins\nobject\n}\x8c\x01x\x4b\x01sb."


@pytest.mark.parametrize("name", ["REDUCE", "EXT", "BUILD", "dotted"])
def test_pickle_gadgets_are_just_invalid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no opcode that a plain message could run; a pickle is refused at its first byte."""
    called: list[Any] = []
    monkeypatch.setattr(os, "putenv", lambda *arguments: called.append(arguments))
    if name == "EXT":
        copyreg.add_extension(__name__, "Extension", 0xF0)
        try:
            gadget = pickle.dumps(Extension, 2)
        finally:
            copyreg.remove_extension(__name__, "Extension", 0xF0)
        assert b"\x82" in gadget
    else:
        gadget = {
            "REDUCE": pickle.dumps(Exploit),
            "BUILD": build_gadget(),
            "dotted": b"\x80\x04\x8c\x08builtins\x8c\x0cobject.__new__\x93.",
        }[name]
    assert refused(gadget).offset == 0
    found = decode(encode([gadget, gadget.decode("latin-1")]))  # and as a value it stays what it is
    assert found[0] == gadget and called == []


def test_nothing_is_imported_or_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of modules and attributes in a message are text, wherever they stand."""
    import builtins

    decode(encode([zoneinfo.ZoneInfo("UTC"), sample()], registry=registry), registry=registry)  # what it needs is here
    asked: list[str] = []
    real = builtins.__import__

    def watched(name: str, *arguments: Any, **keywords: Any) -> Any:
        asked.append(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", watched)
    for name in ("antigravity", "this", "os.system", "mobility.testing"):
        for kind in (Kind.ZONE, Kind.MEMBER, Kind.FLAG):
            refused(message([kind], pack_text(name) + pack_text("x")))
        refused(message([Kind.INSTANCE], b"\0" + pack_text(name) + b"\0\0\0\0"))
    assert set(asked) <= {"zoneinfo"}


def test_a_hostile_result_on_the_way_back() -> None:
    """What an untrusted side answers can only be plain, and only of classes registered here."""
    theirs = Registry()

    @dataclasses.dataclass
    class Backdoor:
        command: str

    theirs.add(Backdoor, "backdoor")
    answer = encode({"result": Backdoor("rm")}, registry=theirs)
    refused(answer, "no dataclass is registered as 'backdoor'")
    mine = Registry()
    mine.add(Backdoor, "backdoor", check=_only_harmless)
    with pytest.raises(PlainInvalid, match="forbidden") as caught:
        decode(answer, registry=mine)
    assert type(caught.value.__cause__) is ValueError
    assert decode(encode(Backdoor("ls"), registry=mine), registry=mine) == Backdoor("ls")


def _only_harmless(value: Any) -> None:
    if value.command != "ls":
        raise ValueError("forbidden")


def test_neither_init_nor_post_init_runs() -> None:
    """A class decides what happens at construction; a message does not construct."""
    mine, ran = Registry(), []

    @mine.named("acting")
    @dataclasses.dataclass
    class Acting:
        x: int

        def __post_init__(self) -> None:
            ran.append(self.x)

    data = encode(Acting(1), registry=mine)
    ran.clear()
    assert decode(data, registry=mine).x == 1 and ran == []


# -- size and time


def peak(data: bytes) -> int:
    tracemalloc.start()
    try:
        try:
            decode(data, registry=registry)
        except PlainInvalid:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LARGE = b"\xff\xff\xff\xff\x7f"  # 2**35 - 1
BOMBS = {
    "nodes": MAGIC + b"\1" + LARGE,
    "memo bomb": message([Kind.LIST] * 2000, b"".join(references(*[(n + 1) % 2000] * 20) for n in range(2000))),
    "references": message([Kind.LIST], b"\2" + LARGE),
    "integers": message([Kind.LIST], b"\6" + LARGE),
    "lengths": message([Kind.LIST], b"\x08\2" + LARGE),
    "text": message([Kind.POSIX_PATH], LARGE),
    "bytes": message([Kind.BYTES], LARGE),
    "integer": message([Kind.BIG_INTEGER], b"\xff\x7f"),
    "empty texts": message([Kind.LIST], b"\x08\0" + pack_varint(20_000) + b"\0" * 20_001),
    "empty sets": message([Kind.LIST] + [Kind.SET] * 250, references(*range(1, 251)) + b"\0\0" * 250),
    "wide dicts": message(
        [Kind.LIST] + [Kind.DICT] * 50 + [Kind.NONE],
        references(*range(1, 51))
        + b"\1\x08" + references(*[2] * 90) + pack_text("".join(f"{n:02}" for n in range(90))) + references(*[51] * 90)
        + (b"\1" + references(*[51] * 90)) * 49,
    ),
    "shared-reference blow-up": message(
        [Kind.TUPLE] * 30 + [Kind.NONE], b"".join(references(n, n) for n in range(1, 31))
    ),
}  # fmt: skip


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_memory_is_bounded_by_the_message(data: bytes) -> None:
    """A count that the bytes cannot back is refused first, and nothing is worth more than a fixed multiple."""
    peak(data)
    assert peak(data) < 100 * len(data) + 20_000


def test_ten_gigabytes_declared_in_a_few_bytes() -> None:
    """Refused with the sizes, before anything is made."""
    error = refused(message([Kind.BYTES], pack_varint(20 << 30)), bytes_length=1 << 40)
    assert "10737418240 bytes, of which 0 are there" in error.reason


LIMITED = {
    "nodes": [None, True, False],
    "text_length": ["é" * 100],
    "bytes_length": [b"x" * 100],
    "integer_bits": [1 << 999],
    "fraction_bits": __import__("fractions").Fraction(1, 3**999),
    "decimal_digits": decimal.Decimal("1" * 100),
    "hashed_members": set(range(100)),
    "total_bytes": [b"x" * 100],
}


@pytest.mark.parametrize("field", LIMITED)
def test_each_limit_is_named(field: str) -> None:
    """Whoever meets one learns which, and what was found."""
    data = encode(LIMITED[field])
    decode(data)
    error = refused(data, f"PlainLimits.{field} allows 3", **{field: 3})
    assert f"larger PlainLimits.{field}" in error.remedy


def test_text_limit_holds_in_runs_and_paths() -> None:
    """Not only where text is a node."""
    import pathlib

    for value in (["a", "bcde"], pathlib.PurePosixPath("a" * 20), {"abcd": 1}):
        refused(encode(value), "text_length", text_length=3)


def test_total_counts_buffers() -> None:
    """A small message may come with large buffers."""
    data, buffers = encode_buffers(bytes(100_000))
    with pytest.raises(PlainInvalid, match="total_bytes"):
        decode(data, buffers=buffers, limits=PlainLimits(total_bytes=1000))


def test_classes_that_fail_to_hash_or_compare() -> None:
    """The receiver's own code may raise anything; it leaves as one error."""
    mine = Registry()

    @mine.named("failing")
    @dataclasses.dataclass(frozen=True)
    class Failing:
        x: Any

        def __hash__(self) -> int:
            if self.x == "boom":
                raise LookupError("boom")
            return 1

    value = {Failing("boam")}
    data = encode(value, registry=mine)
    assert decode(data, registry=mine) == value
    with pytest.raises(PlainInvalid, match="boom"):
        decode(data.replace(b"boam", b"boom"), registry=mine)


def test_plain_invalid_is_of_the_tree_and_pickles() -> None:
    """A refusal has to reach the other side."""
    error = refused(b"")
    assert isinstance(error, MobilityError) and error.slug == "plain-invalid"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_packed_numbers_have_the_widths_of_the_format() -> None:
    """The machine's own sizes must not leak into the bytes."""
    assert {letter: array(letter).itemsize for letter in "bhiqBHId"} == dict(b=1, h=2, i=4, q=8, B=1, H=2, I=4, d=8)
