"""The platform that this process is connected to, so that a handle works wherever it was unpickled.

A driver is connected by `connect`, a place by its actor. A process of the cluster that is neither, like a task of Ray,
finds the platform through the engine when a handle is first used in it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from agents.errors import NotConnected

if TYPE_CHECKING:
    from agents.client import Client

__all__ = ["current_client", "disconnect_client", "set_client"]

_lock = threading.Lock()
_clients: list[Client] = []


def set_client(client: Client) -> None:
    """Make this the process's connection, until it is disconnected."""
    with _lock:
        _clients.append(client)


def disconnect_client(client: Client) -> None:
    """Forget a connection; the one before it counts again."""
    with _lock:
        if client in _clients:
            _clients.remove(client)


def current_client() -> Client:
    """The connection of this process.

    Raises
    ------
    NotConnected
        If there is none, and the engine knows of no platform either.
    """
    with _lock:
        if _clients:
            return _clients[-1]
    client = _found()
    if client is None:
        raise NotConnected()
    with _lock:
        _clients.append(client)
    return client


def _found() -> Client | None:
    """Through Ray, if this process has initialised it."""
    import sys

    if "ray" not in sys.modules:
        return None
    from agents._ray.attach import attached_client

    return attached_client()
