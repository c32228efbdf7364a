"""What the platform raises on purpose, in the tree of all errors.

::

    AgentsError
    ├── UnknownPlace         unknown-place         no place of this platform has this name
    ├── PlaceUnreachable     place-unreachable     a place that is known, and does not answer
    ├── MoveFailed           move-failed           a hop, clone or spawn did not come about; the agent goes on here
    │   ├── MoveRefused      move-refused          the destination does not let it in; `why` has the slug
    │   └── ItineraryBlocked itinerary-blocked     no stop lets it in that could come next
    ├── NoItinerary          no-itinerary          it was launched without one, and wants to go on by it
    ├── AgentExpired         agent-expired         its lifetime was over, so its place has ended it
    ├── NoEntry              no-entry              what may have to start anew has no entry to start at
    ├── EnvironmentInvalid   environment-invalid   what is declared of a place's environment cannot be used
    ├── NoOtherPlace         no-other-place        a place is to be emptied, and its agents could go nowhere
    ├── ExtensionUnusable    extension-unusable    what another package offers at places cannot be used at this one
    ├── LandingRefused       (that of its cause)   at the destination, on its way to the sender
    ├── UnknownAgent         unknown-agent         nobody knows this name or id
    ├── AgentEnded           agent-ended           it has ended, and cannot do that any more
    ├── AgentFailed          agent-failed          it raised an exception of a kind that this process does not have
    ├── AgentStopped         agent-stopped         somebody stopped it
    ├── AgentLost            agent-lost            its place is gone, and it was not seen again
    ├── NeverBegan           never-began           what it waited for did not come about in its lifetime
    ├── AgentThawed          agent-thawed          its file was thawed already
    ├── AgentFrozen          agent-frozen          it lies in a file
    ├── Busy                 agent-busy            it did not reach a suspension in time
    ├── DirectoryUnreachable directory-unreachable nobody answers for the directory
    ├── WaitedTooLong        timed-out             a deadline has passed: of a result, an answer, a message
    ├── ResultNotPlain       result-not-plain      what it returned cannot leave
    ├── ValueNotPlain        value-not-plain       what it wants to send cannot leave
    ├── NotAnEffect          not-an-effect         it yielded something that is no effect
    ├── BadArrival           bad-arrival           a class agent's `arrive` returned something else than where to go
    ├── NotAnAgent           not-an-agent          what is to be launched is no function
    ├── CellFailed           cell-failed           no process could be started for an agent, or it does not answer
    ├── CellDied             cell-died             the process of an agent has ended, and the agent with it
    ├── ResourceMissing      resource-missing      this place has no such resource
    │   └── ResourceGone     resource-gone         it was here, and has moved to another place
    ├── ResourceUnusable     resource-unusable     there is one, and it cannot be sent to its place, or made there
    ├── ResourceUnreachable  resource-unreachable  the place that holds it does not answer
    ├── ResourceRefused      resource-refused      its place does not let that be done with it
    ├── ResourceFailed       resource-failed       it raised an exception of a kind that this process does not have
    ├── BindingRefused       binding-refused       an agent cannot be bound to it in that way
    ├── BindingReleased      binding-released      there is no such binding any more
    ├── ResourceFileInvalid  resource-file         a place's TOML file cannot be used
    ├── UnknownService       unknown-service       this place has no such service
    ├── ServiceUnusable      service-unusable      there is one, and it cannot be sent to its place, or loaded there
    ├── ServiceFailed        service-failed        it raised an exception of a kind that this process does not have
    ├── ServiceTaken         service-taken         a fragment wants the name of a service that is there already
    ├── NotAFragment         not-a-fragment        what is to become a service is no function that could be one
    ├── UnknownUnit          unknown-unit          a repository has no unit of this name, version or digest
    ├── VersionTaken         version-taken         other code is published under this name and version
    ├── UnitOwned            unit-owned            another owner publishes under this name
    ├── UnitAmbiguous        unit-ambiguous        places mean different units by one name
    ├── UnitMismatch         unit-mismatch         a repository gave something else than what was asked for
    ├── NotPublishable       not-publishable       what is to be published is no function, or has no usable name
    ├── StoreFailed          store-failed          a place cannot write to its disk
    └── NotConnected         not-connected         this process knows no platform

Every error carries its ``slug``, says what happened and why, how things stand now and what to do next, and survives
``pickle``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from mobility.errors import MobilityError

__all__ = [
    "AgentEnded",
    "AgentExpired",
    "AgentFailed",
    "AgentFrozen",
    "AgentLost",
    "AgentStopped",
    "AgentThawed",
    "AgentsError",
    "BadArrival",
    "BindingRefused",
    "BindingReleased",
    "Busy",
    "CellDied",
    "CellFailed",
    "DirectoryUnreachable",
    "EnvironmentInvalid",
    "ExtensionUnusable",
    "ItineraryBlocked",
    "LandingRefused",
    "MoveFailed",
    "MoveRefused",
    "NeverBegan",
    "NoEntry",
    "NoItinerary",
    "NoOtherPlace",
    "NotAFragment",
    "NotAnAgent",
    "NotAnEffect",
    "NotConnected",
    "NotPublishable",
    "PlaceUnreachable",
    "ResourceFailed",
    "ResourceFileInvalid",
    "ResourceGone",
    "ResourceMissing",
    "ResourceRefused",
    "ResourceUnreachable",
    "ResourceUnusable",
    "ResultNotPlain",
    "ServiceFailed",
    "ServiceTaken",
    "ServiceUnusable",
    "StoreFailed",
    "UnitAmbiguous",
    "UnitMismatch",
    "UnitOwned",
    "UnknownAgent",
    "UnknownPlace",
    "UnknownService",
    "UnknownUnit",
    "ValueNotPlain",
    "VersionTaken",
    "WaitedTooLong",
]


class AgentsError(MobilityError):
    """Base of the tree.

    Attributes
    ----------
    reason, state, remedy
        What happened and why; how things stand now; what to do next.
    """

    slug = "agents"
    usual_state: ClassVar[str] = "Nothing was changed."
    usual_remedy: ClassVar[str] = ""

    def __init__(
        self, reason: str, *, state: str | None = None, remedy: str | None = None, cause: str | None = None
    ) -> None:
        self.reason = reason
        self.state = self.usual_state if state is None else state
        self.remedy = self.usual_remedy if remedy is None else remedy
        super().__init__(self._told(cause or self.slug))

    def _told(self, cause: str) -> str:
        return f"{self.reason} ({cause}). {self.state} {self.remedy}".rstrip()

    def ended_with(self, agent: str, place: str) -> None:
        """From now on it is told as that with which an agent has ended: it did not handle it at its ``yield``."""
        self.state = f"The agent {agent} did not handle this at its yield, and has ended on {place}."
        self.args = (self._told(getattr(self, "why", None) or self.slug), *self.args[1:])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


class UnknownPlace(AgentsError):
    """No place of this platform has this name."""

    slug = "unknown-place"

    def __init__(self, place: str, known: Sequence[str], *, state: str | None = None) -> None:
        super().__init__(
            f"there is no place {place!r}",
            state=state,
            remedy=f"The places are: {_listed(known)}. See them with: sojourn places",
        )
        self.place = place
        self.known = tuple(known)


class PlaceUnreachable(AgentsError):
    """A place that is known, and does not answer.

    Attributes
    ----------
    place
        Its name.
    unsent
        Whether it is certain that the request did not reach it.
    """

    slug = "place-unreachable"

    def __init__(self, place: str, problem: str, *, unsent: bool = False, state: str | None = None) -> None:
        super().__init__(
            f"{place} does not answer: {problem}",
            state="Its agents go on if it lives, and come back from their checkpoints if it is started again."
            if state is None
            else state,
            remedy="See which places answer with: sojourn places; then try again.",
        )
        self.place = place
        self.problem = problem
        self.unsent = unsent


class MoveFailed(AgentsError):
    """A hop, clone or spawn did not come about; raised at the agent's ``yield``, and the agent goes on.

    Attributes
    ----------
    place
        Where it should have led.
    why
        The slug of the cause.
    here
        Where the agent is; None if it runs nowhere.
    reasons
        Where the environment of the place is the cause, each reason as plain data (`Reason.as_data`); else none.
    verdict
        Then what would be possible there: ``"weak"``, a start anew, or ``"refuse"``; else None.
    """

    slug = "move-failed"

    def __init__(
        self,
        place: str | None,
        problem: str,
        *,
        why: str,
        here: str | None,
        remedy: str = "Try again, or go elsewhere.",
        state: str | None = None,
        reasons: Sequence[Mapping[str, Any]] = (),
        verdict: str | None = None,
    ) -> None:
        usual = f"The agent is unharmed and still runs on {here}."
        super().__init__(problem, state=usual if state is None else state, remedy=remedy, cause=why)
        self.place = place
        self.why = why
        self.here = here
        self.reasons = [dict(reason) for reason in reasons]
        self.verdict = verdict


class MoveRefused(MoveFailed):
    """The destination does not let it in; `why` has the slug of the reason."""

    slug = "move-refused"


class ItineraryBlocked(MoveFailed):
    """No stop of its itinerary lets it in that could come next; raised at the agent's ``yield``.

    Attributes
    ----------
    tried
        Of each stop: its name, the slug of the cause, and what happened.
    waited
        Seconds for which the agent has waited.
    """

    slug = "itinerary-blocked"

    def __init__(self, tried: Sequence[Sequence[str]], here: str, waited: float = 0.0) -> None:
        stops = "; ".join(f"{place}: {problem} ({why})" for place, why, problem in tried)
        after = f" after {waited:g} seconds" if waited else ""
        super().__init__(
            tried[-1][0],
            f"no stop of the itinerary could be reached{after}: {stops}",
            why=tried[-1][1],
            here=here,
            remedy="Try again later with onward(), or end.",
        )
        self.tried = tuple(tuple(row) for row in tried)
        self.waited = waited


class NoItinerary(AgentsError):
    """It was launched without an itinerary, and wants to go on by it."""

    slug = "no-itinerary"

    def __init__(self, agent: str, here: str) -> None:
        super().__init__(
            f"{agent} has no itinerary by which it could go on",
            state=f"The agent is unharmed and still runs on {here}.",
            remedy="Launch it with itinerary=..., or go by hop(place).",
        )
        self.agent = agent


class AgentExpired(AgentsError):
    """Its lifetime was over, so its place has ended it.

    Attributes
    ----------
    place
        Where it was.
    not_after
        Unix time until which its owner has let it live.
    problem
        What happened while it ended, as that its ``finally`` blocks have raised; empty: nothing.
    """

    slug = "agent-expired"

    def __init__(self, agent: str, place: str, not_after: int, problem: str = "") -> None:
        until = datetime.fromtimestamp(not_after, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        also = f"; {problem}" if problem else ""
        super().__init__(
            f"the lifetime of {agent} was over at {until}, and it was on {place}{also}",
            state="It has ended without a result.",
            remedy="Launch it anew, with a longer birth=Birth(lifetime=...).",
        )
        self.agent = agent
        self.place = place
        self.not_after = not_after
        self.problem = problem


class NoOtherPlace(AgentsError):
    """A place is to be emptied, and its agents could go nowhere."""

    slug = "no-other-place"

    def __init__(self, place: str) -> None:
        super().__init__(
            f"{place} cannot be emptied: no other place serves",
            state="Its agents run there as before, and it lets others in.",
            remedy="Add a node first, or put its agents into files: sojourn freeze NAME -o FILE",
        )
        self.place = place


class LandingRefused(AgentsError):
    """What a place says to the sender of a bundle that it does not let in.

    Attributes
    ----------
    place
        Which place.
    why
        Slug of the cause.
    reasons, verdict
        As in `MoveFailed`.
    """

    slug = "landing-refused"

    def __init__(
        self,
        place: str,
        why: str,
        problem: str,
        remedy: str,
        *,
        reasons: Sequence[Mapping[str, Any]] = (),
        verdict: str | None = None,
    ) -> None:
        super().__init__(
            f"{place} refused the bundle: {problem}", state="Nothing of it runs there.", remedy=remedy, cause=why
        )
        self.place = place
        self.why = why
        self.problem = problem
        self.reasons = [dict(reason) for reason in reasons]
        self.verdict = verdict


class NoEntry(AgentsError):
    """What may have to start anew has no entry to start at."""

    slug = "no-entry"

    def __init__(self, function: str) -> None:
        super().__init__(
            f"{function} cannot start anew elsewhere: it is defined within another function, and has no name there",
            state="Nothing was launched.",
            remedy='Define it at the top level of its module, or launch it with mobility="strong".',
        )
        self.function = function


class EnvironmentInvalid(AgentsError):
    """What is declared of a place's environment cannot be used."""

    slug = "environment-invalid"

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(
            f"what is declared of the environment of {place} cannot be used: {problem}",
            state="Nothing was started.",
            remedy="Mend the declaration; docs/reference-resources.md shows its form.",
        )
        self.place = place


