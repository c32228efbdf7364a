"""The agents that the benchmark of hops launches."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from agents import agent, hop, receive, sleep

__all__ = ["brief", "reader", "sleeper", "traveller"]


@agent
def traveller(here: Any, places: list[str], payload: Any, hops: int) -> Generator[Any, Any, list[int]]:
    """Hop to and fro; nanoseconds of each hop, from the line before it to the line after it.

    The clock is CLOCK_MONOTONIC, which on Linux is the same for all processes of a host.
    """
    took = []
    for number in range(hops):
        begun = time.monotonic_ns()
        yield hop(places[number % len(places)])
        took.append(time.monotonic_ns() - begun)
    return took


@agent
def reader(here: Any, places: list[str], wanted: int, hops: int, pause: float) -> Generator[Any, Any, tuple[int, int]]:
    """Hop now and then, as long as hops are left, until so many messages are read: how many were, and hops made."""
    read = made = 0
    while read < wanted:
        until = time.monotonic() + pause
        while read < wanted and time.monotonic() < until:
            message = yield receive(max(0.0, until - time.monotonic()))
            if message is None:
                break
            read += 1
        if made < hops and read < wanted:
            yield hop(places[made % len(places)])
            made += 1
    return read, made


@agent
def brief(here: Any) -> Generator[Any, Any, int]:
    """Step once, and end."""
    yield
    return 1


@agent
def sleeper(here: Any, seconds: float) -> Generator[Any, Any, None]:
    """Be resident."""
    yield sleep(seconds)
