"""One line of ``sojourn doctor``: what was looked at, what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mobility.errors import MobilityError

__all__ = ["Finding", "Mark", "from_error", "fine", "problem", "warning"]


class Mark(StrEnum):
    """Of a finding."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes
    ----------
    what, said, remedy
        What was looked at; what was found; what to do, unless it is ok.
    """

    mark: Mark
    what: str
    said: str
    remedy: str = ""

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {"mark": self.mark.value, "what": self.what, "said": self.said, "remedy": self.remedy or None}


def fine(what: str, said: str) -> Finding:
    """As it has to be."""
    return Finding(Mark.OK, what, said)


def warning(what: str, said: str, remedy: str) -> Finding:
    """It works, and will not do for everything."""
    return Finding(Mark.WARNING, what, said, remedy)


def problem(what: str, said: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(Mark.PROBLEM, what, said, remedy)


def from_error(what: str, error: MobilityError) -> Finding:
    """The problem that an error tells of."""
    reason, remedy = getattr(error, "reason", None), getattr(error, "remedy", None)
    told = reason if isinstance(reason, str) else str(error)
    return problem(what, f"{told} ({error.slug})", remedy if isinstance(remedy, str) else "")