class UnknownAgent(AgentsError):
    """Nobody knows this name or id."""

    slug = "unknown-agent"
    usual_remedy = "See all agents with: sojourn ps --all"

    def __init__(self, agent: str) -> None:
        super().__init__(f"there is no agent {agent!r}")
        self.agent = agent


class AgentEnded(AgentsError):
    """It has ended, and cannot do that any more."""

    slug = "agent-ended"

    def __init__(self, agent: str, action: str) -> None:
        super().__init__(
            f"{agent} has ended, and cannot be {action}",
            state="Its result is kept.",
            remedy="Ask for it with result(), or launch a new agent.",
        )
        self.agent = agent


class AgentFailed(AgentsError):
    """It raised an exception of a kind that this process does not have.

    Attributes
    ----------
    kind, text
        The exception's type and message.
    trace
        Its traceback at the place, with the agent's own lines.
    places
        Where the agent had been, the last one first to fail.
    """

    slug = "agent-failed"

    def __init__(self, agent: str, kind: str, text: str, trace: str, places: Sequence[str]) -> None:
        super().__init__(
            f"{agent} raised {kind}{f': {text}' if text else ''}",
            state=f"It has ended on {places[-1] if places else 'its place'}, after {' -> '.join(places)}.",
            remedy="Its traceback shows the line; mend the cause and launch it anew.",
        )
        self.agent = agent
        self.kind = kind
        self.text = text
        self.trace = trace
        self.places = tuple(places)


