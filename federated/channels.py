"""Messages between this process and its children: plain data in frames over a socket, each side by its own deadline.

A frame is a number of buffers: ``count`` (4 bytes), the length of each (8 bytes), then the buffers; the first is the
message, the others are what the plain codec has left out of it. A length is held against the limit before it is read.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from typing import Any, Final

from mobility.plain import PlainLimits, decode, encode_buffers

__all__ = ["Channel", "ChannelClosed", "FrameTooLarge"]

_COUNT: Final = struct.Struct(">I")
_MOST_BUFFERS: Final = 65_536
_AHEAD: Final = 65_536  # bytes: a small frame comes in by one call, and wakes its receiver once
_AT_ONCE: Final = 512  # buffers of one call; systems take 1024


class ChannelClosed(Exception):
    """The other side is gone."""


class FrameTooLarge(Exception):
    """The other side wants to send more than is taken; hardly anything of it was read."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


class Channel:
    """One side of a connection; many threads may send, one receives.

    Parameters
    ----------
    most_bytes
        Of one frame that comes in.
    """

    def __init__(self, connection: socket.socket, most_bytes: int) -> None:
        # Two threads wait on it by deadlines of their own, which the one timeout of a socket cannot say.
        connection.setblocking(False)
        self.connection = connection
        self.limits = PlainLimits(total_bytes=most_bytes, array_bytes=most_bytes, bytes_length=most_bytes)
        self._sending = threading.Lock()
        self._ahead = memoryview(b"")

    def send(self, value: Any, *, deadline: float | None = None) -> int:
        """Send plain data; how many bytes it took.

        Parameters
        ----------
        deadline
            Of the monotonic clock.

        Raises
        ------
        NotPlain, ChannelClosed, TimeoutError
        """
        message, buffers = encode_buffers(value)
        parts = [memoryview(message), *buffers]
        head = _COUNT.pack(len(parts)) + struct.pack(f">{len(parts)}Q", *(part.nbytes for part in parts))
        pieces = [memoryview(head), *(part.cast("B") for part in parts if part.nbytes)]
        total = sum(piece.nbytes for piece in pieces)
        with self._sending:
            self._all_of(pieces, deadline)
        return total

    def receive(self, *, deadline: float | None = None) -> tuple[Any, int]:
        """What the other side sends next, and how many bytes it took.

        Raises
        ------
        ChannelClosed, FrameTooLarge, TimeoutError
        PlainInvalid
            If it is no plain data.
        """
        (count,) = _COUNT.unpack(self._exactly(_COUNT.size, deadline))
        if count < 1 or count > _MOST_BUFFERS:
            raise ChannelClosed(f"{count} buffers are no frame")
        sizes = struct.unpack(f">{count}Q", self._exactly(8 * count, deadline))
        if sum(sizes) > self.limits.total_bytes:
            raise FrameTooLarge(sum(sizes))
        parts = [self._exactly(size, deadline) for size in sizes]
        return decode(bytes(parts[0]), buffers=parts[1:], limits=self.limits), sum(sizes)

    @property
    def unread(self) -> bool:
        """Whether something has come that was not received yet."""
        if self._ahead:
            return True
        waiting = select.poll()
        descriptor = self.connection.fileno()
        if descriptor < 0:
            return False
        waiting.register(descriptor, select.POLLIN)
        return any(event & select.POLLIN and not event & select.POLLHUP for _, event in waiting.poll(0))

    def _all_of(self, pieces: list[memoryview], deadline: float | None) -> None:
        at = 0
        while at < len(pieces):
            try:
                sent = self.connection.sendmsg(pieces[at : at + _AT_ONCE])
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline)
                continue
            except OSError as error:
                raise ChannelClosed(str(error)) from None
            while at < len(pieces) and sent >= pieces[at].nbytes:
                sent -= pieces[at].nbytes
                at += 1
            if sent:
                pieces[at] = pieces[at][sent:]

    def _exactly(self, size: int, deadline: float | None) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            if not self._ahead:
                if len(view) >= _AHEAD:
                    view = view[self._some(view, deadline) :]
                    continue
                room = bytearray(_AHEAD)
                self._ahead = memoryview(room)[: self._some(memoryview(room), deadline)]
            here = min(len(view), len(self._ahead))
            view[:here] = self._ahead[:here]
            view, self._ahead = view[here:], self._ahead[here:]
        return data

    def _some(self, room: memoryview, deadline: float | None) -> int:
        while True:
            try:
                got = self.connection.recv_into(room)
            except BlockingIOError:
                self._wait(select.POLLIN, deadline)
                continue
            except OSError as error:
                raise ChannelClosed(str(error)) from None
            if not got:
                raise ChannelClosed("the connection was closed")
            return got

    def _wait(self, event: int, deadline: float | None) -> None:
        waiting = select.poll()
        descriptor = self.connection.fileno()
        if descriptor < 0:
            raise ChannelClosed("the connection was closed on this side")
        waiting.register(descriptor, event)
        left = None
        if deadline is not None:
            left = max(0.0, deadline - time.monotonic()) * 1000
        if not waiting.poll(left):
            raise TimeoutError("the deadline has passed")

    def close(self) -> None:
        """Close it; who waits on the other side is told."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.connection.close()
