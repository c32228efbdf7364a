"""What must hold after a chaos run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["doubled", "messages_wrong"]


def doubled(census: Path) -> list[str]:
    """Agents of which two copies ran at once.

    A copy is known by its process and its number of hops. Once another copy has been seen, the one before must never
    be seen again.
    """
    problems = []
    now: dict[str, tuple[str, str]] = {}
    over: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for line in sorted(census.read_text().splitlines(), key=lambda line: int(line.split()[0])):
        moment, agent, pid, hops, step = line.split()
        copy = (pid, hops)
        if now.get(agent) not in (None, copy):
            over[agent].add(now[agent])
        if copy in over[agent]:
            problems.append(f"{agent}: process {pid} ran it at {moment} (hop {hops}, step {step}) after another had")
        now[agent] = copy
    return problems


def messages_wrong(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Messages that were processed twice, out of order, or not at all although their sender was told it had arrived."""
    problems = []
    for recipient, result in enumerate(results):
        numbers: dict[int, list[int]] = defaultdict(list)
        for sender, number in result["got"]:
            numbers[sender].append(number)
        for sender, other in enumerate(results):
            found = numbers.get(sender, [])
            acknowledged = other["sent"][str(recipient)]
            if found != list(range(len(found))):
                problems.append(f"{sender} -> {recipient}: processed {found}")
            if len(found) < acknowledged:
                problems.append(f"{sender} -> {recipient}: {acknowledged} acknowledged, {len(found)} processed")
    return problems
