"""What the commands of a running platform have to report, in the tree of all errors.

::

    CommandError
    ├── NoPlatform          no-platform           no platform was found
    ├── NotUp               not-up                there is nothing that ``sojourn up`` had started
    ├── AlreadyUp           already-up            there is one already
    ├── UpUnderWay          up-under-way          another ``sojourn up`` or ``down`` is at work
    ├── NotLoadable         not-loadable          a file cannot be loaded as a module
    ├── FunctionMissing     function-not-found    the file has no such function
    ├── FileThere           file-exists           a file would be overwritten
    ├── TrailUnverified     trail-unverified      a passport does not hold
    ├── DemoMissing         demo-missing          this installation has no demonstration
    └── CommandTimedOut     command-timed-out     the command was not done in time

Imported only when a command meets one of them, like `agents.cli.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.cli.errors import CommandError

__all__ = [
    "AlreadyUp",
    "CommandTimedOut",
    "DemoMissing",
    "FileThere",
    "FunctionMissing",
    "NoPlatform",
    "NotLoadable",
    "NotUp",
    "TrailUnverified",
    "UpUnderWay",
]


class NoPlatform(CommandError):
    """No platform was found."""

    slug = "no-platform"

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(
            f"no platform was found: {problem}",
            state="Nothing was done.",
            remedy=remedy
            or "Start one on this machine with: sojourn up; or name the head of a Ray cluster: --address HOST:PORT",
        )
        self.problem = problem


class NotUp(CommandError):
    """There is nothing that ``sojourn up`` had started."""

    slug = "not-up"

    def __init__(self, folder: object) -> None:
        super().__init__(
            "nothing is up that sojourn up has started from this home folder",
            state=f"Nothing was ended. Looked in {folder}.",
            remedy="A cluster that was started otherwise ends by other means; another home folder is named by --home.",
        )
        self.folder = str(folder)


class AlreadyUp(CommandError):
    """There is one already."""

    slug = "already-up"

    def __init__(self, address: str, places: Sequence[str]) -> None:
        super().__init__(
            f"a platform is up already at {address}, with the places {', '.join(places)}",
            state="It goes on undisturbed, and no other was started.",
            remedy="Use it, or end it first with: sojourn down",
        )
        self.address = address
        self.places = tuple(places)


class UpUnderWay(CommandError):
    """Another ``sojourn up`` or ``down`` is at work."""

    slug = "up-under-way"

    def __init__(self, folder: object) -> None:
        super().__init__(
            f"another sojourn up or sojourn down is at work with {folder}",
            remedy="Wait until it is done, then look with: sojourn places",
        )
        self.folder = str(folder)


class NotLoadable(CommandError):
    """A file cannot be loaded as a module.

    Attributes
    ----------
    trace
        The traceback, if loading it raised an exception; empty otherwise.
    """

    slug = "not-loadable"

    def __init__(self, path: object, problem: str, *, trace: str = "") -> None:
        super().__init__(
            f"{path} cannot be loaded: {problem}",
            state="Nothing was launched.",
            remedy="Mend the file, then try again.",
        )
        self.path = str(path)
        self.problem = problem
        self.trace = trace


class FunctionMissing(CommandError):
    """The file has no such function."""

    slug = "function-not-found"

    def __init__(self, path: object, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{path} has no function {name}",
            state="Nothing was launched.",
            remedy=f"Its functions with a parameter for the place are: {', '.join(known) or 'none'}.",
        )
        self.path = str(path)
        self.name = name
        self.known = tuple(known)


class FileThere(CommandError):
    """A file would be overwritten."""

    slug = "file-exists"

    def __init__(self, path: object) -> None:
        super().__init__(
            f"there is a file {path} already",
            state="It is as it was, and nothing else was done.",
            remedy="Name another file, or overwrite this one with --force.",
        )
        self.path = str(path)


class TrailUnverified(CommandError):
    """A passport does not hold."""

    slug = "trail-unverified"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"the passport of {name} is not verified: {problem}",
            state="The agent is where it was; what its passport says is not proven.",
            remedy="See whom you trust with: sojourn key list",
        )
        self.name = name
        self.problem = problem


class DemoMissing(CommandError):
    """This installation has no demonstration, or lacks what that needs."""

    slug = "demo-missing"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"the demonstration cannot run: {problem}",
            state="Nothing was started.",
            remedy='Install what it needs with: pip install "sojourn[demo]"',
        )
        self.problem = problem


class CommandTimedOut(CommandError):
    """The command was not done in time."""

    slug = "command-timed-out"

    def __init__(self, seconds: float, *, state: str | None = None) -> None:
        super().__init__(
            f"this was not done within {seconds:g} seconds",
            state=state or "What was asked may still be done at the places; this command waits no longer.",
            remedy="Look with: sojourn ps; see what answers with: sojourn doctor; or wait longer: --timeout SECONDS",
        )
        self.seconds = seconds
