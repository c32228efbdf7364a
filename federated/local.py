"""Data nodes in this process, for tests of apps and of this package: real admission, real processes, no network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from federated.apperrors import NodeUnreachable
from federated.dataset import AppAdmission, Dataset
from federated.node import DataNode
from mobility.trust import Identity, Role, TrustEntry, TrustList, TrustSource

__all__ = ["LocalNodes"]


class LocalNodes:
    """A link to nodes of this process.

    Parameters
    ----------
    datasets
        What each node has, by the names of nodes and datasets.
    trust
        Whose signatures count at all of them.
    folder
        Where each keeps a folder of its own; without it what they keep is lost when they are killed.
    asker
        In whose name apps are run if nobody else is named; made if not given, and trusted by all of them.

    Each has an identity of its own as a place, and trusts those of the others, so that a dataset can demand a roster.

    Examples
    --------
    >>> from mobility.trust import Identity
    >>> author = Identity.generate("ada", "owner")
    >>> with LocalNodes.admitting(author, ["hospital-a", "hospital-b"]) as nodes:
    ...     nodes.nodes()
    ['hospital-a', 'hospital-b']
    """

    def __init__(
        self,
        datasets: Mapping[str, Mapping[str, Dataset]],
        trust: TrustSource,
        *,
        folder: Path | None = None,
        asker: Identity | None = None,
    ) -> None:
        self._datasets = {name: dict(held) for name, held in datasets.items()}
        self.asker = asker or Identity.generate("asker", "owner")
        self.identities = {name: Identity.generate(name, "place") for name in self._datasets}
        known = [*self.identities.values(), *(() if asker is not None else (self.asker,))]
        self._trust = _Trusting(trust, known)
        self._folder = folder
        self._lock = threading.Lock()
        self._running: dict[str, DataNode] = {}
        for name in self._datasets:
            self.start(name)

    @classmethod
    def admitting(
        cls, author: Identity, names: Iterable[str], *, dataset: Callable[[AppAdmission], Dataset] | None = None
    ) -> Self:
        """Nodes that admit all that one author signs, with one dataset each and all failures told.

        Parameters
        ----------
        dataset
            Makes the dataset of a node.
        """
        admission = AppAdmission(signers=frozenset({author.key_id}))
        make = dataset or (lambda admitted: Dataset(admission=admitted, tell=True))
        trust = TrustList().trusting(TrustEntry(author.public, author.name, (author.public.role,)))
        return cls({name: {"data": make(admission)} for name in names}, trust, asker=author)

    def __getitem__(self, name: str) -> DataNode:
        """A node that is up."""
        with self._lock:
            return self._running[name]

    def nodes(self) -> Sequence[str]:
        """All names, in the order in which they were given."""
        return list(self._datasets)

    def ask(self, node: str, request: bytes, timeout: float) -> bytes:
        """What the node answers to a signed request; its own deadline is in that."""
        with self._lock:
            running = self._running.get(node)
        if running is None:
            raise NodeUnreachable(node, "it is not running")
        answer = running.handle(request)
        with self._lock:
            if self._running.get(node) is not running:
                raise NodeUnreachable(node, "it was killed before it had answered")
        return answer

    def start(self, name: str) -> DataNode:
        """Start a node, again or for the first time."""
        folder = None if self._folder is None else self._folder / name
        node = DataNode(name, self._datasets[name], self._trust, folder=folder, identity=self.identities[name])
        with self._lock:
            self._running[name] = node
        return node

    def kill(self, name: str) -> None:
        """End a node at once; what it was about to answer is lost, and it keeps what is on its disk."""
        with self._lock:
            node = self._running.pop(name)
        node.close()

    def close(self) -> None:
        """End all."""
        for name in list(self._running):
            self.kill(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Trusting:
    """A list of trusted keys, and these."""

    def __init__(self, trust: TrustSource, also: Iterable[Identity]) -> None:
        self._trust = trust
        self._also = [TrustEntry(one.public, _called(one), (one.public.role,)) for one in also]
        self._made: tuple[TrustList | None, TrustList | None] = (None, None)

    def current(self) -> TrustList:
        known = self._trust.current()
        before, made = self._made
        if made is None or before is not known:
            others = [one for one in self._also if one.key_id not in known.entries]
            made = TrustList.of(known.version, (*known.listed, *others), place=known.place)
            self._made = known, made
        return made


def _called(one: Identity) -> str:
    return one.name if one.public.role is Role.PLACE else f"{one.name}-{one.key_id[:8]}"
