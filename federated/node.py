"""A place that holds data: apps come to it, and what they return leaves it only as the owner allows.

Rules
-----
1. An app runs on a dataset only if a trusted author has signed it and the dataset's owner admits author or digest. That
   is asked again at every message, of the lists as they are then.
2. An app runs in a process of its own, one for each digest, unpacked anew from the verified bundle at each start.
3. What goes wrong with one message is the answer to that message: a process that hangs is ended at its deadline, one
   that dies is replaced at the next message, and the state of the run is as before.
4. The header of a reply is the node's. Of what the app returns only records go on, and those after the gate.
5. A message that is repeated gets the same answer, without the app; another one under the same id is refused.

Not handled: what an app does to the rest of the machine. Its process has the rights of the node's user, so it can read
what that user can read, and use the network. Who admits an author or a digest trusts it with that; a user, a container
or a virtual machine of its own for the node keeps the rest away from it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from federated.app import VerifiedApp, verify_app
from federated.appconfig import Setting, flattened
from federated.apperrors import AppNotAdmitted, ChildFailed, ChildTooSlow, DatasetUnknown, RecordsRefused
from federated.checking import check_reply
from federated.dataset import Dataset, Execution
from federated.errors import FederatedError
from federated.fab import AppLimits
from federated.hosting import AppProcess, AppProcesses, blamed
from federated.messages import FailureCode, error_reply, message_problem, pack_message, read_request
from federated.remembering import RunMemory
from mobility.errors import MobilityError
from mobility.plain import PlainLimits, decode, encode
from mobility.trust import Role, TrustSource

__all__ = ["DataNode"]

_LOG: Final = logging.getLogger(__name__)
_GRACE: Final = 1.0  # seconds by which a process may be started later than its message came


@dataclass(slots=True)
class _Visit:
    """An app in one run, on one dataset."""

    app: VerifiedApp
    dataset: str
    settings: dict[str, Setting]
    config: dict[str, Setting]


class DataNode:
    """A node with datasets; `handle` is its only door, and may be called by many threads.

    Parameters
    ----------
    name
        What it is called.
    datasets
        By their names.
    trust
        Whose signatures count here.
    folder
        Where it keeps the state of runs and what apps print; if None, the state lives as long as the node.
    limits
        How much of an app is taken in.
    request_bytes
        Of one request.
    """

    def __init__(
        self,
        name: str,
        datasets: Mapping[str, Dataset],
        trust: TrustSource,
        *,
        folder: Path | None = None,
        limits: AppLimits | None = None,
        request_bytes: int = 1 << 30,
    ) -> None:
        self.name = name
        self.trust = trust
        self.limits = limits or AppLimits()
        self._datasets = dict(datasets)
        self._plain = PlainLimits(total_bytes=request_bytes)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._processes = AppProcesses(name, folder)
        self._memory = RunMemory(None if folder is None else folder / "runs.sqlite")
        self._visits: dict[tuple[int, str, str], _Visit] = {}
        self._lock = threading.Lock()

    # -- for the owner

    def set_dataset(self, name: str, dataset: Dataset) -> None:
        """Add a dataset, or say something else about one; it holds from the next message on."""
        with self._lock:
            self._datasets[name] = dataset

    def withdraw(self, name: str) -> None:
        """Take a dataset away; no app runs on it from the next message on."""
        with self._lock:
            self._datasets.pop(name, None)

    def close(self) -> None:
        """End all processes of apps."""
        self._processes.close()
        self._memory.close()

    # -- the door

    def handle(self, data: bytes) -> bytes:
        """Answer one request; see `federated.messages`. Whatever the bytes are, there is an answer."""
        try:
            request = read_request(data, self._plain)
            if request["do"] == "admit":
                return self._admit(request)
            if request["do"] == "end":
                return self._end(request)
            return self._message(request, hashlib.sha256(data).digest())
        except MobilityError as error:
            return pack_message(
                "refused", why=getattr(error, "why", error.slug), reason=getattr(error, "reason", str(error))
            )

    def _dataset(self, name: str | None) -> tuple[str, Dataset]:
        with self._lock:
            known = dict(self._datasets)
        if name is None and len(known) == 1:
            return next(iter(known.items()))
        if name is None or name not in known:
            raise DatasetUnknown(self.name, name, sorted(known))
        return name, known[name]

    # -- admission

    def _admit(self, request: dict[str, Any]) -> bytes:
        name, dataset = self._dataset(request["dataset"])
        try:
            app = verify_app(request["bundle"], self.trust, limits=self.limits)
            dataset.admission.require(app.author.key_id, app.digest, node=self.name, dataset=name)
            if dataset.gate is not None:
                dataset.gate.admit(name, app.digest, app.author.key_id)
            config = {"partition-id": request["number"], "num-partitions": request["of"], **dataset.config}
            visit = _Visit(app, name, flattened(request["settings"]), config)
            process = self._processes.of(name, app.digest)
            # Busy with a message of another run, it has been loaded.
            if process.lock.acquire(timeout=_GRACE):
                try:
                    process.started(app, dataset)
                finally:
                    process.lock.release()
        except ChildFailed as error:
            self._tell(dataset, "refused", run=request["run"], why="cannot-load")
            raise AppNotAdmitted(
                f"{self.name} cannot load the app: {error.reason}", node=self.name, dataset=name, why="cannot-load"
            ) from None
        except MobilityError as error:
            self._tell(dataset, "refused", run=request["run"], why=error.slug)
            raise
        self._tell(dataset, "admitted", run=request["run"], dataset=name, app=app.digest, author=app.author.key_id)
        with self._lock:
            self._visits[request["run"], name, app.digest] = visit
        return pack_message("admitted", dataset=name)

    def _require(self, visit: _Visit, dataset: Dataset) -> None:
        """Whether the app may still run here: keys expire and are revoked, and owners change their minds."""
        key = visit.app.author.key_id
        self.trust.current().lookup(key, Role.OWNER, time.time(), 0)
        dataset.admission.require(key, visit.app.digest, node=self.name, dataset=visit.dataset)

    @staticmethod
    def _tell(told: Dataset, event: str, /, **facts: str | int) -> None:
        if told.witness is not None:
            told.witness.note(event, facts)

    def _end(self, request: dict[str, Any]) -> bytes:
        name, _ = self._dataset(request["dataset"])
        key = (request["run"], name, request["app"])
        with self._lock:
            self._visits.pop(key, None)
            others = any(visit[1:] == key[1:] for visit in self._visits)
        if not others:
            self._processes.of(*key[1:]).interrupt()
        self._memory.forget(*key)
        return pack_message("ended")

    # -- messages

    def _message(self, request: dict[str, Any], digest: bytes) -> bytes:
        name, dataset = self._dataset(request["dataset"])
        message = request["message"]
        key = (request["run"], name, request["app"])
        with self._lock:
            visit = self._visits.get(key)
        if visit is None:
            return pack_message("unknown")
        if message["run"] != request["run"] or "content" not in message:
            raise RecordsRefused("the message is of another run, or has no content")
        started = time.monotonic()
        seconds = min(max(request["seconds"], 0.0), dataset.seconds)
        process = self._processes.of(name, visit.app.digest)
        if not process.lock.acquire(timeout=seconds):
            return self._failed(message, FailureCode.NODE_UNAVAILABLE, f"{self.name} is busy with another message")
        try:
            self._require(visit, dataset)
            known = self._memory.reply(*key, message["id"])
            if known is not None:
                if known[0] != digest:
                    raise RecordsRefused(f"another message came under the id {message['id']!r}, which was answered")
                return known[1]
            left = seconds - (time.monotonic() - started)
            return self._executed(key, visit, dataset, process, message, digest, left)
        except ChildFailed as error:
            late = isinstance(error, ChildTooSlow)
            code = FailureCode.NO_REPLY if late else FailureCode.CRASHED
            return self._failed(message, code, f"{self.name}: {error.reason}")
        except FederatedError as error:
            code = FailureCode.INVALID_APP if isinstance(error, AppNotAdmitted) else FailureCode.PRECONDITION
            self._tell(dataset, "withheld", run=key[0], message=message["id"], why=error.slug)
            return self._failed(message, code, f"{self.name}: {error}")
        except MobilityError as error:  # the author's key was revoked, has expired, or is no longer trusted
            self._tell(dataset, "withheld", run=key[0], message=message["id"], why=error.slug)
            return self._failed(message, FailureCode.INVALID_APP, f"{self.name}: {error}")
        finally:
            process.lock.release()

    @staticmethod
    def _failed(message: Mapping[str, Any], code: FailureCode, reason: str) -> bytes:
        return pack_message("reply", message=error_reply(message, code, reason))

    def _executed(
        self,
        key: tuple[int, str, str],
        visit: _Visit,
        dataset: Dataset,
        process: AppProcess,
        message: dict[str, Any],
        digest: bytes,
        seconds: float,
    ) -> bytes:
        run, name, app = key
        execution = Execution(
            self.name,
            name,
            run,
            app,
            visit.app.author.key_id,
            message["id"],
            message["type"],
            message["group"],
            message["content"],
        )
        if dataset.gate is not None:
            dataset.gate.before(execution)
        facts = {"run": run, "app": app, "message": message["id"], "type": message["type"], "group": message["group"]}
        self._tell(dataset, "executed", dataset=name, **facts)
        child = process.started(visit.app, dataset)
        state = self._memory.state(*key)
        began = time.monotonic()
        outcome = "answered"
        try:
            answer = child.ask(
                {
                    "message": message,
                    "state": [] if state is None else decode(state),
                    "node_config": visit.config,
                    "settings": visit.settings,
                },
                seconds=max(seconds, _GRACE),
            )
            if type(answer) is not dict or answer.keys() != {"reply", "state"}:
                outcome = "refused" if type(answer) is dict and "refused" in answer else "raised"
        except FederatedError as error:
            outcome = error.slug
            raise
        finally:
            if dataset.gate is not None:
                dataset.gate.ended(execution, outcome, time.monotonic() - began)
        if outcome == "raised":
            self._tell(dataset, "withheld", run=run, message=message["id"], why="raised")
            return self._failed(message, FailureCode.RAISED, blamed(answer, dataset, self.name, "the ClientApp"))
        try:
            if outcome == "refused":
                raise RecordsRefused(str(answer["refused"]))
            reply = self._reply(message, answer["reply"], execution, dataset)
        except FederatedError as error:
            if dataset.tell:
                raise
            # What is wrong with a reply is said in names that the app gave, and those may hold data.
            _LOG.warning("%s: withheld: %s", self.name, error)
            self._tell(dataset, "withheld", run=run, message=message["id"], why=error.slug)
            rules = ", ".join([error.slug, *getattr(error, "rules", ())])
            told = f"{self.name}: the reply was withheld ({rules}); why stays there"
            return self._failed(message, FailureCode.PRECONDITION, told)
        packed = pack_message("reply", message=reply)
        if dataset.witness is not None:  # the digest of a large reply takes its time
            left = hashlib.sha256(packed).hexdigest()
            self._tell(dataset, "released", dataset=name, bytes=len(packed), sha256=left, **facts)
        self._memory.note(*key, message["id"], digest, packed, encode(answer["state"]))
        return packed

    def _reply(self, message: dict[str, Any], reply: Any, execution: Execution, dataset: Dataset) -> dict[str, Any]:
        if type(reply) is not dict or message_problem(reply):
            raise RecordsRefused("what the app's process returned is no message")
        if "error" in reply:
            # Of the app's own making, a mod's for example; its text is the app's, and may hold data.
            code, reason = reply["error"] if type(reply["error"]) is list else (0, "")
            told = f"the ClientApp answered with an error; its text stays at {self.name}"
            told = str(reason) if dataset.tell else told
            return error_reply(message, FailureCode(code) if code in set(FailureCode) else FailureCode.UNKNOWN, told)
        content = check_reply(reply["content"], dataset.reply_bytes)
        if dataset.gate is not None:
            content = check_reply(dataset.gate.after(execution, content), dataset.reply_bytes)
        answered = error_reply(message, FailureCode.UNKNOWN, "")
        del answered["error"]
        answered["content"] = content
        return answered
