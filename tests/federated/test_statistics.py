"""Statistics of one data set and of several together: right without noise, and with noise as private as they say."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.accounting import mu_for, sigma_for
from federated.errors import QueryInvalid
from federated.noise import Gaussian, Noise
from federated.pooling import add_answer, estimates, new_pool
from federated.queries import Query, QueryKind, QueryNoise
from federated.statistics import SiteAnswer, cost_of, measured, parts_of
from mobility.plain import decode, encode
from tests.federated.entropy import entropy

BOUNDS = (-3.0, 7.0)
EDGES = [-3.0, -1.0, 0.5, 4.0, 7.0]
CONDITIONS = [("x", ">", -2.5), ("sex", "in", ["f", "m"]), ("year", "!=", 2021)]
GROUP = ("sex", ["m", "f"])


def queries(**more: Any) -> list[Query]:
    """One of each kind."""
    return [
        Query.count(**more),
        Query.sum("x", bounds=BOUNDS, **more),
        Query.mean("x", bounds=BOUNDS, **more),
        Query.variance("x", bounds=BOUNDS, **more),
        Query.histogram("x", EDGES, **more),
        Query.counts("year", [2020, 2022], **more),
        Query.quantiles("x", [0.1, 0.5], bounds=BOUNDS, bins=16, **more),
    ]


EACH = [*queries(), *queries(group=GROUP), *queries(where=CONDITIONS)]
IDS = [f"{one.kind}{' by group' * bool(one.group)}{' of some' * bool(one.where)}" for one in EACH]


def table(seed: int, size: int) -> dict[str, np.ndarray]:
    """Records, with values outside the bounds, missing ones, and a group that nobody asks for."""
    rng = np.random.default_rng(seed)
    x = rng.normal(1.0, 4.0, size)
    x[rng.random(size) < 0.05] = np.nan
    sex = rng.choice(np.array(["f", "m", "x", None], object), size)
    return {"x": x, "sex": sex, "year": rng.integers(2020, 2023, size)}


def pooled(query: Query, answers: list[SiteAnswer]):
    """As an agent adds them up, by what travels."""
    pool = new_pool(query.cells * max(1, len(query.groups)), parts_of(query.kind))
    for answer in answers:
        add_answer(pool, decode(encode(answer.to_plain())))
    return estimates(query, decode(encode(pool)))


def expected(query: Query, data: dict[str, np.ndarray]) -> list[list[float]]:
    """By numpy, from all records at once."""
    keep = np.ones(len(data["x"]), bool)
    if query.where:
        with np.errstate(invalid="ignore"):
            keep = (data["x"] > -2.5) & np.isin(data["sex"].astype(str), ["f", "m"]) & (data["year"] != 2021)
    found = []
    for group in query.groups or (None,):
        chosen = keep if group is None else keep & (data["sex"] == group)
        x = data["x"][chosen & ~np.isnan(data["x"])]
        clipped = np.clip(x, *BOUNDS)
        found.append(
            {
                QueryKind.COUNT: lambda: [chosen.sum()],
                QueryKind.SUM: lambda: [clipped.sum()],
                QueryKind.MEAN: lambda: [clipped.mean()],
                QueryKind.VARIANCE: lambda: [clipped.var()],
                QueryKind.HISTOGRAM: lambda: np.histogram(x, EDGES)[0],
                QueryKind.COUNTS: lambda: [(data["year"][chosen] == year).sum() for year in (2020, 2022)],
                QueryKind.QUANTILES: lambda: np.quantile(
                    clipped, [0.1 - 1e-9, 0.1 + 1e-9, 0.5 - 1e-9, 0.5 + 1e-9], method="inverted_cdf"
                ),
            }[query.kind]()
        )
    return [[float(one) for one in row] for row in found]


class Silent(Noise):
    """No noise, and what it would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.scales: list[Fraction] = []
        self.gaussian: Gaussian | None = None
        self.values = np.zeros(0)

    def laplace(self, scale: Fraction) -> int:
        self.scales.append(scale)
        return 0

    def noised(self, values, gaussian):
        self.gaussian, self.values = gaussian, values
        return values


# -- without noise


