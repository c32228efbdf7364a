"""What federated learning raises on purpose, in the tree of all errors.

::

    FederatedError
    ├── PolicyInvalid        policy-invalid       a data set's policy cannot be used as it is written
    ├── NotReleased          not-released         the policy forbids what was asked for, or what would leave
    ├── BudgetSpent          budget-spent         a data set has no rounds or no epsilon left for this
    ├── AlreadyReleased      already-released     the answer to this message has left before
    ├── QueryInvalid         query-invalid        what is asked of a data set is no query
    ├── LoaderFailed         loader-failed        a data set could not be read for a query
    ├── TourEnded            tour-ended           a place of a tour did not answer, and that was to end it
    ├── LedgerError
    │   ├── LedgerCorrupt    ledger-corrupt       the ledger is not what was written; it is not begun anew
    │   └── LedgerUnusable   ledger-unusable      the system refuses, or it is closed
    ├── AuditError
    │   ├── AuditCorrupt     audit-corrupt        the log is not what was written; nothing is appended to it
    │   └── AuditUnusable    audit-unusable       the system refuses, it is closed, or open elsewhere
    ├── JournalError
    │   ├── JournalCorrupt   journal-corrupt      the journal is damaged elsewhere than at its torn end
    │   ├── JournalMismatch  journal-mismatch     it belongs to another run
    │   ├── JournalDiverged  journal-diverged     the server asks for something else than it did before
    │   └── JournalUnusable  journal-unusable     the system refuses, it is closed, or open elsewhere
    ├── RosterRefused        roster-refused       a node does not believe a list of participants; `why` has the slug
    └── MaskingRefused       masking-refused      what a server asks for would undo secure aggregation; see its `why`

Every error carries its ``slug``, says what happened and why, how things stand now and what to do next, and survives
``pickle``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mobility.errors import MobilityError

__all__ = [
    "AlreadyReleased",
    "AuditCorrupt",
    "AuditError",
    "AuditUnusable",
    "BudgetSpent",
    "FederatedError",
    "JournalCorrupt",
    "JournalDiverged",
    "JournalError",
    "JournalMismatch",
    "JournalUnusable",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerUnusable",
    "LoaderFailed",
    "MaskingRefused",
    "NotReleased",
    "PolicyInvalid",
    "QueryInvalid",
    "RosterRefused",
    "TourEnded",
]


class FederatedError(MobilityError):
    """Base of the tree.

    Attributes
    ----------
    reason, state, remedy
        What happened and why; how things stand now; what to do next.
    """

    slug = "federated"
    usual_state: ClassVar[str] = "Nothing has left the node."
    usual_remedy: ClassVar[str] = ""

    def __init__(
        self, reason: str, *, state: str | None = None, remedy: str | None = None, cause: str | None = None
    ) -> None:
        self.reason = reason
        self.state = self.usual_state if state is None else state
        self.remedy = self.usual_remedy if remedy is None else remedy
        super().__init__(f"{reason} ({cause or self.slug}). {self.state} {self.remedy}".rstrip())


# -- the owner's policy ------------------------------------------------------------------------------------------------


class PolicyInvalid(FederatedError):
    """A data set's policy cannot be used as it is written.

    Attributes
    ----------
    where
        The key at which it shows: ``place.datasets.ward.policy.clip_norm``.
    problem
        What is wrong there.
    """

    slug = "policy-invalid"
    usual_state = "The data set is offered to nobody."
    usual_remedy = "Mend the policy, then start the place anew."

    def __init__(self, where: str, problem: str, *, path: object = None) -> None:
        file = "" if path is None else f" of {path}"
        super().__init__(f"{where}{file} {problem}")
        self.where = where
        self.problem = problem
        self.path = None if path is None else str(path)


class NotReleased(FederatedError):
    """The policy forbids what was asked for, or what would leave.

    Attributes
    ----------
    dataset
        Whose policy.
    rules
        The rules that forbid it, as `federated.verdicts.Rule` spells them.
    """

    slug = "not-released"
    usual_remedy = "Ask the owner of the data to allow it, or change the app so that it sends what is allowed."

    def __init__(self, dataset: str, problems: Sequence[str], rules: Sequence[str]) -> None:
        super().__init__(f"the policy of the data set {dataset!r} forbids this: {'; '.join(problems)}")
        self.dataset = dataset
        self.problems = tuple(problems)
        self.rules = tuple(rules)


class BudgetSpent(FederatedError):
    """A data set has no rounds or no epsilon left for this.

    Attributes
    ----------
    dataset
        Which one.
    what
        What is spent: ``"rounds"``, ``"rounds_in_all"``, ``"epsilon"`` or ``"counting_epsilon"``.
    spent, needed, allowed
        So much is spent already, this release needs so much more, and so much is allowed.
    """

    slug = "budget-spent"
    usual_remedy = "The owner of the data can allow more in its policy; what is spent does not come back."

    def __init__(self, dataset: str, what: str, *, spent: float, needed: float, allowed: float) -> None:
        super().__init__(
            f"the data set {dataset!r} has too little {what} left: {spent:.6g} of {allowed:.6g} are spent, "
            f"and this needs {needed:.6g}",
        )
        self.dataset = dataset
        self.what = what
        self.spent = spent
        self.needed = needed
        self.allowed = allowed


class AlreadyReleased(FederatedError):
    """The answer to this message has left before: another one would be a second look at the same data.

    Attributes
    ----------
    dataset, run, message
        Of which data set, in which run, to which message.
    """

    slug = "already-released"
    usual_state = "Nothing more has left the node."
    usual_remedy = "Send the answer that was kept, or let the server ask with a message of its own."

    def __init__(self, dataset: str, run: str, message: str) -> None:
        super().__init__(f"the data set {dataset!r} has answered the message {message} of the run {run} already")
        self.dataset = dataset
        self.run = run
        self.message = message


# -- queries -----------------------------------------------------------------------------------------------------------


class QueryInvalid(FederatedError):
    """What is asked of a data set is no query."""

    slug = "query-invalid"
    usual_state = "No data was looked at, and nothing is spent."
    usual_remedy = "Mend the query; `federated.queries` has what can be asked."


class LoaderFailed(FederatedError):
    """A data set could not be read for a query.

    Attributes
    ----------
    dataset
        Which one.
    """

    slug = "loader-failed"
    usual_state = "Nothing has left the node, and nothing is spent."
    usual_remedy = "Its owner finds the reason in the log of the node."

    def __init__(self, dataset: str, problem: str) -> None:
        super().__init__(f"the data set {dataset!r} cannot be read: {problem}")
        self.dataset = dataset
        self.problem = problem


class TourEnded(FederatedError):
    """A place of a tour did not answer, and that was to end it.

    Attributes
    ----------
    place
        Which one.
    why
        Slug of the reason.
    answered
        The places that had answered before; what they gave away is spent.
    """

    slug = "tour-ended"
    usual_remedy = "See to that place, or let the tour skip those that do not answer."

    def __init__(self, place: str, why: str, problem: str, answered: Sequence[str]) -> None:
        before = ", ".join(answered) or "none"
        super().__init__(
            f"the tour ended at {place}: {problem}", state=f"Answered and spent before: {before}.", cause=why
        )
        self.place = place
        self.why = why
        self.problem = problem
        self.answered = tuple(answered)


# -- files -------------------------------------------------------------------------------------------------------------


class _OfFile(FederatedError):
    """Something about a file.

    Attributes
    ----------
    path
        Of the file.
    problem
        What is wrong.
    """

    what: ClassVar[str] = "the file"

    def __init__(self, path: object, problem: str, *, state: str | None = None, remedy: str | None = None) -> None:
        super().__init__(f"{self.what} {path} {problem}", state=state, remedy=remedy)
        self.path = str(path)
        self.problem = problem


class LedgerError(_OfFile):
    """The ledger of what a node's data sets have spent."""

    slug = "ledger"
    what = "the ledger"


