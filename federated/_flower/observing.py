"""What a ServerApp achieves, seen from outside: apps tell nobody, so the places where Flower knows it are wrapped.

Three of them: `Strategy.start`, which all strategies of today inherit; and for apps of the older form `run_fl` and
`DefaultWorkflow`, which the workflow with secure aggregation goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from typing import Any

import flwr.server.compat.app as older
import numpy
from flwr.app import ArrayRecord
from flwr.common import parameters_to_ndarrays
from flwr.server.history import History
from flwr.server.workflow import DefaultWorkflow
from flwr.server.workflow.constant import MAIN_PARAMS_RECORD
from flwr.serverapp.strategy import Strategy

from federated._flower.records import records_to_plain

__all__ = ["observe"]

_Tell = Callable[[dict[str, Any]], object]
_Metrics = dict[str, dict[int, dict[str, Any]]]


def observe(tell: _Tell) -> None:
    """From now on tell of each round's metrics, and at the end of a strategy of all, with the final arrays.

    Parameters
    ----------
    tell
        Gets ``{"event": "round", "round", "phase", "metrics"}`` and ``{"event": "result", "strategy", "metrics",
        "arrays"}``, all plain data.
    """
    _observe_strategies(tell)
    _observe_older(tell)


def _plain(record: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if record is None else dict(record.items())


def _arrays(record: ArrayRecord | None) -> dict[str, Any]:
    from flwr.app import RecordDict

    return {} if not record else dict(records_to_plain(RecordDict({"arrays": record}))[0][2])


def _observe_strategies(tell: _Tell) -> None:
    begin = Strategy.start

    @wraps(begin)
    def start(self: Strategy, *args: Any, **options: Any) -> Any:
        train, evaluate = self.aggregate_train, self.aggregate_evaluate

        def aggregate_train(server_round: int, replies: Any) -> Any:
            arrays, metrics = train(server_round, replies)
            tell({"event": "round", "round": server_round, "phase": "train", "metrics": _plain(metrics)})
            return arrays, metrics

        def aggregate_evaluate(server_round: int, replies: Any) -> Any:
            metrics = evaluate(server_round, replies)
            tell({"event": "round", "round": server_round, "phase": "evaluate", "metrics": _plain(metrics)})
            return metrics

        given = signature(begin).bind(self, *args, **options)
        central = given.arguments.get("evaluate_fn")
        if central is not None:

            @wraps(central)
            def evaluate_centrally(server_round: int, arrays: Any) -> Any:
                metrics = central(server_round, arrays)
                if metrics is not None:
                    tell({"event": "round", "round": server_round, "phase": "server", "metrics": _plain(metrics)})
                return metrics

            given.arguments["evaluate_fn"] = evaluate_centrally
        watched: dict[str, Any] = self.__dict__
        watched.update(aggregate_train=aggregate_train, aggregate_evaluate=aggregate_evaluate)
        try:
            result = begin(*given.args, **given.kwargs)
        finally:
            watched.pop("aggregate_train", None)
            watched.pop("aggregate_evaluate", None)
        metrics: _Metrics = {
            "train": {number: _plain(one) for number, one in result.train_metrics_clientapp.items()},
            "evaluate": {number: _plain(one) for number, one in result.evaluate_metrics_clientapp.items()},
            "server": {number: _plain(one) for number, one in result.evaluate_metrics_serverapp.items()},
        }
        tell({"event": "result", "strategy": type(self).__name__, "metrics": metrics, "arrays": _arrays(result.arrays)})
        return result

    Strategy.start = start  # type: ignore[method-assign] # that is what observing is


def _observe_older(tell: _Tell) -> None:
    run_fl = older.run_fl  # type: ignore[attr-defined] # imported there by name

    @wraps(run_fl)
    def observed(server: Any, config: Any) -> History:
        history = run_fl(server=server, config=config)
        arrays = dict(enumerate(parameters_to_ndarrays(server.parameters)))
        _tell_older(tell, type(server.strategy).__name__, history, {str(key): one for key, one in arrays.items()})
        return history

    older.run_fl = observed  # type: ignore[attr-defined] # as above
    call = DefaultWorkflow.__call__

    @wraps(call)
    def called(self: DefaultWorkflow, grid: Any, context: Any) -> None:
        call(self, grid, context)
        arrays = _arrays(context.state.array_records.get(MAIN_PARAMS_RECORD))
        _tell_older(tell, type(context.strategy).__name__, context.history, arrays)

    DefaultWorkflow.__call__ = called  # type: ignore[method-assign] # as above


def _tell_older(tell: _Tell, strategy: str, history: History, arrays: dict[str, Any]) -> None:
    metrics: _Metrics = {"train": {}, "evaluate": {}, "server": {}}

    def put(phase: str, name: str, pairs: Any) -> None:
        for number, value in pairs:
            if isinstance(value, (int, float, numpy.number)):
                metrics[phase].setdefault(number, {})[name] = float(value)

    put("evaluate", "loss", history.losses_distributed)
    put("server", "loss", history.losses_centralized)
    for phase, named in (
        ("train", history.metrics_distributed_fit),
        ("evaluate", history.metrics_distributed),
        ("server", history.metrics_centralized),
    ):
        for name, pairs in named.items():
            put(phase, name, pairs)
    tell({"event": "result", "strategy": strategy, "metrics": metrics, "arrays": arrays})
