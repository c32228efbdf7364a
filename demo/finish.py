"""Second process: check the bundle, take the survey out of it and finish it. ``python finish.py FILE [RESULT]``.

It imports nothing of the project: the agent's code is in the bundle. So it can be run anywhere, in an empty folder,
with sojourn installed; ``python -P`` keeps even its own folder off the path.
"""

from __future__ import annotations

import inspect
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from mobility import Bundle, TrustStore, capture, unpack
from mobility.trust import PublicIdentity

__all__ = ["main"]


def main(file: Path, result: Path | None) -> None:
    """Resume the agent in ``file``, run it to its end, and write what came out to ``result`` as JSON."""
    print(f"[Python {platform.python_version()}, process {os.getpid()}] reads {file}, in {Path.cwd()}")
    with tempfile.TemporaryDirectory(prefix="sojourn-trust-") as folder:
        trust = TrustStore(folder)
        trust.trust(PublicIdentity.from_bytes(file.with_name(file.name + ".pub").read_bytes()))
        verified = Bundle.read(file).verify(trust)
    print(f"verified: agent {verified.passport.agent}, code and state signed by {verified.passport.owner}")
    agent = unpack(verified)
    print(f"resumed: {type(agent).__name__} {agent.__qualname__} of {agent.gi_frame.f_globals['__name__']}")
    states, delegate = [], agent
    while inspect.isgenerator(delegate):
        states.append(capture(delegate))
        delegate = delegate.gi_yieldfrom
    for state in states:
        print(f"    {state.function.qualname}, line {state.line}:  {state.source_line}")
    journal = inspect.getgeneratorlocals(agent)["journal"]  # the agent's own; a state's locals are copies

    steps = 0
    while True:
        try:
            next(agent)
        except StopIteration as end:
            summary = end.value
            break
        steps += 1
    print(f"the agent went on for {steps} steps and returned:")
    for place, (mean, deviation) in summary.items():
        print(f"    {place}: mean {mean:.2f}, standard deviation {deviation:.2f}")
    print("its journal: " + ", ".join(journal))
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
        sys.exit("usage: python finish.py FILE [RESULT]")
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute() if len(sys.argv) == 3 else None)
