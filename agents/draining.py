"""What became of the agents of a place that was emptied; see `agents.Platform.drain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mobility.display.elements import legible

__all__ = ["Drained", "Evacuated"]


@dataclass(frozen=True, slots=True)
class Evacuated:
    """One agent of a place that was emptied.

    Attributes
    ----------
    agent, name
        Its id, and what it is called.
    to
        Where it went; empty if it has ended meanwhile; None if it is still there.
    ms
        How long its move took, from the moment at which it was asked to go.
    why, problem
        If it is still there: a slug, and a sentence.
    refused
        By place that was tried: what that said.
    """

    agent: str
    name: str
    to: str | None
    ms: float = 0.0
    why: str = ""
    problem: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.to is None:
            return legible(f"{self.name} stays: {self.problem} ({self.why})", 2000)
        went = f"goes on on {self.to}: {self.ms:.1f} ms" if self.to else "has left by itself"
        return legible(f"{self.name} {went}")


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of all of them.

    Attributes
    ----------
    place
        Which lets nobody in from now on.
    agents
        One entry for each agent that was there.
    seconds
        How long it took.
    """

    place: str
    agents: tuple[Evacuated, ...]
    seconds: float

    @property
    def stayed(self) -> tuple[Evacuated, ...]:
        """Those that are still there."""
        return tuple(one for one in self.agents if one.to is None)

    @property
    def moved(self) -> tuple[Evacuated, ...]:
        """Those that are elsewhere, or have ended."""
        return tuple(one for one in self.agents if one.to is not None)

    def __str__(self) -> str:
        said = f"{self.place}: {len(self.moved)} of {len(self.agents)} agents have left, in {self.seconds:.1f} s"
        return "\n".join([said, *(f"  {one}" for one in self.agents)])

    def _repr_html_(self) -> str:
        from agents.views.cards import drained_card
        from mobility.display.sheet import safe_html

        return safe_html("drained", self.place, lambda: drained_card(self))

    @classmethod
    def of(cls, place: str, told: Sequence[Mapping[str, Any]], seconds: float) -> Drained:
        """From what the place tells."""
        return cls(place, tuple(Evacuated(**case) for case in told), seconds)
