"""Many agents at once: how many can be launched, how much memory they take, how many messages reach one that hops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil

from agents.client import Client
from agents.handle import Handle
from agents.platform import Platform
from benchmarks.hop_agents import brief, reader, sleeper

__all__ = ["launches", "messages", "reside", "resident_bytes"]

THREADS = 8
_PATIENCE = 600.0


def messages(platform: Platform, places: list[str], count: int, make: Callable[[], Client]) -> dict[str, Any]:
    """Messages per second to an agent that hops ten times a second: sent by four clients, read by the agent."""
    agent = platform.launch(reader, places, count, 200, 0.1, at=places[-1])
    clients = [make() for _ in range(4)]
    begun = time.perf_counter()

    def send(client: Client) -> None:
        handle = Handle(agent.agent, None, client)
        for number in range(count // len(clients)):
            handle.send(number)

    with ThreadPoolExecutor(len(clients)) as pool:
        for sent in [pool.submit(send, client) for client in clients]:
            sent.result(_PATIENCE)
    read, hops = agent.result(timeout=_PATIENCE)
    seconds = time.perf_counter() - begun
    return {"messages": read, "hops_meanwhile": hops, "clients": len(clients), "per_second": round(read / seconds, 1)}


def launches(platform: Platform, places: list[str], count: int) -> dict[str, Any]:
    """Agents launched and finished per second, by threads of one driver."""
    begun = time.perf_counter()
    handles = _launched(platform, places, count, brief)
    launched = time.perf_counter() - begun
    if not platform.wait(handles, timeout=_PATIENCE):
        raise TimeoutError(f"of {count} agents some have not ended")
    seconds = time.perf_counter() - begun
    return {
        "agents": count,
        "threads": THREADS,
        "launched_per_second": round(count / launched, 1),
        "finished_per_second": round(count / seconds, 1),
    }


def reside(platform: Platform, place: str, count: int) -> float:
    """Launch so many sleeping agents at a place; seconds that it took."""
    begun = time.perf_counter()
    _launched(platform, [place], count, sleeper, 3600.0)
    return time.perf_counter() - begun


def resident_bytes(platform: Platform, place: str) -> int:
    """Resident memory of the process of a place, which is on this host."""
    pid = int(platform.client.describe_place(place).about["pid"])
    return int(psutil.Process(pid).memory_info().rss)


def _launched(platform: Platform, places: list[str], count: int, function: Any, *args: Any) -> list[Handle]:
    handles: list[Handle] = []
    lock = threading.Lock()

    def some(first: int) -> None:
        for number in range(first, count, THREADS):
            handle = platform.launch(function, *args, at=places[number % len(places)], timeout=_PATIENCE)
            with lock:
                handles.append(handle)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(some, first) for first in range(THREADS)]:
            done.result(_PATIENCE)
    return handles
