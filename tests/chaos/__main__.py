"""``python -m tests.chaos --kills 200 --seed 1``: the long form."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.run import chaos

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.monotonic()

    def told(line: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {line}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="sj-chaos-") as folder:
        report = chaos(Path(folder), seed=arguments.seed, agents=arguments.agents, kills=arguments.kills, told=told)
    print(report)
    sys.exit(1 if report.problems else 0)
