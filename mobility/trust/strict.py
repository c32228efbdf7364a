"""JSON with one reading only.

Rules
-----
1. UTF-8 without byte order mark; no lone surrogates, escaped or not.
2. No duplicate names in an object.
3. Whole numbers between -(2**53 - 1) and 2**53 - 1 (RFC 7493, section 2.2); no fractions, no exponents, no ``-0``,
   no NaN or infinities.
4. Nothing but white space after the value.
5. Size and depth within `Limits`, found before parsing.
6. A schema names every field: none is missing, none is unknown, and types match exactly (``true`` is no number).

Not handled: that the bytes come from somebody trusted. For that see `mobility.trust.envelope`, whose verified bodies
are what is parsed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, NoReturn, Protocol, TypeAlias, TypeVar

from mobility.trust.errors import SchemaError
from mobility.trust.limits import DEFAULT_LIMITS, Limits

__all__ = [
    "MAX_INTEGER",
    "Array",
    "Boolean",
    "Choice",
    "Hexadecimal",
    "Integer",
    "Json",
    "Maybe",
    "Record",
    "Schema",
    "Tagged",
    "Text",
    "canonical_bytes",
    "load_strict",
    "parse_strict",
    "write_canonical",
]

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"
MAX_INTEGER: Final = 2**53 - 1
_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)

# A string, also one without an end, so that the scan never starts twice at the same place.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_LEVELS = 64


class _Mismatch(Exception):
    """Gathers the path to the problem on the way out."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.trail: list[str] = []


# -- bytes to JSON and back -------------------------------------------------------------------------------------------


def _refuse_fraction(text: str) -> NoReturn:
    raise _Mismatch(f"{text[:40]} is no whole number")


def _integer(text: str) -> int:
    if len(text) > 17 or text == "-0":
        raise _Mismatch(f"the number {text[:40]} is not between -(2**53 - 1) and 2**53 - 1, or is -0")
    number = int(text)
    if not -MAX_INTEGER <= number <= MAX_INTEGER:
        raise _Mismatch(f"the number {text} is not between -(2**53 - 1) and 2**53 - 1")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Mismatch("a name occurs twice in one object")
    return result


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_refuse_fraction, parse_int=_integer, parse_constant=_refuse_fraction
)


def _depth(data: bytes) -> int:
    # Without escapes, what stands between strings is every other piece; that is several times as fast.
    outside = _STRING.sub(b"", data) if b"\\" in data else b"".join(data.split(b'"')[::2])
    brackets = outside.translate(_ONE_KIND, _NO_BRACKETS)
    rest = brackets
    for level in range(_LEVELS):  # each round takes the innermost level away
        if not rest:
            return level
        shorter = rest.replace(b"[]", b"")
        if len(shorter) == len(rest):
            break  # not balanced
        rest = shorter
    deepest = depth = 0
    for bracket in brackets:
        if bracket == 0x5B:
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def load_strict(data: bytes, limits: Limits = DEFAULT_LIMITS, *, size: str = "body_bytes") -> Json:
    """The value of a JSON text under rules 1 to 5.

    Parameters
    ----------
    size
        The field of `limits` that bounds the text.

    Raises
    ------
    TooLarge, SchemaError
    """
    limits.check(size, len(data), "the JSON text")
    limits.check("depth", _depth(data), "the nesting of the JSON text")
    if data.startswith(b"\xef\xbb\xbf"):
        raise SchemaError("it begins with a byte order mark")
    try:
        value: Json = _decoder.decode(data.decode("utf-8"))
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise SchemaError(f"it is no Unicode text ({error.reason if hasattr(error, 'reason') else error})") from None
    except _Mismatch as error:
        raise SchemaError(error.problem) from None
    except RecursionError:
        raise SchemaError("it is nested more deeply than this interpreter reads") from None
    except ValueError as error:
        raise SchemaError(f"it is no JSON ({error})") from None
    return value


