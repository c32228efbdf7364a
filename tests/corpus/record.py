"""The recorder: what happened, in order, in this process.

A list that is an argument of the generator would be copied by a move. This one belongs to the process, as a printer
would, so nothing that a move does may add to it, and what the function does must add the same as natively.
"""

from typing import Any, TypeVar

from tests.support.picture import picture

T = TypeVar("T")
said: list[Any] = []


def say(text: object, value: Any = None) -> Any:
    """Record `text` (its picture at this moment) and return `value`, so that operands can be observed too."""
    said.append(picture(text))
    return value


def op(value: T) -> T:
    """Record an operand and return it."""
    said.append(picture(value))
    return value


def mix(*arguments: object, **keywords: object) -> int:
    """Record a call with whatever it was given; the result is a small number that depends on it."""
    said.append(("mix", picture(arguments), picture(keywords)))
    numbers = [value for value in (*arguments, *keywords.values()) if isinstance(value, int)]
    return (sum(numbers) * 7 + len(arguments)) % 11


def num(value: object) -> int:
    """A number for any value: what was sent may be None."""
    return value % 1000 if isinstance(value, int) else 3


class Custom(Exception):
    """An exception with arguments that its constructor changes, so that `args` alone cannot build it again."""

    def __init__(self, code: int, *, hint: str = "none") -> None:
        super().__init__(f"custom {code}")
        self.code = code
        self.hint = hint


class Manager:
    """A context manager that records what is done to it; `mode` says how it leaves."""

    def __init__(self, name: object, mode: str = "plain") -> None:
        self.name = name
        self.mode = mode

    def __enter__(self) -> str:
        say(("enter", self.name))
        if self.mode == "refuse":
            raise KeyError(self.name)
        return f"inside {self.name}"

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool | None:
        say(("exit", self.name, kind, error, trace is not None))
        if self.mode == "raise":
            raise LookupError(f"exit of {self.name}")
        if self.mode == "raise-on-error" and error is not None:
            raise LookupError(f"exit of {self.name} on error")
        if self.mode == "same" and error is not None:
            raise error
        return self.mode == "suppress" and error is not None and not isinstance(error, GeneratorExit)


class Items:
    """An iterable whose every protocol step is recorded."""

    def __init__(self, *values: Any) -> None:
        self.values = list(values)

    def __iter__(self) -> "Countdown":
        say(("iter", len(self.values)))
        return Countdown(self.values)


class Countdown:
    """An iterator that records each step and removes what it gives."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __iter__(self) -> "Countdown":
        say("iter of an iterator")
        return self

    def __next__(self) -> Any:
        if not self.values:
            say("exhausted")
            raise StopIteration
        return say(("next", len(self.values)), self.values.pop(0))


class Legacy:
    """A sequence of the old protocol: `__getitem__` and IndexError, no `__iter__`."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __getitem__(self, index: int) -> int:
        say(("getitem", index))
        if index >= self.size:
            raise IndexError(index)
        return index * 10


class Bag:
    """Attributes of any name."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)
