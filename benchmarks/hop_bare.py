"""The floor of a hop: the same payload in a bare call from one Ray actor to another, on the same nodes.

What Ray's user has without a platform: one actor calls another with the payload, and waits for a small answer. Nothing
is signed, written to disk, committed or taken from where it was.
"""

from __future__ import annotations

import time
from typing import Any

import ray

__all__ = ["BareCalls"]


class _Callee:
    def take(self, payload: Any) -> int:
        return len(payload)


class _Caller:
    def __init__(self, callee: Any) -> None:
        self._callee = callee
        self._payload: Any = None

    def hold(self, payload: Any) -> None:
        """Have it here, as an agent has it: making it is not measured."""
        self._payload = payload

    def run(self, calls: int) -> list[int]:
        """Nanoseconds of each round trip."""
        took = []
        for _ in range(calls):
            begun = time.monotonic_ns()
            ray.get(self._callee.take.remote(self._payload), timeout=60)
            took.append(time.monotonic_ns() - begun)
        return took


class BareCalls:
    """An actor on each of two nodes, given by their ``place`` labels."""

    def __init__(self, first: str, second: str) -> None:
        self._callee = self._on(second, _Callee)
        self._caller = self._on(first, _Caller, self._callee)

    def _on(self, place: str, kind: type, *args: Any) -> Any:
        return ray.remote(kind).options(num_cpus=0, label_selector={"place": place}).remote(*args)

    def hold(self, payload: Any) -> None:
        """What the calls carry from now on."""
        ray.get(self._caller.hold.remote(payload), timeout=60)

    def run(self, calls: int) -> list[int]:
        """Nanoseconds of each of so many round trips."""
        took: list[int] = ray.get(self._caller.run.remote(calls), timeout=300)
        return took
