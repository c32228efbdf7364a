"""`Here`: the place where an agent is now, as the agent sees it, wherever it keeps it.

It travels as a mark, not as a value: what an agent brings along under any name becomes, on arrival, the place where it
arrives. The same object stays the present place when a move fails.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from agents.bindings import Bound
    from agents.itinerary import Way
    from agents.units import UnitMakings

__all__ = ["Here", "Surroundings", "arriving", "arriving_at", "present"]


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

    def bind(
        self,
        agent: str,
        name: str | None,
        kind: str,
        type_: str | None,
        prefer: str | None,
        otherwise: tuple[str, ...],
        seconds: float,
    ) -> str:
        """Bind an agent to a resource; the id of the binding. See `Here.bind`."""
        ...

    def use_bound(
        self, agent: str, binding: str, method: str | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call a method of what an agent is bound to; None: give the thing itself, or its content."""
        ...

    def tell_bound(self, agent: str, binding: str) -> Mapping[str, Any]:
        """How a binding stands: ``how``, ``resource``, ``place``, ``by``, ``attachment``, ``type``."""
        ...

    def release_bound(self, agent: str, binding: str) -> None:
        """End a binding."""
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

    def give_unit(self, name: str, version: str, digest: str, source: str) -> UnitMakings:
        """The same, verified and not loaded, for an agent in a process of its own."""
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

        Nor for long: it is the thing itself, and if another agent takes it along meanwhile, what is kept of it here is
        only a remainder. `bind` gives something that says so.

        Raises
        ------
        ResourceMissing
            Says what there is.
        """
        return self._surroundings.resource(self.agent, name)

    def load_unit(self, name: str, version: str, digest: str, source: str) -> Any:
        """For `agents.units.FetchedUnit`: the function or class of a published unit, as it is loaded here."""
        return self._surroundings.load_unit(name, version, digest, source)

    def bind(
        self,
        name: str | None = None,
        *,
        by: str = "identifier",
        type: str | None = None,
        prefer: str | None = None,
        otherwise: Iterable[str] = (),
        timeout: float = 30.0,
    ) -> Bound:
        """Be bound to a resource that is offered here, wherever this agent goes on.

        What becomes of the binding on a move is a matter of the table in `mobility.bindings`.

        Parameters
        ----------
        name
            Its name here, or its id; None: any one of the `type`.
        by
            ``"identifier"``: exactly this one. ``"value"``: its content. ``"type"``: one like it, wherever that is.
        type
            Of which type it must be.
        prefer
            Which movement is wanted instead of the one that its cell of the table prefers: ``"move"``, ``"copy"``,
            ``"reference"``; it must be in the cell.
        otherwise
            Which others of the cell are accepted, in this order, where that one is not possible.
        timeout
            Seconds that one use of it may take while it is at another place.

        Raises
        ------
        ResourceMissing, ResourceGone, BindingRefused
        """
        from agents.bindings import Bound

        declared = (otherwise,) if isinstance(otherwise, str) else tuple(map(str, otherwise))
        first = None if prefer is None else str(prefer)
        return Bound(self, self._surroundings.bind(self.agent, name, str(by), type, first, declared, timeout))

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
        return present, ()


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

    def bind(
        self,
        agent: str,
        name: str | None,
        kind: str,
        type_: str | None,
        prefer: str | None,
        otherwise: tuple[str, ...],
        seconds: float,
    ) -> str:
        return str(self.resource(agent, name or f"of type {type_}"))

    def use_bound(
        self, agent: str, binding: str, method: str | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        self.release_bound(agent, binding)

    def tell_bound(self, agent: str, binding: str) -> Mapping[str, Any]:
        return {"how": "nowhere", "resource": "", "place": self.name}

    def release_bound(self, agent: str, binding: str) -> None:
        from agents.errors import BindingReleased

        raise BindingReleased(agent)

    def said(self, agent: str, text: str) -> None:
        print(text)

    def labels(self) -> Mapping[str, str]:
        return {}

    def load_unit(self, name: str, version: str, digest: str, source: str) -> Any:
        return self.give_unit(name, version, digest, source).load()

    def give_unit(self, name: str, version: str, digest: str, source: str) -> UnitMakings:
        from agents.errors import UnknownUnit

        raise UnknownUnit(self.name, f"{name!r} of version {version}", ())


def present() -> Here:
    """Where what is decoded on this thread arrives."""
    return _arriving.here if _arriving.here is not None else Here(_Nowhere(), "")
