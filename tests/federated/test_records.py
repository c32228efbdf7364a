"""Flower's messages as plain data: what goes over is what comes out, and nothing else gets through."""

from __future__ import annotations

import math
from typing import Any

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.common.constant import ErrorCode
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from federated._flower.private import become
from federated._flower.records import message_from_plain, message_to_plain, records_from_plain, records_to_plain
from federated.apperrors import RecordsRefused
from federated.messages import FailureCode, node_number
from mobility.plain import decode, encode

NAMES = st.text(max_size=8)
NUMBERS = st.integers(-(2**62), 2**62) | st.floats(allow_nan=True)
METRICS = st.dictionaries(NAMES, NUMBERS | st.lists(st.integers(), max_size=4) | st.lists(st.floats(), max_size=4))
VALUES = (
    NUMBERS | st.text(max_size=8) | st.binary(max_size=8) | st.booleans() | st.lists(st.text(max_size=3), max_size=3)
)
DTYPES = st.sampled_from(["<f4", "<f8", ">f8", "<i8", "u1", "?", "<c16", "<f2"])
ARRAYS = st.dictionaries(
    NAMES, DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=4)))
)


@st.composite
def records(draw: st.DrawFn) -> RecordDict:
    result = RecordDict()
    for name in draw(st.lists(NAMES, max_size=4, unique=True)):
        kind = draw(st.sampled_from("amc"))
        if kind == "a":
            result[name] = ArrayRecord({key: Array(one) for key, one in draw(ARRAYS).items()})
        elif kind == "m":
            result[name] = MetricRecord(draw(METRICS))
        else:
            result[name] = ConfigRecord(draw(st.dictionaries(NAMES, VALUES)))
    return result


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Array):
        mine, its = one.numpy(), other.numpy()
        return bool(mine.dtype == its.dtype and mine.shape == its.shape and mine.tobytes() == its.tobytes())
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(type(one) is type(other) and one == other)


@given(records())
def test_records_cross_unchanged(original: RecordDict) -> None:
    """Values, types, dtypes, shapes and the order of names, by which strategies pair arrays."""
    crossed = records_from_plain(decode(encode(records_to_plain(original))))
    assert list(crossed) == list(original)
    for name, record in original.items():
        assert type(crossed[name]) is type(record)
        assert list(crossed[name]) == list(record)
        assert all(same(value, crossed[name][key]) for key, value in record.items())


def test_messages_cross_unchanged() -> None:
    """Header, content, and errors in place of content; the same message is the same bytes whenever it is made."""
    become(5, 1)
    message = Message(RecordDict({"c": ConfigRecord({"x": 1})}), 99, "train.fast", ttl=30.0, group_id="7")
    crossed = message_from_plain(message_to_plain(message))
    for name in ("run_id", "src_node_id", "dst_node_id", "group_id", "ttl", "message_type", "message_id"):
        assert getattr(crossed.metadata, name) == getattr(message.metadata, name)
    assert crossed.content == message.content
    failure = message_from_plain(message_to_plain(Message(Error(4, "why"), reply_to=crossed)))
    assert failure.has_error() and (failure.error.code, failure.error.reason) == (4, "why")
    assert failure.metadata.dst_node_id == 1 and failure.metadata.run_id == 5
    later = Message(RecordDict({"c": ConfigRecord({"x": 1})}), 99, "train.fast", ttl=30.0, group_id="7")
    assert encode(message_to_plain(message)) == encode(message_to_plain(later))


@pytest.mark.parametrize(
    "plain",
    [
        5,
        [5],
        [["arrays", "a", {"x": 5}]],
        [["arrays", "a", {"x": [1.0]}]],
        [["metrics", "m", {"x": "text"}]],
        [["metrics", "m", {"x": None}]],
        [["configs", "c", {5: 1}]],
        [["others", "o", {}]],
        [["metrics", 5, {}]],
        [["metrics", "m", 5]],
        [["metrics", "m"]],
    ],
)
def test_other_forms_are_refused(plain: Any) -> None:
    """Whatever the plain codec lets through that is no record of Flower's."""
    with pytest.raises(RecordsRefused):
        records_from_plain(plain)


@pytest.mark.parametrize("change", [{"type": "unknown"}, {"type": 5}, {"content": 5}, {"error": 5, "content": None}])
def test_other_messages_are_refused(change: dict[str, Any]) -> None:
    """The type of a message is one that Flower knows."""
    become(5, 1)
    plain = message_to_plain(Message(RecordDict(), 99, "train"))
    message_from_plain(plain)
    with pytest.raises(RecordsRefused):
        message_from_plain({**plain, **change})


def test_the_numbers_of_failures_are_flowers() -> None:
    """Strategies and logs of Flower read them."""
    assert {one.value for one in FailureCode} == {
        value for name, value in vars(ErrorCode).items() if name.isupper() and isinstance(value, int)
    }
    assert FailureCode.CRASHED == ErrorCode.CLIENT_APP_CRASHED
    assert FailureCode.RAISED == ErrorCode.CLIENT_APP_RAISED_EXCEPTION
    assert FailureCode.CANNOT_LOAD == ErrorCode.LOAD_CLIENT_APP_EXCEPTION
    assert FailureCode.NODE_UNAVAILABLE == ErrorCode.NODE_UNAVAILABLE
    assert FailureCode.NO_REPLY == ErrorCode.REPLY_MESSAGE_UNAVAILABLE
    assert FailureCode.INVALID_APP == ErrorCode.INVALID_FAB
    assert FailureCode.PRECONDITION == ErrorCode.MOD_FAILED_PRECONDITION


@given(st.text(max_size=20))
def test_numbers_of_nodes(name: str) -> None:
    """Stable, positive, within 63 bits, and neither nobody's nor the server's."""
    assert 1 < node_number(name) == node_number(name) < 2**63