class AgentStopped(AgentsError):
    """Somebody stopped it."""

    slug = "agent-stopped"

    def __init__(self, agent: str, place: str) -> None:
        super().__init__(
            f"{agent} was stopped on {place}", state="It has ended without a result.", remedy="Launch it anew."
        )
        self.agent = agent
        self.place = place


class AgentLost(AgentsError):
    """Its place is gone, and it was not seen again."""

    slug = "agent-lost"

    def __init__(self, agent: str, place: str) -> None:
        super().__init__(
            f"{agent} was on {place}, which has no lease any more, and has not been seen there since",
            state=f"It runs nowhere that is known. When {place} is back with its folder, the agent is back too.",
            remedy=f"See whether {place} runs: sojourn places; start it again, or launch the agent anew.",
        )
        self.agent = agent
        self.place = place


class AgentFrozen(AgentsError):
    """It lies in a file."""

    slug = "agent-frozen"

    def __init__(self, agent: str, action: str) -> None:
        super().__init__(
            f"{agent} is frozen, and cannot be {action}",
            state="It lies in its file, and is unharmed.",
            remedy="Let it go on with: sojourn thaw FILE --at PLACE",
        )
        self.agent = agent


class NeverBegan(AgentsError):
    """What it was to wait for did not come about in its lifetime."""

    slug = "never-began"

    def __init__(self, agent: str, problem: str) -> None:
        super().__init__(
            f"{agent} has never begun: {problem}",
            state="It has ended without a result; nothing of it has run.",
            remedy="Launch it anew, with a start_when that comes about, or a longer birth=Birth(lifetime=...).",
        )
        self.agent = agent


