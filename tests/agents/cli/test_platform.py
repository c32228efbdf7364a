"""The commands of a running platform, each in a process of its own, against one that `sojourn up` has started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.agents.cli.running import STRICT, controls, environment, on_terminal, sojourn
from tests.agents.cli.travelling import write_agents
from tests.support.ray_cluster import eventually, of_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ray's nodes run on Linux and macOS")


@dataclass(frozen=True)
class Up:
    """A platform that is up, and a folder with agents."""

    home: Path
    folder: Path
    agents: Path
    told: dict[str, Any]
    ray_folder: str

    def command(self, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        return sojourn(*arguments, cwd=self.folder, env={"SOJOURN_HOME": str(self.home)}, **options)

    def data(self, *arguments: object) -> Any:
        """What a command that is done says: one line of JSON, and nothing beside it."""
        answer = self.command(*arguments, "--format", "json")
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr in ("", "loading\n")
        (line,) = answer.stdout.splitlines()
        return json.loads(line)

    def error(self, code: int, slug: str, *arguments: object) -> Any:
        """What a command that fails says."""
        answer = self.command(*arguments, "--format", "json")
        assert answer.returncode == code, answer.stdout + answer.stderr
        assert answer.stdout == ""
        told = json.loads(answer.stderr.splitlines()[-1])
        assert (told["error"], told["exit_code"]) == (slug, code), told
        return told

    def launch(self, function: str, *arguments: object) -> Any:
        return self.data("launch", f"{self.agents.name}:{function}", *arguments)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Three places that offer a reading, from files."""
    folder = tmp_path_factory.mktemp("work")
    home = folder / "home"
    for number, place in enumerate(("baku", "oslo", "lima"), 1):
        text = (
            f"[place.resources.reading]\nvalue = {number}\n"
            '[place.services.shown]\nfunction = "reprlib:repr"\n[place.services.broken]\nfunction = "os:fspath"\n'
        )
        if place == "lima":  # a small machine
            text += '[place.environment]\nmemory = "32 MiB"\nlabels = { rack = "b3" }\n'
        (folder / f"{place}.toml").write_text(text, encoding="utf-8")
    files = [f"--resources={place}={folder / place}.toml" for place in ("baku", "oslo", "lima")]
    agents = write_agents(folder)
    answer = sojourn("up", *files, "--format", "json", env={"SOJOURN_HOME": str(home)}, timeout=240)
    try:
        assert (answer.returncode, answer.stderr) == (0, "")
        held = json.loads((home / "run" / "cluster.json").read_text(encoding="utf-8"))
        yield Up(home, folder, agents, json.loads(answer.stdout), held["folder"])
    finally:
        sojourn("down", env={"SOJOURN_HOME": str(home)})
        log = home / "run" / "cluster.log"
        assert not (home / "run" / "cluster.json").exists(), log.read_text() if log.exists() else "no log"


def test_a_place_that_is_too_small(up: Up) -> None:
    """Its verdict is shown, and refuses a move with reasons for people and for programs; the agent goes on."""
    about = {row["place"]: row for row in up.data("places")}
    assert about["lima"]["memory"] == 32 << 20 and about["lima"]["rack"] == "b3" and about["oslo"]["processor"]
    made = up.launch("watch", "60", "--name", "large", "--at", "baku", "--memory", "64MiB", "--mobility", "either")
    told = up.data("verdict", "large", "lima")
    assert (told["agent"], told["place"], told["kind"]) == (made["agent"], "lima", "refuse")
    assert [reason["code"] for reason in told["reasons"]] == ["memory-too-small"]
    assert up.data("verdict", "large", "oslo")["kind"] == "strong"
    shown = up.command("verdict", "large", "lima")
    assert shown.returncode == 0 and shown.stdout.startswith(
        "refuse: the unit cannot run here\n- The unit needs 64.0 MiB"
    )
    refused = up.error(3, "move-refused", "move", "large", "lima")
    assert refused["why"] == "environment-refused" and refused["verdict"] == "refuse"
    assert refused["reasons"] == told["reasons"]
    text = up.command("move", "large", "lima")
    assert text.returncode == 3 and "Lima cannot run it" not in text.stderr
    assert "lima cannot run it: The unit needs 64.0 MiB of memory, and this host has 32.0 MiB in all" in text.stderr
    assert "still runs on baku" in text.stderr
    assert up.data("move", "large", "oslo")["to"] == "oslo"
    up.command("stop", "large")
    file = f"{up.agents.name}:watch"
    assert up.error(3, "move-refused", "launch", file, "60", "--at", "lima", "--memory", "1 GiB")["verdict"] == "refuse"
    assert "a size is" in up.command("launch", file, "60", "--memory", "lots").stderr


