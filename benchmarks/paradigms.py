"""Client-server, remote evaluation, code on demand and a mobile agent at the same task, on real places.

``python -m benchmarks.paradigms [--json] [--repeat N] [--settings N] [--seed N] [--picture FILE.svg]``

A client works off some interactions with tables that lie at one to three places; each interaction selects a part of
the table, and the last selection is the result. Every paradigm gives the same result, which is checked. Bytes are what
all processes of the platform have sent. Then the advice of `agents.advising` is tried in random settings.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy

from agents import Platform, connect
from agents.advising import Advice, Costs, Paradigm, Workload, advise
from agents.probing import measured_costs, sent_by_all
from benchmarks.paradigms_work import last_selection, query, tables, visitor
from mobility.trust import Identity

__all__ = ["main"]

PLACES: Final = ("baku", "lima", "oslo")
#: What stays while one thing varies.
USUAL: Final = Workload(interactions=10, data_bytes=1_000_000, selectivity=0.01, places=2)
SWEEPS: Final[Mapping[str, Sequence[Workload]]] = {
    "interactions": [replace(USUAL, interactions=n) for n in (1, 2, 5, 10, 20, 50, 100, 200)],
    "data_bytes": [replace(USUAL, data_bytes=n) for n in (10_000, 100_000, 1_000_000, 3_000_000, 10_000_000)],
    "selectivity": [replace(USUAL, selectivity=s) for s in (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)],
    "places": [replace(USUAL, places=n) for n in (1, 2, 3)],
}
#: Bytes that a random setting may have client-server move, so that a run ends.
_MOST: Final = 150_000_000


@contextmanager
def _platform() -> Iterator[Platform]:
    offered = {place: {"tables": tables} for place in PLACES}
    with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as folder:
        owner = Identity.generate("bench", "owner")
        with connect(
            "local",
            places=list(PLACES),
            resources=offered,
            services={"*": {"select": query}},
            owner=owner,
            home=Path(folder),
        ) as platform:
            for place in PLACES:
                platform.publish(last_selection, "last-selection", at=place)
            yield platform


# -- the four ways ----------------------------------------------------------------------------------------------------


def client_server(platform: Platform, task: Workload) -> list[Any]:
    """Ask each time."""
    found = []
    for place in PLACES[: task.places]:
        for number in range(task.interactions):
            last = platform.call(place, "select", task.data_bytes, task.selectivity, number)
        found.append(last)
    return found


def remote_evaluation(platform: Platform, task: Workload) -> list[Any]:
    """Send the code to each place."""
    return [
        platform.evaluate(place, _evaluated, task.data_bytes, task.selectivity, task.interactions)
        for place in PLACES[: task.places]
    ]


def _evaluated(here: Any, size: int, selectivity: float, interactions: int) -> Any:
    return last_selection(here.resource("tables")(size), selectivity, interactions)


def code_on_demand(platform: Platform, task: Workload) -> list[Any]:
    """Get the code, and all data."""
    unit = platform.fetch("last-selection", from_=PLACES[0])
    return [
        unit(platform.call(place, "select", task.data_bytes, 1.0, 0), task.selectivity, task.interactions)
        for place in PLACES[: task.places]
    ]


def mobile_agent(platform: Platform, task: Workload) -> list[Any]:
    """Go there, from one to the next."""
    places = list(PLACES[: task.places])
    agent = platform.launch(visitor, places, task.data_bytes, task.selectivity, task.interactions, at=places[0])
    found: list[Any] = agent.result(timeout=120)
    return found


WAYS: Final[Mapping[Paradigm, Callable[[Platform, Workload], list[Any]]]] = {
    Paradigm.CLIENT_SERVER: client_server,
    Paradigm.REMOTE_EVALUATION: remote_evaluation,
    Paradigm.CODE_ON_DEMAND: code_on_demand,
    Paradigm.MOBILE_AGENT: mobile_agent,
}


# -- measuring --------------------------------------------------------------------------------------------------------


def measured(platform: Platform, task: Workload, repeat: int, *, count_bytes: bool = True) -> dict[str, dict[str, Any]]:
    """Seconds (median) and bytes of each paradigm, which take turns, each first in turn."""
    seconds: dict[Paradigm, list[float]] = {way: [] for way in WAYS}
    moved: dict[Paradigm, float] = dict.fromkeys(WAYS, 0.0)
    expected = _expected(task)
    order = list(WAYS)
    for _ in range(repeat):
        for way in order:
            before = sent_by_all(platform) if count_bytes else 0
            start = time.perf_counter()
            found = WAYS[way](platform, task)
            seconds[way].append(time.perf_counter() - start)
            if count_bytes:
                moved[way] = sent_by_all(platform) - before
            if len(found) != len(expected) or not all(map(numpy.array_equal, found, expected)):
                raise AssertionError(f"{way.value} has found something else")
        order.append(order.pop(0))
    return {
        way.value: {"seconds": statistics.median(seconds[way]), "best": min(seconds[way]), "bytes": moved[way]}
        for way in WAYS
    }


def _expected(task: Workload) -> list[Any]:
    return [last_selection(tables(task.data_bytes), task.selectivity, task.interactions)] * task.places


def _scan_cost() -> float:
    """Seconds for which an interaction looks at one byte; the same wherever it does."""
    table = tables(4_000_000)
    start = time.perf_counter()
    last_selection(table, 0.01, 50)
    return (time.perf_counter() - start) / 50 / table.nbytes


def crossings(rows: Sequence[Mapping[str, Any]], axis: str) -> list[dict[str, Any]]:
    """Where one paradigm overtakes another, by logarithmic interpolation between what was measured."""
    found = []
    names = list(rows[0]["measured"])
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            for low, high in zip(rows, rows[1:], strict=False):
                before = math.log(low["measured"][one]["seconds"] / low["measured"][other]["seconds"])
                after = math.log(high["measured"][one]["seconds"] / high["measured"][other]["seconds"])
                if before * after < 0 and min(abs(before), abs(after)) > 0.02:  # else they are the same
                    part = before / (before - after)
                    at = math.exp(math.log(low[axis]) * (1 - part) + math.log(high[axis]) * part)
                    found.append({"from": one if before < 0 else other, "to": other if before < 0 else one, "at": at})
    return found


def sweeps(platform: Platform, costs: Costs, repeat: int) -> dict[str, Any]:
    """Each axis, with what the model says beside it."""
    told = {}
    for axis, tasks in SWEEPS.items():
        rows = []
        for task in tasks:
            advice = advise(replace(task, known=True), costs)
            rows.append(
                {
                    axis: getattr(task, axis),
                    "measured": measured(platform, task, repeat),
                    "predicted": {way.value: seconds for way, seconds in advice.seconds.items()},
                    "advised": advice.best.value,
                }
            )
        told[axis] = {"rows": rows, "crossings": crossings(rows, axis)}
    return told


# -- the advice -------------------------------------------------------------------------------------------------------


def random_workload(chance: random.Random) -> Workload:
    """Any setting, each quantity spread evenly over its orders of magnitude."""
    while True:
        task = Workload(
            interactions=round(10 ** chance.uniform(0, 2.5)),
            data_bytes=round(10 ** chance.uniform(3, 7)),
            selectivity=10 ** chance.uniform(-3, 0),
            places=chance.randint(1, len(PLACES)),
            known=True,
        )
        if task.interactions * task.selected * task.places <= _MOST:
            return task


def advice_tried(platform: Platform, costs: Costs, settings: int, repeat: int, seed: int) -> dict[str, Any]:
    """The advice in random settings: how often it names the fastest, and how much its following would have cost."""
    chance = random.Random(seed)
    rows = []
    for _ in range(settings):
        task = random_workload(chance)
        advice: Advice = advise(task, costs)
        took = {way: row["best"] for way, row in measured(platform, task, repeat, count_bytes=False).items()}
        fastest = min(took.values())
        rows.append(
            {
                "interactions": task.interactions,
                "data_bytes": task.data_bytes,
                "selectivity": task.selectivity,
                "places": task.places,
                "advised": advice.best.value,
                "fastest": min(took, key=took.__getitem__),
                "regret": took[advice.best.value] / fastest,
                "error": {way.value: advice.seconds[way] / took[way.value] for way in Paradigm},
            }
        )
    errors = [abs(math.log(ratio)) for row in rows for ratio in row["error"].values()]
    return {
        "settings": settings,
        "named_the_fastest": sum(row["advised"] == row["fastest"] for row in rows),
        "right": sum(row["regret"] <= 1.1 for row in rows),
        "mean_regret": statistics.fmean(row["regret"] for row in rows),
        "worst_regret": max(row["regret"] for row in rows),
        "median_error": math.exp(statistics.median(errors)) - 1,
        "p90_error": math.exp(statistics.quantiles(errors, n=10)[8]) - 1,
        "rows": rows,
    }


# -- telling ----------------------------------------------------------------------------------------------------------


def _table(axis: str, told: Mapping[str, Any]) -> str:
    names = [paradigm.value for paradigm in Paradigm]
    lines = [f"| {axis} | " + " | ".join(names) + " | fastest | advised |", "|---:|" + "---:|" * 4 + "---|---|"]
    for row in told["rows"]:
        cells = [f"{row['measured'][n]['seconds'] * 1e3:.1f} ms, {_size(row['measured'][n]['bytes'])}" for n in names]
        fastest = min(names, key=lambda n: row["measured"][n]["seconds"])
        lines.append(f"| {row[axis]:,} | " + " | ".join(cells) + f" | {fastest} | {row['advised']} |")
    for point in told["crossings"]:
        lines.append(f"\n{point['to']} overtakes {point['from']} at {axis} = {point['at']:.3g}")
    return "\n".join(lines)


def _size(count: float) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} KB"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--settings", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--picture", type=Path, help="write the sweeps as an SVG")
    options = parser.parse_args()
    with _platform() as platform:
        costs = replace(measured_costs(platform), scan=_scan_cost())
        told: dict[str, Any] = {"sweeps": sweeps(platform, costs, options.repeat)}
        told["advice"] = advice_tried(platform, costs, options.settings, 3, options.seed)
    if options.picture is not None:
        from benchmarks.paradigms_picture import drawn

        options.picture.write_text(drawn(told["sweeps"]), encoding="utf-8")
    if options.json:
        print(json.dumps(told, indent=1))
        return
    for axis, sweep in told["sweeps"].items():
        print(f"\n{axis}\n")
        print(_table(axis, sweep))
    advice = told["advice"]
    print(
        f"\nadvice: right in {advice['right']} of {advice['settings']} random settings (within 10% of the fastest), "
        f"names the fastest in {advice['named_the_fastest']}; following it takes {advice['mean_regret']:.2f} times "
        f"the fastest on average, {advice['worst_regret']:.2f} at worst. "
        f"Predicted times are off by {advice['median_error']:.0%} (median), by {advice['p90_error']:.0%} (nine of ten)."
    )


if __name__ == "__main__":
    main()
