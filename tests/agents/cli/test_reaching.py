"""Which platform a command chooses; that it waits no longer than it was told; and that the engine keeps quiet."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from agents.cli.examination import at_home
from agents.cli.findings import Mark
from agents.cli.home import HomeFolder
from agents.cli.platform_errors import NoPlatform, UpUnderWay
from agents.cli.reaching import target_of
from agents.cli.run_folder import RunFolder
from tests.agents.cli.running import data, environment, failure, invoke


def write_cluster(home: Path, pid: int, **changes: Any) -> RunFolder:
    """What `up` leaves behind."""
    run = RunFolder(home)
    run.folder.mkdir(parents=True)
    told = {"address": "127.0.0.1:7", "pid": pid, "places": ["baku"], "folder": "/tmp/sj-none", "auth": "disabled"}
    run.cluster_file.write_text(json.dumps({**told, "started": 0.0, **changes}), encoding="utf-8")
    return run


def holder(run: RunFolder) -> subprocess.Popen[bytes]:
    """A process that looks like the one that holds a cluster."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "--hold", str(run.cluster_file)])


def test_the_option_counts_before_the_variable_before_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is known of the nodes of `up` counts only for these."""
    home = HomeFolder.of(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    run = write_cluster(tmp_path, 0)
    process = holder(run)
    try:
        write = json.loads(run.cluster_file.read_text(encoding="utf-8"))
        run.cluster_file.write_text(json.dumps({**write, "pid": process.pid}), encoding="utf-8")
        found = target_of(None, home)
        assert (found.address, found.whence, found.auth) == ("127.0.0.1:7", "sojourn up", "disabled")
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:8")
        found = target_of(None, home)
        assert (found.address, found.whence, found.auth) == ("127.0.0.1:8", "RAY_ADDRESS", None)
        found = target_of("127.0.0.1:7", home)
        assert (found.address, found.whence, found.auth) == ("127.0.0.1:7", "--address", "disabled")
    finally:
        process.kill()
        process.wait()


def test_a_process_with_the_number_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Process ids are given again: `down` must not end a stranger."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    run = write_cluster(tmp_path, os.getpid())
    assert run.held() is None and run.left() is not None
    with pytest.raises(NoPlatform, match="has ended"):
        target_of(None, HomeFolder.of(tmp_path))
    told = data(invoke("down", "--home", tmp_path, "--format", "json"))
    assert told["had_died"] and told["processes"] == 0
    failure(invoke("down", "--home", tmp_path, "--format", "json"), 4, "not-up")


def test_a_file_of_up_that_is_damaged_is_told(tmp_path: Path) -> None:
    """With its name, so that it can be looked at."""
    run = write_cluster(tmp_path, 1)
    run.cluster_file.write_text("{", encoding="utf-8")
    for command in ("ps", "down", "up"):
        result = invoke(command, "--home", tmp_path, "--format", "json", env={"RAY_ADDRESS": None})
        told = failure(result, 1, "file-unusable")
        assert told["path"] == str(run.cluster_file)


def test_one_up_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two would write the same file, and one cluster would be forgotten."""
    monkeypatch.setattr("agents.cli.run_folder._TURN", 0.2)
    run = RunFolder(tmp_path)
    with run.turn(), pytest.raises(UpUnderWay), RunFolder(tmp_path).turn():
        raise AssertionError("both have the turn")
    with run.turn():
        pass


def test_resource_files_are_read_before_anything_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in one shows at once, in each case with nothing left behind."""

    def noticed(*_: Any, **__: Any) -> Any:
        raise AssertionError("nodes would have been started")

    monkeypatch.setattr("agents._ray._own.start_detached", noticed)
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text("[place.resources.a]\nvalue = 1\n", encoding="utf-8")
    bad.write_text("[place.resources.a]\nvalue = 1\nworth = 2\n", encoding="utf-8")
    home = tmp_path / "home"

    def up(*files: object) -> Any:
        given = [argument for file in files for argument in ("--resources", file)]
        return invoke("up", "--home", home, "--format", "json", *given)

    failure(up(tmp_path / "none.toml"), 4, "file-not-found")
    failure(up(f"oslo={bad}"), 1, "resource-file")
    failure(up(good, good), 2, "usage")
    failure(up(f"rome={good}"), 2, "usage")
    assert not home.exists()


def in_process(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env=environment(**variables), capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_call_that_hangs_ends_with_its_command(tmp_path: Path) -> None:
    """A call into the engine cannot be broken off: so the process ends, with the sentence and the code."""
    answer = in_process("""
        import threading
        from agents.cli.options import Format
        from agents.cli.reaching import Deadline, bounded_by, quiet
        with bounded_by(Deadline(0.2), Format.JSON), quiet():
            threading.Event().wait()
    """)
    assert answer.returncode == 5 and answer.stdout == ""
    told = json.loads(answer.stderr)
    assert (told["error"], told["seconds"]) == ("command-timed-out", 0.2)


def test_whoever_had_no_time_to_answer_is_not_called_unreachable(tmp_path: Path) -> None:
    """Something accepts the connection and says nothing: that is 5, and not 4."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        options = ("--address", address, "--home", tmp_path, "--format", "json")
        failure(invoke("ps", "--timeout", "1", *options), 5, "command-timed-out")
    failure(invoke("ps", "--timeout", "20", *options), 4, "cluster-unreachable")


