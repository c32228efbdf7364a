"""A directory that is killed: `python -m tests.agents.directory_under_fire statements | instructions | outside | torn`.

A process of its own, because it forks, which a process with threads must not.

One fixed list of operations is carried out on a quiet directory first; after each, all tables are read: the *states*.
Then again, in children that are killed. Each writes down an operation when it has been answered. What is on disk
afterwards must be the state after the last operation that was answered, or after the one that was then under way. Then
that one is asked once more, and all that follow, and the end must be the same.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.directory import Directory, Info
from agents.handoff.ledger import NEVER, Fence, Finish, Granted, Holder, Release, Restore, Take

Operation = Callable[[Directory], Any]
#: All tables, as they can be compared.
State = tuple[tuple[str, tuple[Any, ...]], ...]

LINKS = [bytes([n]) * 32 for n in range(8)]
OSLO, BAKU, BAKU_AGAIN = Holder("oslo", "w1"), Holder("baku", "w1"), Holder("baku", "w2")


def submit(request: Any, **papers: Any) -> Operation:
    def operation(directory: Directory) -> None:
        answer = directory.submit(request, **papers)
        assert isinstance(answer, Granted), answer

    return operation


def register(holder: Holder, gone: bool = False) -> Operation:
    return lambda directory: directory.register(holder.place, holder.writer, b"key", gone, {"cpus": 2})


def life(agent: str, name: str) -> list[Operation]:
    """Born, moved, fenced, frozen, thawed, restored, ended; there and back again."""
    born = Info(name, "me", None, "survey:tour", 7.0)
    return [
        submit(Take(agent, NEVER, OSLO, LINKS[0]), info=born, passport=b"p0" * 700),
        submit(Take(agent, 0, BAKU, LINKS[1], LINKS[0]), passport=b"p1" * 700),
        submit(Fence(agent, 1, BAKU, LINKS[2])),
        submit(Release(agent, 2, BAKU, LINKS[3]), passport=b"p2" * 700),
        submit(Take(agent, 3, OSLO, LINKS[3]), passport=b"p3" * 700),
        submit(Restore(agent, 4, OSLO, 4, LINKS[3], LINKS[1]), passport=b"p4" * 700),
        submit(Finish(agent, 5, OSLO), outcome=b"outcome" * 500),
    ]


def operations() -> list[Operation]:
    return [
        register(OSLO),
        register(BAKU),
        *life("aa00000001", "ada"),
        submit(Take("aa00000002", NEVER, BAKU, LINKS[0]), info=Info(None, "me", "aa00000001", "x:y", 8.0)),
        lambda directory: directory.put_reply("question", b"reply" * 100),
        lambda directory: directory.set_setting("platform", "id-1"),
        lambda directory: directory.renew("oslo", "w1"),
        register(BAKU_AGAIN, gone=True),
        submit(Restore("aa00000002", 0, OSLO, 0, LINKS[0]), passport=b"p"),
        lambda directory: directory.holdings("baku", "w2"),
        submit(Finish("aa00000002", 1, OSLO), outcome=b"o"),
        lambda directory: directory.leave("oslo", "w1"),
        lambda directory: directory.tidy(),
    ]


def opened(folder: Path) -> Directory:
    return Directory(folder, clock=lambda: 50.0, now=lambda: 1000.0)


def state(folder: Path) -> State:
    """What is on disk."""
    found = sqlite3.connect(folder / "directory.sqlite")
    try:
        assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = found.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return tuple((table, tuple(found.execute(f"SELECT * FROM {table} ORDER BY 1, 2"))) for (table,) in tables)
    finally:
        found.close()


def quiet_states(folder: Path) -> list[State]:
    """Before anything was opened; after the opening; after each operation."""
    states: list[State] = [()]
    with opened(folder) as directory:
        states.append(state(folder))
        for operation in operations():
            operation(directory)
            states.append(state(folder))
    return states


def in_child(folder: Path, prepare: Callable[[], Callable[[sqlite3.Connection], None]]) -> tuple[int, bool]:
    """Run all operations in a child; how many were answered (the opening is the first), and whether it was killed."""
    answers = folder.with_suffix(".answers")
    child = os.fork()
    if child == 0:
        try:
            told = os.open(answers, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            arm = prepare()
            connect = sqlite3.connect

            def armed(*args: Any, **options: Any) -> sqlite3.Connection:
                connection = connect(*args, **options)
                arm(connection)
                return connection

            sqlite3.connect = armed  # type: ignore[assignment]
            directory = opened(folder)
            os.write(told, b".")
            for operation in operations():
                operation(directory)
                os.write(told, b".")
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the child failed: {status}"
    return len(answers.read_bytes()) if answers.exists() else 0, os.WIFSIGNALED(status)


def judge(folder: Path, answered: int, states: list[State]) -> None:
    """See the module."""
    if (folder / "directory.sqlite").exists():
        found = state(folder)
        assert found in states[answered : answered + 2], f"after {answered} answers: {found}"
    else:
        assert answered == 0, "an answer was given, and there is no file"
    with opened(folder) as directory:
        for operation in operations()[max(0, answered - 1) :]:
            operation(directory)
    assert state(folder) == states[-1], "another end after going on"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_statement(count: int) -> Callable[[], Callable[[sqlite3.Connection], None]]:
    """Kill before the statement of that number begins."""

    def prepare() -> Callable[[sqlite3.Connection], None]:
        left = [count]

        def trace(statement: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                die()

        return lambda connection: connection.set_trace_callback(trace)

    return prepare


def at_instruction(count: int) -> Callable[[], Callable[[sqlite3.Connection], None]]:
    """Kill in the middle of a statement, after so many of sqlite's own instructions."""

    def prepare() -> Callable[[sqlite3.Connection], None]:
        left = [count]

        def progress() -> int:
            left[0] -= 1
            if left[0] < 0:
                die()
            return 0

        return lambda connection: connection.set_progress_handler(progress, 1)

    return prepare


