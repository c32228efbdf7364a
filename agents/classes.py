"""Class agents, before they are launched: which classes are such, and whether they can be called as one."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["check_class", "is_class_agent"]


def is_class_agent(kind: Any) -> bool:
    """Whether a class has `arrive`; its objects are then agents."""
    return isinstance(kind, type) and hasattr(kind, "arrive")


def check_class(kind: type) -> None:
    """That places can call what it defines.

    Raises
    ------
    TypeError
        If it has no `arrive`, or one that cannot be called with a place; says how to write it.
    """
    if not is_class_agent(kind):
        raise TypeError(f"{kind.__qualname__} has no arrive, by which it is entered: def arrive(self, here): ...")
    _check(kind, "arrive", ("here",))
    if hasattr(kind, "refused"):
        _check(kind, "refused", ("here", "error"))


def _check(kind: type, name: str, given: tuple[str, ...]) -> None:
    shape = f"def {name}(self, {', '.join(given)}): ..."
    member = inspect.getattr_static(kind, name)
    if isinstance(member, staticmethod | classmethod) or not callable(member):
        raise TypeError(f"{kind.__qualname__}.{name} is to be a method, as in {shape}")
    if inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member):
        raise TypeError(f"{kind.__qualname__}.{name} runs on an event loop, and a place has none: write {shape}")
    try:
        signature = inspect.signature(member)
    except (TypeError, ValueError):  # written in C
        return
    try:
        signature.bind(None, *given)
    except TypeError as error:
        raise TypeError(f"{kind.__qualname__}.{name}{signature} cannot be called as {shape}: {error}") from None