class AgentThawed(AgentsError):
    """Its file was thawed already."""

    slug = "agent-thawed"

    def __init__(self, agent: str, place: str | None) -> None:
        super().__init__(
            f"{agent} is not frozen: it was thawed, and is on {place or 'its way'}",
            state="It goes on there; the file was not used.",
            remedy=f"Find it with: sojourn ps; its handle is platform.get({agent!r}).",
        )
        self.agent = agent
        self.place = place


class Busy(AgentsError):
    """It did not reach a suspension in time; the request was withdrawn."""

    slug = "agent-busy"

    def __init__(self, agent: str, action: str, seconds: float) -> None:
        super().__init__(
            f"{agent} computes and has not come to a yield within {seconds:g} seconds, so it was not {action}",
            state="It goes on undisturbed; the request was withdrawn.",
            remedy="Wait longer, or let it yield more often.",
        )
        self.agent = agent
        self.seconds = seconds


class DirectoryUnreachable(AgentsError):
    """Nobody answers for the directory."""

    slug = "directory-unreachable"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"the directory does not answer: {problem}",
            state="Agents go on where they are as long as their places' leases run; moves wait for its answer.",
            remedy="It is started again by itself if its node lives; try again, and see: sojourn doctor",
        )
        self.problem = problem


class WaitedTooLong(AgentsError, TimeoutError):
    """A deadline has passed: of a result, an answer, a message."""

    slug = "timed-out"

    def __init__(self, what: str, seconds: float, *, state: str, remedy: str = "Wait longer.") -> None:
        super().__init__(f"{what} did not come within {seconds:g} seconds", state=state, remedy=remedy)
        self.seconds = seconds


