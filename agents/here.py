"""`Here`: the place where an agent is now, as the agent sees it, wherever it keeps it.

It travels as a mark, not as a value: what an agent brings along under any name becomes, on arrival, the place where it
arrives. The same object stays the present place when a move fails.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from agents.itinerary import Way

__all__ = ["Here", "Surroundings", "arriving", "arriving_at"]


class Surroundings(Protocol):
    """What a place lets an agent see of it."""

    @property
    def name(self) -> str:
        """The place's name."""
        ...

    def resource(self, agent: str, name: str) -> Any:
        """A named resource.

        Raises
        ------
        ResourceMissing
        """
        ...

    def resource_names(self) -> tuple[str, ...]:
        """Of all that are offered."""
        ...

    def way(self, agent: str) -> Way | None:
        """What is left of its itinerary; None: it has none."""
        ...

    def said(self, agent: str, text: str) -> None:
        """Note a line in the event log."""
        ...

    def labels(self) -> Mapping[str, str]:
        """What the place tells of itself: host, version of Python, labels of its node."""
        ...

    def load_unit(self, name: str, version: str, digest: str, source: str) -> Any:
        """The function or class of a published unit: from what was fetched here before, else from its repository."""
        ...


class Here:
    """The present place.

    Attributes
    ----------
    name
        The place's name.
    agent
        The agent's own id.
    """

    __slots__ = ("_surroundings", "agent")

    def __init__(self, surroundings: Surroundings, agent: str) -> None:
        self._surroundings = surroundings
        self.agent = agent

    @property
    def name(self) -> str:
        return self._surroundings.name

    @property
    def resources(self) -> tuple[str, ...]:
        """The names of what is offered here."""
        return self._surroundings.resource_names()

    @property
    def labels(self) -> Mapping[str, str]:
        """What the place tells of itself: host, version of Python, labels of its node."""
        return self._surroundings.labels()

    @property
    def way(self) -> Way | None:
        """What is left of the itinerary: the stops to come, and those that were skipped, with the reasons; None: the
        agent was launched without one."""
        return self._surroundings.way(self.agent)

    def resource(self, name: str) -> Any:
        """What is offered here under a name. It is bound to the place: do not keep it across a hop.

        Raises
        ------
        ResourceMissing
            Says what there is.
        """
        return self._surroundings.resource(self.agent, name)

    def load_unit(self, name: str, version: str, digest: str, source: str) -> Any:
        """For `agents.units.FetchedUnit`: the function or class of a published unit, as it is loaded here."""
        return self._surroundings.load_unit(name, version, digest, source)

    def log(self, text: object) -> None:
        """Write a line to the log of the platform; ``sojourn logs`` shows it."""
        self._surroundings.said(self.agent, str(text))

    def __repr__(self) -> str:
        return f"<Here: {self.name}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Here):
            return NotImplemented
        return (self.name, self.agent) == (other.name, other.agent)

    def __hash__(self) -> int:
        return hash((Here, self.agent))

    def __reduce__(self) -> tuple[Any, ...]:
        return _present, ()


class _Arriving(threading.local):
    here: Here | None = None


_arriving = _Arriving()


@contextmanager
def arriving(here: Here) -> Iterator[None]:
    """Whatever is decoded within, on this thread, arrives at `here`."""
    outer, _arriving.here = _arriving.here, here
    try:
        yield
    finally:
        _arriving.here = outer


def arriving_at() -> Here | None:
    """The place where what is just being decoded on this thread arrives; None if nothing is."""
    return _arriving.here


class _Nowhere:
    """The surroundings of an agent that is decoded where there is no place, as by ``sojourn run``."""

    name = "nowhere"

    def resource(self, agent: str, name: str) -> Any:
        from agents.errors import ResourceMissing

        raise ResourceMissing(self.name, name, ())

    def resource_names(self) -> tuple[str, ...]:
        return ()

    def way(self, agent: str) -> Way | None:
        return None

    def said(self, agent: str, text: str) -> None:
        print(text)

    def labels(self) -> Mapping[str, str]:
        return {}

    def load_unit(self, name: str, version: str, digest: str, source: str) -> Any:
        from agents.errors import UnknownUnit

        raise UnknownUnit(self.name, f"{name!r} of version {version}", ())


def _present() -> Here:
    return _arriving.here if _arriving.here is not None else Here(_Nowhere(), "")
