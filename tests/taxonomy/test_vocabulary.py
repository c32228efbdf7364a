"""That nothing of the vocabulary is left out: each cell has a test named after it, and a heading in the guide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents.advising import Paradigm
from mobility.bindings import CELLS, Movement
from mobility.environment import Mobility

HERE = Path(__file__).parent
GUIDE = HERE.parents[1] / "docs" / "guide-mobility.md"
VERBS = {Movement.MOVE: "moves", Movement.REFERENCE: "refers", Movement.COPY: "copies", Movement.REBIND: "rebinds"}
#: By what is written in a test's name: what the guide calls it.
WORDS = {
    **{paradigm.value.replace(" ", "_").replace("-", "_"): paradigm.value for paradigm in Paradigm},
    "sender_initiated": "sender-initiated",
    "receiver_initiated": "receiver-initiated",
    "class_agent": "class agents",
    "in_the_process_of_the_place": "in the place's process",
    "in_a_separate_process": "in one of its own",
    "fragment": "fragment",
    "stand_alone": "alone or as a part",
    "synchronous": "synchronous",
    "asynchronous": "asynchronous",
    "start_immediate": "immediate",
    "start_deferred_at_a_time": "deferred to a time",
    "start_deferred_until_a_condition": "deferred until",
    "migration_proactive": "migration, proactive",
    "migration_reactive": "migration, reactive",
    "remote_cloning_proactive": "remote cloning, proactive",
    "remote_cloning_reactive": "remote cloning, reactive",
    "tree_of_clones": "a tree of clones",
    "itinerary_ordered": "ordered",
    "itinerary_any_order": "any order",
    "itinerary_alternatives": "alternatives",
    "itinerary_loop": "loops and nesting",
    "itinerary_nested": "loops and nesting",
    "itinerary_deviation": "deviations",
    "itinerary_on_failure_fail": "when a stop fails: fail",
    "itinerary_on_failure_skip": "when a stop fails: skip",
    "itinerary_on_failure_wait": "when a stop fails: wait",
    "itinerary_on_failure_home": "when a stop fails: home",
    "itinerary_hop_limit": "hop limit and lifetime",
    "itinerary_time_to_live": "hop limit and lifetime",
    "strong_if_it_fits": "strong if it fits",
    "weak_if_only_a_restart_fits": "weak if only a restart fits",
    "refused_with_reasons": "a refusal with reasons",
    "stop_by_force": "stop(force=true)",
    "busy_agent": "an agent that is busy",
}


def names() -> str:
    """The names of all tests of the vocabulary, one a line."""
    sources = (path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    return "\n".join(name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE))


@pytest.mark.parametrize("word", WORDS)
def test_each_word_has_a_test_and_is_in_the_guide(word: str) -> None:
    assert re.search(rf"^test_(\w+_)?{word}(_|$)", names(), re.MULTILINE), f"no test is named after {word}"
    assert WORDS[word] in GUIDE.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize(
    ("kind", "attachment", "movement"),
    [(*cell, movement) for cell, movements in CELLS.items() for movement in movements],
    ids=str,
)
def test_each_entry_of_the_table_of_bindings_has_a_test(kind: str, attachment: str, movement: Movement) -> None:
    assert re.search(rf"^test_by_{kind}_{attachment}_{VERBS[movement]}", names(), re.MULTILINE)


@pytest.mark.parametrize(("kind", "attachment"), CELLS, ids=str)
def test_each_cell_of_the_table_of_bindings_is_in_the_guide(kind: str, attachment: str) -> None:
    assert f"### by {kind}, {attachment}:" in GUIDE.read_text(encoding="utf-8").lower()


def test_each_verdict_is_in_the_guide() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert all(f"**{mobility.value}**" in text for mobility in Mobility)
