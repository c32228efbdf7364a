"""Waiting for the ends of several agents, from outside the places; at a place `agents.place.gathering` does it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from agents.patience import ask_patiently
from agents.place.posting import resolved
from agents.place.tally import LOOK_FOR_LOST, SMALL, Tally, judged, overdue, results_of

if TYPE_CHECKING:
    from agents.client import Client
    from agents.effects import Gather

__all__ = ["gathered"]

_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
#: Seconds that the directory may take for a large outcome.
_FETCH: Final = 30.0
#: Seconds for an answer of the directory beyond what it was asked to wait.
_MOMENT: Final = 5.0


def gathered(client: Client, wish: Gather) -> list[Any]:
    """Wait until what was wished for is there; see `agents.effects.gather`.

    Raises
    ------
    WaitedTooLong, DirectoryUnreachable
    Exception
        What one of the agents raised, or why it has no result.
    """
    transport, tally = client.transport, Tally()
    deadline = time.monotonic() + wish.timeout
    collects = wish.failures == "collect"
    agents: Sequence[str] = [resolved(transport, agent, timeout=max(wish.timeout, _MOMENT)) for agent in wish.agents]
    looked, pause = time.monotonic(), _FIRST_PAUSE

    def ask(method: str, *args: Any, seconds: float = _MOMENT) -> Any:
        return ask_patiently(transport, method, *args, deadline=deadline, at_most=seconds, at_least=seconds)

    def fetch(agent: str) -> Any:
        return ask("outcome", agent, seconds=_FETCH)

    while True:
        pending = tally.open(agents)
        lost = time.monotonic() - looked > LOOK_FOR_LOST
        told = ask("endings", pending, SMALL, lost) if pending else []
        if tally.note(told):
            pause = _FIRST_PAUSE
        if lost:
            looked = time.monotonic()
            tally.note_abandoned(told, tally.open(pending), client.has_agent)
        enough = judged(agents, wish.first, collects, tally.fates)
        if enough is None and (unread := tally.unread(agents)) and (wish.first is not None or not collects):
            for agent in unread:
                tally.note_read(agent, fetch(agent))
            enough = judged(agents, wish.first, collects, tally.fates)
        if enough is not None:
            results, failure = results_of(agents, collects, enough, tally.fates, fetch)
            if failure is not None:
                raise failure
            assert results is not None
            return results
        left = deadline - time.monotonic()
        if left <= 0:
            raise overdue(agents, tally.fates, wish.timeout)
        wait = min(pause, left)
        ask("wait_ended", tally.open(agents), wait, seconds=wait + _MOMENT)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
