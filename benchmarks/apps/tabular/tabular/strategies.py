"""A strategy by its name, with settings under which it learns something here in a few rounds."""

from flwr.serverapp import strategy as strategies

SETTINGS = {
    "FedAdagrad": {"eta": 0.3},
    "FedAdam": {"eta": 0.1},
    "FedAvgM": {"server_momentum": 0.5},
    "FedProx": {"proximal_mu": 0.1},
    "FedTrimmedAvg": {"beta": 0.2},
    "FedYogi": {"eta": 0.1},
    "Krum": {"num_malicious_nodes": 1},
    "MultiKrum": {"num_malicious_nodes": 1, "num_nodes_to_select": 3},
    "QFedAvg": {"client_learning_rate": 0.5},
}


def in_order(kind: type) -> type:
    """The same strategy, which takes the replies of a round in the order of the parts of the data.

    Sums of floating-point numbers depend on the order, and replies come in that of their arrival.
    """

    def aggregate_train(self, server_round, replies):
        def place(reply):
            return -1 if reply.has_error() else reply.content["metrics"]["part"]

        return kind.aggregate_train(self, server_round, sorted(replies, key=place))

    return type(kind.__name__, (kind,), {"aggregate_train": aggregate_train})


def make_strategy(name: str, wrapper: str, nodes: int):
    common = {"min_train_nodes": nodes, "min_evaluate_nodes": nodes, "min_available_nodes": nodes}
    kind = getattr(strategies, name)
    if not wrapper:
        return in_order(kind)(**common, **SETTINGS.get(name, {}))
    norm = "initial_clipping_norm" if "Adaptive" in wrapper else "clipping_norm"
    inner = kind(**common, **SETTINGS.get(name, {}))
    wrapping = in_order(getattr(strategies, wrapper))
    return wrapping(inner, noise_multiplier=0.01, num_sampled_clients=nodes, **{norm: 5.0})
