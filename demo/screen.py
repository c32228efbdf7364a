"""What the processes of the demonstration say on the screen, in the same words on both sides."""

from __future__ import annotations

import os
import platform
import reprlib
from collections.abc import Iterable
from types import GeneratorType
from typing import Any

from mobility import ExecutionState, capture

__all__ = ["say", "show", "stack", "who"]

_brief = reprlib.Repr()
_brief.maxlist = _brief.maxdict = 3
_brief.maxother = 60


def who() -> str:
    """This process, for a reader who wants to be sure that there are two."""
    return f"Python {platform.python_version()}, process {os.getpid()}"


def say(text: str, *, indent: int = 0) -> None:
    """One line, at once: the lines of several processes have to come in order."""
    print(" " * indent + text, flush=True)


def stack(generator: GeneratorType[Any, Any, Any]) -> list[ExecutionState]:
    """The states of a suspended generator and of those that it delegates to, outermost first."""
    states = []
    delegate: object = generator
    while isinstance(delegate, GeneratorType):
        states.append(capture(delegate))
        delegate = delegate.gi_yieldfrom
    return states


def show(states: Iterable[ExecutionState]) -> None:
    """Where each is suspended, and what its variables hold."""
    for state in states:
        say(f"{state.function.qualname}, line {state.line}:  {state.source_line.strip()}", indent=4)
        for name, value in sorted(state.locals.items()):
            say(f"{name} = {_brief.repr(value)}", indent=8)
