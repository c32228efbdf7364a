"""Values of a unit as JSON, for programs that read the output of ``sojourn run``.

What JSON has is itself: null, truth values, whole numbers, finite fractions, text, lists and tuples, dictionaries with
text for keys; numpy's numbers and arrays become numbers and lists. Anything else is ``{"type": ..., "repr": ...}``.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Final

__all__ = ["as_json", "brief_repr"]

_DEEPEST: Final = 64
_LONGEST: Final = 100_000


def as_json(value: Any, depth: int = 0) -> Any:
    """A value that `json.dumps` takes, whatever is given."""
    kind = type(value)
    if value is None or kind in (bool, str) or (kind is int and value.bit_length() <= 4096):
        return value
    if kind is float and math.isfinite(value):
        return value
    if depth < _DEEPEST:
        if kind in (list, tuple):
            return [as_json(item, depth + 1) for item in value]
        if kind is dict and all(type(key) is str for key in value):
            return {key: as_json(item, depth + 1) for key, item in value.items()}
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray) and value.dtype.kind in "biufU":
            return as_json(value.tolist(), depth + 1)
    return {"type": _name(kind), "repr": brief_repr(value)}


def brief_repr(value: Any) -> str:
    """The value's own representation, unless it is longer than anybody reads."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
