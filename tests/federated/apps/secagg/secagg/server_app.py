"""secagg: a Flower app."""

import numpy as np
from flwr.app import Context
from flwr.common import ndarrays_to_parameters
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    strategy = FedAvg(
        min_fit_clients=3,
        min_available_clients=3,
        min_evaluate_clients=3,
        initial_parameters=ndarrays_to_parameters([np.zeros(8)]),
    )
    legacy = LegacyContext(
        context=context, config=ServerConfig(num_rounds=config["num-server-rounds"]), strategy=strategy
    )
    workflow = DefaultWorkflow(
        fit_workflow=SecAggPlusWorkflow(
            num_shares=config["num-shares"],
            reconstruction_threshold=config["reconstruction-threshold"],
            timeout=config["timeout"],
        )
    )
    workflow(grid, legacy)
