"""What can go wrong with the data segment.

::

    MobilityError
    └── DataError
        ├── NotPackable     a value of the unit cannot travel
        └── StateInvalid    a verified state that cannot be decoded here
"""

from __future__ import annotations

from mobility.errors import MobilityError

__all__ = ["DataError", "NotPackable", "StateInvalid"]


class DataError(MobilityError):
    """Base of this branch."""

    slug = "data"


class NotPackable(DataError):
    """A value that the unit holds cannot travel.

    Attributes
    ----------
    path
        The way to it: ``args[0].lock``.
    kind
        Its type.
    """

    slug = "not-packable"

    def __init__(self, path: str, kind: str, reason: str, remedy: str) -> None:
        super().__init__(
            f"{path} holds {kind}, which cannot travel: {reason}. Nothing was packed; the unit is unharmed. {remedy}"
        )
        self.path = path
        self.kind = kind
        self.reason = reason
        self.remedy = remedy


class StateInvalid(DataError):
    """The state was verified, and decoding it fails in this process; the cause is chained."""

    slug = "state-invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the unit's state could not be decoded here: {reason}. Nothing was resumed, and the bundle is intact. "
            f"Install what its requirements name (sojourn inspect shows them), or resume it elsewhere."
        )
        self.reason = reason
