"""What runs on host a: an agent goes from one host to the other and back, and its passport is shown."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

from agents import agent, connect, hop


@agent
def traveller(here, places):
    seen = []
    with open("/etc/hostname") as file:
        for place in places:
            here = yield hop(place)
            seen.append([here.name, here.resource("host")()])
            assert not file.closed
    return seen


def host_name() -> str:
    return socket.gethostname()


if __name__ == "__main__":
    with connect(sys.argv[1], resources={"*": {"host": host_name}}, home=Path(sys.argv[2])) as platform:
        deadline = time.monotonic() + 60
        while len(platform.places()) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        handle = platform.launch(traveller, ["b", "a", "b"], at="a", name="traveller")
        result = handle.result(timeout=60)
        trail = handle.trail()
        print(trail)
        print("RESULT " + json.dumps({"seen": result, "verified": trail.verified, "hops": len(trail)}))