def canonical_bytes(value: Json) -> bytes:
    """JSON with sorted names, no spaces, as UTF-8; what `load_strict` reads as the same value.

    Raises
    ------
    SchemaError
        For a value that has no such form.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
        data = text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f"it cannot be written as JSON ({error})") from None
    if _first_difference(value):
        raise SchemaError(f"it cannot be written as strict JSON ({_first_difference(value)})")
    return data


def _first_difference(value: Any) -> str:
    """What reading would not give back: fractions, large numbers, names that are no text, subclasses."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            if not all(type(name) is str for name in value):
                return "a name is no text"
            waiting += value.values()
        elif type(value) is list:
            waiting += value
        elif type(value) is int:
            if not -MAX_INTEGER <= value <= MAX_INTEGER:
                return f"the number has {value.bit_length()} bits"
        elif value is not None and type(value) not in (str, bool):
            return f"a {type(value).__name__} has no strict form"
    return ""


# -- schemas ----------------------------------------------------------------------------------------------------------


class Schema(Protocol[_T]):
    """Both directions of one form; `read` checks, `write` is undone by `read`."""

    def read(self, value: Any) -> _T: ...

    def write(self, value: _T) -> Json: ...


@dataclass(frozen=True, slots=True)
class Text:
    """A printable string of `least` to `most` characters that matches `pattern` as a whole."""

    pattern: re.Pattern[str] | None = None
    least: int = 1
    most: int = 512

    def read(self, value: Any) -> str:
        if type(value) is not str:
            raise _Mismatch(f"text was expected, and it is {_kind(value)}")
        if not self.least <= len(value) <= self.most:
            raise _Mismatch(f"it has {len(value)} characters, and {self.least} to {self.most} are allowed")
        if not value.isprintable():
            raise _Mismatch("it has characters that cannot be printed")
        if self.pattern is not None and self.pattern.fullmatch(value) is None:
            raise _Mismatch(f"{value[:40]!r} does not match {self.pattern.pattern}")
        return value

    def write(self, value: str) -> Json:
        return value