def test_a_surveyor_from_a_file_to_its_result(up: Up) -> None:
    """Launched by one process, found by others: its result, its passport, its log; with the module beside its file."""
    born = up.launch("survey", "baku", "oslo", "lima", "--name", "surveyor", "--at", "oslo")
    assert born["name"] == "surveyor"
    assert up.data("result", "surveyor")["result"] == {"baku": 2, "oslo": 4, "lima": 6}
    trail = up.data("trail", "surveyor")
    assert trail["verified"] and [link["destination"] for link in trail["links"]] == ["baku", "oslo", "lima"]
    assert all(link["bytes"] and link["freeze_ms"] is not None for link in trail["links"])
    text = up.command("logs", born["agent"][:8])
    assert text.returncode == 0 and "left for baku" in text.stdout
    assert "seen \\x1b[31mbaku" in text.stdout and controls(text.stdout) == set()
    assert [row["state"] for row in up.data("ps", "--all") if row["agent"] == born["agent"]] == ["ended"]
    table = up.command("trail", "surveyor")
    assert table.stdout.count("verified") == 1 + 3 and "place:baku" in table.stdout
    report = up.command("report", "out.html", "surveyor")
    assert (report.returncode, report.stdout) == (0, "out.html: 3 places, 1 agent, 0 warnings\n"), report.stderr
    page = (up.folder / "out.html").read_text(encoding="utf-8")
    assert "surveyor" in page and "every trail is verified, every place answers" in page and controls(page) == set()


def test_an_itinerary_of_the_command_line(up: Up) -> None:
    """In order, with alternatives; one that cannot be met is not launched, and no text that is none."""
    up.launch("tour", "--via", "oslo, rome|lima,baku", "--name", "tourist")
    assert up.data("result", "tourist", "--timeout", "60")["result"] == ["oslo", "lima", "baku"]
    assert [link["destination"] for link in up.data("trail", "tourist")["links"]] == ["lima", "baku"]
    up.error(4, "unknown-place", "launch", f"{up.agents.name}:tour", "--via", "oslo,rome")
    for text in ("", "oslo,,lima", "oslo|", "a/b"):
        answer = up.command("launch", f"{up.agents.name}:tour", "--via", text)
        assert answer.returncode == 2 and "--via" in answer.stderr


def test_one_agent_through_all_commands(up: Up) -> None:
    """Moved, cloned, frozen, looked at, thawed and stopped, by processes that know its name alone."""
    agent = up.launch("watch", "0.2", "--name", "watcher", "--at", "baku")["agent"]
    report = up.data("move", "watcher", "oslo")
    assert (report["to"], report["agent"]) == ("oslo", agent) and report["bytes"] > 0
    child = up.data("clone", "watcher", "--to", "lima")
    assert child["parent"] == agent and child["place"] == "lima"
    places = {row["agent"]: row["place"] for row in up.data("ps")}
    assert (places[agent], places[child["agent"]]) == ("oslo", "lima")
    kept = up.folder / "kept.sojourn"
    kept.write_text("mine", encoding="utf-8")
    up.error(1, "file-exists", "freeze", "watcher", "-o", kept)
    up.error(1, "file-unusable", "freeze", "watcher", "-o", up.folder / "nowhere" / "a.sojourn")
    assert kept.read_text(encoding="utf-8") == "mine"
    file = up.folder / "a.sojourn"
    frozen = up.data("freeze", "watcher", "-o", file)
    assert frozen["bytes"] == file.stat().st_size
    assert up.data("inspect", file)["certificate"]["agent"] == agent
    up.error(1, "agent-frozen", "move", "watcher", "baku")
    assert up.data("thaw", file, "--at", "lima")["place"] == "lima"
    trail = up.data("trail", "watcher")
    assert [link["destination"] for link in trail["links"]] == ["oslo", None]
    assert all(link["bytes"] for link in trail["links"])
    up.data("stop", child["agent"])
    assert up.data("stop", "watcher")["stopped"]
    up.error(1, "agent-ended", "stop", "watcher")
    assert not {agent, child["agent"]} & {row["agent"] for row in up.data("ps")}
    up.data("launch", f"{up.agents.name}:watch", "0.2", "--name", "forced", "--process")
    assert up.data("stop", "forced", "--force")["stopped"]
    up.error(1, "agent-ended", "stop", "forced", "--force")


