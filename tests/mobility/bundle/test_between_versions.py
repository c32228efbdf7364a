"""A computation of a notebook goes on in a fresh process, in an empty folder, on every Python version of this machine.

The other processes have sojourn and numpy installed, and nothing of the project.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mobility.testing import Interpreter, found
from mobility.testing.companions import companions

_PATIENCE = 120

CELLS = [
    """
    from __future__ import annotations
    import numpy as np
    from dataclasses import dataclass, field
    from mobility import resumable
    import stations
    from helpers import scaled
    """,
    """
    OFFSET = 0.5
    visited = []

    @dataclass
    class Reading:
        place: str
        values: list[float] = field(default_factory=list)

        def mean(self) -> float:
            return float(np.mean(self.values)) + OFFSET
    """,
    """
    class Base:
        kind = "first"

    class Sub(Base):
        pass
    """,
    """
    class Base:
        kind = "run again"
    """,
    """
    @resumable
    def survey(places):
        raise RuntimeError("an earlier version of the cell")
        yield
    """,
    """
    def counter(start):
        count = start
        def step():
            nonlocal count
            count += 1
            return count
        return step

    @resumable
    def survey(places):
        step, total = counter(10), np.zeros((200, 100))
        readings = []
        for place in places:
            reading = Reading(place, [scaled(v) for v in stations.values(place)])
            readings.append(reading)
            visited.append(place)
            total += reading.mean()
            try:
                heard = yield place, step()
            finally:
                readings[-1].values.append(step())
            total[0, 0] = 7 if heard else 3
        return {
            "means": [round(r.mean(), 6) for r in readings],
            "values": [r.values for r in readings],
            "visited": visited,
            "kinds": [Sub.kind, Base.kind],
            "total": float(total.sum()),
            "steps": step(),
            "line": repr(readings[0]),
        }
    """,
]
MODULES = {
    "stations.py": """
        from helpers import scaled, UNIT
        HOURS = 4
        def values(place):
            return [scaled(len(place) * hour, unit=UNIT) for hour in range(HOURS)]
        def unused():
            import nothing_that_exists
    """,
    "helpers.py": """
        UNIT = 2
        def scaled(value, *, unit=1):
            return value * unit / 10
    """,
}
# How a notebook runs cells: into the namespace of a __main__ that has no file, with the text kept by linecache.
NOTEBOOK = """
import linecache, sys
for number, cell in enumerate({cells!r}, 1):
    name = f"<cell {{number}}>"
    linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
    exec(compile(cell, name, "exec"), globals())
from mobility import Identity, discard, pack
agent = survey(["baku", "oslo", "lima"])
next(agent)
agent.send(True)
owner = Identity.generate("owner", "owner")
pack(agent, by=owner).write("agent.sojourn")
open("owner.pub", "wb").write(owner.public.to_bytes())
discard(agent)
"""
FINISH = """
import json, sys, traceback
from mobility import Bundle, TrustStore, unpack
from mobility.trust import PublicIdentity
trust = TrustStore("trust")
trust.trust(PublicIdentity.from_bytes(open("owner.pub", "rb").read()))
agent = unpack(Bundle.read("agent.sojourn").verify(trust))
line, yielded = agent.gi_frame.f_lineno, []
try:
    while True:
        yielded.append(agent.send(True))
except StopIteration as end:
    result = end.value
frame = traceback.FrameSummary(agent.gi_code.co_filename, line, "survey")
print(json.dumps([yielded, result, frame.line, sys.version_info[:2], sys.argv]))
"""


def _run(interpreter: Interpreter, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = interpreter.environment()
    del environment["PYTHONPATH"]
    return subprocess.run(
        [interpreter.path, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=_PATIENCE
    )


def _here() -> Interpreter:
    return Interpreter(sys.version_info[:3], sys.executable)


def _names(interpreter: Interpreter) -> str:
    return str(interpreter)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a notebook that has packed its agent after two steps."""
    folder = tmp_path_factory.mktemp("notebook")
    for name, text in MODULES.items():
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    cells = [textwrap.dedent(cell) for cell in CELLS]
    done = _run(_here(), NOTEBOOK.format(cells=cells), folder)
    assert done.returncode == 0, done.stderr
    return folder


def _undisturbed(folder: Path) -> list[object]:
    cells = NOTEBOOK.format(cells=[textwrap.dedent(cell) for cell in CELLS]).partition("from mobility import Id")[0]
    script = cells + (
        "import json\n"
        "agent = survey(['baku', 'oslo', 'lima'])\n"
        "yielded = [next(agent)]\n"
        "try:\n"
        "    while True: yielded.append(agent.send(True))\n"
        "except StopIteration as end:\n"
        "    print(json.dumps([yielded[2:], end.value]))\n"
    )
    done = _run(_here(), script, folder)
    assert done.returncode == 0, done.stderr
    answer: list[object] = json.loads(done.stdout)
    return answer


def test_a_machine_with_several_versions_has_them_prepared() -> None:
    """Otherwise the tests below would silently prove less than they say; make test prepares them."""
    others = [one for one in found() if not one.current and one.minor <= (3, 13)]
    if not others:
        pytest.skip("this machine has one Python version")
    assert {one.minor for one in companions()} == {one.minor for one in others}


@pytest.mark.parametrize("interpreter", [_here(), *companions()], ids=_names)
def test_a_notebooks_agent_finishes_elsewhere(interpreter: Interpreter, frozen: Path, tmp_path: Path) -> None:
    for name in ("agent.sojourn", "owner.pub"):
        (tmp_path / name).write_bytes((frozen / name).read_bytes())
    done = _run(interpreter, FINISH, tmp_path)
    assert done.returncode == 0, done.stderr
    yielded, result, line, version, _ = json.loads(done.stdout)
    assert [yielded, result] == _undisturbed(frozen)
    assert line == "heard = yield place, step()"
    assert tuple(version) == interpreter.minor
    assert sorted(os.listdir(tmp_path)) == ["agent.sojourn", "owner.pub", "trust"]


@pytest.mark.parametrize("interpreter", companions(), ids=_names)
def test_and_travels_on_from_there(interpreter: Interpreter, frozen: Path, tmp_path: Path) -> None:
    """The code that arrived is sent on as it was signed; the place signs the hop."""
    script = """
from mobility import Birth, Bundle, Identity, TrustStore, discard, pack, unpack
from mobility.trust import PublicIdentity
trust = TrustStore("trust")
trust.trust(PublicIdentity.from_bytes(open("owner.pub", "rb").read()))
place = Identity.generate("oslo", "place")
trust.trust(place.public)
arrived = Bundle.read("agent.sojourn").verify(trust)
agent = unpack(arrived)
pack(agent, by=place, passport=arrived.passport).write("agent.sojourn", replace=True)
discard(agent)
open("place.pub", "wb").write(place.public.to_bytes())
"""
    for name in ("agent.sojourn", "owner.pub"):
        (tmp_path / name).write_bytes((frozen / name).read_bytes())
    done = _run(interpreter, script, tmp_path)
    assert done.returncode == 0, done.stderr
    also = "trust.trust(PublicIdentity.from_bytes(open('place.pub', 'rb').read()))\n"
    finish = FINISH.replace("agent = unpack", also + "agent = unpack")
    finish = finish.replace('TrustStore("trust")', 'TrustStore("trust of the third")')
    done = _run(_here(), finish, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[:2] == _undisturbed(frozen)
