"""What `agents.directory` raises on purpose: one tree.

::

    DirectoryError
    ├── DirectoryDiskFull    directory-disk-full    no room for what was to be written
    ├── DirectoryUnusable    directory-unusable     the system or sqlite refused; or the directory was closed
    │   ├── DirectoryInUse   directory-in-use       another process has this folder open
    │   └── DirectoryNewer   directory-newer        written by a later version
    ├── AgentNameTaken            agent-name-taken       an agent that has not ended has this name
    ├── PlaceKeyChanged      place-key-changed      a place of this name was known by another key
    ├── WriterOver           writer-over            this process of the place was superseded, or has left
    └── NotRegistered        not-registered         this process of the place was never registered here

None of them is an answer to a request: an asker that gets one asks again. Every error carries its ``slug``, says what
happened and why, how things stand now and what to do next, and survives ``pickle``.
"""

from __future__ import annotations

from typing import ClassVar

from mobility.errors import MobilityError

__all__ = [
    "DirectoryDiskFull",
    "DirectoryError",
    "DirectoryInUse",
    "DirectoryNewer",
    "DirectoryUnusable",
    "AgentNameTaken",
    "NotRegistered",
    "PlaceKeyChanged",
    "WriterOver",
]


class DirectoryError(MobilityError):
    """Base of the tree.

    Attributes
    ----------
    reason, state, remedy
        What happened and why; how things stand now; what to do next.
    """

    slug = "directory"
    usual_state: ClassVar[str] = "Nothing was changed; agents stay where they are."
    usual_remedy: ClassVar[str] = "Ask again."

    def __init__(self, reason: str, *, state: str | None = None, remedy: str | None = None) -> None:
        self.reason = reason
        self.state = self.usual_state if state is None else state
        self.remedy = self.usual_remedy if remedy is None else remedy
        super().__init__(f"{reason} ({self.slug}). {self.state} {self.remedy}")


class DirectoryDiskFull(DirectoryError):
    """There is no room for what was to be written.

    Attributes
    ----------
    path
        Of the file.
    """

    slug = "directory-disk-full"
    usual_remedy = "Make room on that disk; it works again as soon as there is some."

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(f"there is no room on the disk of the directory's file {path}: {problem}")
        self.path = str(path)


class DirectoryUnusable(DirectoryError):
    """The system or sqlite refused to read or write, or the directory was closed.

    Attributes
    ----------
    path
        Of the file.
    """

    slug = "directory-unusable"
    usual_remedy = "See to that file and its folder, then start the directory again."

    def __init__(self, path: object, problem: str, *, state: str | None = None, remedy: str | None = None) -> None:
        super().__init__(f"the directory's file {path} cannot be used: {problem}", state=state, remedy=remedy)
        self.path = str(path)
        self.problem = problem


class DirectoryInUse(DirectoryUnusable):
    """Another process, or another directory of this one, has the folder open."""

    slug = "directory-in-use"
    usual_remedy = "Use the directory that is running, or stop it first."


class DirectoryNewer(DirectoryUnusable):
    """A later version has written it."""

    slug = "directory-newer"
    usual_remedy = "Start the version that has written it, or choose another folder."


class AgentNameTaken(DirectoryError):
    """An agent that has not ended has the name that a new one was to get.

    Attributes
    ----------
    name
        Which.
    agent
        The id of the agent that has it.
    """

    slug = "agent-name-taken"
    usual_state = "The new agent was not created; the one with the name is unharmed."
    usual_remedy = "Choose another name, or wait until that agent has ended."

    def __init__(self, name: str, agent: str) -> None:
        super().__init__(f"the name {name} belongs to agent {agent}, which has not ended")
        self.name = name
        self.agent = agent


class PlaceKeyChanged(DirectoryError):
    """A place of this name was known by another key.

    Attributes
    ----------
    place
        Its name.
    known, offered
        The keys, as hexadecimal digits.
    """

    slug = "place-key-changed"
    usual_state = "The place was not registered, and the key that was known still holds; agents stay where they are."
    usual_remedy = (
        "If the place got a new key on purpose, register it with replace_key=True; else find out who takes its name."
    )

    def __init__(self, place: str, *, known: bytes, offered: bytes) -> None:
        super().__init__(
            f"place {place} registers with key {offered.hex()[:16]}, and was known by key {known.hex()[:16]}"
        )
        self.place = place
        self.known = known.hex()
        self.offered = offered.hex()


class WriterOver(DirectoryError):
    """This process of a place was superseded by another one, or has said goodbye: it cannot come back.

    Attributes
    ----------
    place, writer
        Who asked.
    """

    slug = "writer-over"
    usual_state = "It was not registered; agents stay with whom the directory names."
    usual_remedy = "Stop this process; a new one registers under a writer's name of its own."

    def __init__(self, place: str, writer: str) -> None:
        super().__init__(f"process {writer} of place {place} was superseded, or has left")
        self.place = place
        self.writer = writer


class NotRegistered(DirectoryError):
    """This process of a place was never registered here; perhaps the directory's folder is another one.

    Attributes
    ----------
    place, writer
        Who asked.
    """

    slug = "not-registered"
    usual_remedy = "Register the place first."

    def __init__(self, place: str, writer: str) -> None:
        super().__init__(f"process {writer} of place {place} is not known to this directory")
        self.place = place
        self.writer = writer
