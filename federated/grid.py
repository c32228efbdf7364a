"""What a server's messages go through: each to its node, each with a deadline, each answered once.

A node that hangs, dies or refuses fails its own reply, by an error of Flower's own form, and nothing else. A reply that
comes after its message was given up is dropped. Replies are given in the order of the messages, not of their arrival:
sums of floating-point numbers depend on it, and a run that is done again shall end with the same bits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from federated.appconfig import Setting
from federated.apperrors import NodeUnreachable, TooFewNodes
from federated.assembling import RosterAssembly
from federated.errors import JournalError
from federated.links import Journal, JournalEntry, NodeLink, RunTally
from federated.messages import FailureCode, error_reply, message_problem, node_number, pack_message, read_answer
from federated.workers import Workers
from mobility.errors import MobilityError
from mobility.plain import PlainLimits, decode, encode

__all__ = ["GridExchange"]

_AGAIN: Final = 1.0  # seconds between two tries to reach a node that was down
_POLLING: Final = 5.0  # seconds: who asks for the nodes that often, and sends nothing, waits for more of them
_SHORT: Final = 30.0  # seconds for what needs no training
_STARTING: Final = 90.0  # and for an app to be unpacked and loaded


@dataclass(slots=True)
class _Pending:
    entry: JournalEntry | None
    index: int
    node: str
    message: Mapping[str, Any]
    request: bytes
    until: float
    outcome: dict[str, Any] | None = None


@dataclass(slots=True)
class _Known:
    """What is known of a node."""

    name: str
    number: int
    place: int
    up: bool = False
    asked: float = 0.0
    refused: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


class GridExchange:
    """A run's side of the link.

    Parameters
    ----------
    bundle
        The signed app, as bytes.
    app
        Its digest.
    settings
        Its run config.
    dataset
        On which it runs; None: on the only one that each node has.
    least
        Nodes without which the run does not begin.
    patience
        Seconds for which fewer nodes than the server waits for are put up with.
    most_bytes
        Of one answer.
    watch
        Told of each outcome, by the name of its node; quick, and calls nothing here.
    """

    def __init__(
        self,
        link: NodeLink,
        run: int,
        *,
        bundle: bytes,
        app: str,
        settings: Mapping[str, Setting],
        dataset: str | None = None,
        least: int = 1,
        patience: float = 60.0,
        journal: Journal | None = None,
        most_bytes: int = 1 << 30,
        watch: Callable[[str, Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.run = run
        self.tally = RunTally()
        self._link = link
        self._bundle = bundle
        self._app = app
        self._settings = dict(settings)
        self._dataset = dataset
        self._least = max(1, least)
        self._patience = patience
        self._journal = journal
        self._limits = PlainLimits(total_bytes=most_bytes)
        self._watch = watch
        names = list(link.nodes())
        if journal is not None:
            # The place in this list is a node's partition, also if a node is missing when the run is taken up again.
            names = [str(name) for name in decode(journal.remember("names", lambda: encode(names)))]
        self._known = {node_number(name): _Known(name, node_number(name), place) for place, name in enumerate(names)}
        if len(self._known) != len(names):
            raise ValueError("two nodes have the same name, or the same number")
        self._names = {number: one.name for number, one in self._known.items()}
        self._assembly = RosterAssembly(
            run, app, dataset, self._ask, lambda name: self._admit(self._known[node_number(name)])
        )
        self._pending: dict[str, _Pending] = {}
        self._changed = threading.Condition()
        self._workers = Workers()
        self._polled: tuple[float, float] | None = None  # since when, and when last
        self._unwritten: JournalError | None = None

    # -- who takes part

    @property
    def refused(self) -> dict[str, str]:
        """The nodes that do not take part, and why."""
        return {one.name: one.refused for one in self._known.values() if not one.up}

    @property
    def taking_part(self) -> list[str]:
        """The nodes that have admitted the app, and answer."""
        return [one.name for one in self._known.values() if one.up]

    def begin(self) -> None:
        """Ask all nodes to admit the app, until enough have.

        Raises
        ------
        TooFewNodes
        """
        until = time.monotonic() + self._patience
        while True:
            self._admit_all(list(self._known.values()))
            needed = max(self._least, self._assembly.needed)
            if len(self.taking_part) >= needed:
                break
            if time.monotonic() + _AGAIN > until or not self._may_come(needed):
                raise TooFewNodes(
                    f"the run needs {needed} nodes, and {len(self.taking_part)} take part",
                    self.taking_part,
                    self.refused,
                )
            time.sleep(_AGAIN)
        for name, why in self._assembly.close(self.taking_part).items():
            one = self._known[node_number(name)]
            one.up, one.refused = False, why
        if len(self.taking_part) < self._least:
            raise TooFewNodes(
                f"the run needs {self._least} nodes, and {len(self.taking_part)} take part by a signed roster",
                self.taking_part,
                self.refused,
            )

    def _may_come(self, needed: int) -> bool:
        """Whether waiting can help: a node that refuses is not asked again by itself, one that is down is."""
        down = sum(1 for one in self._known.values() if not one.up and one.refused.startswith("node-unreachable"))
        return len(self.taking_part) + down >= needed

    def _admit_all(self, some: Sequence[_Known]) -> None:
        threads = [threading.Thread(target=self._admit, args=(one,), daemon=True) for one in some]
        for thread in threads:
            thread.start()
        until = time.monotonic() + _STARTING + 5
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _admit(self, one: _Known) -> bool:
        with one.lock:
            one.asked = time.monotonic()
            request = pack_message(
                "admit",
                run=self.run,
                dataset=self._dataset,
                bundle=self._bundle,
                settings=self._settings,
                number=one.place,
                of=len(self._known),
            )
            try:
                answer = self._ask(one.name, request, _STARTING)
            except MobilityError as error:
                one.up, one.refused = False, f"{error.slug}: {getattr(error, 'problem', error)}"
                return False
            if answer["do"] == "admitted":
                one.refused = self._assembly.admitted(one.name, answer)
                one.up = not one.refused
            else:
                one.up, one.refused = False, f"{answer.get('why', answer['do'])}: {answer.get('reason', '')}"
            return one.up

    def _ask(self, node: str, request: bytes, seconds: float) -> dict[str, Any]:
        with self._changed:
            self.tally.sent += len(request)
        try:
            data = self._link.ask(node, request, seconds)
        except MobilityError:
            raise
        except Exception as error:  # a link is somebody else's code, and its failures are its node's
            raise NodeUnreachable(node, f"{type(error).__name__}: {error}") from error
        with self._changed:
            self.tally.received += len(data)
        return read_answer(data, node, self._limits)

    def nodes(self, *, waiting: bool) -> list[int]:
        """The numbers of the nodes that take part, in the order in which the link names them.

        Parameters
        ----------
        waiting
            Whether the server itself asks, which may be waiting for more.

        Raises
        ------
        TooFewNodes
            If it has asked again and again for as long as it may, and sent nothing.
        """
        if waiting and self._journal is not None:
            return [int(one) for one in decode(self._journal.remember("nodes", lambda: encode(self._present(True))))]
        return self._present(waiting)

    def _present(self, waiting: bool) -> list[int]:
        now = time.monotonic()
        down = [one for one in self._known.values() if not one.up and now - one.asked > _AGAIN and self._again(one)]
        if down:
            self._admit_all(down)
        present = [one.number for one in self._known.values() if one.up]
        if waiting:
            self._has_polled(len(present))
        return present

    @staticmethod
    def _again(one: _Known) -> bool:
        return not one.refused or one.refused.startswith("node-unreachable")

    def _has_polled(self, present: int) -> None:
        now = time.monotonic()
        first, last = self._polled or (now, now)
        if now - last > _POLLING:
            first = now
        self._polled = (first, now)
        if now - first > self._patience:
            raise TooFewNodes(
                f"the app has waited for more than {present} nodes for {self._patience:.3g} s",
                self.taking_part,
                self.refused,
            )

    # -- messages

    def push(self, messages: Sequence[Mapping[str, Any]], seconds: float | None) -> None:
        """Send messages; each is given up after so many seconds, or when its time to live is over.

        Raises
        ------
        ValueError
            For a message to nobody, or under an id that was used.
        """
        self._polled = None
        made: list[tuple[_Known, _Pending]] = []
        for message in messages:
            problem = message_problem(message)
            one = self._known.get(message["to"]) if not problem else None
            if problem or one is None or message["id"] in self._pending:
                raise ValueError(problem or f"there is no node {message['to']}, or a message has a used id")
            left = message["ttl"] if seconds is None else min(seconds, message["ttl"])
            request = pack_message(
                "message",
                run=self.run,
                dataset=self._dataset,
                app=self._app,
                message=dict(message),
                seconds=float(left),
            )
            until = time.monotonic() + left
            made.append((one, _Pending(None, len(made), one.name, message, request, until)))
        entry = None
        if self._journal is not None:
            entry = self._journal.exchange([(pending.node, pending.request) for _, pending in made])
        for one, pending in made:
            pending.entry = entry
            with self._changed:
                self._pending[pending.message["id"]] = pending
            known = None if entry is None else entry.reply(pending.index)
            if known is not None:
                self.tally.recalled += 1
                outcome = decode(known, limits=self._limits)
                if "error" in outcome and outcome["error"][0] == FailureCode.NODE_UNAVAILABLE:
                    one.up = False
                self._settle(pending, outcome, keep=False)
            else:
                self.tally.asked += 1
                self._workers.do(partial(self._carry, pending, one))

    def _carry(self, pending: _Pending, one: _Known) -> None:
        try:
            self._assembly.prepare(one.name, pending.message, self._names)
            outcome = self._outcome(pending, one)
        except NodeUnreachable as error:
            one.up, one.refused = False, f"{error.slug}: {error.reason}"
            outcome = error_reply(pending.message, FailureCode.NODE_UNAVAILABLE, error.reason)
        except Exception as error:  # whatever it is, somebody waits for an outcome
            outcome = error_reply(pending.message, FailureCode.UNKNOWN, f"{type(error).__name__}: {error}")
        self._settle(pending, outcome)

    def _outcome(self, pending: _Pending, one: _Known) -> dict[str, Any]:
        for _ in range(2):
            left = pending.until - time.monotonic()
            answer = self._ask(one.name, pending.request, max(left, 0.0))
            if answer["do"] == "reply":
                reply: dict[str, Any] = answer["message"]
                asked = pending.message
                # A node speaks for itself, and of what it was asked.
                expected = (asked["id"], asked["run"], asked["to"], asked["from"], asked["type"])
                if expected != (reply["reply_to"], reply["run"], reply["from"], reply["to"], reply["type"]):
                    return error_reply(
                        asked, FailureCode.NO_REPLY, f"{one.name} answered something else than it was asked"
                    )
                return {**reply, "id": f"{asked['id']}-reply"}
            if answer["do"] != "unknown":
                reason = f"{one.name} refused: {answer.get('reason', answer['do'])}"
                return error_reply(pending.message, FailureCode.PRECONDITION, reason)
            if not self._admit(one):  # it was started again, and has to verify the bundle anew
                break
        return error_reply(
            pending.message, FailureCode.INVALID_APP, f"{one.name} does not let the app in: {one.refused}"
        )

    def _settle(self, pending: _Pending, outcome: dict[str, Any], *, keep: bool = True) -> None:
        with self._changed:
            if pending.outcome is not None:
                self.tally.late += 1
                return
            if keep and pending.entry is not None:
                try:
                    pending.entry.answer(pending.index, encode(outcome))
                except JournalError as error:
                    # Nobody acts on what is not written: whoever collects it is given the error.
                    self._unwritten = error
            pending.outcome = outcome
            pending.request = b""
            if "error" in outcome:
                self.tally.failed += 1
            if self._watch is not None:
                self._watch(pending.node, outcome)  # before the server can act on it
            self._changed.notify_all()

    def pull(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What has come in for these messages; each reply is given once.

        Raises
        ------
        JournalError
            If an answer could not be written down.
        """
        self._polled = None
        self._give_up([one for one in map(self._pending.get, ids) if one is not None], None)
        if self._unwritten is not None:
            raise self._unwritten
        with self._changed:
            ready = [one for one in ids if one in self._pending and self._pending[one].outcome is not None]
            return [outcome for one in ready if (outcome := self._pending.pop(one).outcome) is not None]

    def collect(self, ids: Sequence[str], seconds: float | None) -> list[dict[str, Any]]:
        """Wait for the outcomes of these messages, at most so long; those that miss it are errors from then on.

        Raises
        ------
        JournalError
            If an answer could not be written down.
        """
        asked = [self._pending[one] for one in ids]
        until = max((one.until for one in asked), default=0.0)
        if seconds is not None:
            until = min(until, time.monotonic() + seconds)
        with self._changed:
            self._changed.wait_for(
                lambda: all(one.outcome is not None for one in asked), max(0.0, until - time.monotonic())
            )
        self._give_up(asked, until)
        return self.pull(ids)

    def _give_up(self, asked: Sequence[_Pending], until: float | None) -> None:
        now = time.monotonic()
        for one in asked:
            if one.outcome is None and now >= (one.until if until is None else min(until, one.until)):
                reason = f"{one.node} gave no answer in time; what it answers later is dropped"
                self._settle(one, error_reply(one.message, FailureCode.NO_REPLY, reason))

    def end(self) -> None:
        """Tell the nodes that the run is over, so that they forget it."""
        request = pack_message("end", run=self.run, dataset=self._dataset, app=self._app)
        threads = [
            threading.Thread(target=self._end, args=(one.name, request), daemon=True)
            for one in self._known.values()
            if one.up
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + _SHORT
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _end(self, node: str, request: bytes) -> None:
        try:
            self._ask(node, request, _SHORT)
        except MobilityError:
            pass  # it forgets the run when it is started again
