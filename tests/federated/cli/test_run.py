"""``sojourn fl run``, on places of this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from federated.results import ArrayNote, RunResult
from tests.agents.cli.running import data, failure, invoke
from tests.federated.cli.conftest import Site
from tests.federated.probes import write


def run(site: Site, *options: object, on: str = "oslo,lima", **more: Any) -> Any:
    return invoke("fl", "run", site.app, "--on", on, *options, **more)


@pytest.fixture(scope="module")
def once(site: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """One run with all its files."""
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        from contextlib import contextmanager

        from agents.cli import reaching

        patch.setattr(reaching, "connected", contextmanager(lambda *_, **__: iter([site.platform])))
        patch.setenv("SOJOURN_HOME", str(site.home))
        options = ["--run-config", "rounds=2", "--seed", "7", "--log", folder / "server.log", "-o", folder / "out.json"]
        files = ["--arrays", folder / "out.npz", "--plot", folder / "out.svg", "--format", "json"]
        return folder, run(site, *options, *files)


def test_data_on_stdout_and_progress_on_stderr_as_json(once: tuple[Path, Any], site: Site) -> None:
    """One line is the result; each line of stderr is a phase of a round, counted."""
    folder, result = once
    told = data(result)
    assert (told["format"], told["nodes"], told["seed"]) == ("sojourn-run-result", ["oslo", "lima"], 7)
    assert told["config"]["rounds"] == 2 and told["strategy"] == "FedAvg" and not told["failures"]
    assert told == json.loads((folder / "out.json").read_text())
    lines = [json.loads(line)["progress"] for line in result.stderr.splitlines()]
    assert [(one["round"], one["phase"], one["answered"], one["failed"]) for one in lines[:1]] == [(1, "train", 2, 0)]
    assert sum(one["phase_sent"] for one in lines) <= told["bytes"]["sent"]
    assert all(one["phase_seconds"] >= 0 and one["phase_received"] >= 0 for one in lines)


def test_files_of_a_result(once: tuple[Path, Any]) -> None:
    """Arrays fit the digests in the JSON, which can be read again; the picture is one."""
    folder, result = once
    told = RunResult.from_json((folder / "out.json").read_bytes())
    assert told.as_data() == data(result)
    with numpy.load(folder / "out.npz") as file:
        assert {name: ArrayNote.of(file[name]) for name in file.files} == told.notes
    assert "<svg" in (folder / "out.svg").read_text()
    assert (folder / "server.log").stat().st_size > 0


def test_text_for_people(site: Site) -> None:
    """A line for each phase, then what came of it; who was not let in is named, and why."""
    result = run(site, on="oslo,baku")
    assert result.exit_code == 0, result.output
    first, *lines = result.stderr.splitlines()
    assert "probe 1.0.0 on oslo, baku" in first
    assert lines[0].startswith("round 1 train, 1 answered, loss 0.5")
    assert "not baku" in result.stdout and "app-not-admitted" in result.stdout
    assert result.stdout.startswith("Done after")


def test_a_journal_goes_on_and_belongs_to_one_run(site: Site, tmp_path: Path) -> None:
    """The same command asks no node again, and ends with the same arrays; another run is refused."""
    kept = ["--journal", tmp_path / "a.journal", "--format", "json"]
    first = data(run(site, *kept, on="oslo"))
    again = data(run(site, *kept, on="oslo"))
    assert first["messages"]["asked"] > 0 and again["messages"]["asked"] == 0
    assert again["messages"]["recalled"] == first["messages"]["asked"]
    assert again["arrays"] == first["arrays"] and again["run"] == first["run"]
    for other in (["--seed", "5"], ["--run-config", "rounds=3"], ["--on", "lima"]):
        failure(run(site, *kept, *other, on="oslo"), 3, "journal-mismatch")


def test_ctrl_c_says_how_to_go_on(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And with the journal it does."""
    from federated.cli.watching import RunScreen

    def interrupted(self: RunScreen, progress: Any) -> None:
        raise KeyboardInterrupt

    journal = tmp_path / "a.journal"
    with monkeypatch.context() as patch:
        patch.setattr(RunScreen, "__call__", interrupted)
        error = failure(run(site, "--journal", journal, "--format", "json", on="oslo"), 1, "run-interrupted")
        assert error["journal"] == str(journal) and f"--journal {journal}" in error["message"]
        assert "--journal FILE" in run(site, on="oslo").stderr
    told = data(run(site, "--journal", journal, "--format", "json", on="oslo"))
    assert told["messages"] == {"asked": 0, "recalled": 1, "failed": 0, "late": 0}


def test_a_run_that_takes_too_long_is_5(site: Site) -> None:
    """Whatever is under way then."""
    error = failure(run(site, "--timeout", "0.5", "--format", "json", on="oslo"), 5, "command-timed-out")
    assert error["seconds"] == 0.5


