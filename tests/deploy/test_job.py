"""The example of a job, really submitted, to two nodes whose Python does not have sojourn: the job brings it along."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from tests.deploy.machines import MACHINES, Machines, two_machines
from tests.multihost.hosts import ADDRESSES, reason_against
from tests.test_repository import ROOT

AGAINST = reason_against()
pytestmark = [
    pytest.mark.skipif(AGAINST is not None, reason=f"two hosts on this machine: {AGAINST}"),
    pytest.mark.alone,
    pytest.mark.timeout(900),
]
HEAD = f"{ADDRESSES['a']}:6379"
#: A raylet that is to find free ports for its agents waits 30 s for these, which is too short on a busy machine.
PORTS = (
    "--metrics-export-port=6382 --dashboard-agent-grpc-port=6383 "
    "--dashboard-agent-listen-port=6384 --runtime-env-agent-port=6385"
)


def bare_python(folder: Path) -> Path:
    """An environment with all that sojourn needs, and without sojourn, which is installed as a hook: that counts in its
    own folder only."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "installed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    ray = folder / "bin" / "ray"
    ray.write_text(f"#!{python}\nfrom ray.scripts.scripts import main\nmain()\n", encoding="utf-8")
    ray.chmod(0o755)
    return python.parent


def without_pip(folder: Path) -> Path:
    """The job's environment but for what it fetches: there is no network between the two. `test_cluster_files` compares
    that list with what sojourn needs."""
    given = yaml.safe_load((ROOT / "deploy" / "job.yaml").read_text(encoding="utf-8"))
    assert given.pop("pip")
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    return path


def started(machines: Machines, programs: Path) -> None:
    """A node on each, named by its label."""
    for machine, (host, _) in MACHINES.items():
        machines.type(machine, f"export RAY_AUTH_MODE=disabled PATH={programs}:$PATH; mkdir -p /var/lib/sojourn")
        assert machines.type(machine, "python -c 'import agents'").code == 1  # sojourn is not there
        where = f"--address={HEAD}" if host != "a" else "--head --port=6379"
        answer = machines.type(
            machine,
            f"ray start {where} --node-ip-address={ADDRESSES[host]} --labels=place={machine} "
            f"--num-cpus=2 --object-store-memory=100000000 {PORTS}",
        )
        assert answer.code == 0, answer.printed


def submit(machines: Machines, environment: Path) -> str:
    """As the README of the folder shows it; what the job printed."""
    answer = machines.type(
        "oslo",
        f"(cd {ROOT} && ray job submit --address http://127.0.0.1:8265 --runtime-env {environment} "
        f"-- python job.py --state /var/lib/sojourn)",
    )
    assert answer.code == 0, answer.printed
    return answer.printed


def test_the_job_opens_the_places_and_the_next_one_finds_them(tmp_path: Path) -> None:
    """The agent was at both; the places stay when the job has ended, with the code that it had brought along."""
    with two_machines(tmp_path / "machines") as machines:
        started(machines, bare_python(tmp_path / "bare"))
        environment = without_pip(tmp_path)
        first = submit(machines, environment)
        for machine in MACHINES:
            assert re.search(rf"^{machine}: \d+ cores, Python 3", first, re.MULTILINE), first
        assert re.search(r"^1 .* verified$", first, re.MULTILINE) and "starting a place on each node" in first
        killed = machines.type("lima", "pkill -9 -f PlaceActor")  # nothing but lima's own processes is to be seen there
        assert killed.code == 0, killed.printed
        second = submit(machines, environment)
        assert re.search(r"^lima: \d+ cores", second, re.MULTILINE) and "starting a place" not in second
