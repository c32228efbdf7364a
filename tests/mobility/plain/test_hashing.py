"""Keys and members are hashed and compared by Python: what that costs is known before it is done, at both ends."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import pathlib
import sys
import time
from typing import Any

import pytest

from mobility.plain import PlainInvalid, PlainLimits, Registry, decode, encode
from mobility.plain.hashing import DEEPEST
from mobility.plain.wire import Kind, pack_integer, pack_integers, pack_text, pack_varint
from tests.mobility.plain.messages import message, references, refused

MODULUS = (1 << 61) - 1  # integers that differ by a multiple of it have one hash
SOON = 5.0  # seconds of the processor; each of these took minutes or would have ended the process


def test_shared_reference_blow_up_as_a_key() -> None:
    """Thirty tuples that each hold the next twice: a thousand million visits to hash the first."""
    key: Any = 1
    for _ in range(60):
        key = (key, key)
    # The sender cannot even put it in a dict; so by hand.
    kinds = [Kind.SET, *[Kind.TUPLE] * 60, Kind.NONE]
    data = message(kinds, references(1) + b"".join(references(n, n) for n in range(2, 62)))
    start = time.thread_time()
    refused(data, "hash_work")
    refused(data.replace(bytes([Kind.SET]), bytes([Kind.FROZENSET]), 1), "hash_work")
    assert time.thread_time() - start < SOON
    assert decode(encode(key)) is not None


def test_deep_keys_are_refused_before_they_are_hashed() -> None:
    """Python hashes a tuple by recursion, and at some depth the process ends without a word."""
    for kind in (Kind.TUPLE, Kind.FROZENSET):
        count = 200_000
        data = message([Kind.SET, *[kind] * count, Kind.NONE], b"".join(references(n) for n in range(1, count + 2)))
        refused(data, "too deep" if kind is Kind.TUPLE else "too deep|hash_work")
    for depth in (DEEPEST, DEEPEST + 1):
        tuples = b"".join(references(n) for n in range(2, depth + 2))
        data = message([Kind.DICT, *[Kind.TUPLE] * depth, Kind.NONE], b"\0" + references(1) * 2 + tuples)
        if depth == DEEPEST:
            decode(data)
        else:
            refused(data, "too deep")


@pytest.mark.parametrize("kind", [Kind.DICT, Kind.SET])
def test_hash_flood(kind: Kind) -> None:
    """Integers that all have one hash: to build the dict would cost the square of their number."""
    count = 20_000
    numbers = b"".join(pack_integer(n * MODULUS) for n in range(2**70, 2**70 + count))
    members = references(*range(1, count + 1))
    data = message(
        [kind, *[Kind.BIG_INTEGER] * count], (b"\0" + members + members if kind is Kind.DICT else members) + numbers
    )
    start = time.thread_time()
    refused(data, "collisions")
    assert time.thread_time() - start < SOON


def test_few_collisions_are_no_flood() -> None:
    """-1 and -2 have one hash, and so do some numbers that nobody chose for it."""
    value = {n * MODULUS for n in range(2**70, 2**70 + 100)} | {-1, -2}
    assert decode(encode(value)) == value


def test_big_numbers_as_keys_of_many_dicts() -> None:
    """The hash of an integer is worked out anew in each dict."""
    value = [{1 << 100_000: n} for n in range(1000)]
    assert decode(encode(value)) == value
    refused(encode(value), "hash_work", hash_work=1_000_000)


# -- what is hashed or compared again and again

WIDE = (1 << 1_000_000) // MODULUS * MODULUS + 1  # its hash is that of 1
ONE = b"\0" + pack_integer(0) + pack_text("1")  # as a decimal
MINUS = pack_integers([-1, -2]) or b""  # of one hash
MANY = 20_000


def many_sets(members: list[int], inner: list[Kind], payload: bytes, count: int = MANY, column: bytes = b"") -> bytes:
    """A list of so many sets of the same members, which are nodes after the sets."""
    numbers = [count + 1 + member for member in members]
    return message(
        [Kind.LIST, *[Kind.SET] * count, *inner],
        column + references(*range(1, count + 1)) + references(*numbers) * count + payload,
    )


COSTLY = {
    "an integer and a decimal": many_sets([0, 1], [Kind.BIG_INTEGER, Kind.DECIMAL], pack_integer(WIDE) + ONE, 8),
    "the same within tuples": many_sets(
        [0, 1],
        [Kind.TUPLE, Kind.TUPLE, Kind.BIG_INTEGER, Kind.DECIMAL],
        references(11) + references(12) + pack_integer(WIDE) + ONE,
        8,
    ),
    "a wide integer within a tuple": many_sets(
        [0], [Kind.TUPLE, Kind.BIG_INTEGER], references(MANY + 2) + pack_integer(WIDE)
    ),
    "a range of wide integers": many_sets(
        [0], [Kind.RANGE], pack_integer(0) + pack_integer(WIDE) + pack_integer(1)
    ),
    "equal texts that are not one": many_sets(
        [0, 1],
        [Kind.TUPLE, Kind.TUPLE, Kind.BYTES, Kind.BYTES, Kind.INTEGER, Kind.INTEGER],
        references(MANY + 3, MANY + 5) + references(MANY + 4, MANY + 6)
        + (pack_varint(2_000_000) + b"x" * 1_000_000) * 2,
        column=MINUS,
    ),
}  # fmt: skip


def towers(count: int, height: int) -> bytes:
    """Tuples of one hash that differ only in their last members, after equal towers that are not one."""
    minus_one = 1 + count + count * height
    tops = [1 + count + number * height for number in range(count)]
    payload = references(*range(1, count + 1))
    for number, top in enumerate(tops):
        payload += references(top, *[minus_one + (number >> bit & 1) for bit in range(7)])
    for top in tops:
        for above in range(top + 1, top + height):
            payload += references(above, above)
        payload += references(minus_one, minus_one)
    kinds = [Kind.SET, *[Kind.TUPLE] * (count + count * height), Kind.INTEGER, Kind.INTEGER]
    return message(kinds, MINUS + payload)


COSTLY["towers of shared tuples"] = towers(100, 14)


def crowds(sets: int, size: int, height: int) -> bytes:
    """Sets of two frozensets, each with a mark; to compare those, each member is compared with all of the other's."""
    first = sets + 1  # nodes: the list, sets, two marked tuples, two frozensets, their members, the towers, -1 and -2
    inner = first + 4
    tops = inner + 2 * size
    minus_one = tops + 2 * size * height
    payload = references(*range(1, first)) + references(first, first + 1) * sets
    payload += references(first + 2, minus_one) + references(first + 3, minus_one + 1)
    payload += references(*range(inner, inner + size)) + references(*range(inner + size, tops))
    for number in range(2 * size):
        payload += references(tops + number * height, *[minus_one + (number >> bit & 1) for bit in range(6)])
    for top in range(tops, minus_one, height):
        for above in range(top + 1, top + height):
            payload += references(above, above)
        payload += references(minus_one, minus_one)
    tuples = [Kind.TUPLE] * (2 * size + 2 * size * height)
    head = [Kind.LIST, *[Kind.SET] * sets, Kind.TUPLE, Kind.TUPLE, Kind.FROZENSET, Kind.FROZENSET]
    return message([*head, *tuples, Kind.INTEGER, Kind.INTEGER], MINUS + payload)