class ResultNotPlain(AgentsError):
    """What it returned cannot leave."""

    slug = "result-not-plain"

    def __init__(self, agent: str, problem: str) -> None:
        super().__init__(
            f"what {agent} returned is no plain data: {problem}",
            state="It has ended without a result.",
            remedy="Return numbers, text, containers, dates or arrays; of a handle, its agent (an id).",
        )
        self.agent = agent


class ValueNotPlain(AgentsError):
    """What it wants to send cannot leave."""

    slug = "value-not-plain"

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(
            f"{what} is no plain data: {problem}",
            state="Nothing was sent.",
            remedy="Send numbers, text, containers, dates or arrays; of a handle, its agent (an id).",
        )


class NotAnEffect(AgentsError):
    """It yielded something that is no effect."""

    slug = "not-an-effect"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"the agent yielded {kind}, which is no effect",
            state="It goes on at that line if it handles this.",
            remedy="Yield what hop(), send(), sleep() and the others return; or nothing at all.",
        )
        self.kind = kind


class BadArrival(AgentsError):
    """A class agent's `arrive` or `refused` returned something else than where to go, or that it is done.

    Attributes
    ----------
    method, kind
        Which returned it, and of what type it is.
    """

    slug = "bad-arrival"

    def __init__(self, method: str, kind: str) -> None:
        super().__init__(
            f"{method} returned {kind}, which says neither where to go nor that the agent is done",
            state="The agent has ended with this.",
            remedy="Return hop(place), done(value), or nothing; to wait or to send, make it a generator and yield.",
        )
        self.method = method
        self.kind = kind


