"""Resumable generators against native ones, and what a snapshot costs: ``python -m benchmarks.execution_state --json``.

The floor of each ratio is the same function left native, in the same process, in turns. ``moved`` is a generator that
was suspended after its first step, dumped, discarded and loaded, and then measured.
"""

from __future__ import annotations

import argparse
import collections
import json
import platform
import sys
from collections.abc import Callable
from typing import Any

import mobility
from benchmarks import generators as native
from benchmarks.pairing import Ratio, measure, pair

Make = Callable[[], native.Steps]

#: What the project asks of itself: the median ratio of a resumable generator to the native one.
TARGETS = {
    "inner loop of 100": 1.03,
    "yield at every iteration": 1.5,
    "try/finally": 1.6,
    "with": 2.0,
    "yield from, depth 1": 1.4,
    "yield from, depth 20": 1.4,
    "creation, captured variables": 3.0,
}


def _run(make: Make) -> Callable[[], object]:
    return lambda: collections.deque(make(), maxlen=0)


def _send(make: Make) -> Callable[[], object]:
    def run() -> None:
        generator = make()
        next(generator)
        send = generator.send
        try:
            while True:
                send(1)
        except StopIteration:
            return

    return run


def _create(make: Make, times: int) -> Callable[[], object]:
    def run() -> None:
        for _ in range(times):
            next(make())

    return run


def _moved(make: Make) -> Make:
    generator = make()
    next(generator)
    snapshot = mobility.dumps(generator)
    mobility.discard(generator)
    return lambda: mobility.loads(snapshot)  # type: ignore[no-any-return]  # a generator was dumped


