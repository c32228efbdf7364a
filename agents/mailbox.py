"""The mailbox of an agent, which travels with it: every message once, in the order in which its sender wrote it."""

from __future__ import annotations

from collections.abc import Mapping
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
        In the order in which they came; without answers.
    following
        By sender: the number of its next message.
    answers
        By question: its answer.
    """

    waiting: list[Message] = field(default_factory=list)
    following: dict[str, int] = field(default_factory=dict)
    answers: dict[str, Message] = field(default_factory=dict)

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
            if message.answers is None:
                self.waiting.append(message)
            else:
                self.answers[message.answers] = message
        return verdict

    def take(self) -> Message | None:
        """The oldest message; it leaves the mailbox. Answers that nobody has waited for are dropped."""
        self.answers.clear()
        return self.waiting.pop(0) if self.waiting else None

    def take_answer(self, question: str) -> Message | None:
        """The answer to a question; it leaves the mailbox."""
        return self.answers.pop(question, None)

    # -- as plain data

    def to_plain(self) -> dict[str, Any]:
        """As plain data, to travel."""
        rows = [[m.sender, m.number, m.value, m.question, m.answers] for m in (*self.waiting, *self.answers.values())]
        return {"waiting": rows, "following": dict(self.following)}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Mailbox:
        """From what `to_plain` gave."""
        messages = [Message(*row) for row in data["waiting"]]
        answers = {message.answers: message for message in messages if message.answers is not None}
        return cls([m for m in messages if m.answers is None], dict(data["following"]), answers)
