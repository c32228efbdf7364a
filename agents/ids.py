"""Ids of agents: random for those that an owner launches; a child's continues its parent's."""

from __future__ import annotations

import re
import secrets
from typing import Final

__all__ = ["check_agent_name", "is_agent_id", "is_plain_name", "new_agent_id"]

#: Letters, digits and a few marks: what can be typed in a shell, shown in a table, and is no option.
_NAME: Final = re.compile(r"\w[\w .:@+-]{0,99}(?<! )")
#: What services and published units are called.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_AGENT_ID: Final = re.compile(r"[0-9a-f]{16}(?:\.\d+-\d+)*")


def new_agent_id() -> str:
    """A random one."""
    return secrets.token_hex(8)


def is_agent_id(text: str) -> bool:
    """Whether a text has the form of an agent's id, so that it cannot be a name."""
    return _AGENT_ID.fullmatch(text) is not None


def is_plain_name(text: object) -> bool:
    """Whether a service or a published unit can be called so: at most 100 ASCII letters, digits, and _ . - within."""
    return isinstance(text, str) and _PLAIN_NAME.fullmatch(text) is not None


def check_agent_name(name: str) -> None:
    """Refuse what could be taken for an id or an option, or cannot be shown in one line.

    Raises
    ------
    ValueError
    """
    if type(name) is not str or not _NAME.fullmatch(name):
        raise ValueError(
            f"an agent cannot be called {str(name)[:100]!r}: a name begins with a letter or digit, and has at most 100 "
            "of them, of _ . : @ + - and of spaces within"
        )
    if is_agent_id(name) or name.startswith("client-"):
        raise ValueError(f"an agent cannot be called {name!r}: that could be taken for an id")
