"""Running a Flower app on nodes: from `run_app` to a result as plain data."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from federated.app import AppBundle
from federated.appconfig import Setting
from federated.apperrors import AppUnsigned, ServerAppFailed, TooFewNodes
from federated.channels import ChannelClosed, FrameTooLarge
from federated.children import AppChild
from federated.errors import JournalError
from federated.grid import GridExchange
from federated.journal import RoundJournal, run_digest
from federated.links import Journal, NodeLink
from federated.requests import SignedLink
from federated.results import Progress, RunFailure, RunResult
from federated.workers import Workers
from mobility.plain import PlainInvalid
from mobility.trust import Identity

__all__ = ["run_app"]

_MODULE: Final = "federated._flower.serverapp"


def run_app(
    app: AppBundle | str | os.PathLike[str],
    *,
    nodes: NodeLink,
    author: Identity | None = None,
    asker: Identity | None = None,
    run_config: Mapping[str, Any] | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    least: int = 1,
    patience: float = 60.0,
    timeout: float | None = None,
    journal: Journal | str | os.PathLike[str] | None = None,
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
    asker
        Who runs it, and signs each request to a node: an owner whom the nodes trust. By default the author, else the
        `asker` of the link.
    run_config
        Settings in place of the app's own; only such as it has.
    dataset
        On which it runs at each node; if None, on the only one that a node has.
    seed
        For the generators of the server's process, so that a run can be done again with the same choice of nodes. If
        there is none, one is drawn for a run with a journal, which keeps it.
    least
        Nodes without which the run does not begin.
    patience
        Seconds for which fewer nodes than needed are put up with.
    timeout
        Seconds for the whole run; None: no bound but those of its messages.
    journal
        What was answered before; the same run goes on. A path is that of a file, made if it is not there, which belongs
        to this app with these settings and this seed.
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
    JournalError
        If the journal is damaged or another run's, before anything is sent; or if it cannot be written, or the server
        part asks for something else than it did.
    """
    bundle = app if isinstance(app, AppBundle) else _opened(Path(app))
    if bundle.envelope is None:
        if author is None:
            raise AppUnsigned(f"the app {bundle.config.name} is not signed, and nodes take signed apps only")
        bundle = bundle.signed_by(author)
    settings = bundle.config.with_overrides(run_config or {})
    signer = asker or author or getattr(nodes, "asker", None)
    link = nodes if signer is None else SignedLink(nodes, signer)
    if not isinstance(journal, (str, os.PathLike)):
        return _run(bundle, settings, link, dataset, seed, least, patience, timeout, journal, progress, log)
    config = json.dumps([settings, dataset, seed is not None], sort_keys=True).encode()
    with RoundJournal(journal, run_digest(bundle.digest, config, seed or 0)) as opened:
        return _run(bundle, settings, link, dataset, seed, least, patience, timeout, opened, progress, log)


