"""What is left of an itinerary, and how far an agent has walked.

What is left of a term after a place is its residual: the derivative of Brzozowski ("Derivatives of regular
expressions", JACM 11(4), 1964), kept as a set, because the same place may begin several parts. A residual is a term,
too.

`any_order` of n places has one residual after each place. Where many residuals are possible at once (parts that begin
with the same places), no more than 512 are followed; what needs more is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from mobility.trust.errors import ItineraryInvalid
from mobility.trust.itinerary import (
    Alternatives,
    AnyOrder,
    Itinerary,
    Loop,
    OnFailure,
    Ordered,
    Stop,
    spelled_out,
)

__all__ = ["FINISHED", "Finished", "Residual", "Walk", "choices", "fewest_hops", "goes_home"]

MOST_RESIDUALS: Final = 512


@dataclass(frozen=True, slots=True)
class Finished:
    """What is left when nothing is."""

    def __str__(self) -> str:
        return "nothing"


Residual: TypeAlias = Itinerary | Finished
FINISHED: Final = Finished()


def _sequence(first: Residual, rest: tuple[Itinerary, ...]) -> Residual:
    head = () if isinstance(first, Finished) else first.parts if isinstance(first, Ordered) else (first,)
    parts = (*head, *rest)
    if not parts:
        return FINISHED
    return parts[0] if len(parts) == 1 else Ordered(parts)


def _others(parts: tuple[Itinerary, ...], number: int) -> tuple[Itinerary, ...]:
    """What is left of parts in any order, as something that may follow."""
    left = (*parts[:number], *parts[number + 1 :])
    if len(left) < 2:
        return left
    return (AnyOrder(left),)


def _rounds(term: Loop) -> tuple[Itinerary, ...]:
    if term.times == 1:
        return ()
    return (replace(term, times=term.times - 1) if term.times > 2 else term.part,)


def choices(term: Residual) -> Iterator[tuple[Stop, Residual]]:
    """The stops that may come next without skipping any, the preferred one first, each with what is left after it."""
    match term:
        case Stop():
            yield term, FINISHED
        case Ordered(parts):
            for stop, left in choices(parts[0]):
                yield stop, _sequence(left, parts[1:])
        case AnyOrder(parts):
            for number, part in enumerate(parts):
                for stop, left in choices(part):
                    yield stop, _sequence(left, _others(parts, number))
        case Alternatives(parts):
            for part in parts:
                yield from choices(part)
        case Loop(part):
            for stop, left in choices(part):
                yield stop, _sequence(left, _rounds(term))


def _may_be_skipped(term: Residual) -> bool:
    match term:
        case Stop():
            return term.on_failure is OnFailure.SKIP
        case Loop(part):
            return _may_be_skipped(part)
        case Alternatives(parts):
            return any(map(_may_be_skipped, parts))
        case Finished():
            return True
        case _:
            return all(map(_may_be_skipped, term.parts))


def _after(term: Residual, place: str) -> Iterator[tuple[Stop, Residual]]:
    """The stops at a place that may come next, also after what may be skipped, each with what is left after it."""
    match term:
        case Stop():
            if term.place == place:
                yield term, FINISHED
        case Ordered(parts):
            for number, part in enumerate(parts):
                for stop, left in _after(part, place):
                    yield stop, _sequence(left, parts[number + 1 :])
                if not _may_be_skipped(part):
                    return
        case AnyOrder(parts):
            for number, part in enumerate(parts):
                for stop, left in _after(part, place):
                    yield stop, _sequence(left, _others(parts, number))
        case Alternatives(parts):
            for part in parts:
                yield from _after(part, place)
        case Loop(part):
            for stop, left in _after(part, place):
                yield stop, _sequence(left, _rounds(term))


def _heads(term: Residual) -> Iterator[Stop]:
    """The stops that may come next, also after what may be skipped."""
    match term:
        case Stop():
            yield term
        case Ordered(parts):
            for part in parts:
                yield from _heads(part)
                if not _may_be_skipped(part):
                    return
        case AnyOrder(parts) | Alternatives(parts):
            for part in parts:
                yield from _heads(part)
        case Loop(part):
            yield from _heads(part)


@dataclass(frozen=True, slots=True)
class Walk:
    """How far somebody has walked: the place, and all that may be left of the itinerary, the preferred one first.

    Attributes
    ----------
    left
        Residuals whose stops say what they do `on_failure`; empty if the way was left.
    here
        The place; None: it is not known.
    home
        Of the certificate.
    """

    left: tuple[Residual, ...]
    here: str | None
    home: str | None

    @classmethod
    def begun(cls, itinerary: Itinerary, home: str | None) -> Walk:
        """At home, before the first hop."""
        return cls((spelled_out(itinerary),), home, home)

    def stayed(self) -> tuple[Residual, ...]:
        """What may be left after visits to the present place, which need no hop.

        Raises
        ------
        ItineraryInvalid
            If there are too many.
        """
        if self.here is None:
            return self.left
        found = dict.fromkeys(self.left)
        waiting = list(self.left)
        while waiting:
            term = waiting.pop(0)
            for stop, left in _after(term, self.here):
                if stop.on_failure is not OnFailure.SKIP and left not in found:  # else `term` allows the same
                    found[left] = None
                    waiting.append(left)
            if len(found) > MOST_RESIDUALS:
                found = dict.fromkeys(_pruned(found))
                waiting = [term for term in waiting if term in found]
                _check_count(found)
        return tuple(found)

    def to(self, place: str) -> Walk:
        """After a hop; without anything left if that is off the itinerary.

        Raises
        ------
        ItineraryInvalid
            If too much may be left.
        """
        found: dict[Residual, None] = {}
        before = self.stayed()
        for term in before:
            for _, left in _after(term, place):
                found[left] = None
            if len(found) > MOST_RESIDUALS:
                found = dict.fromkeys(_pruned(found))
                _check_count(found)
        if place == self.home and any(map(goes_home, before)):
            found[FINISHED] = None
        return Walk(tuple(_pruned(found)), place, self.home)

    def leads_to(self) -> tuple[str, ...]:
        """The places to which the next hop may lead."""
        places: dict[str, None] = {}
        for term in self.stayed():
            places |= dict.fromkeys(stop.place for stop in _heads(term))
            if self.home is not None and goes_home(term):
                places[self.home] = None
        return tuple(place for place in places if place != self.here)


def goes_home(term: Residual) -> bool:
    """Whether one of the next stops says that the agent goes home where it fails."""
    return any(stop.on_failure is OnFailure.HOME for stop in _heads(term))


def _check_count(found: Sequence[Residual] | dict[Residual, None]) -> None:
    if len(found) > MOST_RESIDUALS:
        raise ItineraryInvalid(
            f"after this way more than {MOST_RESIDUALS} different rests of the itinerary are possible",
            state="The agent is where it was.",
            remedy="Launch it with an itinerary whose parts begin with different places.",
        )


def _pruned(found: Iterable[Residual]) -> list[Residual]:
    """Without those that allow no more than another one does: one that ends with fewer rounds of the same loop."""
    kept: dict[tuple[Any, ...], tuple[int, Residual]] = {}
    for term in found:
        parts = term.parts if isinstance(term, Ordered) else (term,)
        last = parts[-1]
        rounds, key = (last.times, (*parts[:-1], "loop", last.part)) if isinstance(last, Loop) else (0, parts)
        if key not in kept or kept[key][0] < rounds:
            kept[key] = rounds, term
    return [term for _, term in kept.values()]


# -- what is known of a term before anybody walks it ------------------------------------------------------------------


def fewest_hops(term: Itinerary, home: str | None) -> int:
    """How many hops a whole walk from home needs at least, if nothing fails on the way."""
    needed = _cheapest(spelled_out(term))
    if needed is None:
        return 0
    hops, first, _ = needed
    return hops + (home is not None and home not in first)


_Cost: TypeAlias = tuple[int, frozenset[str], frozenset[str]]


def _cheapest(term: Itinerary) -> _Cost | None:
    """Hops within the term, and the places where such walks may begin and end; None: it may be skipped.

    Too low rather than too high: which beginning belongs to which end is not looked at.
    """
    if _may_be_skipped(term):
        return None
    match term:
        case Stop(place):
            return 0, frozenset({place}), frozenset({place})
        case Loop(part, times):
            one = _cheapest(part)
            assert one is not None
            hops, first, last = one
            return times * hops + (times - 1) * (not first & last), first, last
        case Alternatives(parts):
            found = [cost for cost in map(_cheapest, parts) if cost is not None]
            return (
                min(hops for hops, _, _ in found),
                frozenset().union(*(first for _, first, _ in found)),
                frozenset().union(*(last for _, _, last in found)),
            )
        case Ordered(parts):
            total: _Cost | None = None
            for part in parts:
                cost = _cheapest(part)
                if cost is not None:
                    total = cost if total is None else _joined(total, cost)
            return total
        case AnyOrder(parts):
            found = [cost for cost in map(_cheapest, parts) if cost is not None]
            # No hop is needed between two parts that may meet at one place.
            meeting = sum(
                any((one[1] | one[2]) & (other[1] | other[2]) for other in found if other is not one) for one in found
            )
            return (
                sum(hops for hops, _, _ in found) + len(found) - 1 - max(0, meeting - 1),
                frozenset().union(*(first for _, first, _ in found)),
                frozenset().union(*(last for _, _, last in found)),
            )


def _joined(one: _Cost, other: _Cost) -> _Cost:
    return one[0] + other[0] + (not one[2] & other[1]), one[1], other[2]
