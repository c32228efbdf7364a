"""A process that runs one ClientApp: ``python -m federated._flower.clientapp SOCKET``, started by a data node.

Told once which app and which node it is, it answers one message at a time with the reply and the state that the app
left in its context. What the app raises is an answer, too; a process that dies gives none.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

# All of ours is imported before the app, which may have modules of the same names.
from federated._flower.private import become, load_app
from federated._flower.records import message_from_plain, message_to_plain, records_from_plain, records_to_plain
from federated.apperrors import RecordsRefused
from federated.channels import Channel, ChannelClosed
from federated.messages import FailureCode
from mobility.plain import NotPlain

__all__ = ["main", "make_room"]

_MOST_BYTES = 1 << 34  # what comes from the node, which has checked it


def make_room(names: list[str]) -> None:
    """Let the app's modules have the names that ours are loaded under; ours stay as they are for whoever has them."""
    tops = {name.partition("/")[0].removesuffix(".py") for name in names if name.endswith(".py")}
    for loaded in list(sys.modules):
        if loaded.partition(".")[0] in tops & {"federated", "mobility", "agents"}:
            del sys.modules[loaded]


def _loaded(greeting: dict[str, Any]) -> Any:
    make_room(greeting["files"])
    app = load_app(greeting["reference"], ImportError, greeting["folder"])
    if not isinstance(app, ClientApp):
        raise TypeError(f"{greeting['reference']} is a {type(app).__name__}, and no ClientApp")
    return app


def _answered(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    message = message_from_plain(request["message"])
    become(message.metadata.run_id, message.metadata.dst_node_id)
    context = Context(
        run_id=message.metadata.run_id,
        node_id=message.metadata.dst_node_id,
        node_config=request["node_config"],
        state=records_from_plain(request["state"]),
        run_config=request["settings"],
    )
    reply = app(message, context)
    if not isinstance(reply, Message):
        raise RecordsRefused(f"the ClientApp returned a {type(reply).__name__}, and no Message")
    return {"reply": message_to_plain(reply), "state": records_to_plain(context.state)}


def _failure(code: FailureCode, error: BaseException) -> dict[str, Any]:
    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.flush()
    return {"failed": int(code), "kind": type(error).__name__, "text": str(error)[:2000]}


def _end_with_the_node(descriptor: int) -> None:
    waiting = select.poll()
    waiting.register(descriptor, 0)  # of itself it reports that the other side is gone
    waiting.poll()
    # This process has a session of its own; what it started ends with it.
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Answer until the node closes the connection, or is gone."""
    memory = int(os.environ.pop("SOJOURN_MEMORY_BYTES", "0"))
    channel = Channel(socket.socket(fileno=int(sys.argv[1])), _MOST_BYTES)
    # An app that computes without end would outlive a node that was killed.
    threading.Thread(target=_end_with_the_node, args=(int(sys.argv[1]),), daemon=True).start()
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    greeting, _ = channel.receive()
    try:
        app = _loaded(greeting)
    except BaseException as error:  # whatever importing it raises, SystemExit too, is the app's failure
        channel.send(_failure(FailureCode.CANNOT_LOAD, error))
        return
    channel.send({"ready": True})
    while True:
        try:
            request, _ = channel.receive()
        except ChannelClosed:
            return
        try:
            answer = _answered(app, request)
        except RecordsRefused as error:
            answer = {"refused": error.reason, "rules": [str(one) for one in error.rules]}
        except BaseException as error:  # the same of what it raises when it is called
            answer = _failure(FailureCode.RAISED, error)
        try:
            channel.send(answer)
        except NotPlain as error:
            channel.send({"refused": str(error)})


if __name__ == "__main__":
    main()
