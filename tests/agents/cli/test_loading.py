"""From ``FILE:FUNCTION ARGS...`` to a call: which module it becomes, and what is made of the arguments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from agents.cli.loading import arguments_of, load
from tests.agents.cli.running import failure, invoke
from tests.agents.cli.travelling import write_agents


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A file of agents; what is imported from it is forgotten afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    yield write_agents(tmp_path)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(tmp_path):
            del sys.modules[name]


def launched(target: str, *arguments: str) -> Any:
    """A command in JSON; nothing is up, so that what comes after the loading is `no-platform`."""
    return invoke("launch", "--format", "json", "--home", Path(target).parent / "nobody", target, *arguments)


def test_a_file_becomes_a_module_of_its_name(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its folder on the path, so that its code and that of the module beside it are the project's own."""
    function = load(f"{file}:survey")
    assert function.__module__ == file.stem and "beside" in sys.modules
    assert capsys.readouterr() == ("", "loading\n"), "what a file prints must not come between the data"


def test_a_file_in_a_package_is_loaded_in_it(file: Path) -> None:
    """Else its relative imports would fail."""
    package = file.parent / "expedition_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "tools.py").write_text("def name(here):\n    return here.name\n", encoding="utf-8")
    text = "from .tools import name\ndef ask(here):\n    return name(here)\n"
    (package / "team.py").write_text(text, encoding="utf-8")
    assert load(f"{package / 'team.py'}:ask").__module__ == "expedition_of_a_test.team"


@pytest.mark.parametrize(
    ("function", "code", "slug", "part"),
    [
        ("nothing", 4, "function-not-found", "failing, many, pair, single, survey"),
        ("Visitor", 4, "function-not-found", "Visitor"),
        ("undecorated", 1, "not-loadable", "@agent"),
        ("doubled.nothing", 4, "function-not-found", "nothing"),
    ],
)
def test_what_cannot_be_launched(file: Path, function: str, code: int, slug: str, part: str) -> None:
    """Each says why, and what there is instead."""
    assert part in failure(launched(f"{file}:{function}"), code, slug)["message"]


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a.py", "def a(:\n", "line 1"),
        ("a.py", "import nothing_of_this_name\n", "nothing_of_this_name"),
        ("a.py", "raise SystemExit(0)\n", "SystemExit"),
        ("json.py", "def a(here): pass\n", "another name"),
        ("random.py", "def a(here): pass\n", "another name"),
        ("my-agents.py", "def a(here): pass\n", "no name"),
        ("a.txt", "def a(here): pass\n", ".py"),
        ("a.py", "def a(): pass\n", "first parameter"),
    ],
)
def test_files_that_cannot_be_loaded(file: Path, name: str, text: str, part: str) -> None:
    """A mistake in the file is told as that, and not as a defect of this program."""
    other = file.parent / name
    other.write_text(text, encoding="utf-8")
    told = failure(launched(f"{other}:a"), 1, "not-loadable")
    assert part in told["message"] and "loading.py" not in told["trace"]


def test_a_folder_of_the_same_name_is_not_taken_for_the_file(file: Path) -> None:
    """An import would find the package, and something else than what was named would be launched."""
    (file.parent / "both_of_a_test").mkdir()
    (file.parent / "both_of_a_test" / "__init__.py").write_text("def a(here): pass\n", encoding="utf-8")
    other = file.parent / "both_of_a_test.py"
    other.write_text("def a(here): pass\n", encoding="utf-8")
    assert "another module" in failure(launched(f"{other}:a"), 1, "not-loadable")["message"]


def test_a_construct_that_cannot_travel_speaks_for_itself(file: Path) -> None:
    """The decorator's own error, with its line and remedy."""
    other = file.parent / "odd_of_a_test.py"
    text = "from agents import agent\n@agent\ndef a(here):\n  match here:\n    case 1 if (yield):\n      pass\n"
    other.write_text(text, encoding="utf-8")
    result = launched(f"{other}:a")
    assert result.exit_code == 1 and "a match guard yields" in result.stderr and "unexpected" not in result.stderr


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """As for every other command."""
    failure(launched(f"{tmp_path / 'a.py'}:a"), 4, "file-not-found")
    failure(launched(f"{tmp_path}:a"), 1, "file-unusable")


def test_nothing_is_up_is_found_out_last(file: Path) -> None:
    """The file is right, the arguments fit: then what is missing is the platform."""
    failure(launched(f"{file}:single", "1"), 4, "no-platform")
    assert not (file.parent / "nobody").exists()


# -- arguments


def survey(here: Any, places: Any) -> None: ...
def one(here: Any, value: Any) -> None: ...
def two(here: Any, value: Any, other: Any = 2) -> None: ...
def several(here: Any, *values: Any) -> None: ...
def none(here: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        (survey, ["baku", "oslo", "lima"], [["baku", "oslo", "lima"]]),
        (survey, ["baku"], [["baku"]]),
        (survey, ['["baku", "oslo"]'], [["baku", "oslo"]]),
        (survey, ['["baku"]', "oslo"], [[["baku"], "oslo"]]),
        (one, ["baku"], ["baku"]),
        (one, ["1", "2"], [[1, 2]]),
        (one, ["[1, 2]"], [[1, 2]]),
        (two, ["1"], [1]),
        (two, ["1", "x"], [1, "x"]),
        (several, ["1", "x", "null"], [1, "x", None]),
        (none, [], []),
    ],
)
def test_several_for_one_parameter_are_one_list(function: Any, given: list[str], expected: list[Any]) -> None:
    """As `sojourn launch survey.py:survey baku oslo lima` for `def survey(here, places)`."""
    assert arguments_of(function, given) == expected


@pytest.mark.parametrize(
    ("function", "given"), [(survey, []), (one, []), (two, []), (two, ["1", "2", "3"]), (none, ["1"])]
)
def test_arguments_that_do_not_fit_are_a_usage_error(function: Any, given: list[str]) -> None:
    """Found out here, and not at a place."""
    with pytest.raises(typer.BadParameter, match=function.__name__):
        arguments_of(function, given)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-1.5", -1.5),
        ("true", True),
        ("null", None),
        ('"5"', "5"),
        ('{"a": [1]}', {"a": [1]}),
        ("True", "True"),
        ("baku", "baku"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("", ""),
        ("1 2", "1 2"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_json_where_it_is_json_else_text(text: str, value: Any) -> None:
    """No text is an error, and what is a number of JSON is a number."""
    (found,) = arguments_of(one, [text])
    assert found == value and type(found) is type(value)


@given(st.text())
def test_every_text_can_be_given_as_it_is(text: str) -> None:
    """By writing it as JSON."""
    import json

    assert arguments_of(one, [json.dumps(text)]) == [text]


CLASSES = """
class Surveyor:
    def __init__(self, places, most=3):
        self.places, self.most = places, most

    def arrive(self, here):
        return None


class Wrong:
    def arrive(self):
        return None


class Other:
    pass
"""


def test_classes_with_arrive(tmp_path: Path, file: Path) -> None:
    """Their arguments are those with which they are made; the place is none of them."""
    module = tmp_path / "class_agents_of_a_file.py"
    module.write_text(CLASSES)
    found = load(f"{module}:Surveyor")
    assert arguments_of(found, ["oslo", "5"]) == ["oslo", 5]
    with pytest.raises(typer.BadParameter, match="cannot be called with these"):
        arguments_of(found, [])
    told = failure(launched(f"{module}:Wrong"), 1, "not-loadable")
    assert "Wrong.arrive" in told["message"]
    told = failure(launched(f"{module}:Other"), 4, "function-not-found")
    assert "Surveyor" in told["message"]
