"""The tutorial and the pages of "How to": every example is run, and prints what the page says."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_repository import ISOLATED, ROOT, measures_aside

DOCS = ROOT / "docs"
PAGES = sorted([DOCS / "tutorial.md", *DOCS.glob("howto-*.md")])
#: A block of Python, indented where it belongs to a point of a list, and what it prints, if that stands there.
BLOCK = re.compile(r"^ *```python\n(.*?)^ *```(?:\n\n```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(code, printed, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, (code, printed) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), 1)
    if not code.lstrip().startswith("# ")
]
#: Run by a test of its own, or needs the cluster of the reader.
PROGRAMS = {"first.py", "cluster.py"}


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**ISOLATED, "SOJOURN_HOME": str(folder / "home"), "RAY_AUTH_MODE": "disabled"}
    for name in ("RAY_ADDRESS", "PYTHONWARNINGS"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, program], cwd=folder, env=environment, capture_output=True, text=True, timeout=180
    )


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_the_example_prints_what_the_page_says(tmp_path: Path, code: str, printed: str) -> None:
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    answer = run("example.py", tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert printed, "an example without what it prints"
    assert answer.stdout == printed


def test_the_examples_of_the_reference_of_resources_run(tmp_path: Path) -> None:
    """On places of one process. What they call and the page does not define is given here."""
    blocks = BLOCK.findall((DOCS / "reference-resources.md").read_text(encoding="utf-8"))
    code = "\n".join(code for code, _ in blocks).replace("from agents import connect", "")
    given = "from agents.testing import LocalPlatform as connect\n\ndef open_station():\n    return [1, 2]\n"
    told = """
with connect(resources=resources, places=["oslo", "lima"], services={"oslo": {"mean": mean}}) as platform:
    print(platform.call("oslo", "mean", "readings"), platform.call("oslo", "mean", "station"))
"""
    (tmp_path / "example.py").write_text(given + code + told, encoding="utf-8")
    answer = run("example.py", tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert len(blocks) == 3 and answer.stdout == f"{(21.4 + 20.9) / 2} 1.5\n"


@pytest.mark.alone
def test_the_first_agent_of_the_tutorial(tmp_path: Path) -> None:
    """On real nodes, as a newcomer starts it."""
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(# first\.py\n.*?)```", text, re.DOTALL)
    (shown,) = re.findall(r"```console\n\$ python first\.py\n(.*?)```", text, re.DOTALL)
    (tmp_path / "first.py").write_text(code, encoding="utf-8")
    answer = run("first.py", tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert measures_aside(answer.stderr + answer.stdout) == measures_aside(shown)


def test_what_is_not_run_is_known() -> None:
    """A program with a name of its own is named here, so that none is left out by accident."""
    named = re.findall(r"```python\n *# (\S+)", "\n".join(page.read_text(encoding="utf-8") for page in PAGES))
    assert set(named) == PROGRAMS and len(named) == len(PROGRAMS)
    for page in PAGES:
        for code, _ in BLOCK.findall(page.read_text(encoding="utf-8")):
            if code.startswith(" "):
                compile("\n".join(line.strip() and line[4:] for line in code.splitlines()), page.name, "exec")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does it."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    answer = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**ISOLATED, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


def test_every_page_is_in_the_navigation() -> None:
    """Else nobody finds it."""
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS).as_posix()}\n" in settings, page.name


@pytest.mark.parametrize("package", ["mobility", "agents", "federated"])
def test_every_public_name_is_in_the_reference(site: Path, package: str) -> None:
    """From the docstrings, under the name by which it is imported."""
    html = (site / "api" / f"{package}.html").read_text(encoding="utf-8")
    anchors = set(re.findall(r'id="([\w.]+)"', html))
    assert {f"{package}.{name}" for name in importlib.import_module(package).__all__} <= anchors
    # Docstrings are plain text; none of it may be taken for something else by Markdown.
    assert "Parameters:" in html and "========" not in html and "<blockquote>" not in html


def test_what_an_example_imports_is_in_the_reference(site: Path) -> None:
    """Whoever follows an example can look up all of it."""
    described = set()
    for page in (site / "api").glob("*.html"):
        described |= set(re.findall(r'id="(?:\w+\.)+(\w+)"', page.read_text(encoding="utf-8")))
    imported = re.compile(r"^from ((?:mobility|agents|federated)[\w.]*) import ([\w, ]+)$", re.MULTILINE)
    missing = set()
    for page in [*DOCS.glob("*.md"), ROOT / "README.md"]:
        for code, _ in BLOCK.findall(page.read_text(encoding="utf-8")):
            for module, names in imported.findall(code):
                missing |= {f"{module}.{name}" for name in names.split(", ") if name not in described}
    assert missing == set()


def test_the_site_needs_no_network(site: Path) -> None:
    """Nothing is loaded from elsewhere: only links that a reader follows lead there."""
    loaded = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(?:https?:)?//|<link\b[^>]*\bhref=\"?(?:https?:)?//"
    )
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    assert [page.name for page in pages if loaded.search(page.read_text(encoding="utf-8"))] == []
    assert (site / "search" / "search_index.js").read_text(encoding="utf-8").startswith("var __index = ")
    script = (site / "index.html").read_text(encoding="utf-8").index("assets/iframe-worker.js")
    assert script and (site / "assets" / "iframe-worker.js").is_file()
