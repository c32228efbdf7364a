"""What is known of agents whose ends are waited for, and whether that is enough; for places and for clients.

`Tally` takes in what the directory says, `judged` decides, `results_of` makes the list. None of them waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from agents.directory import Ending, EndingKind
from agents.errors import AgentEnded, AgentFrozen, AgentLost, AgentsError, UnknownAgent, WaitedTooLong
from agents.place.outcomes import has_returned, read_outcome

__all__ = ["LOOK_FOR_LOST", "SMALL", "Enough", "Fate", "FateKind", "Tally", "judged", "overdue", "results_of"]

#: Outcomes of up to so many bytes come with the news of the end; others are fetched one by one.
SMALL: Final = 16 << 10
#: Seconds between two looks for the lost, of which each goes through the places.
LOOK_FOR_LOST: Final = 2.0
#: Seconds for which an agent must have been missed, after its place's lease was over for long, to be called lost.
_MISSED: Final = 10.0


class FateKind(StrEnum):
    """How it stands with one that is to be waited for no more."""

    RETURNED = "returned"
    FAILED = "failed"
    #: It has ended, and its outcome is large and was not looked at.
    UNREAD = "unread"
    FROZEN = "frozen"
    LOST = "lost"
    UNKNOWN = "unknown"
    #: It has ended so long ago that its outcome is kept no more.
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class Fate:
    """Of one agent.

    Attributes
    ----------
    at
        Unix time of its end, by the directory's clock.
    outcome
        If it is small.
    place
        Of one that is lost: where it was.
    """

    kind: FateKind
    at: float = 0.0
    outcome: bytes | None = field(default=None, repr=False)
    place: str = ""


@dataclass(frozen=True, slots=True)
class Enough:
    """Nothing more is to be waited for.

    Attributes
    ----------
    chosen
        The agents whose results, or failures, belong into the list; each other is None there.
    failure
        The one whose failure is raised instead.
    """

    chosen: frozenset[str]
    failure: str | None = None


def judged(agents: Sequence[str], first: int | None, collects: bool, fates: Mapping[str, Fate]) -> Enough | None:
    """Whether what is known is enough; None: not yet.

    Parameters
    ----------
    agents
        Ids, in the order of the list; one that is named twice counts twice.
    first, collects
        As in `agents.effects.gather`.
    """
    settled = [agent for agent in agents if agent in fates]
    good = [agent for agent in settled if fates[agent].kind is FateKind.RETURNED]
    bad = [agent for agent in settled if fates[agent].kind not in (FateKind.RETURNED, FateKind.UNREAD)]
    wanted = len(agents) if first is None else first
    if not collects and len(agents) - len(bad) < wanted:
        return Enough(frozenset(), min(bad, key=lambda agent: fates[agent].at or float("inf")))
    if first is None:
        return Enough(frozenset(agents)) if len(settled) == len(agents) else None
    if len(good) >= first:
        # By the time of the end: whoever looks later is not to get others than whoever looked at once.
        chosen = sorted(good, key=lambda agent: fates[agent].at)[:first]
        return Enough(frozenset(chosen) | (frozenset(bad) if collects else frozenset()))
    if collects and len(good) + len(bad) == len(agents):
        return Enough(frozenset(agents))
    return None


@dataclass(slots=True)
class Tally:
    """What is known so far; used by one thread at a time.

    Attributes
    ----------
    fates
        Of those that are to be waited for no more.
    missed
        Since when, by the monotonic clock, an agent has been at a place that has no lease and was not seen.
    """

    fates: dict[str, Fate] = field(default_factory=dict)
    missed: dict[str, float] = field(default_factory=dict)

    def open(self, agents: Iterable[str]) -> list[str]:
        """Of these, those of which nothing is known."""
        return [agent for agent in dict.fromkeys(agents) if agent not in self.fates]

    def unread(self, agents: Iterable[str]) -> list[str]:
        """Of these, those of which it is not known how they have ended."""
        known = ((agent, self.fates.get(agent)) for agent in dict.fromkeys(agents))
        return [agent for agent, fate in known if fate is not None and fate.kind is FateKind.UNREAD]

    def note(self, told: Iterable[Ending]) -> bool:
        """Take in what the directory has said; whether that was news."""
        news = False
        for ending in told:
            fate = _fate_of(ending)
            if fate is not None and ending.agent not in self.fates:
                self.fates[ending.agent] = fate
                news = True
        return news

    def note_read(self, agent: str, outcome: bytes | None) -> None:
        """An outcome was fetched; what is kept of it is whether it is a result."""
        fate = self.fates.get(agent)
        if fate is not None and fate.kind is FateKind.UNREAD:
            self.fates[agent] = replace(fate, kind=_kind_of(outcome))

    def note_abandoned(self, told: Iterable[Ending], asked: Iterable[str], has: Callable[[str, str], bool]) -> bool:
        """Look at those whose place has no lease; whether one of them has been missed for so long that it is lost.

        Parameters
        ----------
        asked
            Of whom the directory was asked.
        has
            Whether a place answers and has an agent, whatever the directory says of its lease.
        """
        news = False
        places = {ending.agent: ending.place or "" for ending in told if ending.kind is EndingKind.ABANDONED}
        for agent in asked:
            place = places.get(agent)
            if place is None or has(place, agent):
                self.missed.pop(agent, None)
            elif time.monotonic() - self.missed.setdefault(agent, time.monotonic()) > _MISSED:
                self.fates[agent] = Fate(FateKind.LOST, place=place)
                news = True
        return news

    def keep(self, agents: set[str]) -> None:
        """Forget all others."""
        self.fates = {agent: fate for agent, fate in self.fates.items() if agent in agents}
        self.missed = {agent: since for agent, since in self.missed.items() if agent in agents}


def _kind_of(outcome: bytes | None) -> FateKind:
    if outcome is None:
        return FateKind.FORGOTTEN
    return FateKind.RETURNED if has_returned(outcome) else FateKind.FAILED


def _fate_of(ending: Ending) -> Fate | None:
    match ending.kind:
        case EndingKind.FROZEN:
            return Fate(FateKind.FROZEN)
        case EndingKind.UNKNOWN:
            return Fate(FateKind.UNKNOWN)
        case EndingKind.ENDED:
            if ending.size is not None and ending.outcome is None:
                return Fate(FateKind.UNREAD, ending.at)
            return Fate(_kind_of(ending.outcome), ending.at, ending.outcome)
    return None


def results_of(
    agents: Sequence[str],
    collects: bool,
    enough: Enough,
    fates: Mapping[str, Fate],
    fetch: Callable[[str], bytes | None],
    package: str | None = None,
) -> tuple[list[Any] | None, BaseException | None]:
    """The list; or what is raised instead of it.

    Parameters
    ----------
    fetch
        Gets an outcome from the directory. What it raises is passed on: it is none of the agents' failures.
    package
        As in `read_outcome`.
    """
    made: dict[str, Any] = {}
    wanted = [agent for agent in agents if agent in enough.chosen] if enough.failure is None else [enough.failure]
    for agent in dict.fromkeys(wanted):
        fate = fates[agent]
        outcome = fate.outcome
        if outcome is None and fate.kind in (FateKind.RETURNED, FateKind.FAILED, FateKind.UNREAD):
            outcome = fetch(agent)
        try:
            made[agent] = _result(agent, fate, outcome, package)
        except Exception as error:
            if not collects:
                return None, error
            made[agent] = error
    return [made.get(agent) for agent in agents], None


def _result(agent: str, fate: Fate, outcome: bytes | None, package: str | None) -> Any:
    match fate.kind:
        case FateKind.FROZEN:
            raise AgentFrozen(agent, "gathered")
        case FateKind.LOST:
            raise AgentLost(agent, fate.place)
        case FateKind.UNKNOWN:
            raise UnknownAgent(agent)
    if outcome is None:
        raise AgentEnded(agent, "gathered: what it returned is kept no more")
    return read_outcome(agent, outcome, package)


def overdue(agents: Sequence[str], fates: Mapping[str, Fate], seconds: float) -> AgentsError:
    """What is raised when the time is over."""
    distinct = list(dict.fromkeys(agents))
    missing = [agent for agent in distinct if agent not in fates]
    named = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return WaitedTooLong(
        f"what is gathered, the results of {len(distinct)} agents,",
        seconds,
        state=f"{len(distinct) - len(missing)} of them have ended, and their results are kept. "
        f"Not ended: {named or 'none; the directory did not answer in time'}.",
        remedy="Gather them again with a longer timeout, and see how they fare with: sojourn ps",
    )
