"""Training on real nodes: moved in the middle of an epoch, its place killed, frozen today and thawed tomorrow."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from agents import Handle, Platform, connect
from agents._ray.cluster import reach
from agents.errors import AgentsError
from tests.federated import trainees

pytestmark = pytest.mark.timeout(180)
pytest.importorskip("torch", reason="PyTorch is an extra: pip install sojourn[torch]")
PLACES = ("oslo", "lima")
EPOCHS, SIZE = 3, 8  # of 200 examples: 75 batches


class Day:
    """A cluster, and a platform on it, until it is over."""

    def __init__(self, home: Path) -> None:
        self._stack = ExitStack()
        self._stack.enter_context(reach("local", places=PLACES))
        digits = trainees.digits()
        self.platform: Platform = self._stack.enter_context(
            connect(
                resources={"*": {"digits": digits}},
                home=home,
                state=home / "state",  # what the machines keep: the keys of their places for one
                lease_seconds=3.0,
                progress=lambda line: None,
            )
        )

    def launch(self, step: Callable[..., None], checkpoint_every: int = 0, **options: Any) -> Handle:
        return self.platform.launch(
            trainees.trainee,
            trainees.torch_model(),
            step,
            trainees.torch_weights,
            EPOCHS,
            SIZE,
            checkpoint_every,
            at="oslo",
            **options,
        )

    def end(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def day(home: Path) -> Iterator[Day]:
    made = Day(home)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def undisturbed(day: Day) -> dict[str, Any]:
    result: dict[str, Any] = day.launch(trainees.torch_step).result(timeout=60)
    assert result["batches"] == EPOCHS * 25
    return result


@pytest.mark.parametrize("process", [False, True])
def test_moved_at_random_while_it_trains(day: Day, undisturbed: dict[str, Any], process: bool) -> None:
    handle = day.launch(trainees.torch_slowly, process=process)
    dice = random.Random(4)
    moves = 0
    for number in range(5):
        time.sleep(dice.uniform(0.0, 0.15))
        moves += handle.move(PLACES[(number + 1) % 2])["bytes"] > 0
    result = handle.result(timeout=60)
    assert moves == 5 and len(handle.trail()) >= 5
    assert result["digest"] == undisturbed["digest"] and result["batches"] == undisturbed["batches"]


def test_its_place_is_killed_and_it_goes_on_from_its_last_checkpoint(day: Day, undisturbed: dict[str, Any]) -> None:
    handle = day.launch(trainees.torch_slowly, checkpoint_every=4)
    for _ in range(2):
        time.sleep(0.5)
        pid = day.platform.client.describe_place("oslo").about["pid"]
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if day.platform.client.describe_place("oslo", timeout=5.0).about["pid"] != pid:
                    break
            except AgentsError:
                time.sleep(0.1)
    result = handle.result(timeout=60)
    kinds = [str(event.kind) for event in handle.logs()]
    assert "restored" in kinds and "checkpointed" in kinds
    assert result["digest"] == undisturbed["digest"] and result["batches"] == undisturbed["batches"]


def test_frozen_in_the_middle_of_an_epoch_and_thawed_in_another_cluster(
    day: Day, undisturbed: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    """The last of this module: it ends the day."""
    handle = day.launch(trainees.torch_slowly)
    time.sleep(0.7)
    frozen = tmp_path / "half-trained.agent"
    handle.freeze(frozen)
    day.end()
    tomorrow = Day(home)
    try:
        result = tomorrow.platform.thaw(frozen, at="lima").result(timeout=60)
    finally:
        tomorrow.end()
    assert result["digest"] == undisturbed["digest"] and result["batches"] == undisturbed["batches"]
