"""What noise costs: against the published formulas, in another way of computing, and against the composition's laws."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.accounting import Allowance, Cost, Spent, delta_of, epsilon_of, mu_for, sigma_for

EPSILONS = st.floats(1e-3, 50)
DELTAS = st.floats(-12, -2).map(lambda power: 10.0**power)


def integrated_delta(mu: float, epsilon: float) -> float:
    """Delta by its definition: the integral of (p - e^epsilon q)+ for N(mu, 1) against N(0, 1), by Simpson's rule."""
    start = epsilon / mu + mu / 2  # left of it the integrand is zero
    steps, width = 20_000, 14.0

    def density(x: float) -> float:
        return max(0.0, math.exp(-((x - mu) ** 2) / 2) - math.exp(epsilon - x * x / 2)) / math.sqrt(2 * math.pi)

    h = width / steps
    total = density(start) + density(start + width)
    total += sum((4 if n % 2 else 2) * density(start + n * h) for n in range(1, steps))
    return total * h / 3


@pytest.mark.parametrize(
    ("mu", "epsilon"), [(0.1, 0.05), (0.5, 1.0), (1.0, 1.0), (2.0, 0.5), (3.0, 8.0), (0.25, 0.9), (5.0, 20.0)]
)
def test_delta_is_what_its_definition_says(mu: float, epsilon: float) -> None:
    """The formula of Balle and Wang is the integral over the region where the likelihood ratio exceeds e^epsilon."""
    assert delta_of(mu, epsilon) == pytest.approx(integrated_delta(mu, epsilon), rel=1e-6, abs=1e-15)


PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")


def exact_delta(mu: float, epsilon: float) -> Decimal:
    """The formula with a hundred digits, the normal distribution by its series."""
    with localcontext() as context:
        context.prec = 100
        exact_mu, exact_epsilon = Decimal(mu), Decimal(epsilon)

        def below(x: Decimal) -> Decimal:
            term = total = x / (2 * PI).sqrt()
            n = 0
            while abs(term) > Decimal("1e-95"):
                n += 1
                term *= -x * x * (2 * n - 1) / (2 * n * (2 * n + 1))
                total += term
            return total + Decimal("0.5")

        shift = exact_epsilon / exact_mu
        return below(exact_mu / 2 - shift) - exact_epsilon.exp() * below(-exact_mu / 2 - shift)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-4, 3), st.floats(0.1, 7))
def test_delta_is_never_rounded_down(mu: float, deviations: float) -> None:
    """Where two numbers that are nearly the same are subtracted, what is left may be wrong, but only upward."""
    epsilon = mu * deviations
    exact = exact_delta(mu, epsilon)
    found = Decimal(delta_of(mu, epsilon))
    assert exact <= found <= exact * Decimal("1.000001") + Decimal("1e-13")


@pytest.mark.parametrize(("epsilon", "delta", "sigma"), [(1.0, 1e-5, 3.730631634816464)])
def test_sigma_is_that_of_the_analytic_gaussian_mechanism(epsilon: float, delta: float, sigma: float) -> None:
    """A value that other programs compute as well; the classical formula needs more noise."""
    found = sigma_for(epsilon, delta, 1.0)
    assert found == pytest.approx(sigma, rel=1e-9)
    assert found < math.sqrt(2 * math.log(1.25 / delta)) / epsilon


@settings(max_examples=60, deadline=None)
@given(EPSILONS, DELTAS)
def test_the_noise_is_enough_and_hardly_more(epsilon: float, delta: float) -> None:
    """Sigma keeps the promise, and a thousandth less of it would not."""
    mu = mu_for(epsilon, delta)
    assert delta_of(mu, epsilon) <= delta
    assert delta_of(mu * 1.001, epsilon) > delta


@settings(max_examples=60, deadline=None)
@given(EPSILONS, DELTAS)
def test_epsilon_and_mu_are_inverse(epsilon: float, delta: float) -> None:
    """What one release of this epsilon costs is this epsilon, up to rounding and never above."""
    rho = mu_for(epsilon, delta) ** 2 / 2
    assert epsilon * (1 - 1e-6) <= epsilon_of(rho, delta) <= epsilon * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-4, 20), st.floats(1e-4, 20), DELTAS)
def test_more_releases_cost_more_but_less_than_their_sum(first: float, second: float, delta: float) -> None:
    """Composition is monotone, and below basic composition with the same total delta would be no theorem."""
    together = epsilon_of(first + second, delta)
    assert max(epsilon_of(first, delta), epsilon_of(second, delta)) <= together
    assert together <= (epsilon_of(first, delta / 2) + epsilon_of(second, delta / 2)) * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-3, 10), DELTAS)
