"""What runs on host a: the demonstration's agent goes round two hospitals, each on a host of its own."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy

from agents import connect
from agents.demo.central import compared
from agents.demo.hospitals import RESOURCE, Patients, maker, patients
from agents.demo.surveyor import surveyor
from agents.resources import Made

PENALTY = 1.0

if __name__ == "__main__":
    offered = {place: {RESOURCE: Made(maker(site))} for site, place in enumerate(("a", "b"))}
    parts = [patients(site) for site in (0, 1)]
    everyone = Patients(
        numpy.concatenate([part.measured for part in parts]),
        numpy.concatenate([part.benign for part in parts]),
        parts[0].names,
    )
    with connect(sys.argv[1], resources=offered, home=Path(sys.argv[2])) as platform:
        deadline = time.monotonic() + 60
        while len(platform.places()) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        agent = platform.launch(surveyor, ("a", "b"), len(everyone.names), 20, PENALTY, at="a", name="surveyor")
        found = agent.result(timeout=120)
        trail = agent.trail()
    told = {
        "equal": all(one.equal for one in compared(found, everyone, PENALTY)),
        "verified": trail.verified,
        "hops": len(trail),
        "ways": sorted({f"{link.origin}-{link.destination}" for link in trail}),
    }
    print("RESULT " + json.dumps(told))
