"""How much a receiver takes in."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["PlainLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainLimits:
    """Bounds of one message; nesting needs none, because depth costs nothing.

    Whatever they are, decoding allocates at most a fixed multiple of the bytes that it was given: a count or a shape
    that the bytes cannot back is refused before anything is made.

    Attributes
    ----------
    total_bytes
        The message and its out-of-band buffers together.
    nodes
        Objects other than the members of packed runs.
    text_length
        Code points of one string.
    bytes_length
        Bytes of one bytes object or bytearray.
    array_bytes
        Bytes of one array.
    integer_bits
        Bits of one integer, also within a range.
    fraction_bits
        Bits of a fraction's numerator or denominator: to reduce it costs the square of them.
    decimal_digits
        Digits of one decimal number.
    hashed_members
        Members of one set, or keys of one dict, unless all are text.
    collisions
        How many of them may have the same hash. Text hashes differently in each process, numbers do not: a sender
        can choose them so that they collide, and then to build the dict costs the square of their number. Keys whose
        hashes differ and only meet in the table are not noticed; `hashed_members` bounds what they cost.
    hash_work
        Objects that all hashing together may visit: the hash of a tuple is worked out anew each time, and visits
        what is shared as often as it occurs.
    """

    total_bytes: int = 1 << 30
    nodes: int = 4_000_000
    text_length: int = 1 << 26
    bytes_length: int = 1 << 30
    array_bytes: int = 1 << 30
    integer_bits: int = 1 << 20
    fraction_bits: int = 1 << 14
    decimal_digits: int = 100_000
    hashed_members: int = 1_000_000
    collisions: int = 128
    hash_work: int = 20_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 0:
                raise ValueError(f"PlainLimits.{field.name} must be an integer of at least 0, not {value!r}")