class CellFailed(AgentsError):
    """No process could be started for an agent, or it does not answer.

    Attributes
    ----------
    problem
        What is wrong.
    """

    slug = "cell-failed"

    def __init__(self, problem: str, *, state: str | None = None, remedy: str | None = None) -> None:
        super().__init__(
            f"the agent's own process is of no use: {problem}",
            state="The agent was not let in." if state is None else state,
            remedy="Launch it with process=False, at a place that can start processes, or try again."
            if remedy is None
            else remedy,
        )
        self.problem = problem


class CellDied(AgentsError):
    """The process of an agent has ended, and the agent with it.

    Attributes
    ----------
    agent
        Its id.
    how
        By which signal, or with which status.
    """

    slug = "cell-died"

    def __init__(self, agent: str, how: str) -> None:
        super().__init__(
            f"the process of {agent} {how}",
            state="The agent has ended with it; its place and the other agents there go on.",
            remedy="See what its code did last (memory, extension modules, os._exit), and launch it anew.",
        )
        self.agent = agent
        self.how = how


class NotAnAgent(AgentsError):
    """What is to be launched is no function, and no class with `arrive`."""

    slug = "not-an-agent"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"{kind} cannot be launched",
            remedy="Launch a function decorated with @agent and its arguments, or a class with arrive(self, here).",
        )
        self.kind = kind


class ResourceMissing(AgentsError):
    """This place has no such resource."""

    slug = "resource-missing"

    def __init__(self, place: str, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{place} has no resource {name!r}",
            state="The agent goes on at that line if it handles this.",
            remedy=f"It has: {_listed(known)}.",
        )
        self.place = place
        self.name = name


class ResourceGone(ResourceMissing):
    """It was here, and another agent has taken it along.

    Attributes
    ----------
    to
        The place to which it went, as far as is known here.
    leaving
        Whether it is only just leaving, so that it may yet stay.
    """

    slug = "resource-gone"

    def __init__(self, place: str, name: str, to: str | None, *, leaving: bool = False) -> None:
        where = to or "another place"
        how = f"just leaving {place} for" if leaving else f"no longer on {place}: it moved to"
        AgentsError.__init__(
            self,
            f"the resource {name!r} is {how} {where}",
            state="The agent goes on at that line if it handles this.",
            remedy=f"Go to {where} for it, or bind it there; release the binding to move without it.",
        )
        self.place = place
        self.name = name
        self.to = to
        self.leaving = leaving


class ResourceUnreachable(AgentsError):
    """The place that holds it does not answer.

    Attributes
    ----------
    unsent
        Whether it is certain that nothing was done there.
    """

    slug = "resource-unreachable"

    def __init__(self, resource: str, place: str, problem: str, *, unsent: bool = False) -> None:
        done = "Nothing was done there." if unsent else "Whether it was done there is not known."
        super().__init__(
            f"the resource {resource} is on {place}, which cannot be asked: {problem}",
            state=f"The agent is unharmed and goes on at that line if it handles this. {done}",
            remedy=f"The reference works again as soon as {place} does; see: sojourn places",
        )
        self.resource = resource
        self.place = place
        self.problem = problem
        self.unsent = unsent


class ResourceRefused(AgentsError):
    """Its place does not let that be done with it, or what is given or returned cannot cross."""

    slug = "resource-refused"

    def __init__(self, resource: str, place: str, problem: str, remedy: str) -> None:
        super().__init__(
            f"{place} refuses this of {resource}: {problem}",
            state="The agent goes on at that line if it handles this.",
            remedy=remedy,
        )
        self.resource = resource
        self.place = place
        self.problem = problem


