"""What is used of Flower that it does not promise to keep; written for 1.40 to 1.42.

- `Run`, in the signature of `Grid`.
- `TaskIdentity`, global to the process, which `Message(...)` reads.
- Metadata is filled in by its attributes with an underscore, as Flower's own grids do.
- A message with given metadata.
- The numbers of errors, and of the node that is the server.
- How `flwr build` picks the files of an app.
"""

from __future__ import annotations

from flwr.app import Error, Message, Metadata, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.supercore.object_ref import load_app
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

__all__ = [
    "SUPERLINK_NODE_ID",
    "ErrorCode",
    "Run",
    "become",
    "describe_run",
    "load_app",
    "message_of",
    "number_message",
]


def become(run: int, node: int) -> None:
    """Say who this process is; needed on both sides before a message is made."""
    TaskIdentity.task_id = 1
    TaskIdentity.run_id = run
    TaskIdentity.node_id = node


def number_message(message: Message, message_id: str, run: int) -> None:
    """Give a message that is about to be sent its id."""
    message.metadata.__dict__["_message_id"] = message_id
    message.metadata.__dict__["_run_id"] = run


def message_of(metadata: Metadata, content: RecordDict | None, error: Error | None) -> Message:
    """A message that came in."""
    return Message(metadata=metadata, content=content, error=error)  # type: ignore[call-overload,no-any-return] # not among its public overloads


def describe_run(run: int, digest: str, name: str, version: str, settings: dict[str, bool | float | int | str]) -> Run:
    """What a ServerApp may ask its grid about the run."""
    described = Run.create_empty(run)
    described.fab_id = name
    described.fab_version = version
    described.fab_hash = digest
    described.override_config = settings
    described.primary_task_id = 1
    return described
