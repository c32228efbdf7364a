"""What can be asked of a data set without an app: a statistic, in a form that is data and no code.

========================  ===========================================================================================
`Query.count`             records
`Query.sum`, `mean`,      of a column of numbers, which are clipped to bounds first; the variance is that of the
`variance`                whole, with the number of records as its divisor
`Query.histogram`         counts between edges, the last one included, as numpy has it
`Query.quantiles`         from a histogram of equal bins between the bounds
`Query.counts`            counts by category, of the categories that are named
========================  ===========================================================================================

Each may be of those records alone that meet all conditions (`where`), and once for each value of a column (`group`).
The values of groups and categories are named by whoever asks: which there are would tell of the data. A missing number
(NaN) and a value that nobody named are counted nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from federated.accounting import mu_for
from federated.conditions import MOST_CELLS, Condition, Value, checked_name, checked_values, plain_sequence
from federated.errors import QueryInvalid

__all__ = ["Query", "QueryKind", "QueryNoise"]

_MOST_CONDITIONS: Final = 16
_LARGEST: Final = 1e100  # of a bound: its square is a number still


class QueryKind(StrEnum):
    """Which statistic."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    VARIANCE = "variance"
    HISTOGRAM = "histogram"
    QUANTILES = "quantiles"
    COUNTS = "counts"


#: Kinds whose numbers are clipped.
_CLIPPED: Final = frozenset({QueryKind.SUM, QueryKind.MEAN, QueryKind.VARIANCE, QueryKind.QUANTILES})


