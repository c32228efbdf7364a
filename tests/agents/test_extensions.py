"""What other packages offer at places: found when it is asked for, and no place suffers from one that is broken."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from agents import extensions
from agents.errors import AgentsError, ExtensionUnusable, ResourceFileInvalid, UnknownService
from agents.extensions import check_extensions
from agents.placefile import check_place_file
from agents.testing import LocalPlatform
from tests.agents.extension_samples import Echo

SAMPLES = "tests.agents.extension_samples"
KNOWN = {
    "echo": f"{SAMPLES}:echo",
    "broken": f"{SAMPLES}:broken",
    "exiting": f"{SAMPLES}:exiting",
    "missing": "tests.agents.no_such_module:thing",
}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed are those above, and one name that two packages have."""
    installed = [EntryPoint(name, value, "sojourn.extensions") for name, value in KNOWN.items()]
    installed += [EntryPoint("twice", f"{SAMPLES}:{which}", "sojourn.extensions") for which in ("echo", "broken")]
    monkeypatch.setattr(extensions, "entry_points", lambda **wanted: EntryPoints(installed).select(**wanted))


def written(folder: Path, text: str) -> Path:
    file = folder / "place.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_an_extension_finds_at_its_place(tmp_path: Path) -> None:
    """What is for all places, then what is for this one; from files and from Python; and a folder of its own."""
    everywhere = written(tmp_path, "[place.echo]\na = 1\n")
    (tmp_path / "oslo").mkdir()
    here = written(tmp_path / "oslo", "[place.echo]\nb = 2\n[place.resources.x]\nvalue = 1\n")
    given = {"*": {"echo": "all"}, "oslo": {"echo": "own"}}
    folder = tmp_path / "state"
    files = {"*": everywhere, "oslo": here}
    with LocalPlatform(["oslo", "lima"], extensions=given, place_files=files, folder=folder) as platform:
        assert platform.call("oslo", "echo", 7) == ["oslo", "oslo", ["all", "own"], [{"a": 1}, {"b": 2}], 7]
        assert platform.call("lima", "echo", 7) == ["lima", "lima", ["all"], [{"a": 1}], 7]
        assert platform.call("oslo", "key") == platform.running["oslo"].core.identity.key_id
        assert "echo" in {place.name: place for place in platform.places(details=True)}["oslo"].about["services"]
    assert (folder / "places" / "oslo" / "extensions" / "echo" / "mark").read_text() == "oslo"


def test_a_place_without_tables_has_no_extensions() -> None:
    """Nothing is opened that nobody asked for."""
    with LocalPlatform(["oslo", "lima"], extensions={"oslo": {"echo": 1}}) as platform:
        with pytest.raises(UnknownService):
            platform.call("lima", "echo", 1)


@pytest.mark.parametrize(
    ("name", "told"),
    [("broken", "no ledger here"), ("exiting", "SystemExit: 3")],
)
def test_one_that_cannot_be_opened_keeps_its_place_from_nothing_else(
    name: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever calls what is not there hears why; the others are offered."""
    with LocalPlatform(["oslo"], extensions={"oslo": {name: 1, "echo": 2}}) as platform:
        assert platform.call("oslo", "echo", 1)[4] == 1
        with pytest.raises(ExtensionUnusable, match=told) as caught:
            platform.call("oslo", "federated", b"")
        assert caught.value.place == "oslo" and caught.value.name == name
    assert told in capfd.readouterr().err


def test_it_is_closed_with_its_place_however_that_ends(capfd: pytest.CaptureFixture[str]) -> None:
    """Also where closing it fails, and when the place is opened anew after it was killed."""
    Echo.closed.clear()
    with LocalPlatform(["oslo", "lima"], extensions={"oslo": {"echo": "rude"}, "lima": {"echo": 1}}) as platform:
        platform.kill("lima")
        assert Echo.closed == ["lima"]
        platform.start("lima")
        assert platform.call("lima", "echo", 2)[4] == 2
    assert sorted(Echo.closed) == ["lima", "lima", "oslo"]
    assert "will not close" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[place.ecko]\n", "ecko"),
        ("[place.echo]\nwrong = 1\n", "this is wrong"),
        ("[place]\necho = 3\n", r"\[place.echo\] is no table"),
        ("place = 3\n", "is no table"),
        ("[place.missing]\n", "no_such_module"),
        ("[place.twice]\n", "several packages"),
        ("[place.resources]\nx = 1\n", "resources"),
        ("[place.echo\n", "place.toml"),
    ],
)
def test_a_mistake_in_a_file_shows_before_anything_is_started(tmp_path: Path, text: str, told: str) -> None:
    """A table that nobody knows would else be a policy that does not hold."""
    with pytest.raises(AgentsError, match=told):
        check_place_file(written(tmp_path, text))


def test_a_file_with_an_unknown_table_is_told_at_its_place(tmp_path: Path) -> None:
    """Where it lies on another machine, nobody has looked at it before."""
    file = written(tmp_path, "[place.echo]\n[place.ecko]\n")
    opened = extensions.Extensions(tmp_path / "e", [file])
    opened.open("oslo", None, None)  # type: ignore[arg-type]  # nothing is opened
    assert isinstance(opened.problem, ResourceFileInvalid) and not opened.services


def test_what_python_gives_is_looked_at_first() -> None:
    with pytest.raises(ExtensionUnusable, match="ecko"):
        check_extensions({"*": {"ecko": 1}})
    with pytest.raises(AgentsError, match="this is wrong"):
        check_extensions({"oslo": {"echo": "wrong"}})
    with pytest.raises(ExtensionUnusable, match="ecko"):
        LocalPlatform(["oslo"], extensions={"oslo": {"ecko": 1}})


def test_a_pickle_that_cannot_be_read_at_the_place(tmp_path: Path) -> None:
    """A module that is not there is that extension's misfortune."""

    def read() -> object:
        raise ModuleNotFoundError("no module named wards")

    opened = extensions.Extensions(tmp_path, given={"echo": [read]})
    opened.open("oslo", None, None)  # type: ignore[arg-type]  # it does not come to that
    assert isinstance(opened.problem, ExtensionUnusable) and "wards" in str(opened.problem)
    again = pickle.loads(pickle.dumps(opened.problem))
    assert str(again) == str(opened.problem) and again.name == "echo"


@pytest.mark.parametrize("module", ["agents.extensions", "agents.placefile", "agents.services", "agents.testing"])
def test_each_module_can_be_imported_first(module: str) -> None:
    """Places, services and extensions know each other, and imports must not go in a circle."""
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
