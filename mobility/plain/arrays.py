"""numpy's arrays and scalars: their dtype in words of the format, their memory as it is.

Nothing here imports numpy before a message holds an array: to encode one, somebody has imported it.
"""

from __future__ import annotations

import functools
import math
import re
import sys
from collections.abc import Callable
from typing import Any

from mobility.plain.refusal import Refused
from mobility.plain.wire import Kind, Reader, pack_text, pack_varint

__all__ = ["kind_of", "prepare", "read_array", "read_scalar", "scalar_parts"]

# numpy's own spelling of a dtype (numpy's "array interface"), with the byte order written out. Long doubles are left
# out, because their format differs between machines; so are objects.
_SIMPLE = re.compile(
    r"[|<>](?:b1|[iu][1248]|f[248]|c8|c16|[SU][1-9][0-9]{0,8}"
    r"|[mM]8(?:\[(?:[1-9][0-9]{0,8})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)"
)
_DEEPEST = 8  # structures within structures
_MOST_AXES = 64
_EMPTY_ITEM = 1 << 16  # numpy may allocate one item even for an empty array
_TOO_MANY = 1 << 62
_SIMPLE_FORM, _STRUCTURE = 0, 1
_C, _FORTRAN = 0, 1
_CHECKED = "bUV"  # truth values, text, structures: some of their bits are no value
_UNKNOWN = (b"", True)
_TEXT, _BYTES, _OTHER = 0, 1, 2  # scalars: numpy's str_ and bytes_ may be empty, or end in NUL, as no array's item can


def kind_of(value: Any) -> Kind | None:
    """Whether it is exactly numpy's array, or one of numpy's own scalars."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    kind = type(value)
    if kind is numpy.ndarray:
        return Kind.ARRAY
    if issubclass(kind, numpy.generic) and kind in {numpy.dtype(code).type for code in numpy.typecodes["All"]}:
        return Kind.SCALAR
    return None


# -- writing ----------------------------------------------------------------------------------------------------------


def prepare(array: Any, known: dict[Any, tuple[bytes, bool]]) -> tuple[bytes, memoryview]:
    """What describes an array, and its memory: its own if it is contiguous in C's or Fortran's order, else a copy.

    `known` keeps what was found out of each dtype.
    """
    dtype = array.dtype
    head, tight = known.get(dtype, _UNKNOWN)
    if not head:
        head, tight = known[dtype] = _described(dtype, array, 0), _is_tight(dtype)
    shape = array.shape
    if not array.size and dtype.itemsize > _EMPTY_ITEM:
        raise Refused(array, "it is empty, and of very large items", "Send None.")
    flags = array.flags
    contiguous, order = flags.c_contiguous, _C
    if not contiguous and flags.f_contiguous:
        array, contiguous, order = array.T, True, _FORTRAN
    if not tight:
        array = _cleaned(array)
    elif not contiguous:
        array = array.copy("C")
    axes = b"".join(map(pack_varint, shape))
    flat = array if array.ndim == 1 else array.reshape(-1)
    return head + bytes((order, len(shape))) + axes, flat.view(sys.modules["numpy"].uint8).data


def _described(dtype: Any, value: Any, depth: int) -> bytes:
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
        parts += [pack_text(name), pack_varint(offset), pack_varint(len(axes)), *map(pack_varint, axes)]
        parts.append(_described(base, value, depth + 1))
    if not end:
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


def _is_tight(dtype: Any) -> bool:
    """Whether no byte of an item lies between its fields: those would carry whatever the memory held before."""
    if dtype.subdtype is not None:
        return _is_tight(dtype.subdtype[0])
    if dtype.names is None:
        return True
    fields = [field for field, _ in dtype.fields.values()]
    return sum(field.itemsize for field in fields) == dtype.itemsize and all(map(_is_tight, fields))


def _cleaned(array: Any) -> Any:
    """A copy in C's order whose bytes between the fields are zero."""
    import numpy

    clean = numpy.zeros(array.shape, array.dtype)
    _copy_fields(array, clean)
    return clean


def _copy_fields(source: Any, target: Any) -> None:
    for name in source.dtype.names:
        if source[name].dtype.names is None:
            target[name] = source[name]
        else:
            _copy_fields(source[name], target[name])


