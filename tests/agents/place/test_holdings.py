"""What a place holds, by itself: reserved by one alone, settled once, counted."""

from __future__ import annotations

import pytest

from agents.checkpoints import MemoryCheckpoints
from agents.errors import ResourceGone, ResourceMissing
from agents.place.holdings import Content, Holdings
from agents.resources import Resource, Resources, ResourceTerms

ID = "oslo/x"


def made(store=None):
    given = {"x": Resource([1], attachment="unattached")}
    return Holdings("oslo", Resources("oslo", given), store or MemoryCheckpoints())


def test_only_one_reserves_it():
    """Also where both have seen that it is here."""
    holdings = made()
    holdings.reserve(ID, "lima")
    with pytest.raises(ResourceGone, match="just leaving oslo for lima"):
        holdings.reserve(ID, "baku")
    holdings.unreserve([ID])
    holdings.reserve(ID, "baku")
    with pytest.raises(ResourceMissing):
        holdings.reserve("oslo/y", "lima")


@pytest.mark.parametrize("gone", [True, False])
def test_what_is_settled_is_settled_once_also_after_a_restart(gone):
    store = MemoryCheckpoints()
    holdings = made(store)
    holdings.reserve(ID, "lima")
    holdings.leave({ID: Content.of([1])}, "a", 4, "lima")
    again = made(store)  # the process has ended here
    assert not again.has(ID) and again.is_leaving(ID) and again.open_departures() == {("a", 4)}
    again.settle("a", 3, True)
    again.settle("b", 4, True)
    assert again.is_leaving(ID), "of another move, or of another agent"
    again.settle("a", 4, gone)
    again.settle("a", 4, not gone)
    for each in (again, made(store)):
        assert each.has(ID) is not gone and each.whereto(ID) == ("lima" if gone else None)
        assert each.open_departures() == set()


def test_what_came_before_changes_nothing():
    holdings = made()
    for moves, content, news in ((1, [5], True), (1, [6], False), (3, [7], True), (2, [8], False)):
        assert holdings.install("baku/y", moves, ResourceTerms(), Content.of(content), None) is news
    assert holdings.get("y") == [7] and holdings.get("baku/y") == [7]
    holdings.reserve("baku/y", "lima")
    holdings.leave({"baku/y": Content.of([7])}, "a", 1, "lima")
    holdings.settle("a", 1, True)
    assert not holdings.install("baku/y", 4, ResourceTerms(), Content.of([7]), None), "it has gone on since"
    assert holdings.install("baku/y", 5, ResourceTerms(), Content.of([9]), None), "it is back"
    assert holdings.get("y") == [9] and holdings.names == ("x", "y")
