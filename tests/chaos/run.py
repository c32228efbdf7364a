"""One chaos run: a cluster, agents, kills, and the verdict."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from agents import Platform, connect
from agents.errors import AgentsError
from agents.eventlog import EventKind
from agents.resources import Made
from mobility import Birth
from tests.chaos.judging import doubled, messages_wrong
from tests.chaos.wanderers import Census, wander

__all__ = ["Report", "chaos"]


@dataclass
class Report:
    """What happened.

    Attributes
    ----------
    kills
        By what was killed.
    problems
        Everything that must not have happened.
    """

    seed: int
    agents: int
    kills: Counter[str] = field(default_factory=Counter)
    moves: int = 0
    messages: int = 0
    seconds: float = 0.0
    restored: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        killed = ", ".join(f"{count} x {what}" for what, count in sorted(self.kills.items()))
        verdict = "no agent doubled, none lost, no message processed twice or out of order"
        lines = [
            f"seed {self.seed}: {self.agents} agents, {sum(self.kills.values())} kills ({killed}), "
            f"{self.moves} moves, {self.messages} messages, {self.restored} restores, {self.seconds:.0f} s",
            *(self.problems or [verdict]),
        ]
        return "\n".join(lines)


def chaos(
    folder: Path,
    *,
    seed: int,
    agents: int = 50,
    kills: int = 200,
    places: tuple[str, ...] = ("baku", "oslo", "lima", "rome"),
    pause: tuple[float, float] = (0.6, 1.6),
    node_share: float = 0.06,
    quiet: float = 20.0,
    told: Callable[[str], None] = lambda line: None,
) -> Report:
    """Kill processes and nodes of a cluster of our own while agents travel.

    Parameters
    ----------
    pause
        Seconds from one kill to the next, at random between these.
    quiet
        Seconds without a message after which an agent ends.
    node_share
        How many of the kills are of a whole node, as a part of one.
    """
    from agents._ray.cluster import reach

    chance = random.Random(seed)
    census = folder / "census"
    names = [f"wanderer-{number}" for number in range(agents)]
    report = Report(seed, agents)
    begun = time.monotonic()
    with reach("local", places=places, progress=told) as cluster:
        offered = {"*": {"census": Made(partial(Census, str(census)))}}
        with connect(resources=offered, home=folder / "home", lease_seconds=4.0, progress=told) as platform:
            seconds = kills * sum(pause) / 2 * 1.6 + 10
            until = time.time() + seconds
            handles = _launched(platform, places, names, until, quiet, chance)
            killer = _Killer(platform, cluster, places, chance, report, told)
            while time.time() < until - 5 and sum(report.kills.values()) < kills:
                time.sleep(chance.uniform(*pause))
                killer.one("node" if chance.random() < node_share else chance.choice(["place", "place", "directory"]))
            told(f"{sum(report.kills.values())} kills; waiting for the agents")
            results = _results(handles, until, report)
            report.restored = len(platform.client.events(kinds=[EventKind.RESTORED], limit=100_000))
    report.seconds = time.monotonic() - begun
    report.problems += doubled(census)
    whole = [result for result in results if result is not None]
    report.moves = sum(result["hops"] for result in whole)
    report.messages = sum(len(result["got"]) for result in whole)
    if len(whole) == len(results):
        report.problems += messages_wrong(whole)
    return report


def _launched(
    platform: Platform, places: tuple[str, ...], names: list[str], until: float, quiet: float, chance: random.Random
) -> list[Any]:
    # Agents know each other by name: a name is free before its agent is born, so all are born first.
    return [
        platform.launch(
            wander,
            number,
            list(places),
            names,
            until,
            quiet,
            at=chance.choice(places),
            name=name,
            birth=Birth(hop_limit=256),
        )
        for number, name in enumerate(names)
    ]


def _results(handles: list[Any], until: float, report: Report) -> list[Any]:
    results: list[Any] = []
    deadline = until + 180
    for number, handle in enumerate(handles):
        while True:
            try:
                results.append(handle.result(timeout=max(5.0, deadline - time.time())))
                break
            except AgentsError as error:
                if error.slug == "directory-unreachable" and time.time() < deadline:
                    time.sleep(0.5)
                    continue
                results.append(None)
                report.problems.append(f"agent {number} ({handle.agent}): {error}")
                break
            except Exception as error:
                results.append(None)
                report.problems.append(f"agent {number} ({handle.agent}) raised {error!r}")
                break
    return results


class _Killer:
    """Kills one thing after another, by ``kill -9``."""

    def __init__(
        self,
        platform: Platform,
        cluster: Any,
        places: tuple[str, ...],
        chance: random.Random,
        report: Report,
        told: Callable[[str], None],
    ) -> None:
        self._platform = platform
        self._cluster = cluster
        self._places = places
        self._chance = chance
        self._report = report
        self._told = told

    def one(self, what: str) -> None:
        """Kill a place's process, the directory's, or a whole node, which is then started again."""
        if what == "place":
            place = self._chance.choice(self._places)
            try:
                pid = self._platform.client.describe_place(place, timeout=2.0).about["pid"]
            except AgentsError:
                return  # it is being started again
            self._kill(int(pid), f"place {place}", "place")
        elif what == "directory":
            pid = self._directory()
            if pid is not None:
                self._kill(pid, "directory", "directory")
        else:
            place = self._chance.choice(self._places[1:])  # the first is the head, without which there is no cluster
            processes = self._cluster.node_processes(place)
            for pid in (
                pid for kind in sorted(processes, key=lambda kind: kind != "raylet") for pid in processes[kind]
            ):
                _end(pid)
            self._count("node", f"node {place}")
            self._cluster.remove_node(place)
            time.sleep(self._chance.uniform(0.5, 3.0))
            self._cluster.add_node(place, num_cpus=2)

    def _directory(self) -> int | None:
        import ray

        from agents._ray.membership import PLATFORM_NAMESPACE
        from agents._ray.transport import DIRECTORY

        try:
            actor = ray.get_actor(DIRECTORY, namespace=PLATFORM_NAMESPACE)
            return int(ray.get(actor.pid.remote(), timeout=2.0))
        except (ray.exceptions.RayError, ValueError):
            return None

    def _kill(self, pid: int, what: str, kind: str) -> None:
        if _end(pid):
            self._count(kind, what)

    def _count(self, kind: str, what: str) -> None:
        self._report.kills[kind] += 1
        self._told(f"kill {sum(self._report.kills.values())}: {what}")


def _end(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
