"""Going on by the itinerary: which stop comes next, and what becomes of one that is unknown, down or refuses.

Rules
-----
1. The stops that may come next are tried in the order of the itinerary, each once in a round; the first place that lets
   the agent in is the next stop. A stop where the agent is already is met at once, also if it hops there by itself.
2. When all have failed, what they say counts, in this order: a stop that may be skipped is skipped, and what follows
   it is tried; else, if one is to be waited for, the agent waits and begins another round, until the patience is over;
   else, if one says so, the agent goes home, and its itinerary is over; else the refusal is raised at its ``yield``.
3. While it waits it stands still as a sleeping agent does. When somebody moves it meanwhile, that is its next stop.
4. What cannot be captured, or may not leave, is raised at once: it would fail everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from agents import effects as does
from agents import standing as at
from agents.errors import ItineraryBlocked, MoveFailed, MoveRefused, NoItinerary
from agents.itinerary import Course, Missed, course_of
from agents.luggage import Luggage
from agents.place.core import PlaceCore
from agents.place.moving import Moving
from agents.place.resident import Resident
from mobility.errors import MobilityError
from mobility.trust.itinerary import OnFailure, Stop

__all__ = ["Travelling"]

#: Seconds between the rounds of an agent that waits: the first pause, each twice the one before, and the longest.
_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 15.0
#: Seconds of patience where neither the itinerary nor the agent says anything.
_PATIENCE: Final = 600.0


@dataclass(slots=True, eq=False)
class Travelling:
    """Of one place."""

    core: PlaceCore
    moving: Moving

    def begin(self, resident: Resident, luggage: Luggage, effect: does.Onward) -> at.Standing:
        """How an agent stands that wants to go on.

        Raises
        ------
        NoItinerary
        """
        self._course(resident, luggage)
        return at.Travels(self.core.name, effect.patience, [], None, 0.0, _PAUSE)

    def met(self, resident: Resident, luggage: Luggage) -> None:
        """Note that an agent has gone by itself to the place where it is, if that may be its next stop."""
        with resident.lock:
            passport = resident.passport
            course = course_of(passport, self.core.name, luggage.way) if passport is not None else None
            if course is not None and self.core.name in [stop.place for stop in course.options() if stop is not None]:
                luggage.way = course.visited(self.core.name).to_plain()

    def attempt(self, resident: Resident, luggage: Luggage) -> None:
        """Go to the next stop that lets the agent in, or see how it stands if none does; without the lock."""
        travels = luggage.standing
        assert isinstance(travels, at.Travels)
        try:
            standing = self._attempted(resident, luggage, travels)
        except MobilityError as error:
            standing = at.Raises(error)
        if standing is not None:
            with resident.lock:
                luggage.standing = standing

    def _course(self, resident: Resident, luggage: Luggage) -> Course:
        with resident.lock:
            passport = resident.passport
            course = course_of(passport, self.core.name, luggage.way) if passport is not None else None
        if course is None:
            raise NoItinerary(resident.agent, self.core.name)
        return course

    def _attempted(self, resident: Resident, luggage: Luggage, travels: at.Travels) -> at.Standing | None:
        """How it stands afterwards; None if that was seen to."""
        if travels.place != self.core.name:
            return at.Arrives()  # somebody has moved it meanwhile
        course = self._course(resident, luggage)
        tried = list(travels.tried)
        while True:
            failed = {row[0] for row in tried}
            for stop in course.options():
                if stop is None:
                    return self._kept(luggage, course, at.Gives())
                if stop.place in failed:
                    continue
                if stop.place == self.core.name:
                    return self._kept(luggage, course.visited(stop.place), at.Arrives())
                if self.core.transport.knows(stop.place):
                    so_far = replace(travels, tried=tried)
                    self._to(resident, luggage, course, stop.place, at.Arrives(), _again(so_far))
                    return None
                tried.append([stop.place, "unknown-place", f"there is no place {stop.place!r}", "", ""])
                failed.add(stop.place)
            options = [stop for stop in course.options() if stop is not None]
            skipped = _which(options, OnFailure.SKIP)
            if not skipped:
                break
            course = course.without(skipped[0], _missed(tried, skipped[0].place))
            luggage.way = course.to_plain()
        if waits := _which(options, OnFailure.WAIT):
            return self._waiting(travels, tried, waits)
        if home := _which(options, OnFailure.HOME):
            return self._homeward(resident, luggage, course, tried, home[0])
        raise self._blocked(tried, 0.0)

    def _kept(self, luggage: Luggage, course: Course, standing: at.Standing) -> at.Standing:
        luggage.way = course.to_plain()
        return standing

    def _to(
        self,
        resident: Resident,
        luggage: Luggage,
        course: Course,
        place: str,
        standing: at.Standing,
        failed: Callable[[MoveFailed], at.Standing],
    ) -> None:
        """Depart; what becomes of it is heard later. Without a lease nothing leaves, and it is tried again with one."""
        before, luggage.way = luggage.way, course.to_plain()

        def stays(error: MoveFailed) -> at.Standing:
            luggage.way = before
            return failed(error)

        try:
            departed = self.moving.depart(resident, place, standing, failed=stays)
        except BaseException:
            luggage.way = before
            raise
        if not departed:
            luggage.way = before

    # -- when all have failed

    def _waiting(self, travels: at.Travels, tried: list[list[str]], waits: list[Stop]) -> at.Standing:
        patience = travels.patience
        if patience is None:
            patience = max(_PATIENCE if stop.patience is None else float(stop.patience) for stop in waits)
        now = time.time()
        until = now + patience if travels.until is None else travels.until
        if now >= until:
            raise self._blocked(tried, patience)
        again, pause = min(until, now + travels.pause), min(_LONGEST_PAUSE, travels.pause * 2)
        return replace(travels, tried=[], until=until, again=again, pause=pause)

    def _homeward(
        self, resident: Resident, luggage: Luggage, course: Course, tried: list[list[str]], stop: Stop
    ) -> at.Standing | None:
        """Its ``yield`` gives None there; the reason travels along."""
        with resident.lock:
            assert resident.passport is not None
            home = resident.passport.birth.certificate.home
        assert home is not None  # the certificate has one if its itinerary leads there
        missed = _missed(tried, stop.place)
        if home == self.core.name:
            return self._kept(luggage, replace(course, over=missed), at.Gives())

        def failed(error: MoveFailed) -> at.Standing:
            return at.Raises(self._blocked([*tried, _row(error, home)], 0.0))

        self._to(resident, luggage, replace(course, homeward=missed), home, at.Gives(), failed)
        return None

    def _blocked(self, tried: list[list[str]], waited: float) -> MoveFailed:
        """The refusal itself if there is one alone, else what all have said."""
        if len(tried) > 1 or waited:
            return ItineraryBlocked([row[:3] for row in tried], self.core.name, waited)
        place, why, problem, remedy, refused = tried[0]
        kind = MoveRefused if refused else MoveFailed
        return kind(place, problem, why=why, here=self.core.name, remedy=remedy or "Try again, or go elsewhere.")


def _again(travels: at.Travels) -> Callable[[MoveFailed], at.Standing]:
    """The same round goes on without the place that has failed."""

    def failed(error: MoveFailed) -> at.Standing:
        place = error.place or ""
        return replace(travels, tried=[*travels.tried, _row(error, place)])

    return failed


def _row(error: MoveFailed, place: str) -> list[str]:
    return [place, error.why, error.reason, error.remedy, "refused" if isinstance(error, MoveRefused) else ""]


def _which(options: list[Stop], failure: OnFailure) -> list[Stop]:
    return [stop for stop in options if stop.on_failure is failure]


def _missed(tried: list[list[str]], place: str) -> Missed:
    row = next(row for row in tried if row[0] == place)
    return Missed(place, row[1], row[2][:500])
