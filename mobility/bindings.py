"""Bindings of a computation to resources, and what becomes of one when the computation moves.

The table is that of Fuggetta, Picco and Vigna, *Understanding Code Mobility*, IEEE Transactions on Software Engineering
24(5), 1998, in the form in which lectures on distributed systems give it. The first entry of a cell is preferred, the
others are alternatives.

Rules
-----
1. The cell's preferred movement is tried first, unless the unit wants another one of the cell instead. Of the
   alternatives those are tried that the unit has declared, in its order.
2. What is moved or copied leaves its place: only what is there, and may leave, can be.
3. A binding by value is one to a content: where that may not leave, neither may a reference to it.
4. Where the original stays, as in cloning or in a file, nothing is moved away from it: a move becomes a reference where
   the cell has one, else a copy.
5. A binding that is a reference already can stay one, and a copy that is carried can be carried on.

Nothing here moves anything: `decide_binding` says what may be done, `agents` does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = [
    "CELLS",
    "Attachment",
    "BindingKind",
    "Decision",
    "Movement",
    "Obstacle",
    "Situation",
    "checked_alternatives",
    "decide_binding",
]


class Attachment(StrEnum):
    """How a resource is tied to its machine."""

    #: Easily moved, like a value or a small file.
    UNATTACHED = "unattached"
    #: Movable at a great cost, like a large data set.
    FASTENED = "fastened"
    #: Not movable, like a printer or a port.
    FIXED = "fixed"


class BindingKind(StrEnum):
    """How a computation is tied to a resource."""

    #: It must be exactly that one.
    IDENTIFIER = "identifier"
    #: Its content is what matters.
    VALUE = "value"
    #: Any of the kind will do.
    TYPE = "type"


class Movement(StrEnum):
    """What becomes of a binding on a move; each can also be given by the letters of the table, as in ``"MV"``."""

    #: MV: the resource goes along, and its old place has it no more.
    MOVE = "move"
    #: GR: the resource stays, and is reached over the network.
    REFERENCE = "reference"
    #: CP: its content goes along.
    COPY = "copy"
    #: RB: one of the same type at the destination takes its part.
    REBIND = "rebind"

    @classmethod
    def _missing_(cls, value: object) -> Movement | None:
        return {"MV": cls.MOVE, "GR": cls.REFERENCE, "CP": cls.COPY, "RB": cls.REBIND}.get(str(value))

    @property
    def letters(self) -> str:
        """As in the table."""
        return {"move": "MV", "reference": "GR", "copy": "CP", "rebind": "RB"}[self.value]


_MV, _GR, _CP, _RB = Movement.MOVE, Movement.REFERENCE, Movement.COPY, Movement.REBIND

#: The nine cells; in each the preferred movement comes first.
CELLS: Final[Mapping[tuple[BindingKind, Attachment], tuple[Movement, ...]]] = MappingProxyType(
    {
        (BindingKind.IDENTIFIER, Attachment.UNATTACHED): (_MV, _GR),
        (BindingKind.IDENTIFIER, Attachment.FASTENED): (_GR, _MV),
        (BindingKind.IDENTIFIER, Attachment.FIXED): (_GR,),
        (BindingKind.VALUE, Attachment.UNATTACHED): (_CP, _MV, _GR),
        (BindingKind.VALUE, Attachment.FASTENED): (_GR, _CP),
        (BindingKind.VALUE, Attachment.FIXED): (_GR,),
        (BindingKind.TYPE, Attachment.UNATTACHED): (_RB, _MV, _CP),
        (BindingKind.TYPE, Attachment.FASTENED): (_RB, _GR, _CP),
        (BindingKind.TYPE, Attachment.FIXED): (_RB, _GR),
    }
)


class Obstacle(StrEnum):
    """Why a movement cannot be."""

    #: The resource is not where the unit leaves from, so that it cannot be taken along.
    NOT_AT_HAND = "not-at-hand"
    #: Its place does not let its content leave.
    MAY_NOT_LEAVE = "may-not-leave"
    #: The destination has none of the type.
    NONE_THERE = "none-there"
    #: Nobody holds it any more.
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Of one binding before a move.

    Attributes
    ----------
    at_hand
        Whether the resource is at the place from which the unit leaves, and is not just leaving with another one.
    held
        Whether any place is known to hold it.
    may_leave
        Whether its place lets its content leave.
    like_there
        Whether the destination has a resource of the type; None if that is not known, as for a file.
    original_stays
        Whether the unit is cloned, or written to a file.
    is_reference, is_copy
        What the binding is already.
    """

    at_hand: bool = True
    held: bool = True
    may_leave: bool = True
    like_there: bool | None = None
    original_stays: bool = False
    is_reference: bool = False
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be done.

    Attributes
    ----------
    movements
        Those that are possible, the best first; none: the unit cannot move with this binding.
    obstacles
        Those that were wanted and are not possible, and why.
    """

    movements: tuple[Movement, ...]
    obstacles: tuple[tuple[Movement, Obstacle], ...] = ()


def checked_alternatives(
    kind: BindingKind, attachment: Attachment, declared: Iterable[Movement | str]
) -> tuple[Movement, ...]:
    """The alternatives that a unit declares for a binding, checked against the table.

    Raises
    ------
    ValueError
        If one is no movement, or none of the binding's cell.
    """
    cell = CELLS[kind, attachment]
    found = tuple(Movement(each) for each in declared)
    for each in found:
        if each not in cell:
            allowed = ", ".join(f"{one} ({one.letters})" for one in cell)
            raise ValueError(f"a resource that is {attachment}, bound by {kind}, has {allowed}, and no {each}")
    return found


def decide_binding(
    kind: BindingKind,
    attachment: Attachment,
    otherwise: Iterable[Movement | str],
    situation: Situation,
    *,
    prefer: Movement | str | None = None,
) -> Decision:
    """What may be done with a binding on one move.

    Parameters
    ----------
    otherwise
        The alternatives that the unit declares, in its order; see `checked_alternatives`.
    prefer
        What it wants instead of the cell's preferred movement.

    Raises
    ------
    ValueError
        As `checked_alternatives`.
    """
    possible: list[Movement] = []
    obstacles: list[tuple[Movement, Obstacle]] = []
    first = (CELLS[kind, attachment][0] if prefer is None else prefer,)
    for movement in _wanted(kind, attachment, checked_alternatives(kind, attachment, (*first, *otherwise)), situation):
        obstacle = _obstacle(kind, movement, situation)
        if obstacle is None:
            possible.append(movement)
        else:
            obstacles.append((movement, obstacle))
    return Decision(tuple(possible), tuple(obstacles))


def _wanted(
    kind: BindingKind, attachment: Attachment, accepted: tuple[Movement, ...], situation: Situation
) -> tuple[Movement, ...]:
    cell = CELLS[kind, attachment]
    if situation.is_copy:
        return (_RB, _CP) if kind is BindingKind.TYPE else (_CP,)
    wanted = list(accepted)
    if situation.original_stays:
        instead = _GR if _GR in cell else _CP
        wanted = [instead if each is _MV else each for each in wanted]
    if situation.is_reference:
        wanted.append(_GR)
    return tuple(dict.fromkeys(wanted))


def _obstacle(kind: BindingKind, movement: Movement, situation: Situation) -> Obstacle | None:
    match movement:
        case Movement.COPY if situation.is_copy:
            return None
        case Movement.MOVE | Movement.COPY:
            if not situation.held:
                return Obstacle.WITHDRAWN
            if not situation.at_hand:
                return Obstacle.NOT_AT_HAND
            return None if situation.may_leave else Obstacle.MAY_NOT_LEAVE
        case Movement.REFERENCE:
            if not situation.held:
                return Obstacle.WITHDRAWN
            return Obstacle.MAY_NOT_LEAVE if kind is BindingKind.VALUE and not situation.may_leave else None
        case Movement.REBIND:
            return Obstacle.NONE_THERE if situation.like_there is False else None
