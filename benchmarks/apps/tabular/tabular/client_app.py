"""The node's side."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod, adaptiveclipping_mod, arrays_size_mod, fixedclipping_mod

from tabular.task import fit, load_part, loss_and_accuracy

MODS = {
    "fixed": fixedclipping_mod,
    "adaptive": adaptiveclipping_mod,
    "local": LocalDpMod(clipping_norm=5.0, sensitivity=0.001, epsilon=10.0, delta=1e-5),
    "sizes": arrays_size_mod,
}

app = ClientApp()


def chosen_mod(message: Message, context: Context, call_next) -> Message:
    """The mod that the run config names."""
    name = context.run_config["mod"]
    return MODS[name](message, context, call_next) if name else call_next(message, context)


def part(context: Context):
    settings, node = context.run_config, context.node_config
    return load_part(
        settings["data"], node["partition-id"], node["num-partitions"], settings["alpha"], settings["seed"]
    )


@app.train(mods=[chosen_mod])
def train(message: Message, context: Context) -> Message:
    (data, labels), _ = part(context)
    record, settings = message.content["arrays"], context.run_config
    weights = fit(
        record.to_numpy_ndarrays(),
        data,
        labels,
        settings["local-epochs"],
        settings["learning-rate"],
        message.content["config"].get("proximal-mu", 0.0),
    )
    loss, accuracy = loss_and_accuracy(weights, data, labels)
    metrics = {
        "train_loss": loss,
        "train_acc": accuracy,
        "num-examples": len(labels),
        "part": context.node_config["partition-id"],
    }
    content = RecordDict({"arrays": ArrayRecord(weights), "metrics": MetricRecord(metrics)})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    _, (data, labels) = part(context)
    loss, accuracy = loss_and_accuracy(message.content["arrays"].to_numpy_ndarrays(), data, labels)
    metrics = MetricRecord({"eval_loss": loss, "eval_acc": accuracy, "num-examples": len(labels)})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=message)
