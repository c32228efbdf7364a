"""A reference to an agent that keeps working wherever the agent is, and wherever the reference is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from agents.client import Client
from agents.connection import current_client
from agents.effects import place_name
from agents.errors import UnknownAgent
from agents.eventlist import EventList
from agents.eventlog import LogEvent
from agents.handoff import Status as RowStatus
from agents.protocol import Verb
from agents.status import AgentStatus, status_of
from agents.trail import Trail, told_to_end, trail_of
from agents.watching import Journey, show_journey
from mobility.bundle import Bundle
from mobility.bundle.errors import BundleFileError

__all__ = ["Handle", "MoveReport"]

_LONG: Final = 3600.0
_LATE: Final = 0.4


class MoveReport(dict[str, Any]):
    """What a move took: ``to``, ``bytes``, ``freeze_ms`` and ``ms``, as a dict with a short form.

    With ``mobility``, which is ``"weak"``, if the agent starts anew there.
    """

    def __str__(self) -> str:
        anew = ", starts anew" if self.get("mobility") == "weak" else ""
        frozen = f"frozen in {self['freeze_ms']:.1f} ms"
        return f"to {self['to']}: {self['bytes']} bytes, {self['ms']:.1f} ms ({frozen}{anew})"


class Handle:
    """A reference to one agent.

    It pickles, and works from any process of the cluster, from another agent, and after its creator has left.

    Attributes
    ----------
    agent
        The agent's id.
    name
        What it was called where the handle was made; its id if it has no name.
    """

    __slots__ = ("_client", "agent", "name")

    def __init__(self, agent: str, name: str | None = None, client: Client | None = None) -> None:
        self.agent = agent
        self.name = name or agent
        self._client = client

    @property
    def client(self) -> Client:
        """The connection that it uses."""
        return self._client if self._client is not None else current_client()

    # -- waiting

    def result(self, timeout: float = _LONG) -> Any:
        """What the agent returns, once it has ended.

        Parameters
        ----------
        timeout
            Seconds.

        Raises
        ------
        Exception
            What the agent raised, with its traceback at the place as the cause, and a note of the places it was on.
        AgentFailed
            The same, if this process has no class of that name.
        WaitedTooLong, AgentLost, AgentFrozen, AgentStopped, DirectoryUnreachable
        """
        return self.client.result(self.agent, timeout=timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.to_thread(self.result).__await__()

    # -- looking

    def status(self) -> AgentStatus:
        """Where it is, and how it fares."""
        return status_of(self.client, self.agent)

    def place(self) -> str | None:
        """Where it is now; None if it has ended or is frozen."""
        return self.client.place_of(self.agent)

    def state(self, timeout: float = 30.0) -> dict[str, Any]:
        """The line at which it is suspended, and short texts of its variables, at its next suspension.

        Raises
        ------
        Busy
            If it computes for longer than `timeout` seconds.
        """
        found: dict[str, Any] = self.client.control(self.agent, Verb.STATE, timeout=timeout)
        return found

    def trail(self) -> Trail:
        """Its passport, verified: who held it, in what state, and when."""
        return trail_of(self.client, self.agent)

    def logs(self, last: int = 1000) -> EventList:
        """What happened to it, in order; of one that runs nowhere any more, to its end."""
        status = RowStatus.HELD
        with suppress(UnknownAgent):  # the log may know longer of it than the directory
            status = self.client.find(self.agent).row.status
        deadline = time.monotonic() + _LATE
        events = self.client.events(agent=self.agent, last=last)
        while not told_to_end(events, status) and time.monotonic() < deadline:
            time.sleep(0.05)
            events = self.client.events(agent=self.agent, last=last)
        return EventList(events)

    def follow(self, seconds: float = _LONG) -> Iterator[LogEvent]:
        """What happens to it, as it happens, for so many seconds or until it has ended."""
        last = 0
        for event in self.client.follow(agent=self.agent, seconds=seconds):
            last = event.number or last
            yield event
            if event.kind in ("ended", "failed", "frozen"):
                break
        else:
            return
        # Places write to the log each for itself: those where it was before may be a moment later.
        yield from self.client.follow(agent=self.agent, after=last, seconds=_LATE)

    def watch(self, seconds: float = _LONG) -> Journey:
        """Show in a notebook, else on stderr, where it goes, until it has ended or `seconds` have passed."""
        return show_journey(self.follow(seconds), self.name)

    # -- steering

    def move(self, place: Any, timeout: float = 30.0) -> MoveReport:
        """Move it, at its next suspension, while it runs, waits or sleeps.

        Raises
        ------
        MoveRefused, MoveFailed, UnknownPlace, Busy, AgentEnded, AgentFrozen
            It is where it was.
        """
        return MoveReport(self.client.control(self.agent, Verb.MOVE, place_name(place), timeout=timeout))

    def clone(self, place: Any = None, timeout: float = 30.0) -> Handle:
        """Set a second agent into its state, at its next suspension; the original goes on.

        Raises
        ------
        As `move`.
        """
        where = place_name(place) if place is not None else self.place()
        return Handle(self.client.control(self.agent, Verb.CLONE, where, timeout=timeout), None, self._client)

    def freeze(self, path: str | Path | None = None, timeout: float = 30.0) -> Bundle:
        """Put it into a bundle, at its next suspension; it runs nowhere until it is thawed.

        Parameters
        ----------
        path
            Where to write the bundle as well.

        Raises
        ------
        As `move`; `mobility.bundle.BundleFileError` if it cannot be written: the place keeps the bundle, freeze again.
        """
        bundle = Bundle.from_bytes(self.client.control(self.agent, Verb.FREEZE, timeout=timeout))
        if path is not None:
            try:
                bundle.write(path, replace=True)
            except BundleFileError as error:
                raise BundleFileError(
                    path,
                    error.problem,
                    state=f"The agent {self.name} is frozen and runs nowhere; its place keeps the bundle.",
                    remedy="Freeze it again with another path, which gives the same bundle.",
                ) from error
        return bundle

    def stop(self, timeout: float = 30.0, force: bool = False) -> None:
        """End it, at its next suspension; its ``finally`` blocks run, and one that yields is cut off there.

        Parameters
        ----------
        force
            End it at once, also while it computes: nothing that it does from now on counts. Of an agent that waits, no
            ``finally`` block runs. A step in the place's process is broken off at one of its next lines, as by an
            exception; code that is not Python's ends when it ends, for nobody. A process of its own is killed.

        Raises
        ------
        Busy
            If it came to no suspension in time; with `force`, if its place has no lease, or it was just leaving.
        AgentEnded, AgentFrozen, WaitedTooLong
        """
        self.client.control(self.agent, Verb.STOP, force=force, timeout=timeout)

    # -- messages

    def send(self, value: Any, timeout: float = 60.0) -> None:
        """Send it plain data: exactly once, and after what was sent from this process before."""
        self.client.send(self.agent, value, timeout=timeout)

    def ask(self, value: Any, timeout: float = 60.0) -> Any:
        """Ask it, and wait for its answer."""
        return self.client.ask(self.agent, value, timeout=timeout)

    # -- as a value

    def __eq__(self, other: object) -> bool:
        return self.agent == other.agent if isinstance(other, Handle) else NotImplemented

    def __hash__(self) -> int:
        return hash((Handle, self.agent))

    def __repr__(self) -> str:
        return f"<Handle of {self.name}>" if self.name == self.agent else f"<Handle of {self.name} ({self.agent})>"

    def _repr_html_(self) -> str:
        from agents.views.cards import handle_card
        from mobility.display.sheet import safe_html

        return safe_html("agent", self.name, lambda: handle_card(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return Handle, (self.agent, self.name)
