"""Values without members: each is written whole, and read without looking at any other node."""

from __future__ import annotations

import datetime
import decimal
import fractions
import functools
import math
import pathlib
import re
import struct
import sys
import uuid
from collections.abc import Callable
from types import NoneType
from typing import Any

from mobility.plain.refusal import Refused
from mobility.plain.wire import Kind, Reader, pack_integer, pack_text, pack_varint

__all__ = ["KINDS", "READERS", "WRITERS", "is_zone"]

_FLOAT = struct.Struct("<d")
_COMPLEX = struct.Struct("<dd")
_DATE = struct.Struct("<HBB")
_TIME = struct.Struct("<BBBIB")
_DELTA = struct.Struct("<iII")
_DIGITS = re.compile(rb"[1-9][0-9]*|0?")
_FIXED, _NAMED, _ZONE = 1, 2, 3  # tzinfo of a time; 0: none

#: Kind by exact type, for all but the three that are kept in columns.
KINDS: dict[type, Kind] = {
    NoneType: Kind.NONE,
    complex: Kind.COMPLEX,
    range: Kind.RANGE,
    datetime.date: Kind.DATE,
    datetime.time: Kind.TIME,
    datetime.datetime: Kind.DATETIME,
    datetime.timedelta: Kind.TIMEDELTA,
    datetime.timezone: Kind.TIMEZONE,
    decimal.Decimal: Kind.DECIMAL,
    fractions.Fraction: Kind.FRACTION,
    uuid.UUID: Kind.UUID,
    pathlib.PurePosixPath: Kind.POSIX_PATH,
    pathlib.PureWindowsPath: Kind.WINDOWS_PATH,
}


def is_zone(kind: type) -> bool:
    """Whether it is ``zoneinfo.ZoneInfo``, which whoever has an instance has imported."""
    module = sys.modules.get("zoneinfo")
    return module is not None and kind is module.ZoneInfo


# -- times ------------------------------------------------------------------------------------------------------------


def _write_delta(value: datetime.timedelta) -> bytes:
    return _DELTA.pack(value.days, value.seconds, value.microseconds)


def _write_date(value: datetime.date) -> bytes:
    return _DATE.pack(value.year, value.month, value.day)


def _write_time(value: datetime.time | datetime.datetime) -> bytes:
    parts = _TIME.pack(value.hour, value.minute, value.second, value.microsecond, value.fold)
    return parts + _write_tzinfo(value, value.tzinfo)


def _write_tzinfo(value: Any, tz: datetime.tzinfo | None) -> bytes:
    if tz is None:
        return b"\0"
    if type(tz) is datetime.timezone:
        return _write_timezone(tz)
    if is_zone(type(tz)):
        return bytes((_ZONE,)) + _write_zone(tz)
    raise Refused(
        value,
        "its time zone is of a class that only this program knows",
        "Convert it first: value.astimezone(datetime.timezone.utc).",
        offender=tz,
        suffix=".tzinfo",
    )


def _write_timezone(tz: datetime.timezone) -> bytes:
    fixed: Any = tz  # the one way to tell a name that was given from the one that follows from the offset
    offset, *name = fixed.__getinitargs__()
    head = bytes((_NAMED if name else _FIXED,)) + _write_delta(offset)
    return head + pack_text(name[0]) if name else head


def _write_zone(tz: Any) -> bytes:
    if type(tz.key) is not str:
        raise Refused(tz, "it was read from a file and has no key", "Use zoneinfo.ZoneInfo('Area/City').")
    return pack_text(tz.key)


def _unpack(reader: Reader, form: struct.Struct, what: str) -> tuple[Any, ...]:
    return form.unpack(reader.take(form.size, what))


def _read_delta(reader: Reader) -> datetime.timedelta:
    days, seconds, microseconds = _unpack(reader, _DELTA, "a duration")
    if seconds >= 86_400 or microseconds >= 1_000_000:
        raise reader.invalid("a duration with more than a day of seconds or a second of microseconds")
    return datetime.timedelta(days, seconds, microseconds)


def _read_date(reader: Reader) -> datetime.date:
    return datetime.date(*_unpack(reader, _DATE, "a date"))


def _read_time(reader: Reader) -> datetime.time:
    hour, minute, second, microsecond, fold = _unpack(reader, _TIME, "a time")
    return datetime.time(hour, minute, second, microsecond, _read_tzinfo(reader), fold=fold)


def _read_datetime(reader: Reader) -> datetime.datetime:
    year, month, day = _unpack(reader, _DATE, "a date")
    hour, minute, second, microsecond, fold = _unpack(reader, _TIME, "a time")
    tz = _read_tzinfo(reader)
    return datetime.datetime(year, month, day, hour, minute, second, microsecond, tz, fold=fold)


def _read_tzinfo(reader: Reader) -> Any:
    form = reader.byte("a time zone")
    if form == _ZONE:
        return _read_zone(reader)
    return _timezone(reader, form) if form else None


def _timezone(reader: Reader, form: int) -> datetime.timezone:
    if form not in (_FIXED, _NAMED):
        raise reader.invalid(f"no time zone has the form {form}", reader.position - 1)
    offset = _read_delta(reader)
    return datetime.timezone(offset, reader.text()) if form == _NAMED else datetime.timezone(offset)


@functools.cache
def _zones() -> frozenset[str]:
    # Looked up as a whole: ZoneInfo itself would make a file name, or a module's name, of whatever key it is given.
    import zoneinfo

    return frozenset(zoneinfo.available_timezones())