class LedgerCorrupt(LedgerError):
    """The ledger is not what was written. It is refused and never begun anew: what is spent would be forgotten."""

    slug = "ledger-corrupt"
    usual_state = "Nothing is released from its data sets until it is repaired; the file is untouched."
    usual_remedy = "Restore it from a copy that is not older than the last release, or ask the owner what to count."


class LedgerUnusable(LedgerError):
    """The system refuses, or the ledger is closed."""

    slug = "ledger-unusable"
    usual_state = "What was not written is not released."
    usual_remedy = "See to the file and its disk, then try again."


class AuditError(_OfFile):
    """The record of what ran and what left."""

    slug = "audit"
    what = "the audit log"


class AuditCorrupt(AuditError):
    """The log is not what was written; nothing is appended to it."""

    slug = "audit-corrupt"
    usual_state = "Nothing was appended, and the file is untouched."
    usual_remedy = "See what is wrong with: sojourn fl audit FILE; keep that file, and begin another."


class AuditUnusable(AuditError):
    """The system refuses, the log is closed, or another process has it open."""

    slug = "audit-unusable"
    usual_state = "What was not written down does not run and does not leave."
    usual_remedy = "See to the file and its disk, then try again."


class JournalError(_OfFile):
    """The record of a run's rounds, with which a server resumes."""

    slug = "journal"
    what = "the journal"
    usual_state = "The file is untouched."


