"""Requests over connections of our own, for engines whose calls take longer than a whole hop should.

Rules
-----
1. A connection begins with a challenge in both directions (HMAC-SHA-256, RFC 2104, over fresh random numbers): who does
   not know the platform's secret is not heard, and nothing that it sends is decoded.
2. One request is on its way on a connection at a time, and its answer follows on the same one. Further requests take
   further connections, so that none waits behind another; idle ones are kept for the next.
3. A message is a pickle, and may have one large buffer behind it, which is neither copied to be sent nor joined when it
   is received: it is read to where it stays.
4. A request is never repeated here. If it cannot have been heard, `NoConnection` says so; else `Interrupted`.

Not handled: somebody who can change packets on the way after the challenge. Bundles are signed, and seal themselves if
that is asked for; other messages are as safe as the cluster's network, as the engine's own are.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

__all__ = [
    "SocketAddress",
    "Interrupted",
    "NoConnection",
    "SocketCaller",
    "SocketServer",
    "Traffic",
    "reached_within",
    "traffic",
]

SocketAddress: TypeAlias = tuple[str, int]

_HEADER: Final = struct.Struct(">QQ")
_NONCE: Final = 32
#: Seconds for a challenge, and to reach somebody.
_GREETING: Final = 5.0
_DIALLING: Final = 2.0
#: Seconds after which an idle connection is given up by whoever has made it.
_IDLE: Final = 60.0
_MOST: Final = 2048
#: Bytes of a message, and of a buffer: what a peer announces beyond is refused before memory is taken.
_LONGEST: Final = 1 << 30
_LARGEST: Final = 1 << 40
_JOINED: Final = 64 << 10


class NoConnection(OSError):
    """Nobody was reached; the request was not sent."""


class Interrupted(OSError):
    """The connection ended after the request had been sent, or its answer did not come in time."""


@dataclass(slots=True, eq=False)
class Traffic:
    """Bytes of messages that this process has sent and received over such connections."""

    sent: int = 0
    received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, *, sent: int = 0, received: int = 0) -> None:
        """Add a message."""
        with self._lock:
            self.sent += sent
            self.received += received


traffic: Final = Traffic()


# -- messages ---------------------------------------------------------------------------------------------------------


def _send(connection: socket.socket, message: object, payload: Any = None) -> None:
    body = pickle.dumps(message, protocol=5)
    size = len(payload) if payload is not None else 0
    head = _HEADER.pack(len(body), size)
    traffic.count(sent=len(head) + len(body) + size)
    if len(body) <= _JOINED:
        connection.sendall(head + body)
    else:  # in two parts, and not copied
        connection.sendall(head)
        connection.sendall(body)
    if size:
        connection.sendall(payload)


def _receive(connection: socket.socket) -> tuple[Any, memoryview | None]:
    """A message and its buffer.

    Raises
    ------
    EOFError
        If the other side has closed.
    """
    length, size = _HEADER.unpack(_exactly(connection, _HEADER.size))
    if length > _LONGEST or size > _LARGEST:
        raise OSError(f"a message of {length} and {size} bytes was announced")
    body = _exactly(connection, length)
    traffic.count(received=_HEADER.size + length + size)
    return pickle.loads(body), _exactly(connection, size) if size else None


def _exactly(connection: socket.socket, size: int) -> memoryview:
    data = memoryview(bytearray(size))
    done = 0
    while done < size:
        count = connection.recv_into(data[done:])
        if not count:
            raise EOFError("the other side has closed")
        done += count
    return data


# -- the challenge ----------------------------------------------------------------------------------------------------


def _proof(secret: bytes, who: bytes, first: bytes, second: bytes) -> bytes:
    return hmac.new(secret, who + first + second, hashlib.sha256).digest()


def _greet(connection: socket.socket, secret: bytes) -> None:
    """As who has called: prove to know the secret, and have it proved."""
    theirs = bytes(_exactly(connection, _NONCE))
    mine = os.urandom(_NONCE)
    connection.sendall(mine + _proof(secret, b"caller", theirs, mine))
    if not hmac.compare_digest(bytes(_exactly(connection, 32)), _proof(secret, b"server", mine, theirs)):
        raise OSError("the other side does not know the secret of this platform")


def _be_greeted(connection: socket.socket, secret: bytes) -> None:
    mine = os.urandom(_NONCE)
    connection.sendall(mine)
    told = bytes(_exactly(connection, _NONCE + 32))
    theirs, proof = told[:_NONCE], told[_NONCE:]
    if not hmac.compare_digest(proof, _proof(secret, b"caller", mine, theirs)):
        raise OSError("the caller does not know the secret of this platform")
    connection.sendall(_proof(secret, b"server", theirs, mine))


def _prepared(connection: socket.socket) -> socket.socket:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


# -- serving ----------------------------------------------------------------------------------------------------------


class SocketServer:
    """Answers requests, each connection on a thread of its own.

    Parameters
    ----------
    host
        At which address to listen.
    serve
        Answers a request and the buffer that came with it.
    ports
        The first one of these that is free; 0: any.
    failed
        Called with what `serve` raises, which it is not to.
    """

    def __init__(
        self,
        host: str,
        secret: bytes,
        serve: Callable[[Any, memoryview | None], Any],
        *,
        ports: Iterable[int] = (0,),
        failed: Callable[[BaseException], None],
    ) -> None:
        self._secret = secret
        self._serve = serve
        self._failed = failed
        self._closed = False
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listener = _listening(host, ports)
        self.address: SocketAddress = self._listener.getsockname()[:2]
        threading.Thread(target=self._accept, name="sojourn-accept", daemon=True).start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if not self._closed:
                    time.sleep(0.05)  # out of files, for one
                continue
            with self._lock:
                full = len(self._connections) >= _MOST
                if not full:
                    self._connections.add(connection)
            if full:
                connection.close()
                continue
            threading.Thread(target=self._converse, args=(connection,), name="sojourn-socket", daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_GREETING)
                _be_greeted(_prepared(connection), self._secret)
                connection.settimeout(None)
                while not self._closed:
                    request, payload = _receive(connection)
                    _send(connection, self._serve(request, payload))
        except (OSError, EOFError):
            pass  # whoever called has gone, or was nobody to be heard
        except BaseException as error:
            self._failed(error)
        finally:
            with self._lock:
                self._connections.discard(connection)

    def close(self) -> None:
        """Hear nobody any more."""
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _listening(host: str, ports: Iterable[int]) -> socket.socket:
    problem: OSError | None = None
    for port in ports:
        try:
            return socket.create_server((host, port), backlog=256)
        except OSError as error:
            problem = error
    raise problem or OSError("there is no port to listen at")


def _dialled(address: SocketAddress, secret: bytes, timeout: float, greeting: float | None = None) -> socket.socket:
    """A connection whose other end has proved to be of this platform.

    Parameters
    ----------
    timeout, greeting
        Seconds to reach it, and for each part of the challenge; the latter by default as the former.
    """
    try:
        connection = socket.create_connection(address, timeout=timeout)
    except OSError as error:
        raise NoConnection(f"{address[0]}:{address[1]} is not reached ({error})") from None
    try:
        connection.settimeout(timeout if greeting is None else greeting)
        _greet(_prepared(connection), secret)
    except (OSError, EOFError) as error:
        connection.close()
        raise NoConnection(f"{address[0]}:{address[1]} did not greet ({error})") from None
    return connection


def reached_within(address: SocketAddress, secret: bytes, *, timeout: float) -> float:
    """Try whether somebody of this platform answers at an address; how many seconds that took.

    Raises
    ------
    NoConnection
        With what is in the way.
    """
    began = time.monotonic()
    _dialled(address, secret, timeout).close()
    return time.monotonic() - began


# -- calling ----------------------------------------------------------------------------------------------------------


class SocketCaller:
    """Makes requests, and keeps connections for the next; used by many threads at once."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._lock = threading.Lock()
        self._idle: dict[SocketAddress, list[tuple[socket.socket, float]]] = {}

    def call(self, address: SocketAddress, request: object, payload: Any = None, *, timeout: float) -> Any:
        """Ask, and wait for the answer.

        Parameters
        ----------
        payload
            A large buffer to go along, if any.
        timeout
            Seconds.

        Raises
        ------
        NoConnection, Interrupted
        """
        deadline = time.monotonic() + timeout
        connection = self._kept(address) or _dialled(address, self._secret, min(timeout, _DIALLING), _GREETING)
        try:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            _send(connection, request, payload)
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            answer, _ = _receive(connection)
        except TimeoutError:
            connection.close()  # a late answer must not be taken for the next one's
            raise Interrupted(f"no answer within {timeout:g} seconds") from None
        except (OSError, EOFError) as error:
            connection.close()
            raise Interrupted(f"the connection ended ({error})") from None
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.setdefault(address, []).append((connection, time.monotonic()))
        return answer

    def _kept(self, address: SocketAddress) -> socket.socket | None:
        """An idle connection that the other side has not closed."""
        while True:
            with self._lock:
                waiting = self._idle.get(address)
                if not waiting:
                    return None
                connection, since = waiting.pop()
                stale = [waiting.pop(0)[0] for _ in range(len(waiting)) if waiting[0][1] < time.monotonic() - _IDLE]
            for old in stale:
                old.close()
            if time.monotonic() - since < _IDLE and not select.select([connection], [], [], 0)[0]:
                return connection
            connection.close()

    def forget(self, address: SocketAddress) -> None:
        """Keep no connection there."""
        with self._lock:
            waiting = self._idle.pop(address, [])
        for connection, _ in waiting:
            connection.close()

    def close(self) -> None:
        """Keep no connection at all."""
        with self._lock:
            addresses = list(self._idle)
        for address in addresses:
            self.forget(address)
