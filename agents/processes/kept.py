"""What stands at the place for what stays in an agent's process, until that is given to the agent at its next step."""

from __future__ import annotations

__all__ = ["Kept", "KeptError"]


class Kept:
    """A value that is no plain data."""


class KeptError(Exception):
    """What a function raised."""
