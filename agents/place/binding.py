"""Bindings of agents to resources: made, used, and seen to when an agent leaves and when it arrives.

Before an agent is captured, a *plan* says for each of its bindings what becomes of it, as `mobility.bindings` decides;
a resource that goes along is reserved, so that nobody else uses or takes it. The plan travels in the luggage. The
destination looks at it again while the agent is dormant, and refuses what it cannot do. What comes of the move decides
what becomes of the resources that were to go along; see `agents.place.holdings`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agents.errors import (
    AgentsError,
    BindingRefused,
    BindingReleased,
    LandingRefused,
    MoveFailed,
    MoveRefused,
    ResourceGone,
    ResourceMissing,
    StoreFailed,
)
from agents.luggage import LuggageInvalid
from agents.place.core import PlaceCore
from agents.place.holdings import Content, Holdings, came_about
from agents.place.referring import Referring
from agents.place.resident import Resident, Staged
from agents.place.ties import Brought, Form, Tie, TravellingTie
from agents.protocol import Description, LooksAt
from agents.resources import ResourceTerms
from mobility.bindings import CELLS, BindingKind, Movement, Obstacle, Situation, checked_alternatives, decide_binding
from mobility.errors import MobilityError

__all__ = ["Binding", "BindingPlan"]

#: Seconds until the directory is asked again what became of a move that took resources along; at most.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


@dataclass(slots=True, eq=False)
class BindingPlan:
    """What becomes of the bindings of an agent on one move.

    Attributes
    ----------
    records
        For its luggage.
    departing
        By id: what goes along, with its content.
    epoch
        Of the directory, under which the agent is sent; None before that is written down.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    departing: dict[str, Content] = field(default_factory=dict)
    epoch: int | None = None


