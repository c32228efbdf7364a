"""A place that lets replies leave, and is killed: ``python -m tests.federated.custody_under_fire FOLDER``.

Before each of its steps in turn (statements of sqlite, every write, the sending), by ``kill -9``; then its files are
judged, and the next process goes on with them. Prints how many were killed. Killed processes are forks of this one.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from federated.accounting import Allowance
from federated.audit import verify_audit
from federated.auditrecords import AuditKind
from federated.custody import Custodian
from federated.errors import AlreadyReleased
from mobility.trust.keys import Identity
from tests.federated.ledger_under_fire import THROUGH, Countdown
from tests.federated.test_custody import REPLY, SENT, TRAIN, WARD

POLICY = replace(WARD, allowance=Allowance())
MESSAGES = 4


def answer_all(folder: Path, key: Identity, countdown: Countdown) -> None:
    """Four messages."""
    connect, write, pwrite = sqlite3.connect, os.write, os.pwrite

    def connected(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **named)
        connection.set_trace_callback(countdown.step)
        return connection

    def in_halves(file: int, data: bytes) -> int:
        countdown.step()
        half = write(file, data[: len(data) // 2])
        countdown.step()
        return half + write(file, data[half:])

    def at(*arguments: Any) -> int:
        countdown.step()
        return pwrite(*arguments)

    with open(folder / "left", "ab", buffering=0) as file:
        sqlite3.connect, os.write, os.pwrite = connected, in_halves, at  # type: ignore[assignment]  # each is a step
        with Custodian.open(folder, key, {"ward": POLICY}) as custodian:
            for number in range(MESSAGES):

                def send(data: bytes, number: int = number) -> None:
                    countdown.step()
                    file.write(b"%d\n" % number)
                    countdown.step()

                try:
                    custodian.release("ward", "r", str(number), TRAIN, REPLY, SENT, send)
                except AlreadyReleased:
                    continue


def main(folder: Path) -> None:
    key = Identity.load(folder / "key")
    kills = 0
    for step in range(1, 200):
        child = os.fork()
        if child == 0:
            try:
                answer_all(folder, key, Countdown(step))
                os._exit(THROUGH)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert was_killed or os.WEXITSTATUS(status) == THROUGH, "it failed otherwise"
        kills += was_killed
        left = (folder / "left").read_text().split() if (folder / "left").exists() else []
        with Custodian.open(folder, key, {}) as custodian:
            spent = custodian.ledger.spent("ward", "r", "train").rounds
        report = verify_audit(folder / "audit.log", place=key.public)
        assert report.sound, report.problems
        written = [entry for entry in report.entries if entry.kind is AuditKind.RELEASED]
        assert len(left) <= len(written) <= spent <= len(left) + kills, (left, written, spent)
        messages = [entry.facts["message"] for entry in written]
        assert all(left.count(one) <= messages.count(one) for one in set(left))
        if not was_killed:
            break
    assert set(left) == {str(number) for number in range(MESSAGES)}
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
