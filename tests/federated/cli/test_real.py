"""A run on a real cluster that ``sojourn up`` has started: interrupted, resumed, audited; each command a process."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.cli.running import controls, environment, on_terminal, sojourn
from tests.federated.cli.conftest import POLICY
from tests.federated.probes import write

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
ASKED = 'queries = [{{ kinds = ["mean"], columns = ["age"], askers = ["{asker}"], epsilon = 1.0, least = 10 }}]\n'

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ray's nodes run on Linux and macOS")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a home, an app that takes half a second, and three places that are up."""
    folder = tmp_path_factory.mktemp("up")
    env = {"SOJOURN_HOME": str(folder / "home")}
    assert sojourn("key", "new", "owner", env=env).returncode == 0
    assert sojourn("key", "trust", folder / "home/keys/owner.pub", env=env).returncode == 0
    (key,) = json.loads(sojourn("key", "list", "--format", "json", env=env).stdout)["own"]
    write(folder / "app", "time.sleep(0.5)\nreturn answer(msg, msg.content['arrays']['0'].numpy() + 1.0, loss=0.5)")
    policy = POLICY.format(place="any", signer=key["key_id"]).replace("rounds = 4, ", "counting_epsilon = 2.0, ")
    policy = policy.replace("tell = true", 'tell = true\nloader = "wards:load"')
    (folder / "place.toml").write_text(policy + ASKED.format(asker=key["key_id"]))
    (folder / "wards.py").write_text("def load(config):\n    return {'age': [30.0, 50.0] * 500}\n")
    answer = sojourn(
        "up", "--places", "oslo,lima,baku", "--resources", folder / "place.toml", "--state", folder / "state",
        "--timeout", "240", env=env, timeout=260,
    )  # fmt: skip
    try:
        assert answer.returncode == 0, answer.stderr
        yield folder
    finally:
        sojourn("down", env=env)
        assert not (folder / "home" / "run" / "cluster.json").exists()


def command(folder: Path, *options: object) -> list[str]:
    wanted = ["fl", "run", folder / "app", "--on", "oslo,lima", "--run-config", "rounds=6"]
    return [str(one) for one in (*wanted, "--journal", folder / "run.journal", "--format", "json", *options)]


def test_ctrl_c_and_on_from_there(up: Path) -> None:
    """Ended within seconds and with nothing left behind; the journal has what was answered; audit and ledger hold."""
    env = environment(SOJOURN_HOME=str(up / "home"))
    process = subprocess.Popen(
        [sys.executable, "-m", "agents.cli", *command(up)],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        while "progress" not in (line := process.stderr.readline()):
            assert line, "it ended before a round was over"
        os.kill(process.pid, signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1 and out == "", err
        error = json.loads(err.splitlines()[-1])
        assert error["error"] == "run-interrupted" and "run.journal" in error["message"]
        assert time.monotonic() - began < 15
    finally:
        process.kill()
        process.wait()
    again = sojourn(*command(up, "-o", up / "run.json"), env={"SOJOURN_HOME": str(up / "home")})
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert told["messages"]["recalled"] >= 2 and told["messages"]["asked"] + told["messages"]["recalled"] == 12
    assert told == json.loads((up / "run.json").read_text())
    keys = up / "keys"
    sojourn("places", "--keys", keys, env={"SOJOURN_HOME": str(up / "home")})
    for place in ("oslo", "lima"):
        (log,) = up.glob(f"state/**/{place}/extensions/datasets/audit.log")
        audit = sojourn("fl", "audit", log, "--place", keys / f"{place}.pub", "--format", "json")
        assert audit.returncode == 0, audit.stderr
        kinds = [row["kind"] for row in json.loads(audit.stdout)["entries"]]
        ledger = sojourn("fl", "ledger", log.with_name("ledger.sqlite"), "--format", "json")
        (ward,) = json.loads(ledger.stdout)["datasets"]
        # What was under way at Ctrl-C was released and not received, and is asked again under the same id.
        assert kinds.count("released") == ward["releases"] == 6


def test_on_a_terminal(up: Path) -> None:
    """A table that is redrawn, and the result below it."""
    options: list[Any] = [one for one in command(up) if one not in ("--format", "json")]
    code, shown = on_terminal(*options, env={"SOJOURN_HOME": str(up / "home")})
    assert code == 0, shown
    assert "clients" in shown and "probe 1.0.0 on oslo, lima: 2 nodes" in shown and "Done after" in shown
    code, plain = on_terminal(*options, env={"SOJOURN_HOME": str(up / "home"), "TERM": "dumb"})
    assert code == 0 and controls(plain) <= {"\r", "\x1b"} and "round 6 train, 2 answered" in plain


def test_the_commands_of_the_readme_work_as_printed(up: Path) -> None:
    """Beside a policy, an app and the log of a place that have the names which the page gives them."""
    env = {"SOJOURN_HOME": str(up / "home")}
    commands = re.findall(r"^    sojourn (fl .*?)(?:   +.*)?$", README, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["check", "run", "audit", "tour"]
    work = up / "work"
    work.mkdir()
    shutil.copy(up / "place.toml", work / "oslo.toml")
    shutil.copytree(up / "app", work / "app")
    shown = {}
    for command in commands:
        if command.endswith("audit.log"):
            (log,) = up.glob("state/**/oslo/extensions/datasets/audit.log")
            shutil.copy(log, work / "audit.log")
        answer = sojourn(*command.split(), env=env, cwd=work)
        assert answer.returncode == 0, (command, answer.stderr)
        shown[command.split()[1]] = answer.stdout
    assert "admits" in shown["check"] and "epsilon" in shown["check"]
    assert "oslo" in shown["run"] and (work / "run.journal").exists() and "<svg" in (work / "run.svg").read_text()
    assert "released" in shown["audit"]
    mean = float(re.search(r"-?\d+\.\d+", shown["tour"])[0])  # type: ignore[index]  # if there is none, that is the fault
    assert abs(mean - 40) < 10, shown["tour"]  # noise of Laplace at each place: its deviation is 0.3