@pytest.mark.parametrize("query", EACH, ids=IDS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(0, 200), min_size=1, max_size=4))
def test_sites_together_are_as_all_data_in_one_place(query, seed, sizes):
    """In whatever way it is parted, also if a site has nothing."""
    sites = [table(seed + number, size + (60 if number == 0 else 0)) for number, size in enumerate(sizes)]
    everything = {name: np.concatenate([site[name] for site in sites]) for name in sites[0]}
    found = pooled(query, [measured(query, site) for site in sites])
    for estimate, right in zip(found, expected(query, everything), strict=True):
        if query.kind is QueryKind.QUANTILES:
            # Where a rank falls on a record, rounding decides whether that one or the next is meant.
            for value, error, *meant in zip(estimate.values, estimate.errors, right[::2], right[1::2], strict=True):
                assert min(abs(value - one) for one in meant) <= error * (1 + 1e-9) and error < 1.0001 * 10 / 16
        else:
            assert estimate.values == pytest.approx(right, rel=1e-9, abs=1e-9)
            assert all(error == 0 for error in estimate.errors)


def test_without_bounds_nothing_is_clipped_and_a_small_variance_survives_a_large_mean():
    """Squares of a billion would swallow it; the centres of the sites differ here."""
    parts = [np.random.default_rng(seed).normal(1e9, 1.0, 400) for seed in (1, 2)]
    for query, right in ((Query.variance("x"), np.concatenate(parts).var()), (Query.mean("x"), np.mean(parts))):
        (estimate,) = pooled(query, [measured(query, {"x": part}) for part in parts])
        assert estimate.value == pytest.approx(right, rel=1e-6)


def test_bounds_of_the_owner_count_where_the_query_has_none():
    """And its own before them."""
    data = {"x": np.array([0.0, 10.0])}
    assert pooled(Query.sum("x"), [measured(Query.sum("x"), data, bounds=(2, 5))])[0].value == 7
    query = Query.sum("x", bounds=(1, 6))
    assert pooled(query, [measured(query, data, bounds=(2, 5))])[0].value == 7
    assert pooled(Query.sum("x"), [measured(Query.sum("x"), data)])[0].value == 10


# -- small cells


def test_small_cells_are_held_back_whole():
    """Of three groups, two are too small at one site, and one at both."""
    query = Query.mean("x", group=("g", ["a", "b", "c"]))
    first = {"x": np.arange(12.0), "g": np.array(list("aaaaaaaaabbc"), object)}
    second = {"x": np.arange(12.0), "g": np.array(list("aaabbbbbbbbb"), object)}
    found = pooled(query, [measured(query, site, least=4) for site in (first, second)])
    assert [one.value for one in found] == [4.0, 7.0, None]
    assert [one.records for one in found] == [9.0, 9.0, None]
    assert [one.hidden for one in found] == [1, 1, 2]


def test_noise_below_zero_is_no_small_cell_where_there_are_none():
    """To hold back what is negative would make all sums too large."""
    query = Query.counts("x", list(range(200)))
    answer = measured(query, {"x": np.zeros(0)}, asked=QueryNoise(0.5), noise=Noise(entropy(1)))
    assert None not in answer.cells and min(cell[0] for cell in answer.cells) < 0


def test_bins_of_noisy_quantiles_are_held_back_together():
    """Small ones alone would bend the distribution."""
    query = Query.quantiles("x", [0.5], bounds=(0, 1), bins=64)
    many = measured(query, {"x": np.random.default_rng(0).random(500)}, asked=QueryNoise(1.0), least=50)
    few = measured(query, {"x": np.full(3, 0.5)}, asked=QueryNoise(5.0), least=200, noise=Noise(entropy(2)))
    assert None not in many.cells and set(few.cells) == {None}
    assert pooled(query, [few])[0].values == (None,)


@pytest.mark.parametrize("sign", [1, -1], ids=["below", "above"])
def test_quantiles_say_how_far_off_held_back_bins_may_put_them(sign):
    """The middle of what is left is not the middle of all; the error covers it."""
    data = {"x": 5 + sign * np.concatenate([np.linspace(-5, -4, 40), np.zeros(60)])}
    probability = 0.3 if sign > 0 else 0.7
    query = Query.quantiles("x", [probability], bounds=(0, 10), bins=100)
    (estimate,) = pooled(query, [measured(query, data, least=10)])
    assert estimate.hidden > 0 and abs(estimate.value - np.quantile(data["x"], probability)) <= estimate.error


# -- with noise


