"""The server's side under SecAgg+: it sees the mean alone."""

import time

import numpy as np
from flwr.app import Context
from flwr.common import ndarrays_to_parameters
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp import Grid, ServerApp

from tabular.server_app import report
from tabular.task import initial, load_whole, loss_and_accuracy

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    settings = context.run_config
    nodes = settings["min-nodes"]
    np.random.seed(settings["seed"])
    _, (data, labels) = load_whole(settings["data"])
    moments, accuracies, last = [], [], []

    def evaluate(server_round, arrays, config):
        loss, accuracy = loss_and_accuracy(arrays, data, labels)
        moments.append(time.monotonic())
        accuracies.append(accuracy)
        last[:] = arrays
        return loss, {"accuracy": accuracy}

    strategy = FedAvg(
        min_fit_clients=nodes,
        min_evaluate_clients=nodes,
        min_available_clients=nodes,
        initial_parameters=ndarrays_to_parameters(initial(settings["data"])),
        evaluate_fn=evaluate,
    )
    config = ServerConfig(num_rounds=settings["num-server-rounds"])
    workflow = DefaultWorkflow(fit_workflow=SecAggPlusWorkflow(num_shares=3, reconstruction_threshold=2, timeout=120.0))
    workflow(grid, LegacyContext(context=context, config=config, strategy=strategy))
    if settings["report"]:
        report(settings["report"], last, accuracies, moments)
