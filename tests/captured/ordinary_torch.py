"""Training code as people write it in PyTorch: nothing here knows that it is tested."""

import copy
import logging
import random

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

log = logging.getLogger(__name__)


def network():
    """The model of both functions."""
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))


def fitted(x, y, *, epochs=5, batch_size=10, lr=1e-2):
    """A rate that falls in an epoch, and an evaluation after each."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        if epoch == 1:
            for group in optimizer.param_groups:
                group["lr"] *= 0.5
        for xb, yb in DataLoader(TensorDataset(x, y), batch_size=batch_size):
            loss = F.cross_entropy(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            log.info("epoch %d loss %.3f", epoch, F.cross_entropy(model(x), y))
    return model


class Picture(nn.Module):
    """A small convolutional net with buffers."""

    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, 2)

    def forward(self, x):
        return self.fc(F.relu(self.bn(self.conv(x))).mean((2, 3)))


def scheduled(loader, *, epochs=2, lr=0.1, momentum=0.5):
    """A scheduler that steps with each batch."""
    model = Picture()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    model.train()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
    return model


def accumulated(x, y, *, epochs=3, batch_size=5, lr=0.05, clip=0.1, path=None):
    """Two batches a step, clipped, with a best model kept."""
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.125)
    best = float("inf")
    try:
        for _ in range(epochs):
            for number, (xb, yb) in enumerate(DataLoader(TensorDataset(x, y), batch_size=batch_size)):
                loss = F.cross_entropy(model(xb), yb) / 2
                loss.backward()
                if number % 2:
                    nn.utils.clip_grad_norm_(model.parameters(), clip)
                    optimizer.step()
                    optimizer.zero_grad()
            model.eval()
            with torch.no_grad():
                best = min(best, F.cross_entropy(model(x), y).item())
            model.train()
    finally:
        if path is not None:
            path.write_text("over")
    return best


def two_players(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """Two models, each with its optimizer. After every second batch something is drawn to look at what they do with it."""
    body, head, drop = nn.Linear(8, 4), nn.Linear(4, 3), nn.Dropout(0.25)
    first = torch.optim.SGD(body.parameters(), lr=lr)
    second = torch.optim.SGD(head.parameters(), lr=lr)
    for _ in range(epochs):
        for number, (xb, yb) in enumerate(DataLoader(TensorDataset(x, y), batch_size=batch_size)):
            hidden = body(xb + torch.randn_like(xb)).detach()
            loss = F.cross_entropy(head(drop(hidden)), yb)
            second.zero_grad()
            loss.backward()
            second.step()
            loss = F.cross_entropy(head(drop(body(xb))), yb)
            first.zero_grad()
            loss.backward()
            first.step()
            if number % 2:
                with torch.no_grad():
                    head(drop(body(torch.randn(2, 8))))


def encoder_decoder(x, y, *, epochs=1, batch_size=10, lr=0.05):
    """Two models with an optimizer each, which take the gradients of one backward pass; a coin of Python's own is thrown."""
    encoder, decoder = nn.Linear(8, 4), nn.Linear(4, 3)
    encoder_optimizer = torch.optim.SGD(encoder.parameters(), lr=lr)
    decoder_optimizer = torch.optim.SGD(decoder.parameters(), lr=lr)
    for _ in range(epochs):
        for xb, yb in DataLoader(TensorDataset(x, y), batch_size=batch_size):
            encoder_optimizer.zero_grad()
            decoder_optimizer.zero_grad()
            hidden = encoder(xb)
            hidden = hidden + torch.randn_like(hidden)
            if random.random() < 0.5:  # noqa: S311
                hidden = -hidden
            F.cross_entropy(decoder(hidden), yb).backward()
            encoder_optimizer.step()
            decoder_optimizer.step()


def raising(x, y, *, batch_size=10, lr=0.05):
    """Fails in its third step."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for number, (xb, yb) in enumerate(DataLoader(TensorDataset(x, y), batch_size=batch_size)):
        loss = F.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if number == 1:
            raise ValueError("the disk is full")


def without_backward(x, y, *, lr=0.05):
    """Steps, and trains nothing."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    F.cross_entropy(model(x), y)
    optimizer.step()


def by_hand(x, y, *, epochs=1, batch_size=10, lr=0.05, bound=0.01):
    """Clips without torch's function, by value."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        for xb, yb in DataLoader(TensorDataset(x, y), batch_size=batch_size):
            loss = F.cross_entropy(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            for parameter in model.parameters():
                parameter.grad.clamp_(-bound, bound)
            optimizer.step()


class Lit(nn.Module):
    """A module in the manner of Lightning."""

    def __init__(self):
        super().__init__()
        self.net = network()

    def training_step(self, batch):
        x, y = batch
        return F.cross_entropy(self.net(x), y)

    def configure_optimizers(self, lr):
        return torch.optim.SGD(self.parameters(), lr=lr)


def lightning(loader, *, lr=0.05):
    """What a trainer does with it."""
    module = Lit()
    optimizer = module.configure_optimizers(lr)
    for batch in loader:

        def closure(batch=batch):
            optimizer.zero_grad()
            loss = module.training_step(batch)
            loss.backward()
            return loss

        optimizer.step(closure)


def averaged(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """A frozen layer, a compiled step, and a moving average that was copied before anything else and is evaluated."""
    model = network()
    average = copy.deepcopy(model)
    model[0].requires_grad_(False)
    fast = torch.compile(model, backend="eager")
    optimizer = torch.optim.SGD(model[2].parameters(), lr=lr)
    for _ in range(epochs):
        for xb, yb in DataLoader(TensorDataset(x, y), batch_size=batch_size):
            loss = F.cross_entropy(fast(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for slow, quick in zip(average.parameters(), model.parameters(), strict=True):
                    slow.lerp_(quick, 0.25)
        # What it says of the average is part of the training here, so that a wrong one shows.
        with torch.no_grad():
            optimizer.param_groups[0]["lr"] = lr * F.cross_entropy(average(x), y).item()


def later(x, y, *, lr=0.05):
    """A second model that is trained after the first."""
    for _ in range(2):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


def momentum(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """SGD with momentum at one rate."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.5)
    for _ in range(epochs):
        for xb, yb in DataLoader(TensorDataset(x, y), batch_size=batch_size):
            loss = F.cross_entropy(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


class Dropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.drop = nn.Dropout(0.25)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.drop(F.relu(self.conv(x))).mean((2, 3)))


def dropping(loader, *, epochs=1, lr=0.05):
    model = Dropping()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
