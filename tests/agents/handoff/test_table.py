"""The tables are the protocol: what they do not list cannot happen, and what they list ends where they say."""

from __future__ import annotations

import dataclasses
import pickle
from itertools import product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.handoff import (
    NEVER,
    TABLE,
    Denied,
    Event,
    Granted,
    Holder,
    IllegalEvent,
    Machine,
    RequestKind,
    Row,
    State,
    Status,
    Visit,
    courier,
    step,
)
from agents.handoff import events as on
from agents.handoff.courier import COURIER_TABLE, Courier, CourierEvent, CourierState, carry
from agents.handoff.ledger import Denial

EVENTS = get_args(Event)
COURIER_EVENTS = get_args(CourierEvent)
ROW = Row("a", 7, Status.HELD, Holder("lima", "w"), 5, b"link")
EPOCHS = st.integers(NEVER, 3)
ANSWERS = st.one_of(
    st.builds(Granted, st.just("a"), st.sampled_from(RequestKind), EPOCHS, EPOCHS),
    st.builds(
        Denied,
        st.just("a"),
        st.sampled_from(RequestKind),
        EPOCHS,
        st.sampled_from(Denial),
        st.sampled_from([None, ROW, dataclasses.replace(ROW, status=Status.FROZEN, holder=None)]),
    ),
)
FIELDS = {
    "epoch": EPOCHS,
    "reason": st.sampled_from(["busy", "no-answer"]),
    "answer": ANSWERS,
    "kind": st.sampled_from(RequestKind),
    "asked": EPOCHS,
    "held": st.booleans(),
    "to": st.sampled_from(["lima", "oslo"]),
    "hint": st.sampled_from([None, "lima", "oslo"]),
    "place": st.sampled_from([None, "lima", "oslo"]),
}


def made(kind: type) -> st.SearchStrategy:
    return st.builds(kind, **{field.name: FIELDS[field.name] for field in dataclasses.fields(kind)})


#: What the directory can have been asked, by state.
ASKING = {
    State.STAGED: [RequestKind.TAKE, RequestKind.RESTORE],
    State.RECLAIMING: [RequestKind.FENCE],
    State.RELEASING: [RequestKind.RELEASE],
    State.FINISHING: [RequestKind.FINISH],
}


def visits(state: State) -> st.SearchStrategy[Visit]:
    if state is State.ABSENT:
        return st.builds(Visit, st.just("a"), leased=st.booleans())
    asking = st.sampled_from(ASKING.get(state, [None]))
    to = st.none() | st.just("oslo")
    return st.builds(Visit, st.just("a"), st.just(state), EPOCHS, EPOCHS, st.booleans(), asking, to, st.just("why"))


PAIRS = [(state, kind) for state in State for kind in EVENTS]


@pytest.mark.parametrize(("state", "kind"), [pair for pair in PAIRS if pair not in TABLE])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_the_table_does_not_list_raises_and_changes_nothing(state: State, kind: type, data: st.DataObject) -> None:
    """A driver's defect must not damage an agent's machine."""
    machine = Machine("a")
    machine.visit = before = data.draw(visits(state))
    event = data.draw(made(kind))
    with pytest.raises(IllegalEvent) as caught:
        machine.handle(event)
    assert machine.visit is before and machine.story == ()
    assert caught.value.state == state.value and kind.__name__ in caught.value.event
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.slug == "illegal-event"


@pytest.mark.parametrize(("state", "kind"), [pair for pair in PAIRS if pair in TABLE])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_the_table_lists_ends_where_it_says(state: State, kind: type, data: st.DataObject) -> None:
    """The diagram and the explorer believe the table: whatever the fields, the state afterwards is one it names."""
    before = data.draw(visits(state))
    event = data.draw(made(kind))
    after, effects = step(before, event)
    assert after.state in TABLE[state, kind].targets
    if before.holds_mail and not after.holds_mail:
        assert any(isinstance(effect, on.PassOn) for effect in effects), "mail would wait for ever"
    if after.state is State.RUNNING and before.state is not State.RUNNING:
        assert after.leased, "nothing runs without a lease"
        assert any(isinstance(effect, on.Activate | on.Resume | on.Proceed) for effect in effects)
    if after.state in (State.GONE, State.ENDED) and before.state in (State.RUNNING, State.SUSPENDED, State.FROZEN):
        assert any(isinstance(effect, on.Discard) for effect in effects)


