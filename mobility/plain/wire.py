"""Format 1 of a plain value: a flat table of nodes that refer to each other by number.

::

    message = magic version n kind*n [integers] [floats] [texts] payload*
    vector  = code count data            the members of a container: a packed run, or numbers of nodes
    blob    = size*2+apart [bytes]       apart: the next of the out-of-band buffers
    varint  = LEB128, at most 9 bytes

Node 0 is the value; nodes are numbered in the order of their discovery, breadth first. The kinds come first, then one
vector each with the values of all nodes of kind ``INTEGER``, ``FLOAT`` and ``TEXT`` (only if there are any), then what
belongs to each of the other nodes, in order. All numbers are little-endian.
"""

from __future__ import annotations

import enum
import struct
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

from mobility.plain.errors import PlainInvalid
from mobility.plain.limits import PlainLimits

__all__ = ["MAGIC", "SHORT", "VERSION", "Kind", "Reader"]

#: 0xC1 begins neither UTF-8 text nor a pickle.
MAGIC = b"\xc1SJP"
VERSION = 1
SHORT = 64  # code points: longer strings are nodes, so that one that occurs often is written once


class Kind(enum.IntEnum):
    """Kinds of nodes; the numbers are part of the format."""

    NONE = 0
    FALSE = 1
    TRUE = 2
    INTEGER = 3  # of 64 bits
    FLOAT = 4
    TEXT = 5
    BIG_INTEGER = 6
    COMPLEX = 7
    BYTES = 8
    BYTEARRAY = 9
    LIST = 10
    TUPLE = 11
    DICT = 12
    SET = 13
    FROZENSET = 14
    RANGE = 15
    SLICE = 16
    DATE = 17
    TIME = 18
    DATETIME = 19
    TIMEDELTA = 20
    TIMEZONE = 21
    ZONE = 22
    DECIMAL = 23
    FRACTION = 24
    UUID = 25
    POSIX_PATH = 26
    WINDOWS_PATH = 27
    MEMBER = 28
    FLAG = 29
    INSTANCE = 30
    ARRAY = 31
    SCALAR = 32


# Codes of vectors, by the type code of `array`: numbers of nodes, integers, floats; strings are a case of their own.
REFERENCES = {"B": 0, "H": 1, "I": 2}
INTEGERS = {"b": 3, "h": 4, "i": 5, "q": 6}
DOUBLES = 7
TEXTS = 8
_TYPES = {code: letter for table in (REFERENCES, INTEGERS, {"d": DOUBLES}) for letter, code in table.items()}
_WIDTHS = {letter: array(letter).itemsize for letter in _TYPES.values()}
_FIRST_VALUES = 3  # codes from here on hold the members themselves
_FORMS = {code: (letter, _WIDTHS[letter]) for code, letter in _TYPES.items()}
_SWAP = sys.byteorder == "big"
_ONE_BYTE = [bytes((number,)) for number in range(128)]
# Nearly all vectors are short: code, count and numbers in one go.
_SHORT_VECTORS = {letter: [struct.Struct(f"<BB{n}{letter}").pack for n in range(128)] for letter in REFERENCES}


def pack_varint(number: int) -> bytes:
    """An unsigned number below 2**63, seven bits a byte, lowest first."""
    if number < 128:
        return _ONE_BYTE[number]
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def pack_text(text: str) -> bytes:
    """Size and UTF-8; a lone surrogate (of a file name, say) takes three bytes, as if it were a character."""
    data = text.encode("utf-8", "surrogatepass")
    return pack_varint(len(data)) + data


def pack_integer(number: int) -> bytes:
    """Size and two's complement."""
    data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return pack_varint(len(data)) + data


def packed(numbers: array[Any]) -> bytes:
    """The machine's numbers as the format's."""
    if _SWAP:
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def pack_references(numbers: Sequence[int]) -> bytes:
    """A vector of node numbers, in the least width that holds them all."""
    if not numbers:
        return b"\0\0"
    largest = max(numbers)
    letter = "B" if largest < 1 << 8 else "H" if largest < 1 << 16 else "I"
    count = len(numbers)
    if count < 128:
        return _SHORT_VECTORS[letter][count](REFERENCES[letter], count, *numbers)
    return bytes((REFERENCES[letter],)) + pack_varint(count) + packed(array(letter, numbers))


def pack_integers(numbers: Sequence[int]) -> bytes | None:
    """A vector of integers, in the least width that holds them all; nothing if 64 bits do not."""
    for letter, code in INTEGERS.items():
        try:
            run = array(letter, numbers)
        except OverflowError:
            continue
        return bytes((code,)) + pack_varint(len(run)) + packed(run)
    return None


def pack_floats(numbers: Sequence[float]) -> bytes:
    """A vector of floats, bit for bit."""
    return bytes((DOUBLES,)) + pack_varint(len(numbers)) + packed(array("d", numbers))


