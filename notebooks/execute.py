"""Runs the notebooks from top to bottom and writes them with what they show: ``python notebooks/execute.py [NAME...]``.

They are edited in ``sources/``, as Python with ``# %%`` between the cells (jupytext's percent format): that can be
reviewed. An `.ipynb` here is a source that has been run; the tests compare the two, and run each again.
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent
SOURCES = FOLDER / "sources"
#: One that takes longer, seconds, has come to no end. Their cells have deadlines of their own, which say more.
TIME_LIMIT = 240
#: All that a notebook may show, bytes: what it prints is read, and is kept with its source.
MOST_SHOWN = 256 * 1024
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def names() -> list[str]:
    """All notebooks, by their file names without ending, in the order in which they are read."""
    return sorted(file.stem for file in SOURCES.glob("*.py"))


def source(name: str) -> Any:
    """The notebook as its source has it: nothing was run."""
    notebook = jupytext.read(SOURCES / f"{name}.py", fmt="py:percent")
    notebook.metadata = nbformat.from_dict(_METADATA)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"{name.partition('_')[0]}-{number}"
        cell.metadata = nbformat.from_dict({})
    return notebook


def execute(name: str, limit: float = TIME_LIMIT) -> Any:
    """The notebook with what it shows when it is run, from top to bottom, in a process and a folder of its own.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell has raised. Its text has the cell, and the traceback.
    nbclient.exceptions.CellTimeoutError
        A cell took longer than `limit` seconds.
    """
    notebook = source(name)
    with tempfile.TemporaryDirectory(prefix="sj-nb-", dir="/tmp") as folder:
        work = Path(folder) / "work"
        work.mkdir()
        # A Ray of its own, whatever runs on this machine; keys and trust of its own; nothing is left behind.
        settings = {
            "RAY_TMPDIR": folder,
            "RAY_AUTH_MODE": "disabled",
            "SOJOURN_HOME": str(Path(folder) / "home"),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        environment = {key: value for key, value in os.environ.items() if key not in {"RAY_ADDRESS"}}
        client = NotebookClient(
            notebook, timeout=limit, kernel_name="python3", resources={"metadata": {"path": str(work)}}
        )
        client.create_kernel_manager()
        # Sockets in the folder: a port would let in whoever else is on this machine.
        client.km.transport, client.km.ip = "ipc", str(Path(folder) / "kernel")
        client.execute(env=environment | settings)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
    return notebook


def faults(notebook: Any) -> list[str]:
    """Why a notebook that was run is not to be kept: too large, an error, something that is only so on this machine."""
    text = nbformat.writes(notebook)
    found = []
    if (size := sum(len(repr(cell.get("outputs", ""))) for cell in notebook.cells)) > MOST_SHOWN:
        found.append(f"shows {size:,} bytes; at most {MOST_SHOWN:,}")
    places = {str(FOLDER.parent), str(Path.home()) + "/", f"/home/{getpass.getuser()}"}
    found += [f"shows {place}, a path of this machine" for place in sorted(places) if re.search(re.escape(place), text)]
    found += [
        f"cell {number} ends with an error"
        for number, cell in enumerate(notebook.cells, start=1)
        if any(output.output_type == "error" for output in cell.get("outputs", []))
    ]
    return found


def main() -> int:
    """Runs those that are named, or all, one after the other."""
    parser = argparse.ArgumentParser(description="Runs the notebooks and writes them with what they printed.")
    parser.add_argument("name", nargs="*", help="such as 01_code_mobility; all, if none is named")
    chosen = parser.parse_args().name or names()
    failed = 0
    for name in chosen:
        print(name, flush=True)
        notebook = execute(name)
        found = faults(notebook)
        for fault in found:
            print(f"  {fault}", file=sys.stderr)
            failed = 1
        if not found:
            nbformat.write(notebook, FOLDER / f"{name}.ipynb")
    return failed


if __name__ == "__main__":
    sys.exit(main())
