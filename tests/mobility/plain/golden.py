"""Format 1, byte for byte, and a check that needs nothing but the standard library."""

from __future__ import annotations

import datetime
import decimal
import fractions
import pathlib
import sys
import uuid
import zoneinfo
from typing import Any

from mobility.plain import decode, encode
from tests.mobility.plain.classes import Access, Colour, Identity, Level, Node, Point, registry

_UTC = datetime.timezone.utc
_SHARED: list[Any] = [1, None]
_SHARED.append(_SHARED)
_DAY = datetime.datetime(2025, 10, 26, 2, 30, 0, 250, zoneinfo.ZoneInfo("Europe/Oslo"), fold=1)

#: Written by the first version. Where one has to change, the format needs a new number, and a reader for both.
GOLDEN: dict[str, tuple[Any, str]] = {
    "none": (
        None,
        "c1534a50010100",
    ),
    "truth": (
        [True, False, None],
        "c1534a5001040a0201000003010203",
    ),
    "integers": (
        [0, -1, 300, -70_000, 2**40, 2**63, -(2**100)],
        "c1534a5001080a0303030303060606050000000000000000ffffffffffffffff2c0100000000000090eefeffffffffff"
        "0000000000010000000701020304050607090000000000000080000d000000000000000000000000f0",
    ),
    "runs": (
        [[1, -1], [300], [70_000], [2**40], [1.5, -0.0], ["a", "", "é\U0001f600"], []],
        "c1534a5001080a0a0a0a0a0a0a0a000701020304050607030201ff04012c010501701101000601000000000001000007"
        "02000000000000f83f00000000000000800800030100020761c3a9f09f98800000",
    ),
    "floats": (
        [None, float("inf"), -0.0, 5e-324],
        "c1534a5001050a000404040703000000000000f07f00000000000000800100000000000000000401020304",
    ),
    "complex": (
        complex(1.5, -2),
        "c1534a50010107000000000000f83f00000000000000c0",
    ),
    "text": (
        ["lone \ud800", "x" * 70, "x" * 70, None],
        "c1534a5001040a05050008000206464e6c6f6e6520eda080787878787878787878787878787878787878787878787878"
        "787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878780004"
        "01020203",
    ),
    "bytes": (
        [b"", b"ab", bytearray(b"cd")],
        "c1534a5001040a080809000301020300046162046364",
    ),
    "shared and cyclic": (
        (_SHARED, _SHARED, ((), (_SHARED,))),
        "c1534a5001070b0a0b03000b0b03010100030101020003030401000205060000000101",
    ),
    "dicts": (
        [{"a": 1, "b": 2}, {"a": "x", "b": None}, {}, {1: "one", (2, "two"): []}],
        "c1534a50010d0a0c0c0c0c0500030b050a03050302010208000301030307786f6e6574776f0004010203040108000201"
        "01026162030201020100020506020000000000000207080002090a00020b0c0000",
    ),
    "sets": (
        [{3, 1, 2}, {"b", "a"}, frozenset(), {(1, "x"), (1, "w"), None, 2.5, frozenset({1})}],
        "c1534a50010d0a0d0d0e0d00040b0b0e0305050301010701000000000000044008000201010277780004010203040303"
        "010203080002010102616200000005050607080900020a0b00020a0c030101",
    ),
    "range and slice": (
        [range(1, 10**30, 3), slice(None, 5, "x")],
        "c1534a5001060a0f100003050301050800010101780002010201010d00000040eaed7446d09c2c9f0c01030003030405",
    ),
    "dates": (
        [datetime.date(2025, 1, 2), datetime.time(3, 4, 5, 6, _UTC), datetime.timedelta(-1, 2, 3)],
        "c1534a5001040a1112140003010203e9070102030405060000000001000000000000000000000000ffffffff0200000003000000",
    ),
    "zones": (
        [_DAY, _DAY.replace(tzinfo=None), datetime.timezone(datetime.timedelta(hours=-3), "X"), _DAY.tzinfo],
        "c1534a5001050a13131516000401020304e9070a1a021e00fa00000001030b4575726f70652f4f736c6fe9070a1a021e"
        "00fa000000010002ffffffff502701000000000001580b4575726f70652f4f736c6f",
    ),
    "decimals": (
        [decimal.Decimal(text) for text in ("-1.50", "0E+3", "NaN12", "-sNaN", "-Infinity")],
        "c1534a5001060a1717171717000501020304050101fe0331353000010301300402313207000300",
    ),
    "fraction and uuid": (
        [fractions.Fraction(-3, 4), uuid.UUID(int=1 << 100)],
        "c1534a5001030a18190002010201fd010400000010000000000000000000000000",
    ),
    "paths": (
        [pathlib.PurePosixPath("/a/b"), pathlib.PureWindowsPath("c:\\d")],
        "c1534a5001030a1a1b00020102042f612f6204633a5c64",
    ),
    "enums": (
        [Colour.RED, Level.HIGH, Access.READ, Access.READ | Access.WRITE],
        "c1534a5001050a1c1c1d1d0004010203040b746573742e436f6c6f7572035245440a746573742e4c6576656c04484947"
        "480b746573742e41636365737301010b746573742e4163636573730103",
    ),
    "dataclasses": (
        [Node(1, Point(2)), Point(Identity("x"), None), Point(1, 2)],
        "c1534a5001080a1e1e1e031e1e0003010100030102030009746573742e4e6f64650800020405096c6566747269676874"
        "00020405010a746573742e506f696e7408000201010278790002060701030201020103020200020d746573742e496465"
        "6e74697479080001050576616c7565080001010178",
    ),
}


if sys.version_info >= (3, 12):  # before, a slice could not be hashed
    GOLDEN["slices in a set"] = (
        {slice(n, text) for n in (1, None) for text in "abcd"},
        "c1534a50010f0d1010101010101010030500050505030101080004010101010462636461000801020304050607080003090a0b"
        "0003090c0b00030b0d0b00030b0c0b00030b0e0b0003090d0b00030b0a0b0003090e0b",
    )


def check() -> None:
    """Each value gives these bytes, and these bytes give a value that gives them again."""
    for name, (value, text) in GOLDEN.items():
        data = bytes.fromhex(text)
        assert encode(value, registry=registry) == data, name
        assert encode(decode(data, registry=registry), registry=registry) == data, name


if __name__ == "__main__":
    check()
    print(len(GOLDEN), "messages")
