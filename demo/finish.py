"""Second process: take the survey out of the file and finish it. ``python -m demo.finish FILE [RESULT]``."""

from __future__ import annotations

import inspect
import json
import os
import sys
from pathlib import Path

from demo.screen import say, show, stack, who
from mobility import loads

__all__ = ["main"]


def main(file: Path, result: Path | None) -> None:
    """Resume the snapshot in ``file``, run it to its end, and write what came out to ``result`` as JSON."""
    snapshot = file.read_bytes()
    say(f"[{who()}] reads {len(snapshot)} bytes from {file}")
    agent = loads(snapshot)
    states = stack(agent)
    journal = inspect.getgeneratorlocals(agent)["journal"]  # the agent's own; a state's locals are copies
    say(f"resumed: {type(agent).__name__} {agent.__qualname__}, suspended where it was")
    show(states)

    steps = 0
    while True:
        try:
            next(agent)
        except StopIteration as end:
            summary = end.value
            break
        steps += 1
    say(f"the agent went on for {steps} steps and returned:")
    for place, (mean, deviation) in summary.items():
        say(f"{place}: mean {mean:.2f}, standard deviation {deviation:.2f}", indent=4)
    say("its journal: " + ", ".join(journal))
    if result is not None:
        outcome = {
            "summary": summary,
            "journal": journal,
            "steps": steps,
            "lines": [state.line for state in states],
            "process": os.getpid(),
            "version": list(sys.version_info[:3]),
        }
        result.write_text(json.dumps(outcome), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m demo.finish FILE [RESULT]")
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None)
