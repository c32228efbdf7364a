"""The seam to whatever carries requests between places and to the directory: calls of Ray now, sockets later.

A transport delivers a request at most once per call, or raises. It does not retry: whoever calls decides that, since
only the caller knows whether twice is once too often.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from agents.protocol import PlaceReply, PlaceRequest

__all__ = ["PlaceServer", "Transport"]

#: Answers requests; what a place gives to its transport.
PlaceServer = Callable[[PlaceRequest], PlaceReply]


@runtime_checkable
class Transport(Protocol):
    """Carries requests.

    Implementations are tested by ``tests/conformance/transport.py``.
    """

    def ask_place(self, place: str, request: PlaceRequest, *, timeout: float) -> PlaceReply:
        """Ask a place, and wait for what it answers.

        Parameters
        ----------
        timeout
            Seconds.

        Raises
        ------
        UnknownPlace
            If there is no such place; nothing was sent.
        PlaceUnreachable
            If it does not answer in time, or has died; `unsent` tells whether the request can have reached it.
        """
        ...

    def ask_directory(self, method: str, *args: Any, timeout: float, **kwargs: Any) -> Any:
        """Call a method of the directory (`agents.directory.Directory`), and wait for what it returns.

        Raises
        ------
        DirectoryUnreachable
            If it does not answer in time, or is being started again; whether the call took effect is unknown.
        mobility.errors.MobilityError
            What the method raises.
        """
        ...

    def places(self) -> tuple[str, ...]:
        """The names of the places that serve, as far as is known."""
        ...

    def knows(self, place: str) -> bool:
        """Whether there is a place of that name, also if it does not serve at the moment."""
        ...

    def close(self) -> None:
        """Let go of connections; nothing at the other ends is shut down."""
        ...