class JournalCorrupt(JournalError):
    """The journal is damaged elsewhere than at its torn end."""

    slug = "journal-corrupt"
    usual_remedy = "Restore it from a copy, or begin the run anew with another journal."


class JournalMismatch(JournalError):
    """It belongs to another run: another app, configuration, seed, data set, or other nodes."""

    slug = "journal-mismatch"
    usual_remedy = "Start the run with all these as they were, or give it another file."


class JournalDiverged(JournalError):
    """The server asks for something else than it did before it was interrupted.

    Attributes
    ----------
    number
        The number of the event, from 0.
    """

    slug = "journal-diverged"
    usual_remedy = "Seed whatever is random in the server app, or begin the run anew with another journal."

    def __init__(self, path: object, number: int, problem: str) -> None:
        super().__init__(path, f"has something else as its event {number}: {problem}")
        self.number = number


class JournalUnusable(JournalError):
    """The system refuses, the journal is closed, or another process has it open."""

    slug = "journal-unusable"
    usual_remedy = "See to the file and its disk, then start the run again: it goes on where the journal ends."


# -- participants ------------------------------------------------------------------------------------------------------


class RosterRefused(FederatedError):
    """A node does not believe a list of participants, and does not answer.

    Attributes
    ----------
    why
        ``too-few``, ``same-key-twice``, ``another-run``, ``another-app``, ``not-mine``, ``stale``, ``not-endorsed``,
        ``another-roster``, ``no-roster``, ``no-seat``, ``not-on-roster``,
        or the slug of the error of a signature or a form: ``untrusted-signer``, ``bad-signature``, ``wrong-role``,
        ``revoked``, ``expired``, ``not-yet-valid``, ``schema``, ``bad-envelope``, ``too-large``,
        ``wrong-payload-type``.
    """

    slug = "roster-refused"
    usual_state = "The node has not answered, and nothing has left it."
    usual_remedy = "Let the participants sign a roster for this run, and send that."

    def __init__(self, why: str, problem: str) -> None:
        super().__init__(f"the roster is refused: {problem}", cause=why)
        self.why = why
        self.problem = problem


class MaskingRefused(FederatedError):
    """A server asks for what would undo secure aggregation, and the app does not see the message.

    Attributes
    ----------
    why
        ``too-few``, ``shares``, ``threshold``, ``modulus``, ``parameters``, ``another-setup``, ``set-up-twice``,
        ``forged-key``, ``own-key``, ``too-few-keys``, ``same-key-twice``, ``same-node-twice``, ``sources``,
        ``both-shares``, ``not-active``, ``not-agreed``, ``another-statement``, ``another-node``, ``stage`` or ``form``.
    """

    slug = "masking-refused"
    usual_state = "The app has not seen the message, and nothing has left the node."
    usual_remedy = "Let the server keep to the stages of SecAgg+, all nodes in one group, more than half to unmask."

    def __init__(self, why: str, problem: str) -> None:
        super().__init__(f"the masks would not hide this node's update: {problem}", cause=why)
        self.why = why
        self.problem = problem
