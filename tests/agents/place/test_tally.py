"""When what is known of a gathering is enough: compared with a plain description, for every order of ends."""

from __future__ import annotations

import random

import pytest

from agents.directory import Ending, EndingKind
from agents.place.outcomes import returned, stopped
from agents.place.tally import SMALL, Enough, Fate, FateKind, Tally, judged

BAD = [kind for kind in FateKind if kind not in (FateKind.RETURNED, FateKind.UNREAD)]


def story(chance):
    """Agents, how each will end, and in which order."""
    agents = [f"agent-{number}" for number in range(chance.randint(1, 6))]
    kinds = {agent: FateKind.RETURNED if chance.random() < 0.6 else chance.choice(BAD) for agent in agents}
    order = chance.sample(agents, len(agents))
    return agents, kinds, order


@pytest.mark.parametrize("seed", range(500))
def test_it_is_enough_at_the_right_moment(seed):
    """Ends become known one after another; what is chosen does not depend on how many were heard at once."""
    chance = random.Random(seed)
    agents, kinds, order = story(chance)
    first = chance.choice([None, *range(1, len(agents) + 1)])
    collects = chance.random() < 0.5
    wanted = len(agents) if first is None else first
    fates, good, bad = {}, [], []
    for moment, agent in enumerate(order, start=1):
        fates[agent] = Fate(kinds[agent], float(moment))
        (good if kinds[agent] is FateKind.RETURNED else bad).append(agent)
        enough = judged(agents, first, collects, fates)
        over = moment == len(agents)
        if len(good) >= wanted:
            assert enough == Enough(frozenset(good[:wanted]) | (frozenset(bad) if collects else frozenset()))
            break
        if not collects and len(agents) - len(bad) < wanted:
            assert enough == Enough(frozenset(), bad[0]), "the failure that came first"
            break
        if collects and over:
            assert enough == Enough(frozenset(agents))
            break
        assert enough is None and not over
    # Whoever hears of all ends at once gets no other results than whoever heard of them one by one.
    everything = {agent: Fate(kinds[agent], float(order.index(agent) + 1)) for agent in agents}
    at_once = judged(agents, first, collects, everything)
    assert at_once is not None and enough is not None and at_once.failure == enough.failure
    results = [agent for agent in enough.chosen if kinds[agent] is FateKind.RETURNED]
    assert sorted(results) == sorted(agent for agent in at_once.chosen if kinds[agent] is FateKind.RETURNED)


def test_large_outcomes_need_not_be_read_when_all_have_ended():
    """Unless it depends on them whether there is enough."""
    fates = {"a": Fate(FateKind.UNREAD, 1.0), "b": Fate(FateKind.UNREAD, 2.0)}
    assert judged(["a", "b"], None, False, fates) == judged(["a", "b"], None, True, fates) == Enough(frozenset("ab"))
    assert judged(["a", "b"], 1, False, fates) is None
    assert judged(["a", "b", "c"], None, False, fates) is None


def test_one_that_is_named_twice_counts_twice():
    fates = {"a": Fate(FateKind.RETURNED, 1.0)}
    assert judged(["a", "b", "a"], 2, False, fates) == Enough(frozenset("a"))
    assert judged(["a", "b", "a"], 3, False, fates) is None


def test_what_the_directory_says():
    """Small outcomes are kept, of large ones only that they have to be read; nothing is changed by hearing it again."""
    small, _ = returned("a", 1, ["oslo"])
    tally = Tally()
    told = [
        Ending("a", EndingKind.ENDED, 5.0, len(small), small),
        Ending("b", EndingKind.ENDED, 6.0, SMALL + 1),
        Ending("c", EndingKind.ENDED, 7.0),
        Ending("d", EndingKind.FROZEN),
        Ending("e", EndingKind.UNKNOWN),
        Ending("f", EndingKind.ABANDONED, place="oslo"),
        Ending("g", EndingKind.ENDED, 8.0, 20, stopped("oslo", ["oslo"])),
    ]
    assert tally.note(told) and not tally.note(told)
    assert {agent: fate.kind for agent, fate in tally.fates.items()} == {
        "a": FateKind.RETURNED,
        "b": FateKind.UNREAD,
        "c": FateKind.FORGOTTEN,
        "d": FateKind.FROZEN,
        "e": FateKind.UNKNOWN,
        "g": FateKind.FAILED,
    }
    assert tally.open("abcdefg") == ["f"] and tally.unread("abcdefg") == ["b"]
    tally.note_read("b", small)
    assert tally.fates["b"] == Fate(FateKind.RETURNED, 6.0), "the outcome itself is not kept"
    tally.keep({"b", "f"})
    assert list(tally.fates) == ["b"]