@pytest.mark.parametrize("delta", [None, 1e-6], ids=["Laplace", "Gauss"])
@pytest.mark.parametrize("query", EACH, ids=IDS)
def test_no_record_changes_more_than_the_noise_is_made_for(query, delta):
    """Each record of some data is exchanged for extreme ones; the largest change there is must be within, and near."""
    data = table(3, 12)
    others = [(x, sex, year) for x in (-3.0, 2.0, 7.0, math.nan, 1e9, -1e9) for sex in "fm" for year in (2020, 2022)]
    asked = QueryNoise(0.7, delta)

    def steps(columns) -> tuple[np.ndarray, Silent]:
        silent = Silent()
        answer = measured(query, columns, asked=asked, noise=silent)
        if delta is None:
            unit = silent.scales[0] * Fraction(0.7)  # how many steps a record may change
            sigma = answer.sigma[0]
            per = np.array([one / sigma for one in answer.sigma])  # the size of a step of each number
            count = float(np.array(sigma) * 0 + 1)
            flat = np.array([np.array(cell) / per for cell in answer.cells]).reshape(-1) * count
            return flat, silent
        return silent.values, silent

    before, silent = steps(data)
    largest = 0.0
    for record in range(12):
        for x, sex, year in others:
            changed = {name: column.copy() for name, column in data.items()}
            changed["x"][record], changed["sex"][record], changed["year"][record] = x, sex, year
            after, _ = steps(changed)
            norm = np.abs(after - before).sum() if delta is None else np.linalg.norm(after - before)
            largest = max(largest, float(norm))
    if delta is None:
        # The first number is records as they are, whatever the unit of the noise.
        parts = parts_of(query.kind)
        several = query.cells > 1 or query.groups
        allowed = parts * (2 if several else 1)
        assert silent.scales[0] in (Fraction(allowed) / Fraction(0.7), Fraction(allowed << 20) / Fraction(0.7))
        assert largest <= allowed * (1 + 1e-12)
    else:
        assert silent.gaussian is not None
        allowed = silent.gaussian.sigma * mu_for(0.7, delta)
        assert largest <= allowed
        assert silent.gaussian.sigma == pytest.approx(sigma_for(0.7, delta, allowed))
    if query.kind is not QueryKind.COUNT or query.where or query.groups:
        assert largest > allowed * 0.4, "the bound is far from tight: is it the right one?"


@pytest.mark.parametrize("delta", [None, 1e-6], ids=["Laplace", "Gauss"])
@pytest.mark.parametrize("query", queries(), ids=[one.kind.value for one in queries()])
def test_the_error_is_that_of_the_noise(query, delta):
    """Of 300 answers, by seeded noise: their mean is the value, their deviation is what the estimate says."""
    data = table(5, 4000)
    asked, noise = QueryNoise(2.0, delta), Noise(entropy(7))
    drawn = [pooled(query, [measured(query, data, asked=asked, noise=noise)])[0] for _ in range(300)]
    right = np.array(pooled(query, [measured(query, data)])[0].values)
    values, errors = (np.array([getattr(one, name) for one in drawn]) for name in ("values", "errors"))
    error = errors.mean(axis=0)
    spread = values.std(axis=0)
    if query.kind is QueryKind.QUANTILES:
        assert (spread <= 1.2 * error).all() and (np.abs(values.mean(axis=0) - right) <= error).all()
        return
    assert (np.abs(values.mean(axis=0) - right) <= 6 * error / math.sqrt(300)).all()
    assert (np.abs(spread / error - 1) < 0.35).all()


def test_noise_of_sites_adds_up():
    """Two sites with as much noise each: the variance is the sum."""
    query = Query.count()
    one = measured(query, table(1, 50), asked=QueryNoise(1.0))
    single, both = pooled(query, [one])[0].error, pooled(query, [one, one])[0].error
    assert single == one.sigma[0] and both == pytest.approx(math.sqrt(2) * single)


def test_costs_are_those_of_the_whole_answer():
    """However many cells it has: that is in the scale of the noise."""
    assert cost_of(None).epsilon == cost_of(None).rho == 0
    assert cost_of(QueryNoise(0.5)).epsilon == 0.5
    answer = measured(Query.variance("x", bounds=BOUNDS), table(1, 9), asked=QueryNoise(0.5, 1e-6))
    assert answer.rho == cost_of(QueryNoise(0.5, 1e-6)).rho == mu_for(0.5, 1e-6) ** 2 / 2


# -- what cannot be asked


