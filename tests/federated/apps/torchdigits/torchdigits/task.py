"""torchdigits: the net, the data, training and testing."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class Net(nn.Module):
    """Two layers."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 32)
        self.norm = nn.BatchNorm1d(32)
        self.out = nn.Linear(32, 10)

    def forward(self, images):
        return self.out(torch.relu(self.norm(self.hidden(images))))


def load_data(partition_id: int, num_partitions: int):
    """Every so many-th picture, four fifths to train on."""
    data, labels = load_digits(return_X_y=True)
    images = torch.tensor(data[partition_id::num_partitions] / 16.0, dtype=torch.float32)
    wanted = torch.tensor(labels[partition_id::num_partitions])
    cut = len(images) * 4 // 5
    order = torch.Generator().manual_seed(partition_id)
    train = DataLoader(TensorDataset(images[:cut], wanted[:cut]), batch_size=32, shuffle=True, generator=order)
    return train, DataLoader(TensorDataset(images[cut:], wanted[cut:]), batch_size=64)


def train(net, loader, epochs, lr):
    """SGD; the mean loss."""
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    criterion = nn.CrossEntropyLoss()
    total = 0.0
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(net(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
    return total / (epochs * len(loader))


def test(net, loader):
    """Accuracy."""
    net.eval()
    right = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (net(images).argmax(1) == labels).sum().item()
    return right / len(loader.dataset)
