"""Trains for one sitting; what is half done waits in the context, which the node keeps."""

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federated.training import drive
from mobility import dumps, loads
from sittings.task import training

app = ClientApp()


@app.train()
def train(msg: Message, context: Context):
    node, config = context.node_config, context.run_config
    paused = context.state.config_records.get("paused")
    if paused is not None:
        job = loads(paused["training"])
    else:
        job = training(node["partition-id"], node["num-partitions"], config["epochs"], config["batch-size"])
    sitting = drive(job, seconds=config["sitting-seconds"], steps=config["sitting-steps"] or None)
    metrics = {"finished": int(sitting.finished), "steps": sitting.steps, "taken-up": int(paused is not None)}
    content = RecordDict({"metrics": MetricRecord(metrics)})
    if not sitting.finished:
        context.state["paused"] = ConfigRecord({"training": dumps(job)})
        return Message(content, reply_to=msg)
    context.state.pop("paused", None)
    weights, seen = sitting.value
    content["arrays"] = ArrayRecord({name: Array(value) for name, value in {**weights, "seen": seen}.items()})
    return Message(content, reply_to=msg)
