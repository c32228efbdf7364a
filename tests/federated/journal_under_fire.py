"""A server that averages, and is killed: ``python -m tests.federated.journal_under_fire FOLDER``.

Four rounds with three nodes. A node's reply depends on the parameters, and these on a seeded generator, which chooses
the nodes, and on the time at which the server was first started. Before one of its steps the server ends by
``kill -9``: its writes to the journal, each also after its first half, and what lies between. It is started again
until it ends, and then has the bytes of an undisturbed run, and no node was asked again for what the journal had.
Prints how many were killed. Killed processes are forks of this one.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
from collections import Counter
from pathlib import Path

from federated import frames as frames_module
from federated.journal import RoundJournal, run_digest

RUN = run_digest("app", b"{}", 7)
ROUNDS, NODES, THROUGH = 4, ("baku", "oslo", "lima"), 42


class Countdown:
    """Kills the process at a step; 0: at none."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def node_reply(node: str, request: bytes) -> bytes:
    """Floating point, so that the order of a sum shows in its last bits."""
    values = struct.unpack(f"<{len(request) // 8}d", request)
    scale = {"baku": 1.1, "oslo": 0.7, "lima": 1e-9}[node]
    return struct.pack(f"<{len(values)}d", *(value * scale + 1 / 3 for value in values))


def serve(path: Path, asked: Path, countdown: Countdown, started: bytes = b"42.5") -> bytes:
    """The whole run; returns the parameters at its end."""
    chance = random.Random(7)
    parameters = [0.1, 0.2, 0.3]
    with RoundJournal(path, RUN) as journal, open(asked, "ab", buffering=0) as log:
        clock = float(journal.remember("clock", lambda: started))
        for number in range(ROUNDS):
            nodes = chance.sample(NODES, 2 + number % 2)
            request = struct.pack("<3d", *(value + clock for value in parameters))
            exchange = journal.exchange([(node, request) for node in nodes])
            countdown.step()
            for index in reversed(exchange.to_ask):  # they come in another order than they were asked
                if (number, index) == (2, 1):
                    continue  # a straggler: it has no reply in this round
                reply = node_reply(nodes[index], request)
                if exchange.answer(index, reply):
                    log.write(f"{number} {nodes[index]}\n".encode())
                countdown.step()
            exchange.close()
            replies = [struct.unpack("<3d", reply) for reply in exchange.replies() if reply is not None]
            parameters = [sum(column) / len(replies) for column in zip(*replies, strict=True)]
    return struct.pack("<3d", *parameters)


def killed(path: Path, asked: Path, result: Path, step: int, clock: bytes = b"42.5") -> bool:
    """Whether a server was killed at this step; else its result is in the file."""
    child = os.fork()
    if child == 0:
        try:
            countdown = Countdown(step)
            pwrite = os.pwrite

            def in_halves(file: int, data: memoryview, offset: int) -> int:
                countdown.step()
                half = len(data) // 2
                if half:
                    pwrite(file, data[:half], offset)
                    countdown.step()
                return half + pwrite(file, data[half:], offset + half)

            frames_module.os.pwrite = in_halves  # type: ignore[assignment]  # so that a write can be torn
            result.write_bytes(serve(path, asked, countdown, clock))
            os._exit(THROUGH)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == THROUGH, "it failed otherwise"
    return False


def main(folder: Path) -> None:
    kills = resumed = 0
    undisturbed = [
        serve(folder / f"undisturbed {clock}", folder / "none", Countdown(0), str(clock).encode())
        for clock in (1.5, 2.5, 42.5)
    ]
    # Each step once: the first server is killed there, and the second one ends.
    for step in range(1, 400):
        path, asked, result = (folder / f"{step}.{kind}" for kind in ("journal", "asked", "result"))
        if not killed(path, asked, result, step, b"1.5"):
            break
        kills += 1
        assert not killed(path, asked, result, 0, b"2.5")
        # The clock is remembered, unless the server was killed before that was written.
        assert result.read_bytes() in undisturbed
        resumed += result.read_bytes() == undisturbed[0]
        judge(asked)
    assert resumed >= kills - 10
    # And one server that is killed again and again, each time a little later.
    path, asked, result = folder / "journal", folder / "asked", folder / "result"
    step = 8
    while killed(path, asked, result, step):
        kills, step = kills + 1, step + 1
    assert result.read_bytes() == undisturbed[2]
    judge(asked)
    print(kills)


def judge(asked: Path) -> None:
    """Nobody was asked again for what had been answered."""
    assert max(Counter(asked.read_text().splitlines()).values()) == 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
