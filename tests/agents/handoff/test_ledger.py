"""The directory's decisions: of all requests for one epoch one is granted, and a repeated request changes nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agents.handoff import (
    NEVER,
    Denied,
    Fence,
    Finish,
    Granted,
    Holder,
    Release,
    Request,
    Restore,
    Row,
    Status,
    Take,
    decide,
    is_rubbish,
)
from agents.handoff.ledger import Denial

HOLDERS = [Holder(place, writer) for place in ("lima", "oslo") for writer in ("1", "2")]
LINKS = [b"1", b"2", b"3"]
holders = st.sampled_from(HOLDERS)
links = st.sampled_from(LINKS)


def requests(epoch: int) -> st.SearchStrategy[Request]:
    agent, at = st.just("a"), st.just(epoch)
    return st.one_of(
        st.builds(Take, agent, at, holders, links, links | st.none()),
        st.builds(Restore, agent, at, holders, st.integers(0, 5), links, links | st.none()),
        st.builds(Fence, agent, at, holders, links),
        st.builds(Release, agent, at, holders, links),
        st.builds(Finish, agent, at, holders),
    )


@st.composite
def rows(draw: st.DrawFn) -> Row | None:
    if draw(st.integers(0, 5)) == 0:
        return None
    status = draw(st.sampled_from([Status.HELD, Status.HELD, Status.FROZEN, Status.ENDED]))
    holder = None if status is Status.FROZEN else draw(holders)
    epoch = draw(st.integers(0, 4))
    burned = tuple(draw(st.lists(links, max_size=1)))
    return Row("a", epoch, status, holder, draw(st.integers(0, epoch)), draw(links), burned)


leases = st.sets(holders)


@given(st.data(), rows(), leases)
def test_of_all_requests_for_one_epoch_at_most_one_takes_effect(
    data: st.DataObject, row: Row | None, held: set
) -> None:
    """Two grants for one epoch would be two copies. The same request again is the only other one that is granted."""
    epoch = row.epoch if row is not None else NEVER
    changes = 0
    for request in data.draw(st.lists(requests(epoch), min_size=2, max_size=8)):
        after, answer = decide(row, request, held.__contains__)
        if after is not row:
            assert isinstance(answer, Granted) and after is not None and after.epoch == epoch + 1
            changes += 1
        row = after
    assert changes <= 1


@given(st.data(), rows(), leases)
def test_a_repeated_request_is_granted_again_and_changes_nothing(
    data: st.DataObject, row: Row | None, held: set
) -> None:
    """An asker whose answer was lost asks again, and must not take its own success for a failure."""
    epoch = row.epoch if row is not None else NEVER
    request = data.draw(requests(epoch))
    after, answer = decide(row, request, held.__contains__)
    again, same = decide(after, request, set().__contains__)
    if isinstance(answer, Granted):
        assert again is after and same == answer
    else:
        assert after is row


@given(st.data(), rows(), leases)
def test_nothing_is_granted_under_another_epoch(data: st.DataObject, row: Row | None, held: set) -> None:
    """Stale or invented epochs are denied, and the row is told."""
    request = data.draw(requests(data.draw(st.integers(NEVER, 6))))
    epoch = row.epoch if row is not None else NEVER
    after, answer = decide(row, request, held.__contains__)
    if request.epoch not in (epoch, epoch - 1):
        assert isinstance(answer, Denied) and after is row and answer.row is row


@given(st.data(), rows(), leases)
def test_an_ended_agent_stays_ended(data: st.DataObject, row: Row | None, held: set) -> None:
    """No request brings back an agent that has ended, or that was fenced before its birth."""
    if row is not None and row.status is Status.ENDED:
        after, _ = decide(row, data.draw(requests(row.epoch)), held.__contains__)
        assert after is row


@given(st.data(), rows(), leases)
def test_who_has_a_lease_is_not_robbed(data: st.DataObject, row: Row | None, held: set) -> None:
    """As long as its lease runs, only what the holder itself has asked for or sent ends its stay."""
    if row is None or row.status is not Status.HELD or row.holder not in held:
        return
    request = data.draw(requests(row.epoch))
    if request.by != row.holder and not isinstance(request, Take):
        after, _ = decide(row, request, held.__contains__)
        assert after is row


def test_a_place_that_crashes_right_after_a_restore_can_restore_again() -> None:
    """The checkpoint on its disk is still the one of the first stay, since nothing has been written yet."""
    row = Row("a", 4, Status.HELD, HOLDERS[0], 3, b"1")
    row, answer = decide(row, Restore("a", 4, HOLDERS[1], 3, b"1"), {HOLDERS[1]}.__contains__)
    assert isinstance(answer, Granted) and row is not None
    third = replace(HOLDERS[0], writer="3")
    row, answer = decide(row, Restore("a", 5, third, 3, b"1"), {third}.__contains__)
    assert isinstance(answer, Granted)


def test_after_an_adoption_the_former_holders_checkpoint_is_too_old() -> None:
    """The adopter has accepted messages that are not in it."""
    former, adopter = HOLDERS[0], HOLDERS[2]
    row = Row("a", 4, Status.HELD, former, 3, b"1")
    row, answer = decide(row, Restore("a", 4, adopter, 3, b"1"), {adopter}.__contains__)
    assert isinstance(answer, Granted)
    _, answer = decide(row, Restore("a", 5, former, 3, b"1"), {former}.__contains__)
    assert isinstance(answer, Denied) and answer.reason is Denial.OLD_CHECKPOINT


def test_an_adopter_whose_checkpoint_is_from_before_a_renewal_is_denied() -> None:
    """The holder had its lease back in between, and has written messages down that are not in the copy."""
    row = Row("a", 4, Status.HELD, HOLDERS[0], 3, b"1")
    request = Restore("a", 4, HOLDERS[2], 3, b"1", lease=1)
    _, answer = decide(row, request, {HOLDERS[2]}.__contains__, lambda holder: 2)
    assert isinstance(answer, Denied) and answer.reason is Denial.OLD_CHECKPOINT
    _, answer = decide(row, request, {HOLDERS[2]}.__contains__, lambda holder: 1)
    assert isinstance(answer, Granted)


def test_a_restore_keeps_what_was_burned() -> None:
    """Else a bundle that was fenced before the crash could come in after it."""
    row = Row("a", 4, Status.HELD, HOLDERS[0], 3, b"1", (b"2",))
    row, _ = decide(row, Restore("a", 4, HOLDERS[1], 3, b"1"), {HOLDERS[1]}.__contains__)
    after, answer = decide(row, Take("a", 5, HOLDERS[2], b"2", b"1"), set(HOLDERS).__contains__)
    assert isinstance(answer, Denied) and answer.reason is Denial.BROKEN_CHAIN and after is row


@given(rows(), st.sampled_from(["lima", "oslo"]), st.integers(0, 6), leases, links)
def test_rubbish_is_never_granted(row: Row | None, place: str, stay: int, held: set, link: bytes) -> None:
    """What may be deleted must not be what a request could still make the agent."""
    if not is_rubbish(row, place, stay):
        return
    by = Holder(place, "1")
    epoch = row.epoch if row is not None else NEVER
    for request in (Take("a", stay - 1, by, link, link), Restore("a", epoch, by, stay, link, link)):
        if isinstance(request, Restore) and (row is None or row.holder is None or row.holder.place != place):
            continue  # of another place's agent only a copy is restored, which is of the next stay
        after, _ = decide(row, request, {by, *held}.__contains__)
        assert after is row
