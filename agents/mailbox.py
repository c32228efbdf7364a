"""The mailbox of an agent, which travels with it: every message once, in the order in which its sender wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Delivery", "Mailbox", "Message"]


@dataclass(frozen=True, slots=True)
class Message:
    """What one agent, or somebody outside, says to an agent.

    Attributes
    ----------
    sender
        Who speaks: an agent's id, or ``client-`` and a random number for a handle outside.
    number
        The sender's own count of messages to this agent, from 0 on.
    value
        Plain data.
    question
        If an answer is awaited: the id by which it is known.
    answers
        If this is an answer: the id of the question.
    """

    sender: str
    number: int
    value: Any = None
    question: str | None = None
    answers: str | None = None


class Delivery(StrEnum):
    """What became of a message at the mailbox."""

    #: It is in the mailbox.
    TAKEN = "taken"
    #: It was taken before.
    REPEATED = "repeated"
    #: A message before it has not come yet: send that one first.
    AHEAD = "ahead"


@dataclass(slots=True)
class Mailbox:
    """Messages that were taken and not read yet, and how far each sender has got.

    Attributes
    ----------
    waiting
        In the order in which they came.
    following
        By sender: the number of its next message.
    """

    waiting: list[Message] = field(default_factory=list)
    following: dict[str, int] = field(default_factory=dict)

    def judge(self, message: Message) -> Delivery:
        """What `deliver` would do."""
        expected = self.following.get(message.sender, 0)
        if message.number < expected:
            return Delivery.REPEATED
        return Delivery.TAKEN if message.number == expected else Delivery.AHEAD

    def deliver(self, message: Message) -> Delivery:
        """Take a message in, unless it was taken before, or another has to come first."""
        verdict = self.judge(message)
        if verdict is Delivery.TAKEN:
            self.following[message.sender] = message.number + 1
            self.waiting.append(message)
        return verdict

    def take(self, wanted: Callable[[Message], bool] | None = None) -> Message | None:
        """The oldest message that is wanted; it leaves the mailbox."""
        for index, message in enumerate(self.waiting):
            if wanted is None or wanted(message):
                return self.waiting.pop(index)
        return None

    # -- as plain data

    def to_plain(self) -> dict[str, Any]:
        """As plain data, to travel."""
        rows = [[m.sender, m.number, m.value, m.question, m.answers] for m in self.waiting]
        return {"waiting": rows, "following": dict(self.following)}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Mailbox:
        """From what `to_plain` gave."""
        return cls([Message(*row) for row in data["waiting"]], dict(data["following"]))
