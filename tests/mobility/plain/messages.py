"""Messages written by hand, as no encoder would write them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mobility.plain import PlainInvalid, PlainLimits, decode
from mobility.plain.wire import MAGIC, pack_references, pack_varint
from tests.mobility.plain.graphs import registry

__all__ = ["message", "references", "refused"]


def message(kinds: Sequence[int], payload: bytes = b"") -> bytes:
    return MAGIC + b"\1" + pack_varint(len(kinds)) + bytes(kinds) + payload


def references(*numbers: int) -> bytes:
    return pack_references(numbers)


def refused(data: bytes, match: str | None = None, **limits: int) -> PlainInvalid:
    with pytest.raises(PlainInvalid, match=match) as caught:
        decode(data, registry=registry, limits=PlainLimits(**limits))
    return caught.value
