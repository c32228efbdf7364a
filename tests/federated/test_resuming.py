"""A driver that is killed again and again, by numbers of writes to its journal; the long form has every write.

``python -m tests.federated.driver_under_fire FOLDER FedAdam "" 1``: some hundred kills.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("strategy", "wrapper", "every"),
    [("FedAvg", "", "31"), ("FedAdam", "DifferentialPrivacyServerSideFixedClipping", "26")],
)
def test_a_killed_driver_ends_with_the_same_bits_and_nobody_trains_twice(
    strategy: str, wrapper: str, every: str, tmp_path: Path
) -> None:
    """Sampled nodes, seeded noise, a server with momentum; the nodes stay up, and count."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.federated.driver_under_fire", str(tmp_path), strategy, wrapper, every],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    kills, asked, recalled = map(int, run.stdout.split())
    assert kills >= 3 and asked == 12 and 0 < recalled <= 12
