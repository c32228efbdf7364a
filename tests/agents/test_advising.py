"""The cost model of the four paradigms: what it must say whatever the constants are."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.advising import Advice, Costs, Network, Paradigm, Price, Workload, advise

CS, REV, COD, MA = Paradigm


def costs(**more: Price) -> Costs:
    usual = {
        "call": Price(7e-4, 600, 1e-9),
        "evaluate": Price(6e-3, 5000, 4e-9),
        "fetch": Price(5e-3, 3000),
        "agent": Price(6e-3, 5000, 4e-9),
        "hop": Price(3e-3, 3000, 1.5e-9),
    }
    return Costs(**{**usual, **more})


workloads = st.builds(
    Workload,
    interactions=st.integers(1, 10_000),
    data_bytes=st.integers(0, 10**9),
    selectivity=st.floats(0.0, 1.0),
    places=st.integers(1, 50),
    known=st.booleans(),
)


@given(workloads)
def test_the_best_is_the_cheapest_and_nothing_is_free(workload: Workload) -> None:
    advice = advise(workload, costs())
    assert advice.seconds[advice.best] == min(advice.seconds.values()) > 0
    assert advice.bytes[advice.leanest] == min(advice.bytes.values()) > 0
    assert set(advice.seconds) == set(advice.bytes) == set(Paradigm)


@given(workloads)
def test_only_client_server_pays_for_each_interaction(workload: Workload) -> None:
    """Of what crosses the network; to look at the data takes as long wherever that is done."""
    once, twice = advise(workload, costs()), advise(replace(workload, interactions=2 * workload.interactions), costs())
    assert twice.bytes[CS] == pytest.approx(2 * once.bytes[CS])
    for paradigm in (REV, COD, MA):
        assert twice.bytes[paradigm] == once.bytes[paradigm] and twice.seconds[paradigm] == once.seconds[paradigm]


@given(workloads)
def test_only_code_on_demand_pays_for_all_data(workload: Workload) -> None:
    some = replace(workload, selectivity=0.0)
    less, more = advise(some, costs()), advise(replace(some, data_bytes=some.data_bytes + 10**6), costs())
    for paradigm in (CS, REV, MA):
        assert less.bytes[paradigm] == more.bytes[paradigm]
    assert more.bytes[COD] == pytest.approx(less.bytes[COD] + some.places * 10**6)


@given(workloads)
def test_code_that_is_known_is_not_paid_for(workload: Workload) -> None:
    known = advise(replace(workload, known=True), costs())
    new = advise(replace(workload, known=False), costs())
    assert new.seconds[COD] - known.seconds[COD] == pytest.approx(5e-3, rel=1e-3, abs=1e-6 * new.seconds[COD])
    assert {p: s for p, s in new.seconds.items() if p is not COD} == {
        p: s for p, s in known.seconds.items() if p is not COD
    }


@given(workloads, st.floats(1e-4, 1.0), st.floats(1e4, 1e9))
def test_a_slow_network_favours_what_moves_little_and_asks_seldom(
    workload: Workload, round_trip: float, bandwidth: float
) -> None:
    network = Network(round_trip=round_trip, bandwidth=bandwidth)
    near, far = advise(workload, costs()), advise(workload, costs(), network)
    for paradigm in Paradigm:
        assert far.seconds[paradigm] >= near.seconds[paradigm] + near.bytes[paradigm] / bandwidth * 0.999


def test_the_crossing_points_are_where_the_book_has_them() -> None:
    """Few interactions: ask. Many, and little selected: send the code. Many, and all needed: fetch the data."""

    def best(interactions: int, data: int, selectivity: float, places: int = 1) -> Paradigm:
        workload = Workload(interactions=interactions, data_bytes=data, selectivity=selectivity, places=places)
        return advise(workload, costs(), Network(round_trip=0.01, bandwidth=12.5e6)).best

    assert best(1, 10**6, 0.01) is CS
    assert best(1000, 10**8, 0.001) is REV
    assert best(1000, 10**5, 1.0) in (COD, REV)
    assert best(1000, 10**7, 0.0001, places=20) in (REV, MA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"interactions": 0},
        {"places": 0},
        {"data_bytes": -1},
        {"selectivity": 1.1},
        {"selectivity": -0.1},
        {"selectivity": float("nan")},
    ],
)
def test_what_is_no_workload_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a workload|data have|selectivity"):
        Workload(**{"interactions": 1, "data_bytes": 1, "selectivity": 0.5, **wrong})


def test_it_is_shown_as_a_table() -> None:
    advice = advise(Workload(interactions=100, data_bytes=10**6, selectivity=0.01), costs())
    assert isinstance(advice, Advice)
    lines = str(advice).split("\n")
    assert len(lines) == 5 and lines[1].startswith(advice.best.value) and "fastest" in lines[1]


@pytest.mark.parametrize("places", [1, 3])
def test_an_advice_shows_itself(places: int) -> None:
    task = Workload(interactions=500, data_bytes=10**6, selectivity=0.01, places=places)
    advice = advise(task, costs())
    told = "".join(ElementTree.fromstring(advice._repr_html_()).itertext())
    assert "500 interactions" in told and ("one place" in told) is (places == 1) and "cannot be shown" not in told
    order = sorted(Paradigm, key=advice.seconds.__getitem__)
    rows = told[told.index("moved") :]
    assert [rows.index(way) for way in order] == sorted(rows.index(way) for way in order)
    assert "fastest" in rows[rows.index(advice.best) : rows.index(order[1])]
