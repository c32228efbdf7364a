"""An agent goes round all places of a cluster, and tells what it found: the same program for every kind of cluster.

On a node of the cluster: ``python job.py``; from anywhere: ``ray job submit``, as README.md beside this file shows it.
The places that it opens stay when it has ended.
"""

from __future__ import annotations

import argparse
import os
import platform

from agents import agent, connect, hop


@agent
def census(here, places):
    """Where it was, and what it found there."""
    found = []
    for place in places:
        here = yield hop(place)
        found.append(f"{here.name}: {os.cpu_count()} cores, Python {platform.python_version()}")
    return found


def main() -> None:
    """Open the places if they are not open yet, and launch the agent."""
    parser = argparse.ArgumentParser(description="An agent goes round all places of a Ray cluster.")
    parser.add_argument("--state", help="folder on each node for what is to outlive the cluster; counts for new places")
    given = parser.parse_args()
    # A job is told by RAY_ADDRESS which cluster it is in; on a node "auto" finds the one that runs there.
    with connect(os.environ.get("RAY_ADDRESS", "auto"), state=given.state, timeout=120) as cluster:
        agent_of_this_job = cluster.launch(census, [place.name for place in cluster.places()])
        for line in agent_of_this_job.result(timeout=120):
            print(line)
        print(agent_of_this_job.trail())


if __name__ == "__main__":
    main()
