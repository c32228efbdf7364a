"""What one side says to a place, and what a place answers: frozen data, whatever carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from mobility.environment import Needs, Verdict
from mobility.errors import MobilityError

__all__ = [
    "CallService",
    "Control",
    "Deliver",
    "Description",
    "Done",
    "Drain",
    "Failure",
    "FetchCode",
    "FetchUnit",
    "Fetched",
    "HeldBack",
    "Judged",
    "Judges",
    "LooksAt",
    "NotHere",
    "PlaceReply",
    "PlaceRequest",
    "PublishUnit",
    "PullUnit",
    "RemoveFragment",
    "Reopen",
    "ResourceElsewhere",
    "ResourceUsed",
    "Taken",
    "Transfer",
    "TransferAccepted",
    "TransferPending",
    "TransferRefused",
    "UnitReply",
    "UseResource",
    "Verb",
]


# -- requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transfer:
    """Take this agent.

    Attributes
    ----------
    agent, epoch
        Which, and under which epoch of the directory it is sent.
    bundle
        As `mobility.bundle.Bundle.to_bytes` gives it; nothing in it is believed before it is verified.
    source
        The place that sends it and can be asked for its code; None: somebody outside, and the code is in the bundle.
    started
        Unix time at which the move began at the source, for the log.
    """

    agent: str
    epoch: int
    bundle: bytes | memoryview = field(repr=False)
    source: str | None
    started: float


@dataclass(frozen=True, slots=True)
class Deliver:
    """Put this message into an agent's mailbox.

    Attributes
    ----------
    body
        Of the plain codec; decoded where the agent reads it.
    """

    agent: str
    sender: str
    number: int
    body: bytes = field(repr=False)
    question: str | None = None
    answers: str | None = None


@dataclass(frozen=True, slots=True)
class FetchCode:
    """Give me the code segment of this SHA-256."""

    digest: bytes


class Verb(StrEnum):
    """What is asked of an agent from outside."""

    MOVE = "move"
    CLONE = "clone"
    FREEZE = "freeze"
    STOP = "stop"
    STATE = "state"
    JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class Control:
    """Do this to an agent, at its next suspension.

    Attributes
    ----------
    argument
        For a move, clone or verdict: the place.
    seconds
        How long to wait for that suspension.
    force
        To stop it at once, whatever it does, without waiting for that.
    """

    agent: str
    verb: Verb
    argument: str | None
    seconds: float
    force: bool = False


@dataclass(frozen=True, slots=True)
class LooksAt:
    """Tell of yourself and of the agents that are with you."""

    agents: bool = False


@dataclass(frozen=True, slots=True)
class CallService:
    """Run this service, and tell me what it returned or raised: `Done` with an outcome of `agents.place.outcomes`.

    Attributes
    ----------
    service
        Its name.
    arguments
        Of the plain codec: a list of the positional ones and a dict of the others.
    seconds
        How long to wait for its end.
    caller
        Who asks, for the log: an agent's id, or ``client-`` and a random number.
    """

    service: str
    arguments: bytes = field(repr=False)
    seconds: float
    caller: str


@dataclass(frozen=True, slots=True)
class PublishUnit:
    """Keep this unit in your repository: `Done` with its digest.

    Attributes
    ----------
    bundle
        Signed, with its name and version in its luggage; nothing in it is believed before it is verified.
    """

    bundle: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FetchUnit:
    """Give me a unit of your repository.

    Attributes
    ----------
    name, version
        Which one; without a version, the newest.
    digest
        The same by its digest, in hexadecimal.
    have
        Digests of units of this name that need not be sent again.
    bare
        Only tell which one it is.
    """

    name: str | None
    version: str | None
    digest: str | None
    have: frozenset[str] = frozenset()
    bare: bool = False


@dataclass(frozen=True, slots=True)
class PullUnit:
    """Get a unit from the repository of a place, and start it with you as an agent of this id.

    Attributes
    ----------
    arguments
        As of `CallService`.
    terms
        On what terms it runs, as `agents.terms` writes them.
    """

    agent: str
    called: str | None
    source: str
    name: str | None
    version: str | None
    digest: str | None
    arguments: bytes = field(repr=False)
    terms: bytes = field(repr=False)
    started: float
    seconds: float


@dataclass(frozen=True, slots=True)
class RemoveFragment:
    """Offer this service no more, if it is a fragment."""

    service: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Let nobody in any more, and move your agents to other places: `Done` with what became of each.

    Attributes
    ----------
    to
        To which; empty: to any.
    seconds
        How long that may take.
    node
        The id of the node that is to go, if that is why: on another one the place is open again.
    """

    to: tuple[str, ...]
    seconds: float
    node: str = ""


