"""digits: a Flower / sklearn app."""

import numpy as np
from sklearn.datasets import load_digits

CLASSES = 10
FEATURES = 64


def load_whole():
    data, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(7).permutation(len(labels))
    data, labels = (data[order] / 16.0).astype(np.float64), labels[order]
    return (data[:1400], labels[:1400]), (data[1400:], labels[1400:])


def load_data(partition_id: int, num_partitions: int):
    """One part of a split by Dirichlet(0.3) over the labels, and its own fifth for evaluation."""
    (data, labels), _ = load_whole()
    generator = np.random.default_rng(11)
    owner = np.empty(len(labels), dtype=int)
    for label in range(CLASSES):
        members = np.flatnonzero(labels == label)
        shares = generator.dirichlet([0.3] * num_partitions)
        owner[members] = np.repeat(
            np.arange(num_partitions), np.diff(np.rint(np.cumsum([0.0, *shares]) * len(members)).astype(int))
        )
    mine = np.flatnonzero(owner == partition_id)
    cut = max(1, len(mine) // 5)
    return data[mine[cut:]], labels[mine[cut:]], data[mine[:cut]], labels[mine[:cut]]


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def initial():
    return {"coef": np.zeros((FEATURES, CLASSES)), "intercept": np.zeros(CLASSES)}


def loss_and_accuracy(weights, data, labels):
    chances = softmax(data @ weights["coef"] + weights["intercept"])
    loss = -np.log(np.clip(chances[np.arange(len(labels)), labels], 1e-12, None)).mean()
    return float(loss), float((chances.argmax(axis=1) == labels).mean())


def fit(weights, data, labels, epochs, proximal_mu=0.0):
    """Gradient descent on the loss of logistic regression; deterministic."""
    coef, intercept = weights["coef"].copy(), weights["intercept"].copy()
    start_coef, start_intercept = coef.copy(), intercept.copy()
    hot = np.eye(CLASSES)[labels]
    for _ in range(epochs):
        for begin in range(0, len(labels), 32):
            part, wanted = data[begin : begin + 32], hot[begin : begin + 32]
            error = (softmax(part @ coef + intercept) - wanted) / len(part)
            coef -= 0.5 * (part.T @ error + proximal_mu * (coef - start_coef))
            intercept -= 0.5 * (error.sum(axis=0) + proximal_mu * (intercept - start_intercept))
    return {"coef": coef, "intercept": intercept}