def from_outside(delay: float) -> Callable[[], Callable[[sqlite3.Connection], None]]:
    """Kill after a while, wherever it is then."""

    def prepare() -> Callable[[sqlite3.Connection], None]:
        target = os.getpid()
        if os.fork() == 0:
            time.sleep(delay)
            if os.getppid() == target:
                os.kill(target, signal.SIGKILL)
            os._exit(0)
        return lambda connection: None

    return prepare


def kills(root: Path, states: list[State], ways: Callable[[int], Any], first: int, stride: int, most: int) -> int:
    """Kill at `first`, `first` + `stride`, ... until the operations end before the kill; how often it was killed."""
    for turn in range(most):
        folder = root / str(turn)
        answered, killed = in_child(folder, ways(first + turn * stride))
        judge(folder, answered, states)
        shutil.rmtree(folder)
        folder.with_suffix(".answers").unlink(missing_ok=True)
        if not killed:
            assert answered == len(states) - 1
            return turn
    return most


def outside(root: Path, states: list[State], wanted: int) -> int:
    """At random moments of the time that all operations take; again when they ended first, as on a busy machine."""
    chance = random.Random(7)
    spans = []
    for turn in range(3):
        began = time.monotonic()
        in_child(root / f"whole-{turn}", lambda: lambda connection: None)
        spans.append(time.monotonic() - began)
    count = 0
    for turn in range(10 * wanted):
        folder = root / f"outside-{turn}"
        folder.mkdir()
        answered, killed = in_child(folder, from_outside(chance.uniform(0, min(spans))))
        judge(folder, answered, states)
        shutil.rmtree(folder)
        count += killed
        if count == wanted:
            break
    return count


def torn(root: Path, states: list[State]) -> int:
    """Cut the write-ahead log everywhere, as if the process had died while it wrote: always a state, no half of one."""
    source = root / "source"
    with opened(source) as directory:
        for operation in operations():
            operation(directory)
        log = (source / "directory.sqlite-wal").read_bytes()
        base = (source / "directory.sqlite").read_bytes()
    frame, header = 24 + 4096, 32
    cuts = sorted({*range(header, len(log) + 1, frame), *range(header + 1000, len(log), frame), 0, len(log)})
    reached = []
    for number, cut in enumerate(cuts):
        folder = root / f"torn-{number}"
        folder.mkdir()
        (folder / "directory.sqlite").write_bytes(base)
        (folder / "directory.sqlite-wal").write_bytes(log[:cut])
        found = state(folder)
        assert found in states, f"cut at {cut}: {found}"
        reached.append(states.index(found))
        shutil.rmtree(folder)
    assert reached == sorted(reached)
    assert set(reached) == {states.index(one) for one in states}, "some state was never reached"
    return len(cuts)


def main(way: str) -> None:
    with tempfile.TemporaryDirectory(prefix="fire-") as name:
        root = Path(name)
        states = quiet_states(root / "quiet")
        assert len(set(states)) > 15
        if way == "statements":
            print(kills(root, states, at_statement, 0, 1, 1000))
        elif way == "instructions":
            print(kills(root, states, at_instruction, 3, 37, 1000))
        elif way == "outside":
            print(outside(root, states, 40))
        else:
            print(torn(root, states))


if __name__ == "__main__":
    main(sys.argv[1])
