"""The server's side."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    settings = context.run_config
    nodes = settings["min-nodes"]
    strategy = FedAvg(min_train_nodes=nodes, min_evaluate_nodes=nodes, min_available_nodes=nodes)
    moments = []
    result = strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord([np.zeros(settings["elements"])]),
        num_rounds=settings["num-server-rounds"],
        evaluate_fn=lambda server_round, arrays: moments.append(time.monotonic()),
        timeout=300,
    )
    (weights,) = result.arrays.to_numpy_ndarrays()
    if not np.allclose(weights, settings["num-server-rounds"], rtol=1e-12):
        raise ValueError("a round was lost")
    if settings["report"]:
        content = {"weights": hashlib.sha256(weights.tobytes()).hexdigest(), "seconds": np.diff(moments).tolist()}
        Path(settings["report"]).write_text(json.dumps(content))
