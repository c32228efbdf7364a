"""The table of bindings, against the paper's and as a law over every situation that there can be."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from mobility.bindings import (
    CELLS,
    Attachment,
    BindingKind,
    Movement,
    Obstacle,
    Situation,
    checked_alternatives,
    decide_binding,
)

MV, GR, CP, RB = Movement.MOVE, Movement.REFERENCE, Movement.COPY, Movement.REBIND
GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"
FLAGS = ("at_hand", "held", "may_leave", "original_stays", "is_reference", "is_copy")


def situations():
    """Every one, also those that no platform would make."""
    for values in itertools.product((False, True), repeat=len(FLAGS)):
        for like in (False, True, None):
            yield Situation(like_there=like, **dict(zip(FLAGS, values)))


def declarations(cell):
    for number in range(len(cell) + 1):
        yield from itertools.permutations(cell, number)


def every():
    for (kind, attachment), cell in CELLS.items():
        for otherwise in declarations(cell):
            for situation in situations():
                yield kind, attachment, cell, otherwise, situation


def test_the_nine_cells():
    """As in Fuggetta, Picco and Vigna (1998), written down a second time."""
    rows = {
        "identifier": ("MV GR", "GR MV", "GR"),
        "value": ("CP MV GR", "GR CP", "GR"),
        "type": ("RB MV CP", "RB GR CP", "RB GR"),
    }
    assert len(CELLS) == 9
    for kind, cells in rows.items():
        for attachment, letters in zip(("unattached", "fastened", "fixed"), cells, strict=True):
            assert [each.letters for each in CELLS[BindingKind(kind), Attachment(attachment)]] == letters.split()


def test_the_glossary_says_the_same():
    lines = [line for line in GLOSSARY.read_text().split("\n") if re.match(r"\| by (identifier|value|type) ", line)]
    assert len(lines) == 3
    for line in lines:
        kind, *cells = [part.strip() for part in line.strip("| ").split("|")]
        for attachment, cell in zip(Attachment, cells, strict=True):
            found = [word for word in re.findall(r"move|reference|copy|rebind", cell)]
            assert found == [each.value for each in CELLS[BindingKind(kind.removeprefix("by ")), attachment]]


def test_only_what_is_preferred_or_declared_or_already_so():
    """Nothing happens to a resource that the agent has not accepted, and nothing outside its cell."""
    for kind, attachment, cell, otherwise, situation in every():
        for movement in decide_binding(kind, attachment, otherwise, situation).movements:
            accepted = {cell[0], *otherwise}
            if situation.original_stays and MV in accepted:  # instead of a move
                accepted |= {GR} if GR in cell else {CP}
            accepted |= ({GR} if situation.is_reference else set()) | ({CP} if situation.is_copy else set())
            assert movement in accepted
            if not (situation.is_copy or situation.is_reference):
                assert movement in cell


def test_the_preferred_comes_first_and_the_order_is_the_agents():
    plain = Situation(like_there=True)
    for kind, attachment, cell, otherwise, situation in every():
        if situation != plain:
            continue
        assert decide_binding(kind, attachment, otherwise, situation).movements == tuple(
            dict.fromkeys((cell[0], *otherwise))
        )


def test_nothing_leaves_that_is_not_at_hand_or_may_not():
    for kind, attachment, cell, otherwise, situation in every():
        found = decide_binding(kind, attachment, otherwise, situation).movements
        if not situation.is_copy and not (situation.at_hand and situation.held and situation.may_leave):
            assert MV not in found and CP not in found
        if kind is BindingKind.VALUE and not situation.may_leave and not situation.is_copy:
            assert found == (), "by value it is the content that would leave"
        if not situation.held and not situation.is_copy:
            assert set(found) <= {RB}
        if situation.like_there is False:
            assert RB not in found


def test_nothing_is_moved_away_from_an_original():
    for kind, attachment, cell, otherwise, situation in every():
        if situation.original_stays:
            assert MV not in decide_binding(kind, attachment, otherwise, situation).movements


def test_every_wanted_movement_is_possible_or_has_its_obstacle():
    for kind, attachment, cell, otherwise, situation in every():
        decision = decide_binding(kind, attachment, otherwise, situation)
        hindered = [movement for movement, _ in decision.obstacles]
        assert not set(hindered) & set(decision.movements)
        assert decision.movements or hindered, "there is always something to say"
        assert all(isinstance(why, Obstacle) for _, why in decision.obstacles)


def test_what_is_a_reference_or_a_copy_can_always_go_on():
    for kind, attachment, cell, otherwise, situation in every():
        found = decide_binding(kind, attachment, otherwise, situation).movements
        if situation.is_copy:
            assert CP in found
        elif situation.is_reference and situation.held and (kind is not BindingKind.VALUE or situation.may_leave):
            assert GR in found


def test_what_the_unit_wants_instead_comes_first():
    """Each movement of a cell can be had by asking for it; and nothing else then, unless it is declared."""
    for (kind, attachment), cell in CELLS.items():
        for prefer in Movement:
            if prefer in cell:
                found = decide_binding(kind, attachment, (), Situation(like_there=True), prefer=prefer)
                assert found.movements == (prefer,)
                both = decide_binding(kind, attachment, cell, Situation(like_there=True), prefer=prefer)
                assert both.movements == tuple(dict.fromkeys((prefer, *cell)))
            else:
                with pytest.raises(ValueError):
                    decide_binding(kind, attachment, (), Situation(), prefer=prefer)


def test_a_fixed_resource_by_value_that_may_not_leave():
    decision = decide_binding(BindingKind.VALUE, Attachment.FIXED, (), Situation(may_leave=False))
    assert decision.movements == () and decision.obstacles == ((GR, Obstacle.MAY_NOT_LEAVE),)


def test_alternatives_outside_the_cell_are_refused():
    for (kind, attachment), cell in CELLS.items():
        for movement in Movement:
            if movement in cell:
                assert checked_alternatives(kind, attachment, [movement.letters]) == (movement,)
            else:
                with pytest.raises(ValueError, match=f"{attachment}, bound by {kind}"):
                    checked_alternatives(kind, attachment, [movement])
    with pytest.raises(ValueError, match="teleport"):
        checked_alternatives(BindingKind.VALUE, Attachment.FIXED, ["teleport"])
