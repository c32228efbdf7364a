"""Members of enums, flags and the fields of dataclasses, by the names that the registries have for them."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, cast

from mobility.plain.refusal import Refused
from mobility.plain.registry import Registered, Registry
from mobility.plain.wire import Reader, pack_integer, pack_text

__all__ = ["fields_of", "pack_flag", "pack_member", "read_flag", "read_member", "registered", "set_fields"]


def fields_of(value: Any, entry: Registered) -> list[Any]:
    """The values of an instance's fields, which must be all that it holds."""
    try:
        values = entry.values(value)
    except AttributeError as error:
        raise Refused(value, f"one of its fields is not set ({error})", "Set all of its fields.") from None
    lost = vars(value).keys() - entry.known if hasattr(value, "__dict__") else ()
    if lost:
        raise Refused(
            value,
            f"its attribute {min(lost, key=str)!r} is no field, and would be lost",
            "Make it a field, or delete it before sending.",
        )
    return values


def set_fields(parts: tuple[Any, list[str]], members: Iterable[Any]) -> Any:
    """Give an empty instance its fields: neither ``__init__`` nor a ``__setattr__`` of its own is asked."""
    new, names = parts
    for name, member in zip(names, members, strict=True):
        object.__setattr__(new, name, member)
    return new


def pack_member(value: Any, entry: Registered) -> bytes:
    """A member of an enum: the enum's name and its own, not its value."""
    return pack_text(entry.name) + pack_text(value.name)


def pack_flag(value: Any, entry: Registered) -> bytes:
    """A combination of flags: the enum's name and the bits."""
    if value.value & ~entry.bits:
        raise Refused(value, "it has bits that no member of its class has", "Send value.value.")
    return pack_text(entry.name) + pack_integer(value.value)


def registered(reader: Reader, registry: Registry, what: str) -> Registered:
    """What the receiver has registered under the name that follows."""
    start = reader.position
    name = reader.text()
    entry = registry.of_name(name)
    found = "" if entry is None else "flag" if entry.is_flag else "enum" if entry.is_enum else "dataclass"
    if entry is None or found != what:
        raise reader.invalid(f"no {what} is registered as {name[:60]!r} here", start)
    return entry


def read_member(reader: Reader, registry: Registry) -> Any:
    """A member of an enum."""
    entry = registered(reader, registry, "enum")
    start = reader.position
    name = reader.text()
    member = cast("type[enum.Enum]", entry.kind).__members__.get(name)
    if member is None:
        raise reader.invalid(f"{entry.name} has no member {name[:60]!r} here", start)
    return member


def read_flag(reader: Reader, registry: Registry) -> Any:
    """A combination of flags."""
    entry = registered(reader, registry, "flag")
    start = reader.position
    value = reader.integer()
    # Combinations of bits that no member has would be remembered by the class for ever, one for each message.
    flag = None if value & ~entry.bits else entry.kind(value)
    if type(flag) is not entry.kind:
        raise reader.invalid(f"{entry.name} has no such flags here", start)
    return flag
