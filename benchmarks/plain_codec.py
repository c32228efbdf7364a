"""The plain codec against pickle protocol 5: ``python -m benchmarks.plain_codec --json``.

Both sides encode and decode the same value in one process, in turns; arrays stay out of band on both.
"""

from __future__ import annotations

import argparse
import datetime
import json
import pickle
import platform
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.pairing import Ratio, pair
from mobility.plain import decode, encode, encode_buffers

#: What the project asks of itself, in milliseconds: encode, decode.
TARGETS = {"100 arrays of 1 MB, out of band": (0.2, 0.11), "200,000 integers": (25.0, 12.0)}


def values(scale: int) -> dict[str, tuple[Any, int]]:
    """The values, and how many times each is done in one repetition."""
    moment = datetime.datetime(2025, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    found: dict[str, tuple[Any, int]] = {
        "small reply": ({"place": "oslo", "mean": 19.8, "rows": [1, 2, 3], "when": moment}, 500),
        "200,000 integers": (list(range(2 * scale)), 1),
        "200,000 floats": ([n * 0.5 for n in range(2 * scale)], 1),
        "200,000 strings": ([f"key-{n}" for n in range(2 * scale)], 1),
        "10,000 rows of five": (
            [{"id": n, "name": f"n{n}", "v": n * 0.5, "ok": n % 2 == 0, "x": None} for n in range(scale // 10)],
            1,
        ),
        "nested 100,000 deep": (_deep(scale), 1),
    }
    try:
        import numpy
    except ImportError:
        return found
    found["100 arrays of 1 MB, out of band"] = ([numpy.zeros(125_000) for _ in range(100)], 20)
    return found


def _deep(depth: int) -> Any:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _times(run: Callable[[], object], times: int) -> Callable[[], object]:
    def runs() -> None:
        for _ in range(times):
            run()

    return runs


def measured(value: Any, times: int, repeat: int, apart: bool) -> dict[str, Any]:
    """Ratios to pickle where pickle can, milliseconds, and bytes."""
    if apart:
        views: list[Any] = []
        pickled = pickle.dumps(value, 5, buffer_callback=views.append)
        data, buffers = encode_buffers(value)
        sides: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
            ("encode", lambda: pickle.dumps(value, 5, buffer_callback=[].append), lambda: encode_buffers(value)),
            ("decode", lambda: pickle.loads(pickled, buffers=views), lambda: decode(data, buffers=buffers)),
        ]
    else:
        data = encode(value)
        try:
            pickled = pickle.dumps(value, 5)
        except RecursionError:
            pickled = b""
        sides = [
            ("encode", lambda: pickle.dumps(value, 5), lambda: encode(value)),
            ("decode", lambda: pickle.loads(pickled), lambda: decode(data)),
        ]
        if not pickled:
            sides = [(name, side, side) for name, _, side in sides]
    found: dict[str, Any] = {"bytes": len(data), "pickle_bytes": len(pickled)}
    for name, floor, side in sides:
        ratio: Ratio = pair(_times(floor, times), _times(side, times), times, repeat)
        found[name] = {
            "ms": round(ratio.side.median * 1e3, 4),
            "best_ms": round(ratio.side.best * 1e3, 4),
            "pickle_ms": round(ratio.floor.median * 1e3, 4) if pickled else None,
            "ratio": round(ratio.median, 2) if pickled else None,
        }
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--repeat", type=int, default=9, help="paired repetitions of each case (default 9)")
    parser.add_argument("--scale", type=int, default=100_000, help="size of the large values (default 100000)")
    options = parser.parse_args()
    cases = {
        name: measured(value, times, options.repeat, "out of band" in name)
        | ({"target_ms": TARGETS[name]} if name in TARGETS else {})
        for name, (value, times) in values(options.scale).items()
    }
    data = {"python": platform.python_version(), "machine": platform.machine(), "repetitions": options.repeat}
    if options.json:
        json.dump({**data, "cases": cases}, sys.stdout, indent=2)
        print()
        return 0
    print(f"Python {data['python']}, {data['machine']}, {data['repetitions']} paired repetitions, medians")
    print(f"\n{'':<34}{'encode':>10}{'ratio':>8}{'decode':>12}{'ratio':>8}{'bytes':>11}{'pickle':>11}")
    for name, case in cases.items():
        times = "".join(f"{case[part]['ms']:>10.3f} ms{_ratio(case[part]['ratio'])}" for part in ("encode", "decode"))
        print(f"{name:<32}{times}{case['bytes']:>11,}{case['pickle_bytes']:>11,}")
    return 0


def _ratio(ratio: float | None) -> str:
    return f"{ratio:>7.1f}" if ratio is not None else f"{'-':>7}"


if __name__ == "__main__":
    raise SystemExit(main())