class ResourceFailed(AgentsError):
    """A call of it raised an exception of a kind that this process does not have.

    Attributes
    ----------
    kind, text, trace
        The exception's type, message and traceback, as they were at the place.
    """

    slug = "resource-failed"

    def __init__(self, resource: str, place: str, kind: str, text: str, trace: str) -> None:
        super().__init__(
            f"{resource} raised {kind}{f': {text}' if text else ''} on {place}",
            state="The agent goes on at that line if it handles this.",
            remedy="Its traceback is in the error's `trace`.",
        )
        self.resource = resource
        self.place = place
        self.kind = kind
        self.text = text
        self.trace = trace


class BindingRefused(AgentsError):
    """An agent cannot be bound to it in that way."""

    slug = "binding-refused"

    def __init__(self, resource: str, place: str, problem: str, remedy: str) -> None:
        super().__init__(
            f"{resource} on {place} cannot be bound so: {problem}",
            state="The agent goes on at that line if it handles this; it is bound to nothing by this.",
            remedy=remedy,
        )
        self.resource = resource
        self.place = place
        self.problem = problem


class BindingReleased(AgentsError):
    """There is no such binding any more."""

    slug = "binding-released"

    def __init__(self, agent: str) -> None:
        super().__init__(
            f"{agent or 'the agent'} has no such binding here: it was released, or belongs to another agent",
            state="The agent goes on at that line if it handles this.",
            remedy="Bind the resource again with here.bind(...).",
        )
        self.agent = agent


class ResourceUnusable(AgentsError):
    """There is such a resource, and it cannot be sent to its place, or made there."""

    slug = "resource-unusable"

    def __init__(self, place: str, name: str, problem: str, *, state: str, remedy: str) -> None:
        super().__init__(f"the resource {name!r} of {place} {problem}", state=state, remedy=remedy)
        self.place = place
        self.name = name


class ResourceFileInvalid(AgentsError):
    """A place's TOML file cannot be used."""

    slug = "resource-file"

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(
            f"the resource file {path} cannot be used: {problem}",
            state="Its place offers nothing of what it describes.",
            remedy="Mend the file and start the place anew; docs/reference-resources.md shows its form.",
        )
        self.path = str(path)


class ExtensionUnusable(AgentsError):
    """What another package offers at places cannot be used at this one."""

    slug = "extension-unusable"

    def __init__(self, place: str, name: str, problem: str) -> None:
        super().__init__(
            f"the extension {name!r} of {place} {problem}",
            state="Nothing of it is offered there; the place serves all else.",
            remedy="Mend what it says, then start the place anew.",
        )
        self.place = place
        self.name = name
        self.problem = problem


class UnknownService(AgentsError):
    """This place has no such service."""

    slug = "unknown-service"

    def __init__(self, place: str, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{place} has no service {name!r}",
            state="Nothing was called.",
            remedy=f"It has: {_listed(known)}.",
        )
        self.place = place
        self.name = name
        self.known = tuple(known)


class ServiceUnusable(AgentsError):
    """There is such a service, and it cannot be sent to its place, or loaded there."""

    slug = "service-unusable"

    def __init__(self, place: str, name: str, problem: str, *, state: str, remedy: str) -> None:
        super().__init__(f"the service {name!r} of {place} {problem}", state=state, remedy=remedy)
        self.place = place
        self.name = name


class ServiceFailed(AgentsError):
    """A service raised an exception of a kind that this process does not have.

    Attributes
    ----------
    kind, text
        The exception's type and message.
    trace
        Its traceback at the place.
    """

    slug = "service-failed"

    def __init__(self, place: str, name: str, kind: str, text: str, trace: str) -> None:
        super().__init__(
            f"the service {name!r} of {place} raised {kind}{f': {text}' if text else ''}",
            state="The call is over; the service answers further ones.",
            remedy="Its traceback shows the line.",
        )
        self.place = place
        self.name = name
        self.kind = kind
        self.text = text
        self.trace = trace


