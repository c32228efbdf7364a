"""Points of edwards25519, as far as judging a public key needs them (RFC 8032, section 5.1).

Public data only, so nothing here runs in constant time.
"""

from __future__ import annotations

from typing import Final

from mobility.trust.errors import KeyRefused, NonCanonicalKey, SmallOrderKey

__all__ = ["FIELD", "ORDER", "decode_point", "has_small_order", "require_usable"]

#: The field is of integers modulo this prime.
FIELD: Final = 2**255 - 19
#: Order of the base point's group; the whole curve has eight times as many points.
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, FIELD) % FIELD
_ROOT_OF_MINUS_ONE: Final = pow(2, (FIELD - 1) // 4, FIELD)


def decode_point(encoded: bytes) -> tuple[int, int]:
    """The point (x, y) of an encoded key (section 5.1.3).

    Raises
    ------
    NonCanonicalKey
        If y is not reduced, or the sign of x = 0 is set.
    KeyRefused
        If it is no point of the curve.
    """
    if len(encoded) != 32:
        raise KeyRefused(f"an Ed25519 public key has 32 bytes, not {len(encoded)}")
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= FIELD:
        raise NonCanonicalKey("the key's y coordinate is not below the prime of the field")
    u, v = (y * y - 1) % FIELD, (_D * y * y + 1) % FIELD
    x = u * pow(v, 3, FIELD) * pow(u * pow(v, 7, FIELD), (FIELD - 5) // 8, FIELD) % FIELD
    if (v * x * x - u) % FIELD:
        x = x * _ROOT_OF_MINUS_ONE % FIELD
    if (v * x * x - u) % FIELD:
        raise KeyRefused("the key is no point of the curve")
    if x == 0 and sign:
        raise NonCanonicalKey("the key's sign bit is set where x is zero")
    return (FIELD - x if x & 1 != sign else x), y


def _double(x: int, y: int, z: int) -> tuple[int, int, int]:
    """Twice a point in projective coordinates (Bernstein et al. 2008, "Twisted Edwards curves", section 6, a = -1)."""
    b = (x + y) ** 2 % FIELD
    c, d = x * x % FIELD, y * y % FIELD
    f = d - c
    j = (f - 2 * z * z) % FIELD
    return (b - c - d) * j % FIELD, -f * (c + d) % FIELD, f * j % FIELD


def has_small_order(x: int, y: int) -> bool:
    """Whether 8 P is the identity (0, 1)."""
    x, y, z = _double(*_double(*_double(x, y, 1)))
    return x == 0 and y == z


def require_usable(encoded: bytes) -> None:
    """Refuse a public key that `cryptography` would load and that must not be trusted.

    Raises
    ------
    KeyRefused
        With `SmallOrderKey` and `NonCanonicalKey` as the kinds of it.
    """
    if has_small_order(*decode_point(encoded)):
        raise SmallOrderKey("the key is a point of small order, for which one constant signature fits every message")
