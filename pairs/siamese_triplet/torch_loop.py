import torch
from torch import nn


def train(batches, *, epochs, lr, margin):
    model = nn.Sequential(
        nn.Linear(4, 16),
        nn.Tanh(),
        nn.Linear(16, 8),
    )
    criterion = nn.TripletMarginLoss(margin=margin)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    for _ in range(epochs):
        for batch in batches:
            anchor, positive, negative = (model(x) for x in batch)
            loss = criterion(anchor, positive, negative)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
