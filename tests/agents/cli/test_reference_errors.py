"""``docs/reference-errors.md`` lists the slug of every error of the three packages, and no other."""

from __future__ import annotations

import re

import pytest

from mobility.errors import MobilityError
from tests.agents.cli.running import ROOT
from tests.agents.cli.test_frame import tree

PAGE = (ROOT / "docs" / "reference-errors.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)


def by_slug() -> dict[str, type[MobilityError]]:
    """A class of the packages that has it."""
    kinds = {kind.slug: kind for kind in tree()}
    assert {kind.__module__.partition(".")[0] for kind in kinds.values()} == {"mobility", "agents", "federated"}
    return kinds


def test_every_slug_is_listed_once_and_none_that_is_gone() -> None:
    """Whoever meets an error looks for its slug."""
    listed = [slug for slug, _, _ in ROWS]
    assert sorted(listed) == sorted(set(listed))
    assert set(by_slug()) - set(listed) == set(), "not listed"
    assert set(listed) - set(by_slug()) == set(), "listed, and no error has it"


def test_every_row_says_what_it_means_and_what_to_do() -> None:
    """A slug alone helps nobody."""
    assert ROWS and all(len(what.strip()) > 10 and len(to_do.strip()) > 5 for _, what, to_do in ROWS)


@pytest.mark.parametrize("slug", ["usage", "system", "interrupted", "unexpected"])
def test_what_has_no_class_is_named(slug: str) -> None:
    """They stand where a slug stands."""
    assert f"`{slug}`" in PAGE


def test_classes_with_the_same_slug_mean_the_same() -> None:
    """A program that looks at the slug cannot tell them apart: only these two pairs are meant so."""
    names_of: dict[str, set[str]] = {}
    for kind in tree():
        if kind.__module__.startswith("agents."):
            names_of.setdefault(kind.slug, set()).add(kind.__name__)
    assert {slug: names for slug, names in names_of.items() if len(names) > 1} == {
        "agent-failed": {"AgentFailed", "UnitFailed"},
        "timed-out": {"TimedOut", "WaitedTooLong"},
    }
