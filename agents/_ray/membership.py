"""Which nodes a Ray cluster has, what the place on each is called, and who came and went.

Rules
-----
1. A place has the name that its node's label ``place`` says; without such a label, ``node-`` and the first six digits
   of the node's id.
2. Of nodes that have the same label at the same time the oldest keeps it, and the others add ``-`` and six digits of
   their ids; more digits if even that name is taken.
3. A node that dies without a word is counted as living for some seconds more. One that starts meanwhile with the same
   label is its successor: it waits until the old one counts as dead, for `SUCCESSION` at most, and gets the label.
4. A node keeps its name as long as it lives. So its name depends on the nodes that started before it, and on
   whether they had ended by then (or within `SUCCESSION`), and on nothing that happens later; every process comes to
   the same names.
5. A node has no name as long as it could come to have another one: while it waits by rule 3, or an older one whose name
   it would have waits. One whose label nobody has, and nobody may come to have, has it at once.
6. Every question has a deadline. Who gets no answer knows what it knew before.

Not handled: a cluster that has forgotten its dead nodes (Ray remembers a thousand) may give a node whose label was
taken when it started its plain label.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Protocol, TypeVar

from agents._ray._cluster_errors import ClusterError

__all__ = [
    "LABEL",
    "PLATFORM_NAMESPACE",
    "Changes",
    "Gcs",
    "MembershipUnknown",
    "Node",
    "SUCCESSION",
    "RayGcs",
    "Record",
    "Watch",
    "differences",
    "name_places",
    "named_actor",
    "nodes",
    "undecided",
]

#: The namespace of all actors of the platform.
PLATFORM_NAMESPACE: Final = "sojourn"
#: The label of a node that names its place.
LABEL: Final = "place"
#: Ms in which a node that died must be counted as dead for a new one to be its successor; Ray takes 14 s as a rule.
SUCCESSION: Final = 20_000
_DIGITS: Final = 6
_TIMEOUT: Final = 2.0  # seconds
_T = TypeVar("_T")


class MembershipUnknown(ClusterError):
    """The cluster's control service did not answer in time.

    Attributes
    ----------
    question, timeout
        What was asked, and how many seconds were waited.
    """

    slug = "membership-unknown"

    def __init__(self, question: str, problem: str, timeout: float) -> None:
        super().__init__(
            f"the control service of the Ray cluster could not be asked for {question}: {problem}",
            state="What was known before still counts; no agent was touched.",
            remedy="Ask again; if it lasts, the head of the cluster is gone, and with it the cluster.",
        )
        self.question = question
        self.timeout = timeout


@dataclass(frozen=True, slots=True)
class Record:
    """What Ray knows of a node.

    Attributes
    ----------
    node_id
        Hexadecimal digits.
    host
        Its address.
    label
        The value of its label ``place``; empty without one.
    started, ended
        Unix time in ms; `ended` is None while it lives.
    """

    node_id: str
    host: str
    label: str
    started: int
    ended: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A node, and the place on it.

    Attributes
    ----------
    node_id
        Hexadecimal digits, as Ray writes it.
    place
        The name of the place.
    host
        Address of the host.
    alive
        Whether the cluster counts it among its nodes.
    draining_until
        Unix time in seconds after which the node may be gone; infinite if no time was given; None if it stays.
    """

    node_id: str
    place: str
    host: str
    alive: bool = True
    draining_until: float | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different since the last time; each in the order of the names.

    Attributes
    ----------
    joined, left, draining
        Nodes that are new, that are gone (as they were last known, `alive` false), and that are to be given up
        and were not before (those that joined so among them).
    """

    joined: tuple[Node, ...] = ()
    left: tuple[Node, ...] = ()
    draining: tuple[Node, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.joined or self.left or self.draining)


class Gcs(Protocol):
    """Who can be asked about the nodes of a cluster: Ray's global control service, or a stand-in."""

    def records(self) -> Sequence[Record]:
        """All nodes that it remembers, dead ones too."""

    def draining(self) -> Mapping[str, int]:
        """Node id to deadline: Unix time in ms, 0 if none was given."""


# -- pure


