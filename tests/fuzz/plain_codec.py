"""Mutates messages of the plain codec: ``python -m tests.fuzz.plain_codec --seconds 60``.

Whatever comes out of a mutation must be `PlainInvalid` or plain data that can be encoded again, within memory that is
a fixed multiple of the message, and within seconds. Exit code 1 if anything else came out; the message is printed then.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
import time
import traceback
import tracemalloc
from collections.abc import Callable
from typing import Any

from mobility.plain import NotPlain, PlainInvalid, PlainLimits, decode, encode
from tests.mobility.plain.graphs import registry
from tests.mobility.plain.test_invalid import BOMBS, check_plain, sample

INTERESTING = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 28, 30, 31, 32, 64, 127, 128, 254, 255]
SLOW = 5.0  # seconds for one small message
LIMITS = PlainLimits()


def seeds() -> list[bytes]:
    """Messages of every kind."""
    values: list[Any] = [sample(), [sample(), sample()], [1] * 50, ["ab"] * 3, {n: str(n) for n in range(20)}]
    values += [{(n, str(n)): frozenset({n, (n,)}) for n in range(5)}, [[[[]]]], {"a": {"a": {"a": 1}}}]
    messages = [encode(value, registry=registry) for value in values]
    try:
        import numpy as np
    except ImportError:
        return messages + list(BOMBS.values())
    structure = np.zeros((2, 3), [("a", "<i4"), ("b", ">f8", (2,)), ("c", "<U2"), ("d", "?")])
    arrays = [np.arange(6).reshape(2, 3), np.array(1.5), np.array(["ab", "c"]), structure, np.zeros((0, 3), "M8[ns]")]
    arrays += [np.asfortranarray(np.ones((3, 2), ">c16")), np.array([True, False]), [np.float32(1), np.str_("x")]]
    return messages + [encode(value) for value in (*arrays, arrays)] + list(BOMBS.values())


def mutate(chance: random.Random, corpus: list[bytes]) -> bytes:
    """One message changed in one to six places."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1) if chance.random() < 0.7 else chance.randrange(min(len(data), 40) + 1)
        chance.choice(CHANGES)(chance, data, at, corpus)
    return bytes(data)


def _set(chance: random.Random, data: bytearray, at: int, corpus: list[bytes]) -> None:
    data[at : at + 1] = bytes([chance.choice(INTERESTING)])


def _flip(chance: random.Random, data: bytearray, at: int, corpus: list[bytes]) -> None:
    if at < len(data):
        data[at] ^= 1 << chance.randrange(8)


def _insert(chance: random.Random, data: bytearray, at: int, corpus: list[bytes]) -> None:
    data[at:at] = chance.randbytes(chance.randint(1, 9))


def _remove(chance: random.Random, data: bytearray, at: int, corpus: list[bytes]) -> None:
    del data[at : at + chance.randint(1, 9)]


def _repeat(chance: random.Random, data: bytearray, at: int, corpus: list[bytes]) -> None:
    data[at:at] = data[at : at + chance.randint(1, 20)] * chance.randint(1, 5)


def _splice(chance: random.Random, data: bytearray, at: int, corpus: list[bytes]) -> None:
    other = chance.choice(corpus)
    start = chance.randrange(len(other) + 1)
    data[at : at + chance.choice((0, 20))] = other[start : start + chance.randint(1, 60)]


def _huge(chance: random.Random, data: bytearray, at: int, corpus: list[bytes]) -> None:
    data[at : at + 1] = b"\xff" * chance.randint(1, 8) + b"\x7f"


Change = Callable[[random.Random, bytearray, int, list[bytes]], None]
CHANGES: list[Change] = [_set, _set, _flip, _flip, _insert, _remove, _repeat, _splice, _huge]


def attempt(data: bytes) -> str:
    """What came of it; raises AssertionError for what must not."""
    start = time.monotonic()
    try:
        value = decode(data, registry=registry, limits=LIMITS)
    except PlainInvalid as error:
        assert 0 <= error.offset <= len(data)
        result = "refused" if error.__cause__ is None else f"refused by {type(error.__cause__).__name__}"
    else:
        check_plain(value)
        result = "plain"
        try:
            again = encode(value, registry=registry)
        except NotPlain as error:
            # Only numpy can build what it does not itself have a portable name for.
            raise AssertionError(f"decoded, but not plain: {error}") from error
        decode(again, registry=registry)
    took = time.monotonic() - start
    assert took < SLOW, f"took {took:.1f} s"
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="to repeat a run")
    parser.add_argument("--memory", action="store_true", help="also measure the peak of each (five times slower)")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    corpus = seeds()
    known = len(corpus)
    results: collections.Counter[str] = collections.Counter()
    worst = 0.0
    for data in corpus:  # what is imported or loaded once is no message's doing
        attempt(data)
    if options.memory:
        tracemalloc.start()
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        data = mutate(chance, corpus)
        try:
            tracemalloc.reset_peak() if options.memory else None
            before = tracemalloc.get_traced_memory()[0]
            result = attempt(data)
            if options.memory:
                worst = max(worst, (tracemalloc.get_traced_memory()[1] - before - 50_000) / max(len(data), 1))
        except Exception:
            traceback.print_exc()
            print(f"seed {seed}, message {data.hex()}", file=sys.stderr)
            return 1
        results[result] += 1
        if result == "plain" and len(data) < 5000:  # mutations of what was accepted reach deeper
            if len(corpus) < known + 500:
                corpus.append(data)
            else:
                corpus[known + chance.randrange(500)] = data
    print(f"seed {seed}: {results.total()} messages in {options.seconds:g} s")
    for result, count in results.most_common():
        print(f"  {count:>9}  {result}")
    if options.memory:
        print(f"  at most {worst:.0f} bytes of memory for each byte of the message")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
