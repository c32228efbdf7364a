"""How much is accepted, and how much work is done for somebody who is not trusted yet."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from mobility.trust.errors import TooLarge

__all__ = ["DEFAULT_LIMITS", "MIB", "Limits"]

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds, each checked before the work that it bounds.

    `dataclasses.replace` makes a copy with other numbers.

    Attributes
    ----------
    envelope_bytes
        A whole envelope, binary or JSON.
    body_bytes
        The signed body within.
    payload_type_bytes
        Its type, as UTF-8.
    signatures
        Signatures on one envelope.
    verifications
        Signatures times candidate keys, for one envelope; each costs about a quarter of a millisecond.
    keys
        Entries of a list of trusted keys.
    depth
        Nesting of JSON.
    hops
        Hop records of a passport.
    segments
        Segments of a bundle.
    code_bytes
        One code segment; it is one chunk, so more than 8 MiB has no effect.
    chunk_bytes
        One chunk of a segment, or of sealed content.
    total_bytes
        All segments together, or the content of one seal.
    key_file_bytes
        A file with a key.
    clock_skew
        Seconds by which two honest clocks may differ.

    Raises
    ------
    ValueError
        For a limit that is not a whole number, or is negative.
    """

    envelope_bytes: int = 32 * MIB
    body_bytes: int = 16 * MIB
    payload_type_bytes: int = 256
    signatures: int = 16
    verifications: int = 1024
    keys: int = 4096
    depth: int = 32
    hops: int = 256
    segments: int = 65_536
    code_bytes: int = 8 * MIB
    chunk_bytes: int = 8 * MIB
    total_bytes: int = 64 * 1024 * MIB
    key_file_bytes: int = 64 * 1024
    clock_skew: int = 60

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 0:
                raise ValueError(f"Limits.{field.name} must be a whole number of at least 0, not {value!r}")

    def check(self, field: str, size: int, what: str) -> None:
        """Refuse a size beyond the limit named `field`.

        Raises
        ------
        TooLarge
        """
        limit = getattr(self, field)
        if size > limit:
            raise TooLarge(what, field=field, size=size, limit=limit)


DEFAULT_LIMITS: Final = Limits()
