"""On what terms an agent runs: decided when it is launched, and kept for its whole life."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mobility.environment import Accelerator, Distribution, Needs
from mobility.plain import Registry

__all__ = ["TERMS", "Accepts", "LaunchTerms"]

#: What a unit accepts where it lands: to go on at its line, to start anew at its entry, or whichever the place can do.
Accepts: TypeAlias = Literal["strong", "weak", "either"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchTerms:
    """Signed along with the agent at each move.

    Attributes
    ----------
    accepts
        ``"strong"``: it only goes on at the line at which it is suspended. ``"weak"``: at each place it starts at its
        entry, with the arguments that it was launched with. ``"either"``: strong where that is possible, else weak.
    needs
        What it needs of a place beside what its code and its values show: memory, processors, accelerators.
    process
        Whether it runs in a process of its own, not in that of the place.
    start_at
        Unix time before which it does not begin; None: at once.
    start_when
        Name of a resource of the place: it begins once that is true or, if it can be called, returns true.
    fragment
        The unit is a fragment: it becomes the service of this name where it lands, and the agent ends.
    replace
        Whether it may take the place of a fragment that the same owner has installed there under that name.
    """

    accepts: Accepts = "strong"
    needs: Needs = Needs()
    process: bool = False
    start_at: float | None = None
    start_when: str | None = None
    fragment: str | None = None
    replace: bool = False

    def __post_init__(self) -> None:
        if self.accepts not in ("strong", "weak", "either"):
            raise ValueError(f"a unit accepts 'strong', 'weak' or 'either', not {self.accepts!r}")
        moment = self.start_at
        if moment is not None and (type(moment) not in (int, float) or not math.isfinite(moment)):
            raise ValueError(f"start_at is a Unix time in seconds, as time.time() gives it, not {moment!r}")
        if self.start_when is not None and (type(self.start_when) is not str or not self.start_when):
            raise ValueError(f"start_when is the name of a resource, not {self.start_when!r}")


#: With which luggage is written and read.
TERMS: Final = Registry()
TERMS.add(LaunchTerms, "sojourn.terms", check=LaunchTerms.__post_init__)
TERMS.add(Needs, "sojourn.needs")
TERMS.add(Distribution, "sojourn.distribution")
TERMS.add(Accelerator, "sojourn.accelerator")