COSTLY["frozensets of one hash"] = crowds(50, 64, 8)


@pytest.mark.parametrize("data", COSTLY.values(), ids=COSTLY)
def test_what_hashing_and_comparing_cost_is_charged(data: bytes) -> None:
    """A message of some kilobytes kept a receiver busy for minutes."""
    start = time.thread_time()
    refused(data, "hash_work")
    assert time.thread_time() - start < SOON


def test_structured_scalars_are_charged_by_their_size() -> None:
    """Their hash is that of all their fields, anew each time."""
    np = pytest.importorskip("numpy")
    scalar = np.frombuffer(bytes(1_000_000), [("a", "S1000000")])[0]
    refused(encode([{scalar} for _ in range(1000)]), "hash_work")


def test_few_costly_members_are_no_attack() -> None:
    """One of each is what an honest sender may have."""
    value = [{WIDE, (WIDE,)}, {range(WIDE)}, {decimal.Decimal(1), "1", (1,)}, {-1, -2, (-1,), (-2,)}]
    assert decode(encode(value)) == value


def test_numbers_that_only_meet_in_the_table_are_bounded() -> None:
    """Nobody sees them coming, so what they could cost at worst is charged: the square of their number."""
    refused(encode(dict.fromkeys(range(100_001))), "hashed_members")
    assert len(decode(encode(dict.fromkeys(range(100_000))))) == 100_000
    members = pack_integers(range(20_000)) or b""
    data = message([Kind.LIST, *[Kind.SET] * 100], references(*range(1, 101)) + members * 100)
    refused(data, "hash_work")
    assert len(decode(data, limits=PlainLimits(hash_work=200_000_000))) == 100


