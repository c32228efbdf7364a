"""Data that stays where it is: an agent that trains on it knows it by a digest, and opens it anew at each place.

What travels is the name of the resource, and of each array its shape, dtype and SHA-256. At another place the resource
of that name is opened, and must be the same, before a single example is given out: else the order of the batches would
mean other examples, and some would be seen twice and others not at all. A place where it is not the same refuses the
agent, which goes on where it was; a place that is started again with other data keeps the agent on its disk until it is
started with the data again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from agents.here import Here, arriving_at
from federated.trainingerrors import DataDiffers, DataUnusable

__all__ = ["ArrayFacts", "Shard", "array_digest"]

_CHUNK = 1 << 24  # bytes that are hashed, and copied if an array is not contiguous, at a time


@dataclass(frozen=True, slots=True)
class ArrayFacts:
    """By which an array is known."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str


def array_digest(array: numpy.ndarray[Any, Any]) -> str:
    """SHA-256 of dtype, shape and content, in C order; in hexadecimal digits.

    Raises
    ------
    DataUnusable
        If it holds objects, which have no bytes of their own.
    """
    if array.dtype.hasobject:
        raise DataUnusable(f"an array of {array.dtype} has no content of its own")
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    rows = max(1, _CHUNK // max(1, array[:1].nbytes)) if array.ndim else 1
    for begin in range(0, len(array) if array.ndim else 1, rows):
        part = array[begin : begin + rows] if array.ndim else array
        digest.update(numpy.ascontiguousarray(part).view(numpy.uint8).data if part.nbytes else b"")
    return digest.hexdigest()


class Shard:
    """A data set of the present place, and of any other one that holds the same.

    Parameters
    ----------
    here
        The present place. An agent that keeps the shard need not renew it.
    name
        Of the resource: an array, a sequence of arrays (as data and labels), or a mapping from names to arrays; all
        have one length. Tensors of PyTorch are arrays, too.

    Raises
    ------
    agents.errors.ResourceMissing, DataUnusable
    """

    def __init__(self, here: Here, name: str) -> None:
        self.name = name
        self._here = here
        self._arrays: tuple[numpy.ndarray[Any, Any], ...] | None = None
        named = self._opened()
        self._facts = _facts(named)
        self._arrays = tuple(named.values())

    @property
    def arrays(self) -> tuple[numpy.ndarray[Any, Any], ...]:
        """All of it, in the order in which the resource has it, read-only. Do not keep it across a ``yield``: it would
        travel.

        Raises
        ------
        agents.errors.ResourceMissing, DataUnusable
        DataDiffers
            If it is not what it was where this shard was made.
        """
        if self._arrays is None:
            named = self._opened()
            found = _facts(named)
            if found != self._facts:
                raise DataDiffers(self._here.name, self.name, _differences(self._facts, found))
            self._arrays = tuple(named.values())
        return self._arrays

    @property
    def digest(self) -> str:
        """SHA-256 of all that is known of it, in hexadecimal digits."""
        return hashlib.sha256(repr(self._facts).encode()).hexdigest()

    def take(self, examples: Any) -> tuple[numpy.ndarray[Any, Any], ...]:
        """Copies of these examples, of each array; raises as `arrays` does."""
        return tuple(array[examples] for array in self.arrays)

    def __len__(self) -> int:
        """How many examples there are."""
        return self._facts[0].shape[0]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_arrays": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if arriving_at() is not None:
            self.arrays  # noqa: B018  # what it raises is why this place refuses the agent, which goes on where it was

    def __repr__(self) -> str:
        return f"<Shard {self.name!r}: {len(self)} examples, {self.digest[:12]}>"

    def _opened(self) -> dict[str, numpy.ndarray[Any, Any]]:
        found = self._here.resource(self.name)
        if isinstance(found, Mapping):
            parts = {str(name): numpy.asarray(array) for name, array in found.items()}
        elif isinstance(found, Sequence) and not isinstance(found, str | bytes | bytearray):
            parts = {str(number): numpy.asarray(array) for number, array in enumerate(found)}
        else:
            parts = {"0": numpy.asarray(found)}
        sizes = {name: array.shape[0] if array.ndim else 0 for name, array in parts.items()}
        if not parts or len(set(sizes.values())) > 1 or 0 in sizes.values():
            told = ", ".join(f"{name} has {size}" for name, size in sizes.items()) or "it has no arrays"
            raise DataUnusable(f"{self.name} at {self._here.name} has no examples, or not as many in each: {told}")
        views = {}
        for name, array in parts.items():
            if array.dtype.hasobject:
                raise DataUnusable(f"{name} of {self.name} at {self._here.name} holds objects, and no numbers")
            views[name] = array.view()
            views[name].flags.writeable = False
        return views


def _facts(named: Mapping[str, numpy.ndarray[Any, Any]]) -> tuple[ArrayFacts, ...]:
    return tuple(
        ArrayFacts(name, tuple(array.shape), array.dtype.str, array_digest(array)) for name, array in named.items()
    )


def _differences(then: Sequence[ArrayFacts], now: Sequence[ArrayFacts]) -> list[str]:
    before, found = ({fact.name: fact for fact in facts} for facts in (then, now))
    told = [f"array {name} is missing" for name in before if name not in found]
    told += [f"array {name} is new" for name in found if name not in before]
    for name in before.keys() & found.keys():
        one, other = before[name], found[name]
        if one.shape != other.shape:
            told.append(f"array {name} has the shape {other.shape} instead of {one.shape}")
        elif one.dtype != other.dtype:
            told.append(f"array {name} has the dtype {other.dtype} instead of {one.dtype}")
        elif one.sha256 != other.sha256:
            told.append(f"array {name} has other content of the same shape")
    return sorted(told) or ["the arrays have another order"]
