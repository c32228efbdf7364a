"""Federated runs on a cluster of our own, while drivers, places and the processes of apps are killed.

Every second run loses its drivers alone, and ends with the bits of an undisturbed run. In the others places and
processes of apps are killed too, which fails replies; then the run's own journal, read by another driver, gives the
same bits again. In all of them the audit logs verify, no answer is released twice, and what is spent never gets less.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from agents import Platform, connect
from agents.errors import AgentsError
from federated.audit import verify_audit
from federated.ledger import Ledger
from mobility.trust import Identity
from tests.federated.probes import CONFIG, write
from tests.support.ray_cluster import environment

__all__ = ["FederatedReport", "federated_chaos"]

PLACES = ("baku", "lima", "oslo")
ROUNDS = 6

CLIENT = """
values, part = msg.content["arrays"]["0"].numpy(), context.node_config["partition-id"]
seen = context.state.metric_records.get("seen", MetricRecord({"n": 0}))
context.state.metric_records["seen"] = MetricRecord({"n": seen["n"] + 1})
time.sleep(1.5)
return answer(msg, values * 0.7 + numpy.sin(numpy.arange(4)) / (part + 3) + seen["n"] / 3)
"""

DRIVER = """
import sys
from pathlib import Path
import numpy
from agents import connect
from federated import PlatformNodes, run_app
from mobility.trust import Identity

address, folder, name, places = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4].split(",")
owner = Identity.load(folder / "owner.key")
with connect(address, owner=owner, home=folder / "home", progress=lambda line: None) as platform:
    result = run_app(folder / "app", nodes=PlatformNodes(platform, places), author=owner, seed=4,
                     least=len(places), journal=folder / f"{name}.journal")
