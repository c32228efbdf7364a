"""What running Flower apps on nodes raises on purpose; the rest of the tree is in `federated.errors`.

::

    FederatedError
    ├── AppInvalid           app-invalid           a folder or FAB that is no usable Flower app
    │   └── AppTooLarge      app-too-large         more files or bytes than a bundle may have
    ├── AppUnsigned          app-unsigned          nobody has signed it, and somebody must
    ├── AppAltered           app-altered           its files are not those that were signed
    ├── AppNotAdmitted       app-not-admitted      the owner of a dataset does not let it in
    ├── DatasetUnknown       dataset-unknown       a node has no dataset of that name
    ├── RequestRefused       request-refused       a data node does not believe who asks; `why` has the slug
    ├── NodeUnreachable      node-unreachable      a node that does not answer
    ├── TooFewNodes          too-few-nodes         fewer nodes take part than the app waits for
    ├── RecordsRefused         records-refused         what an app returned may not leave its node
    ├── ChildFailed          child-failed          the process in which an app runs has ended, or cannot be used
    │   └── ChildTooSlow     child-too-slow        it did not answer in time, and was ended
    ├── RunConfigInvalid     run-config-invalid    a setting that the app does not have, or of a kind it cannot have
    ├── ServerAppFailed      server-app-failed     the app's server part has raised
    ├── RunInterrupted       run-interrupted       somebody has ended it by Ctrl-C
    └── ExtraMissing         extra-missing         something needs a package that is not installed

Every error carries its ``slug``, says what happened and why, how things stand now and what to do next, and survives
``pickle``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from federated.errors import FederatedError

__all__ = [
    "AppAltered",
    "AppInvalid",
    "AppNotAdmitted",
    "AppTooLarge",
    "AppUnsigned",
    "ChildFailed",
    "ChildTooSlow",
    "DatasetUnknown",
    "ExtraMissing",
    "NodeUnreachable",
    "RecordsRefused",
    "RequestRefused",
    "RunConfigInvalid",
    "RunInterrupted",
    "ServerAppFailed",
    "TooFewNodes",
]


class AppInvalid(FederatedError):
    """A folder or FAB that is no usable Flower app."""

    slug = "app-invalid"
    usual_state = "No bundle was made, and nothing of it was run."
    usual_remedy = "Put it right, then try again; `flwr new` makes an app of the right form."


class AppTooLarge(AppInvalid):
    """More files or bytes than a bundle may have."""

    slug = "app-too-large"
    usual_remedy = "Leave data and models out of the app: exclude them by fab-exclude or .gitignore."


class AppUnsigned(FederatedError):
    """Nobody has signed it, and somebody must."""

    slug = "app-unsigned"
    usual_state = "Nothing was sent, and nothing of it was run."
    usual_remedy = "Sign it with AppBundle.signed_by(identity), or give author= to run_app."


class AppAltered(FederatedError):
    """Its files are not those that were signed."""

    slug = "app-altered"
    usual_state = "Nothing of it was unpacked or run."
    usual_remedy = "Get it anew from its author."


class AppNotAdmitted(FederatedError):
    """The owner of a dataset does not let it in.

    Attributes
    ----------
    node, dataset
        Where.
    why
        The slug of the cause.
    """

    slug = "app-not-admitted"
    usual_state = "Nothing of it runs on that data."
    usual_remedy = "Ask the owner of the data to admit its author or its digest."

    def __init__(self, reason: str, *, node: str = "", dataset: str = "", why: str = "app-not-admitted") -> None:
        super().__init__(reason)
        self.node = node
        self.dataset = dataset
        self.why = why


class DatasetUnknown(FederatedError):
    """A node has no dataset of that name."""

    slug = "dataset-unknown"

    def __init__(self, node: str, dataset: str | None, known: Sequence[str]) -> None:
        listed = ", ".join(known) or "none"
        if dataset is None:
            super().__init__(f"{node} has several datasets, and none was named", remedy=f"Name one of: {listed}.")
        else:
            super().__init__(f"{node} has no dataset {dataset!r}", remedy=f"It has: {listed}.")
        self.node = node
        self.dataset = dataset


class RequestRefused(FederatedError):
    """A data node does not believe who asks, or that it is asked now.

    Attributes
    ----------
    node
        Who was asked.
    why
        ``unsigned``, ``altered``, ``another-audience``, ``too-old``, ``from-the-future``, ``replayed``, or the slug of
        an error of trust: ``untrusted-signer``, ``wrong-role``, ``revoked``, ``expired``.
    """

    slug = "request-refused"
    usual_state = "Nothing was done for it."
    usual_remedy = "Ask with a key that the node trusts as an owner's, by clocks that agree within a minute."

    def __init__(self, node: str, why: str, problem: str) -> None:
        super().__init__(f"{node} does not take this request: {problem}", cause=why)
        self.node = node
        self.why = why
        self.problem = problem


class NodeUnreachable(FederatedError):
    """A node that does not answer."""

    slug = "node-unreachable"
    usual_state = "Only its own reply is missing; the others go on."
    usual_remedy = "Start it again, or go on without it."

    def __init__(self, node: str, problem: str) -> None:
        super().__init__(f"{node} does not answer: {problem}")
        self.node = node


class TooFewNodes(FederatedError):
    """Fewer nodes take part than the app waits for.

    Attributes
    ----------
    problem
        What too few means here.
    taking_part
        Those that do.
    refused
        Those that do not, and why.
    """

    slug = "too-few-nodes"
    usual_state = "The run has ended; what nodes released before remains counted there."

    def __init__(self, problem: str, taking_part: Sequence[str], refused: Mapping[str, str]) -> None:
        absent = "; ".join(f"{node} ({why})" for node, why in refused.items())
        told = [f"taking part: {', '.join(taking_part)}"] if taking_part else []
        told += [f"not taking part: {absent}"] if absent else []
        super().__init__(
            "; ".join([problem, *told]),
            remedy="Ask their owners to admit the app, start the nodes, or let the app be content with fewer.",
        )
        self.problem = problem
        self.taking_part = tuple(taking_part)
        self.refused = dict(refused)

    @property
    def is_refusal(self) -> bool:
        """Whether it is for the owners' decisions alone, and not for nodes that are down."""
        return bool(self.refused) and not any(why.startswith(NodeUnreachable.slug) for why in self.refused.values())


