"""Asking the directory while it may just be starting again: whatever it does not answer is asked again for a while."""

from __future__ import annotations

import time
from typing import Any, Final

from agents.errors import DirectoryUnreachable
from agents.transport import Transport

__all__ = ["ask_patiently"]

_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5


def ask_patiently(
    transport: Transport,
    method: str,
    *args: Any,
    deadline: float,
    at_most: float = 10.0,
    at_least: float = 0.05,
    **kwargs: Any,
) -> Any:
    """Call a method of the directory that does no harm when it is called twice.

    Parameters
    ----------
    deadline
        Of `time.monotonic`. At least one attempt is made.
    at_most, at_least
        Seconds that one attempt may take; and that it gets also if less is left until the deadline, as where the method
        itself waits.

    Raises
    ------
    DirectoryUnreachable
        If it has not answered by then.
    """
    pause = _FIRST_PAUSE
    while True:
        left = deadline - time.monotonic()
        try:
            return transport.ask_directory(method, *args, timeout=max(at_least, min(at_most, left)), **kwargs)
        except DirectoryUnreachable:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)