def ratios(scale: int, repeat: int) -> dict[str, dict[str, Ratio]]:
    """Every case of the table, fresh and (where it runs for long) after a move."""
    made = {name: mobility.resumable(function) for name, function in vars(native).items() if _measured(name, function)}
    found: dict[str, dict[str, Ratio]] = {}

    def case(name: str, steps: int, floor: Make, side: Make, drive: Callable[[Make], Callable[[], object]]) -> None:
        found[name] = {
            "fresh": pair(drive(floor), drive(side), steps, repeat),
            "moved": pair(drive(floor), drive(_moved(side)), steps, repeat),
        }

    simple = [
        ("inner loop of 100", "inner_loop", scale // 20, _run),
        ("yield at every iteration", "every_iteration", scale, _run),
        ("while with send", "while_with_send", scale, _send),
        ("try/finally", "try_finally", scale, _run),
        ("with", "with_block", scale // 4, _run),
    ]
    for name, function, steps, drive in simple:
        case(name, steps, _of(getattr(native, function), steps), _of(made[function], steps), drive)
    for depth, function in ((1, "yield_from_1"), (20, "yield_from_20")):
        steps = scale // depth
        floor, side = getattr(native, function), made[function]
        extra = ((native.leaf,), (made["leaf"],)) if depth == 1 else ((native.leaf, floor), (made["leaf"], side))
        case(f"yield from, depth {depth}", steps, _of(floor, steps, *extra[0]), _of(side, steps, *extra[1]), _run)
    for name, function in (("creation", "plain_creation"), ("creation, captured variables", "captured_creation")):
        times = scale // 10
        floors, sides = _of(getattr(native, function), 1), _of(made[function], 1)
        found[name] = {"fresh": pair(_create(floors, times), _create(sides, times), times, repeat)}
    return found


def _measured(name: str, function: Any) -> bool:
    return callable(function) and getattr(function, "__module__", "") == native.__name__ and name not in _NOT_MEASURED


_NOT_MEASURED = {"Manager", "entered", "Steps", "_leaf"}


def _of(function: Callable[..., native.Steps], *arguments: Any) -> Make:
    return lambda: function(*arguments)


def snapshots(repeat: int) -> dict[str, dict[str, Any]]:
    """Bytes and times of capture, dumps, loads and discard."""
    five = mobility.resumable(native.five_locals)
    holding = mobility.resumable(native.holding)
    found = {"five locals": _snapshot(five(100), repeat, 2_000)}
    table = {f"key-{number}": number for number in range(10_000)}
    found["dict of 10,000"] = _snapshot(holding(table), repeat, 5)
    try:
        import numpy
    except ImportError:
        return found
    array = numpy.zeros(100_000_000 // 8)
    found["array of 100 MB, buffer_callback"] = _buffered(holding(array), array, repeat)
    return found


def _snapshot(generator: native.Steps, repeat: int, times: int) -> dict[str, Any]:
    with native.entered(generator):
        data = mobility.dumps(generator)
        operations: dict[str, Callable[[], object]] = {
            "capture": lambda: mobility.capture(generator),
            "dumps": lambda: mobility.dumps(generator),
            "loads": lambda: mobility.loads(data),
        }
        found: dict[str, Any] = {"bytes": len(data)}
        for name, run in operations.items():
            found[name] = measure(_repeated(run, times), times, repeat).microseconds()
        found["dumps+loads"] = measure(
            _repeated(lambda: mobility.loads(mobility.dumps(generator)), times), times, repeat
        ).microseconds()
        found["discard"] = _discards(lambda: mobility.loads(data), times, repeat)
        return found


def _discards(make: Callable[[], Any], times: int, repeat: int) -> dict[str, float]:
    """Discarding uses its generator up, so each repetition makes its own before the clock starts."""
    made = iter([[make() for _ in range(times)] for _ in range(repeat + 1)])

    def run() -> None:
        for generator in next(made):
            mobility.discard(generator)

    return measure(run, times, repeat).microseconds()


def _buffered(generator: native.Steps, array: Any, repeat: int) -> dict[str, Any]:
    import numpy

    with native.entered(generator):
        buffers: list[Any] = []
        data = mobility.dumps(generator, buffer_callback=buffers.append)
        restored = mobility.loads(data, buffers=buffers)
        copied = not numpy.shares_memory(next(restored), array)
        found: dict[str, Any] = {"bytes": len(data), "buffer_bytes": sum(b.raw().nbytes for b in buffers)}
        found["copied"] = copied
        times = 200
        found["dumps"] = measure(
            _repeated(lambda: mobility.dumps(generator, buffer_callback=lambda _: None), times), times, repeat
        ).microseconds()
        found["loads"] = measure(
            _repeated(lambda: mobility.loads(data, buffers=buffers), times), times, repeat
        ).microseconds()
        found["discard"] = _discards(lambda: mobility.loads(data, buffers=buffers), times, repeat)
        found["capture (copies)"] = measure(lambda: mobility.capture(generator), 1, min(repeat, 5)).microseconds()
        return found


def _repeated(run: Callable[[], object], times: int) -> Callable[[], object]:
    def runs() -> None:
        for _ in range(times):
            run()

    return runs


# -- output -----------------------------------------------------------------------------------------------------------


def as_data(found: dict[str, dict[str, Ratio]], states: dict[str, dict[str, Any]], repeat: int) -> dict[str, Any]:
    """The results as plain data."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": platform.machine(),
        "repetitions": repeat,
        "ratios": {
            name: {
                kind: {
                    "ratio": round(r.median, 3),
                    "quartiles": [round(r.low, 3), round(r.high, 3)],
                    "native_us": round(r.floor.median * 1e6, 4),
                    "resumable_us": round(r.side.median * 1e6, 4),
                }
                for kind, r in kinds.items()
            }
            | ({"target": TARGETS[name]} if name in TARGETS else {})
            for name, kinds in found.items()
        },
        "snapshots": states,
    }


def _print(data: dict[str, Any]) -> None:
    print(f"Python {data['python']}, {data['machine']}, {data['repetitions']} paired repetitions, medians")
    print(f"\n{'per step, ratio to native':<32}{'native':>11}{'resumable':>11}{'ratio':>8}{'moved':>8}{'target':>8}")
    for name, kinds in data["ratios"].items():
        fresh = kinds["fresh"]
        moved = f"{kinds['moved']['ratio']:.2f}" if "moved" in kinds else "-"
        target = f"{kinds['target']:.2f}" if "target" in kinds else "-"
        times = f"{fresh['native_us'] * 1e3:>8.1f} ns{fresh['resumable_us'] * 1e3:>8.1f} ns"
        print(f"{name:<32}{times}{fresh['ratio']:>8.2f}{moved:>8}{target:>8}")
    for name, state in data["snapshots"].items():
        print(f"\nsnapshot, {name}")
        for part, value in state.items():
            shown = f"{value['median_us']:,.2f} us (best {value['best_us']:,.2f})" if isinstance(value, dict) else value
            print(f"  {part:<18}{shown}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--repeat", type=int, default=15, help="paired repetitions of each case (default 15)")
    parser.add_argument("--scale", type=int, default=100_000, help="steps of the shortest case (default 100000)")
    options = parser.parse_args()
    data = as_data(ratios(options.scale, options.repeat), snapshots(options.repeat), options.repeat)
    if options.json:
        json.dump(data, sys.stdout, indent=2)
        print()
    else:
        _print(data)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