@dataclass(slots=True, eq=False)
class Binding:
    """Of one place."""

    core: PlaceCore
    holdings: Holdings
    referring: Referring = field(init=False)

    def __post_init__(self) -> None:
        self.referring = Referring(self.core, self.holdings)

    # -- binding and using

    def bind(
        self,
        agent: str,
        name: str | None,
        kind: str,
        type_: str | None,
        prefer: str | None,
        otherwise: tuple[str, ...],
        seconds: float,
    ) -> str:
        """Bind an agent that is here to a resource; the id of the binding.

        Raises
        ------
        ResourceMissing, ResourceGone, ResourceUnreachable, BindingRefused, BindingReleased
        ValueError
            If `kind` is none, or `seconds` no time.
        """
        by = BindingKind(kind)
        resident = self.core.known(agent)
        if resident is None or resident.luggage is None:
            problem = "only an agent that is here can be bound to it"
            raise BindingRefused(name or f"of type {type_}", self.core.name, problem, "Use here.resource(...).")
        if not seconds > 0:
            raise ValueError(f"timeout is a number of seconds above 0, not {seconds!r}")
        resource, place, terms = self._wanted(name, by, type_)
        if type_ is not None and terms.type != type_:
            problem = f"it is of type {terms.type!r}, and not {type_!r}"
            raise BindingRefused(resource, place, problem, "Bind one of the type: here.bind(type=..., by='type').")
        if by is BindingKind.TYPE and terms.type is None:
            remedy = "Declare its type where it is offered: Resource(value, type=...)."
            raise BindingRefused(resource, place, "it is of no type, and so there is none like it", remedy)
        if by is BindingKind.VALUE and not terms.may_leave:
            problem = f"it is {terms.attachment}, and its content may not leave {place}"
            raise BindingRefused(resource, place, problem, "Bind it by identifier, and call what it exports.")
        try:
            accepted = checked_alternatives(by, terms.attachment, otherwise)
            first = None if prefer is None else checked_alternatives(by, terms.attachment, (prefer,))[0]
        except ValueError as error:
            raise BindingRefused(resource, place, str(error), "Declare only alternatives of its cell.") from None
        form: Form = "local" if place == self.core.name else "reference"
        tie = Tie(
            f"{resource}#{secrets.token_hex(4)}",
            *(by, first, accepted, resource, terms.attachment, terms.type, float(seconds), form, place),
            origin=resource,
        )
        self._ties(agent)[tie.id] = tie
        return tie.id

    def _wanted(self, name: str | None, by: BindingKind, type_: str | None) -> tuple[str, str, ResourceTerms]:
        """Id, place and terms of what is to be bound."""
        if name is None:
            if type_ is None:
                raise ValueError("a binding names a resource, or its type")
            found = self.holdings.of_type(type_)
            if found is None:
                raise ResourceMissing(self.core.name, f"of type {type_}", self.holdings.names)
            return found, self.core.name, self.holdings.terms(found)
        resource = self.holdings.id_of(name)
        elsewhere = resource.partition("/")[0] != self.core.name or self.holdings.whereto(resource) is not None
        if resource == name and by is BindingKind.IDENTIFIER and elsewhere and not self.holdings.has(resource):
            return resource, *self.referring.found(resource)
        resource = self.holdings.find(name)
        return resource, self.core.name, self.holdings.terms(resource)

    def use(self, agent: str, binding: str, method: str | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call a method of what an agent is bound to; None: give the thing itself, or its content.

        Raises
        ------
        ResourceGone, ResourceMissing, ResourceRefused, ResourceUnreachable, ResourceFailed, BindingReleased
        Exception
            What the method raises.
        """
        tie = self._tie(agent, binding)
        match tie.form:
            case "copy":
                value = tie.value()
                return value if method is None else getattr(value, method)(*args, **kwargs)
            case "local":
                with self.holdings.using(tie.resource, tie.seconds) as value:
                    return value if method is None else getattr(value, method)(*args, **kwargs)
            case "reference":
                return self.referring.use(tie, method, args, kwargs)

    def get(self, agent: str, name: str) -> Any:
        """A resource of this place itself.

        Raises
        ------
        ResourceMissing, ResourceGone, ResourceUnusable
        """
        resource = self.holdings.find(name)
        resident = self.core.known(agent)
        if resident is not None:
            resident.used.add(resource)
        return self.holdings.value_of(resource)

    def tell(self, agent: str, binding: str) -> dict[str, Any]:
        """How a binding stands."""
        tie = self._tie(agent, binding)
        taken = tie.form == "local" and not self.holdings.known(tie.resource)
        gone = tie.form == "local" and self.holdings.whereto(tie.resource) is not None
        return {
            "how": "gone" if taken or gone else tie.form,
            "resource": tie.resource,
            "place": self.core.name if tie.form != "reference" else tie.place,
            "by": tie.kind.value,
            "attachment": tie.attachment.value,
            "type": tie.type,
        }

    def release(self, agent: str, binding: str) -> None:
        """End a binding."""
        self._tie(agent, binding)
        self._ties(agent).pop(binding, None)

    def _ties(self, agent: str) -> dict[str, Tie]:
        resident = self.core.known(agent)
        if resident is None or resident.luggage is None:
            raise BindingReleased(agent)
        return resident.ties

    def _tie(self, agent: str, binding: str) -> Tie:
        found = self._ties(agent).get(binding)
        if found is None:
            raise BindingReleased(agent)
        return found

    # -- leaving

    def kept(self, resident: Resident) -> list[dict[str, Any]]:
        """The bindings of an agent that stays here, for a checkpoint or a clone beside it.

        Raises
        ------
        Exception
            If a copy cannot travel any more.
        """
        ties = resident.ties.values()
        return [TravellingTie(tie, content=tie.copied() if tie.form == "copy" else None).to_plain() for tie in ties]

    def plan(self, resident: Resident, to: str | None, *, clone: bool = False) -> BindingPlan:
        """What becomes of the bindings of an agent that goes to a place, or into a file; nobody's lock is held.

        Parameters
        ----------
        clone
            Whether it stays, and a clone of it goes.

        Raises
        ------
        MoveFailed
            It cannot go with a binding that it has; nothing is reserved.
        """
        made = BindingPlan()
        if not resident.ties:
            return made
        self.keep_changes(resident)
        there = self._types_at(resident, to)
        try:
            for tie in list(resident.ties.values()):
                made.records.append(self._planned(tie, to, clone, there, made).to_plain())
        except BaseException:
            self.holdings.unreserve(list(made.departing))
            raise
        return made

    def keep_changes(self, resident: Resident) -> None:
        """Write down what an agent may have changed of resources that were brought here, as far as that is possible."""
        used = resident.used | {tie.resource for tie in resident.ties.values() if tie.form == "local"}
        if used:
            try:
                self.holdings.save_changes(used)
            except StoreFailed as error:  # they stay here in any case, and only a crash would undo the change
                self.core.failed(error)

    def _types_at(self, resident: Resident, to: str | None) -> frozenset[str] | None:
        """Of which types a place has resources; None if nobody wants to know, or it is a file."""
        if to is None or not any(tie.kind is BindingKind.TYPE for tie in resident.ties.values()):
            return None
        try:
            told = self.core.transport.ask_place(to, LooksAt(), timeout=self.core.options.directory_seconds)
        except AgentsError as error:
            problem = f"{to} does not say what could be rebound there: {error.reason}"
            raise MoveFailed(to, problem, why="place-unreachable", here=self.core.name) from error
        if not isinstance(told, Description):
            problem = f"{to} does not say what could be rebound there"
            raise MoveFailed(to, problem, why="place-unreachable", here=self.core.name)
        return frozenset(row["type"] for row in told.about.get("declared", {}).values() if row["type"] is not None)

    def _planned(
        self, tie: Tie, to: str | None, clone: bool, there: frozenset[str] | None, made: BindingPlan
    ) -> TravellingTie:
        departing = tie.resource in made.departing
        local = tie.form == "local"
        at_hand = local and (departing or self.holdings.has(tie.resource))
        if at_hand:
            tie.attachment = self.holdings.terms(tie.resource).attachment
        situation = Situation(
            at_hand=at_hand,
            held=not local or self.holdings.known(tie.resource),
            may_leave=not at_hand or self.holdings.terms(tie.resource).may_leave,
            like_there=None if there is None else tie.type in there,
            original_stays=clone or to is None,
            is_reference=tie.form == "reference",
            is_copy=tie.form == "copy",
        )
        decision = decide_binding(tie.kind, tie.attachment, tie.declared, situation, prefer=tie.preferred)
        options: list[Movement] = []
        content: Content | None = None
        brought: tuple[int, ResourceTerms] | None = None
        problem: BaseException | None = None
        for movement in decision.movements:
            try:
                match movement:
                    case Movement.MOVE:
                        content, brought = self._taken(tie, to or "", made)
                    case Movement.COPY:
                        content = tie.copied() if tie.form == "copy" else self._copied(tie)
                    case Movement.REFERENCE if local:
                        tie.place = self.holdings.whereto(tie.resource) or self.core.name
            except Exception as error:  # of the value's own classes, or somebody else was quicker
                problem = error
                continue
            options.append(movement)
            if to is not None or movement is not Movement.REBIND:  # a file does not say what there will be
                break
        if not options:
            raise self._stuck(tie, to, decision.obstacles, problem)
        return TravellingTie(tie, tuple(options), content, brought)

    def _copied(self, tie: Tie) -> Content:
        if tie.form == "local" and not self.holdings.is_leaving(tie.resource):
            with self.holdings.using(tie.resource, tie.seconds):
                return self.holdings.content(tie.resource)[0]
        return self.holdings.content(tie.resource)[0]  # this very agent has reserved it

    def _taken(self, tie: Tie, to: str, made: BindingPlan) -> tuple[Content | None, tuple[int, ResourceTerms] | None]:
        if tie.resource in made.departing:
            return None, None  # it goes along by another binding of the same agent
        self.holdings.reserve(tie.resource, to)
        try:
            content, moves = self.holdings.content(tie.resource)
        except BaseException:
            self.holdings.unreserve([tie.resource])
            raise
        made.departing[tie.resource] = content
        return content, (moves + 1, self.holdings.terms(tie.resource))

    def _stuck(
        self,
        tie: Tie,
        to: str | None,
        obstacles: Sequence[tuple[Movement, Obstacle]],
        problem: BaseException | None,
    ) -> MoveFailed:
        whereto = to or "a file"
        why, told = "binding-refused", "; ".join(f"to {one} it: {_SAID[what]}" for one, what in obstacles)
        if isinstance(problem, ResourceGone) or any(what is Obstacle.NOT_AT_HAND for _, what in obstacles):
            gone = self.holdings.whereto(tie.resource)
            why, told = "resource-gone", f"it has moved to {gone}" if gone else "it is just leaving with another agent"
        elif any(what is Obstacle.WITHDRAWN for _, what in obstacles):
            why = "resource-missing"
        elif isinstance(problem, MobilityError):
            why, told = problem.slug, getattr(problem, "reason", None) or str(problem)
        elif problem is not None:
            told = f"its content cannot travel: {type(problem).__name__}: {problem}"
        elif any(what is Obstacle.NONE_THERE for _, what in obstacles):
            told = f"there is none of type {tie.type!r} to rebind to"
        wanted = tie.preferred or CELLS[tie.kind, tie.attachment][0]
        rest = [one.value for one in CELLS[tie.kind, tie.attachment] if one not in (wanted, *tie.declared)]
        remedy = f"Declare an alternative (otherwise={rest}), or release the binding, and try again."
        if not rest:
            remedy = "Release the binding, and try again; or go elsewhere."
        bound = f"the agent's binding by {tie.kind} to {tie.resource}, which is {tie.attachment}"
        # What is not there may be elsewhere: it is the place that cannot take the agent.
        there = why == "binding-refused" and any(what is Obstacle.NONE_THERE for _, what in obstacles)
        kind = MoveRefused if there else MoveFailed
        return kind(to, f"{bound}, cannot go to {whereto}: {told}", why=why, here=self.core.name, remedy=remedy)

    def write(self, plan: BindingPlan, agent: str, epoch: int, to: str) -> None:
        """Write down what leaves with an agent; from here on what becomes of the move decides.

        Raises
        ------
        StoreFailed
        """
        if plan.departing:
            self.holdings.leave(plan.departing, agent, epoch, to)
            plan.epoch = epoch

    def undo(self, plan: BindingPlan | None, agent: str) -> None:
        """The move did not come about: what was to go along is here as before."""
        if plan is None or not plan.departing:
            return
        if plan.epoch is None:
            self.holdings.unreserve(list(plan.departing))
        else:
            self._settle(agent, plan.epoch, gone=False)

    def left(self, plan: BindingPlan | None, agent: str, *, certain: bool) -> None:
        """The agent has left; if that is not certain, the directory is asked."""
        if plan is None or plan.epoch is None:
            return
        if certain:
            self._settle(agent, plan.epoch, gone=True)
        else:
            self.core.soon(self.resolve)

    def _settle(self, agent: str, epoch: int, *, gone: bool) -> None:
        try:
            self.holdings.settle(agent, epoch, gone)
        except StoreFailed as error:
            self.core.failed(error)
            self.core.soon(self.resolve, after=_PAUSE)

    def check_settled(self, agent: str) -> None:
        """Before an agent leaves: what it was to take along on an earlier move is settled.

        Raises
        ------
        AgentsError
            It is not, and cannot be now: the directory does not say, or the disk is full.
        """
        for each, epoch in self.holdings.open_departures():
            if each == agent and not self._resolved(each, epoch):
                problem = "what it was to take along on an earlier move is not settled yet"
                raise MoveFailed(None, problem, why="undecided", here=self.core.name, remedy="Try again in a moment.")

    def _resolved(self, agent: str, epoch: int) -> bool:
        """Settle a move by what the directory says of it; False: it does not say yet."""
        _, row = self.core.transport.ask_directory("locate", agent, timeout=self.core.options.directory_seconds)
        gone = came_about(row, epoch)
        if gone is None:
            return False
        self.holdings.settle(agent, epoch, gone)
        return True

    def resolve(self, pause: float = _PAUSE) -> None:
        """Learn from the directory what became of moves that took resources along, and whose end was not heard of."""
        waiting = False
        for agent, epoch in self.holdings.open_departures():
            resident = self.core.known(agent)
            outbound = resident.outbound if resident is not None else None
            if outbound is not None and outbound.plan is not None and outbound.plan.epoch == epoch:
                continue  # it is under way, and this place will hear of it
            try:
                waiting |= not self._resolved(agent, epoch)
            except MobilityError:  # nobody answers, or the disk is full
                waiting = True
        if waiting:
            self.core.soon(lambda: self.resolve(min(pause * 2, _LONGEST_PAUSE)), after=pause)

    # -- arriving

    def landing(self, rows: Sequence[Mapping[str, Any]], *, restored: bool, by_place: bool) -> dict[str, Tie]:
        """The bindings of an agent that is being let in, and what it brings; all of it dormant.

        Parameters
        ----------
        restored
            Whether it comes back from a checkpoint of this place's own: then nothing is refused, and what cannot be any
            more is told when it is used.
        by_place
            Whether a place has sent it: nobody else can bring resources in.

        Raises
        ------
        LuggageInvalid
        LandingRefused
            If a binding cannot be here.
        mobility.errors.MobilityError
            If what it brings cannot be decoded here.
        """
        try:
            coming = [TravellingTie.from_plain(row) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise LuggageInvalid(f"the agent's bindings cannot be read: {error}") from error
        if coming and not by_place:
            raise LuggageInvalid("it has bindings to resources, and was never at a place")
        brought = {one.tie.resource for one in coming if one.brought is not None}
        return {one.tie.id: self._landed(one, brought, restored) for one in coming}

    def _landed(self, one: TravellingTie, brought: set[str], restored: bool) -> Tie:
        tie = one.tie
        tie.content = one.content
        here = tie.resource in brought or self.holdings.has(tie.resource)
        if not one.options:  # it comes back from a checkpoint, or is a clone beside the original
            if tie.form == "reference" and here:
                tie.form, tie.place = "local", self.core.name
            return tie
        for option in one.options:
            match option:
                case Movement.MOVE:
                    tie.form, tie.place, tie.content = "local", self.core.name, None
                    if one.brought is not None and one.content is not None:
                        tie.brought = Brought(*one.brought, one.content)
                        if not restored:
                            tie.value()
                    return tie
                case Movement.COPY:
                    tie.form, tie.place = "copy", self.core.name
                    if not restored:
                        tie.value()
                    return tie
                case Movement.REFERENCE:
                    tie.content = None
                    tie.form = "local" if here else "reference"
                    tie.place = self.core.name if here else tie.place
                    return tie
                case Movement.REBIND:
                    found = self.holdings.of_type(tie.type or "", tie.origin)
                    if found is not None:
                        tie.resource, tie.form, tie.place, tie.content = found, "local", self.core.name, None
                        tie.attachment = self.holdings.terms(found).attachment
                        return tie
        if restored:
            tie.form, tie.place = "local", self.core.name
            return tie
        raise LandingRefused(
            self.core.name,
            "binding-refused",
            f"it has no resource of type {tie.type!r}, to which the agent's binding to {tie.resource} is to be rebound",
            "Go to a place that has one, declare an alternative (otherwise=...), or release the binding.",
        )

    def arrived(self, resident: Resident, staged: Staged) -> None:
        """An agent is here now: its bindings hold, and what it has brought is here."""
        resident.ties = staged.ties
        stay = staged.stay if staged.restored else resident.machine.visit.stay
        for agent, epoch in self.holdings.open_departures():
            if agent == resident.agent:
                self._settle(agent, epoch, gone=stay > epoch)
        for tie in staged.ties.values():
            brought = tie.brought
            if brought is None:
                continue
            made = None if staged.restored else tie.value
            try:
                self.holdings.install(tie.resource, brought.moves, brought.terms, brought.content, made)
            except StoreFailed as error:  # it is here, and is written down later; see `is_saved`
                self.core.failed(error)
            tie.forget()

    def is_saved(self) -> bool:
        """Whether all that agents have brought is written down, so that their checkpoints can be forgotten."""
        try:
            self.holdings.flush()
        except StoreFailed as error:
            self.core.failed(error)
            return False
        return True


_SAID: Final = {
    Obstacle.NOT_AT_HAND: "it is not here any more",
    Obstacle.MAY_NOT_LEAVE: "its content may not leave",
    Obstacle.NONE_THERE: "there is none of its type there",
    Obstacle.WITHDRAWN: "it is offered no more",
}
