"""The answers of several data sets as one: what an agent adds up on its way, and what is read from it at the end.

A pool is plain data, so that an agent carries it, and holds sums alone: which of several data sets gave what cannot be
read from it (from two pools, before and after a data set, it can).

The error of an estimate is the standard deviation that noise gives it; for means and variances in the first order of
their Taylor series (the delta method), given what was estimated. Quantiles are read from the summed histogram, its
running sum made to rise, evenly within a bin (Wasserman and Zhou 2010, for histograms as private estimates of a
distribution): their error is the way to the farther end of the bins in which the quantile can lie, if its rank is off
by one standard deviation, and records that were held back lie all below it, or all above. Without noise and with
nothing held back, that is one bin at most. The exponential mechanism (McSherry and Talwar 2007;
Smith 2011) is finer at one site, but what it gives cannot be added up.

A cell that a data set holds back counts as nothing there, and `Estimate.hidden` says of how many. Where all hold it
back, there is no value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from federated.conditions import Value
from federated.queries import Query, QueryKind

__all__ = ["Estimate", "add_answer", "estimates", "new_pool"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """The result of a query, for one group.

    Attributes
    ----------
    group
        The value of the query's group column; None without.
    values
        One number, or one for each bin, category or probability; None where there is none.
    errors
        The standard deviation of each that comes from noise; of quantiles, see the module's text.
    records
        How many there are, with noise as well.
    hidden
        How many cells of how many data sets were held back, each counted.
    """

    group: Value | None
    values: tuple[float | None, ...]
    errors: tuple[float | None, ...]
    records: float | None
    hidden: int = 0

    @property
    def value(self) -> float | None:
        """The number of a query that has one.

        Raises
        ------
        ValueError
        """
        (value,) = self.values
        return value

    @property
    def error(self) -> float | None:
        """Its standard deviation from noise."""
        (error,) = self.errors
        return error


def new_pool(cells: int, parts: int) -> dict[str, Any]:
    """Empty, for answers of so many cells, each of so many numbers."""
    return {
        "answers": 0,
        "centre": 0.0,
        "cells": [[0.0] * parts for _ in range(cells)],
        "covariances": [[[0.0] * parts for _ in range(parts)] for _ in range(cells)],
        "hidden": [0] * cells,
        "slack": [0.0] * cells,
    }


def add_answer(pool: dict[str, Any], answer: Mapping[str, Any]) -> None:
    """Add what a data set has answered, a `federated.statistics.SiteAnswer` as plain data; or nothing of it.

    Raises
    ------
    ValueError
        If it is of another form.
    """
    parts = len(pool["cells"][0])
    cells, sigma, centre, least = _checked_answer(answer, len(pool["cells"]), parts)
    if pool["answers"] == 0:
        pool["centre"] = centre
    pool["answers"] += 1
    # Sums of x - c become sums of x - c', with d = c - c': x - c' = (x - c) + d.
    shift = centre - pool["centre"]
    rows = [[1.0], [shift, 1.0], [shift * shift, 2 * shift, 1.0]][:parts]
    spread = [
        [
            sum(rows[i][k] * rows[j][k] * sigma[k] ** 2 for k in range(min(len(rows[i]), len(rows[j]))))
            for j in range(parts)
        ]
        for i in range(parts)
    ]
    for number, cell in enumerate(cells):
        if cell is None:
            pool["hidden"][number] += 1
            pool["slack"][number] += max(0, least - 1)
            continue
        for i in range(parts):
            pool["cells"][number][i] += sum(factor * cell[k] for k, factor in enumerate(rows[i]))
            for j in range(parts):
                pool["covariances"][number][i][j] += spread[i][j]


def _checked_answer(
    answer: Mapping[str, Any], cells: int, parts: int
) -> tuple[list[list[float] | None], list[float], float, int]:
    given, sigma = answer.get("cells"), answer.get("sigma")
    centre, least = answer.get("centre"), answer.get("least")
    if type(given) is not list or len(given) != cells or not _numbers(sigma, parts) or type(least) is not int:
        raise ValueError("the answer has another form than was asked for")
    if type(centre) is not float or not math.isfinite(centre):
        raise ValueError("the answer has no centre")
    for cell in given:
        if cell is not None and not _numbers(cell, parts):
            raise ValueError(f"the answer has a cell that is not {parts} finite numbers")
    assert type(sigma) is list
    return given, sigma, centre, least


def _numbers(value: Any, count: int) -> bool:
    return (
        type(value) is list
        and len(value) == count
        and all(type(one) in (int, float) and math.isfinite(one) for one in value)
    )


# -- reading


def estimates(query: Query, pool: Mapping[str, Any]) -> tuple[Estimate, ...]:
    """What a pool comes to, for each group in the order in which they were asked for."""
    groups: Sequence[Value | None] = query.groups or (None,)
    read = {
        QueryKind.MEAN: _mean,
        QueryKind.VARIANCE: _variance,
        QueryKind.SUM: _sum,
        QueryKind.QUANTILES: _quantiles,
    }.get(query.kind, _counts)
    return tuple(
        read(query, group, pool, range(number * query.cells, (number + 1) * query.cells))
        for number, group in enumerate(groups)
    )


def _seen(pool: Mapping[str, Any], cell: int) -> bool:
    return bool(pool["hidden"][cell] < pool["answers"])


def _deviation(variance: float) -> float:
    return math.sqrt(max(0.0, variance))


def _counts(query: Query, group: Value | None, pool: Mapping[str, Any], cells: range) -> Estimate:
    seen = [_seen(pool, cell) for cell in cells]
    values = tuple(pool["cells"][cell][0] if there else None for cell, there in zip(cells, seen, strict=True))
    spread = [pool["covariances"][cell][0][0] for cell in cells]
    errors = tuple(_deviation(one) if there else None for one, there in zip(spread, seen, strict=True))
    records = sum(one for one in values if one is not None) if any(seen) else None
    return Estimate(group, values, errors, records, sum(pool["hidden"][cell] for cell in cells))


def _scalar(group: Value | None, pool: Mapping[str, Any], cell: int, value: float | None, spread: float) -> Estimate:
    records = pool["cells"][cell][0] if _seen(pool, cell) else None
    error = None if value is None else _deviation(spread)
    return Estimate(group, (value,), (error,), records, pool["hidden"][cell])


def _sum(query: Query, group: Value | None, pool: Mapping[str, Any], cells: range) -> Estimate:
    cell = cells[0]
    there = _seen(pool, cell)
    value = pool["cells"][cell][1] + pool["centre"] * pool["cells"][cell][0] if there else None
    return _scalar(group, pool, cell, value, pool["covariances"][cell][1][1])


def _mean(query: Query, group: Value | None, pool: Mapping[str, Any], cells: range) -> Estimate:
    cell = cells[0]
    count, total = pool["cells"][cell]
    if count <= 0 or not _seen(pool, cell):
        return _scalar(group, pool, cell, None, 0.0)
    off = total / count
    spread = _quadratic(pool["covariances"][cell], [-off / count, 1 / count])
    return _scalar(group, pool, cell, pool["centre"] + off, spread)


def _variance(query: Query, group: Value | None, pool: Mapping[str, Any], cells: range) -> Estimate:
    cell = cells[0]
    count, total, squares = pool["cells"][cell]
    if count <= 0 or not _seen(pool, cell):
        return _scalar(group, pool, cell, None, 0.0)
    off = total / count
    variance = squares / count - off * off
    gradient = [(2 * off * off - squares / count) / count, -2 * off / count, 1 / count]
    return _scalar(group, pool, cell, max(0.0, variance), _quadratic(pool["covariances"][cell], gradient))


def _quadratic(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> float:
    return math.fsum(
        one * other * matrix[i][j] for i, one in enumerate(vector) for j, other in enumerate(vector) if matrix[i][j]
    )


def _quantiles(query: Query, group: Value | None, pool: Mapping[str, Any], cells: range) -> Estimate:
    assert query.bounds is not None
    low, high = query.bounds
    width = (high - low) / len(cells)
    counts = [pool["cells"][cell][0] if _seen(pool, cell) else 0.0 for cell in cells]
    spread = [pool["covariances"][cell][0][0] for cell in cells]
    hidden = sum(pool["hidden"][cell] for cell in cells)
    slack = list(accumulate(pool["slack"][cell] for cell in cells))
    total = sum(counts)
    if total <= 0 or not any(_seen(pool, cell) for cell in cells):
        nothing = (None,) * len(query.probabilities)
        return Estimate(group, nothing, nothing, None, hidden)
    running = _rising(list(accumulate(counts)), total)
    values, errors = [], []
    for probability in query.probabilities:
        rank = probability * total
        value = _inverted(running, rank)
        values.append(low + width * value)
        upto = next((number for number, one in enumerate(running) if one >= rank), len(running) - 1)
        below, above = math.fsum(spread[: upto + 1]), math.fsum(spread[upto + 1 :])
        off = _deviation((1 - probability) ** 2 * below + probability**2 * above)
        # Of what is held back up to a bin, all may be there, or nothing.
        least = [one + more + off - probability * (total + more) for one, more in zip(running, slack, strict=True)]
        most = [one - off - probability * (total + slack[-1] - more) for one, more in zip(running, slack, strict=True)]
        some = [one + more + off > 0 for one, more in zip(running, slack, strict=True)]
        first = next((number for number, one in enumerate(least) if one >= 0 and some[number]), 0)
        last = next((number for number, one in enumerate(most) if one >= 0 and running[number] > 0), len(most) - 1)
        errors.append(width * max(value - first, last + 1 - value))
    return Estimate(group, tuple(values), tuple(errors), total, hidden)


def _rising(running: list[float], total: float) -> list[float]:
    """Half-way between the least sequence above it that rises and the greatest below it, from 0 to the total."""
    upper = list(accumulate(running, max))
    lower = list(accumulate(reversed(running), min))[::-1]
    return [min(total, max(0.0, (one + other) / 2)) for one, other in zip(upper, lower, strict=True)]


def _inverted(running: Sequence[float], rank: float) -> float:
    """How many bins lie below a rank, parts of one included."""
    before = 0.0
    for number, upto in enumerate(running):
        if upto >= rank and upto > before:
            return number + max(0.0, rank - before) / (upto - before)
        before = upto
    return float(len(running))
