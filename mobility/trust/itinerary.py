"""Itineraries: where an agent may go, and in which order, as a term that its owner signs.

A term stands for a set of walks, each a row of places. An agent that has walked a way may go on to a place if some walk
of the set begins with that way and that place (`mobility.trust.walk`).

================  ==================================================================================================
`visit`           one place
`ordered`         its parts, one after the other
`any_order`       its parts, each once, in any order; what belongs to one part is not mixed with another
`alternatives`    one of its parts; the first one is preferred
`loop`            its part, so many times
================  ==================================================================================================

Rules
-----
1. A place where the agent is already needs no hop: to stay is to visit it, once or several times in a row. Walks are
   the same if they differ in nothing else. Records that stay where they are (checkpoints, children born here) change
   nothing.
2. Where `on_failure` is "skip", the walk without that place is a walk, too; nobody has to prove that it was down.
3. Where it is "home", the agent may go to the home of its certificate in place of that stop; nothing follows then.
4. "wait" and "fail" (the default) allow nothing more. What a term says holds for all in it that says nothing itself.
5. An agent may end anywhere on its way.
6. A clone or a child continues the walk of its parent from where it branched off.
7. No term has more than 128 parts, 8 levels or 4096 visits.

Not handled: that a place to which the agent was sent has let it do its work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar

from mobility.trust._naming import NAME, require_name
from mobility.trust.errors import ItineraryInvalid
from mobility.trust.strict import Array, Choice, Integer, Maybe, Record, Schema, Tagged

__all__ = [
    "ITINERARY",
    "Alternatives",
    "AnyOrder",
    "Itinerary",
    "Loop",
    "OnFailure",
    "Ordered",
    "Stop",
    "alternatives",
    "any_order",
    "as_itinerary",
    "check_itinerary",
    "loop",
    "ordered",
    "spelled_out",
    "stops_of",
    "visit",
]

MOST_PARTS: Final = 128
MOST_LEVELS: Final = 8
MOST_TIMES: Final = 4096
MOST_VISITS: Final = 4096
_T = TypeVar("_T", bound="Itinerary")
_DAY: Final = 24 * 60 * 60
MOST_PATIENCE: Final = 365 * _DAY


class OnFailure(StrEnum):
    """What becomes of a stop that is unknown, down or refuses, when there is no alternative."""

    #: The refusal is raised at the agent's ``yield``.
    FAIL = "fail"
    #: The next stop is tried.
    SKIP = "skip"
    #: It is tried again and again, for as long as the patience lasts.
    WAIT = "wait"
    #: The agent goes to the home of its certificate, and the itinerary is over.
    HOME = "home"


@dataclass(frozen=True, slots=True)
class Stop:
    """See `visit`."""

    place: str
    on_failure: OnFailure | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        _check_terms(self)
        try:
            require_name(self.place)
        except (ValueError, TypeError) as error:
            raise ItineraryInvalid(f"a stop is the name of a place: {error}") from None

    def __str__(self) -> str:
        return f"{self.place}{_policy(self)}"


@dataclass(frozen=True, slots=True)
class Ordered:
    """See `ordered`."""

    parts: tuple[Itinerary, ...]
    on_failure: OnFailure | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        _check_terms(self)
        _check_parts(self.parts, "ordered")

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.parts))}){_policy(self)}"


@dataclass(frozen=True, slots=True)
class AnyOrder:
    """See `any_order`."""

    parts: tuple[Itinerary, ...]
    on_failure: OnFailure | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        _check_terms(self)
        _check_parts(self.parts, "any_order")

    def __str__(self) -> str:
        return f"{{{', '.join(map(str, self.parts))}}}{_policy(self)}"


@dataclass(frozen=True, slots=True)
class Alternatives:
    """See `alternatives`."""

    parts: tuple[Itinerary, ...]
    on_failure: OnFailure | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        _check_terms(self)
        _check_parts(self.parts, "alternatives")

    def __str__(self) -> str:
        return f"({' | '.join(map(str, self.parts))}){_policy(self)}"


@dataclass(frozen=True, slots=True)
class Loop:
    """See `loop`."""

    part: Itinerary
    times: int
    on_failure: OnFailure | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        _check_terms(self)
        _check_parts((self.part,), "loop")
        if type(self.times) is not int or not 1 <= self.times <= MOST_TIMES:
            raise ItineraryInvalid(f"a loop goes round 1 to {MOST_TIMES} times, not {self.times!r}")

    def __str__(self) -> str:
        return f"{self.part} x {self.times}{_policy(self)}"


Itinerary: TypeAlias = Stop | Ordered | AnyOrder | Alternatives | Loop
_TERMS: Final = (Stop, Ordered, AnyOrder, Alternatives, Loop)


def _policy(term: Itinerary) -> str:
    if term.on_failure is None or term.on_failure is OnFailure.FAIL:
        return ""
    return f" or {term.on_failure}" + (f" {term.patience} s" if term.patience is not None else "")


def _check_terms(term: Itinerary) -> None:
    if term.on_failure is not None and type(term.on_failure) is not OnFailure:
        raise ItineraryInvalid(f"on_failure is one of {', '.join(OnFailure)}, not {term.on_failure!r}")
    if term.patience is not None and (type(term.patience) is not int or not 0 <= term.patience <= MOST_PATIENCE):
        raise ItineraryInvalid(f"patience is a whole number of seconds up to a year, not {term.patience!r}")


def _check_parts(parts: object, what: str) -> None:
    if type(parts) is not tuple or not all(isinstance(part, _TERMS) for part in parts):
        raise ItineraryInvalid(f"the parts of {what} are places and itineraries, not {parts!r}"[:300])
    if not parts:
        raise ItineraryInvalid(f"{what} has no parts, so nobody could walk it")


# -- making them ------------------------------------------------------------------------------------------------------


def as_itinerary(value: Any) -> Itinerary:
    """A term; the name of a place stands for a visit to it, and a list of terms for those in order.

    Raises
    ------
    ItineraryInvalid
    """
    if isinstance(value, _TERMS):
        return value
    if isinstance(value, str):
        return Stop(value)
    if isinstance(value, list | tuple):
        return ordered(*value)
    name = getattr(value, "name", None)  # one of `Platform.places`, or a `Here`
    if isinstance(name, str):
        return Stop(name)
    raise ItineraryInvalid(f"a part of an itinerary is a place or a term, not a {type(value).__qualname__}")


def visit(place: Any, *, on_failure: str | None = None, patience: int | None = None) -> Stop:
    """One place.

    Parameters
    ----------
    place
        Its name.
    on_failure
        "fail", "skip", "wait" or "home", if it is unknown, down or refuses; None: as the term around it says, else
        "fail".
    patience
        Seconds, for "wait".

    Raises
    ------
    ItineraryInvalid
    """
    stop = as_itinerary(place)
    if not isinstance(stop, Stop):
        raise ItineraryInvalid(f"a place is visited, not {stop}")
    return _checked(Stop(stop.place, _failure(on_failure), patience))


def ordered(*parts: Any, on_failure: str | None = None, patience: int | None = None) -> Ordered:
    """The parts one after the other; `on_failure` and `patience` hold for all in them that says nothing itself.

    Raises
    ------
    ItineraryInvalid
    """
    return _checked(Ordered(tuple(map(as_itinerary, parts)), _failure(on_failure), patience))


def any_order(*parts: Any, on_failure: str | None = None, patience: int | None = None) -> AnyOrder:
    """Each of the parts once, whichever comes first; the order in which they are given is the one preferred.

    Raises
    ------
    ItineraryInvalid
    """
    return _checked(AnyOrder(tuple(map(as_itinerary, parts)), _failure(on_failure), patience))


def alternatives(*parts: Any, on_failure: str | None = None, patience: int | None = None) -> Alternatives:
    """One of the parts: the first one of which a place lets the agent in.

    Raises
    ------
    ItineraryInvalid
    """
    return _checked(Alternatives(tuple(map(as_itinerary, parts)), _failure(on_failure), patience))


def loop(part: Any, times: int, *, on_failure: str | None = None, patience: int | None = None) -> Loop:
    """A part, so many times.

    Raises
    ------
    ItineraryInvalid
    """
    return _checked(Loop(as_itinerary(part), times, _failure(on_failure), patience))


def _failure(name: str | None) -> OnFailure | None:
    try:
        return None if name is None else OnFailure(name)
    except ValueError:
        raise ItineraryInvalid(f"on_failure is one of {', '.join(OnFailure)}, not {name!r}") from None


def _checked(term: _T) -> _T:
    check_itinerary(term)
    return term


def check_itinerary(term: Itinerary) -> None:
    """That a term is within the bounds of this module.

    Raises
    ------
    ItineraryInvalid
    """
    parts = _measured(term, 1, [0])
    if parts > MOST_VISITS:
        raise ItineraryInvalid(f"the itinerary has {parts} visits, and {MOST_VISITS} are allowed")


def _measured(term: Itinerary, level: int, count: list[int]) -> int:
    """The most visits of a walk; counts the parts, and stops where they are too many or too deep."""
    count[0] += 1
    if count[0] > MOST_PARTS:
        raise ItineraryInvalid(f"the itinerary has more than {MOST_PARTS} parts")
    if level > MOST_LEVELS:
        raise ItineraryInvalid(f"the itinerary is nested more than {MOST_LEVELS} levels deep")
    match term:
        case Stop():
            return 1
        case Loop():
            return term.times * _measured(term.part, level + 1, count)
        case Alternatives():
            return max(_measured(part, level + 1, count) for part in term.parts)
        case _:
            return sum(_measured(part, level + 1, count) for part in term.parts)


def spelled_out(term: Itinerary, on_failure: OnFailure = OnFailure.FAIL, patience: int | None = None) -> Itinerary:
    """The same, with `on_failure` and `patience` said by each stop and by nothing else."""
    failure = term.on_failure or on_failure
    seconds = patience if term.patience is None else term.patience
    if isinstance(term, Stop):
        return Stop(term.place, failure, seconds)
    if isinstance(term, Loop):
        return Loop(spelled_out(term.part, failure, seconds), term.times)
    return type(term)(tuple(spelled_out(part, failure, seconds) for part in term.parts))


def stops_of(term: Itinerary) -> Iterator[Stop]:
    """All stops, in the order in which they are written."""
    match term:
        case Stop():
            yield term
        case Loop(part):
            yield from stops_of(part)
        case _:
            for part in term.parts:
                yield from stops_of(part)


# -- as strict JSON ---------------------------------------------------------------------------------------------------

_ON_FAILURE: Final[dict[str, Schema[Any]]] = {
    "on_failure": Maybe(Choice(OnFailure)),
    "patience": Maybe(Integer(0, MOST_PATIENCE)),
}
#: How a term is written in a signed body.
ITINERARY: Final[Tagged[Itinerary]] = Tagged("is", lambda term: _NAMES[type(term)])
_PARTS: Final[Schema[Any]] = Array(ITINERARY, most=MOST_PARTS)
_NAMES: Final[dict[type, str]] = {
    Stop: "stop",
    Ordered: "ordered",
    AnyOrder: "any_order",
    Alternatives: "alternatives",
    Loop: "loop",
}
_OWN: Final[dict[type, dict[str, Schema[Any]]]] = {
    Stop: {"place": NAME},
    Loop: {"part": ITINERARY, "times": Integer(1, MOST_TIMES)},
}
for _kind, _name in _NAMES.items():  # each form refers to all of them
    ITINERARY.add(_name, Record(_kind, {**_OWN.get(_kind, {"parts": _PARTS}), **_ON_FAILURE}, constants={"is": _name}))
