"""A binding of an agent, as its place keeps it while the agent is there, and as it travels in the luggage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from agents.place.holdings import Content
from agents.resources import ResourceTerms
from mobility.bindings import CELLS, Attachment, BindingKind, Movement

__all__ = ["Brought", "Form", "Tie", "TravellingTie"]

#: What a binding is: to what is here, to what is elsewhere, or to the agent's own copy.
Form: TypeAlias = Literal["local", "reference", "copy"]
_FORMS: Final = ("local", "reference", "copy")
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Brought:
    """A resource that an agent brings along.

    Attributes
    ----------
    moves
        How often it will have moved when it is here.
    """

    moves: int
    terms: ResourceTerms
    content: Content


@dataclass(slots=True, eq=False)
class Tie:
    """One binding of an agent.

    Attributes
    ----------
    prefer, otherwise
        What the agent wants instead of what its cell of the table prefers, and the alternatives that it accepts, in its
        order.
    resource
        Id of the resource.
    attachment, type
        Of the resource, as far as is known here.
    seconds
        How long one use of it may take while it is elsewhere.
    place
        Where the resource is, as far as is known here.
    content
        Of a copy that was not made yet.
    brought
        The resource itself, while the agent that brings it lies dormant.
    origin
        Id of the resource that was bound first: of several like it, that one is taken where it is.
    """

    id: str
    kind: BindingKind
    prefer: Movement | None
    otherwise: tuple[Movement, ...]
    resource: str
    attachment: Attachment
    type: str | None
    seconds: float
    form: Form
    place: str
    content: Content | None = None
    brought: Brought | None = None
    origin: str = ""
    made: Any = field(default=_NOTHING, repr=False)

    @property
    def declared(self) -> tuple[Movement, ...]:
        """The alternatives that its cell of the table has; the resource may be another one by now."""
        return tuple(each for each in self.otherwise if each in CELLS[self.kind, self.attachment])

    @property
    def preferred(self) -> Movement | None:
        """The same of what it wants first."""
        return self.prefer if self.prefer in CELLS[self.kind, self.attachment] else None

    def value(self) -> Any:
        """The agent's own copy, or what it brings, made when it is first asked for.

        Raises
        ------
        mobility.errors.MobilityError
        """
        if self.made is _NOTHING:
            content = self.brought.content if self.brought is not None else self.content
            assert content is not None
            self.made = content.value()
        return self.made

    def forget(self) -> None:
        """Hold no value any more: it is the place's now."""
        self.content, self.brought, self.made = None, None, _NOTHING

    def copied(self) -> Content:
        """The content of the agent's own copy as it is now.

        Raises
        ------
        Exception
            If it cannot travel any more.
        """
        if self.made is _NOTHING and self.content is not None:
            return self.content
        return Content.of(self.made)


@dataclass(frozen=True, slots=True)
class TravellingTie:
    """A binding as it travels.

    Attributes
    ----------
    options
        What the destination may do, the best first; empty: all stays as it is.
    content
        Of what is copied or moved.
    brought
        Of what is moved: how often it will have moved, and its terms; with an empty content the resource comes by
        another binding of the same agent.
    """

    tie: Tie
    options: tuple[Movement, ...] = ()
    content: Content | None = None
    brought: tuple[int, ResourceTerms] | None = None

    def to_plain(self) -> dict[str, Any]:
        """As plain data."""
        tie = self.tie
        row: dict[str, Any] = {
            "id": tie.id,
            "by": tie.kind.value,
            "prefer": None if tie.prefer is None else tie.prefer.value,
            "otherwise": [each.value for each in tie.otherwise],
            "resource": tie.resource,
            "attachment": tie.attachment.value,
            "type": tie.type,
            "seconds": tie.seconds,
            "origin": tie.origin,
            "form": tie.form,
            "place": tie.place,
            "options": [each.value for each in self.options],
        }
        if self.content is not None:
            row["content"] = [self.content.data, self.content.plain]
        if self.brought is not None:
            moves, terms = self.brought
            row["brought"] = [moves, terms.attachment.value, terms.type, terms.may_leave, terms.exports]
        return row

    @classmethod
    def from_plain(cls, row: Mapping[str, Any]) -> TravellingTie:
        """From what `to_plain` gave.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is nothing that a place writes.
        """
        form = row["form"]
        if form not in _FORMS or not isinstance(row["resource"], str) or "/" not in row["resource"]:
            raise ValueError("a binding in it is of no known form")
        tie = Tie(
            str(row["id"]),
            BindingKind(row["by"]),
            None if row["prefer"] is None else Movement(row["prefer"]),
            tuple(map(Movement, row["otherwise"])),
            row["resource"],
            Attachment(row["attachment"]),
            row["type"],
            float(row["seconds"]),
            form,
            str(row["place"]),
            origin=str(row["origin"]),
        )
        content, brought = None, None
        if "content" in row:
            data, plain = row["content"]
            content = Content(bytes(data), bool(plain))
        if "brought" in row:
            moves, attachment, kind, may_leave, exports = row["brought"]
            terms = ResourceTerms(
                attachment=Attachment(attachment),
                type=kind,
                may_leave=bool(may_leave),
                exports=None if exports is None else tuple(map(str, exports)),
            )
            brought = (int(moves), terms)
        return cls(tie, tuple(map(Movement, row["options"])), content, brought)
