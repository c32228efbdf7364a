"""The errors of services, repositories and fragments: each survives pickle, and says how things stand."""

from __future__ import annotations

import pickle

import pytest

from agents.errors import (
    AgentsError,
    NotAFragment,
    NotPublishable,
    ServiceFailed,
    ServiceTaken,
    ServiceUnusable,
    UnitMismatch,
    UnitOwned,
    UnknownService,
    UnknownUnit,
    VersionTaken,
)

ERRORS = [
    UnknownService("oslo", "mean", ["sum"]),
    ServiceUnusable("oslo", "mean", "cannot be loaded there", state="Nothing was called.", remedy="Mend it."),
    ServiceFailed("oslo", "mean", "stations.Broken", "no data", "Traceback ..."),
    ServiceTaken("oslo", "mean", "the place itself offers it", replaceable=False),
    ServiceTaken("oslo", "mean", "a fragment of owner:tester", replaceable=True),
    NotAFragment("mean", "it yields"),
    UnknownUnit("oslo", "'score'", ["version 1.0"]),
    VersionTaken("oslo", "score", "1.0", "ab" * 32),
    UnitOwned("oslo", "score", "owner:other"),
    UnitMismatch("oslo", "another name"),
    NotPublishable("an int cannot be published", remedy="Publish a function."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.slug)
def test_it_pickles_and_says_what_to_do(error: AgentsError) -> None:
    """With all that it carries; its sentences are there, and so is the slug."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)
    assert f"({error.slug})" in str(error) and error.state in str(error) and error.remedy in str(error)
    assert error.state.endswith(".") and error.remedy
