"""numpy's arrays and scalars: every kind of memory that is a value, and none that is not."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility.plain import NotPlain, PlainInvalid, PlainLimits, decode, encode, encode_buffers
from mobility.plain.wire import Kind, pack_text

np = pytest.importorskip("numpy")
from hypothesis.extra import numpy as npst  # noqa: E402

DTYPES = (
    npst.boolean_dtypes()
    | npst.integer_dtypes(endianness="?")
    | npst.unsigned_integer_dtypes(endianness="?")
    | npst.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | npst.complex_number_dtypes(endianness="?", sizes=(64, 128))
    | npst.datetime64_dtypes(endianness="?")
    | npst.timedelta64_dtypes(endianness="?")
    | npst.unicode_string_dtypes(endianness="?", min_len=1)
    | npst.byte_string_dtypes(min_len=1)
)
STRUCTURED = npst.array_dtypes(DTYPES, min_size=1, max_size=3, allow_subarrays=True).filter(
    lambda dtype: all(len(field) == 2 for field in dtype.fields.values())  # titles are refused
)
LAYOUTS = ["as is", "fortran", "every other", "backwards", "transposed", "read-only"]


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    dtype = draw(DTYPES | STRUCTURED)
    shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    count = max(1, int(np.prod(shape)) * dtype.itemsize)
    memory = np.frombuffer(draw(st.binary(min_size=count, max_size=count)), np.uint8) & 0x7F
    if dtype.names is None and dtype.kind not in "bU":
        made = memory[: int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape).copy()
    else:
        made = np.zeros(shape, dtype)
    layout = draw(st.sampled_from(LAYOUTS))
    if made.ndim and layout != "as is":
        made = {
            "fortran": np.asfortranarray,
            "every other": lambda a: a[::2],
            "backwards": lambda a: a[..., ::-1],
            "transposed": np.transpose,
            "read-only": lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
        }[layout](made)
    return made


def same(one: Any, other: Any) -> bool:
    return (
        type(one) is type(other)
        and one.dtype == other.dtype
        and one.dtype.str == other.dtype.str
        and one.shape == other.shape
        and one.tobytes() == other.tobytes()
    )


@settings(max_examples=200, deadline=None)
@given(arrays(), st.booleans())
def test_arrays_keep_dtype_shape_and_bits(array: Any, apart: bool) -> None:
    """Whatever the layout in memory; and the order of the axes, where it is contiguous."""
    if apart:
        data, buffers = encode_buffers([array, 1], at_least=1)
        found = decode(data, buffers=buffers)[0]
    else:
        found = decode(encode([array, 1]))[0]
        assert found.flags.writeable and found.flags.aligned
    assert same(array, found)
    assert found.flags.f_contiguous >= (array.flags.f_contiguous and not array.flags.c_contiguous)


@settings(max_examples=60, deadline=None)
@given(arrays())
def test_scalars_keep_type_and_bits(array: Any) -> None:
    """A numpy scalar arrives as one, of the same width and byte order."""
    for item in array.reshape(-1)[:2]:
        if isinstance(item, np.generic):
            found = decode(encode(item))
            assert type(found) is type(item) and found.dtype == item.dtype and found.tobytes() == item.tobytes()


@pytest.mark.parametrize("text", ["", "a\0", "\ud800", "é" * 100])
def test_text_scalars(text: str) -> None:
    """Empty, or ending in NUL: as no item of an array could hold them."""
    found = decode(encode([np.str_(text), np.bytes_(b"x\0")]))
    assert [type(f) for f in found] == [np.str_, np.bytes_]
    assert found[0] == text and bytes(found[1]) == b"x\0"


def test_scalars_as_keys_and_members() -> None:
    """A result indexed by what came out of an array."""
    value = {np.int64(3): "a", np.float32(1.5): {np.str_("x"), np.datetime64("2025-01-01")}}
    found = decode(encode(value))
    assert found == value and list(map(type, found)) == list(map(type, value))


STRUCTURES = [
    [("a", "<i4"), ("b", ">f8"), ("c", "S3"), ("d", "<U2"), ("e", "?")],
    [("outer", [("x", "<i2"), ("y", "<M8[us]")]), ("m", "<f4", (2, 3))],
    {"names": ["late", "early"], "formats": ["<i4", "<i2"], "offsets": [8, 0], "itemsize": 16},
]


@pytest.mark.parametrize("layout", STRUCTURES, ids=["simple", "nested", "padded"])
def test_structured_arrays(layout: Any) -> None:
    """Names, offsets, nesting, axes of fields, byte orders; alone, in slices and as a scalar."""
    dtype = np.dtype(layout)
    array = np.zeros((3, 2), dtype)
    first = dtype.names[0]
    if array[first].dtype.names is None:
        array[first] = np.arange(6).reshape(3, 2)
    for value in (array, array[::2], array.T, array[0, 0]):
        found = decode(encode(value))
        assert type(found) is type(value) and found.dtype == dtype
        assert repr(found.tolist()) == repr(value.tolist())


def test_memory_between_fields_does_not_leak() -> None:
    """Padding holds what the process had there before: keys, perhaps; and it would differ from run to run."""
    inner = np.dtype({"names": ["x"], "formats": ["u1"], "offsets": [1], "itemsize": 3})
    dtype = np.dtype({"names": ["a", "b"], "formats": ["u1", inner], "offsets": [0, 4], "itemsize": 9})
    secret = np.frombuffer(b"S" * 27, dtype)
    data = encode([secret, secret[0]])
    assert data.count(b"S") == 1 + 2 * 4  # the magic; a and b.x of three items and of one
    (message, buffers) = encode_buffers(secret, at_least=1)
    assert bytes(buffers[0]).count(b"S") == 6


def test_what_was_decoded_does_not_hold_the_message() -> None:
    """A scalar of four bytes must not keep a gigabyte."""
    dtype = np.dtype([("a", "<i4")])
    for value in (np.ones(2, dtype)[0], np.ones(3), np.str_("x"), np.float32(1), np.datetime64(1, "s")):
        data = encode([value, 1.5])
        before = sys.getrefcount(data)
        found = decode(data)
        assert found[0].dtype == value.dtype and sys.getrefcount(data) == before


def test_one_array_stays_one() -> None:
    """And a view becomes an array of its own."""
    base = np.arange(4)
    one, two, view = decode(encode([base, base, base[1:]]))
    assert one is two and view.tolist() == [1, 2, 3] and not np.shares_memory(one, view)


def test_out_of_band_arrays_are_not_copied() -> None:
    """Neither way; and what was read-only for the sender's transport is for the receiver too."""
    arrays_ = [np.zeros(125_000) + n for n in range(3)]
    data, buffers = encode_buffers(arrays_)
    assert len(data) < 200
    for array, buffer in zip(arrays_, buffers):
        assert np.shares_memory(array, np.asarray(buffer))
    found = decode(data, buffers=buffers)
    assert all(np.shares_memory(a, b) for a, b in zip(arrays_, found))
    assert all(array.flags.writeable for array in found)
    assert not any(array.flags.writeable for array in decode(data, buffers=[bytes(b) for b in buffers]))