@dataclass(frozen=True, slots=True)
class QueryNoise:
    """Noise that is asked for: of Laplace with `epsilon` alone, of Gauss with `delta` too.

    Raises
    ------
    QueryInvalid
    """

    epsilon: float
    delta: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("epsilon", self.epsilon), ("delta", 0.5 if self.delta is None else self.delta)):
            if type(value) not in (int, float):
                raise QueryInvalid(f"{name} is a number, not {value!r:.80}")
        if not 1e-9 <= self.epsilon <= 1e6:
            raise QueryInvalid(f"epsilon is between 1e-9 and 1e6, not {self.epsilon!r}")
        if self.delta is not None:
            try:
                mu_for(self.epsilon, self.delta)
            except ValueError as error:
                raise QueryInvalid(str(error)) from None

    def to_plain(self) -> dict[str, Any]:
        """As it travels."""
        return {"epsilon": float(self.epsilon), "delta": self.delta}

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> Self:
        """As it came.

        Raises
        ------
        QueryInvalid
        """
        if value.keys() != {"epsilon", "delta"}:
            raise QueryInvalid("noise has an epsilon and a delta, and nothing else")
        return cls(value["epsilon"], value["delta"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question; made by `Query.count` and its like.

    Attributes
    ----------
    kind
        Which statistic.
    column
        Of what; None for a count.
    bounds
        To which numbers are clipped; None: to those of the data's owner.
    edges
        Of a histogram, rising.
    categories
        To count.
    probabilities, bins
        Of quantiles: each between 0 and 1; and into how many bins the bounds are parted.
    where
        Conditions, all of which a record has to meet.
    group, groups
        A column, and those of its values for each of which there is a result.

    Raises
    ------
    QueryInvalid
    """

    kind: QueryKind
    column: str | None = None
    bounds: tuple[float, float] | None = None
    edges: tuple[float, ...] = ()
    categories: tuple[Value, ...] = ()
    probabilities: tuple[float, ...] = ()
    bins: int = 0
    where: tuple[Condition, ...] = ()
    group: str | None = None
    groups: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        kind = self.kind
        if (self.column is None) != (kind is QueryKind.COUNT):
            raise QueryInvalid("a count has no column, and every other query has one")
        if self.column is not None:
            checked_name("the column", self.column)
        if self.bounds is not None:
            if kind not in _CLIPPED:
                raise QueryInvalid(f"a {kind} is not clipped to bounds")
            _rising("bounds", self.bounds, 2)
        elif kind is QueryKind.QUANTILES:
            raise QueryInvalid("quantiles need bounds, the same at every place: their bins lie between them")
        self._check_cells()
        if len(self.where) > _MOST_CONDITIONS:
            raise QueryInvalid(f"it has {len(self.where)} conditions, and {_MOST_CONDITIONS} are the most")
        if (self.group is None) != (not self.groups):
            raise QueryInvalid("a group is a column with the values that are asked for")
        if self.group is not None:
            checked_name("the column of a group", self.group)
            checked_values("groups", self.groups)

    def _check_cells(self) -> None:
        kind = self.kind
        if (kind is QueryKind.HISTOGRAM) != bool(self.edges) or (kind is QueryKind.COUNTS) != bool(self.categories):
            raise QueryInvalid("a histogram has edges, counts have categories, and no other query has them")
        if self.edges:
            _rising("edges", self.edges, 2, MOST_CELLS + 1)
        if self.categories:
            checked_values("categories", self.categories)
        if (kind is QueryKind.QUANTILES) != bool(self.probabilities) or (kind is QueryKind.QUANTILES) != bool(
            self.bins
        ):
            raise QueryInvalid("quantiles have probabilities and bins, and no other query has them")
        for one in self.probabilities:
            if type(one) not in (int, float) or not 0 <= one <= 1:
                raise QueryInvalid(f"a probability is between 0 and 1, not {one!r:.80}")
        if type(self.bins) is not int or (self.bins and self.bins < 2):
            raise QueryInvalid(f"bins are a whole number of at least 2, not {self.bins!r:.80}")
        if len(self.probabilities) > MOST_CELLS or self.cells * max(1, len(self.groups)) > MOST_CELLS:
            raise QueryInvalid(f"one query has {MOST_CELLS} cells at most")

    @property
    def cells(self) -> int:
        """Of each group."""
        return max(1, len(self.edges) - 1, len(self.categories), self.bins)

    @property
    def columns_by(self) -> frozenset[str]:
        """Those of conditions and groups."""
        grouped = set() if self.group is None else {self.group}
        return frozenset({one.column for one in self.where} | grouped)

    @property
    def is_clipped(self) -> bool:
        """Whether its numbers are."""
        return self.kind in _CLIPPED

    # -- making one

    @classmethod
    def count(cls, *, where: Iterable[Sequence[Any]] = (), group: tuple[str, Sequence[Value]] | None = None) -> Self:
        """How many records there are.

        Parameters
        ----------
        where
            Conditions as ``("age", ">=", 18)``.
        group
            A column, and values of it: ``("sex", ["f", "m"])``.
        """
        return cls._made(QueryKind.COUNT, None, where, group)

    @classmethod
    def sum(
        cls,
        column: str,
        *,
        bounds: tuple[float, float] | None = None,
        where: Iterable[Sequence[Any]] = (),
        group: tuple[str, Sequence[Value]] | None = None,
    ) -> Self:
        """Of a column."""
        return cls._made(QueryKind.SUM, column, where, group, bounds=_pair(bounds))

    @classmethod
    def mean(
        cls,
        column: str,
        *,
        bounds: tuple[float, float] | None = None,
        where: Iterable[Sequence[Any]] = (),
        group: tuple[str, Sequence[Value]] | None = None,
    ) -> Self:
        """Of a column."""
        return cls._made(QueryKind.MEAN, column, where, group, bounds=_pair(bounds))

    @classmethod
    def variance(
        cls,
        column: str,
        *,
        bounds: tuple[float, float] | None = None,
        where: Iterable[Sequence[Any]] = (),
        group: tuple[str, Sequence[Value]] | None = None,
    ) -> Self:
        """Of a column."""
        return cls._made(QueryKind.VARIANCE, column, where, group, bounds=_pair(bounds))

    @classmethod
    def histogram(
        cls,
        column: str,
        edges: Sequence[float],
        *,
        where: Iterable[Sequence[Any]] = (),
        group: tuple[str, Sequence[Value]] | None = None,
    ) -> Self:
        """Counts between edges."""
        return cls._made(QueryKind.HISTOGRAM, column, where, group, edges=plain_sequence("edges", edges))

    @classmethod
    def quantiles(
        cls,
        column: str,
        probabilities: Sequence[float],
        *,
        bounds: tuple[float, float],
        bins: int = 128,
        where: Iterable[Sequence[Any]] = (),
        group: tuple[str, Sequence[Value]] | None = None,
    ) -> Self:
        """Values below which these parts of a column are; more bins are finer, and get more noise in all."""
        asked = plain_sequence("probabilities", probabilities)
        return cls._made(
            QueryKind.QUANTILES, column, where, group, bounds=_pair(bounds), probabilities=asked, bins=bins
        )

    @classmethod
    def counts(
        cls,
        column: str,
        categories: Sequence[Value],
        *,
        where: Iterable[Sequence[Any]] = (),
        group: tuple[str, Sequence[Value]] | None = None,
    ) -> Self:
        """Counts by category."""
        return cls._made(QueryKind.COUNTS, column, where, group, categories=plain_sequence("categories", categories))

    @classmethod
    def _made(cls, kind: QueryKind, column: str | None, where: Any, group: Any, **more: Any) -> Self:
        conditions = []
        for one in plain_sequence("where", where):
            if isinstance(one, str) or not isinstance(one, Sequence) or len(one) != 3:
                raise QueryInvalid(f"a condition is a column, an operator and a value, not {one!r:.80}")
            conditions.append(Condition(*one))
        grouped: dict[str, Any] = {}
        if group is not None:
            if isinstance(group, str) or not isinstance(group, Sequence) or len(group) != 2:
                raise QueryInvalid("a group is a column and a list of its values")
            grouped = {"group": group[0], "groups": plain_sequence("groups", group[1])}
        return cls(kind=kind, column=column, where=tuple(conditions), **grouped, **more)

    # -- travelling

    def to_plain(self) -> dict[str, Any]:
        """As it travels."""
        return {
            "kind": self.kind.value,
            "column": self.column,
            "bounds": None if self.bounds is None else list(self.bounds),
            "edges": list(self.edges),
            "categories": list(self.categories),
            "probabilities": list(self.probabilities),
            "bins": self.bins,
            "where": [one.to_plain() for one in self.where],
            "group": self.group,
            "groups": list(self.groups),
        }

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> Self:
        """As it came.

        Raises
        ------
        QueryInvalid
        """
        if value.keys() != set(cls.__dataclass_fields__):
            raise QueryInvalid("it has other fields than a query has")
        if value["kind"] not in list(QueryKind):
            raise QueryInvalid(f"there is no query of the kind {value['kind']!r:.80}")
        bounds, group, groups = value["bounds"], value["group"], value["groups"]
        if type(groups) is not list or (group is None and groups):
            raise QueryInvalid("a group is a column with the values that are asked for")
        return cls._made(
            QueryKind(value["kind"]),
            value["column"],
            value["where"],
            None if group is None else (group, groups),
            bounds=None if bounds is None else _pair(bounds),
            edges=plain_sequence("edges", value["edges"]),
            categories=plain_sequence("categories", value["categories"]),
            probabilities=plain_sequence("probabilities", value["probabilities"]),
            bins=value["bins"],
        )


def _pair(values: Any) -> tuple[float, float] | None:
    if values is None:
        return None
    pair = plain_sequence("bounds", values)
    _rising("bounds", pair, 2, 2)
    return float(pair[0]), float(pair[1])


def _rising(what: str, values: Sequence[Any], least: int, most: int | None = None) -> None:
    if len(values) < least or len(values) > (most or least):
        raise QueryInvalid(f"{what}: there are {len(values)}, and there may be {least} to {most or least}")
    if not all(type(one) in (int, float) and abs(one) <= _LARGEST for one in values):
        raise QueryInvalid(f"{what} are numbers of at most {_LARGEST:g}")
    if any(right <= left for left, right in zip(values, values[1:], strict=False)):
        raise QueryInvalid(f"{what} do not rise: {', '.join(map(str, values[:8]))}")
