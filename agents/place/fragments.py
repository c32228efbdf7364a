"""Fragments: code that becomes part of what runs at a place. A unit that landed as one is not run: its function becomes
a service of the place, under the name that its terms give, and the agent that brought it ends.

A fragment is written down before its agent ends, as the bundle with which it came: a place that is started again
verifies it again and offers it again. It is offered as long as the certificate with which it came is valid. An agent
that comes back from its checkpoint because its place died between the two finds that it has installed the fragment.
"""

from __future__ import annotations

import functools
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from agents.cell import Cell, Landed, Raised, Returned
from agents.errors import NotAFragment, ServiceTaken, ServiceUnusable, UnknownService
from agents.eventlog import EventKind
from agents.here import Here, Surroundings, arriving
from agents.place.core import PlaceCore
from agents.place.outcomes import failed, returned
from agents.place.resident import Ended, Resident
from agents.place.serving import RaisedInCell, Served, Serving
from agents.services import check_service_name
from agents.terms import LaunchTerms
from mobility.bundle import Bundle, VerifiedBundle, unpack
from mobility.errors import MobilityError
from mobility.plain import decode, encode

__all__ = ["Fragments"]

_ROOM: Final = "fragments"
#: Agents that are remembered as having installed under one name.
_REMEMBERED: Final = 64