def _read_zone(reader: Reader) -> Any:
    import zoneinfo

    start = reader.position
    key = reader.text()
    if key not in _zones():
        raise reader.invalid(f"this machine knows no time zone {key[:40]!r}", start)
    return zoneinfo.ZoneInfo(key)


# -- numbers ----------------------------------------------------------------------------------------------------------


def _write_decimal(value: decimal.Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    data = bytes(digits).translate(_TO_ASCII)
    if isinstance(exponent, int):
        return bytes((sign,)) + pack_integer(exponent) + pack_varint(len(data)) + data
    if exponent == "F":
        data = b""
    return bytes((sign | _SPECIAL[exponent],)) + pack_varint(len(data)) + data


_TO_ASCII = bytes(48 + n if n < 10 else n for n in range(256))
_SPECIAL = {"F": 2, "n": 4, "N": 6}
_SPELT = {2: "Infinity", 4: "NaN", 6: "sNaN"}


def _read_decimal(reader: Reader) -> decimal.Decimal:
    start = reader.position
    form = reader.byte("a decimal")
    special = _SPELT.get(form & ~1)
    if form > 1 and special is None:
        raise reader.invalid(f"no decimal has the form {form}", start)
    exponent = 0 if special else reader.integer()
    size = reader.varint()
    reader.limited("decimal_digits", size, "a decimal has too many digits", start)
    digits = reader.take(size, "digits")
    if not _DIGITS.fullmatch(digits) or (special is None and not digits) or (special == "Infinity" and digits):
        raise reader.invalid("the digits of a decimal are none", start)
    if not decimal.MIN_ETINY <= exponent <= decimal.MAX_EMAX + 1 - size:
        raise reader.invalid("a decimal of an exponent that no decimal has", start)
    text = digits.decode("ascii")
    text = f"{special}{text}" if special else f"{text}E{exponent}"
    value = decimal.Decimal("-" + text if form & 1 else text)
    if not special and not value.is_finite():
        raise reader.invalid("a decimal that is out of range here", start)
    return value


def _read_fraction(reader: Reader) -> fractions.Fraction:
    start = reader.position
    numerator, denominator = reader.integer("fraction_bits"), reader.integer("fraction_bits")
    if denominator <= 0 or math.gcd(numerator, denominator) != 1:
        raise reader.invalid("a fraction is not in lowest terms", start)
    return fractions.Fraction(numerator, denominator)


def _read_range(reader: Reader) -> range:
    return range(reader.integer(), reader.integer(), reader.integer())


def _write_fraction(value: fractions.Fraction) -> bytes:
    # int() because Fraction keeps whatever integers it was made of, numpy's for instance; likewise UUID.
    return pack_integer(int(value.numerator)) + pack_integer(int(value.denominator))


# -- paths ------------------------------------------------------------------------------------------------------------


def _write_windows_path(value: pathlib.PureWindowsPath) -> bytes:
    text = str(value)
    if pathlib.PureWindowsPath(text).parts != value.parts:  # "./c:x" is a file here, "c:x" one of another drive
        raise Refused(value, "its text stands for another path", "Send value.parts.")
    return pack_text(text)


# -- tables -----------------------------------------------------------------------------------------------------------

WRITERS: dict[int, Callable[[Any], bytes]] = {
    Kind.INTEGER: pack_integer,
    Kind.FLOAT: _FLOAT.pack,
    Kind.TEXT: pack_text,
    Kind.BIG_INTEGER: pack_integer,
    Kind.COMPLEX: lambda value: _COMPLEX.pack(value.real, value.imag),
    Kind.RANGE: lambda value: b"".join(map(pack_integer, (value.start, value.stop, value.step))),
    Kind.DATE: _write_date,
    Kind.TIME: _write_time,
    Kind.DATETIME: lambda value: _write_date(value) + _write_time(value),
    Kind.TIMEDELTA: _write_delta,
    Kind.TIMEZONE: _write_timezone,
    Kind.ZONE: _write_zone,
    Kind.DECIMAL: _write_decimal,
    Kind.FRACTION: _write_fraction,
    Kind.UUID: lambda value: int(value.int).to_bytes(16, "big"),
    Kind.POSIX_PATH: lambda value: pack_text(str(value)),
    Kind.WINDOWS_PATH: _write_windows_path,
}

READERS: dict[int, Callable[[Reader], Any]] = {
    Kind.BIG_INTEGER: Reader.integer,
    Kind.COMPLEX: lambda reader: complex(*_unpack(reader, _COMPLEX, "a complex number")),
    Kind.RANGE: _read_range,
    Kind.DATE: _read_date,
    Kind.TIME: _read_time,
    Kind.DATETIME: _read_datetime,
    Kind.TIMEDELTA: _read_delta,
    Kind.TIMEZONE: lambda reader: _timezone(reader, reader.byte("a time zone")),
    Kind.ZONE: _read_zone,
    Kind.DECIMAL: _read_decimal,
    Kind.FRACTION: _read_fraction,
    Kind.UUID: lambda reader: uuid.UUID(bytes=reader.take(16, "a UUID")),
    Kind.POSIX_PATH: lambda reader: pathlib.PurePosixPath(reader.text()),
    Kind.WINDOWS_PATH: lambda reader: pathlib.PureWindowsPath(reader.text()),
}
