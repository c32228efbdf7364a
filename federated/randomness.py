"""The generators that a whole process shares (of `random`, of ``numpy.random``, of torch), for one training among many.

Library code draws from them: dropout, scikit-learn without a ``random_state``. At a place several agents do, and the
states stay behind when one moves. So each training has states of its own, that travel with it, and are put in place for
the time of a step.
"""

from __future__ import annotations

import random
import sys
import threading
from typing import Any, Self

import numpy

from federated.trainingerrors import RandomnessHeld

__all__ = ["Randomness"]

_turn = threading.Lock()


class Randomness:
    """States of the generators of a process; ``with randomness:`` puts them in place, and takes them back.

    Others that use it in this process wait meanwhile: those generators are there once. A numpy ``Generator``, a
    ``random.Random`` or a ``torch.Generator`` of one's own needs none of this: it travels as any value does.

    Within the block torch computes with `threads` threads, as the last bits of a sum depend on their number.

    Parameters
    ----------
    seed
        From 0 on.
    threads
        Of torch.
    patience
        Seconds for which others that are in such a block are waited for.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> import random
    >>> mine = Randomness(7)
    >>> with mine:
    ...     first = random.random()
    >>> with Randomness(7):
    ...     random.random() == first
    True
    """

    def __init__(self, seed: int, *, threads: int = 1, patience: float = 600.0) -> None:
        if type(seed) is not int or seed < 0 or type(threads) is not int or threads < 1:
            raise ValueError(f"seed is a whole number from 0 on and threads from 1 on, not {seed!r} and {threads!r}")
        self.threads = threads
        self.patience = patience
        self._seed = seed
        self._python: Any = random.Random(seed).getstate()
        seeded = numpy.random.RandomState(numpy.random.MT19937(numpy.random.SeedSequence(seed)))
        self._numpy: Any = seeded.get_state()
        self._torch: bytes | None = None
        self._outside: tuple[Any, Any, Any, int] | None = None

    def __enter__(self) -> Self:
        if not _turn.acquire(timeout=self.patience):
            raise RandomnessHeld(f"another training in this process has been in a step for {self.patience:g} s")
        try:
            torch = sys.modules.get("torch")
            outside = random.getstate(), numpy.random.get_state(), None, 0
            if torch is not None:
                outside = *outside[:2], torch.get_rng_state(), torch.get_num_threads()
                if self._torch is None:
                    self._torch = _bytes_of(torch.Generator().manual_seed(self._seed).get_state())
                torch.set_rng_state(torch.frombuffer(bytearray(self._torch), dtype=torch.uint8))
                torch.set_num_threads(self.threads)
            random.setstate(self._python)
            numpy.random.set_state(self._numpy)
            self._outside = outside
        except BaseException:
            _turn.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._outside is not None
        python, numpys, torchs, threads = self._outside
        self._outside = None
        try:
            self._python, self._numpy = random.getstate(), numpy.random.get_state()
            random.setstate(python)
            numpy.random.set_state(numpys)
            torch = sys.modules.get("torch")
            if torchs is not None and torch is not None:
                self._torch = _bytes_of(torch.get_rng_state())
                torch.set_rng_state(torchs)
                torch.set_num_threads(threads)
        finally:
            _turn.release()
        if torch is not None and torchs is None:
            raise RandomnessHeld(
                "torch was first imported within the block, and drew from a generator that nobody had seeded",
                state="The step was made.",
                remedy="Import torch at the top of the module that defines the step.",
            )

    def __getstate__(self) -> dict[str, Any]:
        if self._outside is not None:
            raise RandomnessHeld("what holds the generators of its process cannot be moved or written down")
        return dict(vars(self))


def _bytes_of(state: Any) -> bytes:
    return bytes(state.numpy())
