"""`Platform`: places, agents and the log, as a program outside the places sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from agents.advising import Advice, Costs, Network, Workload, advise
from agents.client import Client
from agents.connection import disconnect_client, set_client
from agents.draining import Drained
from agents.effects import Failures, checked_seconds, gather, place_name
from agents.errors import AgentsError, PlaceUnreachable
from agents.eventlist import EventList
from agents.eventlog import LogEvent
from agents.handle import Handle
from agents.itinerary import planned
from agents.protocol import Done, Drain, Failure, PlaceRequest, Reopen, Verb
from agents.remote import RemoteWork
from agents.services import check_service_name
from agents.status import AgentStatus, combined
from agents.terms import Accepts, LaunchTerms
from mobility.bundle import Birth, Bundle
from mobility.display.picture import Picture
from mobility.environment import Needs, Verdict
from mobility.trust import Identity, PublicIdentity

__all__ = ["Platform", "PlaceInfo"]

#: Seconds for an answer beyond the time that was given for the work.
_MOMENT: Final = 10.0


def _place_of(member: Any) -> str:
    return str(member.place)


@dataclass(frozen=True, slots=True)
class PlaceInfo:
    """A place, to hop to and to look at.

    Attributes
    ----------
    name
        By which agents hop to it.
    about
        What it tells of itself: host, process, version of Python, resources, how many agents are there. Empty if it
        does not answer.
    """

    name: str
    about: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False, repr=False)

    def __str__(self) -> str:
        return self.name

    def _repr_html_(self) -> str:
        from agents.views.cards import place_card
        from mobility.display.sheet import safe_html

        return safe_html("place", self.name, lambda: place_card(self))


class Platform(RemoteWork):
    """A platform; `agents.connect` makes one.

    Parameters
    ----------
    client
        The connection.
    closing
        Called at the end: shuts down what was started for this platform, and nothing else.
    address
        Of the engine's cluster, if it has one.
    """

    def __init__(
        self, client: Client, *, closing: Callable[[], None] | None = None, address: str | None = None
    ) -> None:
        self.client = client
        self.address = address
        self._closing = closing
        self._closed = False
        self._costs: Costs | None = None
        set_client(client)

    # -- launching

    def launch(
        self,
        agent: Any,
        *args: Any,
        at: Any = None,
        name: str | None = None,
        owner: Identity | None = None,
        birth: Birth | None = None,
        itinerary: Any = None,
        mobility: Accepts = "strong",
        needs: Needs | None = None,
        process: bool = False,
        start_at: float | None = None,
        start_when: str | None = None,
        fragment: str | None = None,
        replace: bool = False,
        timeout: float = 60.0,
        **kwargs: Any,
    ) -> Handle:
        """Start an agent.

        Parameters
        ----------
        agent
            A function decorated with `agent`; it gets the place, then `args` and `kwargs`. Or a class agent: an object
            that has `arrive`, or its class, which gets `args` and `kwargs` at the place.
        at
            Where it is born; None: at any place, or at the first stop of its itinerary.
        name
            By which others find it; free again when it has ended.
        owner
            With whose key it is signed; by default the one of the connection.
        birth
            Where it may go, for how long, and in how many hops: anywhere, for 30 days, and 256 hops unless given.
        itinerary
            Where it may go, and in which order: a term of `ordered`, `any_order`, `alternatives`, `loop` and `visit`,
            or a list of places. It is signed, every place holds the agent to it, and `onward` goes by it.
        mobility, needs, process, start_at, start_when, fragment, replace
            On what terms it runs: see `agents.terms.LaunchTerms`, where `mobility` is called `accepts`.

        Raises
        ------
        MoveRefused
            If the place does not let it in, for one because its owner is not trusted there.
        mobility.trust.errors.ItineraryInvalid, UnknownPlace
            The itinerary cannot be met, or contradicts `birth`.
        AgentNameTaken, MoveFailed, mobility.errors.MobilityError
            It was not born.
        """
        where = place_name(at) if at is not None else None
        if itinerary is None and birth is not None:
            itinerary = birth.itinerary
        if itinerary is not None:
            birth, where = planned(itinerary, birth, where, self.client.transport.places())
        if fragment is not None:
            check_service_name(fragment)
        terms = LaunchTerms(
            accepts=mobility,
            needs=needs or Needs(),
            process=process,
            start_at=start_at,
            start_when=start_when,
            fragment=fragment,
            replace=replace,
        )
        born = self.client.launch(
            agent, args, kwargs, at=where, name=name, owner=owner, birth=birth, terms=terms, timeout=timeout
        )
        return Handle(born, name, self.client)

    def verdict(
        self, agent: Handle | Callable[..., Any], place: Any, *, needs: Needs | None = None, timeout: float = 30.0
    ) -> Verdict:
        """What a place could do for an agent: strong, weak or refuse, with the reasons. Nothing moves.

        Parameters
        ----------
        agent
            A handle: the agent is captured at its next suspension, and goes on where it is. Or a function or object
            that could be launched.
        needs
            What it needs beside what its code and values show; of an agent that runs, those of its launch count.

        Raises
        ------
        UnknownPlace, PlaceUnreachable, UnknownAgent, AgentEnded, Busy, mobility.errors.MobilityError
        """
        where = place_name(place)
        if not isinstance(agent, Handle):
            return self.client.verdict(agent, where, needs=needs, timeout=timeout)
        return Verdict.from_data(self.client.control(agent.agent, Verb.JUDGE, where, timeout=timeout))

    def thaw(self, bundle: Bundle | str | Path, at: Any = None, timeout: float = 60.0) -> Handle:
        """Let an agent that was frozen go on at a place; also one that was frozen in another cluster.

        Raises
        ------
        MoveRefused, MoveFailed, UnknownPlace, AgentsError
            It lies in its file as before.
        """
        frozen = bundle if isinstance(bundle, Bundle) else Bundle.read(bundle)
        where = place_name(at) if at is not None else None
        agent = self.client.thaw(frozen, at=where, timeout=timeout)
        return self.get(agent)

    def advise(self, workload: Workload, network: Network | None = None) -> Advice:
        """Which of the four paradigms is the cheapest for a task here, and what each would take.

        What the operations of this platform cost is measured when this is first asked, in about two seconds.

        Parameters
        ----------
        network
            One that would lie between this program and the places, beside what was measured.
        """
        if self._costs is None:
            from agents.probing import measured_costs

            self._costs = measured_costs(self)
        return advise(workload, self._costs, network)

    # -- emptying a place

    def drain(self, place: Any, to: Any = None, timeout: float = 60.0) -> Drained:
        """Empty a place whose node is about to go: nobody is let in any more, and its agents move to other places.

        Each goes at its next suspension, to the place with the fewest agents that admits it. The place does it, and
        goes on when this program has ended, or when it has been killed itself and is started again.

        Parameters
        ----------
        place
            Which one.
        to
            A place, or a list of places, to which they may go; None: to all others.
        timeout
            Seconds. Agents that have not left by then go on there.

        Raises
        ------
        NoOtherPlace, UnknownPlace, PlaceUnreachable
        """
        where = place_name(place)
        given = [] if to is None else [to] if isinstance(to, (str, PlaceInfo)) else list(to)
        began = time.monotonic()
        request = Drain(tuple(place_name(one) for one in given), checked_seconds(timeout, "timeout"))
        told = self._done(where, request, timeout + _MOMENT)
        return Drained.of(where, told, time.monotonic() - began)

    def reopen(self, place: Any, timeout: float = 30.0) -> None:
        """Have a place that was drained let agents in again; those that have left do not come back by themselves.

        Raises
        ------
        UnknownPlace, PlaceUnreachable
        """
        self._done(place_name(place), Reopen(), timeout)

    def _done(self, place: str, request: PlaceRequest, timeout: float) -> Any:
        reply = self.client.transport.ask_place(place, request, timeout=timeout)
        if isinstance(reply, Done):
            return reply.value
        raise reply.error if isinstance(reply, Failure) else PlaceUnreachable(place, "it gave another answer")

    # -- looking

    def places(self, *, details: bool = False) -> list[PlaceInfo]:
        """All places, by name.

        Parameters
        ----------
        details
            Whether to ask each what it tells of itself.
        """
        return [
            PlaceInfo(name, self._about(name) if details else {}) for name in sorted(self.client.transport.places())
        ]

    def keys(self, timeout: float = 10.0) -> dict[str, PublicIdentity]:
        """The public key of each place, by name: for whoever is to verify elsewhere what it has signed.

        Raises
        ------
        DirectoryUnreachable
        """
        members = self.client.transport.ask_directory("members", timeout=timeout)
        return {str(one.place): PublicIdentity.from_bytes(one.key) for one in sorted(members, key=_place_of)}

    def _about(self, place: str) -> Mapping[str, Any]:
        try:
            return self.client.describe_place(place, timeout=5.0).about
        except AgentsError as error:
            return {"problem": error.slug}

    def get(self, name: str) -> Handle:
        """A handle of the agent of that name or id.

        Raises
        ------
        UnknownAgent
        """
        entry = self.client.find(name)
        return Handle(entry.row.agent, entry.info.name if entry.info is not None else None, self.client)

    def agents(self, *, ended: bool = False) -> list[AgentStatus]:
        """How all agents fare, the youngest first.

        Parameters
        ----------
        ended
            Whether to list those that have ended, too.
        """
        rows: dict[str, dict[str, Any]] = {}
        answered: set[str] = set()
        for place in self.client.transport.places():
            try:
                told = self.client.describe_place(place, agents=True, timeout=5.0)
            except AgentsError:
                continue
            answered.add(place)
            rows |= {row["agent"]: dict(row) for row in told.agents}
        found = []
        for entry in self.client.entries(ended=ended):
            holder = entry.row.holder
            known = holder is not None and holder.place in answered
            found.append(combined(entry, rows.get(entry.row.agent, {}) if known else None))
        return found

    def logs(self, last: int = 1000) -> EventList:
        """What happened, in order."""
        return EventList(self.client.events(last=last))

    def follow(self, seconds: float = 3600.0, after: int = 0) -> Iterator[LogEvent]:
        """What happens, as it happens, for so many seconds."""
        return self.client.follow(seconds=seconds, after=after)

    def wait(self, handles: Sequence[Handle], timeout: float = 3600.0) -> bool:
        """Wait until all of these have ended; whether they have."""
        deadline = time.monotonic() + timeout
        agents = [handle.agent for handle in handles]
        while True:
            left = deadline - time.monotonic()
            wait = max(0.0, min(left, 5.0))
            if self.client.transport.ask_directory("wait_ended", agents, wait, timeout=wait + 10.0):
                return True
            if left <= 0:
                return False

    def gather(
        self,
        handles: Iterable[Any],
        *,
        first: int | None = None,
        timeout: float = 3600.0,
        failures: Failures = "raise",
    ) -> list[Any]:
        """Wait for the ends of agents; their results, in the order given.

        Parameters
        ----------
        handles
            Handles, ids or names.
        first
            So many results are enough; each other is None in the list.
        timeout
            Seconds.
        failures
            ``"raise"``: the first failure is raised, at once. ``"collect"``: exceptions stand in the list.

        Raises
        ------
        WaitedTooLong, AgentStopped, AgentFrozen, AgentLost, UnknownAgent, AgentEnded, DirectoryUnreachable
        Exception
            What one of them raised; see `agents.effects.gather`, which agents yield.
        """
        return self.client.gather(gather(handles, first=first, timeout=timeout, failures=failures))

    def map(self, seconds: float = 5.0) -> Picture:
        """A picture of places and agents, as they are now; it saves itself as SVG or HTML.

        Parameters
        ----------
        seconds
            That it may take; a place that has not answered by then is drawn as one that does not.
        """
        from agents.views.looking import look_at
        from agents.views.places_map import places_map

        return places_map(look_at(self.client, seconds=checked_seconds(seconds, "seconds")))

    # -- ending

    def close(self) -> None:
        """Let go. Agents go on, unless the platform was started for this connection alone."""
        if self._closed:
            return
        self._closed = True
        disconnect_client(self.client)
        try:
            self.client.close()
        finally:
            if self._closing is not None:
                self._closing()

    def __enter__(self) -> Platform:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._closed:
            return "<Platform, closed>"
        from agents.views.looking import GLANCE, within

        try:
            return f"<Platform: {', '.join(within(GLANCE, self.client.transport.places)) or 'no places'}>"
        except AgentsError as error:  # to show it is not to fail
            return f"<Platform, {error.slug}>"

    def _repr_html_(self) -> str:
        from agents.views.cards import look_card
        from agents.views.looking import look_at
        from mobility.display.sheet import card, muted, safe_html

        if self._closed:
            return str(card("platform", self.address or "", muted("closed")))
        name = self.address or ""
        return safe_html("platform", name, lambda: look_card(look_at(self.client), name=name))
