"""The agent: one function with loops, and a second one to which it delegates; both go on where they were, elsewhere.

What it carries is sums over rows and never a row: `part` looks at the rows where they lie, and its result is added.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from agents.decorating import agent
from agents.demo.hospitals import RESOURCE, Patients
from agents.demo.logistic import CONVERGED, Hits, Slopes, stepped, with_intercept
from agents.demo.moments import Moments
from agents.effects import hop

if TYPE_CHECKING:
    from agents.demo.hospitals import Floats

__all__ = ["surveyor"]


@agent
def surveyor(
    here: Any, hospitals: Sequence[str], features: int, rounds: int, penalty: float
) -> Generator[Any, Any, dict[str, Any]]:
    """Go round the hospitals: once for the moments, then once for each step of training, then once to count.

    Parameters
    ----------
    features
        How many columns the rows have.
    rounds
        How many steps of training there are at most.
    penalty
        As in `agents.demo.logistic.stepped`.
    """
    import numpy

    moments = yield from once_round(here, hospitals, Moments.nothing(features), moments_there)
    here.log(f"{moments.count:.0f} patients; mean, variance and correlation are known")

    weights, step, change = numpy.zeros(1 + features), 0, 1.0
    while step < rounds and change > CONVERGED:
        part = partial(slopes_there, moments.mean, moments.scale, weights)
        slopes = yield from once_round(here, hospitals, Slopes.nothing(features), part)
        weights, change = stepped(weights, slopes, penalty)
        del slopes  # what is bound travels, and these 8 KB are of no more use
        step += 1
        here.log(f"step {step} of training: weights changed by {change:.1e} at most")

    hits = yield from once_round(here, hospitals, Hits(), partial(hits_there, moments.mean, moments.scale, weights))
    here.log(f"{hits.right:.0f} of {hits.rows:.0f} patients are classified rightly")
    return {
        "count": moments.count,
        "mean": moments.mean,
        "variance": moments.variance,
        "correlation": moments.correlation,
        "weights": weights,
        "steps": step,
        "change": change,
        "right": hits.right,
    }


@agent
def once_round(
    here: Any, hospitals: Sequence[str], total: Any, part: Callable[[Patients], Any]
) -> Generator[Any, Any, Any]:
    """Visit each hospital, and add up what `part` makes of its patients."""
    for hospital in hospitals:
        here = yield hop(hospital)
        total = total + part(here.resource(RESOURCE))
    return total


def moments_there(patients: Patients) -> Moments:
    """Of one hospital's rows."""
    return Moments.of(patients.measured)


def slopes_there(mean: Floats, scale: Floats, weights: Floats, patients: Patients) -> Slopes:
    """Over one hospital's rows, at the present weights."""
    return Slopes.of(with_intercept(patients.measured, mean, scale), patients.benign, weights)


def hits_there(mean: Floats, scale: Floats, weights: Floats, patients: Patients) -> Hits:
    """Among one hospital's rows, with the weights found."""
    return Hits.of(with_intercept(patients.measured, mean, scale), patients.benign, weights)
