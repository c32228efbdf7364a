"""Flower apps on our nodes and in Flower's own simulation engine: seconds of a round, and what each strategy achieves.

``python -m benchmarks.federated [--json] [--only speed,accuracy] [--repeat N] [--clients 10,50] [--elements 100,...]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.engines import APPS, CPUS, FLOWER, Outcome, flowers, ours, variant

__all__ = ["REFERENCE", "SETTINGS", "Row", "accuracy", "main", "rows", "speed"]

#: Of the rows whose results the tests compare with.
REFERENCE: Final = ("FedAvg", "FedProx", "FedAdam")
#: Of all rows of the table.
SETTINGS: Final = {"data": "digits", "num-server-rounds": 10, "local-epochs": 2}
_NODES: Final = 5
_SHORT: Final = 20  # rounds of a tiny model
_LONG: Final = 4  # and of one that takes its time
_TINY: Final = 100
_LARGE: Final = 1_000_000  # float64: 8 MB
_AIMS: Final = {10: 0.2, 50: 0.33}  # of the tiny model

_Engine = Callable[[Path, int, dict[str, Any]], Outcome]


# -- seconds


def speed(
    clients: int, elements: int, repeat: int, engines: tuple[_Engine, _Engine] = (ours, flowers)
) -> dict[str, Any]:
    """Both engines in turns, each first in every other pair; rounds after the first of each run count."""
    rounds = _SHORT if elements < _LARGE else _LONG
    settings = {"elements": elements, "num-server-rounds": rounds}
    runs: tuple[list[Outcome], list[Outcome]] = ([], [])
    for number in range(repeat):
        for side in (0, 1) if number % 2 else (1, 0):
            runs[side].append(engines[side](APPS / "speed", clients, settings))
    if len({run.weights for side in runs for run in side}) != 1:
        raise RuntimeError("the engines have come to different weights")
    medians = [[statistics.median(run.rounds) for run in side] for side in runs]
    ratios = [one / other for one, other in zip(*medians, strict=True)]
    names = ("sojourn", "flower")
    return {
        "clients": clients,
        "megabytes": elements * 8 / 1e6,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "aim": _AIMS.get(clients) if elements < _LARGE else None,
        **{
            name: {
                "round": statistics.median(by_run),
                "rounds": by_run,
                "first": statistics.median(run.first for run in side),
                "beside": statistics.median(run.beside for run in side),
            }
            for name, by_run, side in zip(names, medians, runs, strict=True)
        },
    }


# -- accuracy


@dataclass(frozen=True, slots=True)
class Row:
    """A strategy, or what is put around one, and what it is run with.

    Attributes
    ----------
    drawn
        Whether the clients draw random numbers of their own, so that no two runs are the same.
    components
        Parts of the app other than the usual.
    """

    name: str
    settings: dict[str, Any]
    drawn: bool = False
    components: tuple[tuple[str, str], ...] = ()


def rows() -> list[Row]:
    """All of `flwr.serverapp.strategy` but the two for boosted trees, the wrappers, the mods, and SecAgg+."""
    plain = ["FedAvg", "FedProx", "FedAdam", "FedAdagrad", "FedYogi", "FedAvgM", "FedMedian", "FedTrimmedAvg"]
    plain += ["QFedAvg", "Krum", "MultiKrum", "Bulyan"]
    result = [Row(name, {"strategy": name}) for name in plain]
    for side in ("ServerSide", "ClientSide"):
        for way in ("Fixed", "Adaptive"):
            name = f"DifferentialPrivacy{side}{way}Clipping"
            mod = way.lower() if side == "ClientSide" else ""
            result.append(Row(name, {"wrapper": name, "mod": mod}))
    result.append(Row("FedAvg, LocalDpMod", {"mod": "local"}, drawn=True))
    result.append(Row("FedAvg, arrays_size_mod", {"mod": "sizes"}))
    secure = (("serverapp", "tabular.secure_server:app"), ("clientapp", "tabular.secure_client:app"))
    result.append(Row("FedAvg, SecAgg+", {}, drawn=True, components=secure))
    for name in REFERENCE:
        settings = {"strategy": name, "data": "breast-cancer", "learning-rate": 0.1}
        result.append(Row(f"{name}, breast cancer", settings))
    return result


def accuracy(row: Row, engine: _Engine, nodes: int = _NODES) -> Outcome:
    """One strategy by one engine."""
    settings = {**SETTINGS, **row.settings}
    if not row.components:
        return engine(APPS / "tabular", nodes, settings)
    with tempfile.TemporaryDirectory(prefix="variant-") as scratch:
        return engine(variant("tabular", Path(scratch, "tabular"), dict(row.components)), nodes, settings)


def central(settings: dict[str, Any]) -> float:
    """The same model, trained on all data in one place for as many epochs."""
    import runpy
    import sys

    sys.path.insert(0, str(APPS / "tabular"))
    try:
        task = runpy.run_module("tabular.task")
    finally:
        sys.path.pop(0)
    rate = settings.get("learning-rate", 0.5)
    return float(task["central"](settings["data"], settings["num-server-rounds"] * settings["local-epochs"], rate))


def compared(row: Row) -> dict[str, Any]:
    """Both engines on one row."""
    one, other = accuracy(row, ours), accuracy(row, flowers)
    return {
        "strategy": row.name,
        "sojourn": one.accuracies[-1],
        "flower": other.accuracies[-1],
        "central": central({**SETTINGS, **row.settings}),
        "same_bits": one.weights == other.weights,
        "drawn": row.drawn,
        "apart": max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(one.sums, other.sums, strict=True)),
    }


def reference() -> dict[str, Any]:
    """What Flower's engine comes to, for the tests."""
    chosen = [row for row in rows() if row.name in REFERENCE]
    results = {row.name: asdict(accuracy(row, flowers)) for row in chosen}
    kept = {name: {key: one[key] for key in ("weights", "sums", "accuracies")} for name, one in results.items()}
    return {"nodes": _NODES, "settings": SETTINGS, "results": kept}