def name_places(records: Iterable[Record], succession: int = SUCCESSION) -> dict[str, str]:
    """Node id to name of place, by the rules above, for all nodes, dead ones too.

    Parameters
    ----------
    succession
        In ms.
    """
    names: dict[str, str] = {}
    elder: list[Record] = []
    for record in sorted(records, key=_age):
        held = {names[other.node_id] for other in elder if other.ended is None or other.ended > record.started}
        if record.label in held:
            last = max(_end(other) for other in elder if names[other.node_id] == record.label)
            if (
                last <= record.started + succession
            ):  # it dies, or has died and is counted as living: the new one follows
                held.discard(record.label)
        names[record.node_id] = _name(record, held)
        elder.append(record)
    return names


def undecided(records: Iterable[Record], now: int, succession: int = SUCCESSION) -> set[str]:
    """The nodes, living and dead, whose name depends yet on whether an older one will be found dead.

    A dead one counts too: whether it had a name matters for those that started while it lived.

    Parameters
    ----------
    now, succession
        Unix time in ms, and ms.
    """
    ages = sorted(records, key=_age)
    names = name_places(ages, succession)
    options: dict[str, set[str]] = {}
    for index, record in enumerate(ages):
        if now < record.started + succession:
            met = [(other, options[other.node_id]) for other in ages[:index] if _end(other) > record.started]
            options[record.node_id] = _options(record, met)
        else:  # everything older was decided no later
            options[record.node_id] = {names[record.node_id]}
    return {node_id for node_id, possible in options.items() if len(possible) > 1}


def _options(record: Record, met: Sequence[tuple[Record, set[str]]]) -> set[str]:
    """The names that a young node may come to have, by the older ones that it met and the names of each."""
    rivals = [other for other, possible in met if other.ended is None and record.label in possible]
    if record.label and not rivals:
        return {record.label}
    options = {record.label} if record.label else set()  # each rival may be found dead in time
    surely = {name for _, possible in met for name in possible if len(possible) == 1}
    perhaps = {name for _, possible in met for name in possible}
    for name in _derived(record):
        if name not in surely:
            options.add(name)
        if name not in perhaps:
            break
    return options


def _age(record: Record) -> tuple[int, str]:
    return record.started, record.node_id


def _end(record: Record) -> float:
    return math.inf if record.ended is None else record.ended


def _name(record: Record, taken: set[str]) -> str:
    if record.label and record.label not in taken:
        return record.label
    return next(name for name in _derived(record) if name not in taken)


def _derived(record: Record) -> Iterator[str]:
    """The names for a node that cannot have its label, the best first; there is no end of them."""
    stem = f"{record.label or 'node'}-{record.node_id}"
    for digits in range(_DIGITS, len(record.node_id) + 1):
        yield stem[: len(stem) - len(record.node_id) + digits]
    yield f"{stem}-{record.started}"  # somebody took pains to have that label
    for number in count(2):
        yield f"{stem}-{record.started}-{number}"


def differences(before: Mapping[str, Node], now: Mapping[str, Node]) -> Changes:
    """What happened between two looks at a cluster; both by node id."""
    joined = [node for key, node in now.items() if key not in before]
    left = [
        Node(node.node_id, node.place, node.host, alive=False, draining_until=node.draining_until)
        for key, node in before.items()
        if key not in now
    ]
    draining = [
        node
        for key, node in now.items()
        if node.draining_until is not None and (key not in before or before[key].draining_until is None)
    ]
    return Changes(_by_name(joined), _by_name(left), _by_name(draining))


def _by_name(found: Iterable[Node]) -> tuple[Node, ...]:
    return tuple(sorted(found, key=lambda node: (node.place, node.node_id)))


def nodes(gcs: Gcs) -> tuple[Node, ...]:
    """The nodes that are alive and have a name, in the order of their names.

    Raises
    ------
    MembershipUnknown
    """
    records = gcs.records()
    names = name_places(records)
    deadlines = gcs.draining()
    found = []
    unnamed = undecided(records, int(time.time() * 1000))
    for record in records:
        if record.ended is None and record.node_id not in unnamed:
            until = deadlines.get(record.node_id)
            leaves = None if until is None else until / 1000 if until > 0 else math.inf
            found.append(Node(record.node_id, names[record.node_id], record.host, draining_until=leaves))
    return _by_name(found)


