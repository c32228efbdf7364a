"""The mailbox: every message once, in the order in which its sender wrote it, however often it comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.mailbox import Delivery, Mailbox, Message

arrivals = st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 5)), max_size=60)


@given(arrivals)
def test_each_message_is_taken_once_and_in_order(coming: list[tuple[str, int]]) -> None:
    """Whatever comes again, too early or mixed with others."""
    mailbox = Mailbox()
    for sender, number in coming:
        mailbox.deliver(Message(sender, number))
    for sender in "xyz":
        numbers = [message.number for message in mailbox.waiting if message.sender == sender]
        assert numbers == list(range(len(numbers)))


@given(arrivals)
def test_the_verdict_tells_what_delivery_does(coming: list[tuple[str, int]]) -> None:
    """A place judges first, writes the journal, and delivers then: in between nothing may change."""
    mailbox = Mailbox()
    for sender, number in coming:
        before = len(mailbox.waiting)
        verdict = mailbox.judge(Message(sender, number))
        assert mailbox.deliver(Message(sender, number)) is verdict
        assert len(mailbox.waiting) - before == (verdict is Delivery.TAKEN)


@given(arrivals, arrivals, st.integers(0, 20))
def test_a_move_changes_nothing(early: list[tuple[str, int]], late: list[tuple[str, int]], read: int) -> None:
    """The mailbox that travelled goes on like one that stayed."""
    stays = Mailbox()
    for sender, number in early:
        stays.deliver(Message(sender, number, value=[number]))
    for _ in range(read):
        stays.take()
    travels = Mailbox.from_plain(stays.to_plain())
    for sender, number in late:
        assert stays.deliver(Message(sender, number)) is travels.deliver(Message(sender, number))
    assert stays == travels


@given(arrivals)
def test_messages_are_read_in_the_order_in_which_they_were_taken(coming: list[tuple[str, int]]) -> None:
    """Reading must not turn round what delivery has put in order."""
    mailbox, taken = Mailbox(), []
    for sender, number in coming:
        message = Message(sender, number)
        if mailbox.deliver(message) is Delivery.TAKEN:
            taken.append(message)
    assert [mailbox.take() for _ in taken] == taken
    assert mailbox.take() is None
