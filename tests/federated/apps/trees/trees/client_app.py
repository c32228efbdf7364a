"""trees: a Flower / XGBoost app."""

import numpy as np
import xgboost as xgb
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from trees.task import accuracy, load_data, parameters

app = ClientApp()


@app.train()
def train(msg: Message, context: Context) -> Message:
    matrix, _, number = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    params = parameters(context.run_config)
    known = msg.content["arrays"]["0"].numpy().tobytes()
    if not known:
        booster = xgb.train(params, matrix, num_boost_round=1)
        trained = booster
    else:
        booster = xgb.Booster(params=params)
        booster.load_model(bytearray(known))
        booster.update(matrix, booster.num_boosted_rounds())
        count = booster.num_boosted_rounds()
        trained = booster[count - 1 : count] if context.run_config["strategy"] == "FedXgbBagging" else booster
    model = np.frombuffer(trained.save_raw("json"), dtype=np.uint8)
    content = RecordDict({"arrays": ArrayRecord([model]), "metrics": MetricRecord({"num-examples": number})})
    return Message(content=content, reply_to=msg)


@app.evaluate()
def evaluate(msg: Message, context: Context) -> Message:
    _, matrix, _ = load_data(context.node_config["partition-id"], context.node_config["num-partitions"])
    booster = xgb.Booster(params=parameters(context.run_config))
    booster.load_model(bytearray(msg.content["arrays"]["0"].numpy().tobytes()))
    metrics = MetricRecord({"eval_acc": accuracy(booster, matrix), "num-examples": 20})
    return Message(content=RecordDict({"metrics": metrics}), reply_to=msg)
