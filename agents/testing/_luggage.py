"""What agents of the simulated world are made of: scripts, copies in memory, bundles on their way, checkpoints on disk.

An agent is pure data: a script, how far it has got, which messages it has read, and its mailbox.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from agents.handoff import Row, Status
from agents.mailbox import Mailbox, Message

__all__ = ["Action", "Bundle", "Copy", "Disk", "Slot", "State"]

#: A verb, and to which place if it needs one: hop, clone, work, checkpoint, freeze, finish.
Action: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class State:
    """A copy at rest.

    Attributes
    ----------
    read
        By sender: how many of its messages were read. They are read in order, so that the count says which.
    """

    script: tuple[Action, ...]
    position: int = 0
    children: int = 0
    read: tuple[tuple[str, int], ...] = ()
    failures: tuple[str, ...] = ()
    waiting: tuple[Message, ...] = ()
    following: tuple[tuple[str, int], ...] = ()

    def reached(self) -> dict[str, int]:
        """By sender: the number of the message that it would take next."""
        return dict(self.following)


@dataclass(slots=True)
class Copy:
    """A copy in a process's memory; `moving` is where its ``yield hop`` wants to go and has not come to yet."""

    script: tuple[Action, ...]
    record: bytes
    position: int = 0
    children: int = 0
    read: dict[str, int] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    mailbox: Mailbox = field(default_factory=Mailbox)
    moving: str | None = None
    scheduled: bool = False

    def state(self) -> State:
        """As it is to travel."""
        return State(
            self.script,
            self.position,
            self.children,
            tuple(self.read.items()),
            self.failures,
            tuple(self.mailbox.waiting),
            tuple(self.mailbox.following.items()),
        )

    @classmethod
    def of(cls, state: State, record: bytes, journal: tuple[Message, ...] = ()) -> Copy:
        """From what travelled, and the messages that were accepted since."""
        mailbox = Mailbox(list(state.waiting), dict(state.following))
        for message in journal:
            mailbox.deliver(message)
        return cls(state.script, record, state.position, state.children, dict(state.read), state.failures, mailbox)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A copy on its way.

    Attributes
    ----------
    record, previous
        The last two links of its passport; `previous` is None at a birth, and of a file.
    sent
        The epoch under which it was sent, as it is signed.
    """

    agent: str
    record: bytes
    previous: bytes | None
    state: State
    sent: int


@dataclass(slots=True)
class Slot:
    """What a place's disk holds of one agent.

    Attributes
    ----------
    own
        Whether its last link was made during the stay, by `checkpoint`; else it is as it came in.
    adopted
        Whether it was copied from another place's disk.
    """

    stay: int
    record: bytes
    previous: bytes | None
    state: State
    own: bool = False
    adopted: bool = False
    journal: tuple[Message, ...] = ()
    reached: dict[str, int] = field(default_factory=dict)

    def note(self, message: Message) -> None:
        """Append to the journal."""
        self.journal = (*self.journal, message)
        self.reached[message.sender] = max(self.reached.get(message.sender, 0), message.number + 1)

    def restores(self, row: Row) -> bool:
        """Whether the directory would let the agent be restored from it, once its holder has no lease."""
        links = (self.record, self.previous) if self.own else (self.record,)
        return row.status is Status.HELD and self.stay >= row.since and row.record in links


class Disk:
    """A place's disk. It belongs to the process that opened it last; others cannot write to it any more."""

    __slots__ = ("owner", "slots", "starts")

    def __init__(self) -> None:
        self.owner = ""
        self.starts = 0
        self.slots: dict[str, Slot] = {}

    def save(self, agent: str, slot: Slot) -> None:
        """Keep it instead of what was there, journal included."""
        slot.reached = slot.state.reached()
        for message in slot.journal:
            slot.reached[message.sender] = max(slot.reached.get(message.sender, 0), message.number + 1)
        self.slots[agent] = slot
