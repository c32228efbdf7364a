"""The notebooks: each runs from top to bottom within its time, and what is kept of it is what its source gives."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"


def tool() -> ModuleType:
    """`notebooks/execute.py`, which is no package, as its folder is for notebooks."""
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = tool()
NAMES = TOOL.names()


def cells(notebook: Any) -> list[tuple[str, str, str]]:
    return [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells]


def kinds(cell: Any) -> set[str]:
    """In which forms a cell shows what it does; standard error aside, as what comes there depends on the machine."""
    outputs = [out for out in cell.get("outputs", []) if out.get("name") != "stderr"]
    return {kind for out in outputs for kind in out.get("data", {out.get("name", "error"): ""})}


def test_each_notebook_has_its_source() -> None:
    assert NAMES == sorted(file.stem for file in FOLDER.glob("*.ipynb"))
    assert [name[:3] for name in NAMES] == [f"{number:02}_" for number in range(1, len(NAMES) + 1)]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_is_what_the_source_gave(name: str) -> None:
    kept = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(kept)
    assert cells(kept) == cells(TOOL.source(name)), f"run python notebooks/execute.py {name}"
    assert TOOL.faults(kept) == []
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@pytest.mark.timeout(TOOL.TIME_LIMIT + 60)
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_top_to_bottom_and_shows_what_it_did(name: str) -> None:
    ran = TOOL.execute(name)
    assert TOOL.faults(ran) == []
    kept = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    for was, now in zip(kept.cells, ran.cells, strict=True):
        assert kinds(was) == kinds(now), now.source


def test_what_is_kept_was_thawed_in_another_version_of_python() -> None:
    """Where there is no other one the notebook says so; what is kept is to show what it is about.

    That a run here does use another one, where there is one, the notebook asserts itself.
    """
    kept = nbformat.read(FOLDER / "02_execution_state.ipynb", as_version=4)
    printed = "".join(out.text for cell in kept.cells for out in cell.get("outputs", []) if out.get("name") == "stdout")
    found = re.search(r"here Python (3\.\d+)\.\d+, there Python (3\.\d+)\.\d+", printed)
    assert found is not None and found[1] != found[2]
    assert f"steps on Python {', '.join([found[1]] * 5 + [found[2]] * 3)}" in printed


def test_what_is_only_so_on_this_machine_is_not_kept() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    assert TOOL.faults(notebook) == []
    outputs = notebook.cells[0].outputs
    outputs.append(nbformat.v4.new_output("stream", text=f"written to {FOLDER.parent}/x"))
    assert "a path of this machine" in TOOL.faults(notebook)[0]
    outputs[0].text = "x" * TOOL.MOST_SHOWN
    assert "at most" in TOOL.faults(notebook)[0]
    outputs[0] = nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="", traceback=[])
    assert TOOL.faults(notebook) == ["cell 1 ends with an error"]


def test_what_is_wrong_with_one_keeps_no_other_from_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {"first": f"{FOLDER.parent}/x", "second": "as it should be"}

    def execute(name: str) -> Any:
        cell = nbformat.v4.new_code_cell("print(1)")
        cell.outputs.append(nbformat.v4.new_output("stream", text=shown[name]))
        return nbformat.v4.new_notebook(cells=[cell])

    monkeypatch.setattr(TOOL, "execute", execute)
    monkeypatch.setattr(TOOL, "names", lambda: ["first", "second"])
    monkeypatch.setattr("sys.argv", ["execute.py"])
    written: list[str] = []
    monkeypatch.setattr(TOOL.nbformat, "write", lambda notebook, file: written.append(file.name))
    assert TOOL.main() == 1 and written == ["second.ipynb"]
