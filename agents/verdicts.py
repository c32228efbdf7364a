"""Asking a place for its verdict before anything is sent there.

Rules
-----
1. What is asked is what the bundle would ask for: needs, kind, and the Python that packed it.
2. A verdict that lets a unit in is remembered for some time: what it says rarely changes, and a place judges again when
   the unit lands, before the directory is asked. One that does not is asked for again each time, so that a package
   that was installed meanwhile counts at once. Free memory changes all the time, and is always asked for.
3. The place decides with the function that judges landings, so that both come to the same reasons.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import threading
import time
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agents.errors import AgentsError, NoEntry
from agents.luggage import Luggage, write_start
from agents.protocol import Failure, Judged, Judges, TransferRefused
from agents.transport import Transport
from mobility.bundle import Bundle, Manifest, SegmentKind, UnitKind, is_let_in, needs_of, oldest_python_of
from mobility.environment import EnvironmentRefused, Mobility, Needs, Verdict
from mobility.errors import MobilityError

__all__ = ["Verdicts", "Wanted", "may_start_anew", "refusal_by", "start_of", "wanted_of", "wanted_of_unit"]

#: Seconds for which a verdict that lets in is good.
_FRESH: Final = 30.0
_MOST: Final = 4096
#: Of the reasons of one verdict, those that are told in sentences; all of them are data.
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a unit asks of a place.

    Attributes
    ----------
    needs
        As its manifest has them.
    state
        Whether it has a state to take over.
    python
        The version that packed it.
    code
        SHA-256 of its code.
    """

    needs: Needs
    state: bool
    python: str
    code: bytes = field(repr=False)

    @property
    def changes(self) -> bool:
        """Whether the verdict depends on what changes from moment to moment."""
        return self.needs.memory is not None

    def lets_in(self, verdict: Verdict) -> bool:
        """Whether it can go there as it is."""
        return is_let_in(verdict, state=self.state)


def wanted_of(manifest: Manifest) -> Wanted:
    """What a bundle asks for."""
    return Wanted(manifest.needs, manifest.unit is not UnitKind.FUNCTION, manifest.python, manifest.code[0])


def wanted_of_unit(unit: object, needs: Needs | None) -> tuple[Wanted, bytes]:
    """What a unit would ask for if it were packed here, and its code.

    Raises
    ------
    mobility.errors.MobilityError
        If it cannot be packed.
    """
    found, kind, code = needs_of(unit, needs=needs)
    digest = hashlib.sha256(code).digest()
    return Wanted(found, kind is not UnitKind.FUNCTION, platform.python_version(), digest), code


def start_of(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes | None:
    """What an agent needs to start anew elsewhere; None for an object or class, which does so anyway.

    Raises
    ------
    NoEntry, ValueNotPlain
        If it could not.
    """
    entry: Any = function
    while isinstance(entry, functools.partial):
        entry, args, kwargs = entry.func, (*entry.args, *args), {**entry.keywords, **kwargs}
    if not isinstance(entry, types.FunctionType):
        return None
    if "<" in entry.__qualname__:  # <locals>, <lambda>
        raise NoEntry(entry.__qualname__)
    return write_start(entry.__qualname__, args, kwargs)


def may_start_anew(bundle: Bundle) -> bool:
    """Whether a bundle, as it claims, is of an agent that a place may start anew where its state does not fit.

    So also one that cannot be read, as it was altered: the place, which verifies it, says what is wrong.
    """
    try:
        for view in bundle.claimed(SegmentKind.LUGGAGE):
            luggage = Luggage.from_bytes(view)
            return luggage.terms.accepts == "either" and luggage.start is not None
    except MobilityError:
        return True
    return False


@dataclass(slots=True, eq=False)
class Verdicts:
    """Of all places, for one who sends."""

    transport: Transport
    _known: dict[tuple[str, Wanted], tuple[Verdict, float]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def known(self, place: str, wanted: Wanted) -> Verdict | None:
        """One that lets in, if it is remembered."""
        with self._lock:
            found = self._known.get((place, wanted))
            return found[0] if found is not None and time.monotonic() < found[1] else None

    def forget(self, place: str | None = None) -> None:
        """Remember nothing of a place, or of all: it is another process now, or has judged otherwise."""
        with self._lock:
            for key in [key for key in self._known if place is None or key[0] == place]:
                del self._known[key]

    def ask(self, place: str, wanted: Wanted, code: Callable[[], bytes | None], *, timeout: float) -> Verdict:
        """What a place says now.

        Parameters
        ----------
        code
            Gives the code segment, where the place has an older Python than the one that packed the unit.
        timeout
            Seconds.

        Raises
        ------
        UnknownPlace, PlaceUnreachable, mobility.errors.MobilityError
        """
        reply = self._judged(place, Judges(wanted.needs, wanted.state, wanted.python), timeout)
        if reply.wants_syntax:
            segment = code()
            syntax = oldest_python_of([segment]) if segment is not None else None
            reply = self._judged(place, Judges(wanted.needs, wanted.state, wanted.python, syntax), timeout)
        if wanted.lets_in(reply.verdict) and not wanted.changes:
            with self._lock:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[place, wanted] = (reply.verdict, time.monotonic() + _FRESH)
        return reply.verdict

    def _judged(self, place: str, request: Judges, timeout: float) -> Judged:
        reply = self.transport.ask_place(place, request, timeout=timeout)
        if isinstance(reply, Judged):
            return reply
        raise reply.error if isinstance(reply, Failure) else AgentsError(f"{place} gave no verdict, but {reply!r:.80}")

    def check(self, place: str, bundle: Bundle, *, timeout: float, epoch: int) -> TransferRefused | None:
        """Why a place would not let in a bundle that has its code with it; None if it would.

        Raises
        ------
        As `ask`.
        """
        wanted = wanted_of(bundle.claims())
        if self.known(place, wanted) is not None:
            return None
        decided = self.ask(place, wanted, lambda: _code(bundle), timeout=timeout)
        return None if wanted.lets_in(decided) else refusal_by(decided, place, epoch, state=wanted.state)


def _code(bundle: Bundle) -> bytes | None:
    return next((bytes(view) for view in bundle.claimed(SegmentKind.CODE)), None)


def refusal_by(decided: Verdict, place: str, epoch: int, *, state: bool) -> TransferRefused:
    """What a place says, before and at a landing alike."""
    weak = decided.kind is not Mobility.REFUSE
    causes = [reason.sentence for reason in decided.reasons if reason.effect is decided.kind][:_SHOWN]
    if not weak:
        what, remedy = "cannot run it", "Go elsewhere."
    elif state:
        what = "can only start it anew"
        remedy = 'Go elsewhere, or launch it with mobility="either", so that it may start anew there.'
    else:
        what, remedy = "cannot take its arguments", "Send it elsewhere, or with arguments that are not so bound."
    return TransferRefused(
        epoch,
        EnvironmentRefused.slug,
        f"{place} {what}: {' '.join(causes)}".rstrip("."),
        remedy,
        tuple(reason.as_data() for reason in decided.reasons),
        decided.kind.value,
    )
