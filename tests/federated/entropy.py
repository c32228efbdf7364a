"""Random bytes that are the same in each run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

__all__ = ["entropy"]


def entropy(seed: int = 0) -> Callable[[int], bytes]:
    """A source like `os.urandom`, in its own order for each seed."""
    count = 0

    def give(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size)

    return give
