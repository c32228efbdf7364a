"""Every error of the package: one tree, one slug each, drawn in its module, whole sentences, and through a pickle."""

from __future__ import annotations

import pickle
import re

import pytest

from federated import errors
from federated.errors import FederatedError

PAGE = errors.__doc__ or ""
KINDS = [getattr(errors, name) for name in errors.__all__]
MADE = [
    errors.PolicyInvalid("place.datasets.ward.policy.keys", "is no list of texts", path="/x.toml"),
    errors.NotReleased("ward", ["a: it is nan"], ["finite"]),
    errors.BudgetSpent("ward", "epsilon", spent=1.0, needed=0.5, allowed=1.2),
    errors.AlreadyReleased("ward", "r", "m"),
    errors.QueryInvalid("bounds do not rise"),
    errors.LoaderFailed("ward", "it has no loader"),
    errors.TourEnded("oslo", "budget-spent", "nothing is left", ["lima"]),
    errors.JournalDiverged("/x", 3, "something else"),
    errors.RosterRefused("too-few", "it has 2 participants"),
    errors.MaskingRefused("threshold", "1 of 3 shares gives a secret away"),
    *(kind("/x", "is damaged") for kind in (errors.LedgerCorrupt, errors.LedgerUnusable, errors.AuditCorrupt)),
    *(kind("/x", "is damaged") for kind in (errors.AuditUnusable, errors.JournalCorrupt, errors.JournalMismatch)),
    errors.JournalUnusable("/x", "was closed"),
]


def test_the_drawing_shows_every_error_with_its_slug() -> None:
    """Bases have no line with a slug: nothing raises them."""
    drawn = dict(re.findall(r"[├└]── (\w+) +([a-z-]+)  ", PAGE))
    bases = {kind for kind in KINDS if any(other is not kind and issubclass(other, kind) for other in KINDS)}
    assert drawn == {kind.__name__: kind.slug for kind in KINDS if kind not in bases}
    assert len({kind.slug for kind in KINDS}) == len(KINDS)


def test_every_error_that_is_raised_is_tried_here() -> None:
    """Else the next test says nothing about the one that is missing."""
    bases = {FederatedError, errors.LedgerError, errors.AuditError, errors.JournalError}
    assert {type(error) for error in MADE} == set(KINDS) - bases


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_says_what_why_how_and_what_next(error: FederatedError) -> None:
    """And the same on the other side of a process's border."""
    assert error.reason and error.state.endswith(".") and error.remedy.endswith(".")
    shown = error.slug
    if isinstance(error, errors.RosterRefused | errors.TourEnded | errors.MaskingRefused):
        shown = error.why
    assert str(error) == f"{error.reason} ({shown}). {error.state} {error.remedy}"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)


def test_each_slug_is_in_the_reference():
    """What a program may look for, people can look up."""
    from pathlib import Path

    from federated import apperrors, errors, trainingerrors

    text = (Path(__file__).parents[2] / "docs" / "reference-errors.md").read_text(encoding="utf-8")
    for module in (errors, apperrors, trainingerrors):
        for name in module.__all__:
            assert f"`{getattr(module, name).slug}`" in text, name