def test_a_place_is_drained_and_opened_again(up: Up) -> None:
    """Who can leave has left; who cannot is put into a file, or listed; nobody comes in until it is opened again."""
    for name in ("first", "second"):
        up.launch("watch", "0.2", "--name", name, "--at", "baku")
    told = up.data("drain", "baku", "--to", "oslo")
    assert {(row["name"], row["to"], row["file"]) for row in told["agents"]} == {
        ("first", "oslo", None),
        ("second", "oslo", None),
    }
    assert told["stayed"] == 0
    assert {row["place"]: row["draining"] for row in up.data("places")} == {"baku": True, "lima": False, "oslo": False}
    assert "lets nobody in" in up.command("places").stdout
    refused = up.error(3, "move-refused", "move", "first", "baku")
    assert refused["why"] == "place-draining" and "sojourn reopen baku" in refused["message"]
    answer = up.command("reopen", "baku")
    assert (answer.returncode, answer.stdout) == (0, "baku lets agents in again\n")
    up.data("move", "first", "baku")
    up.launch("computing", "30", "--name", "busy", "--at", "baku")
    folder = up.folder / "frozen"
    answer = up.command("drain", "baku", "--timeout", "8", "--freeze", folder)
    assert answer.returncode == 1 and "busy stays: " in answer.stdout and "(agent-busy)" in answer.stdout
    assert "first goes on on " in answer.stdout
    up.data("reopen", "baku")
    up.error(4, "unknown-place", "drain", "nowhere")
    up.error(2, "usage", "drain", "baku", "--to", ",")
    for name in ("first", "second"):
        up.data("stop", name)
    up.data("stop", "busy", "--force")


def test_services_and_published_units(up: Up) -> None:
    """Called, published and pulled, run or as a fragment."""
    assert up.data("call", "oslo", "shown")["result"] == "<Here: oslo>"
    assert up.command("call", "oslo", "shown").stdout == "'<Here: oslo>'\n"
    assert "shown" in up.error(4, "unknown-service", "call", "oslo", "nothing")["message"]
    up.error(4, "unknown-place", "call", "nowhere", "shown")
    raised = up.command("call", "oslo", "broken")
    assert raised.returncode == 1 and "raised TypeError" in raised.stderr and "defect" not in raised.stderr
    unit = f"{up.agents.name}:single"
    told = up.data("publish", unit, "--as", "one", "--version", "1.1", "--at", "lima")
    assert (told["name"], told["version"], told["place"], len(told["digest"])) == ("one", "1.1", "lima", 64)
    up.error(1, "version-taken", "publish", f"{up.agents.name}:pair", "--as", "one", "--version", "1.1", "--at", "lima")
    up.error(1, "not-publishable", "publish", unit, "--version", "x")
    assert up.data("pull", "oslo", "one", "5", "--from", "lima", "--wait")["result"] == {"here": "oslo", "value": 5}
    up.error(4, "unknown-unit", "pull", "oslo", "two")
    up.data("pull", "baku", "one", "--fragment", "ones", "--wait")
    assert up.data("call", "baku", "ones", "[1]")["result"] == {"here": "baku", "value": [1]}
    up.error(1, "agent-failed", "pull", "baku", "one", "--fragment", "ones", "--wait")
    up.data("pull", "baku", "one", "--fragment", "ones", "--replace", "--wait")
    assert up.command("pull", "baku", "one", "--fragment", "a b").returncode == 2
    up.data("pull", "oslo", "one", "5", "--start-at", "+3600", "--process", "--name", "later-pulled")
    (row,) = [row for row in up.data("ps") if row["name"] == "later-pulled"]
    assert row["state"] == "waiting" and row["waits_for"].startswith("its start at 20")
    up.command("stop", "later-pulled")
    up.error(2, "usage", "pull", "oslo", "one", "5", "--start-when", "")


