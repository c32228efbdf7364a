"""What is decoded is what was encoded: types, bits, order, sharing and cycles."""

from __future__ import annotations

import datetime
import decimal
import gc
import math
import pathlib
import struct
import uuid
import zoneinfo
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobility.plain import decode, encode, encode_buffers
from tests.mobility.plain.graphs import Identity, Node, Point, atoms, difference, graphs, keys, registry

DEPTH = 200_000
EXAMPLES = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def again(value: Any) -> Any:
    return decode(encode(value, registry=registry), registry=registry)


@EXAMPLES
@given(atoms())
def test_simple_values_keep_type_and_bits(value: Any) -> None:
    """A truth value is no integer, -0.0 is not 0.0, and a time zone keeps its name."""
    assert difference(value, again(value)) is None


@EXAMPLES
@given(graphs())
def test_graphs_keep_their_shape(value: Any) -> None:
    """What was one object is one, what was two are two, and cycles close where they did."""
    assert difference(value, again(value)) is None


@EXAMPLES
@given(graphs())
def test_the_same_graph_gives_the_same_bytes(value: Any) -> None:
    """Also on the way back, so that a digest of a value means something."""
    data = encode(value, registry=registry)
    assert encode(decode(data, registry=registry), registry=registry) == data


@EXAMPLES
@given(graphs(), st.integers(0, 30))
def test_out_of_band_is_the_same(value: Any, at_least: int) -> None:
    """Where the memory of a value travels makes no difference to the value."""
    data, buffers = encode_buffers(value, registry=registry, at_least=at_least)
    assert difference(value, decode(data, buffers=buffers, registry=registry)) is None


@settings(EXAMPLES, max_examples=40)
@given(st.sets(keys(), max_size=6))
def test_sets_have_one_spelling(members: set[Any]) -> None:
    """The order in which a set was filled, and the process's secret of hashing, do not show."""
    data = encode(members, registry=registry)
    assert encode(set(reversed(list(members))), registry=registry) == data


def test_sets_within_sets_have_one_spelling() -> None:
    """0 and 8 meet in a small table, so which was first shows in the order of the set."""
    one = {frozenset([n, n + 8]) for n in range(8)}
    other = {frozenset([n + 8, n]) for n in range(8)}
    assert [*map(list, one)] != [*map(list, other)] and encode(one) == encode(other)


def test_truth_values_within_sets_have_one_spelling() -> None:
    """They share a kind; which of them lies first in a set depends on what was there before."""
    one, other = set([8, True, False]), set([False, True, 8])
    assert list(one) != list(other) and encode(one) == encode(other)


@pytest.mark.parametrize(
    "bits", ["7ff8000000000001", "7ff0000000000001", "fff8000000000000", "8000000000000000", "0000000000000001"]
)
def test_floats_keep_their_bits(bits: str) -> None:
    """Payloads of NaN, negative zero and denormal numbers; alone, in a run, and among others."""
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    alone, run, (mixed, _) = again(number), again([number, number]), again([number, None])
    for found in (alone, *run, mixed):
        # To load a signalling NaN may already have quietened it, before we had it.
        assert struct.pack(">d", found) == struct.pack(">d", number)


@pytest.mark.parametrize(
    "text",
    ["NaN", "-NaN123", "sNaN", "-sNaN7", "Infinity", "-Infinity", "-0E+5", "0E-999", "1E+999999999999999999",
     "1E-1999999999999999997", "-123.4500", "9" * 100],
)  # fmt: skip
def test_decimals_are_exact(text: str) -> None:
    """Digits, exponent, sign and the payload of NaN; whatever the context of the moment says."""
    value = decimal.Decimal(text)
    with decimal.localcontext(decimal.Context(prec=3, capitals=0, traps=[])):
        assert again(value).as_tuple() == value.as_tuple()


WRAPS = [lambda v: [v], lambda v: (v,), lambda v: {"a": v}, lambda v: {1: v}, Node, Point, Identity]


@pytest.mark.parametrize("wrap", WRAPS)
def test_depth_costs_nothing(wrap: Any) -> None:
    """200,000 levels are encoded, decoded, compared and freed without recursion."""
    value: Any = None
    for _ in range(DEPTH):
        value = wrap(value)
    data = encode(value, registry=registry)
    found = decode(data, registry=registry)
    assert difference(value, found) is None
    del value, found
    gc.collect()


