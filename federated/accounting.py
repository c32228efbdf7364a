r"""What releases with noise cost together: Gaussian differential privacy for vectors, pure epsilon for counts.

Notation: `sensitivity` is the most by which the released vector can change, in the L2 norm, when the data set is
replaced by a neighbour; `sigma` is the standard deviation of the noise on each coordinate.

Rules
-----
1. A vector with Gaussian noise is :math:`\mu`-GDP with :math:`\mu = \mathit{sensitivity} / \sigma` (Dong, Roth and Su
   2022), and fulfils :math:`(\varepsilon, \delta)`-DP exactly where

   .. math:: \Phi(\mu/2 - \varepsilon/\mu) - e^\varepsilon \Phi(-\mu/2 - \varepsilon/\mu) \le \delta

   (Balle and Wang 2018, Theorem 8).
2. Releases compose by adding :math:`\mu^2` (Dong, Roth and Su); also when an analyst chooses the next
   release, and its noise, by the answers so far (Smith and Thakurta 2022: a filter with the same parameters). The
   ledger adds :math:`\rho = \mu^2/2`, which is also the parameter of zero-concentrated DP (Bun and Steinke 2016,
   Proposition 1.6), so that whoever wants zCDP can read it off.
3. A count with Laplace noise of scale `sensitivity / epsilon` is `epsilon`-DP, and such epsilons add up (Dwork et al.
   2006; for adaptively chosen ones Rogers et al. 2016).
4. The two kinds have allowances of their own. Together they are
   :math:`(\varepsilon + \varepsilon_{counts}, \delta)`-DP.
5. Numbers are rounded so that the guarantee holds: sigma and epsilon up, :math:`\mu` down.

Not handled: amplification by sampling. A node does not know by whose choice it was asked, so nothing is deducted.

References
----------
Balle, Wang: Improving the Gaussian Mechanism for Differential Privacy. ICML 2018, arXiv:1805.06530.
Bun, Steinke: Concentrated Differential Privacy. TCC 2016, arXiv:1605.02065.
Dong, Roth, Su: Gaussian Differential Privacy. J. R. Stat. Soc. B 84 (2022), arXiv:1905.02383.
Dwork, McSherry, Nissim, Smith: Calibrating Noise to Sensitivity in Private Data Analysis. TCC 2006.
Rogers, Roth, Ullman, Vadhan: Privacy Odometers and Filters. NeurIPS 2016, arXiv:1605.08294.
Smith, Thakurta: Fully Adaptive Composition for Gaussian Differential Privacy. 2022, arXiv:2210.17520.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["FREE", "Allowance", "Cost", "Lack", "Spent", "delta_of", "epsilon_of", "mu_for", "sigma_for"]

_ROUNDS: Final = 200  # halvings: more than the bits of a double
_SMALLEST_MU: Final = 1e-12
_LARGEST_MU: Final = 1e6
_ULP: Final = 2.0**-52


@dataclass(frozen=True, slots=True)
class Cost:
    """What a release costs, or several together.

    Attributes
    ----------
    rho
        Half the sum of squared ``sensitivity / sigma`` of vectors with Gaussian noise.
    epsilon
        Sum of the epsilons of counts with Laplace noise.
    """

    rho: float = 0.0
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("rho", self.rho), ("epsilon", self.epsilon)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} of a cost is a number of at least 0, not {value!r}")

    def __add__(self, other: Cost) -> Cost:
        # Each sum is rounded up, if at all: a thousand small costs shall not vanish beside a large one.
        return Cost(_sum_up(self.rho, other.rho), _sum_up(self.epsilon, other.epsilon))


#: Nothing noised has left.
FREE: Final = Cost()


def _sum_up(left: float, right: float) -> float:
    total = left + right
    return math.nextafter(total, math.inf) if total - left < right or total - right < left else total


@dataclass(frozen=True, slots=True)
class Spent:
    """What has been released of one data set.

    Attributes
    ----------
    rounds
        Replies to messages of the type in question, within the run in question.
    rounds_in_all
        The same, of all runs together.
    cost
        Of all messages and runs together.
    """

    rounds: int = 0
    rounds_in_all: int = 0
    cost: Cost = FREE


@dataclass(frozen=True, slots=True)
class Lack:
    """What a release needs more than is left; the fields are those of `federated.errors.BudgetSpent`."""

    what: str
    spent: float
    needed: float
    allowed: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much may be released of one data set; None: as much as is asked for.

    Attributes
    ----------
    rounds
        Replies to messages of one type within one run.
    rounds_in_all
        Replies to messages of one type, of all runs together.
    epsilon, delta
        For everything with Gaussian noise, of all runs together.
    counting_epsilon
        For all counts with Laplace noise, of all runs together.
    """

    rounds: int | None = None
    rounds_in_all: int | None = None
    epsilon: float | None = None
    delta: float | None = None
    counting_epsilon: float | None = None

    def __post_init__(self) -> None:
        if (self.epsilon is None) != (self.delta is None):
            raise ValueError("epsilon and delta are given together")
        for name in ("rounds", "rounds_in_all"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"{name} is a whole number of at least 0, not {value!r}")
        if self.counting_epsilon is not None and not 0 < self.counting_epsilon < math.inf:
            raise ValueError(f"counting_epsilon is a number above 0, not {self.counting_epsilon!r}")
        if self.epsilon is not None and self.delta is not None:
            mu_for(self.epsilon, self.delta)

    @property
    def rho(self) -> float | None:
        """What epsilon and delta come to."""
        if self.epsilon is None or self.delta is None:
            return None
        mu = mu_for(self.epsilon, self.delta)
        return mu * mu / 2

    def lacking(self, spent: Spent, cost: Cost) -> Lack | None:
        """What one more release at this cost would need beyond this; None if it may leave."""
        counted = (("rounds", spent.rounds, self.rounds), ("rounds_in_all", spent.rounds_in_all, self.rounds_in_all))
        for what, rounds, most in counted:
            if most is not None and rounds + 1 > most:
                return Lack(what, rounds, 1, most)
        after = spent.cost + cost
        limit = self.rho
        if limit is not None and cost.rho > 0 and after.rho > limit:
            assert self.epsilon is not None and self.delta is not None
            now, then = epsilon_of(spent.cost.rho, self.delta), epsilon_of(after.rho, self.delta)
            return Lack("epsilon", now, then - now, self.epsilon)
        most_counting = self.counting_epsilon
        if most_counting is not None and cost.epsilon > 0 and after.epsilon > most_counting:
            return Lack("counting_epsilon", spent.cost.epsilon, cost.epsilon, most_counting)
        return None


