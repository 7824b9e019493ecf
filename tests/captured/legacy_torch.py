"""What legacy_keras.py is a port of."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def network():
    """The model of the functions that Keras fits."""
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Dropout(0.25), nn.Linear(16, 3))


def fitted(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """Shuffled, with dropout, clipped by value."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        for inputs, labels in DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            nn.utils.clip_grad_value_(model.parameters(), 0.05)
            optimizer.step()


def with_adam(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """The same with Adam."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(epochs):
        for inputs, labels in DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()


class Tagger(nn.Module):
    """Embedding, GRU, head."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.rnn = nn.GRU(6, 5, batch_first=True)
        self.out = nn.Linear(5, 4)

    def forward(self, inputs):
        return self.out(self.rnn(self.embedding(inputs))[0])


def decaying(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """At a rate that decays."""
    model = Tagger()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + 0.5 * step))
    for _ in range(epochs):
        for inputs, labels in DataLoader(TensorDataset(x, y), batch_size=batch_size):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs).transpose(1, 2), labels).backward()
            optimizer.step()
            scheduler.step()
