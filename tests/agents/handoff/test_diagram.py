"""The document shows the protocol as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agents.handoff.diagram import DIAGRAMS, inserted
from agents.handoff.table import TABLE

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "handoff.md"


def test_the_document_holds_the_current_diagrams() -> None:
    """A picture that is older than the table tells of another protocol."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert inserted(text) == text


def test_each_change_of_state_is_an_arrow() -> None:
    """Nothing is left out of the picture but what changes no state."""
    drawn = DIAGRAMS["visit"]()
    for (state, event), transition in TABLE.items():
        for target in transition.targets - {state}:
            (arrow,) = [line for line in drawn.splitlines() if line.strip().startswith(f"{state} --> {target}:")]
            assert event.__name__ in arrow


def test_a_document_without_a_place_for_a_diagram_is_refused() -> None:
    """Else a renamed mark would leave an old picture for ever."""
    with pytest.raises(ValueError, match="0 places for the diagram visit"):
        inserted("no marks")


def test_the_command_prints_them() -> None:
    """As the document says."""
    done = subprocess.run(
        [sys.executable, "-m", "agents.handoff.diagram"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and all(f"%% {name}" in done.stdout for name in DIAGRAMS)
