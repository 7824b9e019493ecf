import torch
from torch import nn


def train(weights, batches, *, lr, margin):
    model = nn.Sequential(
        nn.Linear(4, 16),
        nn.Tanh(),
        nn.Linear(16, 8),
    )
    model.load_state_dict(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    criterion = nn.TripletMarginLoss(margin=margin)

    for batch in batches:
        anchor, positive, negative = (model(x) for x in batch)
        loss = criterion(anchor, positive, negative)
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in model.named_parameters()}
        optimizer.step()
        yield {
            "batch": batch,
            "outputs": (anchor, positive, negative),
            "loss": loss,
            "grads": grads,
            "params": dict(model.named_parameters()),
        }