@dataclass(frozen=True, slots=True)
class Hexadecimal:
    """Exactly `size` bytes, as lower-case hexadecimal digits."""

    size: int

    def read(self, value: Any) -> bytes:
        if type(value) is not str or len(value) != 2 * self.size or value.strip("0123456789abcdef"):
            raise _Mismatch(f"{2 * self.size} lower-case hexadecimal digits were expected")
        return bytes.fromhex(value)

    def write(self, value: bytes) -> Json:
        return value.hex()


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from `low` to `high`."""

    low: int = 0
    high: int = MAX_INTEGER

    def read(self, value: Any) -> int:
        if type(value) is not int:
            raise _Mismatch(f"a whole number was expected, and it is {_kind(value)}")
        if not self.low <= value <= self.high:
            raise _Mismatch(f"{value} is not between {self.low} and {self.high}")
        return value

    def write(self, value: int) -> Json:
        return value


@dataclass(frozen=True, slots=True)
class Boolean:
    """``true`` or ``false``."""

    def read(self, value: Any) -> bool:
        if type(value) is not bool:
            raise _Mismatch(f"true or false was expected, and it is {_kind(value)}")
        return value

    def write(self, value: bool) -> Json:
        return value


@dataclass(frozen=True, slots=True)
class Choice(Generic[_E]):
    """A member of an enumeration, by its value."""

    of: type[_E]
    _members: Mapping[str, _E] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_members", {member.value: member for member in self.of})

    def read(self, value: Any) -> _E:
        member = self._members.get(value) if type(value) is str else None
        if member is None:
            raise _Mismatch(f"one of {', '.join(self._members)} was expected")
        return member

    def write(self, value: _E) -> Json:
        return str(value.value)


@dataclass(frozen=True, slots=True)
class Maybe(Generic[_T]):
    """`of`, or ``null``."""

    of: Schema[_T]

    def read(self, value: Any) -> _T | None:
        return None if value is None else self.of.read(value)

    def write(self, value: _T | None) -> Json:
        return None if value is None else self.of.write(value)


@dataclass(frozen=True, slots=True)
class Array(Generic[_T]):
    """At most `most` values of one form, as a tuple; if `unique`, all different."""

    of: Schema[_T]
    most: int
    unique: bool = False

    def read(self, value: Any) -> tuple[_T, ...]:
        if type(value) is not list:
            raise _Mismatch(f"a list was expected, and it is {_kind(value)}")
        if len(value) > self.most:
            raise _Mismatch(f"it has {len(value)} entries, and {self.most} are allowed")
        result = []
        for number, item in enumerate(value):
            try:
                result.append(self.of.read(item))
            except _Mismatch as error:
                error.trail.append(f"[{number}]")
                raise
        if self.unique and len(set(result)) != len(result):
            raise _Mismatch("an entry occurs twice")
        return tuple(result)

    def write(self, value: tuple[_T, ...]) -> Json:
        return [self.of.write(item) for item in value]


@dataclass(frozen=True, slots=True)
class Record(Generic[_T]):
    """An object with exactly these fields, as an instance of `make`.

    Parameters
    ----------
    make
        A frozen dataclass; a `ValueError` from its own checks is a mismatch.
    fields
        Schemas by the names in the text; such a name is the attribute's, unless `attributes` gives another.
    constants
        Further fields, with the one value that each must have: a format's name and version.
    """

    make: Callable[..., _T]
    fields: Mapping[str, Schema[Any]]
    constants: Mapping[str, str | int] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    _known: frozenset[str] = field(init=False, repr=False)
    _plan: tuple[tuple[str, str, Schema[Any]], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", frozenset(self.fields.keys() | self.constants.keys()))
        plan = tuple((name, self.attributes.get(name, name), schema) for name, schema in self.fields.items())
        object.__setattr__(self, "_plan", plan)

    def read(self, value: Any) -> _T:
        if type(value) is not dict:
            raise _Mismatch(f"an object was expected, and it is {_kind(value)}")
        for name, constant in self.constants.items():
            if type(value.get(name)) is not type(constant) or value[name] != constant:
                raise _Mismatch(f"the field {name} must be {constant!r}")
        if value.keys() != self._known:
            missing, unknown = sorted(self._known - value.keys()), sorted(value.keys() - self._known)
            raise _Mismatch(
                f"the field {missing[0]} is missing" if missing else f"the field {unknown[0][:40]!r} is unknown"
            )
        arguments = {}
        for name, attribute, schema in self._plan:
            try:
                arguments[attribute] = schema.read(value[name])
            except _Mismatch as error:
                error.trail.append(f".{name}")
                raise
        try:
            return self.make(**arguments)
        except ValueError as error:
            raise _Mismatch(str(error)) from None

    def write(self, value: _T) -> Json:
        result: dict[str, Json] = dict(self.constants)
        for name, attribute, schema in self._plan:
            result[name] = schema.write(getattr(value, attribute))
        return result


@dataclass(frozen=True, slots=True)
class Tagged(Generic[_T]):
    """An object of one of several forms, which may contain one another; the field `tag` says of which.

    Parameters
    ----------
    name_of
        The name of the form that a value has.
    """

    tag: str
    name_of: Callable[[_T], str]
    _forms: dict[str, Schema[Any]] = field(default_factory=dict, init=False, repr=False)

    def add(self, name: str, form: Schema[Any]) -> None:
        """One more form; it reads and writes the tag itself."""
        self._forms[name] = form

    def read(self, value: Any) -> _T:
        if type(value) is not dict:
            raise _Mismatch(f"an object was expected, and it is {_kind(value)}")
        name = value.get(self.tag)
        form = self._forms.get(name) if type(name) is str else None
        if form is None:
            raise _Mismatch(f"the field {self.tag} must be one of {', '.join(self._forms)}")
        read: _T = form.read(value)
        return read

    def write(self, value: _T) -> Json:
        return self._forms[self.name_of(value)].write(value)


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", str: "text", int: "a number", bool: "true or false"}.get(
        type(value), "null"
    )


def _checked(value: Json, schema: Schema[_T]) -> _T:
    try:
        return schema.read(value)
    except _Mismatch as error:
        raise SchemaError(error.problem, path="".join(reversed(error.trail)).lstrip(".")) from None


def parse_strict(data: bytes, schema: Schema[_T], limits: Limits = DEFAULT_LIMITS) -> _T:
    """Read a JSON text as exactly what `schema` describes.

    Raises
    ------
    TooLarge, SchemaError
    """
    return _checked(load_strict(data, limits), schema)


def write_canonical(value: _T, schema: Schema[_T]) -> bytes:
    """The canonical JSON text of a value, after making sure that it will be read.

    Raises
    ------
    SchemaError
    """
    written = schema.write(value)
    _checked(written, schema)
    return canonical_bytes(written)
