"""The resources that a place holds: its own, and those that agents have brought; and where those went that have left.

Rules
-----
1. A resource keeps its id, ``"place/name"`` of its origin, wherever it goes; and it counts its moves. What comes in
   with a number that is not higher than the one known here came before, and changes nothing.
2. Before a resource is sent, it is written down with which agent, at which epoch and whereto it leaves; from then on
   nobody uses it here. What was under way has ended by then.
3. When the agent's move has come about, a mark stays that says whereto; when it has not, the resource is here again. A
   place that was killed in between learns from the directory which of the two it was (`came_about`).
4. What came in is written down before it is used, and outlives the agent and the process. Changes made to it since are
   written down when an agent that has used it takes a checkpoint, leaves or ends, before a call from elsewhere is
   answered, and when the place closes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from agents.checkpoints import CheckpointStore, KeptResource
from agents.errors import ResourceGone, ResourceMissing, ResourceRefused, StoreFailed
from agents.handoff import Row
from agents.resources import Resources, ResourceTerms
from mobility.bindings import Attachment
from mobility.plain import NotPlain, decode, encode
from mobility.state import dumps, loads

__all__ = ["Content", "Holding", "Holdings", "came_about"]


class _State(StrEnum):
    HERE = "here"
    LEAVING = "leaving"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Content:
    """A resource's content as bytes.

    Attributes
    ----------
    plain
        Whether the bytes are of the plain codec, else of `mobility.dumps`: only those that a place has signed are
        decoded.
    """

    data: bytes = field(repr=False)
    plain: bool

    @classmethod
    def of(cls, value: Any) -> Content:
        """The content of a value.

        Raises
        ------
        Exception
            Whatever the value's own pickling raises, if it cannot travel.
        """
        try:
            return cls(encode(value), True)
        except NotPlain:
            return cls(dumps(value), False)

    def value(self) -> Any:
        """The value, made anew.

        Raises
        ------
        mobility.errors.MobilityError
        """
        return decode(self.data) if self.plain else loads(self.data)


@dataclass(frozen=True, slots=True)
class Holding:
    """How a resource stands here, if it has ever moved.

    Attributes
    ----------
    state
        Whether it is here, leaving or gone.
    moves
        How often it had moved when it came to stand so.
    to, agent, epoch
        Of what leaves or has left: whereto, and with which agent at which epoch of the directory.
    brought
        Whether it was brought here, so that its content is kept here; else the place makes it by itself.
    """

    state: _State
    moves: int
    terms: ResourceTerms
    to: str | None = None
    agent: str | None = None
    epoch: int = -1
    brought: bool = False
    plain: bool = True

    def to_bytes(self) -> bytes:
        """As plain data."""
        terms = self.terms
        declared = [terms.attachment.value, terms.type, terms.may_leave, terms.exports]
        rest = [self.to, self.agent, self.epoch, self.brought, self.plain]
        return encode([self.state.value, self.moves, declared, *rest])

    @classmethod
    def from_bytes(cls, data: bytes) -> Holding:
        """From what `to_bytes` gave."""
        state, moves, (attachment, kind, may_leave, exports), *rest = decode(data)
        terms = ResourceTerms(attachment=Attachment(attachment), type=kind, may_leave=may_leave, exports=exports)
        return cls(_State(state), moves, terms, *rest)


def came_about(row: Row | None, epoch: int) -> bool | None:
    """Whether the move that began at an epoch has come about, by what the directory says; None: that is open.

    Whoever takes an agent begins a new stay, with a higher epoch than the one under which it was sent; whoever takes
    it back, restores or ends it where it was goes on with the old one.
    """
    if row is None or row.epoch <= epoch:
        return None
    return row.since > epoch


#: Seconds for which a resource that is to leave waits until nobody uses it any more.
_PATIENCE: Final = 5.0


class Holdings:
    """Of one place.

    Parameters
    ----------
    resources
        What the place offers by itself.
    store
        Where it is written down what has come and gone.
    """

    def __init__(self, place: str, resources: Resources, store: CheckpointStore) -> None:
        self.place = place
        self._resources = resources
        self._store = store
        self._changed = threading.Condition()
        self._known: dict[str, Holding] = {}
        self._contents: dict[str, bytes] = {}
        self._values: dict[str, Any] = {}
        self._uses: dict[str, int] = {}
        self._leaving: dict[str, str] = {}
        self._unsaved: set[str] = set()
        for kept in store.resources():
            assert kept.record is not None  # a row without one is deleted
            self._known[kept.resource] = Holding.from_bytes(kept.record)
            if kept.content:
                self._contents[kept.resource] = bytes(kept.content)

    # -- what there is

    def id_of(self, name: str) -> str:
        """The id of a resource of this place's own; an id stays as it is."""
        return name if "/" in name and not self._resources.has(name) else f"{self.place}/{name}"

    @property
    def names(self) -> tuple[str, ...]:
        """Of what is here: own ones by their names, others by name, or by id where the name stands for another one."""
        with self._changed:
            own = [name for name in self._resources.names if self._is_here(self.id_of(name))]
            brought = [each for each, holding in self._known.items() if holding.brought and self._is_here(each)]
        names = set(own)
        for resource in brought:
            name = resource.partition("/")[2]
            names.add(resource if name in names and self.id_of(name) != resource else name)
        return tuple(sorted(names))

    def find(self, name: str) -> str:
        """The id of the resource that a name stands for here, or of an id.

        Raises
        ------
        ResourceMissing, ResourceGone
        """
        own = self.id_of(name)
        with self._changed:
            if self._is_here(own):
                return own
            for resource, holding in self._known.items():
                if holding.brought and resource.partition("/")[2] == name and self._is_here(resource):
                    return resource
            if own in self._known or own in self._leaving:
                raise self._gone(own)
        if own.partition("/")[0] == self.place:
            self._resources.get(own.partition("/")[2])  # raises what it has to say
        raise ResourceMissing(self.place, name, self.names)

    def has(self, resource: str) -> bool:
        """Whether it is here and can be used."""
        with self._changed:
            return self._is_here(resource)

    def known(self, resource: str) -> bool:
        """Whether it is here, or it is known whereto it went."""
        with self._changed:
            return resource in self._known or resource in self._leaving or self._is_here(resource)

    def whereto(self, resource: str) -> str | None:
        """Whereto it went; None if it did not, or is just going."""
        with self._changed:
            holding = self._known.get(resource)
            return holding.to if holding is not None and holding.state is _State.GONE else None

    def terms(self, resource: str) -> ResourceTerms:
        """What is declared of it."""
        with self._changed:
            holding = self._known.get(resource)
        return holding.terms if holding is not None else self._resources.terms(resource.partition("/")[2])

    def declared(self) -> dict[str, dict[str, Any]]:
        """By name, for people and for other places: attachment and type of what is here."""
        told = {}
        for name in self.names:
            try:
                resource = self.find(name)
            except ResourceMissing:  # it has left just now
                continue
            terms = self.terms(resource)
            told[name] = {"resource": resource, "attachment": terms.attachment.value, "type": terms.type}
        return told

    def moved(self) -> dict[str, str]:
        """By id: whereto those went that were here."""
        with self._changed:
            return {
                resource: holding.to
                for resource, holding in self._known.items()
                if holding.state is _State.GONE and holding.to is not None
            }

    def of_type(self, kind: str, like: str = "") -> str | None:
        """One of a type that is here: that of this id if it is here, else one of its name, else the first by id."""
        found = [row["resource"] for row in self.declared().values() if row["type"] == kind]
        name = like.partition("/")[2]
        found.sort(key=lambda each: (each != like, each.partition("/")[2] != name, each))
        return found[0] if found else None

    def _is_here(self, resource: str) -> bool:
        if resource in self._leaving:
            return False
        holding = self._known.get(resource)
        if holding is not None:
            return holding.state is _State.HERE and (holding.brought or self._is_own(resource))
        return self._is_own(resource)

    def _is_own(self, resource: str) -> bool:
        place, _, name = resource.partition("/")
        return place == self.place and self._resources.has(name)

    def _gone(self, resource: str) -> ResourceMissing:
        holding = self._known.get(resource)
        if resource in self._leaving:
            return ResourceGone(self.place, resource, self._leaving[resource], leaving=True)
        if holding is not None and holding.state is not _State.HERE:
            return ResourceGone(self.place, resource, holding.to, leaving=holding.state is _State.LEAVING)
        return ResourceMissing(self.place, resource, self._resources.names)

    # -- using it

    @contextmanager
    def using(self, resource: str, seconds: float) -> Iterator[Any]:
        """The resource itself, which does not leave meanwhile; one that is just leaving is waited for.

        Raises
        ------
        ResourceMissing, ResourceGone, ResourceUnusable
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._is_here(resource):
                if not self._may_stay(resource) or not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise self._gone(resource)
            self._uses[resource] = self._uses.get(resource, 0) + 1
        try:
            yield self.value_of(resource)
        finally:
            with self._changed:
                left = self._uses[resource] - 1
                self._uses[resource] = left
                if not left:
                    del self._uses[resource]
                    self._changed.notify_all()

    def is_leaving(self, resource: str) -> bool:
        """Whether it is open whether it stays."""
        with self._changed:
            return self._may_stay(resource)

    def _may_stay(self, resource: str) -> bool:
        holding = self._known.get(resource)
        return resource in self._leaving or (holding is not None and holding.state is _State.LEAVING)

    def get(self, name: str) -> Any:
        """The resource that a name stands for.

        Raises
        ------
        ResourceMissing, ResourceGone, ResourceUnusable
        """
        return self.value_of(self.find(name))

    def value_of(self, resource: str) -> Any:
        """A resource itself, by its id."""
        with self._changed:
            holding = self._known.get(resource)
            if holding is None or not holding.brought:
                content = None
            elif resource in self._values:
                return self._values[resource]
            else:
                content = Content(self._contents[resource], holding.plain)
        if content is None:
            return self._resources.get(resource.partition("/")[2])
        value = content.value()
        with self._changed:
            return self._values.setdefault(resource, value)

    # -- leaving

    def reserve(self, resource: str, to: str) -> None:
        """Let nobody use it from now on, as it is to leave; wait until nobody does.

        Raises
        ------
        ResourceMissing, ResourceGone
            It is not here, or is leaving with somebody else.
        ResourceRefused
            It is in use for too long.
        """
        deadline = time.monotonic() + _PATIENCE
        with self._changed:
            if not self._is_here(resource):
                raise self._gone(resource)
            self._leaving[resource] = to
            while self._uses.get(resource):
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    self._stays(resource)
                    problem = f"it is still in use after {_PATIENCE:g} seconds, and cannot be moved meanwhile"
                    raise ResourceRefused(resource, self.place, problem, "Try again when it is not.")

    def content(self, resource: str) -> tuple[Content, int]:
        """Its content, and how often it has moved; of one that is reserved, or that stays.

        Raises
        ------
        Exception
            If it cannot travel.
        """
        with self._changed:
            holding = self._known.get(resource)
        return Content.of(self.value_of(resource)), holding.moves if holding is not None else 0

    def leave(self, departing: dict[str, Content], agent: str, epoch: int, to: str) -> None:
        """Write down that reserved resources leave with an agent.

        Raises
        ------
        StoreFailed
            They are reserved still.
        """
        changes = {}
        for resource, content in departing.items():
            before = self._known.get(resource) or Holding(_State.HERE, 0, self.terms(resource))
            changes[resource] = replace(
                before, state=_State.LEAVING, to=to, agent=agent, epoch=epoch, plain=content.plain
            )
        self._write(changes, {name: content.data for name, content in departing.items() if changes[name].brought})
        with self._changed:
            for resource in departing:
                self._leaving.pop(resource, None)

    def unreserve(self, resources: list[str]) -> None:
        """Let them be used again: they do not leave after all."""
        with self._changed:
            for resource in resources:
                self._stays(resource)

    def _stays(self, resource: str) -> None:
        self._leaving.pop(resource, None)
        self._changed.notify_all()

    def settle(self, agent: str, epoch: int, gone: bool) -> None:
        """The move of an agent that began at that epoch has come about, or has not.

        Raises
        ------
        StoreFailed
            It is still open here.
        """
        changes: dict[str, Holding | None] = {}
        for resource, holding in self._open(agent, epoch):
            if gone:
                changes[resource] = replace(holding, state=_State.GONE, moves=holding.moves + 1, brought=False)
            elif holding.brought or holding.moves:
                changes[resource] = replace(holding, state=_State.HERE, to=None, agent=None, epoch=-1)
            else:
                changes[resource] = None  # as if it had never been about to leave
        if changes:
            self._write(changes, dict.fromkeys(changes, b"") if gone else {})
            with self._changed:
                if gone:
                    for resource in changes:
                        self._values.pop(resource, None)
                        self._contents.pop(resource, None)
                self._changed.notify_all()

    def _open(self, agent: str, epoch: int) -> list[tuple[str, Holding]]:
        with self._changed:
            return [
                (resource, holding)
                for resource, holding in self._known.items()
                if holding.state is _State.LEAVING and (holding.agent, holding.epoch) == (agent, epoch)
            ]

    def open_departures(self) -> set[tuple[str, int]]:
        """The agents, each with the epoch of its move, of which it is not known whether they took something along."""
        with self._changed:
            return {
                (holding.agent or "", holding.epoch)
                for holding in self._known.values()
                if holding.state is _State.LEAVING
            }

    # -- coming in

    def is_news(self, resource: str, moves: int) -> bool:
        """Whether what comes in with this number of moves was not here before."""
        with self._changed:
            holding = self._known.get(resource)
            return moves > (holding.moves if holding is not None else 0)

    def install(
        self, resource: str, moves: int, terms: ResourceTerms, content: Content, value: Callable[[], Any] | None
    ) -> bool:
        """Take in what an agent has brought, once; whether it was news.

        Parameters
        ----------
        value
            Gives the value if it was made already.

        Raises
        ------
        StoreFailed
            It is here, and is not written down yet; see `flush`.
        """
        with self._changed:
            if not self.is_news(resource, moves):
                return False
            self._known[resource] = Holding(_State.HERE, moves, terms, brought=True, plain=content.plain)
            self._contents[resource] = content.data
            self._values.pop(resource, None)
            if value is not None:
                self._values[resource] = value()
            self._unsaved.add(resource)
            self._changed.notify_all()
        self.flush()
        return True

    def flush(self) -> None:
        """Write down what could not be written when it came in.

        Raises
        ------
        StoreFailed
        """
        with self._changed:
            waiting = {each: self._known[each] for each in self._unsaved}
            contents = {each: self._contents[each] for each in waiting if each in self._contents}
            if waiting:
                self._write(dict(waiting), contents)
                self._unsaved -= set(waiting)

    def save_changes(self, resources: Collection[str] | None = None) -> None:
        """Write down what was changed of what was brought here, or of some of it, as far as it can be.

        Raises
        ------
        StoreFailed
        """
        with self._changed:
            made = [
                (each, self._values[each], holding)
                for each, holding in self._known.items()
                if (resources is None or each in resources)
                and (each in self._values and holding.brought and self._is_here(each))
            ]
        for resource, value, holding in made:
            try:
                content = Content.of(value)
            except StoreFailed:
                raise
            except Exception:  # it cannot travel as it is now: what is written down stays as it was
                continue
            with self._changed:
                if self._known.get(resource) == holding and content.data != self._contents.get(resource):
                    self._write({resource: replace(holding, plain=content.plain)}, {resource: content.data})

    def _write(self, changes: dict[str, Any], contents: dict[str, bytes]) -> None:
        """On disk, then in memory."""
        with self._changed:
            kept = [
                KeptResource(each, None if holding is None else holding.to_bytes(), contents.get(each))
                for each, holding in changes.items()
            ]
            self._store.keep_resources(kept)
            for each, holding in changes.items():
                if holding is None:
                    self._known.pop(each, None)
                else:
                    self._known[each] = holding
                if contents.get(each):
                    self._contents[each] = contents[each]