@pytest.mark.parametrize(
    "make",
    [
        lambda: Query.mean(""),
        lambda: Query.mean(3),
        lambda: Query.mean("x", bounds=(1, 1)),
        lambda: Query.mean("x", bounds=(2, 1)),
        lambda: Query.mean("x", bounds=(0, math.inf)),
        lambda: Query.mean("x", bounds=(math.nan, 1)),
        lambda: Query.mean("x", bounds=(0, 1, 2)),
        lambda: Query.mean("x", bounds="01"),
        lambda: Query.mean("x", bounds=(False, True)),
        lambda: Query.histogram("x", [1]),
        lambda: Query.histogram("x", [1, 3, 2]),
        lambda: Query.histogram("x", range(10_003)),
        lambda: Query.quantiles("x", [0.5], bounds=None),
        lambda: Query.quantiles("x", [1.5], bounds=(0, 1)),
        lambda: Query.quantiles("x", [], bounds=(0, 1)),
        lambda: Query.quantiles("x", [0.5], bounds=(0, 1), bins=1),
        lambda: Query.quantiles("x", [0.5], bounds=(0, 1), bins=2.5),
        lambda: Query.quantiles("x", [0.5], bounds=(0, 1), bins=6000, group=("g", ["a", "b"])),
        lambda: Query.counts("x", []),
        lambda: Query.counts("x", ["a", "a"]),
        lambda: Query.counts("x", [1, True]),
        lambda: Query.counts("x", [math.nan]),
        lambda: Query.counts("x", [[1]]),
        lambda: Query.counts("x", [2**64]),
        lambda: Query.counts("x", "ab"),
        lambda: Query.count(where=[("x", "~", 1)]),
        lambda: Query.count(where=[("x", "<", "1")]),
        lambda: Query.count(where=[("x", "in", 1)]),
        lambda: Query.count(where=[("x", "==", None)]),
        lambda: Query.count(where=[("x", "==")]),
        lambda: Query.count(where="x"),
        lambda: Query.count(where=[("x", "==", 1)] * 17),
        lambda: Query.count(group=("g", [])),
        lambda: Query.count(group="g"),
        lambda: Query.count(group=("g", ["a"] * 2)),
        lambda: QueryNoise(0.0),
        lambda: QueryNoise(math.nan),
        lambda: QueryNoise(True),
        lambda: QueryNoise("1"),
        lambda: QueryNoise(1.0, 0.0),
        lambda: QueryNoise(1.0, 1.0),
    ],
)
def test_what_is_no_query_is_refused_where_it_is_made(make):
    """Before anything is sent."""
    with pytest.raises(QueryInvalid):
        make()


@pytest.mark.parametrize("query", EACH, ids=IDS)
def test_a_query_travels(query):
    """And is the same."""
    assert Query.from_plain(decode(encode(query.to_plain()))) == query


@pytest.mark.parametrize("query", EACH, ids=IDS)
def test_a_query_of_another_form_is_refused(query):
    """Each field in turn is missing, or something else."""
    plain = query.to_plain()
    for name in plain:
        with pytest.raises(QueryInvalid):
            Query.from_plain({key: value for key, value in plain.items() if key != name})
        for wrong in (object(), {"a": 1}, -1, b"x", [[]]):
            with pytest.raises(QueryInvalid):
                Query.from_plain({**plain, name: wrong})
    with pytest.raises(QueryInvalid):
        Query.from_plain({**plain, "more": 1})


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (Query.mean("sex"), None),
        (Query.mean("nowhere"), None),
        (Query.count(where=[("sex", "<", 1)]), None),
        (Query.count(group=("nowhere", [1])), None),
        (Query.mean("x"), QueryNoise(1.0)),
        (Query.sum("huge"), None),
    ],
)
def test_what_does_not_fit_the_data_is_refused(query, asked):
    """A column of texts has no mean, one without bounds no noise, and a sum that is no number does not leave."""
    data = {**table(1, 20), "huge": np.full(20, 1e308)}
    with pytest.raises(QueryInvalid):
        measured(query, data, asked=asked)


def test_a_text_equals_no_number_and_what_is_missing_is_not_unequal():
    """Nor does numpy warn."""
    data = {"t": np.array(["1", None], object), "n": np.array([1.0, math.nan])}
    for column, value, right in (("t", 1, 0), ("n", "1", 0), ("t", "1", 1), ("n", 1, 1)):
        query = Query.count(where=[(column, "==", value)])
        assert pooled(query, [measured(query, data)])[0].value == right
        other = Query.count(where=[(column, "!=", value)])
        assert pooled(other, [measured(other, data)])[0].value == 1 - right


@pytest.mark.parametrize(
    "change",
    [
        {"cells": [[1.0, 2.0]]},
        {"cells": [[1.0, math.nan]] * 2},
        {"cells": [[1.0], [1.0]]},
        {"cells": [["a", "b"]] * 2},
        {"cells": 7},
        {"sigma": [1.0]},
        {"sigma": None},
        {"centre": math.inf},
        {"centre": None},
        {"least": 1.5},
    ],
)
def test_a_place_that_answers_in_another_form_adds_nothing(change):
    """The pool is as before."""
    query = Query.mean("x", group=("sex", ["f", "m"]))
    pool = new_pool(2, 2)
    good = measured(query, table(1, 30)).to_plain()
    add_answer(pool, good)
    before = decode(encode(pool))
    with pytest.raises(ValueError, match="the answer"):
        add_answer(pool, {**good, **change})
    assert pool == before
