"""A node that releases, in processes that are killed: ``python -m tests.federated.ledger_under_fire FOLDER``.

A process reserves, lets something leave (a line in a file), commits, and so on for ten messages. It ends by ``kill -9``
before one of its steps: the statements of sqlite, the writes of the mark, and what lies between. Then the ledger is
judged, and the next process goes on with it, until one gets through. Prints how many were killed. Killed processes are
forks of this one, which has no threads and no connection open meanwhile.
"""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from federated import ledger as ledger_module
from federated.accounting import Cost
from federated.errors import AlreadyReleased
from federated.ledger import Ledger
from federated.ledgerrows import RowKind

COST = Cost(rho=0.25, epsilon=0.5)
MESSAGES = 10
THROUGH = 42


class Countdown:
    """Kills the process at a step; 0: at none."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps = 0

    def step(self, *_: Any) -> None:
        self.steps += 1
        if self.steps == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def release_all(path: Path, left: Path, countdown: Countdown, messages: int = MESSAGES) -> None:
    """So many messages, as a node answers them."""
    connect, pwrite = sqlite3.connect, os.pwrite

    def connected(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **named)
        connection.set_trace_callback(countdown.step)
        return connection

    def written(*arguments: Any) -> int:
        countdown.step()
        count = pwrite(*arguments)
        countdown.step()
        return count

    ledger_module.sqlite3.connect = connected  # type: ignore[assignment]  # so that each statement is a step
    ledger_module.os.pwrite = written  # type: ignore[assignment]  # so that each write of the mark is one
    with Ledger(path) as ledger, open(left, "ab", buffering=0) as file:
        for number in range(messages):
            try:
                reservation = ledger.reserve("ward", "run", str(number), "train", COST)
            except AlreadyReleased:
                continue
            countdown.step()
            file.write(b"%d\n" % number)
            countdown.step()
            ledger.commit(reservation)


def killed(path: Path, left: Path, step: int) -> bool:
    """Whether a process that releases was killed at this step; it may also have got through."""
    child = os.fork()
    if child == 0:
        try:
            release_all(path, left, Countdown(step))
            os._exit(THROUGH)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == THROUGH, "it failed otherwise"
    return False


def judge(path: Path, left: Path, kills: int) -> None:
    """What has left is spent; at most one release a kill is spent that has not left; nothing is committed twice."""
    lines = left.read_text().split() if left.exists() else []
    with Ledger(path) as ledger:
        spent = ledger.spent("ward", "run", "train")
        rows = ledger.rows()
    assert len(lines) <= spent.rounds <= len(lines) + kills, (lines, spent)
    assert math.isclose(spent.cost.rho, spent.rounds * COST.rho)
    committed = [row.message for row in rows if row.kind is RowKind.COMMITTED]
    assert len(committed) == len(set(committed)) and set(committed) <= set(lines)
    # Killed between leaving and committing: then, and only then, it leaves again, and is paid twice.
    assert len(lines) - len(set(lines)) <= kills


def main(folder: Path) -> None:
    kills = 0
    for step in range(1, 30):  # while the ledger is made, and at its first release
        path, left = folder / f"{step}.sqlite", folder / f"{step}.left"
        kills += killed(path, left, step)
        judge(path, left, 1)
    path, left = folder / "ledger.sqlite", folder / "left"
    on_one = 0
    for step in range(1, 120):  # while it is opened again, and at releases
        if not killed(path, left, step):
            break
        on_one += 1
        judge(path, left, on_one)
    killed(path, left, 0)
    judge(path, left, on_one)
    assert set(left.read_text().split()) == {str(number) for number in range(MESSAGES)}
    print(kills + on_one)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
