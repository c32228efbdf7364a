"""Training that can be suspended after any batch, and goes on elsewhere or another day, to the same bits.

=====================  ==============================================================================================
`batches`              the order of the examples, by seed and epoch; says where it is, wherever it goes on
`Shard`                data that stays at its place, and is found again, the same, at another one
`Randomness`           the generators that a process shares, for this training alone
`train_locally`        the three in one loop, for an agent; one of one's own is as long
`drive`                works at a suspended training for so many seconds: for a client of Flower
`weights_of`           the arrays of a model of scikit-learn or PyTorch, by name; `weights_digest` of them
=====================  ==============================================================================================

Same bits means: same versions of the libraries, same kind of processor, same number of threads.
"""

from __future__ import annotations

import hashlib
import math
import time
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

from agents.effects import checkpoint
from federated.batches import batches
from federated.randomness import Randomness
from federated.shard import Shard, array_digest
from mobility.resumable import resumable

__all__ = ["Sitting", "drive", "train_locally", "weights_digest", "weights_of"]


def weights_of(model: Any) -> dict[str, numpy.ndarray[Any, Any]]:
    """Copies of the arrays of a model, by name.

    Parameters
    ----------
    model
        A mapping from names to arrays; a module of PyTorch, or whatever has a ``state_dict`` of tensors; a fitted
        estimator of scikit-learn, whose arrays, and lists of arrays, have names that end with an underscore.

    Raises
    ------
    TypeError
        If no arrays are found.
    """
    if isinstance(model, Mapping):
        found = {str(name): numpy.array(value) for name, value in model.items()}
    elif hasattr(model, "state_dict"):
        found = {name: numpy.array(tensor.detach().cpu()) for name, tensor in model.state_dict().items()}
    else:
        found = {}
        for name, value in vars(model).items() if hasattr(model, "__dict__") else ():
            several = isinstance(value, list) and value and all(isinstance(one, numpy.ndarray) for one in value)
            if name.endswith("_") and not name.startswith("_") and (several or isinstance(value, numpy.ndarray)):
                parts = {f"{name}.{n}": one for n, one in enumerate(value)} if several else {name: value}
                found.update({key: part.copy() for key, part in parts.items() if part.dtype.kind in "fiu"})
    if not found:
        raise TypeError(f"a {type(model).__qualname__} has no arrays that are known; give a function that finds them")
    return found


def weights_digest(weights: Mapping[str, Any]) -> str:
    """SHA-256 of arrays with their names, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name, array in sorted(weights.items()):
        digest.update(f"{name} {array_digest(numpy.asarray(array))}\n".encode())
    return digest.hexdigest()


@resumable
def train_locally(
    here: Any,
    dataset: str,
    model: Any,
    step: Callable[..., Any],
    *,
    size: int,
    epochs: int,
    seed: int,
    threads: int = 1,
    checkpoint_every: int = 0,
    weights: Callable[[Any], Mapping[str, Any]] = weights_of,
) -> Any:
    """Train on a data set of the present place: a loop that can be moved, frozen or killed after any batch.

    For ``return (yield from train_locally(here, ...))`` in an agent of one's own, whose code then has `step`.

    Parameters
    ----------
    dataset
        Name of the resource; see `Shard`. Where it is moved, the same data must be: a place without it refuses the
        agent.
    model
        Whatever `step` works on, as a tuple of a module and its optimiser. It travels.
    step
        Called as ``step(model, *arrays)`` with the examples of a batch. Changes the model, or returns another one.
    size, epochs, seed
        As for `batches`; the seed is also that of the `Randomness` in which each step is made.
    threads
        Of PyTorch.
    checkpoint_every
        After so many batches its state is written to the disk of its place; 0: never. From there it goes on if the
        place is killed.
    weights
        What of the model is the result, as arrays by name.

    Returns
    -------
    dict
        ``weights``; their ``digest``; the number of ``batches``; ``data``, the digest of the data.

    Raises
    ------
    agents.errors.ResourceMissing, DataUnusable
        If there is no such data.
    """
    shard = Shard(here, dataset)
    randomness = Randomness(seed, threads=threads)
    done = 0
    for batch in batches(len(shard), size, seed=seed, epochs=epochs):
        with randomness:
            changed = step(model, *shard.take(batch.examples))
        if changed is not None:
            model = changed
        changed = None
        done = batch.count
        if checkpoint_every and done % checkpoint_every == 0:
            yield checkpoint()
        else:
            yield
    found = dict(weights(model))
    return {"weights": found, "digest": weights_digest(found), "batches": done, "data": shard.digest}


@dataclass(frozen=True, slots=True)
class Sitting:
    """What came of working at a training for a while.

    Attributes
    ----------
    finished
        Whether it has ended; if not, it is suspended, and `mobility.dumps` writes it.
    value
        What it returned, if it has ended; else what it yielded last.
    steps
        How many of its ``yield`` were reached.
    """

    finished: bool
    value: Any
    steps: int


def drive(
    training: types.GeneratorType[Any, Any, Any], *, seconds: float = math.inf, steps: int | None = None
) -> Sitting:
    """Work at a training until it ends, or until its time or its number of steps is over.

    At least one step is made, so that it comes to its end in the end. A step that has begun is not broken off: leave as
    much time as one takes.

    Parameters
    ----------
    training
        The generator of a function that yields after each batch, decorated with `mobility.resumable`.

    Raises
    ------
    ValueError
    Exception
        What it raises.
    """
    if math.isnan(seconds) or seconds < 0 or (steps is not None and (type(steps) is not int or steps < 1)):
        raise ValueError(f"seconds are 0 or more and steps 1 or more, not {seconds!r} and {steps!r}")
    deadline = time.monotonic() + seconds
    made = 0
    while True:
        try:
            value = next(training)
        except StopIteration as end:
            return Sitting(True, end.value, made)
        made += 1
        if time.monotonic() >= deadline or made == steps:
            return Sitting(False, value, made)
