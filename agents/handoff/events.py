"""What happens to an agent at a place (events), and what the place is then to do (effects): the words of the machine.

Times, ids and outcomes arrive in events; the machine has no clock and does no I/O. A driver carries effects out, and
reports how that went as further events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from agents.handoff.ledger import Answer, RequestKind, Row

__all__ = [
    "Accepted",
    "Activate",
    "Admit",
    "Admitted",
    "AskDirectory",
    "Await",
    "Declined",
    "Departs",
    "Discard",
    "Drop",
    "HandoffEffect",
    "Event",
    "Finishes",
    "Halt",
    "LeaseHeld",
    "LeaseLost",
    "Offered",
    "PassOn",
    "Proceed",
    "Recovered",
    "Rejected",
    "Releases",
    "ReplyAccepted",
    "ReplyRefused",
    "Resume",
    "Sends",
    "Silence",
    "Told",
    "Ship",
    "Undecided",
]


# -- events: arriving -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offered:
    """A bundle came in, sent under this epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """It was verified and decoded, and lies on disk; nothing of it runs."""


@dataclass(frozen=True, slots=True)
class Declined:
    """It was not let in, or could not be decoded; `reason` is for the sender."""

    reason: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """A checkpoint of it was found, was decoded, and lies dormant; the directory has the agent at this epoch."""

    epoch: int


# -- events: what the directory says ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """The directory answered."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Undecided:
    """The directory did not answer in time, or could not: whether the request took effect is unknown."""

    kind: RequestKind
    asked: int


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """The place's lease has run out; or it cannot tell, which is the same."""


@dataclass(frozen=True, slots=True)
class LeaseHeld:
    """The place has a lease again, and has asked the directory what it still holds.

    Every machine that is not `leased` hears it after each renewal, not only after one that was late: what is granted
    while a lease is lost and given again is suspended until then. A machine that is suspended hears it only if it was
    suspended, at the same epoch, before the question was sent: what was granted in the meantime is not in the answer.
    For such a one ask again.

    Attributes
    ----------
    held
        Whether this agent is among it, at the epoch that the machine knows. Of no weight unless it is suspended.
    """

    held: bool


# -- events: leaving --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Departs:
    """It was captured at a suspension, and is to go to `to`."""

    to: str


@dataclass(frozen=True, slots=True)
class Sends:
    """A child of another agent, or a new agent, was packed here and is to begin at `to`; here it never runs.

    Such a machine is kept apart from the visits of the place, since a child can begin where it was packed.

    Attributes
    ----------
    epoch
        `NEVER`; of an agent that is thawed, the one at which it lies frozen.
    """

    to: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination says that it has the agent."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The destination does not take what was sent under this epoch."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer came from the destination in time, or nobody could be reached: what became of it is unknown."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Releases:
    """It was captured into a bundle for a file, which lies on disk."""


@dataclass(frozen=True, slots=True)
class Finishes:
    """It has returned, or raised."""


Event: TypeAlias = (
    Offered
    | Admitted
    | Declined
    | Recovered
    | Told
    | Undecided
    | LeaseLost
    | LeaseHeld
    | Departs
    | Sends
    | Accepted
    | Rejected
    | Silence
    | Releases
    | Finishes
)


# -- effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Admit:
    """Verify, decode, and write to disk what came in; then report `Admitted` or `Declined`.

    Decline it while anything of the agent lies on disk: that may be all that there is of it.
    """

    epoch: int


@dataclass(frozen=True, slots=True)
class AskDirectory:
    """Send a request of this kind; then report `Told` or `Undecided`.

    Attributes
    ----------
    again
        Whether it is a repetition, which may wait a little.
    """

    kind: RequestKind
    epoch: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class Activate:
    """The dormant copy is the agent now: let it run."""


@dataclass(frozen=True, slots=True)
class Await:
    """The dormant copy is the agent now, and waits for the lease: keep it, and do not run it yet."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget the dormant copy in memory: it is not the agent.

    What lies on disk is another matter: after a restart, a bundle that comes in again can be the very one from which
    this place holds the agent. `agents.handoff.is_rubbish` tells.

    Attributes
    ----------
    row
        What the directory has said instead.
    """

    row: Row | None = None


@dataclass(frozen=True, slots=True)
class ReplyAccepted:
    """Tell whoever has sent it under `epoch` that it is here."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ReplyRefused:
    """Tell whoever has sent it under `epoch` that it is not taken."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ship:
    """Send the captured bundle; then report `Accepted`, `Rejected` or `Silence`."""

    to: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Resume:
    """The move came to nothing: let the agent go on here, and tell it why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """No further step, and nothing leaves in its name, until `Proceed`."""


@dataclass(frozen=True, slots=True)
class Proceed:
    """Let it run on."""


@dataclass(frozen=True, slots=True)
class Discard:
    """It is not here any more: let go of the copy, of its checkpoint and of its journal, without running anything."""


@dataclass(frozen=True, slots=True)
class PassOn:
    """What is held back for it can go on: into its mailbox if it runs here; else to where it is now, if that is known
    and another place; else back to the sender."""

    to: str | None


HandoffEffect: TypeAlias = (
    Admit
    | AskDirectory
    | Activate
    | Await
    | Drop
    | ReplyAccepted
    | ReplyRefused
    | Ship
    | Resume
    | Halt
    | Proceed
    | Discard
    | PassOn
)