def test_each_target_of_the_table_is_reached() -> None:
    """A target that no event leads to would be an arrow in the diagram that does not exist."""
    missing = {(state, kind, target) for (state, kind), there in TABLE.items() for target in there.targets}
    answers = [Granted("a", kind, epoch, epoch + 1) for kind in RequestKind for epoch in (0, 1)]
    reasons = (Denial.NO_LEASE, Denial.STALE_EPOCH)
    answers += [Denied("a", kind, 1, reason, ROW) for kind in RequestKind for reason in reasons]
    values = {
        "epoch": [0, 1],
        "answer": answers,
        "asked": [1],
        "kind": list(RequestKind),
        "held": [True, False],
        "to": ["lima"],
    }
    values["reason"] = ["busy"]
    for state, kind in TABLE:
        names = [field.name for field in dataclasses.fields(kind)]
        events = [kind(**dict(zip(names, chosen))) for chosen in product(*(values[name] for name in names))]
        asked = ASKING.get(state, [None])
        befores = [Visit("a")] if state is State.ABSENT else []
        if state is not State.ABSENT:
            choices = product((NEVER, 1), (True, False), asked, (None, "oslo"))
            befores = [Visit("a", state, 1, stay, leased, ask, to) for stay, leased, ask, to in choices]
        for before, event in product(befores, events):
            missing.discard((state, kind, step(before, event)[0].state))
    assert not missing


@pytest.mark.parametrize("state", list(CourierState))
@pytest.mark.parametrize("kind", COURIER_EVENTS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_courier_goes_by_its_table(state: CourierState, kind: type, data: st.DataObject) -> None:
    """As for the visit: listed events end where the table says, others raise."""
    before = data.draw(st.builds(Courier, st.just("a"), st.just(state), FIELDS["place"], st.integers(0, 2)))
    event = data.draw(made(kind))
    if (state, kind) in COURIER_TABLE:
        after, _ = carry(before, event)
        assert after.state in COURIER_TABLE[state, kind][1]
    else:
        with pytest.raises(IllegalEvent):
            carry(before, event)


@given(st.lists(st.sampled_from(["baku", "lima", "oslo", None]), max_size=12))
def test_a_courier_follows_at_most_two_marks_before_it_asks(hints: list[str | None]) -> None:
    """A chain of marks that grows with every hop would make each message slower than the one before."""
    now, effects = carry(Courier("a"), courier.Posted("baku"))
    followed = 0
    for hint in hints:
        now, effects = carry(now, courier.NotThere(hint))
        if isinstance(effects[0], courier.Locate):
            followed = 0
            now, effects = carry(now, courier.Located("baku"))
        else:
            followed += 1
        assert followed <= courier.MOST_MARKS


def test_a_courier_ends_with_one_word_to_its_sender() -> None:
    """Answers that come late or twice must not tell the sender twice."""
    now, _ = carry(Courier("a"), courier.Posted("baku"))
    now, effects = carry(now, courier.Delivered())
    assert effects == (courier.Succeed(),)
    for event in (
        courier.Delivered(),
        courier.NotThere("lima"),
        courier.Overdue(),
        courier.NoReply(),
        courier.Lost("x"),
    ):
        now, effects = carry(now, event)
        assert effects == () and now.state is CourierState.DELIVERED


def test_a_machine_tells_its_story() -> None:
    """An error without what led to it cannot be understood."""
    machine = Machine("a")
    machine.handle(on.Offered(3))
    machine.handle(on.Admitted())
    assert machine.story == ("Offered(epoch=3) -> admitting", "Admitted() -> staged")
    with pytest.raises(
        IllegalEvent, match=r"Finishes cannot happen to agent a while it is staged.*Admitted\(\) -> staged"
    ):
        machine.handle(on.Finishes())
    with pytest.raises(TypeError):
        pickle.dumps(machine)


def test_an_epoch_that_was_only_claimed_is_forgotten() -> None:
    """Anybody can offer an old bundle under a high epoch: what is due must not be taken for stale ever after."""
    machine = Machine("a")
    machine.visit = Visit("a", State.GONE, epoch=5, stay=4, to="lima")
    machine.handle(on.Offered(1000))
    machine.handle(on.Declined("untrusted"))
    assert machine.handle(on.Offered(6)) == (on.Admit(6),)
    machine.handle(on.Declined("busy"))
    machine.handle(on.Offered(1000))
    machine.handle(on.Admitted())
    machine.handle(on.Told(Denied("a", RequestKind.TAKE, 1000, Denial.STALE_EPOCH, ROW)))
    assert machine.handle(on.Offered(7)) == (on.Admit(7),)


@pytest.mark.parametrize("kind", [RequestKind.TAKE, RequestKind.RESTORE, RequestKind.FENCE])
def test_a_grant_from_before_the_lease_was_lost_is_confirmed_first(kind: RequestKind) -> None:
    """Since then the directory may have let another place restore the agent: it would run twice."""
    state = State.RECLAIMING if kind is RequestKind.FENCE else State.STAGED
    machine = Machine("a")
    machine.visit = Visit("a", state, epoch=4, stay=2 if kind is RequestKind.FENCE else NEVER, asking=kind)
    machine.handle(on.LeaseLost())
    machine.handle(on.LeaseHeld(False))
    machine.handle(on.Told(Granted("a", kind, 4, 5)))
    assert machine.state is State.SUSPENDED
    machine.handle(on.LeaseHeld(False))
    assert machine.state is State.GONE
