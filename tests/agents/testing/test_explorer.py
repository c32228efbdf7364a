"""Every interleaving of a small world, within small bounds; `python -m agents.testing --explore` has larger ones."""

from __future__ import annotations

import pytest

from agents.testing import GUARDS, Budget, explore
from agents.testing.explorer import BOUNDS


@pytest.mark.parametrize(("name", "limits"), BOUNDS["small"], ids=[name for name, _ in BOUNDS["small"]])
def test_every_interleaving_is_safe_and_comes_to_rest(name: str, limits: Budget) -> None:
    """What chance may have missed."""
    report = explore(limits)
    assert report.problem is None, report.problem
    assert report.states > 5_000 and report.at_rest > 10


@pytest.mark.parametrize(
    ("name", "limits", "problem"),
    [
        ("fence", Budget(), "(1)"),
        ("dormant", Budget(), "(1)"),
        ("grant-of-this-lease", Budget(lapses=1), "(1)"),
        ("repetition", Budget(losses=1), ""),
        ("asking-again", Budget(losses=1), "(5)"),
    ],
)
def test_it_finds_what_a_missing_guard_lets_through(name: str, limits: Budget, problem: str) -> None:
    """An explorer that finds nothing proves nothing unless it can find something."""
    (guard,) = [guard for guard in GUARDS if guard.name == name]
    with guard.without():
        report = explore(limits)
    assert report.problem is not None and report.problem.startswith(problem)


def test_it_stops_where_it_is_told() -> None:
    """A search without an end would be no test."""
    report = explore(Budget(crashes=1, most_states=500))
    assert report.problem is not None and "more than 500 states" in report.problem
