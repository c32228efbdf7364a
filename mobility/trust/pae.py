"""The pre-authentication encoding of DSSE: what is signed is the type and the body, unambiguously."""

from __future__ import annotations

__all__ = ["pre_authentication_encoding"]


def pre_authentication_encoding(payload_type: str, body: bytes) -> bytes:
    """What a DSSE signature is over.

    Lengths are in bytes and come first, so no two pairs of type and body have the same encoding.

    References
    ----------
    DSSE protocol 1.0.2, "Signature Definition".
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)
