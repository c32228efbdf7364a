"""Who was in a step when a process died, and what becomes of an agent that ends its place again and again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from agents import agent, checkpoint, sleep
from agents.blackbox import BlackBox
from agents.checkpoints import SqliteCheckpoints
from agents.testing import LocalPlatform

DIES = """
import os, sys, threading, time
from pathlib import Path
from agents.blackbox import BlackBox
box = BlackBox(Path(sys.argv[1]))
with box.step("done"):
    pass
def other():
    with box.step("waiting"):
        time.sleep(60)
threading.Thread(target=other, daemon=True).start()
time.sleep(0.3)
with box.step("poison"):
    os.kill(os.getpid(), 9)
"""


def test_the_next_process_reads_who_was_in_a_step(tmp_path: Path) -> None:
    """And only those; and it reads it once."""
    path = tmp_path / "steps"
    done = subprocess.run([sys.executable, "-c", DIES, str(path)], cwd=os.getcwd(), timeout=60)
    assert done.returncode == -9
    assert sorted(BlackBox(path).interrupted) == ["poison", "waiting"]
    assert BlackBox(path).interrupted == ()


def test_threads_that_end_give_their_slot_back(tmp_path: Path) -> None:
    """A pool makes and ends threads for years; and an exception of an agent leaves no trace."""
    box = BlackBox(tmp_path / "steps")

    def work() -> None:
        with pytest.raises(KeyError), box.step("a" * 100):
            raise KeyError

    for _ in range(600):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(box._free) >= 200
    assert BlackBox(tmp_path / "steps").interrupted == ()


@agent
def poison(here, marker):
    """Ends its place as a fault in an extension would, once its life has been made to."""
    yield checkpoint()
    while True:
        if os.path.exists(marker):
            here.resource("die")()
        yield sleep(0.05)


@agent
def bystander(here):
    yield sleep(0.5)
    return "well"


def test_an_agent_that_ends_its_place_again_and_again_is_held_back(tmp_path: Path) -> None:
    """The place serves on, others come back, and it can still be looked at and stopped."""
    folder, marker = tmp_path / "platform", tmp_path / "marker"
    with LocalPlatform(["baku", "oslo"], folder=folder) as platform:
        bad = platform.launch(poison, str(marker), at="baku", name="poison")
        good = platform.launch(bystander, at="baku")
        time.sleep(0.3)
        platform.kill("baku")
        for _ in range(5):  # as if a process had died within its step
            box = BlackBox(folder / "places" / "baku" / "steps")
            box._memory[: len(bad.agent)] = bad.agent.encode()
            box._memory.close()
            SqliteCheckpoints(folder / "places" / "baku", place="baku").close()
        marker.touch()
        platform.start("baku")
        assert good.result(timeout=20) == "well"
        assert bad.status().state == "held back"
        assert bad.state(timeout=10)["function"] == "poison"
        assert any("held back" in str(event.data.get("why")) for event in bad.logs())
        bad.stop(timeout=10)
        assert bad.status().state == "ended"
