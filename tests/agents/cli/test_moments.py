"""Times on the command line."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
import typer

from agents.cli.moments import moment_of
from tests.agents.cli.running import failure, invoke


def test_seconds_from_now() -> None:
    """Counted from when the command is read."""
    before = time.time()
    assert before + 90 <= moment_of("+90", "--start-at") <= time.time() + 90
    assert before + 0.5 <= moment_of("+0.5", "--start-at") <= time.time() + 0.5


def test_times_of_day() -> None:
    """Local, unless they say otherwise."""
    assert moment_of("2026-11-26T18:00Z", "") == datetime(2026, 11, 26, 18, tzinfo=UTC).timestamp()
    assert moment_of("2026-11-26T18:00:30+02:00", "") == datetime(2026, 11, 26, 16, 0, 30, tzinfo=UTC).timestamp()
    assert moment_of("2026-11-26 18:00", "") == time.mktime((2026, 11, 26, 18, 0, 0, 0, 0, -1))
    assert moment_of("2026-11-26", "") == time.mktime((2026, 11, 26, 0, 0, 0, 0, 0, -1))


def test_unix_times() -> None:
    """As `date +%s` writes them."""
    assert moment_of("1795715000", "") == 1795715000.0
    assert moment_of("1795715000.25", "") == 1795715000.25


@pytest.mark.parametrize(
    "text",
    ["", "soon", "+", "+-5", "-5", "+1e3", "nan", "inf", "+inf", "2026", "20261126", "2026-13-01", "18:00", "1e400"]
    + ["9" * 400, "+" + "9" * 400, "2026-11-26T25:00", "1_795_715_000", "٣٤٥٦٧٨٩٠١٢"],
)
def test_no_times(text: str) -> None:
    """Neither are years and dates that are written as one number: as Unix times they have long passed."""
    with pytest.raises(typer.BadParameter, match="is no time"):
        moment_of(text, "--start-at")


def test_the_option_is_named(tmp_path) -> None:
    """Before anything is loaded or sought."""
    told = failure(invoke("launch", "--format", "json", tmp_path / "a.py:a", "--start-at", "soon"), 2, "usage")
    assert "--start-at" in told["message"] and "2026-11-26T18:00Z" in told["message"]
