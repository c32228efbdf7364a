"""What the command line itself has to report, in the tree of all errors.

::

    MobilityError
    └── CommandError
        ├── FileMissing         file-not-found        there is no such file
        ├── FileUnusable        file-unusable         it is there and cannot be read or written
        ├── KeyMissing          key-not-found         no key of your own has this name
        ├── AmbiguousKey        ambiguous-key         a name or the beginning of an id that fits several keys
        ├── SecretKeyGiven      secret-key-given      a secret key file where a public one is wanted
        ├── NotRunnable         not-runnable          a unit that cannot be finished without a place
        ├── CommandUnusable     command-unusable      another package offers a command, and it cannot be imported
        ├── UnitFailed         agent-failed          the unit raised an exception
        └── TimedOut            timed-out             the unit was not finished in time

Imported only when a command meets one of them: this module needs ``mobility``, and start-up must not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mobility.errors import MobilityError

__all__ = [
    "UnitFailed",
    "AmbiguousKey",
    "CommandError",
    "CommandUnusable",
    "FileMissing",
    "FileUnusable",
    "KeyMissing",
    "NotRunnable",
    "SecretKeyGiven",
    "TimedOut",
]


class CommandError(MobilityError):
    """Base of the command line's own errors.

    Attributes
    ----------
    reason, state, remedy
        What happened and why; how things stand now; what to do next.
    """

    slug = "command"
    usual_state: ClassVar[str] = "Nothing was changed."

    def __init__(self, reason: str, *, state: str | None = None, remedy: str) -> None:
        self.reason = reason
        self.state = self.usual_state if state is None else state
        self.remedy = remedy
        super().__init__(f"{reason} ({self.slug}). {self.state} {remedy}")


class FileMissing(CommandError):
    """There is no such file."""

    slug = "file-not-found"

    def __init__(self, path: object) -> None:
        super().__init__(f"there is no file {path}", remedy="Check the name and the folder you are in.")
        self.path = str(path)


class FileUnusable(CommandError):
    """It is there and cannot be read or written."""

    slug = "file-unusable"

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(f"{path} cannot be used: {problem}", remedy="Repair that, or name another file.")
        self.path = str(path)
        self.problem = problem


class KeyMissing(CommandError):
    """No key of your own has this name."""

    slug = "key-not-found"

    def __init__(self, name: str, folder: object) -> None:
        super().__init__(
            f"you have no key {name} in {folder}",
            remedy="See your keys with: sojourn key list; make one with: sojourn key new NAME",
        )
        self.name = name
        self.folder = str(folder)


class AmbiguousKey(CommandError):
    """A name or the beginning of an id that fits several keys."""

    slug = "ambiguous-key"

    def __init__(self, given: str, key_ids: Sequence[str]) -> None:
        super().__init__(
            f"{given} can mean several trusted keys: {', '.join(key_id[:16] for key_id in key_ids)}",
            remedy="Name the one you mean by its id; see them with: sojourn key list",
        )
        self.given = given
        self.key_ids = tuple(key_ids)


class SecretKeyGiven(CommandError):
    """A secret key file where a public one is wanted."""

    slug = "secret-key-given"

    def __init__(self, path: object) -> None:
        super().__init__(
            f"{path} is a secret key, which nobody but its owner should have",
            remedy="Use the file beside it that ends in .pub; if this one was sent to you, its owner needs a new key.",
        )
        self.path = str(path)


class NotRunnable(CommandError):
    """A unit that cannot be finished without a place."""

    slug = "not-runnable"

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(
            problem, state="It was unpacked and nothing of it was called; the bundle file is intact.", remedy=remedy
        )


class CommandUnusable(CommandError):
    """Another package offers a command, and it cannot be imported.

    Attributes
    ----------
    command
        Its name.
    problem
        What is wrong.
    """

    slug = "command-unusable"

    def __init__(self, command: str, problem: str) -> None:
        super().__init__(
            f"the command {command} cannot be used: {problem}",
            remedy="Repair or remove the package that offers it; all other commands work.",
        )
        self.command = command
        self.problem = problem


class UnitFailed(CommandError):
    """The unit raised an exception.

    Attributes
    ----------
    kind, trace
        The exception's type, and its traceback as text.
    """

    slug = "agent-failed"

    def __init__(self, kind: str, text: str, trace: str) -> None:
        super().__init__(
            f"the agent raised {kind}{f': {text}' if text else ''}",
            state="It has ended; the bundle file is intact.",
            remedy="Its traceback shows where; mend the cause and run the file again.",
        )
        self.kind = kind
        self.trace = trace


class TimedOut(CommandError):
    """The unit was not finished in time."""

    slug = "timed-out"

    def __init__(self, seconds: float, steps: int) -> None:
        super().__init__(
            f"the agent was not finished within {seconds:g} seconds; it made {steps} steps",
            state="It was closed here; the bundle file is intact and still holds its earlier state.",
            remedy="Run it again with a longer --timeout.",
        )
        self.seconds = seconds
        self.steps = steps