def test_text_dates_and_paths_are_not_charged_for_meeting() -> None:
    """They are hashed with a secret of the process, so nobody can choose them."""
    for make in (str, lambda n: f"{n}".encode(), datetime.date.fromordinal, lambda n: pathlib.PurePosixPath(f"{n}")):
        members = set(map(make, range(1, 6001)))
        assert decode(encode(members), limits=PlainLimits(hash_work=8 * 6000)) == members
    refused(encode(set(range(1, 6001))), "hash_work", hash_work=8 * 6000)
    refused(encode(members), "hashed_members", hashed_members=3)
    assert len(decode(encode(set(map(str, range(6000)))), limits=PlainLimits(hashed_members=3))) == 6000


def clustered(exponent: int) -> list[int]:
    """Integers that meet in a dict's table of so many bits: half in one orbit of its probing, half that run into it."""
    np = pytest.importorskip("numpy")
    size, count = 1 << exponent, (2 << exponent) // 3 - 2
    orbit = [0]
    while len(orbit) < count // 2:
        orbit.append((5 * orbit[-1] + 1) % size)
    place = np.full(size, size)
    place[orbit] = np.arange(len(orbit))
    chosen, start = list(orbit), size
    while len(chosen) < count:
        number = np.arange(start, start + (1 << 20))
        slot, meets = number % size, np.ones(1 << 20, bool)
        for step in range(1, 9):
            meets &= place[slot] < size
            slot = (5 * slot + (number >> 5 * step) + 1) % size
        chosen += number[meets & (place[slot] < len(orbit) // 8)].tolist()
        start += 1 << 20
    return chosen[:count]


def seconds(value: Any) -> float:
    """The least of three times that it takes to encode this."""
    found = []
    for _ in range(3):
        start = time.thread_time()
        encode(value)
        found.append(time.thread_time() - start)
    return min(found)


def test_who_relays_chosen_numbers_is_not_kept_busy() -> None:
    """A list of them costs its receiver nothing; but to send it on they were looked up in a dict."""
    usual = seconds([None, *range(2**40, 2**40 + 22_000)])
    for numbers in (clustered(15), [n * MODULUS for n in range(2**70, 2**70 + 20_000)]):
        assert seconds([None, *numbers]) < 10 * usual + 0.1
        assert decode(encode([None, *numbers, *numbers])) == [None, *numbers, *numbers]


# -- hashes that change


def test_a_hash_that_looks_at_what_can_change() -> None:
    """It is asked before all is in place; then nothing would be found again where it was put."""
    mine = Registry()

    @mine.named("own")
    @dataclasses.dataclass(frozen=True)
    class Own:
        items: Any

        def __hash__(self) -> int:
            return hash(tuple(self.items))

    for value in (frozenset({Own([1, None])}), {Own({1: 2, None: 3}): 1}, {Own({1: 2, None: 3})}):
        with pytest.raises(PlainInvalid, match="hash of a key or member changed") as caught:
            decode(encode([value], registry=mine), registry=mine)
        assert "__hash__" in caught.value.remedy
    for value in ({Own([1, None]): {Own((1, None))}}, {Own([1, 2])}):  # filled before they are asked
        assert decode(encode([value], registry=mine), registry=mine) == [value]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="slices can be hashed from 3.12 on")
def test_slices_as_keys_are_refused_where_python_has_none() -> None:
    """A newer Python may send them; this one says that it cannot."""
    refused(message([Kind.SET, Kind.SLICE, Kind.NONE], references(1) + references(2, 2, 2)), "cannot be hashed")
