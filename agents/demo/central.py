"""The same as the surveyor finds, computed with all rows at one place; and how far the two are apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from agents.demo.logistic import CONVERGED, Slopes, stepped, with_intercept

if TYPE_CHECKING:
    from agents.demo.hospitals import Floats, Patients

__all__ = ["NEAR", "Comparison", "compared"]

#: Differences up to this are rounding: relative to a number that is above 1, else absolute.
NEAR: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity, as the surveyor found it and as it is with all rows at one place.

    Attributes
    ----------
    shape
        Empty for a single number.
    carried, central
        One value of each: of the first measurement, or of the first two.
    apart
        The largest absolute difference of all values.
    scaled
        The largest, where each is divided by the central value if that is above 1.
    """

    quantity: str
    by: str
    shape: tuple[int, ...]
    carried: float
    central: float
    apart: float
    scaled: float

    @property
    def equal(self) -> bool:
        """To rounding. A difference that is no number is none."""
        return self.scaled <= NEAR


def compared(found: Mapping[str, Any], everyone: Patients, penalty: float) -> list[Comparison]:
    """Compare what the surveyor returned.

    The moments are numpy's two-pass ones. The weights are those of as many steps of Newton's method on all rows; if
    training has converged, also those that scikit-learn finds by itself.
    """
    import numpy

    rows = everyone.measured
    mean, variance = rows.mean(axis=0), rows.var(axis=0)
    design = with_intercept(rows, mean, numpy.sqrt(variance))
    weights = numpy.zeros(design.shape[1])
    for _ in range(int(found["steps"])):
        weights, _ = stepped(weights, Slopes.of(design, everyone.benign, weights), penalty)
    right = float(((design @ weights > 0) == (everyone.benign > 0.5)).sum())
    quantities: list[tuple[str, str, Any, Any]] = [
        ("patients", "counting", found["count"], float(len(everyone))),
        ("mean", "numpy", found["mean"], mean),
        ("variance", "numpy", found["variance"], variance),
        ("correlation", "numpy", found["correlation"], numpy.corrcoef(rows.T)),
        ("weights", "as many steps", found["weights"], weights),
    ]
    if found["change"] <= CONVERGED:
        fitted = _by_scikit_learn(design, everyone.benign, penalty)
        quantities.append(("weights", "scikit-learn", found["weights"], fitted))
    quantities.append(("accuracy", "as many steps", found["right"] / found["count"], right / len(everyone)))
    return list(_compared(quantities))


def _compared(quantities: Iterable[tuple[str, str, Any, Any]]) -> Iterable[Comparison]:
    import numpy

    for quantity, by, carried, central in quantities:
        one, other = numpy.asarray(carried, float), numpy.asarray(central, float)
        index: tuple[int, ...] = {0: (), 1: (0,), 2: (0, 1)}[other.ndim]
        if quantity == "weights":
            index = (1,)  # the first is the intercept
        apart = numpy.abs(one - other)
        yield Comparison(
            quantity,
            by,
            other.shape,
            float(one[index]),
            float(other[index]),
            float(apart.max()),
            float((apart / numpy.maximum(1.0, numpy.abs(other))).max()),
        )


def _by_scikit_learn(design: Floats, benign: Floats, penalty: float) -> Floats:
    """Intercept and weights, fitted by a library that has nothing to do with this one."""
    import numpy

    linear: Any = import_module("sklearn.linear_model")
    model = linear.LogisticRegression(C=1.0 / penalty, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    model.fit(design[:, 1:], benign)
    fitted: Floats = numpy.concatenate((model.intercept_, model.coef_[0]))
    return fitted
