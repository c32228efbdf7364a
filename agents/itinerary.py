"""How far an agent has come on its itinerary: what travels beside it, what it sees, and what is known at its launch.

Which way it has gone stands in its passport. What is kept beside that is which stops were skipped, and which of several
ways it is on; a place that lies about it gains nothing, because every place holds the passport against the itinerary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from agents.errors import UnknownPlace
from agents.luggage import LuggageInvalid
from mobility.bundle import Birth
from mobility.errors import MobilityError
from mobility.trust import VerifiedPassport
from mobility.trust.errors import ItineraryInvalid
from mobility.trust.itinerary import (
    ITINERARY,
    Alternatives,
    Itinerary,
    Loop,
    OnFailure,
    Stop,
    as_itinerary,
    spelled_out,
)
from mobility.trust.strict import parse_strict, write_canonical
from mobility.trust.walk import FINISHED, Finished, Residual, Walk, choices, fewest_hops

__all__ = ["Course", "Missed", "Way", "course_of", "planned", "way_of"]

#: Of the stops that were skipped, the newest are kept; and so many of those to come are shown.
MOST_SKIPPED: Final = 256
MOST_SHOWN: Final = 256


@dataclass(frozen=True, slots=True)
class Missed:
    """A stop that was not reached.

    Attributes
    ----------
    place
        Its name.
    why
        Slug of the cause.
    text
        What happened.
    """

    place: str
    why: str
    text: str


@dataclass(frozen=True, slots=True)
class Way:
    """What is left of an agent's itinerary.

    Attributes
    ----------
    itinerary
        As its owner has signed it, as text.
    left
        The stops to come if nothing fails, 256 at most.
    next
        The stops of which the next is one, the preferred one first.
    skipped
        Stops that were skipped, and why; the newest 256.
    turned_back
        Why the agent has gone home before the end; None if it has not.
    """

    itinerary: str
    left: tuple[str, ...]
    next: tuple[str, ...]
    skipped: tuple[Missed, ...] = ()
    turned_back: Missed | None = None

    @property
    def done(self) -> bool:
        """Whether nothing follows."""
        return not self.next


@dataclass(frozen=True, slots=True)
class Course:
    """What its place knows of the way of an agent.

    Attributes
    ----------
    left
        Residuals of the itinerary, the preferred one first.
    hops
        How many hops of the passport have been walked.
    skipped
        As in `Way`.
    homeward
        Why it is to go home; it is over once that is done.
    over
        Why it has gone home.
    """

    left: tuple[Residual, ...]
    hops: int = 0
    skipped: tuple[Missed, ...] = ()
    homeward: Missed | None = None
    over: Missed | None = None

    def options(self) -> Iterator[Stop | None]:
        """The stops that may come next, the preferred one first; None: here it may be finished."""
        if self.over is not None:
            yield None
            return
        for term in self.left:
            if isinstance(term, Finished):
                yield None
            else:
                yield from (stop for stop, _ in choices(term))

    def visited(self, place: str) -> Course:
        """After a stop at the place where the agent is."""
        left = (after for term in self.left for stop, after in choices(term) if stop.place == place)
        return replace(self, left=tuple(dict.fromkeys(left)))

    def without(self, stop: Stop, missed: Missed) -> Course:
        """After a stop that may be skipped, and was."""
        left: dict[Residual, None] = {}
        for term in self.left:
            after = [rest for one, rest in choices(term) if one == stop]
            left |= dict.fromkeys(after or [term])
        return replace(self, left=tuple(left), skipped=(*self.skipped, missed)[-MOST_SKIPPED:])

    def to_plain(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "left": [None if isinstance(term, Finished) else write_canonical(term, ITINERARY) for term in self.left],
            "hops": self.hops,
            "skipped": [_missed(one) for one in self.skipped],
            "homeward": _missed(self.homeward),
            "over": _missed(self.over),
        }


def _missed(missed: Missed | None) -> list[str] | None:
    return None if missed is None else [missed.place, missed.why, missed.text]


def _from_plain(told: Any) -> Course:
    try:
        left = tuple(FINISHED if text is None else spelled_out(parse_strict(text, ITINERARY)) for text in told["left"])
        reasons = [None if row is None else Missed(*map(str, row)) for row in (told["homeward"], told["over"])]
        return Course(left, int(told["hops"]), tuple(Missed(*map(str, row)) for row in told["skipped"]), *reasons)
    except (MobilityError, KeyError, TypeError, ValueError) as error:
        raise LuggageInvalid(f"what is left of its itinerary cannot be read: {error}") from error


def course_of(passport: VerifiedPassport, here: str, kept: Any) -> Course | None:
    """How far an agent has come, by what travels beside it and the hops since then; None: it has no itinerary.

    Parameters
    ----------
    here
        The place where it is.
    kept
        `Luggage.way`.

    Raises
    ------
    LuggageInvalid
    """
    certificate = passport.birth.certificate
    if certificate.itinerary is None:
        return None
    moves = [hop for hop in passport.hops if not hop.stays]
    # Where each hop began, and where it is now: out of a file it may have come elsewhere than it went in.
    places = [certificate.home or (moves[0].origin if moves else here), *(hop.origin for hop in moves[1:]), here]
    places = places if moves else places[:1]
    begun = Course((spelled_out(certificate.itinerary),))
    course = begun if kept is None else _from_plain(kept)
    if course.hops == len(places) - 1:
        return course
    found = _walked(course, places, certificate.home)
    if found is None:
        found = _walked(replace(begun, skipped=course.skipped), places, certificate.home)
    assert found is not None  # the passport was verified: its hops are a walk
    return found


def _walked(course: Course, places: Sequence[str], home: str | None) -> Course | None:
    """The same after all hops; None if they do not fit: the agent went by itself to a stop that it had skipped."""
    left = course.left
    for before, place in zip(places[course.hops :], places[course.hops + 1 :], strict=False):
        if place != before:
            left = Walk(left, before, home).to(place).left
    if not left:
        return None
    over = course.homeward if places[-1] == home else None
    return replace(course, left=left, hops=len(places) - 1, homeward=None, over=course.over or over)


def way_of(passport: VerifiedPassport, here: str, kept: Any) -> Way | None:
    """What an agent sees of its way; None: it has no itinerary."""
    course = course_of(passport, here, kept)
    itinerary = passport.birth.certificate.itinerary
    if course is None or itinerary is None:
        return None
    options = [stop.place for stop in course.options() if stop is not None]
    if course.over is not None or (course.left and course.left[0] == FINISHED):
        options = []
    left: list[str] = []
    term = course.left[0] if options else FINISHED
    while term != FINISHED and len(left) < MOST_SHOWN:
        stop, term = next(choices(term))
        left.append(stop.place)
    return Way(str(itinerary), tuple(left), tuple(dict.fromkeys(options)), course.skipped, course.over)


# -- before the launch ------------------------------------------------------------------------------------------------


def planned(itinerary: Any, birth: Birth | None, at: str | None, known: Sequence[str]) -> tuple[Birth, str | None]:
    """What the owner signs for an agent with an itinerary, and where it is born: unless said, at its first stop.

    Raises
    ------
    ItineraryInvalid
        If it is none, needs more hops than are allowed, or contradicts `birth`.
    UnknownPlace
        If it cannot be met, because a stop is no place of the platform and may be neither skipped nor waited for.
    """
    term = as_itinerary(itinerary)
    born = replace(birth or Birth(hop_limit=256), itinerary=term)
    if born.places is not None or born.in_order:
        raise ItineraryInvalid("an agent has either an itinerary or places", remedy="Give one of the two.")
    if birth is not None and birth.itinerary not in (None, term):
        raise ItineraryInvalid("two itineraries are given, and they differ", remedy="Give one of the two.")
    missing = _missing(spelled_out(term), frozenset(known))
    if missing is not None:
        raise UnknownPlace(missing, known, state="The itinerary cannot be met. No agent was sent.")
    at = at or next((stop.place for stop, _ in choices(spelled_out(term)) if stop.place in known), None)
    needed = fewest_hops(term, at)
    if needed > born.hop_limit:
        raise ItineraryInvalid(
            f"the shortest walk of the itinerary has {needed} hops, and {born.hop_limit} are allowed",
            remedy="Launch it with a higher hop limit, up to 256, or a shorter itinerary.",
        )
    return born, at


def _missing(term: Itinerary, known: frozenset[str]) -> str | None:
    """A place without which it cannot be met; a stop that is skipped, waited for or leads home is no such."""
    match term:
        case Stop(place, failure):
            return place if failure is OnFailure.FAIL and place not in known else None
        case Loop(part):
            return _missing(part, known)
        case Alternatives(parts):
            absent = [_missing(part, known) for part in parts]
            return absent[0] if all(absent) else None
        case _:
            found = (_missing(part, known) for part in term.parts)
            return next((place for place in found if place is not None), None)
