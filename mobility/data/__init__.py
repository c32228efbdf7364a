"""The data segment: values and large buffers of a unit, encoded for travel and decoded on arrival."""

from mobility.data.errors import DataError, NotPackable, StateInvalid
from mobility.data.segment import DataSegment, Variables, current_values, decode_unit, encode_unit, unmovable

__all__ = [
    "DataError",
    "DataSegment",
    "NotPackable",
    "StateInvalid",
    "Variables",
    "current_values",
    "decode_unit",
    "encode_unit",
    "unmovable",
]
