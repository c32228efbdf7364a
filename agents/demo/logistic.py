"""Logistic regression with an L2 penalty, by Newton's method on sums that can be carried from place to place.

The gradient and the Hessian of the loss are sums over rows, so it does not matter where the rows lie: each step is the
one that would be made with all rows at one place (iteratively reweighted least squares; Hastie, Tibshirani, Friedman
2009, "The Elements of Statistical Learning", section 4.4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agents.demo.hospitals import Floats

__all__ = ["CONVERGED", "Hits", "Slopes", "probability", "stepped", "with_intercept"]

#: The largest change of a weight at which training ends. Newton's method doubles the digits with each step: after one
#: that has changed the eighth digit, the weights are exact.
CONVERGED: Final = 1e-8


def with_intercept(rows: Floats, mean: Floats, scale: Floats) -> Floats:
    """Standardised rows behind a column of ones, shape (rows, 1 + features)."""
    import numpy

    return numpy.column_stack((numpy.ones(len(rows)), (rows - mean) / scale))


def probability(design: Floats, weights: Floats) -> Floats:
    """Of class 1, shape (rows,); of whatever size the weights are, nothing overflows."""
    import numpy

    found: Floats = 0.5 * (1.0 + numpy.tanh(0.5 * (design @ weights)))
    return found


@dataclass(frozen=True, slots=True)
class Slopes:
    """Gradient and Hessian of the loss, without the penalty, summed over some rows.

    Attributes
    ----------
    gradient, hessian
        Shapes (1 + features,) and (1 + features, 1 + features).
    """

    gradient: Floats
    hessian: Floats

    @classmethod
    def nothing(cls, features: int) -> Slopes:
        """Over no rows."""
        import numpy

        return cls(numpy.zeros(1 + features), numpy.zeros((1 + features, 1 + features)))

    @classmethod
    def of(cls, design: Floats, benign: Floats, weights: Floats) -> Slopes:
        """Over the rows of `design`, at `weights`."""
        expected = probability(design, weights)
        curvature = expected * (1.0 - expected)
        return cls(design.T @ (expected - benign), (design.T * curvature) @ design)

    def __add__(self, other: Slopes) -> Slopes:
        return Slopes(self.gradient + other.gradient, self.hessian + other.hessian)


@dataclass(frozen=True, slots=True)
class Hits:
    """How many rows are classified rightly.

    Attributes
    ----------
    right, rows
        Floats, so that their size in bytes does not depend on them.
    """

    right: float = 0.0
    rows: float = 0.0

    @classmethod
    def of(cls, design: Floats, benign: Floats, weights: Floats) -> Hits:
        """Among the rows of `design`."""
        right = ((design @ weights > 0) == (benign > 0.5)).sum()
        return cls(float(right), float(len(benign)))

    def __add__(self, other: Hits) -> Hits:
        return Hits(self.right + other.right, self.rows + other.rows)


def stepped(weights: Floats, slopes: Slopes, penalty: float) -> tuple[Floats, float]:
    """The weights after one step of Newton's method, and the largest change among them.

    Parameters
    ----------
    slopes
        Over all rows, at `weights`.
    penalty
        Weight of half the sum of squares; the intercept, which comes first, has none.
    """
    import numpy

    penalties = numpy.full(len(weights), penalty)
    penalties[0] = 0.0
    change = numpy.linalg.solve(slopes.hessian + numpy.diag(penalties), slopes.gradient + penalties * weights)
    return weights - change, float(numpy.abs(change).max())
