"""Softmax regression on tabular data, for `flwr run` and for whatever else runs Flower's apps."""
