"""Whose a module is: what is Sojourn's own is everywhere already, and does not travel with an agent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ASK = "import agents.effects, mobility.code.origin as origin; print(origin.origin_of('agents.effects').name)"
OTHER = {"agents/__init__.py": "", "agents/effects.py": "HOP = 1\n"}


def asked(*folders: Path) -> str:
    """What a program says that has its packages from these folders."""
    answer = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        cwd=folders[0],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return answer.stdout.strip()


@pytest.fixture
def mobility_alone(tmp_path: Path) -> Path:
    """`mobility` in a folder of its own."""
    folder = tmp_path / "mobility-alone"
    shutil.copytree(ROOT / "mobility", folder / "mobility", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_our_packages_are_ours_each_in_a_folder_of_its_own(tmp_path: Path, mobility_alone: Path) -> None:
    """So a Ray job brings them along (``py_modules``); else every agent would take the whole platform with it."""
    folder = tmp_path / "agents-alone"
    shutil.copytree(ROOT / "agents", folder / "agents", ignore=shutil.ignore_patterns("__pycache__"))
    assert asked(mobility_alone, folder) == "INSTALLED"


def test_a_package_of_the_same_name_is_the_users(tmp_path: Path, mobility_alone: Path) -> None:
    """`agents` is a name that others use, too: what is in theirs has to travel."""
    for name, text in OTHER.items():
        path = tmp_path / "others" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert asked(tmp_path / "others", mobility_alone) == "LOCAL"
