"""The noise has the distribution that the accounting assumes, and nothing of the data shows through its low bits."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.noise import Gaussian, Noise
from tests.federated.entropy import entropy


def kolmogorov(sample: np.ndarray) -> float:
    """The largest distance between the sample's distribution and the normal one."""
    ordered = np.sort(sample)
    exact = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in ordered])
    ranks = np.arange(len(ordered))
    return float(max(np.max((ranks + 1) / len(ordered) - exact), np.max(exact - ranks / len(ordered))))


def test_normal_numbers_are_normal() -> None:
    """Kolmogorov and Smirnov: above 1.95 / sqrt(n) once in a thousand; the bytes are fixed, so this is no lottery."""
    sample = Noise(entropy(1)).normal(50_001)
    assert len(sample) == 50_001
    assert kolmogorov(sample) < 1.95 / math.sqrt(len(sample))
    assert abs(float(np.std(Noise(entropy(9)).normal(400_000))) - 1) < 0.005  # four standard errors
    assert abs(np.corrcoef(sample[:-1], sample[1:])[0, 1]) < 0.02
    half = len(sample) // 2
    assert abs(np.corrcoef(sample[:half], sample[half : 2 * half])[0, 1]) < 0.02  # the two of a pair


def test_the_usual_source_is_the_systems() -> None:
    """Two nodes, or one that is started again, never add the same noise."""
    assert not np.array_equal(Noise().normal(8), Noise().normal(8))


@pytest.mark.parametrize("size", [0, 1, 2, 7, (1 << 18) - 1, (1 << 18) + 3])
def test_any_number_of_numbers(size: int) -> None:
    """Also across the blocks, and the odd one at the end."""
    sample = Noise(entropy(2)).normal(size)
    assert sample.shape == (size,) and np.isfinite(sample).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(0.01, 10), st.integers(1, 10**9))
def test_the_grid_is_paid_for(sensitivity: float, mu: float, size: int) -> None:
    """Rounding moves each of two neighbours by half a step a coordinate: so much more is the sensitivity."""
    gaussian = Gaussian.hiding(sensitivity, mu, size)
    assert gaussian.sigma * mu >= (sensitivity + math.sqrt(size) * gaussian.step) * (1 - 1e-12)
    assert gaussian.sigma * mu <= sensitivity * (1 + math.sqrt(size) * 2.0**-31 / mu)
    assert gaussian.rho == mu * mu / 2
    assert math.log2(gaussian.step).is_integer()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.floats(0.1, 10), st.integers(0, 100))
def test_what_leaves_lies_on_the_grid_whatever_the_data(values: list[float], mu: float, seed: int) -> None:
    """Mironov 2012: without a grid the low bits of a sum say which of two values was in it."""
    gaussian = Gaussian.hiding(2.0, mu, len(values))
    noised = Noise(entropy(seed)).noised(np.array(values), gaussian)
    steps = noised / gaussian.step
    assert np.array_equal(steps, np.rint(steps))


def test_the_noise_has_the_sigma_that_is_paid_for() -> None:
    """Around the values, with the standard deviation of the accounting."""
    values = np.linspace(-1, 1, 40_000)
    gaussian = Gaussian.hiding(2.0, 0.5, len(values))
    difference = Noise(entropy(3)).noised(values, gaussian) - values
    assert kolmogorov(difference / gaussian.sigma) < 1.95 / math.sqrt(len(values))


@pytest.mark.parametrize(
    "scale", [Fraction(1, 3), Fraction(1), Fraction(10, 3), Fraction(1) / Fraction(0.1), Fraction(40)]
)
def test_counts_get_the_discrete_laplace_distribution(scale: Fraction) -> None:
    """Each value's share, against the formula; five standard deviations of a share."""
    noise, n = Noise(entropy(4)), 20_000
    shares = Counter(noise.laplace(scale) for _ in range(n))
    ratio = math.exp(-1 / scale)
    for k in range(-6, 7):
        expected = (1 - ratio) / (1 + ratio) * ratio ** abs(k)
        assert abs(shares[k] / n - expected) < 5 * math.sqrt(expected * (1 - expected) / n) + 1e-9, k


def test_neighbouring_counts_are_told_apart_by_no_more_than_epsilon() -> None:
    """The definition, on the exact distribution: the ratio of the probabilities of any answer is e^epsilon at most."""
    epsilon = 0.7
    ratio = math.exp(-epsilon)
    weight = [(1 - ratio) / (1 + ratio) * ratio ** abs(k) for k in range(-60, 61)]
    assert max(a / b for a, b in zip(weight, weight[1:], strict=False)) <= math.exp(epsilon) * (1 + 1e-9)


def test_the_same_bytes_give_the_same_noise() -> None:
    """Tests and reruns of an analysis rest on it."""
    one, two = Noise(entropy(5)), Noise(entropy(5))
    assert [one.laplace(Fraction(3)) for _ in range(50)] == [two.laplace(Fraction(3)) for _ in range(50)]
    assert np.array_equal(one.normal(9), two.normal(9))
