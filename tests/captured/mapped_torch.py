"""Models of many kinds, trained as people train them in PyTorch: nothing here says which tensor is which."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


class Tagger(nn.Module):
    """A recurrent layer with dropout behind it."""

    def __init__(self, kind):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.rnn = kind(6, 5, batch_first=True)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(5, 4)

    def forward(self, ids):
        hidden, _ = self.rnn(self.embed(ids))
        return self.out(self.drop(hidden))


class Block(nn.Module):
    """A packed attention; its output goes through the embedding once more."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        return self.head(self.norm(x + self.attention(x, x, x, need_weights=False)[0]))


class Picture(nn.Module):
    """Convolutions, a norm with buffers, and a kernel behind a Flatten."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, padding=1)
        self.two = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(4 * 5 * 4, 3)

    def forward(self, x):
        return self.out(F.relu(self.norm(self.two(F.relu(self.one(x))))).flatten(1))


class Branches(nn.Module):
    """A square matrix of its own, and two branches that are summed, so that nothing tells which is which."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Parameter(torch.randn(6, 6) / 3)
        self.left = nn.Linear(6, 4)
        self.right = nn.Linear(6, 4)

    def forward(self, x):
        x = torch.tanh(x @ self.mix)
        return torch.tanh(self.left(x)) + torch.tanh(self.right(x))


def train(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    model.train()
    for x, y in batches:
        outputs = model(x)
        loss = F.cross_entropy(outputs.flatten(0, -2), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def gru(batches, *, lr):
    train(Tagger(nn.GRU), batches, lr)


def lstm(batches, *, lr):
    train(Tagger(nn.LSTM), batches, lr)


def block(batches, *, lr):
    train(Block(), batches, lr)


def picture(batches, *, lr):
    train(Picture(), batches, lr)


def branches(batches, *, lr):
    train(Branches(), batches, lr)