class ServiceTaken(AgentsError):
    """A fragment wants the name of a service that is there already."""

    slug = "service-taken"

    def __init__(self, place: str, name: str, what: str, *, replaceable: bool) -> None:
        super().__init__(
            f"{place} has a service {name!r} already: {what}",
            state="That one goes on as it was, and the fragment was not installed.",
            remedy="Choose another name"
            + (", or install it with replace=True." if replaceable else "; it cannot be replaced by a fragment."),
        )
        self.place = place
        self.name = name


class NotAFragment(AgentsError):
    """What is to become a service is no function that could be one."""

    slug = "not-a-fragment"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"the service {name!r} cannot be made: {problem}",
            state="Nothing was installed.",
            remedy="Give a plain function whose first parameter is the place, as in def mean(here, column): ...",
        )
        self.name = name


class UnknownUnit(AgentsError):
    """A repository has no unit of this name, version or digest.

    Attributes
    ----------
    known
        What there is: the names, or of a name that is known, its versions.
    """

    slug = "unknown-unit"

    def __init__(self, place: str, what: str, known: Sequence[str]) -> None:
        super().__init__(
            f"the repository of {place} has no unit {what}",
            state="Nothing was fetched.",
            remedy=f"It has: {_listed(known)}.",
        )
        self.place = place
        self.what = what
        self.known = tuple(known)


class VersionTaken(AgentsError):
    """Other code is published under this name and version."""

    slug = "version-taken"

    def __init__(self, place: str, name: str, version: str, digest: str) -> None:
        super().__init__(
            f"{place} has other code under the name {name!r} and version {version} already (digest {digest[:16]})",
            state="That stays published, and nothing was added.",
            remedy="Publish under a new version: what has been fetched under one is never to change.",
        )
        self.place = place
        self.name = name
        self.version = version
        self.digest = digest


class UnitOwned(AgentsError):
    """Another owner publishes under this name."""

    slug = "unit-owned"

    def __init__(self, place: str, name: str, owner: str) -> None:
        super().__init__(
            f"the name {name!r} in the repository of {place} belongs to {owner}",
            state="Nothing was published.",
            remedy="Publish under another name: whoever fetches by a name gets the code of one owner.",
        )
        self.place = place
        self.name = name
        self.owner = owner


class UnitAmbiguous(AgentsError):
    """Places mean different units by one name.

    Attributes
    ----------
    known
        What each has.
    """

    slug = "unit-ambiguous"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"the repositories mean different units by {name!r}: {_listed(known)}",
            state="Nothing was fetched.",
            remedy="Say which you mean, by from_= (a place) or by digest=.",
        )
        self.name = name
        self.known = tuple(known)


class UnitMismatch(AgentsError):
    """A repository gave something else than what was asked for."""

    slug = "unit-mismatch"

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(
            f"the repository of {place} gave something else than what was asked for: {problem}",
            state="It was not loaded.",
            remedy="Do not trust that place before it has been looked at.",
        )
        self.place = place


class NotPublishable(AgentsError):
    """What is to be published is no function or class, or has no usable name or version."""

    slug = "not-publishable"

    def __init__(self, problem: str, *, remedy: str) -> None:
        super().__init__(problem, state="Nothing was published.", remedy=remedy)


class StoreFailed(AgentsError):
    """A place cannot write to its disk."""

    slug = "store-failed"

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(
            f"{place} cannot write down what it has to keep: {problem}",
            state="What it holds goes on; what wanted to come in stays where it was.",
            remedy=f"Make room on the disk of {place}, then try again.",
        )
        self.place = place


class NotConnected(AgentsError):
    """This process knows no platform."""

    slug = "not-connected"

    def __init__(self) -> None:
        super().__init__(
            "this process is connected to no platform",
            remedy="Call agents.connect(), or use the handle in a process of the cluster.",
        )