NOISE = """
    import logging, os, sys
    from agents.cli.failures import tell
    from agents.cli.reaching import quiet
    with quiet():
        os.write(2, b"native noise\\n")
        logging.getLogger("ray").error("logged noise")
        tell("ours")
        print("data")
    os.write(2, b"afterwards\\n")
    logging.getLogger("ray").error("logged again")
    tell("still ours")
"""


def test_the_engine_is_quiet_and_we_are_not() -> None:
    """Its native part, its loggers; and only while a command talks to it."""
    answer = in_process(NOISE)
    assert answer.stdout == "data\n"
    assert answer.stderr == "ours\nafterwards\nlogged again\nstill ours\n"


def test_the_noise_is_shown_to_whoever_asks() -> None:
    """Else nobody could find out what the engine complains about."""
    assert "native noise" in in_process(NOISE, SOJOURN_DEBUG="1").stderr


# -- what the doctor looks at in the home folder


def test_the_doctor_looks_at_the_keys(tmp_path: Path) -> None:
    """A secret key that others can read is a problem; none at all is worth a warning."""
    env = {"RAY_ADDRESS": None}
    told = data(invoke("doctor", "--home", tmp_path, "--format", "json", env=env))
    marks = {finding["what"]: finding["mark"] for finding in told["findings"]}
    assert (marks["owner key"], marks["platform"], marks["versions"]) == ("warning", "warning", "ok")
    invoke("key", "new", "owner", "--home", tmp_path)
    assert all(finding.mark is Mark.OK for finding in at_home(HomeFolder.of(tmp_path)) if "key" in finding.what)
    if os.name == "posix":
        (tmp_path / "keys" / "owner.key").chmod(0o644)
        result = invoke("doctor", "--home", tmp_path, env=env)
        assert result.exit_code == 1 and "1 problem" in result.stdout
        assert f"Run: chmod 600 {tmp_path / 'keys' / 'owner.key'}" in result.stdout


def test_the_doctor_looks_at_the_trust_store(tmp_path: Path) -> None:
    """One that cannot be read lets nobody in, so it is a problem."""
    invoke("key", "new", "owner", "--home", tmp_path)
    for file in (tmp_path / "trust").iterdir():
        if file.is_file():
            file.write_bytes(b"{")
    result = invoke("doctor", "--home", tmp_path, "--format", "json", env={"RAY_ADDRESS": None})
    assert result.exit_code == 1
    (finding,) = [one for one in json.loads(result.stdout)["findings"] if one["what"] == "trust"]
    assert finding["mark"] == "problem" and finding["remedy"]


def test_a_cluster_that_does_not_answer_is_a_problem(tmp_path: Path) -> None:
    """The doctor goes on to its end all the same."""
    result = invoke("doctor", "--home", tmp_path, "--format", "json", "--address", "127.0.0.1:1", "--timeout", "5")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["problems"] == 1 and found["findings"][-1]["what"] == "cluster"


# -- demo


def test_demo_hands_on_its_options_and_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration itself has tests of its own."""
    import agents.demo

    seen: list[Any] = []

    def main(arguments: Any) -> int:
        seen.append(list(arguments))
        return 1

    monkeypatch.setattr(agents.demo, "demonstrate", main)
    assert invoke("demo", "--rounds", "3", "--format", "json").exit_code == 1
    assert seen == [["--format", "json", "--rounds", "3"]]

    def missing(arguments: Any) -> int:
        raise ModuleNotFoundError("none", name="sklearn")

    monkeypatch.setattr(agents.demo, "demonstrate", missing)
    assert "sklearn" in failure(invoke("demo", "--format", "json"), 1, "demo-missing")["message"]
