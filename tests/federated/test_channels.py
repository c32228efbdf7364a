"""Frames between a process and its children: whole, in order, however the system cuts them up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import numpy
import pytest

from federated.channels import Channel, ChannelClosed, FrameTooLarge

LIMIT = 256 << 20


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    """Two ends."""
    one, other = socket.socketpair()
    ends = Channel(one, LIMIT), Channel(other, LIMIT)
    yield ends
    for end in ends:
        end.close()


def test_frames_of_all_sizes_arrive_whole_and_in_order(pair: tuple[Channel, Channel]) -> None:
    """Several in one piece, one in many pieces, more buffers than one call takes, empty ones among them."""
    ours, theirs = pair
    generator = numpy.random.default_rng(3)  # arrays from 64 KB on are buffers of their own
    lengths = [[0], [1] * 3, [], [70_000, 0, 70_000], [3_000_000], [65_536] * 3, [1], [2]] * 2 + [[65_536] * 1100]
    sent = [[generator.bytes(length) for length in one] for one in lengths]
    frames = [[numpy.frombuffer(data, dtype=numpy.uint8) for data in one] for one in sent]
    counts: list[int] = []
    thread = threading.Thread(target=lambda: counts.extend(theirs.send(one) for one in frames))
    thread.start()
    until = time.monotonic() + 30
    received = [ours.receive(deadline=until) for _ in frames]
    thread.join(30)
    assert [[array.tobytes() for array in value] for value, _ in received] == sent
    # What was counted at the one end is what came in at the other, but for the head: 4 bytes, and 8 for each buffer.
    assert all(out > size for out, (_, size) in zip(counts, received, strict=True))


def test_a_frame_that_comes_byte_by_byte(pair: tuple[Channel, Channel]) -> None:
    """Two of them, cut anywhere."""
    ours, theirs = pair
    raw, probe = socket.socketpair()
    other = Channel(raw, LIMIT)
    for value in ({"a": 1}, ["b", numpy.arange(5)]):
        other.send(value)
    data = probe.recv(1 << 16)

    def trickle() -> None:
        for number in range(len(data)):
            theirs.connection.send(data[number : number + 1])

    thread = threading.Thread(target=trickle)
    thread.start()
    until = time.monotonic() + 30
    assert ours.receive(deadline=until)[0] == {"a": 1}
    assert ours.receive(deadline=until)[0][1].tolist() == [0, 1, 2, 3, 4]
    thread.join(30)
    other.close()
    probe.close()


def test_both_sides_keep_to_their_deadlines(pair: tuple[Channel, Channel]) -> None:
    """Who hears nothing, and who is not read."""
    ours, _ = pair
    with pytest.raises(TimeoutError):
        ours.receive(deadline=time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        ours.send(numpy.zeros(3_000_000), deadline=time.monotonic() + 0.05)


def test_a_frame_beyond_the_limit_is_not_read(pair: tuple[Channel, Channel]) -> None:
    """Whatever it says of its length, no memory is set aside for it."""
    ours, theirs = pair
    ours.limits = type(ours.limits)(total_bytes=1000)
    thread = threading.Thread(target=lambda: theirs.send(numpy.zeros(1000), deadline=time.monotonic() + 5))
    thread.start()
    with pytest.raises(FrameTooLarge) as caught:
        ours.receive(deadline=time.monotonic() + 5)
    assert caught.value.size > 8000
    thread.join(10)


def test_who_waits_is_told_that_the_other_side_is_gone(pair: tuple[Channel, Channel]) -> None:
    """Also in the middle of a frame."""
    ours, theirs = pair
    theirs.connection.send(b"\0\0\0\1\0\0")
    threading.Timer(0.05, theirs.close).start()
    with pytest.raises(ChannelClosed):
        ours.receive(deadline=time.monotonic() + 5)
    with pytest.raises(ChannelClosed):
        ours.send(numpy.zeros(10), deadline=time.monotonic() + 5)
