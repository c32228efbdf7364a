"""Stable names for the functions that snapshots refer to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["format_1"]

_C = TypeVar("_C", bound=Callable[..., Any])


def format_1(loader: _C) -> _C:
    """Let pickle refer to a function or class as a member of :mod:`mobility.v1`, which imports it."""
    loader.__module__ = "mobility.v1"
    return loader
