"""Stable names for the functions that snapshots refer to."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["format_1"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def format_1(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let pickle refer to a function as a member of :mod:`mobility.v1`, which imports it."""
    function.__module__ = "mobility.v1"
    return function
