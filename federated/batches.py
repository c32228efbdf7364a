"""The order in which examples are seen: a function of seed and epoch alone, on every machine and at every time.

Rules
-----
1. Each epoch has every example once, in an order of its own.
2. The order is that of the raw numbers of ``PCG64(SeedSequence((seed, epoch)))``, one for each example. NumPy keeps
   that stream, and may change how it shuffles (NEP 19): two machines may have different versions of it.
3. What travels is where it is, and not the order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy

__all__ = ["Batch", "Batches", "batches", "order_of"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One of the batches of `batches`.

    Attributes
    ----------
    epoch, number
        Which one, of that epoch; from 0 on.
    count
        How many there were with this one, in all epochs.
    examples
        Indices, int64.
    is_last
        Whether it ends its epoch.
    """

    epoch: int
    number: int
    count: int
    examples: numpy.ndarray[Any, numpy.dtype[numpy.int64]] = field(repr=False)
    is_last: bool


def order_of(examples: int, *, seed: int, epoch: int) -> numpy.ndarray[Any, numpy.dtype[numpy.int64]]:
    """The order of so many examples in an epoch."""
    stream = numpy.random.PCG64(numpy.random.SeedSequence((seed, epoch)))
    return numpy.argsort(stream.random_raw(examples), kind="stable").astype(numpy.int64)


class Batches:
    """See `batches`; an iterator, that travels as where it is.

    Attributes
    ----------
    examples, size, seed, epochs
        As given.
    given
        How many batches were given out.
    """

    def __init__(self, examples: int, size: int, seed: int, epochs: int) -> None:
        self.examples = examples
        self.size = size
        self.seed = seed
        self.epochs = epochs
        self.given = 0
        self._order: tuple[int, Any] = (-1, None)

    @property
    def per_epoch(self) -> int:
        """How many batches an epoch has; the last one may be smaller."""
        return -(-self.examples // self.size)

    def __len__(self) -> int:
        """How many batches are yet to come."""
        return self.per_epoch * self.epochs - self.given

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if not len(self):
            raise StopIteration
        epoch, number = divmod(self.given, self.per_epoch)
        if self._order[0] != epoch:
            self._order = epoch, order_of(self.examples, seed=self.seed, epoch=epoch)
        chosen = self._order[1][number * self.size : (number + 1) * self.size].copy()
        self.given += 1
        return Batch(epoch, number, self.given, chosen, number + 1 == self.per_epoch)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_order": (-1, None)}


def batches(examples: int, size: int, *, seed: int, epochs: int = 1) -> Batches:
    """Batches of indices, for a loop that may be suspended, and go on elsewhere, after any of them.

    Parameters
    ----------
    examples
        How many there are.
    size
        Of a batch; the last one of an epoch has what is left.
    seed
        From 0 on.

    Raises
    ------
    ValueError
        For a number that cannot be.

    Examples
    --------
    >>> import pickle
    >>> rest = batches(5, 2, seed=1, epochs=2)
    >>> first = next(rest)
    >>> [batch.examples.tolist() for batch in pickle.loads(pickle.dumps(rest))] == [b.examples.tolist() for b in rest]
    True
    """
    for name, value, least in (("examples", examples, 1), ("size", size, 1), ("seed", seed, 0), ("epochs", epochs, 0)):
        if type(value) is not int or value < least:
            raise ValueError(f"{name} is a whole number from {least} on, not {value!r}")
    return Batches(examples, size, seed, epochs)
