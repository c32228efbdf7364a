"""The node's side under SecAgg+, in the form that Flower's workflow for it takes."""

from flwr.client import NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.common import Context

from tabular.client_app import part
from tabular.task import fit, loss_and_accuracy


class TabularClient(NumPyClient):
    def __init__(self, context: Context) -> None:
        self.settings = context.run_config
        self.training, self.held = part(context)

    def fit(self, parameters, config):
        epochs, rate = self.settings["local-epochs"], self.settings["learning-rate"]
        return fit(parameters, *self.training, epochs, rate), len(self.training[1]), {}

    def evaluate(self, parameters, config):
        loss, accuracy = loss_and_accuracy(parameters, *self.held)
        return loss, len(self.held[1]), {"eval_acc": accuracy}


app = ClientApp(client_fn=lambda context: TabularClient(context).to_client(), mods=[secaggplus_mod])
