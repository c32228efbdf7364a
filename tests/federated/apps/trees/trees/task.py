"""trees: a Flower / XGBoost app."""

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer


def load_whole():
    data, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(3).permutation(len(labels))
    return (data[order[:450]], labels[order[:450]]), (data[order[450:]], labels[order[450:]])


def load_data(partition_id, num_partitions):
    (data, labels), _ = load_whole()
    mine = slice(partition_id, None, num_partitions)
    data, labels = data[mine], labels[mine]
    return xgb.DMatrix(data[20:], labels[20:]), xgb.DMatrix(data[:20], labels[:20]), len(labels) - 20


def parameters(run_config):
    return {key.removeprefix("params."): value for key, value in run_config.items() if key.startswith("params.")} | {
        "nthread": 1
    }


def accuracy(booster, matrix):
    return float(((booster.predict(matrix) > 0.5) == matrix.get_label()).mean())
