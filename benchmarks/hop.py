"""A hop between two Ray nodes, against a bare call between two Ray actors with the same payload.

``python -m benchmarks.hop [--json] [--repeat N] [--residents N] [--only hop,load,residents]``
"""

from __future__ import annotations

import argparse
import json
import os
import platform as machine
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from agents import Platform, connect
from agents.client import Client
from benchmarks.hop_agents import traveller
from benchmarks.hop_bare import BareCalls
from benchmarks.hop_load import launches, messages, reside, resident_bytes
from mobility.trust import Identity

__all__ = ["main"]

PLACES: Final = ["baku", "oslo"]
#: Bytes of payload, hops (and calls) of a series, and by how much a hop may be slower than a bare round trip.
SIZES: Final = {
    "1 KB": (1_000, 24, 3.0),
    "90 KB": (90_000, 24, None),
    "1 MB": (1_000_000, 16, None),
    "10 MB": (10_000_000, 8, 2.0),
}
CROWDED: Final = 1.3


@contextmanager
def _platform() -> Iterator[Platform]:
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as folder:
        owner = Identity.generate("bench", "owner")
        with connect("local", places=PLACES, owner=owner, home=Path(folder)) as platform:
            yield platform


def _payload(kind: str, size: int) -> Any:
    data = os.urandom(size)
    if kind == "bytes":
        return data
    import numpy

    return numpy.frombuffer(data, numpy.uint8).copy()


def _hops(platform: Platform, payload: Any, count: int) -> list[int]:
    """Nanoseconds of each hop of a fresh agent, which is born where the first hop does not lead."""
    agent = platform.launch(traveller, PLACES, payload, count + 2, at=PLACES[1])
    took: list[int] = agent.result(timeout=120)
    return took[2:]  # the first two fetch code and compile what remains of the function


def _summary(took: list[int]) -> dict[str, float]:
    ordered = sorted(took)
    return {
        "median_ms": round(statistics.median(ordered) / 1e6, 3),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] / 1e6, 3),
        "best_ms": round(ordered[0] / 1e6, 3),
    }


def paired(platform: Platform, bare: BareCalls, kind: str, size: int, count: int, repeat: int) -> dict[str, Any]:
    """Series of hops and series of bare calls in turns, each first in every other pair."""
    payload = _payload(kind, size)
    bare.hold(payload)
    bare.run(count), _hops(platform, payload, 2)
    hops: list[int] = []
    calls: list[int] = []
    ratios: list[float] = []
    for number in range(repeat):
        if number % 2:
            mine = _hops(platform, payload, count)
            floor = bare.run(count)
        else:
            floor = bare.run(count)
            mine = _hops(platform, payload, count)
        hops += mine
        calls += floor
        ratios.append(statistics.median(mine) / statistics.median(floor))
    return {
        "payload": kind,
        "bytes": size,
        "pairs": repeat,
        "hops": len(hops),
        "hop": _summary(hops),
        "bare_round_trip": _summary(calls),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_low": round(min(ratios), 2),
        "ratio_high": round(max(ratios), 2),
    }


def _sizes(platform: Platform, bare: BareCalls, repeat: int, wanted: list[str]) -> list[dict[str, Any]]:
    rows = []
    for name in wanted:
        size, count, aim = SIZES[name]
        for kind in ("bytes", "array"):
            rows.append({"size": name, "aim": aim, **paired(platform, bare, kind, size, count, repeat)})
    return rows


def _residents(platform: Platform, bare: BareCalls, most: int, repeat: int) -> dict[str, Any]:
    """Memory and hop latency while agents sleep at the first place; the floor is measured along with each."""
    place = PLACES[0]
    memory = {"0": resident_bytes(platform, place)}
    seconds = 0.0
    few: dict[str, Any] = {}
    here = 0
    for count in sorted({10, min(1000, most), most}):
        seconds += reside(platform, place, count - here)
        here = count
        memory[str(count)] = resident_bytes(platform, place)
        if count == 10:
            few = paired(platform, bare, "bytes", 1000, 24, repeat)
    many = paired(platform, bare, "bytes", 1000, 24, repeat)
    return {
        "place": place,
        "residents": most,
        "launched_in_seconds": round(seconds, 1),
        "rss_bytes": memory,
        "bytes_per_agent": round((memory[str(most)] - memory["10"]) / (most - 10)),
        "with_10": few,
        f"with_{most}": many,
        "slower_by": round(many["hop"]["median_ms"] / few["hop"]["median_ms"], 2),
        "slower_by_against_floor": round(many["ratio"] / few["ratio"], 2),
        "aim": CROWDED,
    }


def measure(repeat: int, residents: int, only: list[str], sizes: list[str]) -> dict[str, Any]:
    """All of it, on one cluster of two nodes."""
    told: dict[str, Any] = {"python": machine.python_version(), "cpus": os.cpu_count(), "load_before": os.getloadavg()}
    with _platform() as platform:
        from agents._ray.transport import RayTransport

        bare = BareCalls(*PLACES)
        if "hop" in only:
            told["hop"] = _sizes(platform, bare, repeat, sizes)
        if "load" in only:
            told["launches"] = launches(platform, PLACES, 1000)
            told["messages"] = messages(platform, PLACES, 4000, lambda: Client(RayTransport()))
        if "residents" in only:
            told["residents"] = _residents(platform, bare, residents, repeat)
    told["load_after"] = os.getloadavg()
    return told


def _show(told: dict[str, Any]) -> None:
    loads = ", then ".join(f"{told[when][0]:.1f}" for when in ("load_before", "load_after"))
    print(f"Python {told['python']}, {told['cpus']} CPUs, load {loads}")
    for row in told.get("hop", ()):
        hop, bare = row["hop"], row["bare_round_trip"]
        aim = f", aim {row['aim']}" if row["aim"] else ""
        print(
            f"{row['size']:>6} {row['payload']:<5}  hop {hop['median_ms']:8.2f} ms (p95 {hop['p95_ms']:8.2f})  "
            f"bare {bare['median_ms']:8.2f} ms (p95 {bare['p95_ms']:8.2f})  ratio {row['ratio']:.2f} "
            f"({row['ratio_low']:.2f} to {row['ratio_high']:.2f}{aim})"
        )
    for name in ("launches", "messages", "residents"):
        if name in told:
            print(f"{name}: {json.dumps(told[name])}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hop", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--repeat", type=int, default=6, help="pairs of series for each size")
    parser.add_argument("--residents", type=int, default=10_000, help="sleeping agents at one place")
    parser.add_argument("--only", default="hop,load,residents", help="parts, with commas between")
    parser.add_argument("--sizes", default=",".join(SIZES), help="payloads, with commas between")
    given = parser.parse_args()
    told = measure(given.repeat, given.residents, given.only.split(","), given.sizes.split(","))
    if given.json:
        print(json.dumps(told, indent=1))
    else:
        _show(told)


if __name__ == "__main__":
    main()