# -- on screen


def _speed_line(found: dict[str, Any]) -> str:
    mine, theirs = found["sojourn"], found["flower"]
    aim = f" (aim {found['aim']})" if found["aim"] else ""
    return (
        f"{found['clients']:>3} clients, {found['megabytes']:g} MB: {mine['round']:.3f} s a round, Flower "
        f"{theirs['round']:.3f} s, ratio {found['ratio']:.2f}{aim}; first round {mine['first']:.2f} and "
        f"{theirs['first']:.2f} s, start and end {mine['beside']:.1f} and {theirs['beside']:.1f} s"
    )


def _accuracy_line(found: dict[str, Any]) -> str:
    same = "same bits" if found["same_bits"] else f"apart by {found['apart']:.1e}"
    note = ", clients draw noise" if found["drawn"] else ""
    return (
        f"{found['strategy']:<46}{found['sojourn']:.4f}  Flower {found['flower']:.4f}  "
        f"central {found['central']:.4f}  {same}{note}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="for a program to read")
    parser.add_argument("--only", default="speed,accuracy", help="which parts")
    parser.add_argument("--repeat", type=int, default=5, help="pairs of runs for the speed of each setting")
    parser.add_argument("--clients", default="10,50")
    parser.add_argument("--elements", default=f"{_TINY},{_LARGE}", help="of the model, float64")
    parser.add_argument("--strategies", default="", help="only rows that begin so")
    parser.add_argument("--reference", type=Path, help="write what the tests compare with, and nothing else")
    chosen = parser.parse_args(arguments)
    if not FLOWER.exists():
        parser.exit(2, f"Flower's engine is not at {FLOWER}: `make bench` sets it up.\n")
    if chosen.reference is not None:
        chosen.reference.write_text(json.dumps(reference(), indent=1) + "\n")
        return
    parts = chosen.only.split(",")
    result: dict[str, Any] = {"cpus": CPUS, "speed": [], "accuracy": []}
    for clients in map(int, chosen.clients.split(",") if "speed" in parts else ()):
        for elements in map(int, chosen.elements.split(",")):
            result["speed"].append(speed(clients, elements, chosen.repeat))
            if not chosen.json:
                print(_speed_line(result["speed"][-1]), flush=True)
    for row in rows() if "accuracy" in parts else ():
        if row.name.startswith(chosen.strategies):
            result["accuracy"].append(compared(row))
            if not chosen.json:
                print(_accuracy_line(result["accuracy"][-1]), flush=True)
    if chosen.json:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
