"""Data, model and training; all of it deterministic."""

from functools import cache

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

from tabular.partition import owners

BATCH = 32


@cache
def load_whole(name: str):
    """Examples for training and for the test at the server: ((data, labels), (data, labels))."""
    data, labels = {"digits": load_digits, "breast-cancer": load_breast_cancer}[name](return_X_y=True)
    order = np.random.default_rng(20).permutation(len(labels))
    data, labels = data[order].astype(np.float64), labels[order]
    cut = len(labels) * 4 // 5
    if name == "digits":
        data = data / 16.0
    else:
        data = (data - data[:cut].mean(axis=0)) / data[:cut].std(axis=0)
    return (data[:cut], labels[:cut]), (data[cut:], labels[cut:])


@cache
def load_part(name: str, number: int, nodes: int, alpha: float, seed: int):
    """What one node has, four fifths of it for training."""
    (data, labels), _ = load_whole(name)
    mine = np.flatnonzero(owners(labels, nodes, alpha, seed) == number)
    held = len(mine) // 5
    return (data[mine[held:]], labels[mine[held:]]), (data[mine[:held]], labels[mine[:held]])


def initial(name: str) -> list[np.ndarray]:
    (data, labels), _ = load_whole(name)
    classes = int(labels.max()) + 1
    return [np.zeros((data.shape[1], classes)), np.zeros(classes)]


def chances(weights: list[np.ndarray], data: np.ndarray) -> np.ndarray:
    scores = data @ weights[0] + weights[1]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def loss_and_accuracy(weights, data, labels) -> tuple[float, float]:
    found = chances(weights, data)
    loss = -np.log(np.clip(found[np.arange(len(labels)), labels], 1e-12, None)).mean()
    return float(loss), float((found.argmax(axis=1) == labels).mean())


def fit(weights, data, labels, epochs: int, rate: float, proximal_mu: float = 0.0) -> list[np.ndarray]:
    """Gradient descent in batches, in the order of the examples; the proximal term is FedProx's."""
    coef, intercept = (one.astype(np.float64) for one in weights)
    wanted = np.eye(len(intercept))[labels]
    for _ in range(epochs):
        for begin in range(0, len(labels), BATCH):
            batch = data[begin : begin + BATCH]
            error = (chances([coef, intercept], batch) - wanted[begin : begin + BATCH]) / len(batch)
            coef = coef - rate * (batch.T @ error + proximal_mu * (coef - weights[0]))
            intercept = intercept - rate * (error.sum(axis=0) + proximal_mu * (intercept - weights[1]))
    return [coef, intercept]


def central(name: str, epochs: int, rate: float) -> float:
    """The yardstick: accuracy of the same model, trained as long on all the data in one place."""
    train, test = load_whole(name)
    return loss_and_accuracy(fit(initial(name), *train, epochs, rate), *test)[1]
