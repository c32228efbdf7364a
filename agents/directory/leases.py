"""How long each process of a place may count on what it holds: pure bookkeeping, to which every time is told."""

from __future__ import annotations

import math

from agents.handoff.ledger import Holder

__all__ = ["Leases"]


class Leases:
    """When the lease of each holder runs out, or ran out.

    Parameters
    ----------
    seconds
        For which a lease is given; finite and above 0.
    """

    __slots__ = ("_until", "seconds")

    def __init__(self, seconds: float) -> None:
        if not (0 < seconds < math.inf):
            raise ValueError(f"a lease lasts for some time, not for {seconds} seconds")
        self.seconds = seconds
        self._until: dict[Holder, float] = {}

    def renew(self, holder: Holder, now: float) -> None:
        """Give it a lease from now on."""
        self._until[holder] = now + self.seconds

    def end(self, holder: Holder, now: float) -> None:
        """Let it end now, if it has not ended before."""
        self._until[holder] = min(now, self._until.get(holder, now))

    def runs(self, holder: Holder, now: float) -> bool:
        """Whether it has one; who was never given any has none."""
        until = self._until.get(holder)
        return until is not None and now < until

    def over_for(self, holder: Holder, now: float) -> float:
        """For how many seconds it has had none: negative while it has, infinite if it never had."""
        until = self._until.get(holder)
        return math.inf if until is None else now - until

    def knows(self, holder: Holder) -> bool:
        """Whether it ever had one."""
        return holder in self._until

    def holders(self, place: str) -> list[Holder]:
        """All processes of a place that ever had one."""
        return [holder for holder in self._until if holder.place == place]