def test_buffers_must_fit() -> None:
    """Too few, too many, too short, exchanged: each is said."""
    data, (one, two) = encode_buffers([np.zeros(3000), bytearray(20_000)])
    strided = memoryview(bytes(2 * one.nbytes))[::2]
    transposed = np.zeros((30, 100)).T
    assert strided.nbytes == transposed.nbytes == one.nbytes
    wrongs = [[], [one], [one, two, one], [two, one], [one[:-8], two], [one, two[::2]]]
    for wrong in (*wrongs, [strided, two], [transposed, two]):
        with pytest.raises(PlainInvalid, match="buffers? .*(given|described)") as caught:
            decode(data, buffers=wrong)
        assert caught.value.__cause__ is None, "numpy refused it, not we"


REFUSED = [
    (np.array([1, "a", None], dtype=object), "dtype object"),
    (np.zeros(2, [("a", "i4"), ("b", "O")]), "field 'b' holds Python objects"),
    (np.zeros(2, [("a", [("c", "O")])]), "holds Python objects"),
    (np.zeros(2, "V5"), "not one of numbers"),
    (np.void(b"abc"), "raw memory"),
    (np.zeros((1, 1)).view(np.matrix), "none of the plain types"),
    (np.ma.masked_array([1], [True]), "none of the plain types"),
    (np.rec.array([(1,)], [("a", "i4")]), "none of the plain types"),
    (np.zeros(1, np.dtype((np.record, [("a", "i4")]))), "records"),
    (np.zeros(1, {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2]}), "overlaps"),
    (np.zeros(1, [(("title", "a"), "i4")]), "titles"),
    (np.zeros(3, np.dtype([])), "no memory"),
    (np.empty(0, "S100000"), "very large items"),
    (np.empty((0, 1 << 62), "u1"), "longer than any memory"),
    (np.zeros(2, [("a", "i4"), ("m", "f4", (0,))]), "takes no memory"),
    (np.zeros(2, {"names": [""], "formats": ["i4"]}), "no name"),
    (np.frombuffer(b"\1\2", bool), "neither 0 nor 1"),
    (np.frombuffer(b"\1\2\3\4", bool)[::2], "neither 0 nor 1"),
    (np.frombuffer(b"\1\0\0\x02", [("a", "i1"), ("b", [("c", "?", (3,))])]), "neither 0 nor 1"),
    (np.frombuffer(b"\1\0\0\x02", [("a", "i1"), ("b", [("c", "?", (3,))])])[0], "neither 0 nor 1"),
    (np.frombuffer(b"\0\0\x11\0" * 2, "<U1").reshape(1, 2).T, "last code point"),
]


