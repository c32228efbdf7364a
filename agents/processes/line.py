"""The line between a place and the process of one of its agents: messages, each with large buffers behind it.

The place writes pickles: the process believes it. The process writes plain data: the place does not.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["Line", "LineEnded", "LineSilent"]

_HEAD: Final = struct.Struct("<QI")  # bytes of the message, and how many buffers follow
_SIZE: Final = struct.Struct("<Q")
#: Seconds within which the rest of a message that has begun must go on to come, or to be taken.
_INACTIVE: Final = 60.0
_MOST_BYTES: Final = 1 << 31
_MOST_BUFFERS: Final = 1 << 20


class LineEnded(Exception):
    """The other side is gone, or says what it should not."""


class LineSilent(Exception):
    """Nothing has come in time."""


class Line:
    """One side of it. Messages are sent by one thread at a time, and received by one.

    Parameters
    ----------
    dumps, loads
        For what this side says, and for what it hears.
    """

    def __init__(self, connection: socket.socket, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]) -> None:
        self._connection = connection
        self._dumps = dumps
        self._loads = loads
        connection.settimeout(_INACTIVE)

    def send(self, message: Any, buffers: Sequence[memoryview] = ()) -> None:
        """Say something.

        Raises
        ------
        LineEnded
        """
        body = self._dumps(message)
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        head = _HEAD.pack(len(body), len(views)) + b"".join(_SIZE.pack(len(view)) for view in views)
        try:
            self._connection.sendall(head + body)
            for view in views:
                self._connection.sendall(view)
        except OSError as error:
            raise LineEnded(str(error)) from error

    def receive(self, seconds: float | None) -> tuple[Any, list[bytearray]]:
        """What the other side says next.

        Parameters
        ----------
        seconds
            How long to wait for its beginning; None: for as long as an agent takes.

        Raises
        ------
        LineSilent
            Nothing was taken off the line.
        LineEnded
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            poll = select.poll()  # not select(): a place may have more than 1024 files open
            poll.register(self._connection, select.POLLIN)
            left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            if not poll.poll(left):
                raise LineSilent
            length, count = _HEAD.unpack(self._exactly(_HEAD.size))
            if length > _MOST_BYTES or count > _MOST_BUFFERS:
                raise LineEnded("a message is too large")
            sizes = [_SIZE.unpack(self._exactly(_SIZE.size))[0] for _ in range(count)]
            body = self._exactly(length)
            buffers = [self._exactly(size) for size in sizes]
            return self._loads(bytes(body)), buffers
        except (OSError, ValueError) as error:
            raise LineEnded(str(error)) from error

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            got = self._connection.recv_into(view)
            if not got:
                raise LineEnded("it was closed")
            view = view[got:]
        return data

    def close(self) -> None:
        """Say and hear no more."""
        self._connection.close()
