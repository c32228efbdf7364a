"""The seam to where an agent's own code runs. Whatever decodes, steps, captures or ends an agent happens in its cell.

`InlineCell` runs it in the place's own process: for owners whom the place trusts as it trusts its own programs. A place
with inline cells says so, and admits nobody else. `agents.processes.ProcessCell` gives it a process of its own.
"""

from __future__ import annotations

import inspect
import threading
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from agents.breaking import Breakable, Broken
from agents.errors import AgentsError
from agents.here import Here, arriving
from agents.terms import LaunchTerms
from mobility.bundle import Branch, Bundle, VerifiedBundle, pack, unpack
from mobility.environment import Verdict
from mobility.trust import Identity, VerifiedPassport

__all__ = [
    "Cell",
    "CellKind",
    "InlineCell",
    "Landed",
    "Look",
    "Mortal",
    "Outcome",
    "Raised",
    "Returned",
    "Yielded",
    "called",
    "cell_for",
    "describe",
    "not_a_fragment",
    "trace_of",
]


@dataclass(frozen=True, slots=True)
class Yielded:
    """It is suspended."""

    effect: Any


@dataclass(frozen=True, slots=True)
class Returned:
    """It has ended."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """It has ended by an exception.

    Attributes
    ----------
    trace
        Its traceback with the agent's own lines alone.
    row
        What `agents.told.as_row` made of it in another process, where it was raised.
    """

    error: BaseException
    trace: str
    row: Mapping[str, Any] | None = field(default=None, compare=False)


Outcome: TypeAlias = Yielded | Returned | Raised


@dataclass(frozen=True, slots=True)
class Look:
    """Where it is suspended.

    Attributes
    ----------
    function, file, line, text
        The line; of an agent that has not begun, its first one or 0.
    variables
        Name, type and short text of each local variable.
    """

    function: str
    file: str
    line: int
    text: str
    variables: tuple[tuple[str, str, str], ...]


@runtime_checkable
class Cell(Protocol):
    """One agent, where it runs. Not to be used by two threads at once.

    Implementations are tested by ``tests/conformance/cell.py``.
    """

    @property
    def weak(self) -> bool:
        """Whether it starts anew wherever it arrives: what its ``yield`` was to give is dropped then."""
        ...

    @property
    def package(self) -> str | None:
        """Where the code that came with it is loaded in this process; None: nowhere."""
        ...

    @property
    def apart(self) -> bool:
        """Whether it has a process of its own, in which everything that it brings or fetches is to be loaded."""
        ...

    def advance(self, value: Any = None, error: BaseException | None = None) -> Outcome:
        """Let it run to its next ``yield`` or its end: begin, give it a value, or raise at its ``yield``."""
        ...

    def pack(
        self,
        *,
        by: Identity,
        passport: VerifiedPassport,
        origin: str,
        to: str | None,
        luggage: bytes,
        branch: Branch | None = None,
        preview: bool = False,
        anew: bytes | None = None,
    ) -> Bundle:
        """Capture it, as it stands; it stays as it is.

        Parameters
        ----------
        anew
            Only its function, to start at its entry with these arguments, as `agents.luggage` keeps them: its variables
            and its line stay behind. None: with these.

        Raises
        ------
        mobility.errors.MobilityError
            If it holds what cannot travel.
        """
        ...

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome:
        """Run a function that it has yielded by `agents.effects.call`, beside its steps; never `Yielded`."""
        ...

    def not_a_fragment(self) -> str | None:
        """Of a unit that has not begun: why its function cannot become part of what runs here; None: it can."""
        ...

    def use(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome:
        """Of such a unit: call its function, with these arguments behind those with which it came; never `Yielded`."""
        ...

    def break_off(self) -> None:
        """It has ended whatever it does: have the step, the function or the closing that runs end as soon as may be.

        The only method that another thread may call meanwhile, and more than once; nothing of it is used after.
        """
        ...

    def leave(self) -> None:
        """It goes on elsewhere: let go of it, and run nothing of it."""
        ...

    def close(self) -> Raised | None:
        """End it: its ``finally`` blocks run; what they raise is returned."""
        ...

    def look(self) -> Look:
        """Where it is suspended, and its variables."""
        ...


@runtime_checkable
class Mortal(Cell, Protocol):
    """A cell that can end by itself, whatever its agent does; it is to be left also when its agent has ended."""

    def watch(self, died: Callable[[Cell, AgentsError], None]) -> None:
        """Call that once it has; at once if it has already."""
        ...


@dataclass(frozen=True, slots=True)
class Landed:
    """How an agent has landed.

    Attributes
    ----------
    verdict
        Of the place, which counts; None: the cell asks the environment itself.
    anew
        The arguments with which it starts at its entry, as `agents.luggage` keeps them; None: as it was captured.
    """

    verdict: Verdict | None = None
    anew: bytes | None = None


_AS_IT_WAS: Final = Landed()
#: Makes a cell from what was verified, on the terms with which it was launched, as the place has decided.
CellKind: TypeAlias = Callable[[VerifiedBundle, Here, LaunchTerms, Landed], Cell]


def cell_for(verified: VerifiedBundle, here: Here, terms: LaunchTerms, landed: Landed = _AS_IT_WAS) -> Cell:
    """The cell for which an agent was launched: in the place's process, or in one of its own.

    Raises
    ------
    mobility.errors.MobilityError
        If it cannot be decoded here; `agents.errors.CellFailed` if there is no process for it.
    """
    if not terms.process:
        return InlineCell(verified, here, terms, landed)
    from agents.processes.cell import ProcessCell

    return ProcessCell(verified, here, terms, landed)


class InlineCell:
    """In the process of the place.

    Parameters
    ----------
    verified
        From which the agent is made; this decodes it.
    here
        Where it arrives.
    terms
        On what terms it was launched.
    landed
        As the place has decided.

    Raises
    ------
    mobility.errors.MobilityError
        If it cannot be decoded here.
    """

    def __init__(self, verified: VerifiedBundle, here: Here, terms: LaunchTerms, landed: Landed = _AS_IT_WAS) -> None:
        from agents.body import body_of  # it needs what is defined above

        self._terms = terms
        self._breakable = Breakable()
        self._endless = False  # its capture came to no end, and was broken off
        with arriving(here):
            unit = unpack(verified, weak=landed.anew is not None, decided=landed.verdict)
            self._body = body_of(unit, here, landed.anew)

    apart = False

    @property
    def weak(self) -> bool:
        return self._body.weak

    @property
    def package(self) -> str | None:
        return self._body.package

    def advance(self, value: Any = None, error: BaseException | None = None) -> Outcome:
        outcome = self._breakable.run(lambda: self._body.advance(value, error))
        return outcome if outcome is not None else _BROKEN_OFF

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome:
        outcome = self._breakable.run(lambda: called(function, args, kwargs))
        return outcome if outcome is not None else _BROKEN_OFF

    def not_a_fragment(self) -> str | None:
        return not_a_fragment(self._body.parts()[0])

    def use(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome:
        outcome = self._breakable.run(lambda: self._body.use(args, kwargs))
        return outcome if outcome is not None else _BROKEN_OFF

    def break_off(self) -> None:
        self._breakable.break_off()

    def pack(
        self,
        *,
        by: Identity,
        passport: VerifiedPassport,
        origin: str,
        to: str | None,
        luggage: bytes,
        branch: Branch | None = None,
        preview: bool = False,
        anew: bytes | None = None,
    ) -> Bundle:
        def captured() -> Bundle:
            unit, args, kwargs = self._body.parts(anew)
            return pack(
                unit,
                by=by,
                args=args,
                kwargs=kwargs,
                passport=passport,
                origin=origin,
                to=to,
                luggage=luggage,
                branch=branch,
                preview=preview,
                needs=self._terms.needs,
            )

        # Its own classes may say how they are pickled, and need not come to an end with it.
        bundle = self._breakable.run(captured)
        if bundle is None:
            self._endless = True
            reason = f"{passport.agent} was ended by force while it was captured"
            raise AgentsError(reason, state="It does nothing more.")
        return bundle

    def leave(self) -> None:
        if self._endless:  # to leave it asks its values once more
            threading.Thread(target=self._leave_aside, name="cell-leaving", daemon=True).start()
        else:
            self._body.leave()

    def _leave_aside(self) -> None:
        body, kept, leaving = self._body, self._body.parts()[0], Breakable()
        late = threading.Timer(_LEAVING, leaving.break_off)
        late.daemon = True
        late.start()

        def left() -> bool:
            body.leave()
            return True

        if not leaving.run(left):
            _NEVER_LEFT.append(kept)  # collected, it would run its finally blocks
        late.cancel()

    def close(self) -> Raised | None:
        return self._breakable.run(self._body.close)

    def look(self) -> Look:
        return self._body.look()


#: Seconds for which an agent that was ended by force may keep from being left; and those that have kept from it.
_LEAVING: Final = 2.0
_NEVER_LEFT: Final[list[Any]] = []
#: Of a step that was broken off: nobody is interested in it any more.
_BROKEN_OFF: Final = Raised(Broken(), "Broken")


def not_a_fragment(unit: Any) -> str | None:
    """Why a unit cannot become part of what runs at a place; None: it can."""
    if not isinstance(unit, types.FunctionType):
        return f"it is a {type(unit).__qualname__}, not a function"
    if inspect.isgeneratorfunction(unit):
        return f"{unit.__qualname__} yields, as agents do"
    return None


def called(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Outcome:
    """What a function that an agent has called has come to."""
    try:
        return Returned(function(*args, **kwargs))
    except BaseException as raised:  # as for a step
        return Raised(raised, trace_of(raised))


#: Whose frames are not shown to those who look for an agent's mistake.
_OURS: Final = frozenset({__name__, "agents.body", "agents.breaking", "agents.processes.child"})


def trace_of(error: BaseException) -> str:
    """The traceback without the frames of the platform."""
    shown = error.__traceback__
    while shown is not None and shown.tb_frame.f_globals.get("__name__") in _OURS:
        shown = shown.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, shown)).rstrip()
    except BaseException as problem:  # a __str__ of the agent's own
        return f"{type(error).__qualname__}, of which no traceback could be made ({type(problem).__qualname__})"


def describe(error: BaseException) -> tuple[str, str]:
    """The full name of an exception's type, and its message in one line; whatever its ``__str__`` does."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        text = str(error)
    except BaseException:  # of the agent's own
        text = ""
    return name, text[:10_000]
