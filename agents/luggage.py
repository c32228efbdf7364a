"""What the platform sends along with an agent, beside its code, data and execution state; signed like those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.errors import AgentsError, ValueNotPlain
from agents.mailbox import Mailbox
from agents.standing import Arrives, Standing, standing_from_plain, standing_to_plain
from agents.terms import TERMS, LaunchTerms
from mobility.errors import MobilityError
from mobility.plain import NotPlain, decode, encode

__all__ = ["Luggage", "LuggageInvalid", "read_start", "write_start"]

_VERSION = 3


def write_start(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """The arguments of an agent, so that it can start anew where nothing else of it can be read.

    Raises
    ------
    ValueNotPlain
        If they are no plain data: what it goes on with may be anything, what it begins with elsewhere may not.
    """
    try:
        return encode([list(args), dict(kwargs)])
    except NotPlain as error:
        raise ValueNotPlain(f"what {function} is launched with, and would start anew with,", str(error)) from None


def read_start(start: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Arguments and keyword arguments, from what `write_start` gave.

    Raises
    ------
    LuggageInvalid
    """
    try:
        args, kwargs = decode(start)
        return list(args), {str(name): value for name, value in kwargs.items()}
    except (MobilityError, TypeError, ValueError, AttributeError) as error:
        raise LuggageInvalid(f"the arguments with which it is to start anew cannot be read: {error}") from error


class LuggageInvalid(AgentsError):
    """What came along with an agent is not what a place writes."""

    slug = "luggage-invalid"
    usual_state = "The agent was not let in."
    usual_remedy = "Send it from a place that runs the same version of sojourn."


@dataclass(slots=True)
class Luggage:
    """What belongs to an agent and is kept by its place.

    Attributes
    ----------
    name
        What it is called.
    epoch
        That of the directory under which it is sent, so that nobody can bring it in under another one; None in what is
        not sent but kept: in a file, or as a checkpoint.
    standing
        What its ``yield`` is to give, or what it waits for.
    mailbox
        Messages that it has not read, and how far each sender has got.
    numbers
        By recipient: the number of the next message to it.
    unsent
        By recipient: messages whose delivery is unknown, which go before the next one.
    visited
        Names of the places where it was, in order.
    children
        How many clones and agents it has made, for their ids.
    questions
        How many questions it has asked, for their ids.
    terms
        On what terms it was launched.
    bindings
        The resources to which it is bound, as `agents.bindings` writes them.
    way
        What is left of its itinerary, as `agents.itinerary` writes it; None: it has not begun with it, or has none.
    start
        The arguments with which it was launched, as `write_start` has them, if it may have to start anew; else None.
    """

    name: str
    epoch: int | None = None
    standing: Standing = field(default_factory=Arrives)
    mailbox: Mailbox = field(default_factory=Mailbox)
    numbers: dict[str, int] = field(default_factory=dict)
    unsent: dict[str, list[list[Any]]] = field(default_factory=dict)
    visited: list[str] = field(default_factory=list)
    children: int = 0
    questions: int = 0
    terms: LaunchTerms = LaunchTerms()
    bindings: list[dict[str, Any]] = field(default_factory=list)
    way: Any = None
    start: bytes | None = None

    def to_bytes(self) -> bytes:
        """As plain data.

        Raises
        ------
        mobility.plain.NotPlain
            If the value that its ``yield`` is to give is no plain data.
        """
        return encode(
            {
                "version": _VERSION,
                "name": self.name,
                "epoch": self.epoch,
                "standing": standing_to_plain(self.standing),
                "mailbox": self.mailbox.to_plain(),
                "numbers": self.numbers,
                "unsent": self.unsent,
                "visited": self.visited,
                "children": self.children,
                "questions": self.questions,
                "terms": self.terms,
                "bindings": self.bindings,
                "way": self.way,
                "start": self.start,
            },
            registry=TERMS,
        )

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Luggage:
        """From what `to_bytes` gave.

        Raises
        ------
        LuggageInvalid
        """
        try:
            told = decode(bytes(data), registry=TERMS)
            if told["version"] != _VERSION:
                raise ValueError(f"it is of version {told['version']}")
            return cls(
                told["name"],
                told["epoch"],
                standing_from_plain(told["standing"]),
                Mailbox.from_plain(told["mailbox"]),
                told["numbers"],
                told["unsent"],
                told["visited"],
                told["children"],
                told["questions"],
                told["terms"],
                told["bindings"],
                told["way"],
                told["start"],
            )
        except (MobilityError, KeyError, TypeError, ValueError) as error:
            raise LuggageInvalid(f"what came along with the agent cannot be read: {error}") from error
