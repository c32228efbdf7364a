"""The place as an agent in its own process sees it: each call goes to the place, and is done there.

What comes back is a copy of plain data; of anything else, something of the place's that stays there: its public methods
can be called, with plain arguments. Such a thing belongs to the place and does not travel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn

from agents.errors import ValueNotPlain
from agents.here import Surroundings
from agents.itinerary import Way
from agents.units import UnitMakings
from mobility.plain import NotPlain, decode, encode

__all__ = ["Exhibits", "FarSurroundings", "FarThing", "read_far_answer"]

#: Asks the place: what is done, to which thing, with which arguments; its answer.
_Ask = Callable[[str, str, bytes], Any]

#: What is there of a place for agents: what `Surroundings` declares, and nothing else that a place can do.
_PUBLIC: Final = frozenset(name for name in vars(Surroundings) if not name.startswith("_"))
#: Operators that work on a thing of the place's.
_OPERATORS: Final = frozenset({"__call__", "__len__", "__getitem__", "__contains__"})
#: What a place gives of its own that is no plain data, and is sent as it is.
_VALUES: Final = frozenset({Way, UnitMakings})


def _arguments(what: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    try:
        return encode([list(args), dict(kwargs)])
    except NotPlain as error:
        raise ValueNotPlain(
            f"an argument of {what}", f"{error.path} is of type {error.kind}, and {error.reason}"
        ) from error


# -- in the agent's process -------------------------------------------------------------------------------------------


class FarSurroundings:
    """See `agents.here.Surroundings`."""

    def __init__(self, name: str, ask: _Ask) -> None:
        self.name = name
        self._ask = ask

    def __getattr__(self, name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"a place has no {name} for agents")
        if isinstance(vars(Surroundings)[name], property):
            return self._ask("surroundings", name, _arguments(name, (), {}))

        def far(*args: Any, **kwargs: Any) -> Any:
            return self._ask("surroundings", name, _arguments(name, args, kwargs))

        return far

    def load_unit(self, *which: str) -> Any:
        """Loaded in the agent's process, as its own code is; the place has verified it."""
        return self.__getattr__("give_unit")(*which).load()


class FarThing:
    """Something of the place's that is no plain data."""

    __slots__ = ("_ask", "_kind", "_number")

    def __init__(self, number: int, kind: str, ask: _Ask) -> None:
        self._number = number
        self._kind = kind
        self._ask = ask

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{name} of a {self._kind} stays at its place")
        return self._ask("attribute", f"{self._number}:{name}", _arguments(name, (), {}))

    def _do(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self._ask("operator", f"{self._number}:{name}", _arguments(f"a {self._kind}", args, kwargs))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._do("__call__", *args, **kwargs)

    def __len__(self) -> int:
        return int(self._do("__len__"))

    def __getitem__(self, key: Any) -> Any:
        return self._do("__getitem__", key)

    def __contains__(self, item: Any) -> bool:
        return bool(self._do("__contains__", item))

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"a {self._kind} stays at its place: call a method that gives its items as a list")

    def __repr__(self) -> str:
        return f"<{self._kind} of the place>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {self._kind} belongs to its place: ask the place where you are for it again")


def read_far_answer(answer: tuple[str, Any], ask: _Ask) -> Any:
    """What the place has answered."""
    how, what = answer
    match how:
        case "plain":
            return decode(what)
        case "value":
            return what
        case "thing":
            number, kind = what
            return FarThing(number, kind, ask)
    raise AssertionError(f"a place answers {how}")


# -- at the place -----------------------------------------------------------------------------------------------------


class Exhibits:
    """What an agent in its own process may reach of a place, and what it has got hold of there.

    Parameters
    ----------
    surroundings
        The place.
    agent
        Whose id stands for the agent in every call, whatever the process says.
    """

    def __init__(self, surroundings: Surroundings, agent: str) -> None:
        self._surroundings = surroundings
        self._agent = agent
        self._things: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._lock = threading.Lock()

    def answer(self, what: str, which: str, arguments: bytes) -> tuple[str, Any]:
        """Do what the process asks for; what it is told."""
        try:
            return self._shown(self._done(what, which, arguments))
        except BaseException as error:  # of the resource's own: the agent's to handle
            return "error", error

    def _done(self, what: str, which: str, arguments: bytes) -> Any:
        args, kwargs = decode(arguments)
        if what == "surroundings":
            if which not in _PUBLIC:
                raise AttributeError(f"a place has no {which} for agents")
            found = getattr(self._surroundings, which)
            if isinstance(vars(Surroundings)[which], property):
                return found
            code = getattr(vars(Surroundings)[which], "__code__", None)
            if code is not None and code.co_varnames[1:2] == ("agent",):
                args = [self._agent, *args[1:]]
            return found(*args, **kwargs)
        number, _, name = which.partition(":")
        thing = self._things[int(number)]
        if what == "operator":
            if name not in _OPERATORS:
                raise AttributeError(f"{name} cannot be done from another process")
            method = getattr(thing, name)
            return method(*args, **kwargs)
        if name.startswith("_"):
            raise AttributeError(f"{name} stays at its place")
        return getattr(thing, name)

    def _shown(self, value: Any) -> tuple[str, Any]:
        try:
            return "plain", encode(value)
        except NotPlain:
            pass
        kind = type(value)
        if kind in _VALUES:
            return "value", value
        with self._lock:
            number = self._numbers.setdefault(id(value), len(self._things))
            if number == len(self._things):
                self._things.append(value)  # and is kept, so that its id stays its own
        return "thing", (number, kind.__qualname__)
