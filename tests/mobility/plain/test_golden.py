"""Format 1, byte for byte: what was written once has to be read for ever, by every Python."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mobility.plain import decode, encode
from mobility.plain.wire import MAGIC, VERSION, Kind
from mobility.testing import Interpreter, found
from tests.mobility.plain.classes import registry
from tests.mobility.plain.golden import GOLDEN
from tests.mobility.plain.graphs import difference

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes(name: str) -> None:
    """Written as ever, and read as ever."""
    value, text = GOLDEN[name]
    assert encode(value, registry=registry).hex() == text
    assert difference(value, decode(bytes.fromhex(text), registry=registry)) is None


@pytest.mark.parametrize("name", GOLDEN)
def test_nothing_is_kept_alive(name: str) -> None:
    """Neither end leaves a cycle behind that holds a message, or a value, of a gigabyte until somebody looks for it."""
    value, text = GOLDEN[name]
    data = bytes.fromhex(text)
    gc.collect()
    gc.disable()
    try:
        before = sys.getrefcount(data), sys.getrefcount(value)
        decode(data, registry=registry)
        encode(value, registry=registry)
        assert (sys.getrefcount(data), sys.getrefcount(value)) == before
    finally:
        gc.enable()


def test_every_kind_of_node_is_golden() -> None:
    """A kind without golden bytes could change without notice."""
    kinds: set[int] = set()
    for _, text in GOLDEN.values():
        data = bytes.fromhex(text)
        assert data.startswith(MAGIC + bytes((VERSION,)))
        kinds.update(data[6 : 6 + data[5]])
    assert {kind for kind in Kind if kind not in kinds} == {Kind.ARRAY, Kind.SCALAR}


@pytest.mark.parametrize("interpreter", found(), ids=str)
@pytest.mark.parametrize("seed", ["0", "1"])
def test_golden_bytes_on_every_interpreter(interpreter: Interpreter, seed: str) -> None:
    """Whatever the version, and whatever the secret of hashing."""
    answer = subprocess.run(
        [interpreter.path, "-W", "error", "-m", "tests.mobility.plain.golden"],
        env={**interpreter.environment(ROOT), "PYTHONHASHSEED": seed},
        cwd=os.fspath(ROOT),
        capture_output=True,
        text=True,
        timeout=60,
    )
    later = (interpreter.version >= (3, 12)) - (sys.version_info >= (3, 12))  # sets of slices
    assert (answer.stdout, answer.stderr) == (f"{len(GOLDEN) + later} messages\n", "")


def test_golden_arrays() -> None:
    """The description of each sort of dtype."""
    np = pytest.importorskip("numpy")
    for text, make in GOLDEN_ARRAYS.items():
        value = make(np)
        assert encode(value).hex() == text
        again = decode(bytes.fromhex(text))
        assert type(again) is type(value) and again.dtype == value.dtype and again.tobytes() == value.tobytes()


GOLDEN_ARRAYS = {
    "c1534a5001011f00033c693201020202100100030002000400": lambda np: np.array([[1, 2], [3, 4]], "<i2", order="F"),
    "c1534a5001011f00037c6231000102040001": lambda np: np.array([True, False])[::-1],
    "c1534a5001011f00033e66380000103ff8000000000000": lambda np: np.array(1.5, ">f8"),
    "c1534a5001011f00033c5532000102206100000062000000e900000000000000": lambda np: np.array(["ab", "\xe9"], "<U2"),
    "c1534a5001011f00063c4d385b445d00010110794e000000000000": lambda np: np.array(["2025-01-01"], "<M8[D]"),
    "c1534a5001011f00043c6331360002000300": lambda np: np.zeros((0, 3), "<c16"),
    "c1534a5001011f0108020161000000033c6934016205010200037c7531000101100000000000000000": lambda np: np.zeros(
        1, {"names": ["a", "b"], "formats": ["<i4", ("u1", (2,))], "offsets": [0, 5], "itemsize": 8}
    ),
    "c1534a500101200200033c6634080000003f": lambda np: np.float32(0.5),
    "c1534a50010120000278": lambda np: np.str_("x"),
    "c1534a50010120010278": lambda np: np.bytes_(b"x"),
}
