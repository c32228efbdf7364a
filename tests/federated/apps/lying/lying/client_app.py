"""lying: its clients are as honest as those of secagg."""

import numpy as np
from flwr.client import NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp


class FlowerClient(NumPyClient):
    """Answers with a vector of its own number, so that the mean is known."""

    def __init__(self, number):
        self.number = number

    def fit(self, parameters, config):
        return [np.full(8, float(self.number))], 10, {}

    def evaluate(self, parameters, config):
        return float(np.abs(parameters[0]).sum()), 10, {"accuracy": 0.5}


def client_fn(context):
    return FlowerClient(context.node_config["partition-id"]).to_client()


app = ClientApp(client_fn=client_fn, mods=[secaggplus_mod])
