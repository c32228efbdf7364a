"""The paradigms from outside, as methods of `agents.Platform`; see `agents.paradigms`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from agents.client import Client
from agents.effects import checked_seconds, place_name
from agents.errors import AgentsError, PlaceUnreachable, UnknownPlace
from agents.handle import Handle
from agents.handoff import Holder
from agents.ids import check_agent_name, new_agent_id
from agents.paradigms import ServiceCall, UnitPull
from agents.place.pulling import have_pulled
from agents.place.requesting import call_service, pull_request
from agents.protocol import Done, Failure, PublishUnit, RemoveFragment
from agents.services import check_service_name
from agents.terms import LaunchTerms
from agents.units import FetchedUnit, PublishedUnit, publication
from mobility.trust import Identity

__all__ = ["RemoteWork"]

_DAY: Final = 24 * 60 * 60
_LONG: Final = 3600.0
#: Seconds that a function has to arrive, however little time it has then.
_ARRIVAL: Final = 5.0


class RemoteWork:
    """What uses other places, without an agent that goes there by itself."""

    client: Client

    # -- client-server

    def call(self, place: Any, service: str, /, *args: Any, timeout: float = 60.0, **kwargs: Any) -> Any:
        """Call a service of a place, once, and wait for what it returns (client-server).

        Parameters
        ----------
        args, kwargs
            Plain data, as what it returns is.
        timeout
            Seconds. Then the service may still run; nobody hears what it returns.

        Raises
        ------
        UnknownPlace, UnknownService, ServiceUnusable, ValueNotPlain, WaitedTooLong, PlaceUnreachable
        Exception
            What the service raised, with its traceback at the place as the cause.
        ServiceFailed
            The same, if this process has no class of that name.
        """
        effect = ServiceCall(place_name(place), service, args, kwargs, checked_seconds(timeout, "timeout"))
        return call_service(self.client.transport, effect, self.client.sender)

    # -- remote evaluation

    def evaluate(
        self,
        place: Any,
        function: Callable[..., Any],
        /,
        *args: Any,
        timeout: float = _LONG,
        process: bool = False,
        start_at: float | None = None,
        start_when: str | None = None,
        owner: Identity | None = None,
        **kwargs: Any,
    ) -> Any:
        """Ship a function to a place, have it run there beside the resources, and get what it returns.

        It gets the place, then `args` and `kwargs`. It runs as an agent does that goes nowhere: signed, once, and
        logged.

        Parameters
        ----------
        timeout
            Seconds to wait for its end once it is there. Then it goes on; its handle is ``platform.get(id)``, and the
            error names the id.
        process
            Whether it runs in a process of its own, not in that of the place.
        start_at, start_when
            See `agents.terms.LaunchTerms`.

        Raises
        ------
        UnknownPlace, MoveRefused, MoveFailed, WaitedTooLong, mobility.errors.MobilityError
        Exception
            What the function raised, with its traceback at the place as the cause.
        """
        seconds = checked_seconds(timeout, "timeout")
        terms = LaunchTerms(process=process, start_at=start_at, start_when=start_when)
        agent = self.client.launch(
            function,
            args,
            kwargs,
            at=place_name(place),
            owner=owner,
            terms=terms,
            timeout=min(60.0, max(_ARRIVAL, seconds)),
        )
        return self.client.result(agent, timeout=seconds)

    # -- code on demand

    def publish(
        self,
        unit: Any,
        name: str,
        *,
        version: str = "1.0",
        at: Any = None,
        owner: Identity | None = None,
        lifetime: int = 365 * _DAY,
        timeout: float = 60.0,
    ) -> PublishedUnit:
        """Publish a function or class in the repository of a place, signed by its owner.

        The same unit under the same name and version again changes nothing.

        Parameters
        ----------
        version
            As of PEP 440; other code needs another one.
        at
            The place; None: the first by name.
        lifetime
            Seconds for which it can be used.

        Raises
        ------
        NotPublishable, VersionTaken, UnitOwned, UnknownPlace, PlaceUnreachable, mobility.errors.MobilityError
        """
        signer = owner or self.client.owner
        if signer is None:
            raise ValueError("a unit needs an owner: connect with one, or pass owner=")
        bundle = publication(unit, name, version, by=signer, lifetime=lifetime)
        place = place_name(at) if at is not None else self._first()
        published: PublishedUnit = self._done(place, PublishUnit(bundle.to_bytes()), timeout)
        return published

    def fetch(
        self,
        name: str | None = None,
        *,
        version: str | None = None,
        digest: str | None = None,
        from_: Any = None,
        timeout: float = 60.0,
    ) -> FetchedUnit:
        """Get published code from the repository of a place, to be called here (code on demand).

        Parameters
        ----------
        version
            None: the newest.
        digest
            Instead of a name: that very unit.
        from_
            The place; None: whichever has it, and has the newest.

        Raises
        ------
        UnknownUnit, UnknownPlace, PlaceUnreachable, UnitMismatch
        mobility.errors.MobilityError
            If it is not signed by somebody who is trusted here, or cannot be loaded here.
        """
        if (name is None) == (digest is None):
            raise TypeError("a unit is fetched by its name or by its digest")
        source = place_name(from_) if from_ is not None else None
        seconds = checked_seconds(timeout, "timeout")
        unit, place = self.client.units.get(source, name, version, digest, timeout=seconds)
        return FetchedUnit(unit.name, unit.version, unit.digest, place, None, unit.load())

    # -- weak mobility that the receiver initiates, and fragments

    def pull(
        self,
        place: Any,
        name: str | None = None,
        /,
        *args: Any,
        version: str | None = None,
        digest: str | None = None,
        from_: Any = None,
        called: str | None = None,
        process: bool = False,
        fragment: str | None = None,
        replace: bool = False,
        start_at: float | None = None,
        start_when: str | None = None,
        timeout: float = 60.0,
        **kwargs: Any,
    ) -> Handle:
        """Have a place get a published unit from the repository of another one, and start it at itself.

        Parameters
        ----------
        from_
            From which place; None: whichever has it.
        called
            By which name the agent is found.
        process, fragment, replace, start_at, start_when
            See `agents.terms.LaunchTerms`.

        Returns
        -------
        Handle
            At once; its `result` is what the unit returns, or ``service``, ``place`` and ``replaced`` of a fragment.

        Raises
        ------
        UnknownUnit, UnknownPlace, MoveRefused, MoveFailed, mobility.errors.MobilityError
            It was not born.
        """
        if (name is None) == (digest is None):
            raise TypeError("a unit is pulled by its name or by its digest")
        if called is not None:
            check_agent_name(called)
        if fragment is not None:
            check_service_name(fragment)
        source = place_name(from_) if from_ is not None else None
        seconds = checked_seconds(timeout, "timeout")
        where = place_name(place)
        if not self.client.transport.knows(where):
            raise UnknownPlace(where, self.client.transport.places(), state="No agent was born.")
        effect = UnitPull(
            *(where, name, args, kwargs, version, digest, source),
            *(called, process, fragment, replace, seconds, start_at, start_when),
        )
        agent = new_agent_id()
        have_pulled(
            self.client.transport,
            pull_request(effect, agent),
            to=where,
            by=Holder("outside", self.client.sender),
            here=None,
            timeout=min(seconds, 60.0),
        )
        return Handle(agent, called, self.client)

    def install(
        self,
        place: Any,
        function: Callable[..., Any],
        name: str,
        *,
        replace: bool = False,
        process: bool = False,
        start_at: float | None = None,
        start_when: str | None = None,
        owner: Identity | None = None,
        timeout: float = 60.0,
    ) -> dict[str, Any]:
        """Make a function a service of a place: a fragment, code that becomes part of what runs there.

        It is there until `remove`, also when the place is started again; it is called as ``function(here, ...)``. This
        waits until it is; ``launch(function, at=place, fragment=name)`` gives a handle at once.

        Parameters
        ----------
        replace
            Whether it may take the place of a fragment that the same owner has installed.
        process
            Whether each call of it runs in a process of its own.
        start_at, start_when
            When it becomes a service: see `agents.terms.LaunchTerms`.

        Returns
        -------
        dict
            ``service``, ``place``, and whether it was ``replaced``.

        Raises
        ------
        ServiceTaken, NotAFragment, UnknownPlace, MoveRefused, MoveFailed, WaitedTooLong
        """
        check_service_name(name)
        terms = LaunchTerms(process=process, fragment=name, replace=replace, start_at=start_at, start_when=start_when)
        seconds = checked_seconds(timeout, "timeout")
        agent = self.client.launch(function, (), {}, at=place_name(place), owner=owner, terms=terms, timeout=seconds)
        told: dict[str, Any] = self.client.result(agent, timeout=seconds)
        return told

    def remove(self, place: Any, name: str, *, timeout: float = 30.0) -> None:
        """Take a fragment away again; what of it runs goes on to its end.

        Raises
        ------
        UnknownService, ServiceTaken, UnknownPlace, PlaceUnreachable
            `ServiceTaken` for a service that the place itself offers.
        """
        self._done(place_name(place), RemoveFragment(name), timeout)

    # -- helpers

    def _first(self) -> str:
        places = sorted(self.client.transport.places())
        if not places:
            raise AgentsError("there is no place", state="Nothing was published.", remedy="See: sojourn places")
        return places[0]

    def _done(self, place: str, request: PublishUnit | RemoveFragment, timeout: float) -> Any:
        reply = self.client.transport.ask_place(place, request, timeout=checked_seconds(timeout, "timeout"))
        if isinstance(reply, Done):
            return reply.value
        raise reply.error if isinstance(reply, Failure) else PlaceUnreachable(place, "it has no repository")
