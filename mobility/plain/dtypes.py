"""numpy's dtypes in words of the format: numbers, truth values, text, bytes, dates, and structures of them.

What a dtype carries beside its layout (its metadata, whether numpy aligned it) stays behind.
"""

from __future__ import annotations

import functools
import math
import re
import sys
from typing import Any

from mobility.plain.refusal import Refused
from mobility.plain.wire import Reader, pack_text, pack_varint

__all__ = ["described", "fault", "is_tight", "read_axes", "read_dtype"]

# numpy's own spelling of a dtype (numpy's "array interface"), with the byte order written out. Long doubles are left
# out, because their format differs between machines; so are objects.
_SIMPLE = re.compile(
    r"[|<>](?:b1|[iu][1248]|f[248]|c8|c16|[SU][1-9][0-9]{0,8}"
    r"|[mM]8(?:\[(?:[1-9][0-9]{0,8})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)"
)
_DEEPEST = 8  # structures within structures
_MOST_AXES = 64
_SIMPLE_FORM, _STRUCTURE = 0, 1


def described(dtype: Any, value: Any, depth: int = 0) -> bytes:
    """A dtype in words of the format; `value` is what is refused if it has none."""
    names = dtype.names
    if names is None:
        if not _SIMPLE.fullmatch(dtype.str):
            raise Refused(value, *_why(dtype))
        return bytes((_SIMPLE_FORM,)) + pack_text(dtype.str)
    numpy = sys.modules["numpy"]
    if dtype.type is not numpy.void:
        raise Refused(value, "its items are records, a class of their own", "Send it with a plain structured dtype.")
    if depth == _DEEPEST:
        raise Refused(value, f"its dtype nests deeper than {_DEEPEST}", "Send its fields apart.")
    if any(len(field) > 2 for field in dtype.fields.values()):
        raise Refused(value, "fields of its dtype have titles", "Send it with a dtype without titles.")
    parts = [bytes((_STRUCTURE,)), pack_varint(dtype.itemsize), pack_varint(len(names))]
    end = 0
    for name, (field, offset) in sorted(dtype.fields.items(), key=lambda item: (item[1][1], item[1][0].itemsize)):
        if offset < end:
            raise Refused(value, f"the field {name!r} of its dtype overlaps another", "Send its fields apart.")
        end = offset + field.itemsize
    for name in names:
        field, offset = dtype.fields[name]
        base, axes = field.subdtype or (field, ())
        if base.hasobject:
            raise Refused(value, f"its field {name!r} holds Python objects", "Send that field as a list.")
        if not name or not field.itemsize:
            what = "takes no memory" if name else "has no name"
            raise Refused(value, f"the field {name!r} of its dtype {what}", "Send it without that field.")
        parts += [pack_text(name), pack_varint(offset), pack_varint(len(axes)), *map(pack_varint, axes)]
        parts.append(described(base, value, depth + 1))
    if not names:
        raise Refused(value, "its items take no memory", "Send its shape.")
    return b"".join(parts)


def _why(dtype: Any) -> tuple[str, str]:
    if dtype.hasobject and dtype.kind == "O":
        return "an array of dtype object holds Python objects", "Send value.tolist(), or give it a numeric dtype."
    if dtype.kind == "T":
        return "strings of variable width are no plain memory", "Send value.astype('U')."
    if dtype.kind in "fc":
        return f"the format of {dtype.name} differs between machines", "Send it as float64 or complex128."
    if not dtype.itemsize:
        return "its items take no memory", "Send its shape."
    return f"its dtype {dtype.name} is not one of numbers, text, bytes or dates", "Send value.view('u1')."


def is_tight(dtype: Any) -> bool:
    """Whether no byte of an item lies between its fields: those would carry whatever the memory held before."""
    if dtype.subdtype is not None:
        return is_tight(dtype.subdtype[0])
    if dtype.names is None:
        return True
    fields = [field for field, _ in dtype.fields.values()]
    return sum(field.itemsize for field in fields) == dtype.itemsize and all(map(is_tight, fields))


def fault(items: Any) -> str | None:
    """What in this flat array is no value of its dtype, on which numpy fails only when somebody looks at the item."""
    dtype = items.dtype
    if dtype.names is not None:
        return next(filter(None, (fault(items[name]) for name in dtype.names)), None)
    if dtype.kind == "b" and items.view("u1").max(initial=0) > 1:
        return "a truth value that is neither 0 nor 1"
    if dtype.kind == "U":
        numpy = sys.modules["numpy"]
        points = numpy.ascontiguousarray(items).view(dtype.str[0] + "u4")
        if points.max(initial=0) > sys.maxunicode:
            return "a text beyond the last code point"
    return None


# -- reading ----------------------------------------------------------------------------------------------------------


def read_dtype(reader: Reader, numpy: Any, depth: int = 0) -> Any:
    """The dtype that the format's words describe; numpy sees nothing that has not been checked."""
    start = reader.position
    form = reader.byte("a dtype")
    if form == _SIMPLE_FORM:
        name = reader.text()
        dtype = _simple(name)
        if dtype is None:
            raise reader.invalid(f"no plain dtype is called {name[:40]!r}", start)
        return dtype
    if form != _STRUCTURE or depth == _DEEPEST:
        raise reader.invalid(f"no dtype has the form {form} at depth {depth}", start)
    return _structure(reader, numpy, depth)


@functools.lru_cache(maxsize=64)
def _simple(name: str) -> Any:
    import numpy

    dtype = numpy.dtype(name) if _SIMPLE.fullmatch(name) else None
    return dtype if dtype is not None and dtype.str == name else None


def _structure(reader: Reader, numpy: Any, depth: int) -> Any:
    start = reader.position
    itemsize = reader.varint()
    count = reader.varint()
    names: list[str] = []
    formats: list[Any] = []
    offsets: list[int] = []
    spans: list[tuple[int, int]] = []
    for _ in range(count):  # each reads from the message, so it ends when that does
        names.append(reader.text())
        offsets.append(reader.varint())
        axes = read_axes(reader, reader.varint())
        base = read_dtype(reader, numpy, depth + 1)
        size = base.itemsize * math.prod(axes)
        if not 0 < size <= itemsize or itemsize >= 1 << 31:
            raise reader.invalid(f"a field of {size} bytes in a structure of {itemsize}", start)
        formats.append((base, axes) if axes else base)
        spans.append((offsets[-1], offsets[-1] + size))
    spans.sort()
    ends = [0, *(end for _, end in spans)]
    if not names or "" in names or len(set(names)) != count:
        raise reader.invalid("a structure without fields, or with two of one name", start)
    if any(first < end for end, (first, _) in zip(ends, spans, strict=False)) or ends[-1] > itemsize:
        raise reader.invalid("fields of a structure overlap, or reach beyond it", start)
    return numpy.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": itemsize})


def read_axes(reader: Reader, count: int) -> tuple[int, ...]:
    """So many lengths of axes."""
    if count > _MOST_AXES:
        raise reader.invalid(f"{count} axes, and numpy knows at most {_MOST_AXES}")
    return tuple([reader.varint() for _ in range(count)])
