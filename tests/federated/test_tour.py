"""A tour: one agent, several data nodes, one result; with places that refuse, are down, or die while it is there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from agents.testing import LocalPlatform
from federated.accounting import Allowance
from federated.dataset import Dataset
from federated.errors import QueryInvalid, TourEnded
from federated.ledger import Ledger
from federated.policy import ReleasePolicy
from federated.queries import Query, QueryNoise
from federated.queryrules import QueryRule
from federated.tour import tour
from mobility.trust import Identity

PLACES = ["oslo", "lima", "baku"]
DATA = {place: np.random.default_rng(number).normal(40 + number, 10, 300) for number, place in enumerate(PLACES)}
EVERYWHERE = np.concatenate(list(DATA.values()))
EXACT = Query.mean("age")
NOISY = Query.mean("age", bounds=(0, 100))


class Wards:
    """What the loaders of all places do: wait at one of them, if that is wanted."""

    def __init__(self) -> None:
        self.waits_at: str | None = None
        self.entered, self.go = threading.Event(), threading.Event()

    def dataset(self, place: str) -> Dataset:
        def load(config: Any) -> Any:
            if self.waits_at == place:
                self.waits_at = None
                self.entered.set()
                self.go.wait(20)
                raise OSError("too late")
            return {"age": DATA[place]}

        rule = QueryRule(
            kinds=("mean", "count", "quantiles"), askers=("*",), columns=("age",), by=("age",), exact=place != "baku"
        )
        policy = ReleasePolicy(dataset="ward", queries=(rule,), allowance=Allowance(counting_epsilon=3.0))
        return Dataset(loader=load, policy=policy)


@pytest.fixture
def wards() -> Wards:
    return Wards()


@pytest.fixture
def platform(wards: Wards) -> Iterator[LocalPlatform]:
    """Three places with a ward each, of which baku answers with noise alone, and one without data."""
    given = {place: {"datasets": {"ward": wards.dataset(place)}} for place in PLACES}
    with LocalPlatform([*PLACES, "riga"], extensions=given) as made:
        yield made


def spent(platform: LocalPlatform, place: str) -> float:
    """Of the ward of one place, by what is on its disk."""
    (path,) = (platform.folder / "places" / place).rglob("ledger.sqlite")
    with Ledger(path) as ledger:
        return ledger.spent("ward").cost.epsilon


def test_one_agent_finds_what_all_data_in_one_place_would_say(platform):
    """It has been everywhere, came home, and its passport says so."""
    places = PLACES[:2]
    result = tour(platform, places, EXACT, home="riga")
    assert result.value == pytest.approx(np.mean([DATA[place] for place in places])) and result.error == 0
    assert [site.place for site in result.sites] == places and not result.refused
    assert result.trail.verified and result.trail.agent == result.agent
    assert [link.destination for link in result.trail] == [*places, "riga"]
    assert all(not site.estimates for site in result.sites), "nobody has asked for them"


def test_each_place_adds_noise_and_says_what_that_cost(platform):
    """The error is that of all together; the ledgers have what the sites say."""
    result = tour(platform, PLACES, NOISY, dataset="ward", noise=QueryNoise(1.0), by_site=True)
    assert abs(result.value - EVERYWHERE.mean()) < 8 * result.error
    assert [(site.epsilon, site.delta) for site in result.sites] == [(1.0, None)] * 3
    assert [spent(platform, place) for place in PLACES] == [1.0] * 3
    for site, own in zip(result.sites, DATA.values(), strict=True):
        assert abs(site.estimates[0].value - own.mean()) < 8 * site.estimates[0].error
        assert result.error < site.estimates[0].error
    json.dumps(result.to_json(), allow_nan=False)


def test_a_place_that_refuses_is_skipped_and_says_why(platform):
    """Of four reasons each."""
    result = tour(platform, [*PLACES, "riga", "nowhere"], EXACT, patience=0.0)
    assert [site.place for site in result.sites] == ["oslo", "lima"]
    whys = {one.place: one.why for one in result.refused}
    assert whys == {"baku": "not-released", "riga": "unknown-service", "nowhere": "unknown-place"}
    assert "without noise" in result.refused[0].reason


def test_a_place_that_refuses_ends_the_tour_if_it_shall(platform):
    """With what was spent before."""
    with pytest.raises(TourEnded, match="without noise") as ended:
        tour(platform, ["oslo", "baku", "lima"], EXACT, refusal="end")
    assert (ended.value.place, ended.value.why, ended.value.answered) == ("baku", "not-released", ("oslo",))


def test_a_budget_that_is_spent_is_a_reason_as_well(platform):
    """At the places where it is."""
    tour(platform, ["lima"], NOISY, noise=QueryNoise(2.5))
    result = tour(platform, ["oslo", "lima"], NOISY, noise=QueryNoise(1.0))
    assert [site.place for site in result.sites] == ["oslo"]
    assert [one.why for one in result.refused] == ["budget-spent"]


def test_a_tour_that_is_made_again_costs_nothing(platform):
    """Under its id it finds the same, and a place that was not there then is asked for the first time."""
    first = tour(platform, ["oslo", "lima"], NOISY, noise=QueryNoise(1.0), by_site=True)
    again = tour(platform, PLACES, NOISY, noise=QueryNoise(1.0), by_site=True, id=first.id)
    assert again.sites[:2] == first.sites and len(again.sites) == 3
    assert [spent(platform, place) for place in PLACES] == [1.0] * 3


def test_whom_nobody_trusts_gets_nothing(platform):
    """Not even born."""
    with pytest.raises(Exception, match="untrusted-signer"):
        tour(platform, PLACES, EXACT, owner=Identity.generate("eve", "owner"))


def test_a_place_that_is_down_is_tried_again_when_the_others_have_been_visited(platform):
    """It comes back in time."""
    platform.kill("lima")
    timer = threading.Timer(1.0, platform.start, ["lima"])
    timer.start()
    result = tour(platform, ["lima", "oslo"], EXACT, patience=20.0)
    timer.join()
    assert [site.place for site in result.sites] == ["oslo", "lima"] and not result.refused


def test_a_place_that_stays_down_is_skipped(platform):
    """After as many seconds as there is patience."""
    platform.kill("lima")
    result = tour(platform, ["lima", "oslo"], EXACT, patience=1.0)
    assert [one.why for one in result.refused] == ["place-unreachable"] and result.refused[0].place == "lima"
    assert [site.place for site in result.sites] == ["oslo"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_a_place_the_agent_goes_on_there_and_nothing_is_paid_twice(platform, wards, monkeypatch, moment):
    """It dies while it computes, or when the answer is paid and has not arrived, and comes back with the agent."""
    found: list[Any] = []
    if moment == "before":
        wards.waits_at = "lima"
    else:
        from federated.node import DataNode

        proper = DataNode.handle

        def handle(node: DataNode, data: bytes) -> bytes:
            answer = proper(node, data)
            if node.name == "lima" and not wards.entered.is_set():
                wards.entered.set()
                wards.go.wait(20)
            return answer

        monkeypatch.setattr(DataNode, "handle", handle)
    asking = threading.Thread(target=lambda: found.append(tour(platform, PLACES, NOISY, noise=QueryNoise(1.0))))
    asking.start()
    assert wards.entered.wait(20)
    platform.kill("lima")
    wards.go.set()
    platform.start("lima")
    asking.join(60)
    (result,) = found
    assert [site.place for site in result.sites] == PLACES and not result.refused
    assert result.trail.verified
    assert [spent(platform, place) for place in PLACES] == [1.0] * 3


@pytest.mark.parametrize(
    "asked",
    [
        {"places": []},
        {"places": "oslo"},
        {"places": ["oslo", "oslo"]},
        {"places": [3]},
        {"refusal": "ask"},
        {"timeout": 3600.0},
        {"timeout": 1.0, "patience": 2.0},
        {"patience": -1.0},
        {"id": ""},
        {"id": "a\n"},
    ],
)
def test_a_tour_that_cannot_be_is_refused_before_anything_is_sent(asked):
    """There is not even a platform."""

    class Nobody:
        class client:
            owner = Identity.generate("ada", "owner")

    arguments = {"places": PLACES, **asked}
    with pytest.raises(QueryInvalid):
        tour(Nobody(), arguments.pop("places"), EXACT, **arguments)
