"""A process that runs one ServerApp: ``python -m federated._flower.serverapp SOCKET``, started by `run_app`.

Modules of two apps have the same names often, and Flower keeps who it is in globals: each run has its process. What the
app sends goes to the process that started it, which has the nodes.
"""

from __future__ import annotations

import random
import socket
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from os import environ
from typing import Any

import numpy
from flwr.app import Context, RecordDict
from flwr.serverapp import ServerApp

from federated._flower.clientapp import make_room
from federated._flower.grid import AgentGrid
from federated._flower.observing import observe
from federated._flower.private import SUPERLINK_NODE_ID, become, describe_run, load_app
from federated.apperrors import TooFewNodes
from federated.channels import Channel, ChannelClosed

__all__ = ["main"]

_MOST_BYTES = 1 << 36  # replies of a whole round, which were held against their limits one by one


class _Distant:
    """The courier at the other end of the socket; several threads of an app may use it at once."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._answers: dict[int, Any] = {}
        self._waiting = 0
        self._changed = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        try:
            while True:
                answer, _ = self._channel.receive()
                with self._changed:
                    self._answers[answer["to"]] = answer
                    self._changed.notify_all()
        except ChannelClosed:
            # Who started this run is gone, and nobody else can use what it does.
            import os

            os._exit(3)

    def _call(self, do: str, **parts: Any) -> Any:
        with self._changed:
            self._waiting += 1
            number = self._waiting
        self._channel.send({"do": do, "number": number, **parts})
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers)
            answer = self._answers.pop(number)
        if "few" in answer:
            raise TooFewNodes(*answer["few"])
        if "wrong" in answer:
            raise ValueError(answer["wrong"])
        return answer["value"]

    def nodes(self, *, waiting: bool) -> list[int]:
        return list(self._call("nodes", waiting=waiting))

    def push(self, messages: Sequence[Mapping[str, Any]], seconds: float | None) -> None:
        self._call("push", messages=list(messages), seconds=seconds)

    def pull(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        return list(self._call("pull", ids=list(ids)))

    def collect(self, ids: Sequence[str], seconds: float | None) -> list[dict[str, Any]]:
        return list(self._call("collect", ids=list(ids), seconds=seconds))


def _run(greeting: dict[str, Any], courier: _Distant) -> None:
    run = greeting["run"]
    become(run, SUPERLINK_NODE_ID)
    app = load_app(greeting["reference"], ImportError, greeting["folder"])
    if not isinstance(app, ServerApp):
        raise TypeError(f"{greeting['reference']} is a {type(app).__name__}, and no ServerApp")
    settings = greeting["settings"]
    name = f"{greeting['publisher']}/{greeting['name']}"
    described = describe_run(run, greeting["digest"], name, greeting["version"], dict(settings))
    context = Context(
        run_id=run, node_id=SUPERLINK_NODE_ID, node_config={}, state=RecordDict(), run_config=dict(settings)
    )
    app(AgentGrid(courier, described), context)


def main() -> None:
    """Run the app that is named first, and say how it ended."""
    environ.pop("SOJOURN_MEMORY_BYTES", None)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])), _MOST_BYTES)
    greeting, _ = channel.receive()
    seed = greeting["seed"]
    if seed is not None:
        # Flower's strategies draw nodes from the global generator, and noise from numpy's.
        random.seed(seed)
        numpy.random.seed(seed % (1 << 32))
    make_room(greeting["files"])
    observe(channel.send)
    try:
        _run(greeting, _Distant(channel))
    except BaseException as error:  # whatever the app raises, SystemExit too, is how the run ended
        traceback.print_exception(error, file=sys.stderr)
        few = [error.problem, list(error.taking_part), error.refused] if isinstance(error, TooFewNodes) else None
        text = "".join(traceback.format_exception(error))
        channel.send({"do": "failed", "kind": type(error).__name__, "text": str(error), "details": text, "few": few})
    else:
        channel.send({"do": "finished"})
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that an app has left behind must not hold the end.
    import os

    os._exit(0)


if __name__ == "__main__":
    main()