def scalar_parts(value: Any) -> tuple[bytes, bytes]:
    """What describes a scalar, and its memory."""
    import numpy

    if type(value) is numpy.str_:
        return bytes((_TEXT,)), str.encode(value, "utf-8", "surrogatepass")
    if type(value) is numpy.bytes_:
        return bytes((_BYTES,)), bytes(value)
    item = numpy.asarray(value)
    if type(value) is not numpy.void or item.dtype.names is not None:
        head = _described(item.dtype, value, 0)
        return bytes((_OTHER,)) + head, (item if _is_tight(item.dtype) else _cleaned(item)).tobytes()
    raise Refused(value, "raw memory without fields says nothing of its content", "Send bytes(value).")


# -- reading ----------------------------------------------------------------------------------------------------------


def _numpy(reader: Reader) -> Any:
    try:
        import numpy
    except ImportError:
        raise reader.invalid("it holds a numpy array, and numpy is not installed here") from None
    return numpy


def _dtype(reader: Reader, numpy: Any, depth: int = 0) -> Any:
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
        axes = _axes(reader, reader.varint())
        base = _dtype(reader, numpy, depth + 1)
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


def _axes(reader: Reader, count: int) -> tuple[int, ...]:
    if count > _MOST_AXES:
        raise reader.invalid(f"{count} axes, and numpy knows at most {_MOST_AXES}")
    return tuple([reader.varint() for _ in range(count)])


def read_array(reader: Reader, blob: Callable[[str], memoryview]) -> Any:
    """An array over the memory that `blob` yields; its size is held against the shape before numpy sees either."""
    start = reader.position
    # Arrays often come in numbers of one dtype and shape; equal bytes describe the same.
    known, parsed = reader.described
    if known and reader.data.startswith(known, start):
        reader.position += len(known)
    else:
        parsed = _description(reader)
        reader.described = reader.data[start : reader.position], parsed
    dtype, order, axes, size = parsed
    memory = blob("array_bytes")
    if memory.nbytes != size:
        raise reader.invalid(f"an array of {size} bytes, for which {memory.nbytes} are given", start)
    array = sys.modules["numpy"].ndarray(axes, dtype, memory, order=order)
    if dtype.kind in _CHECKED:
        _check(reader, array.reshape(-1, order="A"), start)
    return array


def _description(reader: Reader) -> tuple[Any, str, tuple[int, ...], int]:
    """Dtype, order, shape, and the bytes that they need."""
    start = reader.position
    dtype = _dtype(reader, _numpy(reader))
    order = reader.byte("the order of an array")
    axes = _axes(reader, reader.byte("the number of axes"))
    if order > _FORTRAN:
        raise reader.invalid(f"no array has the order {order}", start)
    if math.prod([axis or 1 for axis in axes]) * dtype.itemsize >= _TOO_MANY:
        raise reader.invalid("the shape of an array overflows", start)
    size = math.prod(axes) * dtype.itemsize
    if not size and dtype.itemsize > _EMPTY_ITEM:
        raise reader.invalid(f"an empty array of items of {dtype.itemsize} bytes", start)
    return dtype, "F" if order else "C", axes, size


def _check(reader: Reader, items: Any, start: int) -> None:
    """Refuse memory that is no value of its dtype, on which numpy fails only when somebody looks at the item."""
    dtype = items.dtype
    if dtype.names is not None:
        for name in dtype.names:
            _check(reader, items[name], start)
    elif dtype.kind == "b":
        if items.view("u1").max(initial=0) > 1:
            raise reader.invalid("a truth value that is neither 0 nor 1", start)
    elif dtype.kind == "U":
        import numpy

        points = numpy.ascontiguousarray(items).view(dtype.str[0] + "u4")
        if points.max(initial=0) > sys.maxunicode:
            raise reader.invalid("a text beyond the last code point", start)


def read_scalar(reader: Reader, blob: Callable[[str], memoryview]) -> Any:
    """A scalar of numpy's."""
    numpy = _numpy(reader)
    start = reader.position
    form = reader.byte("a scalar")
    if form == _TEXT:
        memory = blob("text_length")
        try:
            return numpy.str_(str(memory, "utf-8", "surrogatepass"))
        except UnicodeDecodeError as error:
            raise reader.invalid(f"a text is no UTF-8: {error.reason}", start) from None
    if form == _BYTES:
        return numpy.bytes_(bytes(blob("bytes_length")))
    if form != _OTHER:
        raise reader.invalid(f"no scalar has the form {form}", start)
    dtype = _dtype(reader, numpy)
    memory = blob("array_bytes")
    if memory.nbytes != dtype.itemsize:
        raise reader.invalid(f"a scalar of {dtype.itemsize} bytes, for which {memory.nbytes} are given", start)
    items = numpy.frombuffer(memory, dtype)
    _check(reader, items, start)
    return items[0]
