"""What the owner of a data set lets be asked of it without an app.

In the policy of the data set::

    queries = [
        { kinds = ["count", "mean", "quantiles"], columns = ["age"], by = ["sex"], askers = ["5f0c..."],
          epsilon = 0.5, least = 10, bounds = { age = [0, 120] } },
        { kinds = ["count"], by = ["year"], askers = ["*"], exact = true, least = 20 },
    ]
    allowance = { counting_epsilon = 2.0, epsilon = 2.0, delta = 1e-6 }

A query is answered if one rule allows all of it; what no rule allows is refused. With noise of Laplace it is paid
from ``counting_epsilon``, with that of Gauss from ``epsilon`` and ``delta``: the same budget that apps draw on. Where
the allowance has none of that kind, there is no such noise to be had.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from federated.accounting import Allowance
from federated.queries import Query, QueryKind, QueryNoise

__all__ = ["QueryRule", "against_query"]

_KEY_ID: Final = re.compile(r"[0-9a-f]{64}|\*")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRule:
    """Which queries are allowed, of whom, and how finely they may look.

    Attributes
    ----------
    kinds
        Of statistics.
    askers
        Key ids of those who may ask; ``"*"``: every owner whom the node trusts.
    columns
        That may be measured.
    by
        Columns by whose values records may be chosen and grouped.
    epsilon
        The most that one answer may cost; None: as much as the allowance has.
    exact
        Whether it is answered without noise, too. Nothing of that is counted in epsilon, and nothing bounds what such
        answers tell together, but for `least` and the allowance's rounds.
    least
        Cells of fewer records are held back.
    bounds
        By column: to which numbers are clipped if who asks does not say.

    Raises
    ------
    ValueError
    """

    kinds: tuple[str, ...]
    askers: tuple[str, ...]
    columns: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    epsilon: float | None = None
    exact: bool = False
    least: int = 0
    bounds: tuple[tuple[str, tuple[float, float]], ...] = ()

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in list(QueryKind):
                raise ValueError(f"kinds has {kind[:40]!r}; there are {', '.join(QueryKind)}")
        for asker in self.askers:
            if not _KEY_ID.fullmatch(asker):
                raise ValueError(f'askers has {asker[:80]!r}, which is neither a key id nor "*"')
        if self.epsilon is not None and not 0 < self.epsilon < math.inf:
            raise ValueError(f"epsilon is a number above 0, not {self.epsilon!r}")
        if type(self.least) is not int or self.least < 0:
            raise ValueError(f"least is a whole number of at least 0, not {self.least!r}")
        for column, (low, high) in self.bounds:
            if column not in self.columns:
                raise ValueError(f"bounds has {column[:80]!r}, which is none of columns")
            if not -1e100 <= low < high <= 1e100:
                raise ValueError(f"bounds of {column[:80]!r} do not rise, or are no numbers of at most 1e100")

    def against(self, asker: str, query: Query, noise: QueryNoise | None) -> list[str]:
        """Each thing that this rule has against a query, as a sentence without its full stop."""
        found = []
        if "*" not in self.askers and asker not in self.askers:
            found.append(f"the key {asker[:16]} may not ask")
        if query.kind not in self.kinds:
            found.append(f"a query of the kind {query.kind} is not answered")
        if query.column is not None and query.column not in self.columns:
            found.append(f"the column {query.column!r} is not measured")
        for column in sorted(query.columns_by - set(self.by)):
            found.append(f"records are not chosen by the column {column!r}")
        if noise is None:
            if not self.exact:
                found.append("nothing is answered without noise")
        elif self.epsilon is not None and noise.epsilon > self.epsilon:
            found.append(f"epsilon {noise.epsilon:g} is more than the {self.epsilon:g} of one answer")
        if noise is not None and query.is_clipped and self.bounds_of(query) is None:
            found.append(f"noise for the column {query.column!r} needs bounds")
        return found

    def bounds_of(self, query: Query) -> tuple[float, float] | None:
        """To which a query's values are clipped."""
        return query.bounds or dict(self.bounds).get(query.column or "")


def against_query(
    rules: Sequence[QueryRule], allowance: Allowance, asker: str, query: Query, noise: QueryNoise | None
) -> tuple[QueryRule | None, list[str]]:
    """The first rule that allows a query, or what the nearest one has against it."""
    if not rules:
        return None, ["its policy answers no queries"]
    if noise is not None:
        budget = allowance.counting_epsilon if noise.delta is None else allowance.epsilon
        name = "counting_epsilon" if noise.delta is None else "epsilon"
        if budget is None:
            return None, [f"the allowance has no {name}, from which this noise would be paid"]
    nearest: list[str] | None = None
    for rule in rules:
        found = rule.against(asker, query, noise)
        if not found:
            return rule, []
        if nearest is None or len(found) < len(nearest):
            nearest = found
    assert nearest is not None
    return None, nearest
