"""The page for two machines that are joined by hand: its commands are typed in its order, and print what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.machines import MACHINES, Machines, Step, steps, two_machines
from tests.multihost.hosts import ADDRESSES, reason_against
from tests.test_repository import ROOT, measures_aside

AGAINST = reason_against()
PAGE = (ROOT / "deploy" / "two-machines.md").read_text(encoding="utf-8")
STEPS = steps(PAGE)
#: With which code a command of the page ends that is not done, by the reason that the page shows.
REFUSED = {"(no-platform)": 4, "(untrusted-signer)": 1}
#: Ports that Ray opens on the head for others than its nodes; the page says to keep them closed.
CLOSED = {10001, 44217, 44227}


def aside(text: str) -> list[str]:
    """Without what differs from run to run."""
    text = re.sub(r"\b[0-9a-f]{64}\b|[+-]\d+\.\d ms, known to \d+\.\d ms|\b\d+(\.\d+)? [MG]B\b", "X", text)
    text = re.sub(r"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])", "X", text)
    text = re.sub(r"\w+ to \w+(?=, known to)", "X", text)  # whose clock is ahead
    return [line.rstrip() for line in measures_aside(text) if line.strip()]


def ports_of_the_page() -> set[int]:
    """As the table of the firewall has them."""
    found: set[int] = set()
    for first, last in re.findall(r"^\| (\d+)(?:-(\d+))? \|", PAGE, re.MULTILINE):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def listening(machines: Machines, machine: str) -> set[int]:
    """Ports at which the other machine can reach something."""
    answer = machines.type(machine, "cat /proc/net/tcp /proc/net/tcp6")
    found = set()
    for address, port, state in re.findall(
        r"^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2})", answer.printed, re.MULTILINE
    ):
        if state == "0A" and not address.endswith("0100007F"):
            found.add(int(port, 16))
    return found


def write_files(machines: Machines) -> None:
    """What the page says to put into files; a reader does it with an editor."""
    for machine in MACHINES:
        for name, code in re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
            (machines.home(machine) / name).write_text(code, encoding="utf-8")
    for machine, text in re.findall(r"^```toml\n# place\.toml on (\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        (machines.home(machine) / "place.toml").write_text(text, encoding="utf-8")


def test_the_page_is_for_the_machines_that_it_was_tried_on() -> None:
    """Its addresses are those of the two hosts, and its commands are for one of them each."""
    assert {step.machine for step in STEPS} == set(MACHINES)
    assert set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", PAGE)) == set(ADDRESSES.values())
    assert sum("ray start" in step.command for step in STEPS) == 2
    assert sum(step.command.startswith("sojourn doctor") for step in STEPS) == 2


@pytest.mark.skipif(AGAINST is not None, reason=f"two hosts on this machine: {AGAINST}")
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_every_command_of_the_page(tmp_path: Path) -> None:
    """With the result that the page shows; nothing listens at a port that its table does not name."""
    with two_machines(tmp_path) as machines:
        write_files(machines)
        for step in STEPS:
            check(machines, step)
            if "/var/lib/sojourn" in step.command and step.command.startswith("sudo install"):
                machines.type(step.machine, "cp place.toml /var/lib/sojourn/")
        allowed = ports_of_the_page()
        assert listening(machines, "lima") <= allowed
        assert listening(machines, "oslo") <= allowed | CLOSED
        assert all(str(port) in PAGE for port in CLOSED)


def check(machines: Machines, step: Step) -> None:
    """One command."""
    answer = machines.type(step.machine, step.command)
    told = f"{step.machine}$ {step.command}\n{answer.printed}"
    assert answer.code == next((code for slug, code in REFUSED.items() if slug in step.shown), 0), told
    if step.shown or step.command.startswith("sojourn"):
        assert aside(answer.printed) == aside(step.shown), told
