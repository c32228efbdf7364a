"""The node's side."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    arrays = ArrayRecord([one + 1 for one in message.content["arrays"].to_numpy_ndarrays()])
    content = RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 1})})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    first = float(message.content["arrays"].to_numpy_ndarrays()[0][0])
    return Message(content=RecordDict({"metrics": MetricRecord({"first": first, "num-examples": 1})}), reply_to=message)