final = result.arrays["0"] if "0" in result.arrays else numpy.zeros(0)
(folder / f"{name}.end").write_bytes(final.tobytes())
print(result.tally.asked, result.tally.recalled, len(result.failures))
"""


@dataclass
class FederatedReport:
    """What happened; `problems` has everything that must not have."""

    seed: int
    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    released: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        killed = ", ".join(f"{count} x {what}" for what, count in sorted(self.kills.items())) or "none"
        verdict = "same bits, nothing released twice, nothing forgotten, all logs sound"
        head = (
            f"seed {self.seed}: {self.runs} runs, kills: {killed}; {self.failures} replies failed, "
            f"{self.released} released, {self.seconds:.0f} s"
        )
        return "\n".join([head, *(self.problems or [verdict])])


def federated_chaos(
    folder: Path,
    *,
    seed: int,
    seconds: float,
    pause: tuple[float, float] = (1.0, 8.0),
    told: Callable[[str], None] = lambda line: None,
) -> FederatedReport:
    """Begin runs for so long, and see each through to its end."""
    report, begun = FederatedReport(seed), time.monotonic()
    owner = Identity.generate("owner", "owner")
    owner.save(folder / "owner.key")
    write(folder / "app", CLIENT, project=CONFIG.format(f"rounds = {ROUNDS}\ntimeout = 60.0"))
    policy = folder / "ward.toml"
    policy.write_text(
        f"""
        [place.datasets.ward.policy]
        signers = ["{owner.key_id}"]
        messages = ["train"]
        keys = ["arrays.arrays.*", "metrics.metrics.*"]
        exact = ["metrics.metrics.*"]
        clip_norm = 100.0
        """
    )
    with connect(
        places=PLACES, place_files={"*": policy}, owner=owner, home=folder / "home", state=folder / "state",
        lease_seconds=4.0, progress=told, timeout=120.0,
    ) as platform:  # fmt: skip
        chaos = _Chaos(platform, folder, random.Random(seed), pause, report, told)
        undisturbed = chaos.seen_through("undisturbed", ())
        while time.monotonic() < begun + seconds and not report.problems:
            name = f"run-{report.runs}"
            alone = report.runs % 2 == 0
            end = chaos.seen_through(name, ("driver",) if alone else ("driver", "driver", "place", "child"))
            if alone and end != undisturbed:
                report.problems.append(f"{name}: drivers alone were killed, and it has other bits")
            if not alone:
                (folder / f"{name}.end").unlink()
                if chaos.seen_through(name, ()) != end:
                    report.problems.append(f"{name}: its journal gives other bits the second time")
            report.runs += 1
            chaos.look(final=False)
    chaos.look(final=True)
    report.seconds = time.monotonic() - begun
    return report


class _Chaos:
    def __init__(
        self,
        platform: Platform,
        folder: Path,
        chance: random.Random,
        pause: tuple[float, float],
        report: FederatedReport,
        told: Callable[[str], None],
    ) -> None:
        self._platform = platform
        self._folder = folder
        self._chance = chance
        self._pause = pause
        self._report = report
        self._told = told
        self._spent = dict.fromkeys(PLACES, 0)

    def seen_through(self, name: str, kinds: tuple[str, ...]) -> bytes:
        """Start drivers until one has ended, and kill what is of these kinds meanwhile; the parameters at the end."""
        end = self._folder / f"{name}.end"
        for attempt in range(200):
            arguments = [self._platform.address, str(self._folder), name, ",".join(PLACES)]
            driver = subprocess.Popen(
                [sys.executable, "-c", DRIVER, *arguments],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            if self._meanwhile(driver, kinds if attempt < 6 else ()):
                out, err = driver.communicate()
                if driver.returncode == 0:
                    self._report.failures += int(out.split()[2])
                    return end.read_bytes()
                # A place that is down when the run begins anew is waited for; what else ends a driver is a problem.
                if "TooFewNodes" not in err:
                    self._report.problems.append(f"{name}: a driver ended with {driver.returncode}: {err[-600:]}")
                    return b""
        self._report.problems.append(f"{name}: it does not end")
        return b""

    def _meanwhile(self, driver: subprocess.Popen[str], kinds: tuple[str, ...]) -> bool:
        """Whether the driver has ended by itself."""
        while True:
            # Until it has begun, a kill of the driver shows nothing: it takes some seconds to connect.
            wait = self._chance.uniform(*self._pause) + (4.0 if kinds else 300.0)
            try:
                driver.wait(wait)
                return True
            except subprocess.TimeoutExpired:
                pass
            kind = self._chance.choice(kinds) if kinds else "driver"
            if kind == "driver":
                driver.kill()
                driver.communicate()
                self._count("driver")
                return False
            self._kill(kind)

    def _kill(self, kind: str) -> None:
        place = self._chance.choice(PLACES)
        try:
            pid = int(self._platform.client.describe_place(place, timeout=2.0).about["pid"])
            if kind == "place":
                os.kill(pid, signal.SIGKILL)
                self._count("place")
                return
            for child in psutil.Process(pid).children(recursive=True):
                if "federated._flower.clientapp" in child.cmdline():
                    child.kill()
                    self._count("child")
        except (AgentsError, psutil.Error, ProcessLookupError):
            pass  # it is being started again

    def _count(self, what: str) -> None:
        self._report.kills[what] += 1
        self._told(f"kill {sum(self._report.kills.values())}: {what}")

    def look(self, *, final: bool) -> None:
        """Hold logs and ledgers against what they must be."""
        released = 0
        for place in PLACES:
            data = self._folder / "state" / "places" / place / "extensions" / "datasets"
            with Ledger(data / "ledger.sqlite") as ledger:
                spent = ledger.spent("ward", "", "train").rounds_in_all
            if spent < self._spent[place]:
                self._report.problems.append(f"{place}: {self._spent[place]} releases were spent, and now {spent}")
            self._spent[place] = spent
            if not final:
                continue
            key = Identity.load(self._folder / "state" / "places" / place / "place.key").public
            log = verify_audit(data / "audit.log", place=key)
            if not log.sound:
                self._report.problems.append(f"{place}: its log is not sound: {log}")
            left = Counter(
                (str(one.facts["run"]), str(one.facts["message"]))
                for one in log.entries
                if one.kind.value == "released"
            )
            twice = [message for message, count in left.items() if count > 1]
            if twice:
                self._report.problems.append(f"{place}: released twice: {twice}")
            released += len(left)
            # A place that is killed between the two has spent what has not left: never the other way round.
            if not len(left) <= spent <= len(left) + self._report.kills["place"]:
                self._report.problems.append(f"{place}: {spent} spent, {len(left)} released")
        self._report.released = released
