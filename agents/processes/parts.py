"""An agent that was taken apart in its process, on its way to the place that signs it.

What comes from the process is a claim, like all that an agent says of itself; what the place vouches for is that the
code is the one that its owner has signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mobility.bundle.collecting import Collected
from mobility.bundle.manifest import Suspension, UnitKind
from mobility.data import DataSegment

__all__ = ["collected", "header_of"]


def header_of(parts: Collected) -> tuple[dict[str, Any], list[memoryview]]:
    """Parts as plain data, with what is large beside it: the state, and the buffers."""
    where = parts.suspension
    header = {
        "kind": parts.kind.value,
        "entry": parts.entry_point,
        "where": None if where is None else [where.function, where.file, where.line, where.text],
        "digest": parts.code_digest,
        "preview": parts.preview,
        "outside": sorted({*parts.outside}),
        "dill": parts.data.used_dill,
        "bytecode": parts.data.bytecode,
        "writable": [not buffer.readonly for buffer in parts.data.buffers],
    }
    return header, [parts.data.state, *parts.data.buffers]


def collected(header: Mapping[str, Any], buffers: Sequence[bytearray], code: bytes) -> Collected:
    """The parts again.

    Parameters
    ----------
    code
        The code segment with which the agent came; `mobility.bundle.pack` refuses parts of another digest.

    Raises
    ------
    KeyError, TypeError, ValueError
        They are not as `header_of` writes them.
    """
    state, *rest = buffers
    views = (memoryview(buffer) for buffer in rest)
    where = header["where"]
    shown = None
    if where is not None:
        function, file, line, text = where
        shown = Suspension.shown(function=str(function), file=str(file), line=int(line), text=str(text))
    data = DataSegment(
        memoryview(state),
        tuple(v if w else v.toreadonly() for v, w in zip(views, header["writable"], strict=True)),
        frozenset(),
        frozenset(),
        bool(header["dill"]),
        bool(header["bytecode"]),
    )
    preview = header["preview"]
    return Collected(
        UnitKind(header["kind"]),
        str(header["entry"]),
        shown,
        code,
        bytes(header["digest"]),
        data,
        None if preview is None else bytes(preview),
        frozenset(str(module) for module in header["outside"]),
        None,
    )
