"""Running a Flower app on nodes: from `run_app` to a result as plain data."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from federated.app import AppBundle
from federated.apperrors import AppUnsigned, ServerAppFailed, TooFewNodes
from federated.channels import ChannelClosed
from federated.children import AppChild
from federated.grid import GridExchange
from federated.links import Journal, NodeLink, RunTally
from federated.workers import Workers
from mobility.trust import Identity

__all__ = ["Progress", "RunResult", "run_app"]

_MODULE: Final = "federated._flower.serverapp"


@dataclass(frozen=True, slots=True)
class Progress:
    """What a round has come to.

    Attributes
    ----------
    round, phase
        From 1; ``train`` or ``evaluate``.
    metrics
        Aggregated, by name.
    seconds
        Since the run began.
    nodes
        That take part.
    sent, received
        Bytes until now.
    """

    round: int
    phase: str
    metrics: Mapping[str, Any]
    seconds: float
    nodes: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run.

    Attributes
    ----------
    run, app
        Its number, and the digest of the app.
    strategy
        The name of the strategy's class; empty, if the app has none.
    nodes, refused
        Who took part at the end, and who did not and why.
    metrics
        ``train``, ``evaluate`` (both of the nodes, aggregated) and ``server``: metrics by name, by round.
    arrays
        The final ones, by name; numpy's.
    seconds
        From the first admission to the end.
    tally
        Bytes and messages.
    failures
        What nodes answered by errors: node, type of message, group, reason.
    """

    run: int
    app: str
    strategy: str
    nodes: tuple[str, ...]
    refused: Mapping[str, str]
    metrics: Mapping[str, Mapping[int, Mapping[str, Any]]]
    arrays: Mapping[str, Any] = field(repr=False)
    seconds: float
    tally: RunTally
    failures: tuple[tuple[str, str, str, str], ...]

    def to_json(self) -> str:
        """Everything but the values of arrays, of which it has shapes and dtypes."""
        content = {
            "run": self.run,
            "app": self.app,
            "strategy": self.strategy,
            "nodes": list(self.nodes),
            "refused": dict(self.refused),
            "metrics": {phase: {str(n): dict(one) for n, one in by.items()} for phase, by in self.metrics.items()},
            "arrays": {name: [list(one.shape), str(one.dtype)] for name, one in self.arrays.items()},
            "seconds": self.seconds,
            "bytes": {"sent": self.tally.sent, "received": self.tally.received},
            "messages": {
                "asked": self.tally.asked,
                "recalled": self.tally.recalled,
                "failed": self.tally.failed,
                "late": self.tally.late,
            },
            "failures": [list(one) for one in self.failures],
        }
        return json.dumps(content, indent=2)


def run_app(
    app: AppBundle | str | os.PathLike[str],
    *,
    nodes: NodeLink,
    author: Identity | None = None,
    run_config: Mapping[str, Any] | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    least: int = 1,
    patience: float = 60.0,
    timeout: float | None = None,
    journal: Journal | None = None,
    progress: Callable[[Progress], None] | None = None,
    log: Path | None = None,
) -> RunResult:
    """Run an app as ``flwr run`` would, on nodes that let it in.

    Parameters
    ----------
    app
        A bundle, or the folder or FAB of one.
    nodes
        The link to them.
    author
        Who signs it, unless it is signed.
    run_config
        Settings in place of the app's own; only such as it has.
    dataset
        On which it runs at each node; if None, on the only one that a node has.
    seed
        For the generators of the server's process, so that a run can be done again with the same choice of nodes.
    least
        Nodes without which the run does not begin.
    patience
        Seconds for which fewer nodes than needed are put up with.
    timeout
        Seconds for the whole run; None: no bound but those of its messages.
    journal
        What was answered before; the same run goes on.
    progress
        Told of each round.
    log
        A file for what the server part prints; nowhere, if None.

    Returns
    -------
    RunResult

    Raises
    ------
    AppInvalid, AppUnsigned, RunConfigInvalid
        Before anything is sent.
    TooFewNodes
        At the beginning, or while the app waits for more.
    ServerAppFailed
        If the app's server part raises, or takes too long.
    """
    bundle = app if isinstance(app, AppBundle) else _opened(Path(app))
    if bundle.envelope is None:
        if author is None:
            raise AppUnsigned(f"the app {bundle.config.name} is not signed, and nodes take signed apps only")
        bundle = bundle.signed_by(author)
    settings = bundle.config.with_overrides(run_config or {})
    observer = _Observer(progress)
    exchange = GridExchange(
        nodes,
        _number() if journal is None else int.from_bytes(journal.remember("run", lambda: _number().to_bytes(8))),
        bundle=bundle.to_bytes(),
        app=bundle.digest,
        settings=settings,
        dataset=dataset,
        least=least,
        patience=patience,
        journal=journal,
        watch=observer.answered,
    )
    observer.exchange = exchange
    exchange.begin()
    folder = Path(tempfile.mkdtemp(prefix="sojourn-server-"))
    try:
        for path, data in bundle.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        child = AppChild(_MODULE, log=log, environment=_inherited(), most_bytes=1 << 36)
        try:
            greeting = {
                "run": exchange.run,
                "folder": str(folder),
                "files": list(bundle.files),
                "reference": bundle.config.serverapp,
                "publisher": bundle.config.publisher,
                "name": bundle.config.name,
                "version": bundle.config.version,
                "digest": bundle.digest,
                "settings": settings,
                "seed": seed,
            }
            child.channel.send(greeting)
            _serve(child, exchange, observer, timeout)
        finally:
            child.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = observer.result(bundle.digest)
    exchange.end()
    return result


