"""The guide to code mobility: every example is run on real places, and prints what the guide says."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import Platform, connect
from agents._ray.cluster import reach

pytestmark = pytest.mark.timeout(180)
GUIDE = Path(__file__).parents[1] / "docs" / "guide-mobility.md"
#: A heading, an example, and what it prints.
EXAMPLE = re.compile(r"```python\n(?P<code>.*?)```\s*```text\n(?P<printed>.*?)```", re.DOTALL)
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)


def examples() -> list[tuple[str, str, str]]:
    """Heading, code and output of each."""
    text = GUIDE.read_text(encoding="utf-8")
    found = []
    for match in EXAMPLE.finditer(text):
        title = [heading["title"] for heading in HEADING.finditer(text, 0, match.start())][-1]
        found.append((title, match["code"], match["printed"]))
    return found


EXAMPLES = examples()


def test_no_example_is_left_out() -> None:
    """Each block of Python has its output behind it, but for the one that makes the platform."""
    text = GUIDE.read_text(encoding="utf-8")
    assert text.count("```python\n") == len(EXAMPLES) + 1 and len(EXAMPLES) > 20


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """As the guide makes it."""
    made = re.search(r"```python\n(?P<code>.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert made is not None
    setting: dict[str, object] = {}
    folder = tmp_path_factory.mktemp("guide")
    path = folder / "guide_setting.py"
    path.write_text(made["code"].replace("platform = connect(", "arguments = dict("), encoding="utf-8")
    with _imported(path) as module:
        setting = dict(vars(module)["arguments"])
    with reach("local", places=("baku", "oslo", "lima")):
        with connect(**setting, home=folder / "home", progress=lambda line: None) as platform:
            yield platform


@contextlib.contextmanager
def _imported(path: Path, **given: object) -> Iterator[object]:
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


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[title for title, *_ in EXAMPLES])
def test_the_example_prints_what_the_guide_says(platform: Platform, tmp_path: Path, number: int) -> None:
    _, code, printed = EXAMPLES[number]
    path = tmp_path / f"example_{number}.py"
    path.write_text(code, encoding="utf-8")
    output = io.StringIO()
    with contextlib.redirect_stdout(output), _imported(path, platform=platform):
        pass
    assert output.getvalue() == printed
