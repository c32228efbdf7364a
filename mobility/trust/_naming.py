"""What names, key ids and digests look like in every signed body."""

from __future__ import annotations

import re
from typing import Final

from mobility.trust.strict import Hexadecimal, Integer, Text

__all__ = ["DIGEST", "KEY_ID", "LAST_MOMENT", "NAME", "TIME", "require_name"]

#: Of owners, places and agents: fit for file names, command lines and terminals, and no two look alike.
NAME: Final = Text(re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*"), most=64)
KEY_ID: Final = Text(re.compile("[0-9a-f]{64}"), least=64, most=64)
DIGEST: Final = Hexadecimal(32)
#: Unix time of the last second of the year 9999.
LAST_MOMENT: Final = 253_402_300_799
TIME: Final = Integer(0, LAST_MOMENT)


def require_name(name: str) -> str:
    """Refuse a name that no signed body could carry."""
    if len(name) > NAME.most or NAME.pattern is None or not NAME.pattern.fullmatch(name):
        raise ValueError(f"a name is 1 to {NAME.most} letters, digits and ._@+-, not {name[:80]!r}")
    return name
