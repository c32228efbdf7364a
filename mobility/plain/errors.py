"""What the plain codec refuses: a value at the sender, bytes at the receiver.

::

    MobilityError
    ├── NotPlain        a value that cannot cross a trust boundary (at encoding)
    └── PlainInvalid    bytes that are no plain value, or exceed a limit (at decoding)
"""

from __future__ import annotations

from mobility.errors import MobilityError

__all__ = ["NotPlain", "PlainInvalid"]


class NotPlain(MobilityError):
    """A value is not plain data; nothing was encoded and the value is unchanged.

    Attributes
    ----------
    path
        Where the value is, as an expression: ``result['rows'][3].when``; the n-th key of a dict and the n-th member
        of a set are ``list(result)[n]``.
    kind
        Its type.
    reason, remedy
        Why it is refused, and what to send instead.
    """

    slug = "not-plain"

    def __init__(self, *, path: str, kind: str, reason: str, remedy: str) -> None:
        super().__init__(
            f"{path} is not plain data: it is of type {kind}, and {reason}. "
            f"Nothing was encoded and the value is unchanged. {remedy}"
        )
        self.path = path
        self.kind = kind
        self.reason = reason
        self.remedy = remedy


class PlainInvalid(MobilityError):
    """Bytes are not a plain value, or more than the receiver's limits allow; nothing was built from them.

    Attributes
    ----------
    reason
        What is wrong.
    offset
        The byte at which it shows.
    """

    slug = "plain-invalid"

    def __init__(self, reason: str, offset: int, remedy: str = "Its sender has to send it anew.") -> None:
        super().__init__(f"not a usable plain value: {reason} (at byte {offset}). No value was returned. {remedy}")
        self.reason = reason
        self.offset = offset
        self.remedy = remedy
