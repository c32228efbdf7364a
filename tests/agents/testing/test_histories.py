"""Histories from seeds: nothing breaks, a seed tells the same history each time, and its command is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agents.testing import Violation, World, guards, run_histories, run_history
from agents.testing.__main__ import main

ROOT = Path(__file__).resolve().parents[3]


def test_nothing_breaks_in_a_thousand_histories() -> None:
    """The protocol's promises, after every event: `make chaos` tries thirty times as many."""
    summary = run_histories(0, 1000)
    assert not summary.violations, str(summary.violations[0])
    assert summary.histories == 1000
    assert summary.crashes > 300 and summary.moves > 300 and summary.messages > 300, "nothing happened"


def _told(seed: int) -> list[tuple[float, str, str]]:
    told: list[tuple[float, str, str]] = []

    def watch(world: World) -> None:
        told.append(world.story[-1][:3])

    run_history(seed, watch)
    return told


def test_a_seed_tells_the_same_history_each_time() -> None:
    """A failure that cannot be seen again cannot be understood."""
    for seed in (3, 14, 159):
        assert _told(seed) == _told(seed)


def test_a_history_does_not_depend_on_the_hashes_of_a_process() -> None:
    """Sets of strings come in another order in each process."""
    command = [sys.executable, "-m", "agents.testing", "--first", "26", "--histories", "1", "--verbose"]
    told = [
        subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": hashes}, capture_output=True, text=True, timeout=60)
        for hashes in ("1", "2")
    ]
    assert [done.returncode for done in told] == [0, 0]
    first, second = ([line.split(" 0x")[0] for line in done.stdout.splitlines()] for done in told)
    assert first == second and len(first) > 50


def test_a_violation_carries_seed_story_and_the_way_to_see_it_again(capsys) -> None:
    """Whoever finds one has to be able to go on from there."""
    (guard,) = [guard for guard in guards.GUARDS if guard.name == "journal"]
    with guard.without():
        assert main(["--first", "0", "--histories", "50"]) == 1
    told = capsys.readouterr().out
    assert "(3) message" in told and "violations  1" in told and "directory: Row(" in told
    command = told[told.index("python -m agents.testing") :].split()
    seed = int(command[command.index("--first") + 1])
    with guard.without():
        try:
            run_history(seed)
        except Violation as violation:
            assert violation.seed == seed and str(violation) in told
        else:
            raise AssertionError("it was not seen again")
    assert main(["--first", str(seed), "--histories", "1"]) == 0