@dataclass(slots=True, eq=False)
class Fragments:
    """Of one place.

    Attributes
    ----------
    meet
        Asks the directory for the keys of the other places; whether that brought any news.
    """

    core: PlaceCore
    surroundings: Surroundings
    serving: Serving
    meet: Callable[[], bool]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def load(self) -> None:
        """Offer what an earlier process of this place has kept; each is verified when it is first called."""
        for name in self.core.store.keys(_ROOM):
            try:
                told = self._entry(name)
                if told is not None and name not in self.serving.names:
                    self.serving.offer(name, self._served(name, told))
            except Exception as error:  # one that is damaged is not to keep the others away
                self.core.failed(error)

    def _entry(self, name: str) -> dict[str, Any] | None:
        data = self.core.store.kept(_ROOM, name)
        if data is None:
            return None
        told: dict[str, Any] = decode(data)
        return told

    # -- installing

    def install(self, resident: Resident) -> None:
        """Make a resident's unit a service, and let the resident end: with what it has become, or with an error."""
        with resident.lock:
            luggage, cell = resident.luggage, resident.cell
        if luggage is None or cell is None or luggage.terms.fragment is None:
            return
        try:
            told = self._installed(resident.agent, cell, luggage.terms, luggage.terms.fragment)
        except (MobilityError, ValueError) as error:
            ended = Ended(failed(Raised(error, f"{type(error).__name__}: {error}"), luggage.visited), EventKind.FAILED)
        else:
            ended = Ended(returned(resident.agent, told, luggage.visited)[0], EventKind.ENDED)
        with resident.lock:
            if resident.cell is cell:
                resident.ended = ended

    def _installed(self, agent: str, cell: Cell, terms: LaunchTerms, name: str) -> dict[str, Any]:
        check_service_name(name)
        checkpoint = self.core.store.load(agent)
        if checkpoint is None:
            raise NotAFragment(name, f"{agent}, which brought it, is not written down on {self.core.name}")
        verified = self._verified(bytes(checkpoint.bundle))
        problem = cell.not_a_fragment()
        if problem is not None:
            raise NotAFragment(name, problem)
        # With a process of its own it is loaded nowhere but there.
        function = None if terms.process else _function(verified, Here(self.surroundings, agent))
        owner = verified.passport.owner
        with self._lock:
            before = self._entry(name)
            told = {"service": name, "place": self.core.name, "replaced": before is not None}
            if before is not None and agent in before["agents"]:  # done before this process began
                return {**told, "replaced": bool(before["replaced"])}
            self._check_free(name, before, owner.key_id, terms.replace and _may_replace(verified, before))
            entry = {
                "agents": [*(before["agents"] if before is not None else []), agent][-_REMEMBERED:],
                "owner": owner.key_id,
                "owner_name": str(owner),
                "until": verified.passport.birth.certificate.not_after,
                "entry_point": verified.passport.birth.certificate.entry_point,
                "process": terms.process,
                "replaced": before is not None,
                "bundle": bytes(checkpoint.bundle),
            }
            self.core.store.keep(_ROOM, name, encode(entry))
            self.serving.offer(name, self._served(name, entry, function))
        self.core.event(EventKind.SAID, agent, text=f"is the service {name} of {self.core.name} now")
        return told

    def _check_free(self, name: str, before: dict[str, Any] | None, owner: str, replace: bool) -> None:
        if name not in self.serving.names:
            return
        if before is None:
            raise ServiceTaken(self.core.name, name, "the place itself offers it", replaceable=False)
        own = before["owner"] == owner
        if not (own and replace):
            what = f"a fragment of {before['owner_name']}"
            raise ServiceTaken(self.core.name, name, what, replaceable=own)

    def remove(self, name: str) -> None:
        """Offer a fragment no more.

        Raises
        ------
        UnknownService, ServiceTaken
            The latter for a service of the place itself.
        """
        with self._lock:
            if self._entry(name) is None:
                if name in self.serving.names:
                    raise ServiceTaken(self.core.name, name, "the place itself offers it", replaceable=False)
                raise UnknownService(self.core.name, name, self.serving.names)
            self.core.store.give_up(_ROOM, name)
            self.serving.withdraw(name)

    # -- running

    def _verified(self, data: bytes) -> VerifiedBundle:
        bundle = Bundle.from_bytes(data, self.core.options.limits)

        def verify() -> VerifiedBundle:
            return bundle.verify(
                self.core.trust, audience=self.core.name, codes=self.core.store.code, limits=self.core.options.limits
            )

        try:
            return verify()
        except MobilityError:
            if not self.meet():
                raise
        return verify()  # a place has joined since the last look

    def _served(
        self,
        name: str,
        entry: dict[str, Any],
        function: functools.partial[Any] | None = None,
    ) -> Served:
        """What runs it: loaded when it is first called, unless it is given."""
        lock = threading.Lock()
        made: list[functools.partial[Any]] = [] if function is None else [function]

        def loaded(here: Here) -> functools.partial[Any]:
            with lock:
                if not made:
                    made.append(_function(self._verified(entry["bundle"]), here))
                return made[0]

        def run(here: Here, args: list[Any], kwargs: dict[str, Any]) -> Any:
            if time.time() > entry["until"] + self.core.options.limits.clock_skew:
                raise ServiceUnusable(
                    self.core.name,
                    name,
                    "is a fragment whose certificate has expired",
                    state="Nothing was called.",
                    remedy="Install it anew, with replace=True.",
                )
            if entry["process"]:
                return self._in_cell(entry["bundle"], args, kwargs)
            unit = loaded(here)
            return unit.func(here, *unit.args, *args, **{**unit.keywords, **kwargs})

        return run

    def _in_cell(self, data: bytes, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """One call in a cell of its own.

        Of which kind the cell is, and so whether that is another process, is decided by the place (`PlaceCore`).
        """
        verified = self._verified(data)
        here = Here(self.surroundings, f"{verified.passport.agent}-{secrets.token_hex(8)}")
        cell = self.core.cell_kind(verified, here, LaunchTerms(process=True), Landed())
        done = threading.Event()
        # Nobody hears of its end after that, and a process of its own need not go on for nobody.
        self.core.timers.after(self.serving.seconds_left, lambda: None if done.is_set() else cell.break_off())
        try:
            outcome = cell.use(args, kwargs)
        finally:
            done.set()
            cell.leave()
        if isinstance(outcome, Returned):
            return outcome.value
        assert isinstance(outcome, Raised)  # a plain function does not yield
        raise RaisedInCell(outcome)


def _may_replace(verified: VerifiedBundle, before: dict[str, Any] | None) -> bool:
    """Whether its owner has said so. What a place has pulled its owner has published, and not for this: it may replace
    an earlier version of itself alone."""
    passport = verified.passport
    if passport.parent is None or before is None:
        return True
    return bool(before["entry_point"] == passport.birth.certificate.entry_point)


def _function(verified: VerifiedBundle, here: Here) -> functools.partial[Any]:
    """The unit's function, with the arguments with which it came."""
    with arriving(here):
        unit: functools.partial[Any] = unpack(verified)
    return unit
