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
        Members of one set, or keys of one dict, unless all are text. Text hashes differently in each process, numbers
        do not: a sender can choose numbers that meet in the table of a dict though their hashes differ, and then to
        build it costs the square of their number (ten seconds for the 100,000 that are allowed if nothing is said).
    collisions
        How many of them may have the same hash.
    hash_work
        What all hashing together may cost, in visits of one object (some 50 ns each). The hash of a tuple is worked
        out anew each time, and visits what is shared as often as it occurs; n numbers in one set or dict are charged
        ``n * n / 512`` visits beside their own; members of the same hash are charged what it costs to compare them.
    """

    total_bytes: int = 1 << 30
    nodes: int = 4_000_000
    text_length: int = 1 << 26
    bytes_length: int = 1 << 30
    array_bytes: int = 1 << 30
    integer_bits: int = 1 << 20
    fraction_bits: int = 1 << 14
    decimal_digits: int = 100_000
    hashed_members: int = 100_000
    collisions: int = 128
    hash_work: int = 30_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 0:
                raise ValueError(f"PlainLimits.{field.name} must be an integer of at least 0, not {value!r}")
