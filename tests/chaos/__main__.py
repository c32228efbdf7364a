"""The long form: ``python -m tests.chaos --kills 200 --seed 1``, with agents that travel, or, with federated runs,
``python -m tests.chaos --federated 600 --seed 1``."""

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
    parser.add_argument("--federated", type=float, metavar="SECONDS", help="federated runs, begun for so long")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.monotonic()

    def told(line: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {line}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="sj-chaos-") as folder:
        if arguments.federated is not None:
            from tests.chaos.federated import federated_chaos  # needs Flower, which is an extra

            runs = federated_chaos(Path(folder), seed=arguments.seed, seconds=arguments.federated, told=told)
            told_of, problems = str(runs), runs.problems
        else:
            report = chaos(Path(folder), seed=arguments.seed, agents=arguments.agents, kills=arguments.kills, told=told)
            told_of, problems = str(report), report.problems
    print(told_of)
    sys.exit(1 if problems else 0)
