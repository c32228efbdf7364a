"""A short chaos run: ``kill -9`` of places, the directory and a node while agents hop and write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.judging import doubled, messages_wrong
from tests.chaos.run import chaos


@pytest.mark.timeout(240)
def test_kills_while_agents_travel(tmp_path: Path) -> None:
    """No agent doubled, none lost, no message processed twice, out of order, or not at all."""
    report = chaos(tmp_path, seed=7, agents=12, kills=10, quiet=10.0, node_share=0.15)
    assert report.problems == []
    assert sum(report.kills.values()) == 10 and report.moves > 12 and report.messages > 12


def test_the_judge_sees_a_doubled_agent(tmp_path: Path) -> None:
    """One that goes on in a process after another has had it; and not one that came back to the same process."""
    census = tmp_path / "census"
    census.write_text("1 a 100 0 1\n2 a 200 1 2\n3 a 100 2 3\n")
    assert doubled(census) == []
    census.write_text("1 a 100 0 1\n2 a 200 1 2\n3 a 100 0 2\n")
    assert len(doubled(census)) == 1


def test_the_judge_sees_wrong_messages() -> None:
    """Twice, out of order, and lost after it was acknowledged."""
    sent = {"0": 0, "1": 2}
    well = [{"got": [], "sent": sent}, {"got": [[0, 0], [0, 1]], "sent": {"0": 0, "1": 0}}]
    assert messages_wrong(well) == []
    for got in ([[0, 0], [0, 0], [0, 1]], [[0, 1], [0, 0]], [[0, 0]], [[0, 1]]):
        assert messages_wrong([well[0], {**well[1], "got": got}])
