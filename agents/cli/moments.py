"""Times on the command line: a time of day, a Unix time, or so many seconds from now."""

from __future__ import annotations

import math
import re
import time
from datetime import datetime

import typer

__all__ = ["moment_of"]

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
#: An earlier Unix time is none, but a year or a date that was written as one number.
_EARLIEST = 1e9


def moment_of(text: str, option: str) -> float:
    """The Unix time that is meant by ``+90``, ``2026-11-26T18:00`` (local, unless it says otherwise) or ``1795715000``.

    Raises
    ------
    typer.BadParameter
    """
    after = _NUMBER.fullmatch(text[1:]) if text.startswith("+") else None
    if after is not None:
        moment = time.time() + float(after[0])
    elif _NUMBER.fullmatch(text):
        moment = float(text)
    else:
        try:
            moment = datetime.fromisoformat(text).timestamp()  # without an offset: local time
        except (ValueError, OverflowError, OSError):
            moment = math.nan
    if not (math.isfinite(moment) and moment >= _EARLIEST):
        raise typer.BadParameter(
            f"{text!r} is no time: write +90 for 90 seconds from now, 2026-11-26T18:00 for local time, "
            "2026-11-26T18:00Z for UTC, or a Unix time",
            param_hint=option,
        )
    return moment