@pytest.mark.parametrize(("value", "reason"), REFUSED, ids=[f"{reason} {n}" for n, (_, reason) in enumerate(REFUSED)])
def test_memory_that_is_no_value_is_refused(value: Any, reason: str) -> None:
    """By its path, with what to do instead."""
    with pytest.raises(NotPlain) as caught:
        encode({"a": [value]}, name="result")
    assert caught.value.path == "result['a'][0]" and reason in caught.value.reason and caught.value.remedy


@pytest.mark.parametrize(
    ("dtype", "reason"),
    [(np.dtype((np.record, [("a", "<i4")])), "records"), (np.dtype([(("title", "a"), "<i4")]), "titles")],
)
def test_dtypes_that_are_equal_are_not_taken_for_each_other(dtype: Any, reason: str) -> None:
    """numpy calls a dtype of records equal to the plain one, and what was found out of that does not hold for it."""
    plain = np.zeros(2, [("a", "<i4")])
    assert plain.dtype == dtype or reason == "titles"
    with pytest.raises(NotPlain, match=reason) as caught:
        encode([plain, np.zeros(2, dtype), plain])
    assert caught.value.path == "value[1]"


def test_what_a_dtype_carries_beside_its_layout_stays_behind() -> None:
    """Metadata may be anything, and is nothing to the values."""
    value = np.arange(3.0).view(np.dtype("f8", metadata={"unit": object()}))
    found = decode(encode([value, np.zeros(1, np.dtype([("a", "u1"), ("b", "f8")], align=True))]))
    assert found[0].tolist() == [0, 1, 2] and found[0].dtype.metadata is None
    assert found[1].dtype.itemsize == 16


def test_many_arrays_of_few_descriptions() -> None:
    """Descriptions are remembered, at both ends: never for an array of another dtype, shape, order or place."""
    shapes, dtypes = [(2, 3), (3, 2), (6,), (6,), (0, 6), ()], ["<f8", ">f8", "<i8", "<M8[s]", "<i8", "?"]
    values = [np.ones(shape, dtype, order) for shape in shapes for dtype in dtypes for order in "CF"]
    values += [value[..., ::-1] for value in values if value.ndim]
    for at_least in (1, 9, 1000):
        data, buffers = encode_buffers(values, at_least=at_least)
        found = decode(data, buffers=buffers)
        assert all(map(same, values, found))
        assert [f.flags.f_contiguous for f in found[:72]] == [v.flags.f_contiguous for v in values[:72]]


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double here")
def test_long_doubles_are_refused() -> None:
    """Their format is another on each machine."""
    with pytest.raises(NotPlain, match="differs between machines"):
        encode(np.zeros(1, np.longdouble))


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 1 has none")
def test_variable_width_strings_are_refused() -> None:
    """Their memory is pointers."""
    with pytest.raises(NotPlain, match="astype"):
        encode(np.array(["a"], np.dtypes.StringDType()))