def test_an_owner_is_let_in_once_it_is_trusted(up: Up) -> None:
    """By the trust list of the home folder, which the places of this machine read: nothing is started again."""
    up.data("key", "new", "survey-lab", "--no-trust")
    command = ("launch", f"{up.agents.name}:single", "1", "--owner", "survey-lab", "--at", "lima")
    answer = up.command(*command)
    assert answer.returncode == 3 and answer.stdout == ""
    assert answer.stderr.splitlines()[-3:] == [
        'lima refused the bundle: signer "survey-lab" is not trusted there (untrusted-signer).',
        "Nothing was launched.",
        "On lima run:  sojourn key trust survey-lab.pub",
    ]
    assert up.error(3, "move-refused", *command)["why"] == "untrusted-signer"
    up.data("key", "trust", up.home / "keys" / "survey-lab.pub")
    assert up.data(*command, "--wait")["result"] == {"here": "lima", "value": 1}


def test_the_exception_of_an_agent(up: Up) -> None:
    """With the lines of its own file, and nothing that steers a terminal."""
    answer = up.command("launch", f"{up.agents.name}:failing", "3", "--wait", "--at", "oslo")
    assert answer.returncode == 1 and answer.stdout == ""
    assert 'raise ValueError(f"no\\x1b[31m way at {depth}")' in answer.stderr
    assert "raised ValueError: no\\x1b[31m way at 3 (agent-failed)." in answer.stderr
    assert "It has ended on oslo" in answer.stderr and "defect" not in answer.stderr
    assert controls(answer.stderr) == set()


def test_names_that_nobody_has_are_4(up: Up) -> None:
    """And each says what there is instead, or how to see it."""
    for command in (["trail"], ["logs"], ["stop"], ["freeze", "-o", up.folder / "never"]):
        assert "sojourn ps" in up.error(4, "unknown-agent", *command, "nobody")["message"]
    told = up.error(4, "unknown-place", "launch", f"{up.agents.name}:single", "1", "--at", "nowhere")
    assert "baku, lima, oslo" in told["message"]
    up.error(4, "key-not-found", "launch", f"{up.agents.name}:single", "1", "--owner", "nobody")
    assert not (up.folder / "never").exists()


def test_deadlines_are_5(up: Up) -> None:
    """Of the wait for a result, and of the wait for an end; the agent goes on, and keeps its name."""
    command = ("launch", f"{up.agents.name}:watch", "0.2", "--name", "endless")
    answer = up.command(*command, "--wait", "--timeout", "3", "--format", "json")
    assert answer.returncode == 5, answer.stderr
    assert up.error(1, "move-refused", *command)["why"] == "agent-name-taken"
    assert up.command("logs", "endless", "-f", "--timeout", "3").returncode == 5
    up.data("stop", "endless")


def test_following_ends_with_the_agent(up: Up) -> None:
    """Lines come as they are said, and the last one is its end."""
    up.launch("brief", "4", "--name", "short")
    answer = up.command("logs", "short", "-f", "--timeout", "60", "--format", "json")
    assert (answer.returncode, answer.stderr) == (0, "")
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    said = [event["data"]["text"] for event in events if event["kind"] == "said"]
    assert (events[0]["kind"], said, events[-1]["kind"]) == ("born", ["begun", "done"], "ended")
    assert {event["name"] for event in events} == {"short"}


