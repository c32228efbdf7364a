"""Statistics of a data set as they leave it: clipped, with noise, small cells held back.

Rules
-----
1. A query is parted into *cells*: one for each group and, within it, for each bin or category. A record is in one cell
   at most. Of each cell there are up to three numbers: how many records, the sum of their values, the sum of squares.
2. Neighbours are data sets of which one record is exchanged for another. Values are clipped to bounds, moved to the
   middle between them and scaled to [-1, 1] (a sum is only scaled), and rounded to multiples of 2**-20, each by
   itself; sums of these are exact, and so is the noise for them. Its scale follows from how much one record can
   change, by the norm of each mechanism:

   ====================  ===========================  ================================
   numbers of a cell     L1, one cell (several)       L2, one cell (several)
   ====================  ===========================  ================================
   records               1 (2)                        1 (sqrt 2)
   records, sum          2 (4)                        2 (2)
   records, sum, square  3 (6)                        2 (sqrt 6)
   ====================  ===========================  ================================

   One cell: the record stays in it, and its value moves from one end to the other, or it comes or goes by the
   conditions. Several: it leaves one and enters another.
3. Laplace noise is discrete and drawn exactly (`federated.noise`), and the whole answer costs its epsilon. Gaussian
   noise costs rho; epsilon and delta are those of the whole answer, by the analytic Gaussian mechanism.
4. A cell is held back whole if its number of records, as it would leave, is below `least`. With noise that is
   a choice made after the noise, and tells nothing more. The bins of quantiles that have noise are held back all
   together, by their sum: to lose the small ones alone would bend the distribution.
5. What leaves without noise has no guarantee. Cells held back and the difference of two such answers can tell of one
   record: that is for the owner to weigh who allows it.

References
----------
Dwork, McSherry, Nissim, Smith: Calibrating Noise to Sensitivity in Private Data Analysis. TCC 2006.
Balle, Wang: Improving the Gaussian Mechanism for Differential Privacy. ICML 2018, arXiv:1805.06530.
Canonne, Kamath, Steinke: The Discrete Gaussian for Differential Privacy. NeurIPS 2020, arXiv:2004.00010.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from federated.accounting import FREE, Cost, mu_for
from federated.conditions import Condition, Value
from federated.errors import QueryInvalid
from federated.noise import Gaussian, Noise
from federated.queries import Query, QueryKind, QueryNoise

__all__ = ["SiteAnswer", "cost_of", "measured", "parts_of"]

_UNIT: Final = 1 << 20  # steps of a scaled value: nine billion records stay within the whole numbers of a double
_PARTS: Final = {QueryKind.SUM: 2, QueryKind.MEAN: 2, QueryKind.VARIANCE: 3}


@dataclass(frozen=True, slots=True)
class SiteAnswer:
    """What leaves one data set.

    Attributes
    ----------
    cells
        For each group, its cells one after another: records, sum and sum of squares, as far as the query needs them;
        None where they are held back.
    centre
        What was taken off each value before it was summed.
    sigma
        Standard deviation of the noise on each of the numbers of a cell; zeros without.
    epsilon, delta
        Of the noise; epsilon 0 without, delta None with that of Laplace.
    rho
        What Gaussian noise has cost.
    least
        Below which number of records a cell is held back.
    """

    cells: tuple[tuple[float, ...] | None, ...]
    centre: float
    sigma: tuple[float, ...]
    epsilon: float = 0.0
    delta: float | None = None
    rho: float = 0.0
    least: int = 0

    def to_plain(self) -> dict[str, Any]:
        """As it travels."""
        return {
            "cells": [None if cell is None else list(cell) for cell in self.cells],
            "centre": self.centre,
            "sigma": list(self.sigma),
            "epsilon": self.epsilon,
            "delta": self.delta,
            "rho": self.rho,
            "least": self.least,
        }


def parts_of(kind: QueryKind) -> int:
    """How many numbers a cell has."""
    return _PARTS.get(kind, 1)


def cost_of(noise: QueryNoise | None) -> Cost:
    """What an answer with it takes from the allowance."""
    if noise is None:
        return FREE
    if noise.delta is None:
        return Cost(epsilon=noise.epsilon)
    mu = mu_for(noise.epsilon, noise.delta)
    return Cost(rho=mu * mu / 2)


def measured(
    query: Query,
    columns: Mapping[str, NDArray[Any]],
    *,
    bounds: tuple[float, float] | None = None,
    asked: QueryNoise | None = None,
    least: int = 0,
    noise: Noise | None = None,
) -> SiteAnswer:
    """Answer a query from columns of equal length.

    Parameters
    ----------
    bounds
        To which values are clipped if the query has none; without any, nothing is clipped, and there can be no noise.
    asked
        Noise that is added; None: none.
    least
        Cells of fewer records are held back.
    noise
        By default from the system's random bytes.

    Raises
    ------
    QueryInvalid
        If the query does not fit the columns.
    """
    within = query.bounds or bounds
    if asked is not None and query.is_clipped and within is None:
        raise QueryInvalid(f"a {query.kind} with noise needs bounds")
    where, values = _placed(query, columns, within)
    total = query.cells * max(1, len(query.groups))
    if asked is None:
        return _exact(query, where, values, within, total, least)
    return _noised(query, where, values, within, total, least, asked, noise or Noise())


# -- which record is where


def _placed(
    query: Query, columns: Mapping[str, NDArray[Any]], bounds: tuple[float, float] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """The cell of each record that is in one, and its value, clipped."""
    for name in (*query.columns_by, *(() if query.column is None else (query.column,))):
        if name not in columns:
            raise QueryInvalid(f"the data has no column {name!r}")
    size = len(next(iter(columns.values()))) if columns else 0
    taken = np.ones(size, bool)
    for condition in query.where:
        taken &= _meets(columns[condition.column], condition)
    cell = np.zeros(size, np.int64)
    if query.group is not None:
        group = _which(columns[query.group], query.groups)
        taken &= group >= 0
        cell = group * query.cells
    values: NDArray[np.float64] | None = None
    if query.kind is QueryKind.COUNTS:
        assert query.column is not None
        category = _which(columns[query.column], query.categories)
        taken &= category >= 0
        cell = cell + category
    elif query.column is not None:
        values = _numbers(query.column, columns[query.column])
        present = ~np.isnan(values) if bounds is not None else np.isfinite(values)
        taken &= present
        if query.kind is QueryKind.HISTOGRAM:
            edges = np.asarray(query.edges, np.float64)
            inside = np.searchsorted(edges, values, side="right") - 1
            inside[values == edges[-1]] = query.cells - 1
            taken &= (inside >= 0) & (inside < query.cells)
            cell = cell + inside
        elif bounds is not None:
            values = np.clip(np.where(present, values, bounds[0]), *bounds)
            if query.kind is QueryKind.QUANTILES:
                share = (values - bounds[0]) / (bounds[1] - bounds[0])
                cell = cell + np.minimum((share * query.bins).astype(np.int64), query.bins - 1)
    return cell[taken], None if values is None else values[taken]


def _numbers(name: str, column: NDArray[Any]) -> NDArray[np.float64]:
    if column.dtype.kind not in "biuf":
        raise QueryInvalid(f"the column {name!r} has no numbers")
    return column.astype(np.float64)


def _meets(column: NDArray[Any], condition: Condition) -> NDArray[np.bool_]:
    value, operator = condition.value, condition.operator
    if operator == "in":
        assert isinstance(value, tuple)
        return _which(column, value) >= 0
    assert not isinstance(value, tuple)
    if operator == "==":
        return _equal(column, value)
    if operator == "!=":
        return ~_equal(column, value) & ~_missing(column)
    numbers = _numbers(condition.column, column)
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[operator]
    met: NDArray[np.bool_] = compare(numbers, value)
    return met


def _which(column: NDArray[Any], values: tuple[Value, ...]) -> NDArray[np.int64]:
    """The number of the value that a record has; -1 for none of them."""
    found = np.full(len(column), -1, np.int64)
    for number, value in enumerate(values):
        found[_equal(column, value)] = number
    return found


def _equal(column: NDArray[Any], value: Value) -> NDArray[np.bool_]:
    """A text equals no number."""
    if (column.dtype.kind in "biuf") == (type(value) is str):
        return np.zeros(len(column), bool)
    return np.asarray(column == value, bool)


def _missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype.kind == "O":
        return np.array([one is None for one in column], bool)
    missing = np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column))
    return missing.astype(np.bool_)


# -- what leaves


def _exact(
    query: Query,
    where: NDArray[np.int64],
    values: NDArray[np.float64] | None,
    bounds: tuple[float, float] | None,
    total: int,
    least: int,
) -> SiteAnswer:
    parts = parts_of(query.kind)
    sums: list[NDArray[Any]] = [np.bincount(where, minlength=total).astype(np.float64)]
    centre = 0.0
    if parts > 1:
        assert values is not None
        if query.kind is not QueryKind.SUM:
            # Near the values, so that the square of a large mean does not swallow a small variance.
            centre = _middle(bounds) if bounds is not None else float(values.mean()) if len(values) else 0.0
        off = values - centre
        with np.errstate(over="ignore"):
            sums += [np.bincount(where, weights=off**power, minlength=total) for power in range(1, parts)]
    cells = np.stack(sums, axis=1)
    if not np.isfinite(cells).all() or not math.isfinite(centre):
        raise QueryInvalid("its sums are too large for a number, without bounds")
    return SiteAnswer(_kept(cells, cells[:, 0], least), centre, (0.0,) * parts, least=least)


def _noised(
    query: Query,
    where: NDArray[np.int64],
    values: NDArray[np.float64] | None,
    bounds: tuple[float, float] | None,
    total: int,
    least: int,
    asked: QueryNoise,
    noise: Noise,
) -> SiteAnswer:
    parts = parts_of(query.kind)
    unit, centre, scale = 1, 0.0, 1.0
    sums: list[NDArray[Any]] = [np.bincount(where, minlength=total).astype(np.float64)]
    if parts > 1:
        assert values is not None and bounds is not None
        unit = _UNIT
        summed = query.kind is QueryKind.SUM
        centre = 0.0 if summed else _middle(bounds)
        scale = max(map(abs, bounds)) if summed else (bounds[1] - bounds[0]) / 2
        scaled = np.clip((values - centre) / scale, -1.0, 1.0)
        sums[0] *= unit
        # Whole numbers below 2**53, so the sums are exact in whatever order.
        sums += [
            np.bincount(where, weights=np.rint(scaled**power * unit), minlength=total) for power in range(1, parts)
        ]
    true = np.stack(sums, axis=1).reshape(-1)
    if asked.delta is None:
        width = Fraction(_l1(parts, total) * unit) / Fraction(asked.epsilon)
        noised = np.array([float(int(one) + noise.laplace(width)) for one in true.tolist()])
        sigma, rho = _laplace_sigma(float(width)), 0.0
    else:
        gaussian = Gaussian.hiding(_l2(parts, total, unit), mu_for(asked.epsilon, asked.delta), true.size)
        noised = noise.noised(true, gaussian)
        sigma, rho = gaussian.sigma, gaussian.rho
    factors = np.array([scale**power / unit for power in range(parts)])
    cells = noised.reshape(total, parts) * factors
    records = cells[:, 0]
    if query.kind is QueryKind.QUANTILES:
        records = np.repeat(records.reshape(-1, query.bins).sum(axis=1), query.bins)
    kept = _kept(cells, records, least)
    return SiteAnswer(kept, centre, tuple((sigma * factors).tolist()), asked.epsilon, asked.delta, rho, least)


def _kept(cells: NDArray[np.float64], records: NDArray[np.float64], least: int) -> tuple[tuple[float, ...] | None, ...]:
    """Without those of too few records. A number below zero, which noise can make, is a number like others."""
    large = (records >= least).tolist() if least > 0 else [True] * len(cells)
    return tuple(tuple(cell) if there else None for cell, there in zip(cells.tolist(), large, strict=True))


def _middle(bounds: tuple[float, float]) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) / 2


def _l1(parts: int, cells: int) -> int:
    return parts if cells == 1 else 2 * parts


def _l2(parts: int, cells: int, unit: int) -> float:
    """In steps of the unit. From end to end is 2; rounding adds at most one step, across, to the square."""
    several = {1: math.sqrt(2), 2: 2.0, 3: math.sqrt(6)}[parts] * unit
    if cells > 1:
        return several
    return 1.0 if parts == 1 else 2.0 * unit if parts == 2 else math.hypot(2 * unit, 1)


def _laplace_sigma(width: float) -> float:
    """Of a whole number with a probability proportional to ``exp(-abs(k) / width)``."""
    return 1 / (math.sqrt(2) * math.sinh(1 / (2 * width))) if width > 1e-3 else 0.0