def test_it_is_tighter_than_concentrated_privacy(rho: float, delta: float) -> None:
    """Bun and Steinke 2016, Proposition 1.3: rho-zCDP gives rho + 2 sqrt(rho ln(1/delta)); the exact value is below."""
    assert epsilon_of(rho, delta) <= rho + 2 * math.sqrt(rho * math.log(1 / delta))


def test_the_tails_are_exact_where_doubles_underflow() -> None:
    """A very small delta or a very large epsilon is no division by zero and no free lunch."""
    for epsilon, delta in [(700.0, 1e-12), (1e-6, 1e-12), (0.01, 1e-300)]:
        mu = mu_for(epsilon, delta)
        assert 0 < mu < math.inf and delta_of(mu, epsilon) <= delta


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(0, 1e-5), (-1, 1e-5), (1, 0), (1, 1), (math.nan, 1e-5), (math.inf, 0.1)]
)
def test_what_is_no_guarantee_is_refused(epsilon: float, delta: float) -> None:
    """There is no Gaussian noise for delta zero."""
    with pytest.raises(ValueError):
        mu_for(epsilon, delta)


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=200))
def test_sums_are_never_rounded_down(costs: list[float]) -> None:
    """A ledger of many small releases must not lose any of them."""
    total = Cost()
    for cost in costs:
        total += Cost(cost, cost)
    assert total.rho >= math.fsum(costs) * (1 - 1e-15) and total.epsilon == total.rho


def test_a_small_cost_beside_a_large_one_is_kept() -> None:
    """1e16 + 1 is 1e16 for a double: the sum is rounded up instead."""
    assert (Cost(1e16) + Cost(1.0)).rho > 1e16
    assert (Cost(1.0) + Cost(1e16)).rho > 1e16


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_cost_that_cannot_be_is_refused(value: float) -> None:
    """A negative cost would give back what was spent."""
    with pytest.raises(ValueError):
        Cost(rho=value)
    with pytest.raises(ValueError):
        Cost(epsilon=value)


# -- the allowance -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(EPSILONS, DELTAS)
def test_one_release_of_the_whole_epsilon_fits_and_no_second_one(epsilon: float, delta: float) -> None:
    """The owner who allows epsilon 1, and noises with epsilon 1, allows one round."""
    allowance = Allowance(epsilon=epsilon, delta=delta)
    cost = Cost(rho=mu_for(epsilon, delta) ** 2 / 2)
    assert allowance.lacking(Spent(), cost) is None
    assert allowance.lacking(Spent(cost=Cost(rho=cost.rho * 1e-9)), cost) is not None
    lack = allowance.lacking(Spent(cost=cost), cost)
    assert lack is not None and lack.what == "epsilon" and lack.allowed == epsilon and lack.needed > 0


def test_each_thing_that_can_run_out_is_named() -> None:
    """Rounds of the run, rounds in all, epsilon, and that of counts; what costs nothing is not refused for it."""
    allowance = Allowance(rounds=2, rounds_in_all=3, epsilon=1.0, delta=1e-5, counting_epsilon=0.5)
    dear = Spent(cost=Cost(1e6, 0.5))
    found = [
        allowance.lacking(Spent(rounds=2), Cost()),
        allowance.lacking(Spent(rounds_in_all=3), Cost()),
        allowance.lacking(dear, Cost(rho=1e-9)),
        allowance.lacking(dear, Cost(epsilon=1e-9)),
    ]
    assert [lack and lack.what for lack in found] == ["rounds", "rounds_in_all", "epsilon", "counting_epsilon"]
    assert allowance.lacking(dear, Cost()) is None
    assert Allowance().lacking(dear, Cost(5, 5)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"epsilon": 1.0},
        {"delta": 1e-5},
        {"rounds": -1},
        {"rounds": True},
        {"rounds_in_all": 1.5},
        {"epsilon": 0, "delta": 1e-5},
        {"counting_epsilon": 0},
        {"counting_epsilon": math.nan},
    ],
)
def test_an_allowance_that_cannot_be_is_refused(fields: dict[str, float]) -> None:
    """Whoever writes half of a guarantee has none."""
    with pytest.raises(ValueError):
        Allowance(**fields)  # type: ignore[arg-type]  # wrong on purpose
