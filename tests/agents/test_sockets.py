"""Connections of our own: who is heard, what is carried, and what is said when nobody answers."""

from __future__ import annotations

import pickle
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agents.sockets import Interrupted, NoConnection, SocketCaller, SocketServer

SECRET = b"known to all processes of it...."
opened: list[object] = []


class Trap:
    """Notes that it was unpickled."""

    def __reduce__(self) -> Any:
        return opened.append, ("decoded",)


def _closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def echo(request: Any, payload: memoryview | None) -> Any:
    return request, None if payload is None else (len(payload), payload.readonly, bytes(payload[:4]))


@pytest.fixture
def failures() -> list[BaseException]:
    return []


@pytest.fixture
def server(failures: list[BaseException]) -> Iterator[SocketServer]:
    server = SocketServer("127.0.0.1", SECRET, echo, failed=failures.append)
    yield server
    server.close()
    assert failures == []


@pytest.mark.parametrize("size", [0, 1, 65_537, 20_000_000])
def test_a_message_and_its_buffer_arrive_whole(server: SocketServer, size: int) -> None:
    """And the buffer in memory of its own, which whoever gets it may change."""
    caller = SocketCaller(SECRET)
    data = b"abcd" * (size // 4) + b"x" * (size % 4)
    request, got = caller.call(server.address, {"size": size}, data, timeout=20)
    assert request == {"size": size}
    assert got == (None if size == 0 else (size, False, data[:4]))
    caller.close()


def test_who_does_not_know_the_secret_is_not_heard(server: SocketServer) -> None:
    """Nothing of it is decoded; nor does a caller speak to a server that does not know it."""
    with pytest.raises(NoConnection, match="did not greet"):
        SocketCaller(b"another").call(server.address, Trap(), timeout=5)
    with socket.create_connection(server.address) as stranger:
        stranger.recv(32)
        body = pickle.dumps(Trap())
        stranger.sendall(bytes(64) + len(body).to_bytes(8, "big") + bytes(8) + body)
        stranger.settimeout(5)
        assert _closed(stranger)
    assert opened == []


def test_an_answer_of_a_server_that_only_repeats_the_challenge_is_refused() -> None:
    """Reflecting what the caller has sent proves nothing."""
    listener = socket.create_server(("127.0.0.1", 0))

    def mirror() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(bytes(32))
            got = connection.recv(64)
            connection.sendall(got[32:64])

    thread = threading.Thread(target=mirror)
    thread.start()
    with pytest.raises(NoConnection, match="does not know the secret"):
        SocketCaller(SECRET).call(listener.getsockname(), "hello", timeout=5)
    thread.join(5)
    listener.close()


def test_silence_ends_at_the_deadline_and_the_connection_with_it() -> None:
    """A late answer must not be taken for that of the next request."""
    gate = threading.Event()

    def slow(request: Any, payload: Any) -> Any:
        if request == "slow":
            gate.wait(5)
        return request

    server = SocketServer("127.0.0.1", SECRET, slow, failed=lambda error: None)
    caller = SocketCaller(SECRET)
    began = time.monotonic()
    with pytest.raises(Interrupted, match=r"no answer within 0\.2 seconds"):
        caller.call(server.address, "slow", timeout=0.2)
    assert time.monotonic() - began < 3
    gate.set()
    assert [caller.call(server.address, number, timeout=5) for number in range(3)] == [0, 1, 2]
    caller.close()
    server.close()


def test_nobody_there_and_somebody_who_has_gone() -> None:
    """That nothing was sent is told apart from that nobody knows; an idle connection that was closed is not used."""
    server = SocketServer("127.0.0.1", SECRET, echo, failed=lambda error: None)
    caller = SocketCaller(SECRET)
    assert caller.call(server.address, 1, timeout=5) == (1, None)
    server.close()
    time.sleep(0.2)
    with pytest.raises(NoConnection, match="is not reached"):
        caller.call(server.address, 2, timeout=5)


def test_many_at_once_on_connections_that_are_kept(server: SocketServer) -> None:
    """Each gets its own answer, and no more connections are made than were needed at once."""
    caller = SocketCaller(SECRET)
    wrong: list[object] = []

    def calls(start: int) -> None:
        for number in range(start, start + 200):
            if caller.call(server.address, number, timeout=10) != (number, None):
                wrong.append(number)

    threads = [threading.Thread(target=calls, args=(start * 1000,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == [] and len(server._connections) <= 8
    caller.close()


def test_what_is_announced_too_large_is_not_waited_for(server: SocketServer) -> None:
    """Of somebody who knows the secret, too."""
    from agents import sockets

    with socket.create_connection(server.address) as peer:
        peer.settimeout(5)
        sockets._greet(peer, SECRET)
        peer.sendall((1 << 62).to_bytes(8, "big") + bytes(8))
        assert _closed(peer)
