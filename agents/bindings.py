"""What an agent has in hand of a resource that it is bound to: it works wherever the agent goes on.

    readings = here.bind("readings", by="identifier", otherwise=["reference"])
    here = yield hop("lima")
    readings.mean()               # of the resource itself, which came along, or over the network

Of a `Bound` nothing travels but its id; what becomes of the binding is decided by the platform, from the table in
`mobility.bindings`, before the agent leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from agents.here import Here, present

__all__ = ["Bound"]


class Bound:
    """A binding of an agent to a resource.

    ``bound.method(...)``, ``bound[...]``, ``len(bound)``, ``in`` and ``bound.call("method", ...)`` work whatever it has
    become. What is given to and comes back from a resource at another place is plain data; exceptions come back as they
    were raised.
    """

    __slots__ = ("_here", "_id")

    def __init__(self, here: Here, binding: str) -> None:
        self._here = here
        self._id = binding

    # -- what it is

    @property
    def how(self) -> str:
        """What it is now: ``"local"``, ``"reference"`` (at another place), or ``"copy"`` (the agent's own)."""
        return str(self._told()["how"])

    @property
    def resource(self) -> str:
        """The id of the resource: ``"place/name"`` of its origin."""
        return str(self._told()["resource"])

    @property
    def place(self) -> str:
        """The name of the place where it is, as far as is known here."""
        return str(self._told()["place"])

    @property
    def value(self) -> Any:
        """The resource itself if it is here, else its content, if that is plain and may leave.

        Ask for it anew each time: of what another agent has taken along since, an older one is only a remainder.

        Raises
        ------
        ResourceGone, ResourceMissing, ResourceRefused, ResourceUnreachable, BindingReleased
        """
        return self._here._surroundings.use_bound(self._here.agent, self._id, None, (), {})

    def _told(self) -> Any:
        return self._here._surroundings.tell_bound(self._here.agent, self._id)

    # -- using it

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """What a method returns; at another place, of an attribute that cannot be called, its value.

        Raises
        ------
        ResourceGone, ResourceMissing, ResourceRefused, ResourceUnreachable, ResourceFailed, BindingReleased
        Exception
            What it raises.
        """
        return self._here._surroundings.use_bound(self._here.agent, self._id, method, args, kwargs)

    def release(self) -> None:
        """End the binding: the agent moves without it."""
        self._here._surroundings.release_bound(self._here.agent, self._id)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):  # of those nothing is offered, and copying and pickling ask for many
            raise AttributeError(name)

        def method(*args: Any, **kwargs: Any) -> Any:
            return self.call(name, *args, **kwargs)

        method.__name__ = name
        return method

    def __getitem__(self, key: Any) -> Any:
        return self.call("__getitem__", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.call("__setitem__", key, value)

    def __delitem__(self, key: Any) -> None:
        self.call("__delitem__", key)

    def __len__(self) -> int:
        return int(self.call("__len__"))

    def __contains__(self, item: Any) -> bool:
        return bool(self.call("__contains__", item))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __bool__(self) -> bool:
        return True  # not by its length, for which another place would have to be asked

    # -- as a value of the agent

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bound):
            return NotImplemented
        return (self._here.agent, self._id) == (other._here.agent, other._id)

    def __hash__(self) -> int:
        return hash((Bound, self._id))

    def __repr__(self) -> str:
        return f"<Bound: {self._id}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _bound, (self._id,)


def _bound(binding: str) -> Bound:
    return Bound(present(), binding)
