import torch
from torch import nn


def train(weights, batches, *, lr):
    model = nn.Linear(1, 1)
    model.load_state_dict(weights)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    for x, y in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in model.named_parameters()}
        optimizer.step()
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "params": dict(model.named_parameters()),
        }