def test_an_agent_that_begins_later(up: Up) -> None:
    """It is listed with what it waits for; a place without the resource refuses it."""
    born = up.launch("brief", "0", "--at", "oslo", "--start-at", "+3600", "--name", "later")
    assert born["place"] == "oslo"
    (row,) = [row for row in up.data("ps") if row["name"] == "later"]
    assert row["state"] == "waiting" and row["steps"] == 0 and row["waits_for"].startswith("its start at 20")
    assert "waiting for its start at 20" in up.command("ps").stdout
    up.command("stop", "later")
    told = up.error(3, "move-refused", "launch", f"{up.agents.name}:brief", "0", "--start-when", "nothing")
    assert told["why"] == "resource-missing" and "'nothing'" in told["message"]
    up.error(2, "usage", "launch", f"{up.agents.name}:brief", "0", "--start-when", "")
    answer = up.command(
        *("launch", f"{up.agents.name}:brief", "0", "--start-when", "reading", "--start-at", "+600"),
        *("--at", "lima", "--name", "both"),
    )
    assert answer.returncode == 0 and "it waits on lima until it is to begin" in answer.stdout, answer.stderr
    up.command("stop", "both")
    answer = up.command("launch", f"{up.agents.name}:brief", "0", "--start-when", "reading", "--wait")
    assert answer.returncode == 0, answer.stderr


def test_places_and_their_keys(up: Up) -> None:
    """What a place tells; and its key, with which what it has signed is verified elsewhere."""
    found = up.data("places", "--keys", up.folder / "keys")
    assert [(row["place"], row["answers"], row["resources"]) for row in found] == [
        (place, True, ["reading"]) for place in ("baku", "lima", "oslo")
    ]
    for row in found:
        assert up.data("key", "trust", row["key_file"])["roles"] == ["place"]


def test_top_once_and_on_a_terminal(up: Up) -> None:
    """A snapshot where it is piped; on a terminal until the time is over."""
    told = up.data("top")
    assert [place["place"] for place in told["places"]] == ["baku", "lima", "oslo"]
    assert "Latest moves" in up.command("top").stdout
    code, shown = on_terminal("top", "--timeout", "4", "--every", "0.5", env={"SOJOURN_HOME": str(up.home)})
    assert code == 0 and shown.count("sojourn top") >= 2 and "Ctrl-C" in shown and "oslo" in shown


def test_another_home_finds_it_by_its_address(up: Up, tmp_path: Path) -> None:
    """By the option or the variable; whoever only looks gets no key and changes nothing."""
    for given, variables in ((["--address", up.told["address"]], {}), ([], {"RAY_ADDRESS": up.told["address"]})):
        settings = {"SOJOURN_HOME": str(tmp_path / "other"), "RAY_AUTH_MODE": "disabled", **variables}
        answer = sojourn("places", "--format", "json", *given, env=settings)
        assert (answer.returncode, answer.stderr) == (0, "")
        assert len(json.loads(answer.stdout)) == 3
    assert not (tmp_path / "other").exists()


def test_the_doctor_finds_it_well(up: Up) -> None:
    """Everything is looked at, and nothing is wrong with a platform that was just started."""
    told = up.data("doctor")
    assert told["problems"] == 0
    seen = {finding["what"] for finding in told["findings"]}
    assert {"versions", "owner key", "trust", "cluster", "directory", "place", "clock", "disk", "RAY_AUTH_MODE"} <= seen
    assert {"ports", "trust there", "shared memory"} <= seen
    said = {finding["what"]: finding["said"] for finding in told["findings"]}
    assert "all 9 ways" in said["ports"] and "is trusted at all 3 places" in said["trust there"]
    assert all(finding["remedy"] for finding in told["findings"] if finding["mark"] != "ok")


def test_a_second_up_is_refused(up: Up) -> None:
    """In a sentence that says what is up."""
    told = up.error(1, "already-up", "up")
    assert told["address"] == up.told["address"] and "sojourn down" in told["message"]


