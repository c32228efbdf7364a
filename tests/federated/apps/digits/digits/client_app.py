"""digits: a Flower / sklearn app."""

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from digits.task import fit, load_data, loss_and_accuracy

# Flower ClientApp
app = ClientApp()


@app.train()
def train(msg: Message, context: Context):
    """Train the model on local data."""
    data, labels, _, _ = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    arrays = msg.content["arrays"]
    weights = {name: array.numpy() for name, array in arrays.items()}
    mu = msg.content["config"].get("proximal-mu", 0.0)
    weights = fit(weights, data, labels, context.run_config["local-epochs"], mu)
    loss, accuracy = loss_and_accuracy(weights, data, labels)

    # The state of a node lives as long as the run
    rounds = context.state.metric_records.get("rounds", MetricRecord({"trained": 0}))
    rounds["trained"] += 1
    context.state.metric_records["rounds"] = rounds

    metrics = {
        "train_loss": loss,
        "train_acc": accuracy,
        "num-examples": len(labels),
        "rounds-trained": rounds["trained"],
    }
    content = RecordDict(
        {
            "arrays": ArrayRecord({name: Array(value) for name, value in weights.items()}),
            "metrics": MetricRecord(metrics),
        }
    )
    return Message(content=content, reply_to=msg)


@app.evaluate()
def evaluate(msg: Message, context: Context):
    """Evaluate the model on local data."""
    _, _, data, labels = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    weights = {name: array.numpy() for name, array in msg.content["arrays"].items()}
    loss, accuracy = loss_and_accuracy(weights, data, labels)
    metrics = MetricRecord({"eval_loss": loss, "eval_acc": accuracy, "num-examples": len(labels)})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=msg)


@app.query()
def query(msg: Message, context: Context):
    """How many examples there are."""
    data, _, _, _ = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    return Message(content=RecordDict({"metrics": MetricRecord({"examples": len(data)})}), reply_to=msg)
