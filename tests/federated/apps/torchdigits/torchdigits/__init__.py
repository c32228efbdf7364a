"""torchdigits: a Flower / PyTorch app."""
