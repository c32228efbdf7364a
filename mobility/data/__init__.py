"""The data segment: values and large buffers of a unit, encoded for travel and decoded on arrival."""

from mobility.data.errors import DataError, NotPackable, StateInvalid
from mobility.data.segment import DataSegment, decode_unit, encode_unit, unmovable
from mobility.data.states import ModuleState, state_of_modules, state_of_namespace

__all__ = [
    "DataError",
    "DataSegment",
    "ModuleState",
    "NotPackable",
    "StateInvalid",
    "decode_unit",
    "encode_unit",
    "state_of_modules",
    "state_of_namespace",
    "unmovable",
]
