"""The agent at places of one process: what it finds, what it carries, how its moves are told."""

import dataclasses

import pytest

pytest.importorskip("sklearn", reason="the data comes with scikit-learn: install sojourn[demo]")

from agents.demo.central import compared
from agents.demo.hospitals import RESOURCE, everybody, patients
from agents.demo.surveyor import surveyor
from agents.demo.telling import GROWTH, Report
from agents.demo.watching import Move, Said, watch
from agents.errors import AgentFailed, ResourceMissing, WaitedTooLong
from agents.testing.local import LocalPlatform

PLACES = ("baku", "oslo", "lima")


@pytest.fixture(scope="module")
def told():
    """One run: the report, and all that was told while it went on."""
    everyone = everybody()
    resources = {place: {RESOURCE: patients(site)} for site, place in enumerate(PLACES)}
    with LocalPlatform(PLACES, resources=resources) as platform:
        agent = platform.launch(surveyor, PLACES, 30, 20, 1.0, at="baku")
        events = list(watch(agent, 30))
        found = agent.result(timeout=30)
        moves = [event for event in events if isinstance(event, Move)]
        yield Report(moves, found, compared(found, everyone, 1.0), agent.trail(), everyone.nbytes, 1.0), events


def test_it_finds_what_one_place_would(told) -> None:
    report, _ = told
    assert [one for one in report.comparisons if not one.equal] == []
    assert report.found["count"] == 569 and report.found["steps"] == 10
    assert report.holds


def test_it_goes_round_in_order(told) -> None:
    report, _ = told
    assert [move.number for move in report.moves] == list(range(1, 36))
    assert [move.destination for move in report.moves] == [PLACES[number % 3] for number in range(1, 36)]
    assert all(one.destination == other.origin for one, other in zip(report.moves, report.moves[1:], strict=False))


def test_it_says_what_it_does_where_it_does_it(told) -> None:
    """A line stands between the arrival before it and the next move."""
    _, events = told
    lines = [number for number, event in enumerate(events) if isinstance(event, Said)]
    assert len(lines) == 12
    assert all(
        isinstance(events[n - 1], Move) and events[n - 1].destination == "lima" == events[n].place for n in lines
    )


def test_what_it_carries_does_not_grow_with_the_rows(told) -> None:
    """In training the agent has one size, up to the names of the places in the list of those that it visited."""
    report, _ = told
    sizes = [move.carried for move in report.training]
    assert len(sizes) == 30
    assert max(sizes) - min(sizes) <= GROWTH * len(sizes)
    assert max(move.carried for move in report.moves) < report.rows_bytes / 7
    assert report.steady


def test_rows_on_board_are_noticed(told) -> None:
    """Forty rows more at one hospital, kept until the next: not steady."""
    report, _ = told
    heavy = list(report.moves)
    heavy[9] = dataclasses.replace(heavy[9], size=heavy[9].size + 40 * 31 * 8)
    changed = dataclasses.replace(report, moves=heavy)
    assert not changed.steady and not changed.holds


def test_another_agents_passport_is_noticed(told) -> None:
    report, _ = told
    trail = dataclasses.replace(report.trail, links=report.trail.links[:-1])
    changed = dataclasses.replace(report, trail=trail)
    assert not changed.vouched and not changed.holds


def test_a_wrong_result_does_not_hold(told) -> None:
    report, _ = told
    wrong = dataclasses.replace(report.comparisons[1], scaled=1e-6)
    assert not dataclasses.replace(report, comparisons=[wrong]).holds


def test_an_agent_that_fails_is_watched_to_its_end() -> None:
    """A place without patients: the moves until there are told, then its error is raised."""
    with LocalPlatform(PLACES, resources={"baku": {RESOURCE: patients(0)}}) as platform:
        agent = platform.launch(surveyor, PLACES, 30, 20, 1.0, at="baku")
        assert [event.destination for event in watch(agent, 30)] == ["oslo"]
        with pytest.raises((ResourceMissing, AgentFailed), match="patients"):
            agent.result(timeout=10)


def test_watching_has_an_end() -> None:
    with LocalPlatform(PLACES) as platform:
        from agents import agent, sleep

        @agent
        def sleeper(here):
            yield sleep(60)

        asleep = platform.launch(sleeper, at="oslo")
        with pytest.raises(WaitedTooLong):
            list(watch(asleep, 0.3))
