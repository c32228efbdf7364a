"""What holds for every reply, whatever the owner's policy: finite numbers, plain records, a bounded size."""

from __future__ import annotations

import math
from typing import Any

import numpy

from federated.apperrors import RecordsRefused
from federated.dataset import Records
from federated.verdicts import Rule

__all__ = ["check_reply"]

_KINDS = ("arrays", "metrics", "configs")


def check_reply(content: Any, most_bytes: int) -> Records:
    """Refuse records that no honest app returns.

    Raises
    ------
    RecordsRefused
        For another form; NaN or infinity, in arrays or metrics; arrays of anything but numbers and truth values; or
        more than `most_bytes` in all.
    """
    if type(content) is not list:
        raise RecordsRefused("the reply holds no records", rules=[Rule.KIND])
    total = 0
    for entry in content:
        if type(entry) is not list or len(entry) != 3 or entry[0] not in _KINDS or type(entry[2]) is not dict:
            raise RecordsRefused("the reply holds something other than records", rules=[Rule.KIND])
        kind, name, items = entry
        if type(name) is not str or not all(type(key) is str for key in items):
            raise RecordsRefused(
                "a record of the reply, or something in it, has a name that is no text", rules=[Rule.KIND]
            )
        for key, value in items.items():
            where = f"{name}.{key}"
            if kind == "arrays":
                total += _array(where, value)
            else:
                total += sum(_scalar(where, one, kind) for one in (value if type(value) is list else [value]))
        if total > most_bytes:
            raise RecordsRefused(f"the reply has more than the {most_bytes} bytes that are allowed", rules=[Rule.BYTES])
    return content


def _array(where: str, value: Any) -> int:
    if not isinstance(value, numpy.ndarray) or value.dtype.kind not in "biufc":
        raise RecordsRefused(f"{where} of the reply is no array of numbers", rules=[Rule.DTYPE])
    if value.dtype.kind in "fc" and not bool(numpy.isfinite(value).all()):
        raise RecordsRefused(f"{where} of the reply holds NaN or infinity", rules=[Rule.FINITE])
    return int(value.nbytes)


def _scalar(where: str, value: Any, kind: str) -> int:
    allowed = (int, float) if kind == "metrics" else (bool, int, float, str, bytes)
    if type(value) not in allowed:
        raise RecordsRefused(
            f"{where} of the reply is a {type(value).__name__}, which {kind} do not hold", rules=[Rule.KIND]
        )
    if type(value) is float and not math.isfinite(value):
        raise RecordsRefused(f"{where} of the reply is {value}", rules=[Rule.FINITE])
    return len(value) if isinstance(value, (str, bytes)) else 8
