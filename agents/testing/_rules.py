"""The rules by which the simulated driver goes, each of which can be taken away to see what it is for."""

from __future__ import annotations

from dataclasses import dataclass

from agents.handoff import State, Visit

__all__ = ["RULES", "Rules"]


@dataclass(slots=True)
class Rules:
    """All hold; `agents.testing.guards` takes one away at a time."""

    lease_runs_out: bool = True
    lease_from_asking: bool = True
    death_is_shown: bool = True
    late_grants_recovered: bool = True
    late_holdings: bool = False
    disk_before_admitted: bool = True
    occupied_is_declined: bool = True
    epoch_is_signed: bool = True
    journal_before_answer: bool = True
    held_mail: bool = True
    holders_disk: bool = True
    starts_are_counted: bool = True

    def mail_is_held(self, visit: Visit) -> bool:
        """Whether a message has to wait."""
        return self.held_mail or visit.state is State.ADMITTING or visit.state is State.STAGED


#: Those that hold now, for all worlds of this process.
RULES = Rules()
