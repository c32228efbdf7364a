"""lying: Flower's workflow of SecAgg+, with something changed in what it sends to the first node."""

from copy import deepcopy

import numpy as np
from flwr.app import ArrayRecord, Context
from flwr.common import ndarrays_to_parameters
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Stage
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.primitives.asymmetric import generate_key_pairs, public_key_to_bytes

app = ServerApp()


def forged():
    return [public_key_to_bytes(generate_key_pairs()[1]) for _ in range(2)]


class Liar:
    """A grid that changes messages on their way."""

    def __init__(self, grid, lies):
        self.grid = grid
        self.lies = lies
        self.kept = {}

    def __getattr__(self, name):
        return getattr(self.grid, name)

    def send_and_receive(self, messages, **others):
        messages = sorted(messages, key=lambda message: message.metadata.dst_node_id)
        for number, message in enumerate(messages):
            if RECORD_KEY_CONFIGS in message.content.config_records:
                message.content = deepcopy(message.content)  # the workflow sends one to all
                self.change(number, message, message.content.config_records[RECORD_KEY_CONFIGS])
        return self.grid.send_and_receive(messages, **others)

    def change(self, number, message, configs):
        stage, own = configs["stage"], message.metadata.dst_node_id
        lie = self.lies[int(message.metadata.group_id) - 1]
        others = [name for name in configs if name not in ("stage", str(own))]
        if stage == Stage.SETUP:
            if lie == "threshold-1":
                configs["threshold"] = 1
            elif lie == "weights" and number == 0:
                configs["max_weight"] = 10.0
        elif stage == Stage.SHARE_KEYS:
            if lie == "none":
                self.kept.update({name: configs[name] for name in others})
            if lie == "forged-key" and number == 0:
                configs[others[0]] = forged()
            elif lie == "made-up-node" and number == 0:
                del configs[others[0]]
                configs["12345"] = forged()
            elif lie == "too-few-keys" and number == 0:
                del configs[others[0]]
            elif lie == "old-keys":
                if number == 0:
                    configs[others[0]] = self.kept[others[0]]
        elif stage == Stage.COLLECT_MASKED_VECTORS:
            if lie == "other-model" and number == 0:
                for name in message.content.array_records:
                    message.content.array_records[name] = ArrayRecord([np.full(8, 7.0)])
        elif stage == Stage.UNMASK:
            living = list(configs["active_nids"])
            if lie == "both-shares":
                configs["dead_nids"] = [living[0]]
            elif lie == "lone-survivor":
                configs["active_nids"], configs["dead_nids"] = [own], [one for one in living if one != own]


@app.main()
def main(grid: Grid, context: Context) -> None:
    lies = context.run_config["lies"].split()
    strategy = FedAvg(
        min_fit_clients=3,
        min_available_clients=3,
        fraction_evaluate=0.0,
        initial_parameters=ndarrays_to_parameters([np.zeros(8)]),
    )
    config = ServerConfig(num_rounds=len(lies))
    legacy = LegacyContext(context=context, config=config, strategy=strategy)
    workflow = SecAggPlusWorkflow(num_shares=3, reconstruction_threshold=2, timeout=30.0)
    DefaultWorkflow(fit_workflow=workflow)(Liar(grid, lies), legacy)
