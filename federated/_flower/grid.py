"""Flower's Grid, over a courier that knows nothing of Flower."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from federated._flower.private import SUPERLINK_NODE_ID, Run, number_message
from federated._flower.records import message_from_plain, message_to_plain, records_to_plain
from federated.links import MessageCourier

__all__ = ["AgentGrid"]


class AgentGrid(Grid):
    """What a ServerApp sends and receives through.

    Its nodes are those that have admitted the app. Ids of messages are numbered, not drawn, and replies come in the
    order of the messages, so that an app that is deterministic otherwise is so with it.
    """

    def __init__(self, courier: MessageCourier, run: Run) -> None:
        self._courier = courier
        self._run = run
        self._sent = 0
        self._lock = threading.Lock()
        # Flower's older servers watch for nodes from a thread of their own, which waits for nobody.
        self._server = threading.get_ident()

    def set_run(self, run: Run) -> None:
        """Name the run anew; its number cannot change."""
        if run.run_id != self._run.run_id:
            raise ValueError(f"this grid is of the run {self._run.run_id}, not of {run.run_id}")
        self._run = run

    @property
    def run(self) -> Run:
        """A copy of what is known of the run."""
        return Run(**vars(self._run))

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message of this run; Flower itself prefers `Message(...)`."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """The nodes that have admitted the app.

        Raises
        ------
        TooFewNodes
            Where Flower's strategies would wait for more without end.
        """
        return self._courier.nodes(waiting=threading.get_ident() == self._server)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send; the ids under which replies can be pulled."""
        return self._push(messages, None)

    def _push(self, messages: Iterable[Message], seconds: float | None) -> list[str]:
        plain: list[dict[str, Any]] = []
        contents: dict[int, Any] = {}  # a round sends the same records to all: they are decoded once
        kept = list(messages)
        for message in kept:
            with self._lock:
                self._sent += 1
                number_message(message, f"{self._run.run_id:x}-{self._sent}", self._run.run_id)
            message.metadata.__dict__["_src_node_id"] = SUPERLINK_NODE_ID
            if message.has_error():
                raise ValueError("a server sends content, not errors")
            shared: list[Any] = []
            for name, record in message.content.items():
                if id(record) not in contents:
                    contents[id(record)] = records_to_plain(RecordDict({name: record}))[0]
                kind, _, items = contents[id(record)]
                shared.append([kind, name, items])
            plain.append(message_to_plain(message, shared))
        self._courier.push(plain, seconds)
        return [message.metadata.message_id for message in kept]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there by now; each is given once."""
        return [message_from_plain(one) for one in self._courier.pull(list(message_ids))]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Send, and wait for all replies; a node that gives none in time has an error as its reply."""
        ids = self._push(messages, timeout)
        return [message_from_plain(one) for one in self._courier.collect(ids, timeout)]
