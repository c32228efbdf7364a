"""Two hosts that share nothing but a network: an agent travels between them, and so does the demonstration's."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.multihost.hosts import ADDRESSES, HEAD, Hosts, reason_against, two_hosts

AGAINST = reason_against()
pytestmark = [
    pytest.mark.skipif(AGAINST is not None, reason=f"two hosts on this machine: {AGAINST}"),
    pytest.mark.timeout(240),
]
ROOT = Path(__file__).parents[2]
TRAVELLER = Path(__file__).with_name("traveller.py")
SURVEYING = Path(__file__).with_name("surveying.py")


def joined(hosts: Hosts, folder: Path) -> None:
    """A node on host b, which keeps trying until the head is there."""
    script = (
        f"for try in 1 2 3 4 5 6 7 8 9 10; do "
        f"ray start --address={HEAD} --node-ip-address={ADDRESSES['b']} --num-cpus=2 "
        f"--object-store-memory=100000000 --labels=place=b --block || sleep 2; done"
    )
    with (folder / "b.log").open("wb") as log:
        hosts.start("b", script, log)


def on_head(hosts: Hosts, folder: Path, command: str) -> tuple[int, str]:
    """Start the head on host a, and run a command there; its exit code and all output."""
    script = (
        f"ray start --head --node-ip-address={ADDRESSES['a']} --port=6399 --num-cpus=2 --include-dashboard=false "
        f"--object-store-memory=100000000 --labels=place=a\n"
        f"cd {ROOT}\n{command}"
    )
    path = folder / "a.log"
    with path.open("wb") as log:
        process = hosts.start("a", script, log)
        try:
            process.wait(180)
        except subprocess.TimeoutExpired:
            pytest.fail(f"not done in time: {path.read_text()[-3000:]} {(folder / 'b.log').read_text()[-2000:]}")
    return process.returncode, path.read_text()


def test_an_agent_travels_between_two_hosts(tmp_path: Path) -> None:
    """With its open file, by name of host and by signed hops; neither host has the other's disk or processes."""
    with two_hosts() as hosts:
        joined(hosts, tmp_path)
        time.sleep(1.0)
        code, output = on_head(hosts, tmp_path, f"python {TRAVELLER} {HEAD} {tmp_path / 'home'}")
    assert code == 0, output
    told = json.loads(output.partition("RESULT ")[2])
    assert told == {"seen": [["b", "b"], ["a", "a"], ["b", "b"]], "verified": True, "hops": 3}, output


def test_the_surveyor_of_the_demonstration_goes_round_two_hosts(tmp_path: Path) -> None:
    """Each host makes its own hospital's patients; the result is the one of all their rows at one place."""
    pytest.importorskip("sklearn", reason="the demonstration's data come with scikit-learn")
    with two_hosts() as hosts:
        joined(hosts, tmp_path)
        time.sleep(1.0)
        code, output = on_head(hosts, tmp_path, f"python {SURVEYING} {HEAD} {tmp_path / 'home'}")
    assert code == 0, output
    told = json.loads(output.partition("RESULT ")[2])
    assert told["equal"] and told["verified"] and told["hops"] > 20 and told["ways"] == ["a-b", "b-a"]


def test_nothing_is_left(tmp_path: Path) -> None:
    """No namespace, and no process in one."""
    with two_hosts() as hosts:
        names = set(hosts.names.values())
        with (tmp_path / "log").open("wb") as log:
            process = hosts.start("b", "sleep 1000", log)
    assert process.returncode is not None
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, timeout=20).stdout
    assert not names & {line.split()[0] for line in listed.splitlines() if line}
