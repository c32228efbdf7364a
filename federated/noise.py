"""Noise that hides what one data set contributed, from the system's own random bytes.

Rules
-----
1. Everything random comes from one function that gives bytes: by default the operating system's generator, which
   nobody can predict from the noise that has been seen. Tests give a function of their own, and the same bytes give
   the same noise.
2. Gaussian noise, and what it is added to, lie on one grid of steps that are a power of two: what leaves is a multiple
   of the step whatever the data were, and the low bits of a floating-point number tell nothing (Mironov 2012). Rounding
   to the grid costs ``sqrt(n) * step`` of sensitivity, which `Gaussian` adds.
3. Noise for whole numbers is discrete, and drawn exactly (Canonne, Kamath and Steinke 2020, Algorithm 2).

Not handled: that a normal number of 53 bits ends at 8.5 standard deviations, beyond which the true one lies once in
10**17 draws; how long drawing takes.

References
----------
Mironov: On Significance of the Least Significant Bits for Differential Privacy. CCS 2012.
Canonne, Kamath, Steinke: The Discrete Gaussian for Differential Privacy. NeurIPS 2020, arXiv:2004.00010.
Ghosh, Roughgarden, Sundararajan: Universally Utility-Maximizing Privacy Mechanisms. 2012, arXiv:0811.2841.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Gaussian", "Noise"]

_BLOCK: Final = 1 << 18  # numbers at a time: their bytes stay in the cache
#: The step of the grid is sigma, divided by this.
_FINENESS: Final = 2.0**-32


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Noise for a vector of `size` coordinates.

    Attributes
    ----------
    sigma
        Standard deviation on each coordinate.
    step
        Of the grid.
    rho
        What a release with it costs.
    """

    sigma: float
    step: float
    size: int
    rho: float

    @classmethod
    def hiding(cls, sensitivity: float, mu: float, size: int) -> Gaussian:
        """The noise with which a vector of this sensitivity is `mu`-GDP, the rounding to the grid included."""
        step = 2.0 ** math.floor(math.log2(sensitivity / mu * _FINENESS))
        return cls((sensitivity + math.sqrt(size) * step) / mu, step, size, mu * mu / 2)


class Noise:
    """Draws noise.

    Parameters
    ----------
    entropy
        Gives so many random bytes.
    """

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._lock = threading.Lock()
        self._bits = 0
        self._left = 0

    # -- vectors

    def normal(self, size: int) -> NDArray[np.float64]:
        """So many independent normal numbers, by the transform of Box and Muller."""
        result = np.empty(size + size % 2)
        for start in range(0, len(result), _BLOCK):
            part = result[start : start + _BLOCK]
            half = len(part) // 2
            words = np.frombuffer(self._entropy(16 * half), dtype="<u8") >> np.uint64(11)
            radius = np.sqrt(-2.0 * np.log((words[:half] + 1.0) * 2.0**-53))  # of (0, 1]
            angle = words[half:] * (2.0 * math.pi * 2.0**-53)
            np.multiply(radius, np.cos(angle), out=part[:half])
            np.multiply(radius, np.sin(angle), out=part[half:])
        return result[:size]

    def noised(self, values: NDArray[np.float64], gaussian: Gaussian) -> NDArray[np.float64]:
        """These values, one dimension, with noise: multiples of the grid's step."""
        noise = np.rint(self.normal(values.size) * (gaussian.sigma / gaussian.step))
        total: NDArray[np.float64] = (np.rint(values / gaussian.step) + noise) * gaussian.step
        return total

    # -- counts

    def laplace(self, scale: Fraction) -> int:
        """A whole number k with a probability proportional to ``exp(-abs(k) / scale)``, drawn exactly."""
        t, s = scale.numerator, scale.denominator
        while True:
            u = self._below(t)
            if not self._happens(Fraction(u, t)):
                continue
            v = 0
            while self._happens(Fraction(1)):
                v += 1
            magnitude = (u + t * v) // s
            negative = self._below(2) == 1
            if not (negative and magnitude == 0):
                return -magnitude if negative else magnitude

    def _happens(self, gamma: Fraction) -> bool:
        """With probability ``exp(-gamma)``, for gamma of [0, 1] (Canonne et al., Algorithm 1)."""
        k = 1
        while self._below(gamma.denominator * k) < gamma.numerator:
            k += 1
        return k % 2 == 1

    def _below(self, bound: int) -> int:
        """A whole number of ``range(bound)``, each as likely."""
        width = (bound - 1).bit_length()
        while True:
            value = self._take(width)
            if value < bound:
                return value

    def _take(self, width: int) -> int:
        with self._lock:  # two threads must not get the same bits
            while self._left < width:
                self._bits |= int.from_bytes(self._entropy(8), "little") << self._left
                self._left += 64
            value = self._bits & ((1 << width) - 1)
            self._bits >>= width
            self._left -= width
            return value
