"""Ids of agents: random for those that an owner launches; a child's continues its parent's."""

from __future__ import annotations

import re
import secrets
from typing import Final

__all__ = ["is_agent_id", "new_agent_id"]

_AGENT_ID: Final = re.compile(r"[0-9a-f]{16}(?:\.\d+-\d+)*")


def new_agent_id() -> str:
    """A random one."""
    return secrets.token_hex(8)


def is_agent_id(text: str) -> bool:
    """Whether a text has the form of an agent's id, so that it cannot be a name."""
    return _AGENT_ID.fullmatch(text) is not None
