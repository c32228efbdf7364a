"""Flower's messages as plain data, and back: no pickle on the way, and none is followed.

A message is a dict ``{"type", "group", "ttl", "id", "run", "from", "to", "content" or "error"}``; its content a list of
``[kind, name, items]``, where items of arrays are numpy's, and those of metrics and configs numbers, text and lists.
Order is kept: strategies pair arrays by it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import Any

import numpy
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, Metadata, MetricRecord, RecordDict

from federated._flower.private import message_of
from federated.apperrors import RecordsRefused
from federated.verdicts import Rule

__all__ = ["message_from_plain", "message_to_plain", "records_from_plain", "records_to_plain"]

_NUMPY = "numpy.ndarray"  # Flower's word for what numpy.save wrote


def records_to_plain(records: RecordDict) -> list[list[Any]]:
    """The records of a message or a context as plain data.

    Raises
    ------
    RecordsRefused
        For what is no plain data: arrays of objects (which are pickles), arrays in a form of their own.
    """
    result: list[list[Any]] = []
    for name, record in records.items():
        if isinstance(record, ArrayRecord):
            result.append(["arrays", name, {key: _array(name, key, value) for key, value in record.items()}])
        elif isinstance(record, MetricRecord):
            result.append(["metrics", name, {key: _value(name, key, value) for key, value in record.items()}])
        elif isinstance(record, ConfigRecord):
            result.append(["configs", name, {key: _value(name, key, value) for key, value in record.items()}])
        else:
            raise RecordsRefused(f"the record {name!r} is a {type(record).__name__}, which no message can hold")
    return result


def _array(record: str, key: str, array: Array) -> Any:
    if array.stype != _NUMPY:
        raise RecordsRefused(
            f"the array {record}.{key} is written as {array.stype!r}, and only numpy's arrays may cross",
            rules=[Rule.KIND],
        )
    try:
        return numpy.load(io.BytesIO(array.data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise RecordsRefused(
            f"the array {record}.{key} is not what numpy.save writes of numbers, but a pickle or damage ({error})",
            rules=[Rule.DTYPE],
        ) from None


def _value(record: str, key: str, value: Any) -> Any:
    # numpy's numbers count as Python's for Flower; what crosses is what Flower's own transport would give.
    if type(value) is list:
        return [_value(record, key, item) for item in value]
    kinds: tuple[type[Any], ...] = (bool, int, float, str, bytes)
    for kind in kinds:
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    raise RecordsRefused(f"the value {record}.{key} is a {type(value).__name__}, which no record can hold")


def records_from_plain(plain: Any) -> RecordDict:
    """What `records_to_plain` wrote; each kind of record checks its values again.

    Raises
    ------
    RecordsRefused
        For what it cannot have written.
    """
    records = RecordDict()
    try:
        for kind, name, items in plain:
            if kind == "arrays":
                records[name] = ArrayRecord({key: Array(_owned(value)) for key, value in items.items()})
            elif kind == "metrics":
                records[name] = MetricRecord(items)
            elif kind == "configs":
                records[name] = ConfigRecord(items)
            else:
                raise RecordsRefused(f"there is no kind of record {str(kind)[:40]!r}")
    except (TypeError, ValueError, AttributeError) as error:
        raise RecordsRefused(f"records of another form than Flower's: {error}") from None
    return records


def _owned(value: Any) -> numpy.ndarray[Any, Any]:
    if not isinstance(value, numpy.ndarray):
        raise RecordsRefused(f"where an array was expected there is a {type(value).__name__}")
    return value


def message_to_plain(message: Message, content: list[list[Any]] | None = None) -> dict[str, Any]:
    """A message as plain data, without the moment at which it was made: the same message gives the same bytes.

    Parameters
    ----------
    content
        Its content as plain data, if the caller has it already.
    """
    metadata = message.metadata
    plain: dict[str, Any] = {
        "type": metadata.message_type,
        "group": metadata.group_id,
        "ttl": float(metadata.ttl),
        "id": metadata.message_id,
        "reply_to": metadata.reply_to_message_id,
        "run": metadata.run_id,
        "from": metadata.src_node_id,
        "to": metadata.dst_node_id,
    }
    if message.has_error():
        plain["error"] = [message.error.code, message.error.reason]
    else:
        plain["content"] = records_to_plain(message.content) if content is None else content
    return plain


def message_from_plain(plain: Mapping[str, Any]) -> Message:
    """The message that `message_to_plain` wrote, made now.

    Raises
    ------
    RecordsRefused
        For what it cannot have written.
    """
    try:
        metadata = Metadata(
            run_id=plain["run"],
            message_id=plain["id"],
            src_node_id=plain["from"],
            dst_node_id=plain["to"],
            reply_to_message_id=plain["reply_to"],
            group_id=plain["group"],
            created_at=time.time(),
            ttl=plain["ttl"],
            message_type=plain["type"],
        )
        failure = plain.get("error")
        if failure is not None:
            code, reason = failure
            return message_of(metadata, None, Error(code, reason))
        content = plain["content"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordsRefused(f"a message of another form than Flower's: {error}") from None
    return message_of(metadata, records_from_plain(content), None)