# -- hostile


def replaced(value: Any, old: bytes, new: bytes) -> bytes:
    data = encode(value)
    assert data.count(old) == 1 and len(old) == len(new)
    return data.replace(old, new)


def message(payload: bytes) -> bytes:
    return b"\xc1SJP\x01\x01" + bytes((Kind.ARRAY,)) + payload


def described(dtype: str, *axes: bytes, blob: bytes = b"\0") -> bytes:
    return message(b"\0" + pack_text(dtype) + bytes((0, len(axes))) + b"".join(axes) + blob)


HUGE = b"\xff" * 8 + b"\x7f"
HOSTILE = {
    "object dtype": described("|O", b"\1", blob=b"\x10" + b"\0" * 8),
    "shape overflow": described("<f8", HUGE, HUGE),
    "shape that wraps to zero": described("<f8", b"\x80" * 8 + b"\x40", b"\x04"),
    "shape overflow beside a zero": described("<f8", b"\0", HUGE, HUGE),
    "shape without data": described("<f8", b"\xff\xff\xff\x7f"),
    "size mismatch": described("<f8", b"\2", blob=b"\x10" + b"\0" * 8),
    "size understated": described("<f8", b"\1", blob=b"\0" + b"\0" * 8),
    "too many axes": message(b"\0" + pack_text("<f8") + bytes((0, 65)) + b"\1" * 65 + b"\x10" + b"\0" * 8),
    "unknown order": message(b"\0" + pack_text("<f8") + bytes((2, 1)) + b"\1" + b"\x10" + b"\0" * 8),
    "huge empty items": described("|S999999999", b"\0"),
    "dtype by a module's name": described("numpy.float64", b"\1", blob=b"\x10" + b"\0" * 8),
    "dtype as a list": described("<f8,<f8", b"\1", blob=b"\x20" + b"\0" * 16),
    "dtype with the byte order of the host": described("=f8", b"\1", blob=b"\x10" + b"\0" * 8),
    "truth value two": described("|b1", b"\1", blob=b"\2\2"),
    "text beyond Unicode": described("<U1", b"\1", blob=b"\x08\0\0\x11\0"),
    "huge structure of small fields": message(
        b"\1" + b"\xff\xff\xff\x7f\1" + pack_text("a") + b"\0\0" + b"\0" + pack_text("|u1") + b"\0\1\1" + b"\2\0"
    ),
    "fields that overlap": message(
        b"\1\4\2" + (pack_text("a") + b"\0\0\0" + pack_text("<i4")) + (pack_text("b") + b"\0\0\0" + pack_text("<i4"))
        + b"\0\1\1" + b"\x08\0\0\0\0"
    ),
    "field beyond the end": message(b"\1\4\1" + pack_text("a") + b"\2\0\0" + pack_text("<i4") + b"\0\1\1\x08\0\0\0\0"),
    "structures nested without end": message(b"\1\1\1\1a\0\0" * 10_000),
}  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_arrays(data: bytes) -> None:
    """Each is refused by a check of ours, before numpy has seen a size."""
    with pytest.raises(PlainInvalid) as caught:
        decode(data)
    assert caught.value.__cause__ is None, "numpy refused it, not we"


def test_array_limit() -> None:
    """One array may not be larger than the receiver has said."""
    data = encode(np.zeros(100))
    decode(data, limits=PlainLimits(array_bytes=800))
    with pytest.raises(PlainInvalid, match="array_bytes"):
        decode(data, limits=PlainLimits(array_bytes=799))


def test_without_numpy_arrays_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place without numpy says so, instead of failing on an import."""
    data = encode(np.zeros(1))
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(PlainInvalid, match="numpy is not installed"):
        decode(data)
