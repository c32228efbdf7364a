"""Gives every node of the cluster its place, and notices places that leave.

Runs beside the directory, so that it goes on when the driver that started the platform has left. Ray has no events for
nodes: it is asked four times a second.
"""

from __future__ import annotations

import math
import pickle
import re
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from agents._ray.membership import PLATFORM_NAMESPACE, MembershipUnknown, Node, RayGcs, Watch
from agents.directory_service import DirectoryService
from agents.eventlog import EventKind, LogEvent
from agents.protocol import Drain
from mobility.errors import MobilityError

if TYPE_CHECKING:
    from agents._ray.actors import PlatformSettings

__all__ = ["Steward", "actor_name"]

_PERIOD: Final = 0.25
#: Seconds between two looks at whether a place lives.
_PINGS: Final = 2.0
#: Seconds for a place to be emptied whose node goes at no moment that anybody has told.
_NO_DEADLINE: Final = 3600.0
#: Share of the time that is left before a node goes which is not used.
_MARGIN: Final = 0.1
#: Seconds between two looks at whether places that are to be emptied have heard of it.
_ASKING: Final = 1.0
#: Seconds between two times that old outcomes are dropped.
_TIDYING: Final = 60.0


def actor_name(node: Node) -> str:
    """Of the place's actor on a node: a new node of the same name gets a new actor."""
    return f"place:{node.place}:{node.node_id[:12]}"


class Steward:
    """Of one platform."""

    def __init__(self, service: DirectoryService, settings: PlatformSettings) -> None:
        self._service = service
        self._settings = settings
        self._stop = threading.Event()
        self._watch = Watch(RayGcs())
        self._actors: dict[str, Any] = {}
        self._waiting: dict[str, Node] = {}
        self._pings: dict[str, Any] = {}
        self._next_tidying = 0.0
        self._told: dict[str, str] = {}
        self._next_ping: dict[str, float] = {}
        self._drained: dict[str, Node] = {}
        self._leaving: dict[str, tuple[Node, Any]] = {}
        self._next_asking = 0.0
        self._thread = threading.Thread(target=self._run, name="sojourn-steward", daemon=True)

    def start(self) -> None:
        """Look after the nodes from now on."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; places go on."""
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                changes = self._watch.poll()
            except MembershipUnknown:
                pass  # asked again; places go on without
            else:
                self._left(changes.left)
                self._waiting |= {node.node_id: node for node in changes.joined}
                self._drained |= {node.node_id: node for node in changes.draining}
            self._revive()
            self._tidy()
            for node in list(self._waiting.values()):
                try:
                    self._open(node)
                    self._waiting.pop(node.node_id, None)
                except Exception:  # tried again; the reason is for whoever reads the log of the actor
                    traceback.print_exc(file=sys.stderr)
            self._ask_again()
            for node in list(self._drained.values()):
                self._evacuate(node)
            self._stop.wait(_PERIOD)

    def _open(self, node: Node) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from agents._ray.actors import PLACE_GROUPS, PLACE_OPTIONS, PlaceActor

        name = actor_name(node)
        about = {"node": node.node_id, "host": node.host}
        self._actors[node.node_id] = (
            ray.remote(concurrency_groups=PLACE_GROUPS)(PlaceActor)
            .options(
                name=name,
                namespace=PLATFORM_NAMESPACE,
                get_if_exists=True,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False),
                **PLACE_OPTIONS,
            )
            .remote(node.place, name, self._settings, about)
        )

    def _evacuate(self, node: Node) -> None:
        """Have a place whose node gets a notice that it will be taken away move its agents, before that happens."""
        actor = self._actors.get(node.node_id)
        if actor is None:
            return  # it is opened first
        del self._drained[node.node_id]
        left = (node.draining_until or 0.0) - time.time()
        seconds = _NO_DEADLINE if math.isinf(left) else max(1.0, left * (1 - _MARGIN))
        request = pickle.dumps(Drain((), seconds, node.node_id))
        self._leaving[node.node_id] = (node, actor.control.remote(request))  # the place tells the log how that goes
        self._tell(node, f"its node is to be taken away; its agents have {seconds:.0f} s to go elsewhere")

    def _ask_again(self) -> None:
        """Have those places emptied that were just being started again, and so have not heard of it."""
        import ray

        if not self._leaving or time.monotonic() < self._next_asking:
            return
        self._next_asking = time.monotonic() + _ASKING
        for key, (node, answer) in list(self._leaving.items()):
            done, _ = ray.wait([answer], timeout=0)
            if not done:
                continue
            del self._leaving[key]
            try:
                ray.get(answer, timeout=1.0)
            except ray.exceptions.RayError:  # its process has ended; what one has begun the next goes on with by itself
                self._drained[key] = node

    def _tidy(self) -> None:
        """Have the directory drop what it need not keep any longer."""
        if time.monotonic() < self._next_tidying:
            return
        self._next_tidying = time.monotonic() + _TIDYING
        try:
            self._service.call("tidy", (), {})
        except MobilityError:  # of its disk: whoever asks the directory for something is told
            traceback.print_exc(file=sys.stderr)

    def _revive(self) -> None:
        """Open places anew whose actor has died for good: Ray starts a process again, and not one that could not start.

        A place that serves answers its ping; while it is being started again, the answer is simply late.
        """
        import ray

        for node in self._watch.known:
            actor = self._actors.get(node.node_id)
            if actor is None or node.node_id in self._waiting:
                continue
            ping = self._pings.get(node.node_id)
            if ping is None:
                if time.monotonic() >= self._next_ping.get(node.node_id, 0.0):
                    self._pings[node.node_id] = actor.ping.remote()
                continue
            done, _ = ray.wait([ping], timeout=0)
            if not done:
                continue
            del self._pings[node.node_id]
            self._next_ping[node.node_id] = time.monotonic() + _PINGS
            try:
                ray.get(ping, timeout=1.0)
            except ray.exceptions.ActorUnavailableError:
                continue  # it is being started again
            except ray.exceptions.RayActorError as error:
                self._tell(node, f"the place has ended, and is started anew: {_cause(error)}")
                self._actors.pop(node.node_id, None)
                self._waiting[node.node_id] = node
            except ray.exceptions.RayError:
                continue

    def _tell(self, node: Node, text: str) -> None:
        """Write to the log, once for each cause."""
        if self._told.get(node.node_id) == text:
            return
        self._told[node.node_id] = text
        self._log(f"steward:{node.node_id}:{time.time_ns()}", node, EventKind.SAID, {"text": text})

    def _left(self, nodes: Sequence[Node]) -> None:
        import ray

        for node in nodes:
            self._drained.pop(node.node_id, None)
            self._leaving.pop(node.node_id, None)
            self._waiting.pop(node.node_id, None)
            self._pings.pop(node.node_id, None)
            actor = self._actors.pop(node.node_id, None)
            if actor is not None:  # Ray would try for ever to start it again on a node that is gone
                ray.kill(actor, no_restart=True)
            data = {"node": node.node_id, "why": "its node is gone"}
            self._log(f"steward:{node.node_id}:left", node, EventKind.PLACE_LEFT, data)

    def _log(self, key: str, node: Node, kind: EventKind, data: Mapping[str, Any]) -> None:
        event = LogEvent(id=key, time=time.time(), place=node.place, agent=None, kind=kind, data=data)
        try:
            self._service.call("log", [[event]], {})
        except MobilityError:  # the log is full or broken; nodes are looked after all the same
            traceback.print_exc(file=sys.stderr)


def _cause(error: BaseException) -> str:
    """The last line of a traceback that Ray has wrapped, without its colours."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)[:500]
