"""Wrote ``unit-v1.sojourn``: a suspended agent, packed by version 0.1.0 on Python 3.11. Not to be written again.

``python -m tests.mobility.bundle.golden.make_unit``
"""

from __future__ import annotations

from mobility import Birth, pack
from tests.mobility.bundle.golden.agent import survey
from tests.mobility.bundle.golden.make import BORN, HERE, OWNER


def main() -> None:
    agent = survey(["baku", "oslo"])
    for heard in (None, None, True):
        agent.send(heard)
    pack(agent, by=OWNER, birth=Birth(agent="golden", lifetime=10**8), now=BORN).write(HERE / "unit-v1.sojourn")


if __name__ == "__main__":
    main()