def test_down_ends_it_and_nothing_else(up: Up) -> None:
    """Every process of the cluster, none other; afterwards nothing is found. The last test of this platform."""
    idle = [sys.executable, "-c", "import time; time.sleep(600)"]
    bystander = subprocess.Popen(idle, env=environment(RAY_TMPDIR="/tmp"))
    try:
        assert len(of_folder(up.ray_folder)) >= 6, "the processes are not found, so their end cannot be seen"
        begun = time.monotonic()
        told = up.data("down")
        assert time.monotonic() - begun < 20, "it did not end on the first signal, and was killed"
        assert told["processes"] >= 6 and told["places"] == ["baku", "oslo", "lima"] and not told["had_died"]
        assert of_folder(up.ray_folder) == [] and not Path(up.ray_folder).exists()
        assert not _lives(up.told["pid"])
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    up.error(4, "not-up", "down")
    assert "sojourn up" in up.error(4, "no-platform", "ps")["message"]


def _lives(pid: int) -> bool:
    """Nobody may be there to take notice of a process that has ended."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_cluster_that_was_killed_is_swept_and_its_agents_come_back(tmp_path: Path) -> None:
    """The process that holds it dies without a word: the commands say so, `down` and `up` remove what it has left."""
    env = {"SOJOURN_HOME": str(tmp_path / "home")}
    agents = write_agents(tmp_path)

    def command(*arguments: object) -> Any:
        answer = sojourn(*arguments, "--format", "json", env=env, cwd=tmp_path, timeout=240)
        told = answer.stdout if answer.returncode == 0 else answer.stderr
        return answer.returncode, json.loads(told.splitlines()[-1])

    start = ("up", "--places", "baku", "--state", tmp_path / "state")
    try:
        code, told = command(*start)
        assert code == 0, told
        folder = json.loads((tmp_path / "home" / "run" / "cluster.json").read_text(encoding="utf-8"))["folder"]
        assert command("launch", f"{agents.name}:watch", "0.2", "--name", "lasting")[0] == 0
        os.kill(told["pid"], signal.SIGKILL)
        assert eventually(lambda: command("ps")[0] == 4)
        assert "has ended" in command("ps")[1]["message"]
        code, again = command(*start)
        assert code == 0, again
        assert of_folder(folder) == [] and not Path(folder).exists()
        code, agents_now = command("ps")
        assert [(row["name"], row["place"]) for row in agents_now] == [("lasting", "baku")]
        os.kill(again["pid"], signal.SIGKILL)
        time.sleep(0.5)
        code, ended = command("down")
        assert (code, ended["had_died"], ended["state"]) == (0, True, str(tmp_path / "state"))
    finally:
        command("down")
    assert not (tmp_path / "home" / "run" / "cluster.json").exists()


def test_ctrl_c_during_up_leaves_nothing(tmp_path: Path) -> None:
    """Neither a process nor a file by which another command would look for one."""
    home = tmp_path / "home"
    before = {process.pid for process in psutil.process_iter()}
    process = subprocess.Popen(
        [sys.executable, *STRICT, "-m", "agents.cli", "up", "--home", str(home)],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    holding = str(home / "run" / "cluster.json")

    def holders() -> list[psutil.Process]:
        found = []
        for one in psutil.process_iter():
            try:
                if one.pid not in before and one.pid != process.pid and holding in one.cmdline():
                    found.append(one)
            except psutil.Error:
                continue
        return found

    (holder,) = eventually(holders) or [None]  # type: ignore[misc]
    assert holder is not None
    time.sleep(3)  # the first node comes up
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and errors.startswith("Interrupted."), errors
    assert holders() == [] and not Path(holding).exists()
    assert eventually(lambda: not holder.is_running())


def test_an_up_that_takes_too_long_is_5_and_leaves_nothing(tmp_path: Path) -> None:
    """As with Ctrl-C, but by the clock."""
    answer = sojourn("up", "--timeout", "1.5", "--format", "json", env={"SOJOURN_HOME": str(tmp_path)})
    assert answer.returncode == 5, answer.stderr
    assert "ended again" in json.loads(answer.stderr)["message"]
    assert not (tmp_path / "run" / "cluster.json").exists()
