"""What a policy says of a request or a reply, as data: nothing is against it, or each thing that is.

An objection may repeat what an app has written (a key's name), and so something of the data. To the server a node tells
the rules, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from federated.errors import NotReleased

__all__ = ["Objection", "Rule", "Ruling"]


class Rule(StrEnum):
    """Which rule of a policy forbids something."""

    #: Neither the app's digest nor one of its signers is listed.
    ADMISSION = "admission"
    #: Messages of this type are not answered.
    MESSAGE = "message"
    ROUNDS = "rounds"
    ROUNDS_IN_ALL = "rounds_in_all"
    EPSILON = "epsilon"
    COUNTING_EPSILON = "counting_epsilon"
    #: The reply, or a part of it, is of a kind that does not leave.
    KIND = "kind"
    #: A value under this key does not leave.
    KEY = "key"
    DTYPE = "dtype"
    #: An array is not of the shape of the one that was sent.
    SHAPE = "shape"
    #: More bytes than may leave.
    BYTES = "bytes"
    #: Not a number, or infinite.
    FINITE = "finite"
    #: No rule for queries allows this one.
    QUERY = "query"
    #: Noise is demanded, and nothing in the policy says how this value gets it.
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Objection:
    """One thing that is against it.

    Attributes
    ----------
    rule
        Which rule.
    where
        The key in the reply, with dots: ``"metrics.metrics.loss"``; empty if it is about the whole.
    problem
        A sentence without its full stop.
    """

    rule: Rule
    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """The verdict of one data set's policy."""

    dataset: str
    objections: tuple[Objection, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether nothing is against it."""
        return not self.objections

    def require(self) -> None:
        """Go on only if it is allowed.

        Raises
        ------
        NotReleased
        """
        if self.objections:
            problems = [f"{one.where}: {one.problem}" if one.where else one.problem for one in self.objections]
            raise NotReleased(self.dataset, problems, [one.rule.value for one in self.objections])
