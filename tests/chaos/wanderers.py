"""The agents of the chaos runs: they hop at random, write numbered messages to each other, and keep what they got.

Each notes in a file of its place what it does, so that two copies that run at once would be seen.
"""

from __future__ import annotations

import os
import random
import time

from agents import agent, hop, receive, send, sleep
from agents.errors import AgentsError

__all__ = ["Census", "wander"]


class Census:
    """A resource: one line for each thing an agent does, in a file that all places share."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, agent_id: str, hops: int, step: int) -> None:
        line = f"{time.monotonic_ns()} {agent_id} {os.getpid()} {hops} {step}\n"
        os.write(self._file, line.encode())


@agent
def wander(here, seed, places, names, until, quiet):
    """Hop and write until a time, then read until nothing has come for a while.

    Returns
    -------
    dict
        ``got``: (sender's number, message's number) in the order in which they were read; ``sent``: by recipient, how
        many messages are known to have been delivered; ``hops``, ``refused``.
    """
    chance = random.Random(seed)
    me = names[seed]
    others = [name for name in names if name != me]
    sent = dict.fromkeys(range(len(names)), 0)
    got = []
    hops = 0
    refused = 0
    step = 0
    yield sleep(1.0)  # until everybody is born
    while time.time() < until:
        step += 1
        here.resource("census").note(here.agent, hops, step)
        if hops < 240 and chance.random() < 0.6:
            to = chance.choice(places)
            try:
                before = here.name
                here = yield hop(to)
                hops += before != here.name
            except AgentsError:
                refused += 1
                yield sleep(0.2)
        else:
            to = names.index(chance.choice(others))
            # Whether an error means that it was delivered is unknown, and the next message brings this one along.
            try:
                yield send(names[to], [seed, sent[to]], timeout=120.0)
                sent[to] += 1
            except AgentsError:
                refused += 1
        message = yield receive(timeout=chance.random() * 0.4)
        while message is not None:
            got.append(message.value)
            message = yield receive(timeout=0.0)
    last = time.time()
    while time.time() - last < quiet:
        step += 1
        here.resource("census").note(here.agent, hops, step)
        message = yield receive(timeout=1.0)
        if message is not None:
            got.append(message.value)
            last = time.time()
    return {"got": got, "sent": {str(to): count for to, count in sent.items()}, "hops": hops, "refused": refused}