def test_depth_through_all_kinds() -> None:
    """The immutable ones are built in order even if each of them hangs on one that can change."""
    value: Any = frozenset({1})
    for n in range(DEPTH // 5):
        value = [({"k": Point(value, [n])},)]
    assert difference(value, again(value)) is None


def test_shared_immutables_discovered_early() -> None:
    """A tuple that lies near the root and deep inside is built before both."""
    base = ((1, [2]),)
    value = (base, ((((base, "x"),), base), base))
    assert difference(value, again(value)) is None


def test_cycles_through_immutables() -> None:
    """They close as long as something on the way can change."""
    inner: list[Any] = []
    value = (Point(inner, 1), inner)
    inner += [value, value]
    assert difference(value, again(value)) is None


def test_a_key_may_hold_what_refers_back() -> None:
    """An object that is hashed by its identity need not be whole to be a key."""
    key = Identity()
    table = {(1, key): "found"}
    key.value = table
    found = again(table)
    ((_, back),) = found
    assert back.value is found and found[1, back] == "found"


def test_large_bytes_stay_two_and_small_ones_have_no_identity() -> None:
    """So that what an interpreter happens to share does not show in the bytes."""
    large = b"x" * 5000
    one, two, three = again([large, large, bytes(bytearray(large))])
    assert one is two and one is not three and one == three
    assert encode([b"ab", b"ab"]) == encode([b"ab", bytes(bytearray(b"ab"))])


def test_text_that_occurs_often_is_written_once() -> None:
    """A list that costs nothing in memory must cost nothing on the wire."""
    assert len(encode(["x" * 100_000] * 1000)) < 110_000
    assert len(encode([{"k" * 100_000: n, str(n): n} for n in range(50)])) < 110_000


def test_runs_are_packed() -> None:
    """Members of one simple type take their width and no more."""
    for numbers, width in (([1] * 1000, 1), ([300] * 1000, 2), ([70_000] * 1000, 4), ([1.5] * 1000, 8)):
        assert len(encode(numbers)) < 1000 * width + 20
    assert again([2**63, 1, -(2**63)]) == [2**63, 1, -(2**63)]


def test_bytes_out_of_band_are_not_copied() -> None:
    """Neither on the way out nor, if they are handed over as bytes, on the way in."""
    value = b"x" * 100_000
    data, buffers = encode_buffers([value, bytearray(value)])
    assert len(data) < 100 and buffers[0].obj is value
    found = decode(data, buffers=[value, buffers[1]])
    assert found[0] is value
    assert type(found[1]) is bytearray and found[1] == value


def test_time_zones_by_key_are_the_same_object() -> None:
    """ZoneInfo keeps one instance of each; arithmetic depends on that."""
    zone = zoneinfo.ZoneInfo("Europe/Oslo")
    moment = datetime.datetime(2025, 10, 26, 2, 30, tzinfo=zone, fold=1)
    found = again(moment)
    assert found.tzinfo is zone and found.fold == 1 and found.utcoffset() == moment.utcoffset()


def test_messages_of_bytearray_and_memoryview() -> None:
    """Whatever a transport hands over."""
    data = encode([1, "a"])
    assert decode(bytearray(data)) == decode(memoryview(data)) == [1, "a"]


def test_numbers_made_of_numpys() -> None:
    """A fraction and a UUID keep whatever integers they were made of."""
    np = pytest.importorskip("numpy")
    fraction = Fraction(np.int64(2), np.int64(6))
    assert type(fraction.numerator) is not int
    found = again([fraction, uuid.UUID(int=np.int64(5)), range(np.int64(3))])
    assert found == [Fraction(1, 3), uuid.UUID(int=5), range(3)] and type(found[0].numerator) is int


@pytest.mark.parametrize(
    "text", ["", ".", "a", "a:b", "c:", "c:a", "c:/", "c:/a/..", "//server/share", "//server/share/a", "\\\\?\\c:\\x"]
)
def test_paths_of_the_other_flavour(text: str) -> None:
    """A place of one kind may name files of the other."""
    for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath):
        found = again(kind(text))
        assert type(found) is kind and found.parts == kind(text).parts


def test_fractions_and_ranges() -> None:
    """Beyond 64 bits too."""
    assert again([Fraction(10**40, 3), range(10**30, 0, -(10**9)), math.inf]) == [
        Fraction(10**40, 3),
        range(10**30, 0, -(10**9)),
        math.inf,
    ]
