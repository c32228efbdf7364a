"""digits: a Flower / sklearn app."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp import strategy as strategies

from digits.task import initial, load_whole, loss_and_accuracy

# Create ServerApp
app = ServerApp()


def make_strategy(name: str, fraction: float, least: int):
    common = {"fraction_train": fraction, "min_train_nodes": least, "min_available_nodes": least}
    common |= {"fraction_evaluate": 1.0, "min_evaluate_nodes": least}
    extra = {
        "FedAdagrad": {"eta": 0.3},
        "FedAdam": {"eta": 0.1},
        "FedYogi": {"eta": 0.1},
        "FedAvgM": {"server_momentum": 0.5},
        "FedProx": {"proximal_mu": 0.1},
        "FedTrimmedAvg": {"beta": 0.2},
        "Krum": {"num_malicious_nodes": 1},
        "MultiKrum": {"num_malicious_nodes": 1, "num_nodes_to_select": 3},
        "Bulyan": {"num_malicious_nodes": 0},
        "QFedAvg": {"client_learning_rate": 0.5},
    }.get(name, {})
    return getattr(strategies, name)(**common, **extra)


def wrapped(strategy, name: str, nodes: int):
    if not name:
        return strategy
    norm = "initial_clipping_norm" if "Adaptive" in name else "clipping_norm"
    return getattr(strategies, name)(strategy, noise_multiplier=0.01, num_sampled_clients=nodes, **{norm: 5.0})


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Main entry point for the ServerApp."""
    config = context.run_config
    strategy = make_strategy(config["strategy"], config["fraction-train"], config["min-nodes"])
    strategy = wrapped(strategy, config["wrapper"], config["min-nodes"])
    _, (data, labels) = load_whole()

    def global_evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord:
        weights = {name: array.numpy() for name, array in arrays.items()}
        loss, accuracy = loss_and_accuracy(weights, data, labels)
        return MetricRecord({"loss": loss, "accuracy": accuracy})

    arrays = ArrayRecord({name: Array(value) for name, value in initial().items()})
    result = strategy.start(
        grid=grid,
        initial_arrays=arrays,
        num_rounds=config["num-server-rounds"],
        evaluate_fn=global_evaluate,
        timeout=120,
    )
    if config["save"]:
        np.savez(config["save"], *result.arrays.to_numpy_ndarrays())
