"""The guides: every example is run, and prints what the guide says.

The examples of a platform that stays the same run on a real cluster, those that need a fresh one each in one process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agents import Platform
from agents.testing import LocalPlatform
from tests.support.ray_cluster import PLACES, platform_here

pytestmark = pytest.mark.timeout(180)
DOCS = Path(__file__).parents[1] / "docs"
GUIDE = DOCS / "guide-mobility.md"
FEDERATED = DOCS / "guide-federated.md"
#: Headings, and blocks of Python with what they print, if that stands there.
PARTS = re.compile(
    r"^(?P<mark>##+) (?P<title>[^\n]+)$|^```python\n(?P<code>.*?)^```(?:\s*^```text\n(?P<printed>.*?)^```)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Example:
    """A block with what it prints, and the block above it that makes its platform."""

    title: str
    setting: str
    code: str
    printed: str

    @property
    def is_fresh(self) -> bool:
        return "Bindings" in self.title


def examples(guide: Path) -> list[Example]:
    """All of a guide."""
    text = guide.read_text(encoding="utf-8")
    found: list[Example] = []
    title = section = ""
    settings: dict[str, str] = {}
    for match in PARTS.finditer(text):
        if match["title"]:
            title = match["title"]
            section = title if match["mark"] == "##" else section
        elif "platform = connect(" in match["code"]:
            settings[section] = match["code"]
        else:
            assert match["printed"] is not None, f"an example of {title!r} without what it prints"
            setting = settings.get(section, settings.get("", ""))
            name = section if title == section else f"{section}: {title}"
            found.append(Example(name, setting, match["code"], match["printed"]))
    return found


EXAMPLES = examples(GUIDE)
OF_LEARNING = examples(FEDERATED)


def test_no_example_is_left_out() -> None:
    """Whatever is Python in the guide is run, but for the two blocks that make a platform."""
    assert GUIDE.read_text(encoding="utf-8").count("```python\n") == len(EXAMPLES) + 2
    assert len(EXAMPLES) > 50 and len({example.setting for example in EXAMPLES}) == 2
    assert FEDERATED.read_text(encoding="utf-8").count("```python\n") == len(OF_LEARNING) > 5


@contextlib.contextmanager
def imported(path: Path, **given: object) -> Iterator[ModuleType]:
    """A file as a module of its own, as a user's program is."""
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        vars(module).update(given)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(path.parent))


def arguments_of(setting: str, folder: Path) -> dict[str, Any]:
    """With what `connect` is called there."""
    path = folder / f"guide_setting_{len(setting)}.py"
    path.write_text(setting.replace("platform = connect(", "arguments = dict("), encoding="utf-8")
    with imported(path) as module:
        return dict(module.arguments)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform of most examples, as the guide makes it."""
    folder = tmp_path_factory.mktemp("guide")
    setting = next(example.setting for example in EXAMPLES if not example.is_fresh)
    arguments = arguments_of(setting, folder)
    assert tuple(arguments.pop("places")) == PLACES
    with platform_here(**arguments, home=folder / "home") as platform:
        yield platform


@contextlib.contextmanager
def platform_of(example: Example, folder: Path, request: pytest.FixtureRequest) -> Iterator[Platform]:
    if not example.is_fresh:
        yield request.getfixturevalue("lasting")
        return
    with LocalPlatform(**arguments_of(example.setting, folder)) as fresh:
        yield fresh


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[example.title for example in EXAMPLES])
def test_the_example_prints_what_the_guide_says(tmp_path: Path, number: int, request: pytest.FixtureRequest) -> None:
    example = EXAMPLES[number]
    path = tmp_path / f"guide_example_{number}.py"
    path.write_text(example.code, encoding="utf-8")
    output = io.StringIO()
    with platform_of(example, tmp_path, request) as platform, contextlib.redirect_stdout(output):
        with imported(path, platform=platform):
            pass
    assert output.getvalue() == example.printed


@pytest.mark.parametrize("number", range(len(OF_LEARNING)), ids=[example.title for example in OF_LEARNING])
def test_the_example_of_learning_prints_what_the_guide_says(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"learning_example_{number}.py"
    path.write_text(OF_LEARNING[number].code, encoding="utf-8")
    output = io.StringIO()
    with contextlib.redirect_stdout(output), imported(path):
        pass
    assert output.getvalue() == OF_LEARNING[number].printed
