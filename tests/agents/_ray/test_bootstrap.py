"""Waiting for the places of a cluster: at the deadline it is said what was waited for."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from agents._ray import bootstrap
from agents.errors import DirectoryUnreachable, PlaceUnreachable


class Directory:
    """Answers with one place, or not at all at first."""

    def __init__(self, silent: int) -> None:
        self.silent = silent

    def ask_directory(self, method: str, *, timeout: float) -> list[SimpleNamespace]:
        self.silent -= 1
        if self.silent >= 0:
            raise DirectoryUnreachable("silence")
        return [SimpleNamespace(place="baku", about={"node": "n1"}, leased=True, left=None)]


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [SimpleNamespace(place=place, node_id=node) for place, node in (("baku", "n1"), ("oslo", "n2"))]
    monkeypatch.setattr(bootstrap, "nodes", lambda gcs: there)


@pytest.mark.usefixtures("two_nodes")
def test_a_place_that_is_late_is_named_and_the_directory_that_answered_is_not_blamed() -> None:
    """Also if it did not answer at the beginning, when it was just being started."""
    with pytest.raises(PlaceUnreachable, match="oslo does not answer: no place serves there after 7 seconds") as told:
        bootstrap._wait_for_places(Directory(2), time.monotonic() + 0.4, 7.0)  # type: ignore[arg-type]  # answers as one
    assert told.value.place == "oslo" and "timeout=" in str(told.value)


@pytest.mark.usefixtures("two_nodes")
def test_a_directory_that_never_answers_is_told_as_such() -> None:
    with pytest.raises(DirectoryUnreachable, match="silence"):
        bootstrap._wait_for_places(Directory(10_000), time.monotonic() + 0.2, 7.0)  # type: ignore[arg-type]  # answers as one
