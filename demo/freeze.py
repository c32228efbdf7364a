"""First process: start the survey, stop in the middle, and put it into a signed bundle.

``python -m demo.freeze FILE`` writes the bundle to FILE and the owner's public key to FILE with ``.pub`` behind it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from demo.agent import HOURS, start
from demo.screen import say, show, stack, who
from mobility import Identity, discard, pack

__all__ = ["main"]

STEPS = HOURS + 9  # all of the first station, and a part of the second


def main(file: Path) -> None:
    """Run the agent for a while, pack it into ``file`` and leave it."""
    say(f"[{who()}] starts the survey and runs it for {STEPS} steps")
    journal: list[str] = []
    agent = start(journal)
    for _ in range(STEPS):
        place, count, mean = next(agent)
    say(f"its last step: {place}, reading {count} of {HOURS}, mean so far {mean:.2f}", indent=4)
    say("the agent is now suspended, in two functions, inside a loop and an open try/finally:")
    show(stack(agent))

    owner = Identity.generate("survey-lab", "owner")
    bundle = pack(agent, by=owner)
    bundle.write(file, replace=True)
    public = file.with_name(file.name + ".pub")
    public.write_bytes(owner.public.to_bytes())
    say(f"packed: {bundle.size} bytes in {file}, signed by {owner.public}")
    for entry in bundle.claims().segments:
        say(f"{entry.kind}: {entry.size} bytes", indent=4)

    discard(agent)
    say("discarded here, without running its finally block; journal so far: " + ", ".join(journal))
    if journal[-1].startswith("left"):
        sys.exit("the finally block ran in the process that the agent has left")
    say(f"[{who()}] ends")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m demo.freeze FILE")
    main(Path(sys.argv[1]))
