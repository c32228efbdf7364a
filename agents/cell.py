"""The seam to where an agent's own code runs. Whatever decodes, steps, captures or ends an agent happens in its cell.

`InlineCell` runs it in the place's own process: for owners whom the place trusts as it trusts its own programs. A place
with inline cells says so, and admits nobody else.
"""

from __future__ import annotations

import functools
import inspect
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from agents.here import Here, arriving
from agents.luggage import read_start
from agents.terms import LaunchTerms
from mobility.bundle import Branch, Bundle, VerifiedBundle, entry_of, pack, unpack
from mobility.environment import Verdict
from mobility.resumable.plan import plan_of
from mobility.resumable.shipped import is_shipped
from mobility.state import discard
from mobility.trust import Identity, VerifiedPassport

__all__ = ["Cell", "CellKind", "InlineCell", "Landed", "Look", "Outcome", "Raised", "Returned", "Yielded", "describe"]


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
    """It has ended by an exception; `trace` is its traceback with the agent's own lines alone."""

    error: BaseException
    trace: str


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

    def leave(self) -> None:
        """It goes on elsewhere: let go of it, and run nothing of it."""
        ...

    def close(self) -> Raised | None:
        """End it: its ``finally`` blocks run; what they raise is returned."""
        ...

    def look(self) -> Look:
        """Where it is suspended, and its variables."""
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
        self._here = here
        self._terms = terms
        with arriving(here):
            self._unit: Any = unpack(verified, weak=landed.anew is not None, decided=landed.verdict)
        if landed.anew is not None:
            args, kwargs = read_start(landed.anew)
            self._unit = functools.partial(self._unit, *args, **kwargs)
        self._begun = isinstance(self._unit, types.GeneratorType)

    def advance(self, value: Any = None, error: BaseException | None = None) -> Outcome:
        try:
            if not self._begun:
                self._begun = True
                made = self._unit.func(self._here, *self._unit.args, **self._unit.keywords)
                if not isinstance(made, types.GeneratorType):
                    return Returned(made)
                self._unit = made
            if error is not None:
                return Yielded(self._unit.throw(error))
            return Yielded(self._unit.send(value if inspect.getgeneratorstate(self._unit) != "GEN_CREATED" else None))
        except StopIteration as end:
            return Returned(end.value)
        except BaseException as raised:  # SystemExit and KeyboardInterrupt of an agent end the agent, not the place
            return Raised(raised, _trace(raised))

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
        args: Sequence[Any] = ()
        kwargs: Mapping[str, Any] = {}
        unit = self._unit
        if not isinstance(unit, types.GeneratorType):
            unit, args, kwargs = unit.func, unit.args, unit.keywords
        if anew is not None:
            unit = entry_of(self._unit) if unit is self._unit else unit
            args, kwargs = read_start(anew)
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

    @property
    def package(self) -> str | None:
        """Where the code that came with it is loaded; None if it is a module of this host."""
        frame = getattr(self._unit, "gi_frame", None)
        module = str(frame.f_globals.get("__name__", "")) if frame is not None else ""
        return module.partition(".")[0] if is_shipped(module) else None

    def leave(self) -> None:
        if isinstance(self._unit, types.GeneratorType):
            discard(self._unit)
        self._unit = None

    def close(self) -> Raised | None:
        if not isinstance(self._unit, types.GeneratorType):
            return None
        try:
            self._unit.close()
        except BaseException as raised:
            return Raised(raised, _trace(raised))
        return None

    def look(self) -> Look:
        from mobility.bundle.preview import preview_of
        from mobility.plain import decode

        unit = self._unit
        if not isinstance(unit, types.GeneratorType) or unit.gi_frame is None:
            name = getattr(getattr(unit, "func", unit), "__qualname__", type(unit).__qualname__)
            return Look(name, "", 0, "", ())
        plan = plan_of(unit.gi_code)
        if plan is None:
            return Look(unit.__qualname__, unit.gi_code.co_filename, unit.gi_frame.f_lineno, "", ())
        rows = plan.source.text.split("\n")
        line = unit.gi_frame.f_lineno
        text = rows[line - plan.source.node.lineno].strip() if 0 <= line - plan.source.node.lineno < len(rows) else ""
        told = decode(preview_of(unit))
        return Look(plan.qualname, plan.filename, line, text, tuple((n, k, t) for n, k, t in told["locals"]))


def _trace(error: BaseException) -> str:
    """The traceback without the frames of the platform."""
    shown = error.__traceback__
    while shown is not None and shown.tb_frame.f_globals.get("__name__") == __name__:
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
