"""Agents that train, and their models: with numpy, scikit-learn and PyTorch, on scikit-learn's data of digits."""

from __future__ import annotations

import time
from typing import Any

import numpy

from agents import agent, hop
from federated.batches import batches
from federated.randomness import Randomness
from federated.shard import Shard
from federated.training import train_locally, weights_digest

__all__ = ["MODELS", "FIT", "digits", "sklearn_model", "torch_model", "trainee", "wanderer"]


def digits(examples: int = 200) -> dict[str, Any]:
    """Handwritten digits, 8 by 8."""
    from sklearn.datasets import load_digits

    data, labels = load_digits(return_X_y=True)
    return {"data": (data[:examples] / 16.0).astype("float32"), "labels": labels[:examples]}


# -- logistic regression in numpy, with noise from the process's generators, and a count of what was seen


def numpy_model() -> dict[str, Any]:
    return {"w": numpy.zeros((64, 10)), "seen": numpy.zeros(200, int), "sum": numpy.zeros(1)}


def numpy_step(model: dict[str, Any], data: Any, labels: Any) -> None:
    scores = numpy.exp(data @ model["w"])
    scores /= scores.sum(1, keepdims=True)
    noise = 0.01 * numpy.random.standard_normal(model["w"].shape)
    model["w"] -= 0.1 * data.T.astype(float) @ (scores - numpy.eye(10)[labels]) / len(labels) + noise
    model["sum"] += data.sum(dtype=float)


# -- scikit-learn


def sklearn_model() -> Any:
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier()  # without a random_state: it draws from numpy's


def sklearn_step(model: Any, data: Any, labels: Any) -> None:
    model.partial_fit(data, labels, classes=numpy.arange(10))


# -- PyTorch: a net with dropout, which draws from torch's generator, and an optimiser with momentum


def torch_model() -> Any:
    import torch

    torch.manual_seed(5)
    net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(32, 10))
    return net, torch.optim.Adam(net.parameters(), 0.01)


def torch_step(model: Any, data: Any, labels: Any) -> None:
    import torch

    net, optimiser = model
    optimiser.zero_grad()
    loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(data)), torch.from_numpy(labels))
    loss.backward()
    optimiser.step()


def torch_weights(model: Any) -> dict[str, Any]:
    return {name: tensor.numpy().copy() for name, tensor in model[0].state_dict().items()}


def as_it_is(model: Any) -> Any:
    from federated.training import weights_of

    return weights_of(model)


MODELS = {"numpy": numpy_model, "sklearn": sklearn_model, "torch": torch_model}
FIT = {"numpy": (numpy_step, as_it_is), "sklearn": (sklearn_step, as_it_is), "torch": (torch_step, torch_weights)}


def slowly(model: Any, data: Any, labels: Any) -> None:
    """The step of scikit-learn, for one who wants to come in between."""
    time.sleep(0.02)
    sklearn_step(model, data, labels)


def torch_slowly(model: Any, data: Any, labels: Any) -> None:
    """The same for PyTorch."""
    time.sleep(0.02)
    torch_step(model, data, labels)


@agent
def trainee(here, model, step, weights, epochs=2, size=32, checkpoint_every=0):
    """As the guide has it."""
    return (
        yield from train_locally(
            here,
            "digits",
            model,
            step,
            size=size,
            epochs=epochs,
            seed=11,
            checkpoint_every=checkpoint_every,
            weights=weights,
        )
    )


@agent
def wanderer(here, model, step, weights, places):
    """A loop of its own out of the pieces, with a move after every batch; counts how often it saw each example."""
    shard, randomness = Shard(here, "digits"), Randomness(11)
    counts = numpy.zeros((2, len(shard)), int)
    for batch in batches(len(shard), 32, seed=11, epochs=2):
        with randomness:
            step(model, *shard.take(batch.examples))
        numpy.add.at(counts[batch.epoch], batch.examples, 1)
        here = yield hop(places[batch.count % len(places)])
    return weights_digest(weights(model)), counts
