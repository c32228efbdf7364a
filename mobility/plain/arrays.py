"""numpy's arrays and scalars: their dtype in words of the format, their memory as it is.

Nothing here imports numpy before a message holds an array: to encode one, somebody has imported it.
"""

from __future__ import annotations

import math
import sys
from typing import Any, NamedTuple

from mobility.plain.dtypes import described, fault, is_tight, read_axes, read_dtype
from mobility.plain.memory import Memory
from mobility.plain.refusal import Refused
from mobility.plain.wire import Kind, Reader, pack_varint

__all__ = ["ArrayReader", "ArrayWriter", "kind_of", "read_scalar", "scalar_parts"]

_EMPTY_ITEM = 1 << 16  # numpy may allocate one item even for an empty array
_TOO_MANY = 1 << 62
_C, _FORTRAN = 0, 1
_CHECKED = "bUV"  # truth values, text, structures: some of their bits are no value
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


class _Form(NamedTuple):
    """What was found out of a dtype, once in a message."""

    dtype: Any  # kept, so that no other gets its identity
    words: bytes
    is_tight: bool
    is_checked: bool
    is_castable: bool  # Python's own memoryview understands it, which is faster than another view of numpy's


class ArrayWriter:
    """Describes the arrays of one message; memory of at least so many bytes is to stay out of it."""

    def __init__(self, at_least: int) -> None:
        self._at_least = at_least
        # By identity: dtypes that are equal may differ in what is refused (records, titles).
        self._forms: dict[int, _Form] = {}
        self._heads: dict[tuple[int, tuple[int, ...], int], bytes] = {}

    def parts(self, value: Any) -> tuple[bytes, memoryview]:
        """What describes an array and the size of its memory; and that: its own if it is contiguous, else a copy."""
        dtype = value.dtype
        form = self._forms.get(id(dtype))
        if form is None:
            form = self._forms[id(dtype)] = _form(dtype, value)
        array, shape, flags = value, value.shape, value.flags
        contiguous, order = flags.c_contiguous, _C
        if not contiguous and flags.f_contiguous:
            array, contiguous, order = value.T, True, _FORTRAN
        head = self._heads.get((id(dtype), shape, order))
        if head is None:
            head = self._heads[id(dtype), shape, order] = self._head(form, value, order)
        if contiguous and form.is_castable and array.size:
            return head, memoryview(array).cast("B")
        if not form.is_tight:
            array = _cleaned(array)
        elif not contiguous:
            array = array.copy("C")
        flat = array.reshape(-1)
        if form.is_checked:
            _refuse_fault(value, flat)
        return head, flat.view(sys.modules["numpy"].uint8).data

    def _head(self, form: _Form, value: Any, order: int) -> bytes:
        shape, width = value.shape, form.dtype.itemsize
        if not value.size and width > _EMPTY_ITEM:
            raise Refused(value, "it is empty, and of very large items", "Send None.")
        if math.prod([axis or 1 for axis in shape]) * width >= _TOO_MANY:
            raise Refused(value, "it is empty, and its other axes are longer than any memory", "Send its shape.")
        size = math.prod(shape) * width
        axes = b"".join(map(pack_varint, shape))
        blob = pack_varint(size * 2 + (size >= self._at_least))
        return form.words + bytes((order, len(shape))) + axes + blob


def _form(dtype: Any, array: Any) -> _Form:
    words = described(dtype, array)
    castable = dtype.kind in "iuf" and dtype.isnative
    return _Form(dtype, words, is_tight(dtype), dtype.kind in _CHECKED, castable)


def _refuse_fault(value: Any, flat: Any) -> None:
    found = fault(flat)
    if found:
        raise Refused(value, f"it holds {found}", "Give it values of its dtype, or send value.view('u1').")


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
        head = described(item.dtype, value)
        _refuse_fault(value, item.reshape(-1))
        return bytes((_OTHER,)) + head, (item if is_tight(item.dtype) else _cleaned(item)).tobytes()
    raise Refused(value, "raw memory without fields says nothing of its content", "Send bytes(value).")


# -- reading ----------------------------------------------------------------------------------------------------------


def _numpy(reader: Reader) -> Any:
    try:
        import numpy
    except ImportError:
        raise reader.invalid("it holds a numpy array, and numpy is not installed here") from None
    return numpy


class _Description(NamedTuple):
    dtype: Any
    order: str
    axes: tuple[int, ...]
    size: int
    apart: int
    is_checked: bool


class ArrayReader:
    """Reads the arrays of one message."""

    def __init__(self, reader: Reader, memory: Memory) -> None:
        self._reader = reader
        self._memory = memory
        self._words = b""
        self._known: _Description | None = None

    def read(self) -> Any:
        """An array over the message's memory; its size is held against the shape before numpy sees either."""
        reader = self._reader
        start = reader.position
        # Arrays often come in numbers of one dtype and shape; equal bytes describe the same.
        found = self._known
        if found is not None and reader.data.startswith(self._words, start):
            reader.position = start + len(self._words)
        else:
            found = self._known = self._description()
            self._words = reader.data[start : reader.position]
        dtype, order, axes, size, apart, is_checked = found
        memory = self._memory.take(size, apart)
        if not apart:
            memory = memoryview(bytearray(memory))  # so that it can be written to
        array = sys.modules["numpy"].ndarray(axes, dtype, memory, 0, None, order)
        if is_checked:
            wrong = fault(array.reshape(-1, order="A"))
            if wrong:
                raise reader.invalid(wrong, start)
        return array

    def _description(self) -> _Description:
        reader = self._reader
        start = reader.position
        dtype = read_dtype(reader, _numpy(reader))
        order = reader.byte("the order of an array")
        axes = read_axes(reader, reader.byte("the number of axes"))
        if order > _FORTRAN:
            raise reader.invalid(f"no array has the order {order}", start)
        if math.prod([axis or 1 for axis in axes]) * dtype.itemsize >= _TOO_MANY:
            raise reader.invalid("the shape of an array overflows", start)
        size = math.prod(axes) * dtype.itemsize
        if not size and dtype.itemsize > _EMPTY_ITEM:
            raise reader.invalid(f"an empty array of items of {dtype.itemsize} bytes", start)
        given, apart = self._memory.head("array_bytes")
        if given != size:
            raise reader.invalid(f"an array of {size} bytes, for which {given} are given", start)
        return _Description(dtype, "F" if order else "C", axes, size, apart, dtype.kind in _CHECKED)


def read_scalar(reader: Reader, memory: Memory) -> Any:
    """A scalar of numpy's."""
    numpy = _numpy(reader)
    start = reader.position
    form = reader.byte("a scalar")
    if form == _TEXT:
        try:
            return numpy.str_(str(memory.view("text_length"), "utf-8", "surrogatepass"))
        except UnicodeDecodeError as error:
            raise reader.invalid(f"a text is no UTF-8: {error.reason}", start) from None
    if form == _BYTES:
        return numpy.bytes_(bytes(memory.view("bytes_length")))
    if form != _OTHER:
        raise reader.invalid(f"no scalar has the form {form}", start)
    dtype = read_dtype(reader, numpy)
    view = memory.view("array_bytes")
    if view.nbytes != dtype.itemsize:
        raise reader.invalid(f"a scalar of {dtype.itemsize} bytes, for which {view.nbytes} are given", start)
    items = numpy.frombuffer(bytes(view), dtype)  # a copy, because a structured scalar keeps it
    wrong = fault(items)
    if wrong:
        raise reader.invalid(wrong, start)
    return items[0]
