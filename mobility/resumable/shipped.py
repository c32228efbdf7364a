"""How modules that came in a bundle are named.

``sojourn_0123456789abcdef.survey.helpers``: the module ``survey.helpers`` of the code whose SHA-256 begins so. If its
variables belong to one unit alone, a number stands behind the digits: ``sojourn_0123456789abcdef_7.survey.helpers``.
What was made from the source of one serves all of the same code.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["home_name", "is_shipped", "original_name", "package_name", "shared_name"]

_PREFIX = "sojourn_"
_NAME = re.compile(r"(sojourn_[0-9a-f]{16})(?:_[0-9]+)?(?:\.(.+))?", re.DOTALL)


def package_name(digest: bytes, serial: int | None = None) -> str:
    """The package for the code of a digest; with a number, one of several."""
    name = _PREFIX + digest.hex()[:16]
    return name if serial is None else f"{name}_{serial}"


def is_shipped(module: str) -> bool:
    """Whether a module of this name came in a bundle, here or elsewhere."""
    return module.startswith(_PREFIX) and _NAME.fullmatch(module) is not None


def original_name(module: str) -> str:
    """The name that a module had where it was written."""
    match = _NAME.fullmatch(module) if module.startswith(_PREFIX) else None
    return match[2] if match is not None and match[2] else module


def shared_name(module: str) -> str:
    """The name without the number that tells units of the same code apart."""
    match = _NAME.fullmatch(module) if module.startswith(_PREFIX) else None
    return f"{match[1]}.{match[2]}" if match is not None and match[2] else module


def home_name(module: str, namespace: dict[str, Any]) -> str:
    """The module of a function whose plan is shared: by the global variables that it has."""
    return namespace.get("__name__", module) if module.startswith(_PREFIX) else module
