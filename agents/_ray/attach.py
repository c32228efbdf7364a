"""The platform that runs already on the Ray of this process."""

from __future__ import annotations

import ray

from agents._ray.membership import PLATFORM_NAMESPACE, named_actor
from agents._ray.transport import DIRECTORY, RayTransport
from agents.client import Client

__all__ = ["PLATFORM_NAMESPACE", "attached_client"]


def attached_client() -> Client | None:
    """A connection to it; None if there is no platform here."""
    if not ray.is_initialized() or named_actor(DIRECTORY) is None:
        return None
    return Client(RayTransport())
