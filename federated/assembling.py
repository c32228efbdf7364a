"""A run's side of the roster: it collects what nodes sign, and carries it to the others. It decides nothing.

The roster is closed when the run begins. A node that comes later is not on it, and is refused here, since nobody who
stands on it would have it in the sum; one that dies stays on it, and may come back. A run that is resumed takes the
roster that its nodes have.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from federated.masking import Stage, masking_of
from federated.messages import pack_message
from federated.roster import Roster
from mobility.errors import MobilityError
from mobility.trust.envelope import Envelope

__all__ = ["RosterAssembly"]

_SHORT: Final = 30.0  # seconds for what needs no training
_MOST: Final = 16  # nodes that are asked at once

Ask = Callable[[str, bytes, float], Mapping[str, Any]]


class RosterAssembly:
    """The roster of one run, and what its nodes sign in the rounds of secure aggregation.

    Parameters
    ----------
    ask
        Sends a request to a node and gives its answer; it may raise a `MobilityError`.
    admit
        Tells a node of the run once more, when it was started again; returns whether it takes part.
    """

    def __init__(self, run: int, app: str, dataset: str | None, ask: Ask, admit: Callable[[str], bool]) -> None:
        self._about: dict[str, Any] = {"run": run, "dataset": dataset, "app": app}
        self._ask = ask
        self._admit = admit
        self._lock = threading.Lock()
        self._gathering = threading.Lock()
        self._seats: dict[str, bytes] = {}
        self._demanded: dict[str, int] = {}
        self._found = b""  # a roster that a node had already
        self._closed = False
        self._roster = b""
        self._listed: frozenset[bytes] = frozenset()
        self._endorsements: list[bytes] | None = None  # not yet
        self._statements: dict[tuple[str, str, str], bytes | None] = {}

    @property
    def needed(self) -> int:
        """How many nodes have to take part, by what those demand that have come."""
        with self._lock:
            return max(self._demanded.values(), default=0)

    def admitted(self, node: str, answer: Mapping[str, Any]) -> str:
        """A node has let the app in, for the first time or again; returns why it cannot take part, if so."""
        seat = answer.get("seat")
        if seat is None:
            return ""
        try:
            Envelope.from_bytes(seat)
            if answer["roster"]:
                Roster.from_bytes(answer["roster"])
        except MobilityError as error:
            return f"{getattr(error, 'why', error.slug)}: what it gives for its seat is none"
        with self._lock:
            self._seats[node] = seat
            self._demanded[node] = answer["least"]
            self._found = self._found or answer["roster"]
            if not self._closed:
                return ""
            if seat not in self._listed:
                return "not-on-roster: the roster of this run was closed before it came"
            roster, endorsements = self._roster, self._endorsements
            if endorsements is None:
                return ""
        # It was started again, maybe before it had heard of them.
        try:
            self._told(node, "endorsed", pack_message("roster", **self._about, roster=roster))
            given = pack_message("endorsements", **self._about, endorsements=endorsements)
            self._told(node, "seated", given)
        except MobilityError as error:
            return f"{error.slug}: {error}"
        except _Refused as refused:
            return str(refused)
        return ""

    def close(self, nodes: Iterable[str]) -> dict[str, str]:
        """Settle who takes part, among these nodes; returns those that cannot, and why."""
        with self._lock:
            seats = {node: self._seats[node] for node in nodes if node in self._seats}
            if not self._closed:
                self._closed = True
                envelopes = tuple(Envelope.from_bytes(seat) for seat in seats.values())
                self._roster = self._found or Roster(envelopes).to_bytes()
                listed = Roster.from_bytes(self._roster).seats
                self._listed = frozenset(seat.to_bytes() for seat in listed)
            roster, listed_now = self._roster, self._listed
        without = "not-on-roster: this run has a roster without it"
        late = {node: without for node in seats if seats[node] not in listed_now}
        asked = [node for node in seats if node not in late]
        endorsed, refused = self._each(asked, lambda node: self._give_roster(node, roster))
        with self._lock:
            self._endorsements = list(endorsed.values())
        _, unseated = self._each(endorsed, lambda node: self._give_endorsements(node, list(endorsed.values())))
        return {**late, **refused, **unseated}

    def _give_roster(self, node: str, roster: bytes) -> bytes:
        endorsement: bytes = self._require(node, "endorsed", "roster", roster=roster)["endorsement"]
        return endorsement

    def _give_endorsements(self, node: str, endorsements: list[bytes]) -> bytes:
        self._require(node, "seated", "endorsements", endorsements=endorsements)
        return b""

    def _require(self, node: str, expected: str, do: str, **parts: Any) -> Mapping[str, Any]:
        request = pack_message(do, **self._about, **parts)
        try:
            return self._told(node, expected, request)
        except _Unknown:
            if not self._admit(node):
                raise
            return self._told(node, expected, request)

    def _told(self, node: str, expected: str, request: bytes) -> Mapping[str, Any]:
        answer = self._ask(node, request, _SHORT)
        if answer["do"] == "unknown":
            raise _Unknown("it does not know this run")
        if answer["do"] != expected:
            raise _Refused(f"{answer.get('why', answer['do'])}: {answer.get('reason', '')}")
        return answer

    def _each(self, nodes: Iterable[str], ask: Callable[[str], bytes]) -> tuple[dict[str, bytes], dict[str, str]]:
        """Ask all, some at once; those that answered in the order in which they were named, and why others did not."""
        waiting = list(nodes)
        order = list(waiting)
        given: dict[str, bytes] = {}
        missed: dict[str, str] = dict.fromkeys(order, "node-unreachable: it has not answered in time")
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    node = waiting.pop()
                try:
                    got = ask(node)
                except MobilityError as error:
                    with lock:
                        missed[node] = f"{error.slug}: {error}"
                except _Refused as refused:
                    with lock:
                        missed[node] = str(refused)
                else:
                    with lock:
                        given[node] = got
                        del missed[node]

        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(_MOST, len(order)))]
        for thread in threads:
            thread.start()
        until = time.monotonic() + _SHORT * (1 + len(order) // _MOST)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        with lock:
            return {node: given[node] for node in order if node in given}, {**missed}

    # -- secure aggregation

    def prepare(self, node: str, message: Mapping[str, Any], names: Mapping[int, str]) -> None:
        """Bring to a node what others have signed, before a message goes to it that it takes only with that.

        What cannot be had is missing there, and the node says so.

        Parameters
        ----------
        names
            Of nodes, by Flower's numbers.
        """
        items = masking_of(message) if self._seats else None
        if items is None or items.get("stage") not in (Stage.SHARE_KEYS, Stage.UNMASK):
            return
        named = message["group"]
        if items["stage"] == Stage.SHARE_KEYS:
            about: tuple[list[int], list[int]] = ([], [])
            others = [names[number] for number in names if str(number) in items]
        else:
            about = (items.get("active_nids", []), items.get("dead_nids", []))
            others = [names[number] for number in about[0] if number in names]
        statements = self._gathered(named, about, others)
        try:
            self._require(node, "seated", "evidence", round=named, statements=statements)
        except _Refused:
            pass  # as it will say when the message comes

    def _gathered(self, named: str, about: tuple[list[int], list[int]], nodes: list[str]) -> list[bytes]:
        active, dead = sorted(about[0]), sorted(about[1])
        kind = f"{active} {dead}"
        with self._gathering:  # whoever comes second finds what the first has gathered
            missing = [node for node in nodes if (named, kind, node) not in self._statements]

            def vouched(node: str) -> bytes:
                statement: bytes = self._require(node, "vouched", "vouch", round=named, active=active, dead=dead)[
                    "statement"
                ]
                return statement

            given, missed = self._each(missing, vouched)
            for one in list(self._statements):
                if one[0] != named:
                    del self._statements[one]
            self._statements.update({(named, kind, node): given.get(node) for node in (*given, *missed)})
            found = [self._statements[named, kind, node] for node in nodes]
        return [one for one in found if one is not None]


class _Refused(Exception):
    """What a node has answered instead."""


class _Unknown(_Refused):
    """It has forgotten the run."""
