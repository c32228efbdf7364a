"""What the operations of a platform cost, measured at its places: the constants of `agents.advising`.

Each operation is timed a few times with nothing to carry and with some megabytes, in turns; the medians count. Bytes
are what all processes of the platform have sent meanwhile. It takes about two seconds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from agents.advising import Costs, Price
from agents.decorating import agent
from agents.effects import hop
from agents.sockets import traffic

if TYPE_CHECKING:
    from agents.platform import Platform

__all__ = ["measured_costs", "sent_by_all"]

#: Name of the service, and of the units, that are measured.
_PROBE: Final = "sojourn.probe"
_LARGE: Final = 4_000_000
_TIMES: Final = 9
_HOPS: Final = 8


def sent_by_all(platform: Platform) -> int:
    """Bytes that the processes of a platform have sent to one another so far, this one among them."""
    sent = traffic.sent + int(platform.client.transport.ask_directory("traffic", timeout=10.0)["sent"])
    for place in platform.client.transport.places():
        sent += int(platform.client.describe_place(place).about["traffic"]["sent"])
    return sent


def measured_costs(platform: Platform) -> Costs:
    """Measure each operation between this program and the places of a platform.

    Raises
    ------
    PlaceUnreachable, DirectoryUnreachable, WaitedTooLong
    """
    places = [place.name for place in platform.places()]
    first = places[0]
    platform.install(first, _answers, _PROBE, replace=True)
    try:
        return _measured(platform, places, first)
    finally:
        platform.remove(first, _PROBE)


def _measured(platform: Platform, places: Sequence[str], first: str) -> Costs:
    def call(size: int) -> None:
        platform.call(first, _PROBE, size)

    def evaluate(size: int) -> None:
        platform.evaluate(first, _answers, size)

    def launch(size: int) -> None:
        platform.launch(_idles, size, at=first).result(timeout=60)

    names = [f"{_PROBE}-{number}" for number in range(3)]
    for unit, name in zip((_unit_0, _unit_1, _unit_2), names, strict=True):
        platform.publish(unit, name, at=first)

    def fetch(size: int) -> None:
        platform.fetch(names.pop(), from_=first)()  # each is new to this process

    return Costs(
        call=_priced(platform, call, trips=1),
        evaluate=_priced(platform, evaluate, trips=2),
        fetch=_priced(platform, fetch, trips=1, times=3, large=False),
        agent=_priced(platform, launch, trips=2),
        hop=_hops(platform, places),
    )


def _priced(
    platform: Platform, run: Callable[[int], None], *, trips: float, times: int = _TIMES, large: bool = True
) -> Price:
    if large:
        run(0)  # the code is known from here on
        run(_LARGE)
    before = sent_by_all(platform)
    small = [_seconds(run, 0) for _ in range(times)]
    sent = (sent_by_all(platform) - before) / times
    seconds = statistics.median(small)
    if not large:
        return Price(seconds, sent, trips=trips)
    big = statistics.median(_seconds(run, _LARGE) for _ in range(3))
    return Price(seconds, sent, max(0.0, big - seconds) / _LARGE, trips)


def _seconds(run: Callable[[int], None], size: int) -> float:
    start = time.perf_counter()
    run(size)
    return time.perf_counter() - start


def _hops(platform: Platform, places: Sequence[str]) -> Price:
    """A hop between two places; of a platform with one, nothing."""
    if len(places) < 2:
        return Price(0.0, 0.0)
    pair = [places[0], places[1]]
    before = sent_by_all(platform)
    small: list[float] = platform.launch(_travels, pair, 0, at=pair[1]).result(timeout=60)
    sent = (sent_by_all(platform) - before) / (_HOPS + 2)
    large: list[float] = platform.launch(_travels, pair, _LARGE, at=pair[1]).result(timeout=60)
    seconds = statistics.median(small)
    return Price(seconds, sent, max(0.0, statistics.median(large) - seconds) / _LARGE, 2.0)


# -- what is sent there -----------------------------------------------------------------------------------------------


def _answers(here: Any, size: int) -> bytes:
    return bytes(size)


@agent
def _idles(here, size):  # type: ignore[no-untyped-def]  # as a user writes it
    yield
    return bytes(size)


@agent
def _travels(here, pair, size):  # type: ignore[no-untyped-def]  # as above
    """Seconds of a hop, from round trips: both ends of each are read from one clock."""
    carried = bytearray(size)
    for place in pair:
        yield hop(place)  # the first time, code is fetched
    took = []
    for _ in range(_HOPS // 2):
        start = time.time()
        for place in pair:
            yield hop(place)
        took.append((time.time() - start) / 2)
    assert len(carried) == size
    return took


def _unit_0() -> int:
    return 0


def _unit_1() -> int:
    return 1


def _unit_2() -> int:
    return 2
