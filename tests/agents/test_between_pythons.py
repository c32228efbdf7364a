"""An agent is frozen on this Python, and goes on in a Ray cluster of another one that has nothing of its project."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from agents import agent, hop, receive
from agents.testing.local import LocalPlatform
from mobility.testing import Interpreter
from mobility.testing.companions import companions
from mobility.trust import PublicIdentity, TrustStore

OTHERS = companions()

THAWED = """
import json, sys
from pathlib import Path
from agents import connect

if __name__ == "__main__":
    file, home, told = sys.argv[1:]
    with connect("local", places=["kyiv", "riga"], home=Path(home)) as platform:
        handle = platform.thaw(file, at="kyiv")
        handle.send("go")
        result = handle.result(timeout=60)
        trail = handle.trail()
        again = None
        try:
            platform.thaw(file, at="riga")
        except Exception as error:
            again = getattr(error, "slug", repr(error))
    row = {"result": result, "verified": trail.verified, "again": again, "python": list(sys.version_info[:2])}
    row["trail"] = [[link.origin, link.destination, link.signed_by] for link in trail]
    Path(told).write_text(json.dumps(row))
"""


@agent
def collector(here, places):
    """It is frozen within a `with`, in a handler."""
    seen = [here.name]
    with open("/etc/hosts") as file:
        first = file.readline()
        try:
            raise KeyError("kept")
        except KeyError as kept:
            here = yield hop(places[0])
            seen.append(here.name)
            message = yield receive()
            seen.append([message.value, here.name, str(kept)])
        seen.append(len(first + file.readline()) > 0)
    return seen


@pytest.mark.skipif(not OTHERS, reason="no other Python version has been prepared on this machine")
@pytest.mark.parametrize("other", OTHERS, ids=str)
@pytest.mark.timeout(240)
def test_frozen_here_thawed_in_a_cluster_of_another_python(other: Interpreter, tmp_path: Path) -> None:
    """Its code, its data, its line, its open file and its passport; and it can be thawed there only once."""
    file, home, told = tmp_path / "agent.sojourn", tmp_path / "home", tmp_path / "told.json"
    with LocalPlatform(["baku", "oslo"]) as platform:
        handle = platform.launch(collector, ["oslo"], at="baku", name="collector")
        while handle.state()["place"] != "oslo":
            pass
        handle.freeze(file)
        keys = [platform.owner.public, *(place.core.identity.public for place in platform.running.values())]
    trust = TrustStore(home / "trust")
    for key in keys:
        trust.trust(PublicIdentity.from_bytes(key.to_bytes()))
    script = tmp_path / "thaw.py"
    script.write_text(THAWED)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RAY_"))}
    done = subprocess.run(
        [other.path, str(script), str(file), str(home), str(told)],
        cwd=tmp_path,
        env={**environment, "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    row = json.loads(told.read_text())
    assert row["python"] == list(other.minor)
    assert row["result"] == ["baku", "oslo", ["go", "kyiv", "'kept'"], True]
    assert row["verified"] and row["again"] == "agent-ended"
    assert row["trail"] == [["baku", "oslo", "place:baku"], ["oslo", None, "place:oslo"]]
