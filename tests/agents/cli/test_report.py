"""``sojourn report``: one page about a platform; what it writes, what it refuses, and whom it names."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import agents.cli.reaching
from agents import agent, clone, hop, receive
from agents.testing.local import LocalPlatform
from tests.agents.cli.running import data, failure, invoke
from tests.agents.place.conftest import until

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e&amp;]]>"


@agent
def goes(here: Any, words: Any) -> Any:
    here = yield hop("lima")
    here.log(words)
    here = yield hop("oslo")
    yield receive(600)


@agent
def doubles(here: Any) -> Any:
    yield clone("lima")
    yield receive(600)


@agent
def fails(here: Any, words: Any) -> Any:
    here = yield hop("lima")
    raise ValueError(words)


@agent
def ends(here: Any) -> Any:
    here = yield hop("lima")
    return here.name


@pytest.fixture(scope="module")
def platform() -> Iterator[LocalPlatform]:
    """With agents that have travelled, were cloned, have failed, have ended and were frozen."""
    with LocalPlatform(["oslo", "lima"]) as made:
        made.launch(goes, HOSTILE, at="oslo", name="traveller")
        made.launch(doubles, at="oslo", name="twin")
        with pytest.raises(ValueError):
            made.launch(fails, HOSTILE, at="oslo", name="unlucky").result(timeout=30)
        assert made.launch(ends, at="oslo", name="finished").result(timeout=30) == "lima"
        frozen = made.launch(doubles, at="lima", name="frozen one")
        assert until(lambda: frozen.status().state == "waiting", 30)
        frozen.freeze()
        assert until(lambda: made.get("traveller").status().state == "waiting", 30)
        yield made


@pytest.fixture(autouse=True)
def _reached(platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the stead of a cluster: `test_platform` has one."""

    @contextmanager
    def connected(*given: Any, **options: Any) -> Iterator[LocalPlatform]:
        yield platform

    monkeypatch.setattr(agents.cli.reaching, "connected", connected)


def text_of(file: Path) -> str:
    """Of a page that is well formed, and has nothing that runs or is fetched."""
    root = ElementTree.fromstring(file.read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>"))
    assert not {one.tag.rpartition("}")[2] for one in root.iter()} & {"script", "img", "style", "link", "iframe"}
    for one in root.iter():
        assert not {name for name in one.attrib if name.startswith("on") or name in ("src", "href")}
    return " ".join(root.itertext())


def test_it_tells_of_every_agent(tmp_path: Path) -> None:
    """Also of those that have ended, whose failure stands where it is seen."""
    file = tmp_path / "out.html"
    result = invoke("report", file)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{file}: 2 places, 7 agents, 0 warnings\n" and result.stderr == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "logs are for whoever asked"
    told = text_of(file)
    assert all(name in told for name in ("traveller", "twin", "unlucky", "finished", "frozen one"))
    assert "failed: ValueError: <script>alert(1)" in told and "every trail is verified, every place answers" in told
    assert "<script>alert(1)</script>" in told, "what it says is there, as text"
    assert not {"\x1b", "\u202e"} & set(told)


def test_only_those_who_are_named(tmp_path: Path) -> None:
    file = tmp_path / "out.html"
    assert invoke("report", file, "finished").stdout == f"{file}: 2 places, 1 agent, 0 warnings\n"
    headings = [one.strip() for one in text_of(file).split("trail of")]
    assert len(headings) == 2 and "finished" in headings[1]


def test_its_data(tmp_path: Path) -> None:
    told = data(invoke("report", tmp_path / "out.html", "unlucky", "traveller", "--format", "json"))
    assert set(told) == {"file", "time", "warnings", "places", "agents", "reports"}
    assert [one["name"] for one in told["reports"]] == ["unlucky", "traveller"] and told["warnings"] == []
    unlucky, traveller = told["reports"]
    assert unlucky["trail"]["verified"] and len(traveller["trail"]["links"]) == 2
    assert any(event["kind"] == "failed" for event in unlucky["log"])
    assert {place["place"] for place in told["places"]} == {"oslo", "lima"} and Path(told["file"]).is_file()


def test_nothing_is_overwritten_unless_that_is_wanted(tmp_path: Path) -> None:
    """The remedy that is given works."""
    file = tmp_path / "out.html"
    file.write_text("mine")
    refused = failure(invoke("report", file, "--format", "json"), 1, "file-exists")
    assert "--force" in refused["message"] and file.read_text() == "mine"
    assert invoke("report", file, "--force").exit_code == 0 and "Sojourn report" in text_of(file)
    assert [one.name for one in tmp_path.iterdir()] == ["out.html"], "nothing else is left there"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    failure(invoke("report", tmp_path, "--format", "json"), 1, "file-unusable")
    failure(invoke("report", tmp_path / "none" / "out.html", "--format", "json"), 1, "file-unusable")
    assert list(tmp_path.iterdir()) == []
    assert invoke("report").exit_code == 2


def test_an_agent_that_is_not_there(tmp_path: Path) -> None:
    """Nothing is written."""
    told = failure(
        invoke("report", tmp_path / "out.html", "finished", "nobody", "--format", "json"), 4, "unknown-agent"
    )
    assert "nobody" in told["message"] and list(tmp_path.iterdir()) == []


def test_a_place_that_does_not_answer_is_a_warning_and_no_failure(
    tmp_path: Path, platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agents.errors import PlaceUnreachable

    client = platform.client
    asked = type(client).describe_place

    def describe(self: Any, place: str, **options: Any) -> Any:
        if place == "lima":
            raise PlaceUnreachable(place, "it is away")
        return asked(self, place, **options)

    monkeypatch.setattr(type(client), "describe_place", describe)
    result = invoke("report", tmp_path / "out.html", "finished")
    assert result.exit_code == 0 and "1 warning\n  lima does not answer: place-unreachable" in result.stdout
    assert "lima does not answer" in text_of(tmp_path / "out.html")


def test_what_the_reference_shows_is_what_it_prints(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    text = (root / "docs" / "reference-cli.md").read_text(encoding="utf-8")
    shown = text.split("$ sojourn report report.html surveyor\n")[1].split("```")[0]
    printed = invoke("report", tmp_path / "report.html", "finished").stdout
    assert printed.replace(str(tmp_path) + "/", "").replace("2 places", "3 places") == shown
    named = json.loads(invoke("report", tmp_path / "b.html", "--format", "json").stdout)
    line = next(line for line in text.splitlines() if line.startswith("With `--format json` the data of the page"))
    assert all(f"`{key}`" in line for key in named)
