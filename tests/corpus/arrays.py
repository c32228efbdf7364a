"""numpy arrays: held, shared, walked over."""
# The code is odd on purpose, and its layout part of it.
# ruff: noqa

import numpy as np

from mobility import resumable
from tests.corpus.cases import case
from tests.corpus.record import say


@case()
@resumable
def held():
    a = np.arange(6, dtype="float32").reshape(2, 3)
    yield a
    a *= 2
    yield a.sum(), a.dtype, a.shape
    a[0, (yield "column") or 1] = (yield "value") or 9
    yield a


@case()
@resumable
def walked():
    for row in np.arange(6).reshape(3, 2):
        yield row
    for value in np.array([1.5, 2.5]):
        yield value


@case()
@resumable
def same_array():
    a = np.zeros(3)
    b = a
    yield a is b
    a[1] = 1
    yield b, a is b


@case()
@resumable
def kinds():
    arrays = [
        np.array([True, False]),
        np.array(["a", "bc"]),
        np.array([1 + 2j]),
        np.array([], dtype="int8"),
        np.array(5),
        np.asfortranarray([[1, 2], [3, 4]]),
        np.array([{"k": 1}, None], dtype=object),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["2024-01-01"], dtype="M8[D]"),
    ]
    for a in arrays:
        yield a
    yield [a.flags["F_CONTIGUOUS"] for a in arrays]


@case()
@resumable
def random_state():
    source = np.random.default_rng(5)
    for _ in range(3):
        yield source.integers(1000)


@case()
@resumable
def in_other_iterators():
    for pair in zip(np.arange(3), enumerate(np.ones(3))):
        yield pair
    yield sum(int(x) for x in np.arange(4))
    held = (x * 2 for x in np.arange(3))
    yield next(held)
    yield list(held)


@case()
@resumable
def errors():
    a = np.arange(3)
    try:
        a[(yield "index") or 7]
    except IndexError as error:
        yield type(error)
    try:
        a + np.arange(4)
    except ValueError as error:
        yield error
