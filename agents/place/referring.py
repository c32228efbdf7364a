"""Network references: what is done with a resource at another place, and what others do with those that are here."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents.cell import Raised
from agents.errors import (
    AgentsError,
    PlaceUnreachable,
    ResourceFailed,
    ResourceGone,
    ResourceMissing,
    ResourceRefused,
    ResourceUnreachable,
    UnknownPlace,
)
from agents.place.core import PlaceCore
from agents.place.holdings import Holdings
from agents.place.outcomes import failed
from agents.place.ties import Tie
from agents.protocol import (
    Description,
    Failure,
    HeldBack,
    LooksAt,
    PlaceReply,
    ResourceElsewhere,
    ResourceUsed,
    UseResource,
)
from agents.resources import ResourceTerms
from agents.told import RemoteTrace, remade
from mobility.bindings import Attachment
from mobility.errors import MobilityError
from mobility.plain import NotPlain, PlainInvalid, decode, encode

__all__ = ["Referring"]

#: How often a caller is sent on by places from which a resource has moved.
_MOST_FORWARDS: Final = 8
#: Seconds for which a place waits for a resource that is just leaving, before the caller has to ask again.
_HELD: Final = 0.25
_PAUSE: Final = 0.02


@dataclass(slots=True, eq=False)
class Referring:
    """Of one place."""

    core: PlaceCore
    holdings: Holdings

    # -- what is elsewhere

    def use(self, tie: Tie, method: str | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Have something done where a resource is; the reference then knows where that was.

        Raises
        ------
        ResourceMissing, ResourceRefused, ResourceUnreachable, ResourceFailed
        Exception
            What the resource raised.
        """
        try:
            request = UseResource(tie.resource, method, encode([list(args), dict(kwargs)]))
        except NotPlain as problem:
            told = f"an argument is no plain data: {problem.path} is of type {problem.kind}, and {problem.reason}"
            remedy = "Give numbers, text, containers, dates or arrays."
            raise ResourceRefused(tie.resource, tie.place, told, remedy) from problem
        reply, tie.place = self._asked(tie.resource, tie.place, request, tie.seconds)
        try:
            told = decode(reply.value)
        except PlainInvalid as problem:
            text = f"its answer cannot be read: {problem}"
            raise ResourceUnreachable(tie.resource, tie.place, text) from problem
        if not reply.raised:
            return told
        otherwise = ResourceFailed(tie.resource, tie.place, told["kind"], told["text"], told["trace"])
        error: Exception | None = remade(told)
        if error is None:
            raise otherwise
        raise error from RemoteTrace(told["trace"], told, otherwise)

    def _asked(self, resource: str, place: str, request: UseResource, seconds: float) -> tuple[ResourceUsed, str]:
        """Ask the place that has it, wherever that is by now; its answer, and which place it was."""
        deadline = time.monotonic() + seconds
        forwards = 0
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ResourceUnreachable(resource, place, f"it did not come within {seconds:g} seconds", unsent=True)
            reply = self._sent(resource, place, request, left)
            match reply:
                case ResourceUsed():
                    return reply, place
                case ResourceElsewhere(place=to):
                    forwards += 1
                    if forwards > _MOST_FORWARDS:
                        problem = f"it has moved on more than {_MOST_FORWARDS} times, and was not found"
                        raise ResourceUnreachable(resource, place, problem, unsent=True)
                    place = to
                case Failure(error=ResourceMissing() as error) if forwards == 0 or isinstance(error, ResourceGone):
                    raise error
                case HeldBack() | Failure(error=ResourceMissing()):  # it has been sent there, and is about to arrive
                    time.sleep(min(_PAUSE, max(0.0, left)))
                case Failure(error=PlaceUnreachable() as gone):
                    raise ResourceUnreachable(resource, place, gone.problem, unsent=gone.unsent)
                case Failure(error=error):
                    raise error
                case _:
                    raise ResourceUnreachable(resource, place, "it does not know what is asked of it", unsent=True)

    def _sent(self, resource: str, place: str, request: UseResource, seconds: float) -> PlaceReply:
        if place == self.core.name:
            return self.serve(request)
        try:
            return self.core.transport.ask_place(place, request, timeout=seconds)
        except UnknownPlace as error:
            raise ResourceUnreachable(resource, place, error.reason, unsent=True) from error
        except PlaceUnreachable as error:
            raise ResourceUnreachable(resource, place, error.problem, unsent=error.unsent) from error
        except AgentsError as error:
            raise ResourceUnreachable(resource, place, error.reason) from error

    def found(self, resource: str) -> tuple[str, ResourceTerms]:
        """Where a resource is that is not here, and what is declared of it.

        Raises
        ------
        ResourceMissing, ResourceUnreachable
        """
        origin, _, name = resource.partition("/")
        place = self.holdings.whereto(resource) or origin
        for _ in range(_MOST_FORWARDS):
            try:
                told = self.core.transport.ask_place(place, LooksAt(), timeout=self.core.options.directory_seconds)
            except AgentsError as error:
                raise ResourceUnreachable(resource, place, error.reason, unsent=True) from error
            about = told.about if isinstance(told, Description) else {}
            declared = about.get("declared", {})
            row = declared.get(resource) or declared.get(name)
            if row is not None and row["resource"] == resource:
                terms = ResourceTerms(attachment=Attachment(row["attachment"]), type=row["type"])
                return place, terms
            onward = about.get("moved", {}).get(resource)
            if onward is None:
                raise ResourceMissing(place, name, sorted(declared))
            place = onward
        raise ResourceUnreachable(resource, place, f"it has moved on more than {_MOST_FORWARDS} times", unsent=True)

    # -- what is here

    def serve(self, request: UseResource) -> PlaceReply:
        """Do what another place wants of a resource that is here, or say where it is."""
        resource = request.resource
        try:
            with self.holdings.using(resource, _HELD) as value:
                return self._used(request, value)
        except ResourceMissing as error:
            to = self.holdings.whereto(resource)
            if to is not None:
                return ResourceElsewhere(to)
            return HeldBack() if self.holdings.is_leaving(resource) else Failure(error)
        except MobilityError as error:
            return Failure(error)

    def _used(self, request: UseResource, value: Any) -> PlaceReply:
        resource, method, terms = request.resource, request.method, self.holdings.terms(request.resource)
        if method is None:
            if not terms.may_leave:
                return self._refused(resource, "its content may not leave", "Call what it exports.")
            return self._answered(resource, value, "its content")
        if not terms.exported(method):
            problem = f"{method!r} is not exported"
            return self._refused(resource, problem, "Export it where the resource is declared: exports=[...].")
        try:
            args, kwargs = decode(request.arguments)
            target = getattr(value, method)
            if callable(target):
                target = target(*args, **kwargs)
            elif args or kwargs:
                raise TypeError(f"{method} of {resource} cannot be called")
        except BaseException as error:  # also what would end a process: it is the caller's
            trace = "".join(traceback.format_exception(error.with_traceback(_below(error))))
            return ResourceUsed(failed(Raised(error, trace), [self.core.name]), raised=True)
        self.holdings.save_changes({resource})  # what was answered is not undone by a crash
        return self._answered(resource, target, f"what {method} returned")

    def _answered(self, resource: str, value: Any, what: str) -> PlaceReply:
        try:
            return ResourceUsed(encode(value))
        except NotPlain as problem:
            told = f"{what} is no plain data: {problem.path} is of type {problem.kind}, and {problem.reason}"
            return self._refused(resource, told, "Call something that returns numbers, text, containers or arrays.")

    def _refused(self, resource: str, problem: str, remedy: str) -> PlaceReply:
        return Failure(ResourceRefused(resource, self.core.name, problem, remedy))


def _below(error: BaseException) -> Any:
    """The traceback without the frame of the platform."""
    return error.__traceback__.tb_next if error.__traceback__ is not None else None
