"""The outermost form, the same in a file and on the wire.

::

    SJB1     4 bytes
    flags    1 byte     bit 0: the code segments are left out; the others are zero
    zero     3 bytes
    lengths  4 + 4 + 8  of passport, manifest and payload, big-endian
    passport, manifest, payload; nothing after them
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from mobility.bundle.errors import BundleInvalid
from mobility.trust.limits import Limits

__all__ = ["HEADER_BYTES", "Header"]

_MAGIC: Final = b"SJB1"
_FORM: Final = struct.Struct(">4sB3sIIQ")
_WITHOUT_CODE: Final = 1
HEADER_BYTES: Final = _FORM.size


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a bundle: how long its parts are."""

    omits_code: bool
    passport: int
    manifest: int
    payload: int

    @property
    def size(self) -> int:
        """Of the whole bundle."""
        return HEADER_BYTES + self.passport + self.manifest + self.payload

    def to_bytes(self) -> bytes:
        """The binary form."""
        flags = _WITHOUT_CODE if self.omits_code else 0
        return _FORM.pack(_MAGIC, flags, bytes(3), self.passport, self.manifest, self.payload)

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, limits: Limits) -> Header:
        """Read the binary form; what follows it need not be there yet.

        Raises
        ------
        BundleInvalid, TooLarge
        """
        if len(data) < HEADER_BYTES:
            raise BundleInvalid(f"a bundle begins with {HEADER_BYTES} bytes, and there are {len(data)}")
        magic, flags, zero, passport, manifest, payload = _FORM.unpack_from(data)
        if magic != _MAGIC:
            raise BundleInvalid("these bytes do not begin as a bundle of version 1")
        if flags & ~_WITHOUT_CODE or any(zero):
            raise BundleInvalid("the header has marks that version 1 does not know")
        limits.check("envelope_bytes", passport, "the declared passport")
        limits.check("body_bytes", manifest, "the declared manifest")
        limits.check("total_bytes", payload, "the declared payload")
        return cls(bool(flags & _WITHOUT_CODE), passport, manifest, payload)
