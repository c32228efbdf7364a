"""The mark of what has been verified.

A ``Verified...`` type takes an init-only ``proof`` that its own module keeps, so that only that module's ``verify``
makes one; functions that need verified data take these types, and the type checker carries the rule. It guards
against mistakes, not against code in the same process: that can do anything anyway.
"""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Proof", "Verified"]


class Proof:
    """One object per module, never handed out."""

    __slots__ = ()


class Verified:
    """Base of what only a verification makes; refuses every way around it that Python offers by accident."""

    __slots__ = ()

    def _require(self, given: object, own: Proof) -> None:
        if given is not own:
            raise TypeError(f"a {type(self).__name__} is made by verifying, not by calling {type(self).__name__}")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not copied or pickled: verify the bytes where they arrive")