class Watch:
    """Looks at a cluster from time to time, and tells what is different.

    A node that joined and left between two looks is not told: nobody was ever there.
    """

    def __init__(self, gcs: Gcs) -> None:
        self._gcs = gcs
        self._known: dict[str, Node] = {}

    @property
    def known(self) -> tuple[Node, ...]:
        """The nodes that were alive at the last look, in the order of their names."""
        return _by_name(self._known.values())

    def poll(self) -> Changes:
        """Look; the first time, every node has joined.

        Raises
        ------
        MembershipUnknown
            What was known stays, and the next look tells what happened since the last one that succeeded.
        """
        now = {node.node_id: node for node in nodes(self._gcs)}
        changes = differences(self._known, now)
        self._known = now
        return changes


# -- asking Ray


class RayGcs:
    """The control service of the cluster to which this process is connected.

    Parameters
    ----------
    timeout
        Seconds for one question. While the answer to one is overdue, no further one is put: threads would pile up.
    """

    def __init__(self, timeout: float = _TIMEOUT) -> None:
        self._timeout = timeout
        self._asking = threading.Lock()
        self._overdue: threading.Thread | None = None

    def records(self) -> tuple[Record, ...]:
        """All nodes that it remembers.

        Raises
        ------
        MembershipUnknown
        """
        return self.ask("its nodes", self._records)

    def draining(self) -> dict[str, int]:
        """Node id to deadline in ms.

        Raises
        ------
        MembershipUnknown
        """
        return self.ask("its draining nodes", _draining)

    def ask(self, question: str, what: Callable[[], _T]) -> _T:
        """Call what talks to the service, for as long as the timeout allows.

        Raises
        ------
        MembershipUnknown
        """
        answer: list[_T] = []
        problem: list[BaseException] = []

        def run() -> None:
            try:
                answer.append(what())
            except BaseException as error:  # raised again in the caller's thread
                problem.append(error)

        if not self._asking.acquire(timeout=self._timeout):
            raise MembershipUnknown(question, f"it was busy for {self._timeout:g} s", self._timeout)
        try:
            if self._overdue is not None:
                self._overdue.join(self._timeout)
                if self._overdue.is_alive():
                    raise MembershipUnknown(question, "an earlier question is unanswered", self._timeout)
                self._overdue = None
            # A daemon: Ray's calls cannot be interrupted, and a program must be able to end.
            thread = threading.Thread(target=run, name=f"sojourn asks for {question}", daemon=True)
            thread.start()
            thread.join(self._timeout)
            if thread.is_alive():
                self._overdue = thread
                raise MembershipUnknown(question, f"no answer within {self._timeout:g} s", self._timeout)
        finally:
            self._asking.release()
        if not problem:
            return answer[0]
        if _is_of_ray(problem[0]):
            raise MembershipUnknown(question, str(problem[0]), self._timeout) from problem[0]
        raise problem[0]

    def _records(self) -> tuple[Record, ...]:
        from ray.core.generated.gcs_pb2 import GcsNodeInfo

        client: Any = _connected()._private.worker.global_worker.gcs_client
        return tuple(
            Record(
                node_id=node_id.hex(),
                host=str(info.node_manager_address),
                label=str(info.labels.get(LABEL, "")),
                started=int(info.start_time_ms),
                ended=int(info.end_time_ms) if info.state == GcsNodeInfo.DEAD else None,
            )
            for node_id, info in client.get_all_node_info(timeout=self._timeout).items()
        )


def _connected() -> Any:
    """Ray, if this process uses it; some of Ray's calls would start a cluster otherwise."""
    import ray

    if not ray.is_initialized():
        raise ConnectionError("this process is not connected to Ray")
    return ray


def _draining() -> dict[str, int]:
    _connected()
    from ray._private.state import state

    return {str(node_id): int(deadline) for node_id, deadline in state.get_draining_nodes().items()}


def _is_of_ray(error: BaseException) -> bool:
    from ray.exceptions import RayError, RpcError

    return isinstance(error, (RayError, RpcError, ConnectionError, TimeoutError))


def named_actor(name: str, namespace: str = PLATFORM_NAMESPACE, *, timeout: float = _TIMEOUT) -> Any | None:
    """The actor of that name; None if there is none.

    Parameters
    ----------
    timeout
        Seconds.

    Raises
    ------
    MembershipUnknown
    """

    def look() -> Any | None:
        try:
            return _connected().get_actor(name, namespace=namespace)
        except ValueError:  # how Ray says that there is none
            return None

    return RayGcs(timeout).ask(f"the actor {name}", look)
