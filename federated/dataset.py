"""What the owner of a dataset says about it: which apps may come, and what watches over what they do and return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from federated.appconfig import Setting
from federated.apperrors import AppNotAdmitted
from federated.policy import ReleasePolicy

__all__ = ["AppAdmission", "Dataset", "Execution", "Gate", "Records", "Witness"]

#: The records of a message: ``[kind, name, items]``, see `federated._flower.records`.
Records = list[list[Any]]


@dataclass(frozen=True, slots=True)
class AppAdmission:
    """Which apps may run on a dataset; an app must be signed by a key that the node trusts in either case.

    Attributes
    ----------
    signers
        Key ids of authors all of whose apps may.
    digests
        Of single apps that may, whoever signed them.
    """

    signers: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()

    def require(self, author: str, digest: str, *, node: str, dataset: str) -> None:
        """Refuse what is in neither.

        Raises
        ------
        AppNotAdmitted
        """
        if author not in self.signers and digest not in self.digests:
            raise AppNotAdmitted(
                f"{node} does not let the app {digest[:16]} of {author[:16]} run on {dataset}",
                node=node,
                dataset=dataset,
            )


#: What stands for an admission that is not given.
_BY_POLICY: Final = AppAdmission()


@dataclass(frozen=True, slots=True)
class Execution:
    """One message that an app is to work on, as the owner's gate sees it.

    Attributes
    ----------
    node, dataset, run, app, author, asker
        Where, on what, in which run; digest of the app, key ids of its author and of who runs it.
    message, message_type, group
        Its id; ``train``, ``evaluate``, ``query`` or one of them with ``.action``; as a rule, the round.
    content
        The records that came with it.
    """

    node: str
    dataset: str
    run: int
    app: str
    author: str
    asker: str
    message: str
    message_type: str
    group: str
    content: Records = field(repr=False)


class Gate(Protocol):
    """The owner's policy. Whatever it raises keeps the reply at the node, and its text reaches the server."""

    def admit(self, dataset: str, app: str, author: str, asker: str) -> None:
        """Refuse an app that the dataset's `AppAdmission` has let in, by its digest and the key ids of its author and
        of who wants to run it."""
        ...

    def before(self, execution: Execution) -> None:
        """Refuse an execution, or take note that it begins; called before the app sees the message."""
        ...

    def ended(self, execution: Execution, outcome: str, seconds: float) -> None:
        """The app has run, or its process has: ``answered``, ``raised``, ``refused``, or the slug of an error."""
        ...

    def after(self, execution: Execution, content: Records) -> Records:
        """What may leave of the records that the app returned: them, others in their place, or an exception."""
        ...


class Witness(Protocol):
    """Who writes down what happens. If it raises, what it was told of does not happen."""

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """One of ``admitted``, ``refused``, ``executed``, ``released``, ``withheld``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset at a node.

    Attributes
    ----------
    admission
        Which apps may run on it; if none is given, those of the policy, and without that none.
    policy
        What may leave. It is enforced by a gate, which a place makes from it (`federated.placed`); a node takes no
        dataset that has a policy and no gate.
    config
        What an app finds in ``context.node_config``: as a rule where the data is; ``partition-id`` and
        ``num-partitions`` are added, by the place of the node in the run, if they are not here.
    environment
        Environment variables of the app's process.
    gate, witness
        The owner's policy, and who writes down what happens.
    seconds
        That an app may take for one message.
    reply_bytes
        That it may return.
    memory_bytes
        Of address space that its process may have; None: any.
    loader
        What gives the columns of which queries ask (`federated.columns`): ``"module:function"``, or a function of
        `config`. None: no queries.
    tell
        Whether the text of what an app raises leaves the node. It may hold data, so as a rule only its kind does.
    least
        Participants, this node among them, without whose signed roster nothing is answered; None: no roster is
        demanded. See `federated.seating`.
    fellows
        Key ids of the places that may stand on that roster beside this one; None: all whom the node trusts as places. A
        place may trust others for other ends, to send them agents for example, who have no such data.
    """

    admission: AppAdmission = _BY_POLICY
    policy: ReleasePolicy | None = None
    config: Mapping[str, Setting] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    gate: Gate | None = None
    witness: Witness | None = None
    seconds: float = 3600.0
    reply_bytes: int = 256 << 20
    memory_bytes: int | None = None
    loader: str | Callable[[Mapping[str, Setting]], Any] | None = None
    tell: bool = False
    least: int | None = None
    fellows: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.admission is _BY_POLICY and self.policy is not None:
            admitted = AppAdmission(frozenset(self.policy.signers), frozenset(self.policy.digests))
            object.__setattr__(self, "admission", admitted)
