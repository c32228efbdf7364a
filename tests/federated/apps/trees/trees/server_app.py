"""trees: a Flower / XGBoost app."""

import numpy as np
import xgboost as xgb
from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedXgbBagging, FedXgbCyclic

from trees.task import accuracy, load_whole, parameters

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    _, (data, labels) = load_whole()

    def global_evaluate(server_round, arrays):
        model = arrays["0"].numpy().tobytes()
        if not model:
            return None
        booster = xgb.Booster(params=parameters(context.run_config))
        booster.load_model(bytearray(model))
        return MetricRecord({"accuracy": accuracy(booster, xgb.DMatrix(data, labels))})

    kind = {"FedXgbBagging": FedXgbBagging, "FedXgbCyclic": FedXgbCyclic}[context.run_config["strategy"]]
    kind().start(
        grid=grid,
        initial_arrays=ArrayRecord([np.frombuffer(b"", dtype=np.uint8)]),
        num_rounds=context.run_config["num-server-rounds"],
        evaluate_fn=global_evaluate,
        timeout=120,
    )
