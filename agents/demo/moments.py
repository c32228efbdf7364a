"""Mean, variance and correlation of rows that lie at several places, from what can be carried between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.demo.hospitals import Floats

__all__ = ["Moments"]


@dataclass(frozen=True, slots=True)
class Moments:
    """Sufficient statistics of some rows up to the second order. Two of them are added by the pairwise update of Chan,
    Golub and LeVeque 1979 (Stanford STAN-CS-79-773), which stays exact to rounding where sums of squares cancel.

    Attributes
    ----------
    count
        Of rows; a float, so that its size in bytes does not depend on it.
    mean
        Shape (features,).
    scatter
        Shape (features, features): the sum of the outer products of deviations from the mean.
    """

    count: float
    mean: Floats
    scatter: Floats

    @classmethod
    def nothing(cls, features: int) -> Moments:
        """Of no rows."""
        import numpy

        return cls(0.0, numpy.zeros(features), numpy.zeros((features, features)))

    @classmethod
    def of(cls, rows: Floats) -> Moments:
        """Of rows, shape (rows, features), at least one."""
        mean = rows.mean(axis=0)
        deviations = rows - mean
        return cls(float(len(rows)), mean, deviations.T @ deviations)

    def __add__(self, other: Moments) -> Moments:
        import numpy

        count = self.count + other.count
        if not count:
            return self
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        scatter = self.scatter + other.scatter + numpy.outer(apart, apart) * (self.count * other.count / count)
        return Moments(count, mean, scatter)

    @property
    def variance(self) -> Floats:
        """Of the population, shape (features,)."""
        variance: Floats = self.scatter.diagonal() / self.count
        return variance

    @property
    def scale(self) -> Floats:
        """Standard deviations, shape (features,); 1 for what does not vary."""
        import numpy

        scale: Floats = numpy.sqrt(self.variance)
        return numpy.where(scale > 0, scale, 1.0)

    @property
    def correlation(self) -> Floats:
        """Pearson's, shape (features, features)."""
        import numpy

        deviation = numpy.sqrt(self.scatter.diagonal())
        correlation: Floats = self.scatter / numpy.outer(deviation, deviation)
        return correlation