@dataclass(frozen=True, slots=True)
class Reopen:
    """Let agents in again."""


@dataclass(frozen=True, slots=True)
class Judges:
    """What could you do for such a unit? See `agents.verdicts`.

    Attributes
    ----------
    needs, state
        What it needs, and whether it has a state to take over.
    python
        The version that packed it.
    syntax
        The oldest minor version that compiles its code, if that was looked at.
    """

    needs: Needs
    state: bool
    python: str
    syntax: str | None = None


@dataclass(frozen=True, slots=True)
class UseResource:
    """Do this with a resource that you hold.

    Attributes
    ----------
    resource
        Its id, ``"place/name"`` of its origin.
    method
        Which method to call; None: its whole content is wanted.
    arguments
        Of the plain codec: positional ones, and keyword ones.
    """

    resource: str
    method: str | None
    arguments: bytes = field(repr=False, default=b"")


PlaceRequest: TypeAlias = (
    Transfer
    | Deliver
    | FetchCode
    | Control
    | LooksAt
    | CallService
    | PublishUnit
    | FetchUnit
    | PullUnit
    | RemoveFragment
    | Drain
    | Reopen
    | Judges
    | UseResource
)


# -- replies ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransferAccepted:
    """It is here."""

    epoch: int


@dataclass(frozen=True, slots=True)
class TransferRefused:
    """It is not taken.

    Attributes
    ----------
    why
        Slug of the cause.
    problem, remedy
        Sentences.
    reasons, verdict
        Where the environment is the cause: each reason as plain data, and what would be possible.
    """

    epoch: int
    why: str
    problem: str = ""
    remedy: str = ""
    reasons: tuple[Mapping[str, Any], ...] = ()
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class TransferPending:
    """It lies here dormant, and the directory does not answer; `reason` is why, if that is known."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """The message is written down; `place` is where."""

    place: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The agent is just leaving or arriving; try again in a moment."""


@dataclass(frozen=True, slots=True)
class NotHere:
    """The agent is not here; `hint` is where it went, if that is known."""

    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The code, if it is known here."""

    data: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnitReply:
    """A unit of the repository; without its bundle, if the one who asks has it.

    Attributes
    ----------
    owner
        Key id of who has signed it, as the place says: by this one only sees that two places mean two units.
    """

    name: str
    version: str
    digest: str
    owner: str
    bundle: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict.

    Attributes
    ----------
    wants_syntax
        Whether it is better asked again with the syntax of the code: the Python there is older than the unit's.
    """

    verdict: Verdict
    wants_syntax: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked for has been done; `value` is plain data, or the bytes of a bundle."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Failure:
    """It was not done."""

    error: MobilityError


@dataclass(frozen=True, slots=True)
class Description:
    """What a place tells of itself.

    Attributes
    ----------
    about
        Host, process, version of Python, resources, counts.
    agents
        A row for each agent that is there, if they were asked for.
    """

    place: str
    about: Mapping[str, Any]
    agents: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceUsed:
    """What came of it, of the plain codec: what was returned, or what was raised, as of an agent's end."""

    value: bytes = field(repr=False)
    raised: bool = False


@dataclass(frozen=True, slots=True)
class ResourceElsewhere:
    """It has moved on; `place` is whereto."""

    place: str


PlaceReply: TypeAlias = (
    ResourceUsed
    | ResourceElsewhere
    | TransferAccepted
    | TransferRefused
    | TransferPending
    | Taken
    | HeldBack
    | NotHere
    | Fetched
    | UnitReply
    | Judged
    | Done
    | Failure
    | Description
)