def _number() -> int:
    """Of a run, drawn: nodes know runs by it."""
    return secrets.randbits(62) | 1


def _opened(path: Path) -> AppBundle:
    return AppBundle.from_dir(path) if path.is_dir() else AppBundle.from_fab(path)


def _inherited() -> dict[str, str]:
    """The server part is the author's own, and runs where he is: it gets what he has, but the tokens of clusters."""
    return {
        name: value
        for name, value in os.environ.items()
        if name == "PYTHONPATH" or not name.startswith(("RAY_", "PYTHON", "SOJOURN_"))
    }


class _Observer:
    """Gathers what the server part tells, and what nodes answer."""

    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        self.exchange: GridExchange | None = None
        self._progress = progress
        self._began = time.monotonic()
        self._told: dict[str, Any] = {"strategy": "", "metrics": {}, "arrays": {}}
        self._failures: list[tuple[str, str, str, str]] = []

    def answered(self, node: str, outcome: Mapping[str, Any]) -> None:
        if "error" in outcome:
            self._failures.append((node, outcome["type"], outcome["group"], str(outcome["error"][1])))

    def told(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "result":
            self._told = dict(event)
        elif self._progress is not None and self.exchange is not None:
            tally = self.exchange.tally
            seconds = time.monotonic() - self._began
            taking_part = len(self.exchange.taking_part)
            self._progress(
                Progress(
                    event["round"], event["phase"], event["metrics"], seconds, taking_part, tally.sent, tally.received
                )
            )

    def result(self, app: str) -> RunResult:
        assert self.exchange is not None
        return RunResult(
            self.exchange.run,
            app,
            self._told["strategy"],
            tuple(self.exchange.taking_part),
            self.exchange.refused,
            self._told["metrics"],
            self._told["arrays"],
            time.monotonic() - self._began,
            self.exchange.tally,
            tuple(self._failures),
        )


def _serve(child: AppChild, exchange: GridExchange, observer: _Observer, timeout: float | None) -> None:
    """Do what the server part asks for, until it has ended."""
    deadline = None if timeout is None else time.monotonic() + timeout
    workers = Workers()
    while True:
        try:
            event, _ = child.channel.receive(deadline=deadline)
        except TimeoutError:
            raise ServerAppFailed(f"the app has not ended within {timeout:.3g} s, and was ended") from None
        except ChannelClosed:
            failure = child.failure()
            raise ServerAppFailed(f"the server part is gone: {failure.reason}", remedy="See its log.") from None
        if "event" in event:
            observer.told(event)
        elif event["do"] == "finished":
            return
        elif event["do"] == "failed":
            if event["few"] is not None:
                raise TooFewNodes(*event["few"])
            raise ServerAppFailed(
                f"the server part raised {event['kind']}: {event['text']}", kind=event["kind"], details=event["details"]
            )
        else:
            # In a thread: an app may ask for nodes while it waits for replies.
            workers.do(partial(_answer, child, exchange, event))


def _answer(child: AppChild, exchange: GridExchange, event: Mapping[str, Any]) -> None:
    answer: dict[str, Any] = {"to": event["number"]}
    try:
        if event["do"] == "nodes":
            answer["value"] = exchange.nodes(waiting=event["waiting"])
        elif event["do"] == "push":
            exchange.push(event["messages"], event["seconds"])
            answer["value"] = None
        elif event["do"] == "pull":
            answer["value"] = exchange.pull(event["ids"])
        else:
            answer["value"] = exchange.collect(event["ids"], event["seconds"])
    except TooFewNodes as error:
        answer["few"] = [error.reason, list(error.taking_part), error.refused]
    except Exception as error:  # it becomes the app's exception, at the call that it made
        answer["wrong"] = f"{type(error).__name__}: {error}"
    try:
        child.channel.send(answer)
    except ChannelClosed:
        pass  # the run has ended