def test_owners_who_refuse_are_3_and_places_that_are_down_are_1(site: Site) -> None:
    """Scripts tell them apart."""
    failure(run(site, "--format", "json", on="baku"), 3, "too-few-nodes")
    failure(run(site, "--patience", "0", "--format", "json", on="nowhere"), 1, "too-few-nodes")
    failure(run(site, "--patience", "0", "--format", "json", on="baku,nowhere"), 1, "too-few-nodes")
    failure(run(site, "--dataset", "nothing", "--format", "json", on="oslo"), 3, "too-few-nodes")


def test_a_run_that_nobody_has_answered_is_1(site: Site, tmp_path: Path) -> None:
    """The app has come to its end; a script must not take that for a model. The result is written all the same."""
    write(tmp_path / "app", "raise ValueError('no')")
    told = invoke("fl", "run", tmp_path / "app", "--on", "oslo,lima", "-o", tmp_path / "out.json")
    assert told.exit_code == 1 and "without a single answer" in told.stdout and "raised ValueError" in told.stdout
    assert RunResult.from_json((tmp_path / "out.json").read_bytes()).all_failed


def test_a_signed_bundle_runs_if_its_author_is_trusted_here(site: Site, tmp_path: Path) -> None:
    """Its server part runs on this machine, so nodes are not the only ones to look."""
    from federated.app import AppBundle
    from mobility.trust import Identity

    signed = tmp_path / "a.app"
    invoke("fl", "sign", site.app, "-o", signed)
    assert data(invoke("fl", "run", signed, "--on", "oslo", "--format", "json"))["nodes"] == ["oslo"]
    failure(invoke("fl", "run", signed, "--on", "oslo", "--author", "owner", "--format", "json"), 2, "usage")
    eve = AppBundle.from_dir(site.app).signed_by(Identity.generate("eve", "owner"))
    signed.write_bytes(eve.to_bytes())
    failure(invoke("fl", "run", signed, "--on", "oslo", "--format", "json"), 3, "untrusted-signer")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--on", "oslo,,lima"], "empty"),
        (["--on", "oslo,oslo"], "twice"),
        (["--run-config", "rounds"], "key=value"),
        (["--run-config", "rounds=2 junk"], "junk"),
        (["--run-config", "deep.value=x"], "quotes"),
        (["--run-config", 'deep.value="x'], "key=value"),
        (["--run-config", "rounds=[1]"], "rounds"),
        (["--run-config", "rouns=2"], "rouns"),
        (["--plot", "a.gif"], ".svg"),
        (["--arrays", "a.txt"], ".npz"),
        (["--least", "0"], "0"),
        (["--seed", "-1"], "-1"),
    ],
    ids=lambda value: " ".join(value) if type(value) is list else value,
)
def test_a_wrong_command_line_is_2_before_anything_is_sent(
    site: Site, options: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agents.cli import reaching

    monkeypatch.setattr(reaching, "connected", None)
    result = run(site, *options)
    assert result.exit_code == 2, result.output
    assert told in result.stderr and result.stdout == ""


def test_files_that_cannot_be(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out before the training, not after it."""
    from agents.cli import reaching

    monkeypatch.setattr(reaching, "connected", None)
    json_ = ["--format", "json"]
    failure(run(site, "-o", tmp_path / "no" / "out.json", *json_), 1, "file-unusable")
    failure(run(site, "--plot", tmp_path / "no" / "out.svg", *json_), 1, "file-unusable")
    failure(run(site, "--run-config", tmp_path / "no.toml", *json_), 4, "file-not-found")
    failure(run(site, "--author", "nobody", *json_), 4, "key-not-found")
    failure(invoke("fl", "run", tmp_path / "none", "--on", "oslo", *json_), 4, "file-not-found")
    failure(invoke("fl", "run", tmp_path, "--on", "oslo", *json_), 1, "app-invalid")
    (tmp_path / "bad.journal").write_bytes(b"no journal, and long enough to be one" * 4)
    failure(run(site, "--journal", tmp_path / "bad.journal", *json_), 3, "journal-corrupt")


@pytest.mark.parametrize(
    ("package", "options", "extra"), [("flwr", [], "federated"), ("matplotlib", ["--plot", "a.svg"], "plot")]
)
def test_without_an_extra_it_says_what_to_install(
    site: Site, package: str, options: list[str], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from federated import extras

    known = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == package else known(name))
    error = failure(run(site, *options, "--format", "json"), 1, "extra-missing")
    assert error["package"] == package and f"sojourn[{extra}]" in error["message"]


def test_settings_have_flowers_spelling(tmp_path: Path) -> None:
    """Values are TOML's; files and lines are taken in the order in which they stand."""
    from federated.cli.settings import settings_of

    file = tmp_path / "a.toml"
    file.write_text('rounds = 1\n[deep]\nvalue = "from the file"\n')
    line = "rounds=3 rate=1e-3 deep.value=\"a 'b' = c\" flag=true other='x y'"
    assert settings_of([str(file), line]) == {
        "rounds": 3, "rate": 1e-3, "deep.value": "a 'b' = c", "flag": True, "other": "x y",
    }  # fmt: skip
    assert settings_of([line, str(file)])["rounds"] == 1
    assert settings_of([]) == {} == settings_of(["  "])
