"""Running the table: one machine for each agent at a place, which remembers its story."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from agents.handoff.events import Event, HandoffEffect
from agents.handoff.table import TABLE, Transition
from agents.handoff.visit import State, Visit
from mobility.errors import MobilityError

__all__ = ["IllegalEvent", "Machine", "step"]

#: So many of the last events are kept for the sentences of errors.
_REMEMBERED: Final = 32


class IllegalEvent(MobilityError):
    """An event that cannot happen in this state; the machine is as it was.

    Attributes
    ----------
    agent, state, event
        Whose machine it is, its state, and what came.
    story
        The last events, each with the state to which it led.
    """

    slug: ClassVar[str] = "illegal-event"

    def __init__(self, agent: str, state: str, event: object, story: tuple[str, ...]) -> None:
        told = "; ".join(story) or "nothing has happened yet"
        super().__init__(
            f"{type(event).__name__} cannot happen to agent {agent} while it is {state}. "
            f"Nothing was changed; it is still {state}. "
            f"This is a defect of the driver: report it with this story: {told}"
        )
        self.agent = agent
        self.state = state
        self.event = repr(event)
        self.story = story


def step(
    visit: Visit, event: Event, table: Mapping[tuple[State, type[Any]], Transition] = TABLE
) -> tuple[Visit, tuple[HandoffEffect, ...]]:
    """What becomes of a visit by an event, and what is to be done.

    Parameters
    ----------
    table
        Another one is for those who want to see what happens without one of its rules.

    Raises
    ------
    IllegalEvent
    """
    transition = table.get((visit.state, type(event)))
    if transition is None:
        raise IllegalEvent(visit.agent, visit.state.value, event, ())
    after, effects = transition.handler(visit, event)
    assert after.state in transition.targets, f"{visit.state} + {event} led to {after.state}, which the table denies"
    return after, effects


class Machine:
    """A visit and its story.

    Attributes
    ----------
    visit
        As it is now.
    """

    __slots__ = ("_story", "visit")

    def __init__(self, agent: str, *, leased: bool = True) -> None:
        self.visit = Visit(agent, leased=leased)
        self._story: deque[tuple[Event, State]] = deque(maxlen=_REMEMBERED)

    @property
    def state(self) -> State:
        return self.visit.state

    @property
    def story(self) -> tuple[str, ...]:
        """The last events, each with the state to which it led."""
        return tuple(f"{event!r} -> {state.value}" for event, state in self._story)

    def handle(self, event: Event) -> tuple[HandoffEffect, ...]:
        """Take an event in; what is returned is to be carried out.

        Raises
        ------
        IllegalEvent
            If it cannot happen now; nothing was changed.
        """
        try:
            after, effects = step(self.visit, event)
        except IllegalEvent:
            raise IllegalEvent(self.visit.agent, self.visit.state.value, event, self.story) from None
        self.visit = after
        self._story.append((event, after.state))
        return effects

    def __repr__(self) -> str:
        return f"<Machine of {self.visit.agent}: {self.visit.state.value} at epoch {self.visit.epoch}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a machine belongs to its place")
