"""The training, as a generator that can be suspended after any batch."""

import functools

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier

from federated.batches import batches
from federated.randomness import Randomness
from mobility import resumable


@functools.cache
def load_data(partition: int, partitions: int):
    """Every so many-th patient, scaled; the same each time."""
    data, labels = load_breast_cancer(return_X_y=True)
    data = (data - data.mean(0)) / data.std(0)
    return data[partition::partitions], labels[partition::partitions]


@resumable
def training(partition, partitions, epochs, size):
    """Fits a classifier; yields the number of batches, and returns the weights and how often each patient was seen."""
    model, randomness = SGDClassifier(loss="log_loss"), Randomness(partition)
    seen = np.zeros(len(load_data(partition, partitions)[1]), int)
    for batch in batches(len(seen), size, seed=partition, epochs=epochs):
        data, labels = load_data(partition, partitions)
        with randomness:
            model.partial_fit(data[batch.examples], labels[batch.examples], classes=[0, 1])
        seen[batch.examples] += 1
        yield batch.count
    return {"coef": model.coef_, "intercept": model.intercept_}, seen


def accuracy(weights):
    data, labels = load_data(0, 1)
    return float(((data @ weights["coef"][0] + weights["intercept"] > 0) == labels).mean())
