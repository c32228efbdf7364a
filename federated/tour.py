"""Federated analytics by one travelling agent: a statistic over the data of several places, which stays where it is.

The agent goes from place to place (`federated.touring`), asks the data node of each, and comes home with the sum of
their answers. Each data node decides for itself, by its owner's policy, and adds its own noise: who asks gets no answer
that an owner has not let go.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agents import Platform
from agents.errors import MoveFailed, PlaceUnreachable, UnknownPlace
from agents.trail import Trail
from federated.conditions import Value
from federated.errors import QueryInvalid, TourEnded
from federated.messages import pack_message
from federated.placed import SERVICE
from federated.pooling import Estimate, add_answer, estimates, new_pool
from federated.queries import Query, QueryNoise
from federated.requests import sign_request
from federated.statistics import parts_of
from federated.touring import touring
from mobility.bundle import Birth
from mobility.trust import Identity

__all__ = ["TourRefusal", "TourResult", "TourSite", "tour"]

#: Signed requests for each place: so often may it be killed in the middle of an answer.
_TRIES: Final = 4
#: Seconds for which a signed request is good, less the time that a tour takes to begin.
_LONGEST: Final = 570.0
_SPARE: Final = 16  # hops more than there are places: home, and wherever somebody else moves the agent


@dataclass(frozen=True, slots=True)
class TourSite:
    """A place that has answered.

    Attributes
    ----------
    place, dataset
        Where, and what.
    epsilon, delta
        What its answer has cost; epsilon 0 without noise, delta None with that of Laplace.
    rho
        What Gaussian noise has cost.
    sigma
        Standard deviation of the noise: on the number of records, on the sum, on the sum of squares, as far as asked.
    least
        Below how many records it holds a cell back.
    estimates
        Of this place alone, if the tour was to bring them; else empty.
    """

    place: str
    dataset: str
    epsilon: float
    delta: float | None
    rho: float
    sigma: tuple[float, ...]
    least: int
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True)
class TourRefusal:
    """A place that has not answered, with the slug of the reason and its text."""

    place: str
    why: str
    reason: str


@dataclass(frozen=True, slots=True)
class TourResult:
    """What a tour has found.

    Attributes
    ----------
    query, id
        What was asked; asked again under this id, places give the same answers, and nothing is spent.
    estimates
        For each group, in the order of the query; one without groups.
    sites, refused
        Places that answered, and those that did not, in the order of the visits.
    agent, trail
        Which agent it was, and where it has been, as its signed passport tells.
    seconds
        From launch to result.
    """

    query: Query
    id: str
    estimates: tuple[Estimate, ...]
    sites: tuple[TourSite, ...]
    refused: tuple[TourRefusal, ...]
    agent: str
    trail: Trail = field(repr=False)
    seconds: float

    @property
    def value(self) -> float | None:
        """The number, of a query that has one; None if it is held back everywhere.

        Raises
        ------
        ValueError
        """
        (estimate,) = self.estimates
        return estimate.value

    @property
    def error(self) -> float | None:
        """Its standard deviation from noise."""
        (estimate,) = self.estimates
        return estimate.error

    @property
    def by_group(self) -> Mapping[Value | None, Estimate]:
        """The estimates by their groups."""
        return {estimate.group: estimate for estimate in self.estimates}

    def to_json(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "query": self.query.to_plain(),
            "id": self.id,
            "estimates": [_estimate_json(one) for one in self.estimates],
            "sites": [
                {
                    "place": one.place,
                    "dataset": one.dataset,
                    "epsilon": one.epsilon,
                    "delta": one.delta,
                    "rho": one.rho,
                    "sigma": list(one.sigma),
                    "least": one.least,
                    "estimates": [_estimate_json(single) for single in one.estimates],
                }
                for one in self.sites
            ],
            "refused": [{"place": one.place, "why": one.why, "reason": one.reason} for one in self.refused],
            "agent": self.agent,
            "trail": {
                "verified": self.trail.verified,
                "hops": [[link.origin, link.destination] for link in self.trail],
            },
            "seconds": self.seconds,
        }


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    return {
        "group": estimate.group,
        "values": list(estimate.values),
        "errors": list(estimate.errors),
        "records": estimate.records,
        "hidden": estimate.hidden,
    }


def tour(
    platform: Platform,
    places: Sequence[str],
    query: Query,
    *,
    dataset: str | None = None,
    noise: QueryNoise | None = None,
    owner: Identity | None = None,
    by_site: bool = False,
    refusal: str = "skip",
    home: str | None = None,
    patience: float = 5.0,
    timeout: float = 300.0,
    id: str | None = None,
) -> TourResult:
    """Ask a query of the data at several places, by one agent that goes there.

    Parameters
    ----------
    platform
        As `agents.connect` gives it.
    places
        Where to go, in this order.
    dataset
        Of which data set; None: of the one that each place has.
    noise
        That each place adds; None: none, which owners seldom allow.
    owner
        Who asks, and signs agent and requests; by default who has connected to the platform.
    by_site
        Whether the agent brings what each place has answered, too.
    refusal
        What it does about a place that does not answer: ``"skip"``, and say so in the result, or ``"end"`` the tour.
    home
        Where the agent is born and ends; by default the first of the places that takes it in.
    patience
        Seconds for which a place that is down is tried again, once all others have been visited.
    timeout
        Seconds for all; 570 at most, since a signed request is not good for longer.
    id
        Of the query: asked again under its old id, it gets the old answers of all places that gave one.

    Raises
    ------
    QueryInvalid
        For what cannot be asked so; nothing was sent.
    TourEnded
        If a place did not answer, and that was to end it.
    WaitedTooLong
        After `timeout`; the agent goes on, and its result can be had from its handle.
    MoveFailed, PlaceUnreachable, UnknownPlace, mobility.errors.MobilityError
        If it could not begin.

    Examples
    --------
    ::

        result = tour(platform, ["oslo", "lima"], Query.mean("age", bounds=(0, 120)),
                      dataset="ward", noise=QueryNoise(epsilon=0.5))
        print(result.value, "+-", result.error)
    """
    asker = owner or platform.client.owner
    if asker is None:
        raise QueryInvalid("a tour is signed, and this connection has no owner; give owner=")
    number = secrets.token_hex(16) if id is None else id
    goals = _checked(places, refusal, patience, timeout, number)
    asked = None if noise is None else noise.to_plain()
    body = pack_message("query", dataset=dataset, id=number, query=query.to_plain(), noise=asked)
    starts = goals if home is None else (home,)
    terms: dict[str, Any] = {
        "places": list(goals),
        "service": SERVICE,
        "cells": query.cells * max(1, len(query.groups)),
        "parts": parts_of(query.kind),
        "by_site": bool(by_site),
        "refusal": refusal,
        "patience": float(patience),
        "seconds": float(timeout),
    }
    began = time.monotonic()
    terms["requests"] = {place: [sign_request(body, place, asker) for _ in range(_TRIES)] for place in goals}
    birth = Birth(places=tuple(dict.fromkeys((*starts, *goals))), lifetime=3600, hop_limit=len(goals) + _SPARE)
    for number_of, start in enumerate(starts):
        try:
            handle = platform.launch(touring, {**terms, "home": start}, at=start, owner=asker, birth=birth)
        except (MoveFailed, PlaceUnreachable, UnknownPlace):
            if number_of == len(starts) - 1:
                raise
        else:
            break
    found = handle.result(max(0.1, timeout - (time.monotonic() - began)))
    result = _read(query, number, found, handle.agent, handle.trail(), time.monotonic() - began)
    if refusal == "end" and result.refused:
        last = result.refused[-1]
        raise TourEnded(last.place, last.why, last.reason, [one.place for one in result.sites])
    return result


def _checked(places: Sequence[str], refusal: str, patience: float, timeout: float, id: str) -> tuple[str, ...]:
    goals = () if isinstance(places, str) else tuple(places)
    if not goals or len(set(goals)) != len(goals) or not all(type(place) is str and place for place in goals):
        raise QueryInvalid("a tour goes to a list of places, at least one, and to each once")
    if refusal not in ("skip", "end"):
        raise QueryInvalid(f'refusal is "skip" or "end", not {refusal!r:.80}')
    if not 0 <= patience < timeout <= _LONGEST:
        raise QueryInvalid(f"timeout is {_LONGEST:g} seconds at most, and patience is less than that")
    if type(id) is not str or not 0 < len(id) <= 128 or not id.isprintable():
        raise QueryInvalid("the id of a query is a text of 1 to 128 letters")
    return goals


def _read(query: Query, id: str, found: Mapping[str, Any], agent: str, trail: Trail, seconds: float) -> TourResult:
    cells, parts = query.cells * max(1, len(query.groups)), parts_of(query.kind)
    sites = []
    for place, dataset, told in found["sites"]:
        single: tuple[Estimate, ...] = ()
        if place in found["single"]:
            alone = new_pool(cells, parts)
            add_answer(alone, found["single"][place])
            single = estimates(query, alone)
        sites.append(
            TourSite(
                place,
                dataset,
                told["epsilon"],
                told["delta"],
                told["rho"],
                tuple(told["sigma"]),
                told["least"],
                single,
            )
        )
    refused = tuple(TourRefusal(*row) for row in found["refused"])
    return TourResult(query, id, estimates(query, found["pool"]), tuple(sites), refused, agent, trail, seconds)
