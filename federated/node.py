"""A place that holds data: apps come to it, and what they return leaves it only as the owner allows.

Rules
-----
0. Each request is signed by whoever makes it, and a run belongs to him: see `federated.requests`.
1. An app runs on a dataset only if a trusted author has signed it and the dataset's owner admits author or digest. That
   is asked again at every message, of the lists as they are then.
2. An app runs in a process of its own, one for each digest, unpacked anew from the verified bundle at each start.
3. What goes wrong with one message is the answer to that message: a process that hangs is ended at its deadline, one
   that dies is replaced at the next message, and the state of the run is as before.
4. The header of a reply is the node's. Of what the app returns only records go on, and those after the gate.
5. Where the owner demands it, nothing is answered but beside others who have signed that they take part: see
   `federated.seating`.
6. A message that is repeated gets the same answer, without the app; another one under the same id is refused.

Not handled: what an app does to the rest of the machine. Its process has the rights of the node's user, so it can read
what that user can read, and use the network. Who admits an author or a digest trusts it with that; a user, a container
or a virtual machine of its own for the node keeps the rest away from it.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
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
from federated.querydesk import QueryDesk
from federated.remembering import RunMemory
from federated.requests import NonceBook, SignedRequest, verify_request
from federated.seating import SEATING, Seating
from federated.verdicts import Rule
from mobility.errors import MobilityError
from mobility.plain import PlainLimits, decode, encode
from mobility.trust import Identity, Role, TrustSource

__all__ = ["DataNode"]

_LOG: Final = logging.getLogger(__name__)
_MOST_TEXT: Final = 2000  # characters of an app's own words that are told on
_GRACE: Final = 1.0  # seconds by which a process may be started later than its message came


@dataclass(slots=True)
class _Visit:
    """An app in one run, on one dataset, for whoever asked."""

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
        Where it keeps the state of runs, what requests were made, and what apps print; if None, all that lives as long
        as the node.
    limits
        How much of an app is taken in.
    request_bytes
        Of one request.
    identity
        Of the place; without it no dataset can demand a roster.

    Raises
    ------
    ValueError
        For a dataset with a policy that no gate enforces, or that demands a roster that cannot be.
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
        identity: Identity | None = None,
    ) -> None:
        self.name = name
        self.trust = trust
        self.limits = limits or AppLimits()
        for one, dataset in datasets.items():
            _require_gate(one, dataset)
        self._datasets = dict(datasets)
        self._plain = PlainLimits(total_bytes=request_bytes)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._processes = AppProcesses(name, folder)
        self._memory = RunMemory(None if folder is None else folder / "runs.sqlite")
        self._nonces = NonceBook(None if folder is None else folder / "requests.sqlite")
        self._seating = Seating(name, identity, trust, None if folder is None else folder / "rosters.sqlite")
        for one, dataset in self._datasets.items():
            self._seating.require(one, dataset)
        self._desk = QueryDesk(folder)
        self._visits: dict[tuple[int, str, str, str], _Visit] = {}
        self._lock = threading.Lock()

    # -- for the owner

    def set_dataset(self, name: str, dataset: Dataset) -> None:
        """Add a dataset, or say something else about one; it holds from the next message on.

        Raises
        ------
        ValueError
            As when the node is made.
        """
        _require_gate(name, dataset)
        self._seating.require(name, dataset)
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
        self._nonces.close()
        self._seating.close()
        self._desk.close()

    # -- the door

    def handle(self, data: bytes) -> bytes:
        """Answer one signed request; see `federated.messages`. Whatever the bytes are, there is an answer."""
        try:
            signed = verify_request(data, self.name, self.trust, self._nonces, now=time.time())
            request = read_request(signed.body, self._plain)
            if request["do"] == "admit":
                return self._admit(request, signed.asker.key_id)
            if request["do"] == "end":
                return self._end(request, signed.asker.key_id)
            if request["do"] in SEATING:
                return self._seated(request, signed.asker.key_id)
            if request["do"] == "query":
                name, dataset = self._dataset(request["dataset"])
                return self._desk.answer(name, dataset, request, signed.asker.key_id, signed.sha256)
            return self._message(request, signed)
        except sqlite3.ProgrammingError:
            return pack_message("refused", why="closed", reason=f"{self.name} is closed")
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

    def _admit(self, request: dict[str, Any], asker: str) -> bytes:
        name, dataset = self._dataset(request["dataset"])
        try:
            app = verify_app(request["bundle"], self.trust, limits=self.limits)
            dataset.admission.require(app.author.key_id, app.digest, node=self.name, dataset=name)
            if dataset.gate is not None:
                dataset.gate.admit(name, app.digest, app.author.key_id, asker)
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
            self._tell(dataset, "refused", dataset=name, run=str(request["run"]), why="cannot-load", asker=asker)
            raise AppNotAdmitted(
                f"{self.name} cannot load the app: {error.reason}", node=self.name, dataset=name, why="cannot-load"
            ) from None
        except MobilityError as error:
            self._tell(dataset, "refused", dataset=name, run=str(request["run"]), why=error.slug, asker=asker)
            raise
        author = app.author.key_id
        self._tell(
            dataset, "admitted", dataset=name, run=str(request["run"]), app=app.digest, author=author, asker=asker
        )
        with self._lock:
            self._visits[request["run"], name, app.digest, asker] = visit
        offer = self._seating.offer((request["run"], name, app.digest, asker), dataset)
        return pack_message("admitted", dataset=name, **offer)

    def _seated(self, request: dict[str, Any], asker: str) -> bytes:
        name, dataset = self._dataset(request["dataset"])
        key = (request["run"], name, request["app"], asker)
        with self._lock:
            visit = self._visits.get(key)
        if visit is None:
            return pack_message("unknown")
        self._require(visit, dataset)
        try:
            return self._seating.answer(key, dataset, request)
        except FederatedError as error:
            why = getattr(error, "why", error.slug)
            self._tell(dataset, "refused", **_which(key), asked=request["do"], why=why)
            raise

    def _require(self, visit: _Visit, dataset: Dataset) -> None:
        """Whether the app may still run here: keys expire and are revoked, and owners change their minds."""
        key = visit.app.author.key_id
        self.trust.current().lookup(key, Role.OWNER, time.time(), None)
        dataset.admission.require(key, visit.app.digest, node=self.name, dataset=visit.dataset)

    @staticmethod
    def _tell(told: Dataset, event: str, /, **facts: str | int) -> None:
        if told.witness is not None:
            told.witness.note(event, facts)

    def _end(self, request: dict[str, Any], asker: str) -> bytes:
        name, _ = self._dataset(request["dataset"])
        key = (request["run"], name, request["app"], asker)
        with self._lock:
            self._visits.pop(key, None)
            others = any(visit[1:3] == key[1:3] for visit in self._visits)
        if not others:
            self._processes.of(*key[1:3]).interrupt()
        self._memory.forget(*key)
        self._seating.forget(key)
        return pack_message("ended")

    # -- messages

    def _message(self, request: dict[str, Any], signed: SignedRequest) -> bytes:
        name, dataset = self._dataset(request["dataset"])
        message = request["message"]
        key = (request["run"], name, request["app"], signed.asker.key_id)
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
                if known[0] != signed.sha256:
                    raise RecordsRefused(f"another message came under the id {message['id']!r}, which was answered")
                return known[1]
            left = seconds - (time.monotonic() - started)
            return self._executed(key, visit, dataset, process, message, signed.sha256, left)
        except ChildFailed as error:
            late = isinstance(error, ChildTooSlow)
            code = FailureCode.NO_REPLY if late else FailureCode.CRASHED
            self._tell(dataset, "withheld", **_which(key), message=message["id"], why=error.slug)
            return self._failed(message, code, f"{self.name}: {error.reason}")
        except FederatedError as error:
            code = FailureCode.INVALID_APP if isinstance(error, AppNotAdmitted) else FailureCode.PRECONDITION
            why = getattr(error, "why", error.slug)
            self._tell(dataset, "withheld", **_which(key), message=message["id"], why=why)
            return self._failed(message, code, f"{self.name}: {error}")
        except MobilityError as error:  # the author's key was revoked, has expired, or is no longer trusted
            self._tell(dataset, "withheld", **_which(key), message=message["id"], why=error.slug)
            return self._failed(message, FailureCode.INVALID_APP, f"{self.name}: {error}")
        finally:
            process.lock.release()

    @staticmethod
    def _failed(message: Mapping[str, Any], code: FailureCode, reason: str) -> bytes:
        return pack_message("reply", message=error_reply(message, code, reason))

    def _executed(
        self,
        key: tuple[int, str, str, str],
        visit: _Visit,
        dataset: Dataset,
        process: AppProcess,
        message: dict[str, Any],
        digest: bytes,
        seconds: float,
    ) -> bytes:
        run, name, app, asker = key
        execution = Execution(
            self.name,
            name,
            run,
            app,
            visit.app.author.key_id,
            asker,
            message["id"],
            message["type"],
            message["group"],
            message["content"],
        )
        after = self._seating.before(key, dataset, message)
        if dataset.gate is not None:
            dataset.gate.before(execution)
        facts = {"run": str(run), "app": app, "asker": asker, "message": message["id"], "type": message["type"]}
        facts["group"] = message["group"]
        self._tell(dataset, "executed", dataset=name, **facts)
        child = process.started(visit.app, dataset)
        state = self._memory.state(*key)
        began = time.monotonic()
        outcome = "answered"
        unusable: RecordsRefused | None = None
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
        except RecordsRefused as error:
            outcome, unusable = error.slug, error
        except FederatedError as error:
            outcome = error.slug
            raise
        finally:
            if dataset.gate is not None:
                dataset.gate.ended(execution, outcome, time.monotonic() - began)
        if outcome == "raised":
            self._tell(dataset, "withheld", **_which(key), message=message["id"], why="raised")
            return self._failed(message, FailureCode.RAISED, blamed(answer, dataset, self.name, "the ClientApp"))
        try:
            if unusable is not None:
                raise unusable
            if outcome == "refused":
                rules = answer.get("rules")
                # The process is the app's, and what it says of itself may be anything.
                known = [one for one in Rule if type(rules) is list and one.value in rules]
                raise RecordsRefused(str(answer["refused"])[:_MOST_TEXT], rules=known)
            reply = self._reply(message, answer["reply"], execution, dataset)
            if "content" in reply:
                self._seating.answered(key, message, after, reply["content"])
        except FederatedError as error:
            if dataset.tell:
                raise
            # What is wrong with a reply is said in names that the app gave, and those may hold data.
            _LOG.warning("%s: withheld: %s", self.name, error)
            self._tell(dataset, "withheld", **_which(key), message=message["id"], why=error.slug)
            why = ", ".join([error.slug, *getattr(error, "rules", ())])
            told = f"{self.name}: the reply was withheld ({why}); the rest stays there"
            return self._failed(message, FailureCode.PRECONDITION, told)
        packed = pack_message("reply", message=reply)
        if dataset.witness is not None:  # the digest of a large reply takes its time
            left = hashlib.sha256(packed).hexdigest()
            self._tell(dataset, "released", dataset=name, bytes=len(packed), sha256=left, **facts)
        self._memory.note(key, message["id"], digest, packed, encode(answer["state"]))
        return packed

    def _reply(self, message: dict[str, Any], reply: Any, execution: Execution, dataset: Dataset) -> dict[str, Any]:
        if type(reply) is not dict or message_problem(reply):
            raise RecordsRefused("what the app's process returned is no message", rules=[Rule.KIND])
        if "error" in reply:
            # Of the app's own making, a mod's for example; its text is the app's, and may hold data.
            error = reply["error"]
            if type(error) is not list or [type(one) for one in error] != [int, str]:
                raise RecordsRefused("what the app's process returned as an error is none", rules=[Rule.KIND])
            code, reason = error
            told = f"the ClientApp answered with an error; its text stays at {self.name}"
            told = reason[:_MOST_TEXT] if dataset.tell else told
            return error_reply(message, FailureCode(code) if code in set(FailureCode) else FailureCode.UNKNOWN, told)
        content = check_reply(reply["content"], dataset.reply_bytes)
        if dataset.gate is not None:
            content = check_reply(dataset.gate.after(execution, content), dataset.reply_bytes)
        answered = error_reply(message, FailureCode.UNKNOWN, "")
        del answered["error"]
        answered["content"] = content
        return answered


def _which(key: tuple[int, str, str, str]) -> dict[str, str | int]:
    run, dataset, app, asker = key
    return {"run": str(run), "dataset": dataset, "app": app, "asker": asker}


def _require_gate(name: str, dataset: Dataset) -> None:
    if dataset.policy is not None and dataset.gate is None:
        raise ValueError(f"the dataset {name} has a policy, and no gate that enforces it: federated.placed makes one")
