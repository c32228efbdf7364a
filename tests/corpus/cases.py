"""How a corpus module says what is to be run, and with what operations."""

import copy
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Operation = tuple[Any, ...]
Script = tuple[Operation, ...]

NEXT: Operation = ("next",)
CLOSE: Operation = ("close",)
SEND_SELF: Operation = ("send_self",)


def send(value: object) -> Operation:
    """Send a value (a copy of it, at each run)."""
    return ("send", value)


def throw(kind: type[BaseException], *arguments: object) -> Operation:
    """Throw a new instance."""
    return ("throw", kind, arguments)


def throw_class(kind: type[BaseException]) -> Operation:
    """Throw a class, of which the interpreter makes the instance."""
    return ("throw_class", kind)


@dataclass(frozen=True, slots=True)
class Case:
    """One generator to run: `start()` makes it anew each time.

    Attributes
    ----------
    scripts
        What is special to this function; the driver adds the scripts that every function gets.
    step_limit
        How many steps of the default scripts are worth taking.
    """

    name: str
    start: Callable[[], Generator[Any, Any, Any]]
    scripts: Mapping[str, Script] = field(default_factory=dict)
    step_limit: int = 10


def _register(namespace: dict[str, Any], item: Case) -> None:
    cases = namespace.setdefault("CASES", {})
    if item.name in cases:
        raise ValueError(f"two cases are named {item.name}")
    cases[item.name] = item


def case(
    *arguments: Any,
    named: str = "",
    make: Callable[[], Sequence[Any]] | None = None,
    scripts: Mapping[str, Sequence[Operation]] | None = None,
    steps: int = 10,
    **keywords: Any,
) -> Callable[[Any], Any]:
    """Run the decorated generator function with a copy of these arguments, or with what `make()` returns."""
    namespace = sys._getframe(1).f_globals

    def register(function: Any) -> Any:
        def start() -> Any:
            given = make() if make else copy.deepcopy(arguments)
            return function(*given, **copy.deepcopy(keywords))

        own = {key: tuple(script) for key, script in (scripts or {}).items()}
        _register(namespace, Case(named or function.__name__, start, own, steps))
        return function

    return register


def starts(
    name: str, start: Callable[[], Any], *, scripts: Mapping[str, Sequence[Operation]] | None = None, steps: int = 10
) -> None:
    """Run what `start()` makes: for methods, closures, and whatever is not simply a module's function."""
    own = {key: tuple(script) for key, script in (scripts or {}).items()}
    _register(sys._getframe(1).f_globals, Case(name, start, own, steps))