class RecordsRefused(FederatedError):
    """What an app returned may not leave its node.

    Attributes
    ----------
    rules
        Which rules forbid it, as `federated.verdicts.Rule` spells them: these the server is told in any case.
    """

    slug = "records-refused"
    usual_state = "Nothing of it has left the node, which goes on."
    usual_remedy = "Let the app return finite numbers in arrays of numpy, within the limits of the dataset's owner."

    def __init__(self, reason: str, *, rules: Sequence[str] = (), remedy: str | None = None) -> None:
        super().__init__(reason, remedy=remedy)
        self.rules = tuple(rules)


class ChildFailed(FederatedError):
    """The process in which an app runs has ended, or cannot be used."""

    slug = "child-failed"
    usual_state = "This message has failed; the next one gets a fresh process."
    usual_remedy = "See what it printed, in the node's folder."


class ChildTooSlow(ChildFailed):
    """It did not answer in time, and was ended."""

    slug = "child-too-slow"
    usual_remedy = "Give it more time, or less to do."


class RunConfigInvalid(FederatedError):
    """A setting that the app does not have, or of a kind it cannot have."""

    slug = "run-config-invalid"
    usual_state = "The run was not begun."


class ServerAppFailed(FederatedError):
    """The app's server part has raised, or its process has ended.

    Attributes
    ----------
    kind
        The type of what it raised; empty if its process ended.
    details
        The traceback, as text.
    """

    slug = "server-app-failed"
    usual_state = "The run has ended; what nodes released before remains counted there."
    usual_remedy = "The traceback is in `details`."

    def __init__(self, reason: str, *, kind: str = "", details: str = "", remedy: str | None = None) -> None:
        super().__init__(reason, remedy=remedy)
        self.kind = kind
        self.details = details


class RunInterrupted(FederatedError):
    """Somebody has ended a run by Ctrl-C.

    Attributes
    ----------
    journal
        The file with what was answered; None if none is kept.
    """

    slug = "run-interrupted"
    usual_state = "The run has ended; what nodes released before remains counted there."

    def __init__(self, journal: object = None) -> None:
        super().__init__(
            "the run was interrupted",
            remedy="With --journal FILE it would go on where it was."
            if journal is None
            else f"The same command goes on where it was, with --journal {journal}",
        )
        self.journal = None if journal is None else str(journal)


class ExtraMissing(FederatedError):
    """Something needs a package that is not installed.

    Attributes
    ----------
    package
        Which one.
    extra
        What to install for it.
    """

    slug = "extra-missing"
    usual_state = "Nothing was done."

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed",
            remedy=f"Install it with: pip install 'sojourn[{extra}]'",
        )
        self.package = package
        self.extra = extra