def pack_texts(texts: Sequence[str]) -> bytes:
    """A vector of strings: their lengths in code points, and the text of all together."""
    return bytes((TEXTS,)) + pack_references(list(map(len, texts))) + pack_text("".join(texts))


class Reader:
    """Takes a message apart; every count is held against the bytes that are left before anything is made.

    Attributes
    ----------
    position
        Of the next byte.
    at
        Where the node is described that is dealt with.
    """

    __slots__ = ("at", "data", "limits", "nodes", "position", "view")

    def __init__(self, data: bytes, limits: PlainLimits) -> None:
        self.data = data
        self.view = memoryview(data)
        self.limits = limits
        self.position = self.at = 0
        self.nodes = 0

    def invalid(self, reason: str, offset: int | None = None) -> PlainInvalid:
        """The error for what was just read."""
        return PlainInvalid(reason, self.position if offset is None else offset)

    def limited(self, field: str, found: int, what: str, offset: int | None = None) -> None:
        """Refuse what exceeds the limit of this name."""
        allowed = getattr(self.limits, field)
        if found > allowed:
            raise PlainInvalid(
                f"{what}: {found}, and PlainLimits.{field} allows {allowed}",
                self.position if offset is None else offset,
                f"Ask for a smaller value, or decode with a larger PlainLimits.{field}.",
            )

    def varint(self) -> int:
        position = self.position
        try:
            number = self.data[position]
            if number >= 128:
                number &= 127
                for shift in range(7, 63, 7):
                    position += 1
                    byte = self.data[position]
                    number |= (byte & 127) << shift
                    if byte < 128:
                        break
                else:
                    raise self.invalid("a number of more than nine bytes")
        except IndexError:
            raise self.invalid("the message ends within a number") from None
        self.position = position + 1
        return number

    def span(self, size: int, what: str) -> slice:
        """The next `size` bytes, which must be there."""
        start = self.position
        if size > len(self.data) - start:
            raise self.invalid(f"{what} of {size} bytes, of which {len(self.data) - start} are there")
        self.position = start + size
        return slice(start, self.position)

    def take(self, size: int, what: str) -> bytes:
        return self.data[self.span(size, what)]

    def byte(self, what: str) -> int:
        position = self.position
        if position >= len(self.data):
            raise self.invalid(f"{what} is missing")
        self.position = position + 1
        return self.data[position]

    def text(self) -> str:
        start = self.position
        size = self.varint()
        # A code point takes at most four bytes, so this is known before the text is made.
        self.limited("text_length", -(-size // 4), "a text is too long", start)
        text = self._utf8(self.span(size, "a text"))
        self.limited("text_length", len(text), "a text is too long", start)
        return text

    def integer(self, field: str = "integer_bits") -> int:
        start = self.position
        size = self.varint()
        self.limited(field, (size - 1) * 8, "an integer has too many bits", start)
        return int.from_bytes(self.take(size, "an integer"), "little", signed=True)

    def vector(self) -> tuple[bool, Any]:
        """Whether the members themselves follow; and they, or the numbers of their nodes; no members are known ones."""
        start = self.position
        code = self.byte("the code of a vector")
        if code == TEXTS:
            return True, self._texts()
        if code not in _FORMS:
            raise self.invalid(f"no vector has the code {code}", start)
        numbers = self._numbers(code)
        if code >= _FIRST_VALUES:
            return True, numbers.tolist()
        if not numbers:
            return True, []
        if (code or self.nodes < 256) and max(numbers) >= self.nodes:
            raise self.invalid(f"a reference to node {max(numbers)} of {self.nodes}", start)
        return False, numbers

    def _numbers(self, code: int) -> Any:
        letter, width = _FORMS[code]
        data, start = self.data, self.position
        # Nearly all vectors are short ones that are whole; the others take the way that explains.
        count = data[start] if start < len(data) else 128
        end = start + 1 + count * width
        if count < 128 and end <= len(data):
            self.position = end
            found = data[start + 1 : end]
        else:
            found = self.take(self.varint() * width, "a vector")
        if letter == "B":
            return found
        numbers = array(letter, found)
        if _SWAP:
            numbers.byteswap()
        return numbers

    def _texts(self) -> list[str]:
        start = self.position
        code = self.byte("the code of a vector")
        if code >= _FIRST_VALUES:
            raise self.invalid("the lengths of texts are not packed as lengths", start)
        lengths = self._numbers(code)
        self.limited("text_length", max(lengths, default=0), "a text is too long", start)
        size_at = self.position
        text = self._utf8(self.span(self.varint(), "texts"))
        if sum(lengths) != len(text):
            raise self.invalid(f"texts of {sum(lengths)} code points together, in a text of {len(text)}", size_at)
        return [text[a:b] for a, b in pairwise(accumulate(lengths, initial=0))]

    def _utf8(self, span: slice) -> str:
        try:
            return str(self.view[span], "utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise self.invalid(f"a text is no UTF-8: {error.reason}", span.start + error.start) from None