def _run(
    bundle: AppBundle,
    settings: dict[str, Setting],
    link: NodeLink,
    dataset: str | None,
    seed: int | None,
    least: int,
    patience: float,
    timeout: float | None,
    journal: Journal | None,
    progress: Callable[[Progress], None] | None,
    log: Path | None,
) -> RunResult:
    run = _number()
    if journal is not None:
        run = int.from_bytes(journal.remember("run", lambda: _number().to_bytes(8)))
        if seed is None:
            seed = int.from_bytes(journal.remember("seed", lambda: secrets.token_bytes(4)))
    observer = _Observer(progress)
    until = None if timeout is None else time.monotonic() + timeout
    exchange = GridExchange(
        link,
        run,
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
    try:
        exchange.begin()
        greeting = {
            "run": exchange.run,
            "files": list(bundle.files),
            "reference": bundle.config.serverapp,
            "publisher": bundle.config.publisher,
            "name": bundle.config.name,
            "version": bundle.config.version,
            "digest": bundle.digest,
            "settings": settings,
            "seed": seed,
        }
        _led(bundle, greeting, exchange, observer, timeout, until, log)
    except BaseException:
        if journal is None:  # nobody can take it up again
            exchange.end()
        raise
    result = observer.result(bundle.digest, settings, seed)
    exchange.end()
    return result


def _led(
    bundle: AppBundle,
    greeting: dict[str, Any],
    exchange: GridExchange,
    observer: _Observer,
    timeout: float | None,
    until: float | None,
    log: Path | None,
) -> None:
    """Run the server part to its end."""
    folder = Path(tempfile.mkdtemp(prefix="sojourn-server-"))
    try:
        for path, data in bundle.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        child = AppChild(_MODULE, log=log, environment=_inherited(), most_bytes=1 << 36)
        try:
            child.channel.send({**greeting, "folder": str(folder)})
            _serve(child, exchange, observer, timeout, until)
        finally:
            child.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
        self.unwritten: JournalError | None = None
        self._progress = progress
        self._began = self._last = time.monotonic()
        self._counted = (0, 0)  # bytes that were told of
        self._told: dict[str, Any] = {"strategy": "", "metrics": {}, "arrays": {}}
        self._failures: list[RunFailure] = []
        self._answers: Counter[tuple[str, bool]] = Counter()  # by type, and whether it is an error

    def answered(self, node: str, outcome: Mapping[str, Any]) -> None:
        failed = "error" in outcome
        kind = str(outcome["type"])
        self._answers[kind.partition(".")[0], failed] += 1
        if failed:
            self._failures.append((node, kind, str(outcome["group"]), str(outcome["error"][1])))

    def told(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "result":
            self._told = dict(event)
        elif self._progress is not None and self.exchange is not None:
            self._progress(self._round(self.exchange, event))

    def _round(self, exchange: GridExchange, event: Mapping[str, Any]) -> Progress:
        now, (sent, received) = time.monotonic(), (exchange.tally.sent, exchange.tally.received)
        # All replies of a phase are in before it is told of, and those of the next one come after.
        answered, failed = (self._answers.pop((event["phase"], wrong), 0) for wrong in (False, True))
        seconds, self._last = now - self._last, now
        (sent_before, received_before), self._counted = self._counted, (sent, received)
        return Progress(
            event["round"],
            event["phase"],
            event["metrics"],
            now - self._began,
            len(exchange.taking_part),
            sent,
            received,
            answered + failed,
            failed,
            seconds,
            sent - sent_before,
            received - received_before,
        )

    def result(self, app: str, config: Mapping[str, Setting], seed: int | None) -> RunResult:
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
            dict(config),
            seed,
        )


def _serve(
    child: AppChild, exchange: GridExchange, observer: _Observer, timeout: float | None, deadline: float | None
) -> None:
    """Do what the server part asks for, until it has ended."""
    workers = Workers()
    while True:
        try:
            event, _ = child.channel.receive(deadline=deadline)
        except TimeoutError:
            raise ServerAppFailed(f"the app has not ended within {timeout:.3g} s, and was ended") from None
        except ChannelClosed:
            failure = child.failure()
            if observer.unwritten is not None:
                raise observer.unwritten from None
            raise ServerAppFailed(f"the server part is gone: {failure.reason}", remedy="See its log.") from None
        except (FrameTooLarge, PlainInvalid) as error:
            raise ServerAppFailed(f"the server part has written to the socket of its run: {error}") from None
        if type(event) is not dict or not event.keys() & {"event", "do"}:
            raise ServerAppFailed("the server part has written to the socket of its run, and no request")
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
            workers.do(partial(_answer, child, exchange, observer, event))


def _answer(child: AppChild, exchange: GridExchange, observer: _Observer, event: Mapping[str, Any]) -> None:
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
        answer["few"] = [error.problem, list(error.taking_part), error.refused]
    except JournalError as error:
        # Not the app's to handle: it would go on with what nobody can resume.
        observer.unwritten = error
        child.process.kill()
        return
    except Exception as error:  # it becomes the app's exception, at the call that it made
        answer["wrong"] = f"{type(error).__name__}: {error}"
    try:
        child.channel.send(answer)
    except ChannelClosed:
        pass  # the run has ended