def _log_tail(x: float) -> float:
    """The logarithm of the normal distribution's mass below `x`."""
    if x > -30:
        return math.log(math.erfc(-x / math.sqrt(2)) / 2)
    # Abramowitz and Stegun 26.2.12: alternating, so the error is below the first term that is left out.
    square = x * x
    series = 1 - 1 / square * (1 - 3 / square * (1 - 5 / square * (1 - 7 / square)))
    return -square / 2 - math.log(-x * math.sqrt(2 * math.pi)) + math.log(series)


def delta_of(mu: float, epsilon: float) -> float:
    """The smallest delta with which a `mu`-GDP release is (`epsilon`, delta)-DP (Balle and Wang, Theorem 8).

    Rounded up, by as much as the difference of two numbers that are nearly the same can be wrong.
    """
    if mu <= 0:
        return 0.0
    minuend = _log_tail(mu / 2 - epsilon / mu)
    subtrahend = epsilon + _log_tail(-mu / 2 - epsilon / mu)
    first, second = math.exp(minuend), math.exp(min(0.0, subtrahend))
    error = first * (8 + abs(minuend) + epsilon) * 4 * _ULP
    return min(1.0, max(0.0, first - second) + error)


def _checked(epsilon: float, delta: float) -> None:
    if not (0 < epsilon < math.inf and 0 < delta < 1):
        raise ValueError(f"epsilon is above 0 and delta between 0 and 1, not {epsilon!r} and {delta!r}")


def mu_for(epsilon: float, delta: float) -> float:
    """The largest mu that is (`epsilon`, `delta`)-DP, rounded down: the analytic Gaussian mechanism.

    Raises
    ------
    ValueError
    """
    _checked(epsilon, delta)
    low, high = _SMALLEST_MU, _LARGEST_MU
    if delta_of(low, epsilon) > delta:
        raise ValueError(f"no noise that a computer can add gives epsilon {epsilon!r} with delta {delta!r}")
    for _ in range(_ROUNDS):
        middle = math.sqrt(low * high)
        if delta_of(middle, epsilon) <= delta:
            low = middle
        else:
            high = middle
    return low


def sigma_for(epsilon: float, delta: float, sensitivity: float) -> float:
    """The least sigma of the analytic Gaussian mechanism (Balle and Wang, Algorithm 1), rounded up.

    Raises
    ------
    ValueError
    """
    return sensitivity / mu_for(epsilon, delta)


def epsilon_of(rho: float, delta: float) -> float:
    """The least epsilon of everything with Gaussian noise that costs `rho` together, rounded up.

    Raises
    ------
    ValueError
    """
    if rho == 0:
        return 0.0
    mu = math.sqrt(2 * rho)
    _checked(1.0, delta)
    if delta_of(mu, 0.0) <= delta:
        return 0.0
    low, high = 0.0, 1.0
    while delta_of(mu, high) > delta:
        low, high = high, high * 2
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if delta_of(mu, middle) <= delta:
            high = middle
        else:
            low = middle
    return high
